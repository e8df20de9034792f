"""What happens in an estate by itself: use, new tokens, changed grants and owners, ends.

All of it is a function of the seed and the clock: consumer ``c`` uses its token for the
k-th time at a moment that only depends on the seed, ``c`` and ``k``. So it does not
matter who looks, or how often, and nothing has to run while nobody does.

A long sleep is not made up for whole. What lies further back than ``WINDOW`` (or than a
window that would hold more than ``MAX_EVENTS``) is skipped, and the skipped span is kept
in ``silence``, so that a reader is told of a gap in the log and never of quiet.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

from backends.estate import attacker, database, vocabulary
from backends.estate.issuing import event, insert_token
from backends.estate.systems import SYSTEMS
from backends.estate.vocabulary import fraction, mix, share, stir

HOUR: Final = 3600
WINDOW: Final = 48 * HOUR
MAX_EVENTS: Final = 200_000
KEEP: Final = 7 * 24 * HOUR
"""For how long the estate's systems keep their audit trail."""

MOMENT: Final = 10
"""Seconds that are made up for whole, whatever was due in them."""

HAPPENING: Final = 75
"""Seconds, on average, between two things that change in the estate."""

PERSISTENCE: Final = 6 * HOUR
"""For how long a consumer goes on trying a dead token before someone switches it off."""

HEARTBEAT: Final = 60

BUSY: Final = (
    0.25, 0.2, 0.2, 0.2, 0.25, 0.3, 0.45, 0.6, 0.85, 1.0, 1.0, 0.95,
    0.8, 0.95, 1.0, 1.0, 0.9, 0.75, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3,
)  # fmt: skip
"""The share of uses that take place in each hour of the day (UTC)."""


SOMEONE: Final = (
    "SELECT * FROM token WHERE n >= ? AND gone_at IS NULL AND created_by <> 'setup'"
    " ORDER BY n LIMIT 1"
)
SOMEONE_GONE: Final = (
    "SELECT * FROM token WHERE n >= ? AND gone_at IS NOT NULL AND created_by <> 'setup'"
    " ORDER BY n LIMIT 1"
)


DUE: Final = (
    "SELECT consumer.*, token.system, token.principal, token.dead_from, token.blocked_from,"
    " token.expires_at, session.id AS session, session.started_at,"
    " coming.dead_from AS next_dead, coming.blocked_from AS next_blocked,"
    " coming.expires_at AS next_expires"
    " FROM consumer JOIN token ON token.n = consumer.token"
    " LEFT JOIN token AS coming ON coming.n = consumer.moves_to"
    " LEFT JOIN session ON session.consumer = consumer.id AND session.ended_at IS NULL"
    " WHERE consumer.next_at <= ? ORDER BY consumer.id"
)


class Held(NamedTuple):
    """The token whose value a consumer has, and what ends that value."""

    token: int
    dead_from: int | None
    blocked_from: int | None
    expires_at: int | None
    value_until: int | None

    @classmethod
    def by(cls, row: sqlite3.Row) -> Held:
        """The value that a consumer holds now, from its row."""
        return cls(*(row[name] for name in cls._fields))

    @classmethod
    def next(cls, row: sqlite3.Row) -> Held:
        """The value that a consumer moves to, from the same row."""
        limits = (row["next_dead"], row["next_blocked"], row["next_expires"])
        return cls(row["moves_to"], *limits, None)

    def works(self, at: int) -> bool:
        """Whether the value is accepted at a time, in unix seconds."""
        return all(limit is None or at < limit for limit in self[1:])


class UseLine(NamedTuple):
    """One use on its way into the audit trail."""

    at: int
    system: str
    token: int
    action: str
    outcome: str
    actor: str
    target: str
    source: str
    agent: str
    detail: str


def works(row: sqlite3.Row, at: int, valid_until: int | None = None) -> bool:
    """Whether a token's value is accepted at a moment, by the truth and not by the record."""
    for limit in (row["dead_from"], row["blocked_from"], row["expires_at"], valid_until):
        if limit is not None and at >= limit:
            return False
    return True


def moment(seed: int, consumer: int, period: int, phase: int, k: int) -> int:
    """When a consumer uses its token for the k-th time. A heartbeat keeps time."""
    return drawn(mix(seed, consumer, k), period, phase, k)


def drawn(state: int, period: int, phase: int, k: int) -> int:
    """The same from what seed, consumer and k mix to."""
    if period <= HEARTBEAT:
        return phase + k * period
    return phase + k * period + int(fraction(state) * 0.8 * period)


def is_busy(state: int, at: int) -> bool:
    """Whether a use falls into its hour's share, where its consumer keeps to the day."""
    return fraction(stir(state, 1)) < BUSY[at // HOUR % 24]


def advance(
    connection: sqlite3.Connection,
    seed: int,
    key: bytes,
    now: int,
    use: Callable[[sqlite3.Connection, int, int, int], None] | None = None,
) -> None:
    """Bring the estate from where it stopped to ``now``. Cheap when that is a moment ago.

    ``use`` lets the uses take place in another way than :func:`uses`.
    """
    if now <= int(database.get(connection, "advanced") or 0):
        return
    with database.writing(connection):
        # Another process may have come first while this one waited for the lock.
        start = int(database.get(connection, "advanced") or 0)
        if now <= start:
            return
        # Nothing is skipped of a moment, and to look how much was due takes longer than one.
        floor = start if now - start <= MOMENT else max(start, now - _window(connection))
        if floor > start:
            connection.execute("INSERT INTO silence VALUES (?, ?)", (start, floor))
        _happenings(connection, seed, key, floor, now)
        attacker.act(connection, seed, key, now)
        (use or uses)(connection, seed, floor, now)
        # System by system, as the index has them: else every event would be looked at.
        connection.executemany(
            "DELETE FROM event WHERE system = ? AND at < ?",
            [(system, now - KEEP) for system in SYSTEMS],
        )
        connection.execute("DELETE FROM silence WHERE ended < ?", (now - KEEP,))
        database.put(connection, "advanced", str(now))


def is_due(connection: sqlite3.Connection, seed: int, now: int) -> bool:
    """Whether anything should have happened by now that has not."""
    due, happening, born = connection.execute(
        "SELECT coalesce((SELECT min(next_at) FROM consumer WHERE next_at IS NOT NULL) <= :now, 0)"
        " OR coalesce((SELECT min(due_at) FROM bot) <= :now, 0),"
        " (SELECT value FROM meta WHERE key = 'happening'),"
        " (SELECT value FROM meta WHERE key = 'born')",
        {"now": now},
    ).fetchone()
    return bool(due) or _at(seed, int(born or 0), int(happening or 0)) <= now


def _at(seed: int, born: int, i: int) -> int:
    """When the i-th of the things that change in an estate happens."""
    return born + i * HAPPENING + mix(seed, i, 2) % HAPPENING


def _window(connection: sqlite3.Connection) -> int:
    rate = connection.execute(
        "SELECT sum(1.0 / period) FROM consumer WHERE next_at IS NOT NULL"
    ).fetchone()[0]
    return min(WINDOW, int(MAX_EVENTS / rate)) if rate else WINDOW


# -- use


def uses(connection: sqlite3.Connection, seed: int, floor: int, now: int) -> None:
    """Let every use take place that is due by now; before ``floor``, without a line in the log."""
    due = connection.execute(DUE, (now,)).fetchall()
    lines: list[UseLine] = []
    moved: list[tuple[Any, ...]] = []
    used: dict[int, tuple[int, str, str]] = {}
    for row in due:
        k, at, last, quit_ = row["k"], row["next_at"], row["last_at"], False
        if at < floor:
            # The skipped uses took place as well; only their lines in the log are missing.
            k += max(0, (floor - at) // row["period"] - 1)
            at = moment(seed, row["id"], row["period"], row["phase"], k)
        session, held, moves = row["session"], Held.by(row), row["moves_at"]
        own, diurnal = mix(seed, row["id"]), row["diurnal"]
        while at <= now:
            if not diurnal or is_busy(stir(own, k), at):
                if moves is not None and at >= moves:
                    if row["moves_to"] != row["token"]:
                        last = None  # The other token has not been used by this one yet.
                    held, moves = Held.next(row), None
                fresh = held.works(at)
                open_before = session is not None and at >= (row["started_at"] or 0)
                ok = fresh or open_before
                if at >= floor:
                    lines.append(_line(row, held, at, ok, fresh))
                if ok:
                    last = at
                    if at >= used.get(held.token, (0, "", ""))[0]:
                        used[held.token] = (at, row["address"], row["action"])
                    if row["system"] == "database" and session is None:
                        session = connect(connection, row, at)
                elif moves is None and given_up(held, at):
                    quit_ = True
                    break
            k += 1
            at = moment(seed, row["id"], row["period"], row["phase"], k)
        to = None if moves is None else row["moves_to"]
        moved.append(
            (k, None if quit_ else at, last, held.token, to, moves, held.value_until, row["id"])
        )
    write_lines(connection, lines)
    settle(connection, moved, used)


def write_lines(connection: sqlite3.Connection, lines: Iterable[tuple[Any, ...]]) -> None:
    """Write uses into the audit trail, each as a ``UseLine``, oldest first."""
    connection.executemany(
        "INSERT INTO event (at, system, token, action, outcome, actor, target, source, agent,"
        " detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        sorted(lines, key=itemgetter(0)),
    )


def settle(
    connection: sqlite3.Connection,
    moved: Iterable[tuple[Any, ...]],
    used: Mapping[int, tuple[int, str, str]],
) -> None:
    """Write how far each consumer came, and each token's last use: when, from where, for what."""
    connection.executemany(
        "UPDATE consumer SET k = ?, next_at = ?, last_at = ?, token = ?, moves_to = ?,"
        " moves_at = ?, value_until = ? WHERE id = ?",
        moved,
    )
    connection.executemany(
        "UPDATE token SET used_at = ?, used_from = ?, used_for = ?"
        " WHERE n = ? AND (used_at IS NULL OR used_at <= ?)",
        [(at, source, action, n, at) for n, (at, source, action) in used.items()],
    )


def _line(row: sqlite3.Row, held: Held, at: int, ok: bool, fresh: bool) -> UseLine:
    detail = "" if fresh or not ok else "in a session opened before"
    if fresh and held.value_until is not None:
        detail = "with the value before"
    return UseLine(
        at,
        row["system"],
        held.token,
        row["action"],
        "ok" if ok else "denied",
        row["principal"],
        row["target"],
        row["address"],
        row["agent"],
        detail,
    )


def connect(connection: sqlite3.Connection, row: sqlite3.Row, at: int) -> int:
    """Open a consumer's session with a database. Returns the session's number."""
    made = connection.execute(
        "INSERT INTO session (token, consumer, address, agent, started_at) VALUES (?, ?, ?, ?, ?)",
        (row["token"], row["id"], row["address"], row["agent"], at),
    )
    return int(made.lastrowid or 0)


def given_up(held: Held, at: int) -> bool:
    """Whether whoever tries a dead value has been switched off by then."""
    since = [limit for limit in (held.dead_from, held.expires_at) if limit is not None]
    return bool(since) and at > min(since) + PERSISTENCE


# -- change


def _happenings(
    connection: sqlite3.Connection, seed: int, key: bytes, floor: int, now: int
) -> None:
    born = int(database.get(connection, "born") or 0)
    i = max(int(database.get(connection, "happening") or 0), (floor - born) // HAPPENING)
    while (at := _at(seed, born, i)) <= now:
        if at >= floor:
            _happen(connection, seed, key, i, at)
        i += 1
    database.put(connection, "happening", str(i))


def _happen(connection: sqlite3.Connection, seed: int, key: bytes, i: int, at: int) -> None:
    luck = share(seed, i, 3)
    if luck < 0.22:
        _arrive(connection, seed, key, i, at)
        return
    gone = luck >= 0.6
    row = _someone(connection, mix(seed, i, 4), gone=gone)
    if row is None:
        return
    if gone:
        event(
            connection, row["system"], at, row["n"], "authenticate", "denied",
            actor=row["principal"], source=vocabulary.stranger(mix(seed, i, 5)),
            agent=vocabulary.AGENTS[row["system"]][mix(seed, i, 6) % 4], detail="the token is dead",
        )  # fmt: skip
    elif luck < 0.42:
        _regrant(connection, row, mix(seed, i, 7), at, add=luck < 0.34)
    elif luck < 0.5:
        owner = vocabulary.TEAMS[mix(seed, i, 8) % len(vocabulary.TEAMS)]
        connection.execute(
            "UPDATE token SET owner = ?, owner_how = 'known' WHERE n = ?", (owner, row["n"])
        )
        event(connection, row["system"], at, row["n"], "owner", actor="admin", target=owner)
    elif row["used_at"] is None or row["used_at"] < at - 30 * 24 * HOUR:
        # People tidy up what nobody uses; what is in use stays for the console to end.
        connection.execute(
            "UPDATE token SET gone_at = ?, dead_from = ? WHERE n = ?", (at, at, row["n"])
        )
        event(connection, row["system"], at, row["n"], "revoke", actor="admin", target=row["name"])


def _someone(connection: sqlite3.Connection, number: int, *, gone: bool) -> sqlite3.Row | None:
    """A token by chance, never the console's own."""
    top = int(database.get(connection, "planted") or 0)
    found: sqlite3.Row | None = connection.execute(
        SOMEONE_GONE if gone else SOMEONE, (1 + number % max(top, 1),)
    ).fetchone()
    return found


def _regrant(
    connection: sqlite3.Connection, row: sqlite3.Row, number: int, at: int, *, add: bool
) -> None:
    system = row["system"]
    held: list[list[str]] = json.loads(row["grants"])
    if add:
        pick = vocabulary.GRANTS[system][number % len(vocabulary.GRANTS[system])]
        if any(grant[1] == pick for grant in held):
            return
        held.append([vocabulary.GRANT_KIND[system], pick])
    elif len(held) > 1:
        pick = held.pop()[1]
    else:
        return
    connection.execute("UPDATE token SET grants = ? WHERE n = ?", (json.dumps(held), row["n"]))
    event(
        connection, system, at, row["n"], "grant" if add else "ungrant", actor="admin", target=pick
    )


def _arrive(connection: sqlite3.Connection, seed: int, key: bytes, i: int, at: int) -> None:
    spec = tuple(SYSTEMS.values())[(0, 0, 0, 1, 1, 2, 3, 3)[mix(seed, i, 9) % 8]]
    if database.get(connection, f"holds {spec.name}") is None:
        return
    name = vocabulary.name(*(mix(seed, i, 10 + place) for place in range(3)))
    if spec.name == "database":
        name = f"{name}_{i}".replace("-", "_")
    team = vocabulary.TEAMS[mix(seed, i, 13) % len(vocabulary.TEAMS)]
    kind, pick = vocabulary.GRANT_KIND[spec.name], vocabulary.GRANTS[spec.name]
    grant = (kind, pick[mix(seed, i, 14) % (len(pick) - 1)])
    n = insert_token(
        connection, seed, key, spec, at, name=name,
        owner=team if mix(seed, i, 15) % 4 else None,
        principal=name if spec.name == "database" else f"svc-{name}-{i}",
        created_by=vocabulary.PEOPLE[mix(seed, i, 16) % len(vocabulary.PEOPLE)],
        expires_at=at + 30 * 24 * HOUR if mix(seed, i, 17) % 3 == 0 else None,
        parent=None, scope=spec.scopes[mix(seed, i, 18) % len(spec.scopes)], grants=(grant,),
    )  # fmt: skip
    action, target = vocabulary.ACTIONS[spec.name][mix(seed, i, 19) % 3]
    period = 300 + mix(seed, i, 20) % (4 * HOUR)
    made = connection.execute(
        "INSERT INTO consumer (token, name, kind, address, agent, action, target, period, phase,"
        " diurnal, k, next_at) VALUES (?, ?, 'workload', ?, ?, ?, ?, ?, ?, 1, 0, ?)",
        (
            n, f"pod/{name}-{mix(seed, i, 21) % 4096:03x}", vocabulary.address(mix(seed, i, 22)),
            vocabulary.AGENTS[spec.name][mix(seed, i, 23) % 4], action,
            target.format(name.partition("-")[0]), period, at + 30, at + 30,
        ),
    )  # fmt: skip
    # The first use is a moment of the consumer's own, which its id decides.
    first = moment(seed, int(made.lastrowid or 0), period, at + 30, 0)
    connection.execute("UPDATE consumer SET next_at = ? WHERE id = ?", (first, made.lastrowid))
