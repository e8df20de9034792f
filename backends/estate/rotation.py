"""How the estate's systems replace a value: one way for each class of rotation.

Everything here runs within the caller's transaction. A new value is issued (computed from
the estate's key) or chosen by whoever rotates; of a chosen one only a digest is kept.
"""

from __future__ import annotations

import json
import sqlite3
import time
from datetime import datetime
from typing import Final, NamedTuple

from backends.contract import Rotation
from backends.errors import Refused
from backends.estate import attacker, database, trouble
from backends.estate.effects import note
from backends.estate.issuing import ACTING, INSERT_VALUE, digest, identity, insert_token, value
from backends.estate.systems import OVERLAP_SECONDS, System
from backends.estate.vocabulary import share
from backends.model import Secret
from backends.words import count

MOVING: Final = 300
"""Within how many seconds the estate's consumers take up a new value."""


class EstateMinted(NamedTuple):
    """A new value and the token that it belongs to. ``refused`` says why there is none."""

    id: str = ""
    secret: Secret = Secret("")
    refused: str = ""


def is_gone(row: sqlite3.Row, now: int) -> bool:
    """Whether the system's record says at ``now`` (unix seconds) that a token is gone."""
    return row["gone_at"] is not None and row["gone_at"] <= now


def rotate(
    db: sqlite3.Connection,
    seed: int,
    key: bytes,
    spec: System,
    row: sqlite3.Row,
    now: int,
    *,
    intent: str = "",
    chosen: Secret | None = None,
) -> EstateMinted:
    """Make the one call that mints; the old value goes on or ends as its class has it.

    Raises:
        Refused: only a person can mint these, no slot is free, or the token is gone.
    """
    kind = spec.capabilities.of(row["kind"])
    day = trouble.of(db, spec.name)
    if kind.rotation is Rotation.NO_API:
        raise Refused("only a person can mint these")
    if kind.reuse_detection and successors(db, row["n"]):
        end_family(db, row["n"], now)
        note(db, row, "rotate", now, intent)
        return EstateMinted(refused="rotated before: the token that replaced it is ended too")
    if is_gone(row, now):
        raise Refused("the token is gone")
    if kind.slots is not None and kind.rotation is Rotation.CREATE_RETIRE:
        held = attacker.taken(db, row, now)
        if held >= kind.slots:
            raise Refused(f"LimitExceeded: {held} of {count(kind.slots, 'slot')} taken")
    if day.no_effect:
        note(db, row, "rotate", now, intent)
        return _pretended(seed, key, spec, row, now, chosen)
    if kind.rotation is Rotation.IN_PLACE:
        made = _in_place(db, seed, key, spec, day, row, now, intent, chosen)
    else:
        made = _another(db, seed, key, spec, day, row, now, intent)
    note(db, row, "rotate", now, intent)
    return made


def _pretended(
    seed: int, key: bytes, spec: System, row: sqlite3.Row, now: int, chosen: Secret | None
) -> EstateMinted:
    """What a system hands out that says yes and does nothing: a value that nobody knows."""
    if chosen is not None:
        return EstateMinted(row["id"], chosen)
    id_ = identity(seed, spec.name, 900_000_000 + (now * 31 + row["n"]) % 90_000_000)
    return EstateMinted(id_, Secret(value(key, spec.name, id_, 1)))


def _until(day: trouble.SystemTrouble, lag: int, now: int) -> int | None:
    return None if day.undead else now + max(day.grace, day.effect_lag, lag)


def _in_place(
    db: sqlite3.Connection,
    seed: int,
    key: bytes,
    spec: System,
    day: trouble.SystemTrouble,
    row: sqlite3.Row,
    now: int,
    intent: str,
    chosen: Secret | None,
) -> EstateMinted:
    version, n = row["version"] + 1, row["n"]
    fresh = chosen.reveal() if chosen else value(key, spec.name, row["id"], version)
    until = _until(day, spec.lag, now)
    mark = digest(fresh)
    # The same value set once more stays the value, and has but one row.
    db.execute("DELETE FROM secret WHERE digest = ? AND token = ?", (mark, n))
    db.execute(
        "UPDATE secret SET valid_until = ? WHERE token = ? AND valid_until IS NULL", (until, n)
    )
    db.execute(INSERT_VALUE, (mark, n, version, None))
    db.execute("UPDATE secret SET intent = ? WHERE digest = ? AND token = ?", (intent, mark, n))
    db.execute("UPDATE token SET version = ? WHERE n = ?", (version, n))
    _set_moving(db, seed, n, n, now, until)
    return EstateMinted(row["id"], Secret(fresh))


def _another(
    db: sqlite3.Connection,
    seed: int,
    key: bytes,
    spec: System,
    day: trouble.SystemTrouble,
    row: sqlite3.Row,
    now: int,
    intent: str,
) -> EstateMinted:
    """A second token like the first. It stems from nobody, so that no other's end ends it."""
    lives = None if row["expires_at"] is None else row["expires_at"] - row["created_at"]
    n = insert_token(
        db, seed, key, spec, now, name=row["name"], owner=row["owner"],
        principal=row["principal_id"], created_by=ACTING,
        expires_at=None if lives is None else now + lives, parent=None, scope=row["scope"],
        grants=(), kind=row["kind"], detail=f"intent {intent}" if intent else "",
    )  # fmt: skip
    kind = spec.capabilities.of(row["kind"])
    labelled = spec.name == "vault" or kind.rotation is Rotation.OVERLAP
    facts = [fact for fact in json.loads(row["facts"]) if fact[0] != "intent"]
    if labelled and intent:
        facts.append(["intent", intent])
    db.execute(
        "UPDATE token SET principal = ?, principal_kind = ?, owner_how = ?, grants = ?,"
        " binding = ?, facts = ?, label = ?, predecessor = ?, made_wall = ? WHERE n = ?",
        (
            row["principal"], row["principal_kind"], row["owner_how"], row["grants"],
            row["binding"], json.dumps(facts), intent if labelled else "", row["n"],
            int(time.time()), n,
        ),
    )  # fmt: skip
    if kind.rotation is Rotation.REPLACE:
        db.execute(
            "UPDATE token SET superseded = 1, gone_at = ?, dead_from = ? WHERE n = ?",
            (now + day.record_lag, _until(day, 0, now), row["n"]),
        )
    elif kind.rotation is Rotation.OVERLAP:
        until = now + max(OVERLAP_SECONDS, day.grace)
        if row["expires_at"] is not None:
            until = min(until, row["expires_at"])
        db.execute("UPDATE token SET superseded = 1, expires_at = ? WHERE n = ?", (until, row["n"]))
    _set_moving(db, seed, row["n"], n, now, None)
    id_ = identity(seed, spec.name, n)
    return EstateMinted(id_, Secret(value(key, spec.name, id_, 1)))


def _set_moving(
    db: sqlite3.Connection, seed: int, old: int, new: int, now: int, until: int | None
) -> None:
    """Let the consumers take up the new value by and by; a stale one never does.

    ``until`` is when the value that they hold is refused, where it shares its token with
    the new one.
    """
    for one in db.execute("SELECT id, stale FROM consumer WHERE token = ?", (old,)).fetchall():
        at = now + 1 + int(share(seed, one["id"], new, now) * MOVING)
        db.execute(
            "UPDATE consumer SET moves_to = ?, moves_at = ?, value_until ="
            " coalesce(value_until, ?) WHERE id = ?",
            (*((None, None) if one["stale"] else (new, at)), until, one["id"]),
        )


def successors(db: sqlite3.Connection, n: int) -> list[int]:
    """The numbers of the tokens that replaced a token, and those that replaced them."""
    found: list[int] = []
    todo = [n]
    while todo:
        rows = db.execute("SELECT n FROM token WHERE predecessor = ?", (todo.pop(),)).fetchall()
        todo += [row["n"] for row in rows]
        found += [row["n"] for row in rows]
    return found


def end_family(db: sqlite3.Connection, n: int, now: int) -> None:
    """End every successor of a replaced token: somebody has used it, so somebody stole it."""
    db.executemany(
        "UPDATE token SET gone_at = ?, dead_from = ? WHERE n = ? AND gone_at IS NULL",
        [(now, now, one) for one in successors(db, n)],
    )


def minted(
    db: sqlite3.Connection, spec: System, row: sqlite3.Row, intent: str, since: datetime, now: int
) -> list[str]:
    """The ids of what a call that mints has left behind, found as its system allows.

    By the label where there is one; in place, by the server's log; else by the time. The
    asker's clock may be the estate's or the wall's; before the estate was made, it cannot
    be the wall's.
    """
    kind = spec.capabilities.of(row["kind"])
    if kind.rotation is Rotation.IN_PLACE:
        known = db.execute(
            "SELECT 1 FROM secret WHERE token = ? AND intent = ?", (row["n"], intent)
        ).fetchone()
        return [] if known is None else [row["id"]]
    like = (
        "SELECT id FROM token WHERE system = ? AND principal_id = ? AND kind = ? AND n <> ?"
        " AND (gone_at IS NULL OR gone_at > ?)"
    )
    of = (spec.name, row["principal_id"], row["kind"], row["n"], now)
    if spec.name == "vault" or kind.rotation is Rotation.OVERLAP:
        rows = db.execute(f"{like} AND label = ? ORDER BY n", (*of, intent)).fetchall()
        return [found["id"] for found in rows]
    from_ = int(since.timestamp())
    wall = from_ if from_ >= int(database.get(db, "made_wall") or 0) else 1 << 62
    rows = db.execute(
        f"{like} AND created_by = ? AND (created_at >= ? OR made_wall >= ?) ORDER BY n",
        (*of, ACTING, from_, wall),
    ).fetchall()
    return [found["id"] for found in rows]
