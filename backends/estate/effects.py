"""How a token is contained, ended and cut off in an estate, as truly as the day allows.

Everything here runs within the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from backends.contract import Verb
from backends.errors import NotFound, Refused
from backends.estate import attacker, trouble
from backends.estate.issuing import ACTING, CONSOLE, event
from backends.estate.systems import System

CHILDREN = """
WITH RECURSIVE tree (n) AS (
    SELECT n FROM token WHERE parent = :n
    UNION SELECT token.n FROM token JOIN tree ON token.parent = tree.n
)
SELECT n FROM tree ORDER BY n
"""


class CallEffect(NamedTuple):
    """What really came of a change. ``changed`` is false where it was so before."""

    changed: bool
    rows: int = 0


def change(
    db: sqlite3.Connection, verb: Verb, spec: System, row: sqlite3.Row, now: int, intent: str
) -> CallEffect:
    """Contain, restore, revoke or disconnect.

    Raises:
        NotFound: the token is gone.
        Refused: the system has no such verb.
    """
    day = trouble.of(db, spec.name)
    if day.no_effect:
        done = CallEffect(True)
    elif verb is Verb.REVOKE:
        done = _revoke(db, spec, day, row, now)
    elif verb is Verb.DISCONNECT:
        done = _disconnect(db, day, row, now)
    elif verb in (Verb.CONTAIN, Verb.RESTORE):
        done = _switch(db, spec, day, row, now, off=verb is Verb.CONTAIN)
    else:
        raise Refused(f"no {verb.value} here")
    note(db, row, verb.value, now, intent)
    return done


def note(db: sqlite3.Connection, row: sqlite3.Row, what: str, now: int, intent: str) -> None:
    """Write that a changing call reached a token, and wake the attacker who watches it."""
    event(
        db, row["system"], now, row["n"], what, actor=ACTING, target=row["name"],
        agent=f"{CONSOLE}/act", detail=f"intent {intent}" if intent else "",
    )  # fmt: skip
    db.execute(
        "INSERT INTO hit VALUES (?, ?, 1)"
        " ON CONFLICT (token, what) DO UPDATE SET times = times + 1",
        (row["n"], what),
    )
    attacker.alert(db, row["n"], now)


def _revoke(
    db: sqlite3.Connection, spec: System, day: trouble.SystemTrouble, row: sqlite3.Row, now: int
) -> CallEffect:
    if row["gone_at"] is not None:
        # Asked again while the first request is still being worked off, a system says
        # yes again; only when the record says "gone" can it say "already".
        return CallEffect(row["gone_at"] > now)
    doomed = [row["n"]]
    if spec.name == "vault" and not day.siblings_alive:
        doomed += [below["n"] for below in db.execute(CHILDREN, {"n": row["n"]})]
    gone = now + max(spec.record_lag, day.record_lag)
    dead = None if day.undead else now + max(spec.lag, day.effect_lag)
    db.executemany(
        "UPDATE token SET gone_at = ?, dead_from = ? WHERE n = ? AND gone_at IS NULL",
        [(gone, dead, n) for n in doomed],
    )
    # Whoever had moved to a successor that is taken back reads the old value again.
    if row["predecessor"] is not None:
        db.execute(
            "UPDATE consumer SET token = ?, moves_to = NULL, moves_at = NULL WHERE token = ?"
            " AND EXISTS (SELECT 1 FROM token WHERE n = ? AND dead_from IS NULL)",
            (row["predecessor"], row["n"], row["predecessor"]),
        )
        db.execute(
            "UPDATE consumer SET moves_to = NULL, moves_at = NULL WHERE token = ? AND moves_to = ?",
            (row["predecessor"], row["n"]),
        )
    return CallEffect(True, len(doomed))


def _switch(
    db: sqlite3.Connection,
    spec: System,
    day: trouble.SystemTrouble,
    row: sqlite3.Row,
    now: int,
    *,
    off: bool,
) -> CallEffect:
    if spec.name not in ("cloud", "database"):
        raise Refused("tokens cannot be disabled here")
    if row["gone_at"] is not None and row["gone_at"] <= now:
        raise NotFound("the token is gone")
    if bool(row["disabled"]) is off:
        return CallEffect(False)
    blocked = now + max(spec.lag, day.effect_lag) if off and not day.undead else None
    db.execute(
        "UPDATE token SET disabled = ?, blocked_from = ? WHERE n = ?",
        (int(off), blocked, row["n"]),
    )
    return CallEffect(True, 1)


def _disconnect(
    db: sqlite3.Connection, day: trouble.SystemTrouble, row: sqlite3.Row, now: int
) -> CallEffect:
    if row["system"] != "database":
        raise Refused("there are no sessions here")
    open_now: Sequence[sqlite3.Row] = db.execute(
        "SELECT id FROM session WHERE token = ? AND ended_at IS NULL ORDER BY id", (row["n"],)
    ).fetchall()
    ended = open_now[1:] if day.siblings_alive else open_now
    db.executemany(
        "UPDATE session SET ended_at = ? WHERE id = ?", [(now, one["id"]) for one in ended]
    )
    return CallEffect(bool(open_now), len(ended))
