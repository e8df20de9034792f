"""Which token a log means by a name: a role's name, an account, an HMAC of an accessor."""

from __future__ import annotations

from collections.abc import Mapping

from backends.model import TokenRef
from console.store.database import Connection
from console.store.text_fold import KEY, encodable, fold, name_key
from console.store.write import log_places
from console.store.write.events import StoredEvent
from console.store.write.log_places import NamedToken

ASK = 5_000
"""Tokens whose names in the log a backend is asked for in one go."""


def resolve(connection: Connection, backend: str, rows: list[StoredEvent]) -> None:
    """Put the right token into events that name theirs in the log's own way.

    One that nobody knows keeps the log's name, which is remembered: when it becomes known
    whose it is, the events are found under the token too, and what was sealed stays as it was.
    """
    wanted = {row.handle: row for row in rows if row.handle}
    if not wanted:
        return
    known = log_places.named(connection, wanted)
    fresh: list[tuple[str, str, str, str, str | None]] = []
    for alias in wanted.keys() - known.keys():
        row = wanted[alias]
        kind, name = row.ref_kind or "", row.ref_id or ""
        found = _by_name(connection, backend, kind, name)
        known[alias] = found
        fresh.append((alias, backend, kind, name, found and found.handle))
    if fresh:
        log_places.add_names(connection, fresh)
    for place, row in enumerate(rows):
        token = known.get(row.handle) if row.handle else None
        if token is not None:
            rows[place] = row._replace(handle=token.handle, ref_kind=token.kind, ref_id=token.ref)


def try_again(connection: Connection, backend: str) -> int:
    """Look once more for the tokens behind names that nobody knew. Returns how many are found."""
    found = [
        (token.handle, alias)
        for alias, kind, name in log_places.unknown_names(connection, backend)
        if (token := _by_name(connection, backend, kind, name)) is not None
    ]
    if found:
        log_places.resolve_names(connection, found)
    return len(found)


def nameless(connection: Connection, backend: str) -> list[TokenRef]:
    """Tokens of which nobody has asked yet what the log calls them."""
    rows = log_places.nameless(connection, backend, ASK)
    return [TokenRef(backend, kind, ref) for kind, ref in rows]


def keep(connection: Connection, backend: str, kind: str, names: Mapping[str, TokenRef]) -> None:
    """Keep what a backend told of its log's names. ``kind`` is what a source calls such tokens."""
    rows = [
        (TokenRef(backend, kind, name).handle, backend, kind, encodable(name), ref.handle)
        for name, ref in names.items()
    ]
    if rows:
        log_places.set_names(connection, rows)


def _by_name(connection: Connection, backend: str, kind: str, name: str) -> NamedToken | None:
    """The token of that name or id, where exactly one has it; those that are there go first."""
    rows = log_places.of_name(connection, backend, name, (name_key(name), fold(name, KEY)))
    of_kind = [row for row in rows if row[0].kind == kind] or rows
    present = [row for row in of_kind if row[1]] or of_kind
    return present[0][0] if len(present) == 1 else None
