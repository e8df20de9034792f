"""Which tokens a text names, for every command and prompt.

A text is tried as a handle or the beginning of one, an id, a name, ``BACKEND/ID``,
``BACKEND/NAME``, and a keyed fingerprint or the beginning of one. All that it names counts:
whoever may make tokens chooses their names, and one that is called like another's id must
not stand for it. Only a whole handle is ours to give, and means one token whatever else is
called so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from sqlite3 import Connection

from console.inventory.records import Row
from console.store.queries import names
from console.store.queries.conditions import HANDLE
from console.text import age, safe

DIGITS = 4
"""Digits of a handle that are enough to name a token."""
PRINT = 12
"""Digits of a fingerprint that are enough."""
_HEX = re.compile(r"[0-9a-f]+")


def numbers(connection: Connection, text: str) -> list[int]:
    """The rows that a text names; several mean that it is not clear."""
    low = text.lower()
    if HANDLE.fullmatch(low) and (whole := names.by_whole_handle(connection, low)):
        return whole
    found = _named(connection, text)
    backend, slash, rest = text.partition("/")
    if slash and rest:
        found += _named(connection, rest, backend)
    if PRINT <= len(low) <= 64 and _HEX.fullmatch(low):
        found += names.by_fingerprint(connection, low)
    return list(dict.fromkeys(found))[: names.LIMIT]


def told_apart(rows: Sequence[Row], now: float) -> list[str]:
    """One line for each of several tokens that a text names, with what tells them apart."""
    return [
        f"{row.handle}  {safe(row.backend)}/{safe(row.name, 60)}  {safe(row.kind, 40)}"
        f" {safe(row.id, 60)}  {row.state if row.presence == 'present' else 'GONE'}"
        f"{_owner(row)}{_ago('made', row.created_at, now)}{_ago('used', row.used_at, now)}"
        for row in rows
    ]


def _owner(row: Row) -> str:
    return f"  owner {safe(row.owner, 40)}" if row.owner else ""


def _ago(word: str, at: int | None, now: float) -> str:
    return "" if at is None else f"  {word} {age(now - at)} ago"


def _named(connection: Connection, text: str, backend: str | None = None) -> list[int]:
    low = text.lower()
    begun = DIGITS <= len(low) <= 12 and _HEX.fullmatch(low)
    return [
        *(names.by_handle(connection, low, backend) if begun else ()),
        *names.by_id(connection, text, backend),
        *names.by_name(connection, text, backend),
    ]
