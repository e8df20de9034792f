"""Removes a backend from the store, batch by batch."""

from __future__ import annotations

from console.store.database import Connection, touch
from console.store.write import removal
from console.store.writer import StoreWriter

BATCH = 1_000
"""Tokens that one transaction removes."""


async def remove_backend(store: StoreWriter, backend: str) -> int:
    """Remove everything that the store has of a backend. Returns the tokens removed."""
    removed = 0
    while some := await store.write(_some, backend):
        removed += some
    await store.write(_rest, backend)
    return removed


def _some(connection: Connection, backend: str) -> int:
    removed = removal.remove_tokens(connection, backend, BATCH)
    if removed:
        touch(connection)
    return removed


def _rest(connection: Connection, backend: str) -> None:
    removal.remove_rest(connection, backend)
    touch(connection)
