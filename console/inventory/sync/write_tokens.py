"""Writes one batch of tokens, with their history, in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from backends.model import Token, decode
from console.inventory.sync.changes import Difference, compare, main_kind
from console.inventory.sync.validate import Garbage, Shaped, checked, columns
from console.store.database import Connection, touch
from console.store.write import backends, tokens
from console.store.write.tokens import Indexed, StoredToken, Values


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


class _Work:
    """What a batch comes to, before any of it is written."""

    def __init__(self) -> None:
        self.tokens: list[Values] = []
        self.documents: list[Values] = []
        self.updated: list[Values] = []
        self.updated_documents: list[Values] = []
        self.changes: list[Values] = []
        self.unindexed: list[Indexed] = []
        self.indexed: list[Indexed] = []
        self.seen_again: list[int] = []
        self.present = self.gone = 0


PIECE = 1_000
"""Tokens of a batch that are unfolded at a time; as many rows of them are in memory."""


def write(
    connection: Connection, look: SyncPass, batch: Sequence[Shaped], *, read_at: int | None = None
) -> None:
    """Write what is new or different in a batch. The look learns what was found.

    ``read_at`` is set when the tokens were read one by one, outside a listing.
    """
    for start in range(0, len(batch), PIECE):
        _write(connection, look, batch[start : start + PIECE], read_at)


def _write(
    connection: Connection, look: SyncPass, batch: Sequence[Shaped], read_at: int | None
) -> None:
    known = tokens.known(connection, [item.handle for item in batch])
    work = _Work()
    number = tokens.last_number(connection)
    changed: list[tuple[StoredToken, Shaped]] = []
    for item in batch:
        row = known.get(item.handle)
        if row is None:
            try:
                token = checked(item)
            except Garbage as error:
                look.garbage[str(error)] += 1
                continue
            number += 1
            _new(work, look, number, item, token, read_at)
            known[item.handle] = StoredToken(
                number, item.handle, item.kind, item.ref, item.backend, item.digest, None, None
            )
            look.seen.add(number)
            look.listed[token.scope] += 1
        elif (row.backend, row.kind, row.ref) != (item.backend, item.kind, item.ref):
            look.garbage["a token whose handle another token has"] += 1
        elif not look.seen.add(row.num) and read_at is None:
            look.repeated[item.scope] += 1
        else:
            look.listed[item.scope] += 1
            if row.digest != item.digest or row.gone_at is not None or read_at is not None:
                changed.append((row, item))
            elif row.last_seen is not None:
                work.seen_again.append(row.num)
    if changed:
        _changed(connection, work, look, changed, read_at)
    _flush(connection, work, look)


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
    stored = tokens.records(connection, [row.num for row, _ in changed])
    for row, item in changed:
        try:
            token = checked(item)
        except Garbage as error:
            look.garbage[str(error)] += 1
            continue
        had = stored[row.num]
        found, kept = compare(decode(had.doc, Token), token, had.kept)
        if row.gone_at is not None:
            found.insert(0, Difference("back", "presence", "gone", token.state.value, "listing"))
            work.present += 1
            work.gone -= 1
        values = columns(token)
        if (had.hay, had.grant_text) != (values["hay"], values["grant_text"]):
            work.unindexed.append((row.num, had.hay, had.grant_text))
            work.indexed.append((row.num, values["hay"], values["grant_text"]))
        work.updated.append(
            {
                "at_num": row.num,
                **values,
                "last_seen": None,
                "read_at": read_at or had.read_at,
                "gone_at": None,
                "changed_at": look.at if found else had.changed_at,
                "change": main_kind(found) if found else had.change,
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
    if work.tokens:
        tokens.add(connection, work.tokens, work.documents)
    if work.updated:
        tokens.change(connection, work.updated, work.updated_documents)
    if work.seen_again:
        tokens.see_again(connection, work.seen_again)
    if work.unindexed:
        tokens.unindex(connection, work.unindexed)
    if work.indexed:
        tokens.index(connection, work.indexed)
    if work.changes:
        tokens.note_changes(connection, work.changes)
    if work.present or work.gone:
        backends.count(connection, look.backend, work.present, work.gone)
    if work.tokens or work.updated or work.seen_again:
        touch(connection)


def mark_gone(connection: Connection, look: SyncPass, numbers: Sequence[int], source: str) -> int:
    """Note that tokens are gone, as their system itself said. Returns how many are so now."""
    rows = tokens.present_states(connection, numbers)
    if not rows:
        return 0
    tokens.set_gone(connection, [num for num, _ in rows], look.at)
    tokens.note_changes(
        connection,
        [
            {"token": num, "at": look.at}
            | Difference("gone", "presence", state, "gone", source)._asdict()
            for num, state in rows
        ],
    )
    backends.count(connection, look.backend, -len(rows), len(rows))
    touch(connection)
    look.counts["gone"] += len(rows)
    return len(rows)
