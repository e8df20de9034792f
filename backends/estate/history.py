"""The uses before an estate was made: where they leave it, and their lines when they are asked for.

A new estate has two days of use behind it. Where those days leave every consumer and token is
worked out at once; the hundred thousand lines in the audit trails are written later, from the
newest back, as far as somebody asks (``tell``). Until then what it takes to write them is kept
in ``untold``, so that nothing that is done to the estate meanwhile changes its past.
"""

from __future__ import annotations

import math
import sqlite3
from typing import Any, Final

from backends.estate import activity, database
from backends.estate.activity import BUSY, DUE, HEARTBEAT, HOUR, KEEP, Held
from backends.estate.vocabulary import MASK, fraction, mix, stir

TABLE: Final = """
CREATE TABLE untold (
    id INTEGER PRIMARY KEY,
    period INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    diurnal INTEGER NOT NULL,
    first INTEGER NOT NULL,               -- the first use that has a line,
    upto INTEGER NOT NULL,                -- and the one after the last
    ends INTEGER,                         -- from when its value was refused
    session INTEGER NOT NULL,             -- whether it had a session open by then
    system TEXT NOT NULL,
    token INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    agent TEXT NOT NULL
)"""
TOLD: Final = "told"
"""The setting that says from when on the audit trails have their lines; none where all have."""
FLOOR: Final = "told from"
"""The setting that says from when on there are lines at all."""


def settle(connection: sqlite3.Connection, seed: int, floor: int, now: int) -> None:
    """Let every use up to now have taken place, without its line, in a transaction.

    To the same end as ``activity.uses`` in an estate where nobody was rotated yet.
    """
    connection.execute(TABLE)
    untold: list[tuple[Any, ...]] = []
    moved: list[tuple[Any, ...]] = []
    used: dict[int, tuple[int, str, str]] = {}
    for row in connection.execute(DUE, (now,)).fetchall():
        held, first = Held.by(row), row["k"]
        if row["next_at"] < floor:
            first += max(0, (floor - row["next_at"]) // row["period"] - 1)
        ends = min((limit for limit in held[1:] if limit is not None), default=math.inf)
        if ends > now:
            upto, opened, last = _undisturbed(row, seed, first, now)
            k, quit_ = upto, False
        else:
            k, opened, last, quit_ = _to_an_end(row, held, seed, first, now)
            upto = k + quit_
        session = row["system"] == "database" and opened is not None
        if session:
            activity.connect(connection, row, opened or 0)
        if last is not None and last >= used.get(held.token, (0, "", ""))[0]:
            used[held.token] = (last, row["address"], row["action"])
        at = None if quit_ else activity.moment(seed, row["id"], row["period"], row["phase"], k)
        moved.append((k, at, last, held.token, None, None, held.value_until, row["id"]))
        untold.append(
            (
                row["id"], row["period"], row["phase"], row["diurnal"], first, upto,
                None if ends > now else ends, session, row["system"], held.token, row["action"],
                row["principal"], row["target"], row["address"], row["agent"],
            )
        )  # fmt: skip
    activity.settle(connection, moved, used)
    connection.executemany(
        "INSERT INTO untold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", untold
    )
    database.put(connection, TOLD, str(now + 1))
    database.put(connection, FLOOR, str(floor))


def _undisturbed(
    row: sqlite3.Row, seed: int, first: int, now: int
) -> tuple[int, int | None, int | None]:
    """Where a consumer stands whose value never ended, and when its uses began and ended."""
    own, period, phase, diurnal = mix(seed, row["id"]), row["period"], row["phase"], row["diurnal"]

    def use(k: int) -> int | None:
        state = stir(own, k)
        at = activity.drawn(state, period, phase, k)
        return at if not diurnal or activity.is_busy(state, at) else None

    upto = max(first, (now - phase) // period)
    while activity.drawn(stir(own, upto), period, phase, upto) <= now:
        upto += 1
    opened = None
    if row["system"] == "database":
        opened = next((at for k in range(first, upto) if (at := use(k)) is not None), None)
    back = range(upto - 1, first - 1, -1)
    return upto, opened, next((at for k in back if (at := use(k)) is not None), None)


def _to_an_end(
    row: sqlite3.Row, held: Held, seed: int, first: int, now: int
) -> tuple[int, int | None, int | None, bool]:
    """The same for one whose value ended: walked use by use. Whether it has given up is last."""
    own, k, opened, last = mix(seed, row["id"]), first, None, None
    database_ = row["system"] == "database"
    while True:
        state = stir(own, k)
        at = activity.drawn(state, row["period"], row["phase"], k)
        if at > now:
            return k, opened, last, False
        if not row["diurnal"] or activity.is_busy(state, at):
            if held.works(at) or (database_ and opened is not None):
                last = at
                opened = at if opened is None else opened
            elif activity.given_up(held, at):
                return k, opened, last, True
        k += 1


def begins(connection: sqlite3.Connection) -> int | None:
    """From when on the audit trails have their lines; None where they have all."""
    told = database.get(connection, TOLD)
    return None if told is None else int(told)


def tell(connection: sqlite3.Connection, seed: int, since: int, now: int) -> None:
    """Write the lines of the past back to ``since``, where they are not written yet."""
    if (told := begins(connection)) is None or told <= since:
        return
    with database.writing(connection):
        # Another process may have come first while this one waited for the lock.
        told = begins(connection)
        if told is None or told <= since:
            return
        floor = int(database.get(connection, FLOOR) or 0)
        start = max(since, floor, now - KEEP)
        if start < told:
            activity.write_lines(connection, _lines(connection, seed, start, told))
        if start <= max(floor, now - KEEP):
            connection.execute("DROP TABLE untold")
            database.put(connection, TOLD, None)
            database.put(connection, FLOOR, None)
        else:
            database.put(connection, TOLD, str(start))


def _lines(
    connection: sqlite3.Connection, seed: int, start: int, end: int
) -> list[tuple[Any, ...]]:
    """The lines from ``start`` to just before ``end``, consumer by consumer."""
    lines: list[tuple[Any, ...]] = []
    add = lines.append
    for row in connection.execute("SELECT * FROM untold ORDER BY id").fetchall():
        _, period, phase, diurnal, first, upto, ends, session, system, token, *rest = row
        action, actor, *where = rest
        accepted = (system, token, action, "ok", actor, *where, "")
        after = (system, token, action, "denied", actor, *where, "")
        if session:
            after = (system, token, action, "ok", actor, *where, "in a session opened before")
        limit = math.inf if ends is None else ends
        own, steady = mix(seed, row["id"]), period <= HEARTBEAT
        for k in range(max(first, (start - phase) // period - 1), upto):
            # Both in one place here (``activity.drawn`` and ``is_busy``): this runs a hundred
            # thousand times.
            state = stir(own, k & MASK)
            at = phase + k * period
            if not steady:
                at += int(fraction(state) * 0.8 * period)
            if at >= end:
                break
            if at >= start and (not diurnal or fraction(stir(state, 1)) < BUSY[at // HOUR % 24]):
                add((at, *(accepted if at < limit else after)))
    return lines
