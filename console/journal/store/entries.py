"""What is asked of the entries; the statements are the same on every database.

Raw SQL, since the journal's two databases have one small interface (``base``) and no toolkit
over it: it has to open where nothing but the standard library is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.journal.format.parts import SETTLED
from console.journal.store.base import JournalReader, raw

_SETTLED = ", ".join(f"'{state}'" for state in SETTLED)
_ANSWERED = f"""
  FROM entry AS answer WHERE answer.ref = intent.id
    AND answer.kind IN ('outcome', 'recovery') AND answer.state IN ({_SETTLED})
"""
_OPEN = f"""
SELECT seq, leaf FROM entry AS intent WHERE kind = 'intent' AND NOT EXISTS (
  SELECT 1 {_ANSWERED}
) ORDER BY seq
"""  # noqa: S608 - built from constants only.
_OF_PLAN = """
SELECT seq, leaf FROM entry WHERE plan = ? AND seq > ? UNION ALL
SELECT seq, leaf FROM entry WHERE id = ? AND seq > ? AND coalesce(plan, '') <> ?
ORDER BY seq
"""
_AT_TOKEN = f"""
SELECT seq, leaf, (SELECT answer.leaf {_ANSWERED} LIMIT 1)
FROM entry AS intent WHERE handle = ? AND kind = 'intent' AND coalesce(plan, '') <> ?
ORDER BY seq DESC
"""  # noqa: S608 - built from constants only.
_CASES = """
SELECT seq, leaf FROM entry WHERE kind = 'incident' AND seq > ? ORDER BY seq
"""
_NAMING = """
SELECT seq, leaf FROM entry WHERE kind IN ('incident', 'plan.made', 'plan', 'session.open',
  'export') AND seq > ?
UNION ALL
SELECT seq, leaf FROM entry WHERE kind IN ('note', 'observe', 'breakglass') AND plan IS NULL
  AND seq > ?
ORDER BY seq
"""
_STANDS = """
SELECT (SELECT kind FROM entry WHERE id = ?),
  (SELECT 1 FROM entry WHERE ref = ? AND kind = ? AND step = ?)
"""

Numbered = tuple[int, bytes]
"""An entry's number and its bytes."""


def last_number(store: JournalReader) -> int:
    """The number of the newest entry; 0 in an empty journal."""
    return int(store.rows("SELECT coalesce(max(seq), 0) FROM entry")[0][0])


def matching(
    store: JournalReader,
    *,
    limit: int,
    before: int | None,
    plan: str | None,
    kind: str | None,
    ref: str | None,
    handle: str | None,
    id: str | None,  # noqa: A002
    fp: str | None,
) -> list[Numbered]:
    """Entries, newest first, that meet every condition given.

    ``before`` is the number to go on below; ``plan`` gives the plan itself too.
    """
    tests: list[str] = []
    values: list[Any] = []
    if before is not None:
        tests.append("seq < ?")
        values.append(before)
    if plan is not None:
        tests.append("(plan = ? OR id = ?)")
        values += [plan, plan]
    for column, value in (("kind", kind), ("ref", ref), ("handle", handle), ("id", id), ("fp", fp)):
        if value is not None:
            tests.append(f"{column} = ?")
            values.append(str(value))
    where = f"WHERE {' AND '.join(tests)}" if tests else ""
    # Columns come from the list above; every value is bound.
    statement = f"SELECT seq, leaf FROM entry {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608
    return _numbered(store.rows(statement, [*values, limit]))


def of_plan(store: JournalReader, plan: str, after: int) -> list[Numbered]:
    """A plan's approval and what belongs to it, above a number, oldest first."""
    return _numbered(store.rows(_OF_PLAN, (plan, after, plan, after, plan)))


def cases(store: JournalReader, after: int) -> list[Numbered]:
    """What was decided about incidents, above a number, oldest first."""
    return _numbered(store.rows(_CASES, (after,)))


def naming_incidents(store: JournalReader, after: int) -> list[Numbered]:
    """Entries above a number that may name an incident and belong to no approved plan.

    What belongs to a plan is found by the plan. Oldest first.
    """
    return _numbered(store.rows(_NAMING, (after, after)))


def open_intents(store: JournalReader) -> list[Numbered]:
    """Intents that no settled answer stands against, oldest first."""
    return _numbered(store.rows(_OPEN))


def intents_at(
    store: JournalReader, handle: str, other_than: str
) -> list[tuple[int, bytes, bytes | None]]:
    """The intents of other plans about a token, newest first, each with a settled answer to it.

    ``other_than`` is the plan whose own are left out.
    """
    return [
        (seq, raw(leaf), None if answer is None else raw(answer))
        for seq, leaf, answer in store.rows(_AT_TOKEN, (handle, other_than))
    ]


def answered(store: JournalReader, ref: str, kind: str, step: str) -> tuple[str | None, bool]:
    """The kind of an entry, and whether one of a kind answers it for a step already."""
    found, once = store.rows(_STANDS, (ref, ref, kind, step))[0]
    return found, bool(once)


def has_id(store: JournalReader, id_: str) -> bool:
    """Whether there is an entry with an id."""
    return bool(store.rows("SELECT 1 FROM entry WHERE id = ?", (id_,)))


def has_kind(store: JournalReader, kind: str) -> bool:
    """Whether there is an entry of a kind."""
    return bool(store.rows("SELECT 1 FROM entry WHERE kind = ?", (kind,)))


def kind_of(store: JournalReader, id_: str) -> tuple[int, str] | None:
    """The number and the kind of the entry with an id."""
    found = store.rows("SELECT seq, kind FROM entry WHERE id = ?", (id_,))
    return (found[0][0], found[0][1]) if found else None


def with_id(store: JournalReader, id_: str) -> list[bytes]:
    """The bytes of the entry with an id; of several, where somebody put them there."""
    return [raw(leaf) for (leaf,) in store.rows("SELECT leaf FROM entry WHERE id = ?", (id_,))]


def sessions(store: JournalReader, upto: int) -> list[bytes]:
    """The entries up to a number that open a signed session, oldest first."""
    found = store.rows(
        "SELECT leaf FROM entry WHERE kind = 'session.open' AND seq <= ? ORDER BY seq", (upto,)
    )
    return [raw(leaf) for (leaf,) in found]


def naming_keys(store: JournalReader, upto: int) -> list[Numbered]:
    """The entries up to a number that may name a key of the journal, oldest first."""
    return _numbered(
        store.rows(
            "SELECT seq, leaf FROM entry WHERE kind IN ('log.open', 'log.upgrade', 'key.rotate')"
            " AND seq <= ? ORDER BY seq",
            (upto,),
        )
    )


def fingerprints(store: JournalReader) -> list[tuple[str, str]]:
    """The keyed hashes of values that were in hand, each with its token's handle."""
    found = store.rows(
        "SELECT DISTINCT fp, handle FROM entry WHERE fp IS NOT NULL AND handle IS NOT NULL"
    )
    return [(fp, handle) for fp, handle in found]


def _numbered(rows: Iterable[tuple[Any, ...]]) -> list[Numbered]:
    return [(seq, raw(leaf)) for seq, leaf in rows]
