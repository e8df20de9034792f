"""Writes one batch of tokens, with their history, in the caller's transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, update

from backends.model import Token, decode
from console.inventory.sync.changes import Difference, compare, main_kind
from console.inventory.sync.validate import Garbage, Shaped, checked, columns
from console.store.database import touch
from console.store.tables import table

TOKEN = table("token")
DOCUMENT = table("document")
CHANGE = table("change")
FTS_INSERT = "INSERT INTO token_fts (rowid, hay, grant_text) VALUES (?, ?, ?)"
FTS_DELETE = "INSERT INTO token_fts (token_fts, rowid, hay, grant_text) VALUES ('delete', ?, ?, ?)"


class SeenRows:
    """Which rows one look has seen: a bit for each number, an eighth of a byte a token."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Note a row; False if it was noted before."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1024 - len(self._bits)))
        if self._bits[place] & bit:
            return False
        self._bits[place] |= bit
        return True

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self._bits) and bool(self._bits[place] & (1 << (number & 7)))


class SyncPass:
    """One look at a backend while it goes on."""

    def __init__(self, backend: str, at: int, *, first: bool, unseen: Iterable[str] = ()) -> None:
        self.backend = backend
        self.at = at
        self.first = first
        """Nothing is "new" when a backend is looked at for the first time,"""
        self.unseen = frozenset(unseen)
        """nor in a scope that could not be seen before."""
        self.seen = SeenRows()
        self.listed: Counter[str] = Counter()
        """Tokens by scope."""
        self.garbage: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """Rows by kind of change, for the report."""


class StoredToken(NamedTuple):
    """What the store has of a token before a batch is written."""

    num: int
    handle: str
    kind: str
    ref: str
    backend: str
    digest: bytes
    gone_at: int | None
    last_seen: int | None


class _Work:
    def __init__(self) -> None:
        self.tokens: list[dict[str, Any]] = []
        self.documents: list[dict[str, Any]] = []
        self.updated: list[dict[str, Any]] = []
        self.updated_documents: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.unindexed: list[tuple[int, str, str]] = []
        self.indexed: list[tuple[int, str, str]] = []
        self.seen_again: list[tuple[int]] = []
        self.present = self.gone = 0


def write(
    connection: Connection, look: SyncPass, batch: Sequence[Shaped], *, read_at: int | None = None
) -> None:
    """Write what is new or different in a batch. The look learns what was found.

    ``read_at`` is set when the tokens were read one by one, outside a listing.
    """
    known = _known(connection, [item.handle for item in batch])
    work = _Work()
    number = int(connection.exec_driver_sql("SELECT coalesce(max(num), 0) FROM token").scalar_one())
    changed: list[tuple[StoredToken, Shaped]] = []
    for item in batch:
        row = known.get(item.handle)
        ref = item.token.ref
        if row is None:
            try:
                token = checked(item)
            except Garbage as error:
                look.garbage[str(error)] += 1
                continue
            number += 1
            _new(work, look, number, item, token, read_at)
            known[item.handle] = StoredToken(
                number, item.handle, ref.kind, ref.id, ref.backend, item.digest, None, None
            )
            look.seen.add(number)
            look.listed[token.scope] += 1
        elif (row.backend, row.kind, row.ref) != (ref.backend, ref.kind, ref.id):
            look.garbage["a token whose handle another token has"] += 1
        elif not look.seen.add(row.num) and read_at is None:
            look.repeated[item.token.scope] += 1
        else:
            look.listed[item.token.scope] += 1
            if row.digest != item.digest or row.gone_at is not None or read_at is not None:
                changed.append((row, item))
            elif row.last_seen is not None:
                work.seen_again.append((row.num,))
    if changed:
        _changed(connection, work, look, changed, read_at)
    _flush(connection, work, look)


def _known(connection: Connection, handles: list[str]) -> dict[str, StoredToken]:
    rows = connection.exec_driver_sql(
        "SELECT num, handle, kind, ref, backend, digest, gone_at, last_seen FROM token"
        " WHERE handle IN (SELECT value FROM json_each(?))",
        (json.dumps(handles),),
    )
    return {row[1]: StoredToken(*row) for row in rows}


def _new(
    work: _Work, look: SyncPass, number: int, item: Shaped, token: Token, read_at: int | None
) -> None:
    surprise = not look.first and token.scope not in look.unseen
    values = columns(token)
    work.tokens.append(
        {
            "num": number,
            "handle": item.handle,
            "backend": token.ref.backend,
            "kind": token.ref.kind,
            "ref": token.ref.id,
            **values,
            "first_seen": look.at,
            "appeared_at": look.at if surprise else None,
            "last_seen": None,
            "read_at": read_at,
            "gone_at": None,
            "changed_at": look.at,
            "change": "new" if surprise else "",
            "digest": item.digest,
        }
    )
    work.documents.append({"num": number, "doc": item.doc, "kept": None})
    work.indexed.append((number, values["hay"], values["grant_text"]))
    work.present += 1
    if surprise:
        look.counts["new"] += 1
        _note(work, look, number, [Difference("new", "presence", "", token.state.value, "listing")])


def _changed(
    connection: Connection,
    work: _Work,
    look: SyncPass,
    changed: list[tuple[StoredToken, Shaped]],
    read_at: int | None,
) -> None:
    stored = {
        row[0]: row
        for row in connection.exec_driver_sql(
            "SELECT t.num, d.doc, d.kept, t.hay, t.grant_text, t.change, t.changed_at, t.read_at"
            " FROM token t JOIN document d USING (num)"
            " WHERE t.num IN (SELECT value FROM json_each(?))",
            (json.dumps([row.num for row, _ in changed]),),
        )
    }
    for row, item in changed:
        try:
            token = checked(item)
        except Garbage as error:
            look.garbage[str(error)] += 1
            continue
        _, doc, kept, hay, grant_text, change, changed_at, last_read = stored[row.num]
        found, kept = compare(decode(doc, Token), token, kept)
        if row.gone_at is not None:
            found.insert(0, Difference("back", "presence", "gone", token.state.value, "listing"))
            work.present += 1
            work.gone -= 1
        values = columns(token)
        if (hay, grant_text) != (values["hay"], values["grant_text"]):
            work.unindexed.append((row.num, hay, grant_text))
            work.indexed.append((row.num, values["hay"], values["grant_text"]))
        work.updated.append(
            {
                "at_num": row.num,
                **values,
                "last_seen": None,
                "read_at": read_at or last_read,
                "gone_at": None,
                "changed_at": look.at if found else changed_at,
                "change": main_kind(found) if found else change,
                "digest": item.digest,
            }
        )
        work.updated_documents.append({"at_num": row.num, "doc": item.doc, "kept": kept})
        if found:
            look.counts["back" if row.gone_at is not None else "changed"] += 1
            _note(work, look, row.num, found)


def _note(work: _Work, look: SyncPass, number: int, found: list[Difference]) -> None:
    work.changes.extend({"token": number, "at": look.at, **one._asdict()} for one in found)


def _flush(connection: Connection, work: _Work, look: SyncPass) -> None:
    driver = connection.exec_driver_sql
    if work.tokens:
        connection.execute(insert(TOKEN), work.tokens)
        connection.execute(insert(DOCUMENT), work.documents)
    if work.updated:
        names = [name for name in work.updated[0] if name != "at_num"]
        connection.execute(
            update(TOKEN)
            .where(TOKEN.c.num == bindparam("at_num"))
            .values({name: bindparam(name) for name in names}),
            work.updated,
        )
        connection.execute(
            update(DOCUMENT)
            .where(DOCUMENT.c.num == bindparam("at_num"))
            .values(doc=bindparam("doc"), kept=bindparam("kept")),
            work.updated_documents,
        )
    if work.seen_again:
        driver("UPDATE token SET last_seen = NULL WHERE num = ?", work.seen_again)
    if work.unindexed:
        driver(FTS_DELETE, work.unindexed)
    if work.indexed:
        driver(FTS_INSERT, work.indexed)
    if work.changes:
        connection.execute(insert(CHANGE), work.changes)
    if work.present or work.gone:
        count(connection, look.backend, work.present, work.gone)
    if work.tokens or work.updated or work.seen_again:
        touch(connection)


def count(connection: Connection, backend: str, present: int, gone: int) -> None:
    """Move the backend's counters, so that nobody has to count rows."""
    connection.exec_driver_sql(
        "UPDATE backend SET tokens = tokens + ?, gone = gone + ? WHERE name = ?",
        (present, gone, backend),
    )


def mark_gone(connection: Connection, look: SyncPass, numbers: Sequence[int], source: str) -> int:
    """Note that tokens are gone, as their system itself said. Returns how many are so now."""
    rows = connection.exec_driver_sql(
        "SELECT num, state FROM token WHERE gone_at IS NULL"
        " AND num IN (SELECT value FROM json_each(?))",
        (json.dumps(list(numbers)),),
    ).fetchall()
    if not rows:
        return 0
    connection.exec_driver_sql(
        "UPDATE token SET gone_at = ?, changed_at = ?, change = 'gone', status = 'gone'"
        " WHERE num = ?",
        [(look.at, look.at, num) for num, _ in rows],
    )
    connection.execute(
        insert(CHANGE),
        [
            {"token": num, "at": look.at}
            | Difference("gone", "presence", state, "gone", source)._asdict()
            for num, state in rows
        ],
    )
    count(connection, look.backend, -len(rows), len(rows))
    touch(connection)
    look.counts["gone"] += len(rows)
    return len(rows)
