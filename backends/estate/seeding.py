"""Makes a new estate: years of believable tokens, who holds them, and two days of use.

The same seed, size, systems and time give the same estate, row for row.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from backends.errors import ConfigError
from backends.estate import activity, database, history, vocabulary
from backends.estate.issuing import (
    ACTING,
    CONSOLE,
    INSERT_ROW,
    INSERT_VALUE,
    PRINCIPAL_KIND,
    digest,
    identity,
    value,
)
from backends.estate.systems import SYSTEMS, System
from backends.estate.trouble import check_system

DAY: Final = 86_400
SHARES: Final = {"vault": 0.5, "cloud": 0.2, "database": 0.1, "codehost": 0.2}

HOT: Final = 50
"""Tokens of a system that are used all day."""
REGULAR: Final = 800
"""Tokens of a system that are used some times a day. What goes beyond has a last use only."""

RULERS: Final = (0, 1, 2)
"""The places of those tokens of a clean estate that always may do everything."""

BOOTSTRAP: Final = "console-bootstrap"
CHUNK: Final = 20_000


def create(
    path: Path,
    *,
    seed: int = 7,
    tokens: int = 4_000,
    now: int | None = None,
    systems: Sequence[str] = tuple(SYSTEMS),
    clean: bool = False,
    tell: bool = True,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Make an estate of roughly ``tokens`` tokens. ``now`` is in seconds since 1970.

    ``progress`` is called with the tokens made so far, from time to time.
    Without ``tell`` the audit trails get their lines when somebody asks for them (``history``).
    A ``clean`` one holds nothing that a hazard gate should stop at: no threat for a name,
    no heartbeat, no children, no user with both slots taken, and rulers enough that none
    is the last.

    The file appears whole or not at all. With ``now`` given, the estate's clock is set to
    it and runs on from there; ``EstateWorld.freeze`` stops it.

    Raises:
        ConfigError: the path is taken, or there is no such system.
    """
    for system in systems:
        check_system(system)
    if path.exists():
        raise ConfigError(
            f"there is a file at {path} already",
            "Delete it first, or choose another path.",
            option="path",
        )
    wall = int(time.time())
    at = wall if now is None else now
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished.touch(mode=0o600)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(database.SCHEMA)
        with database.writing(connection):
            _fill(connection, seed, tokens, at, systems, clean, progress or (lambda made: None))
            if at != wall:
                database.put(connection, "offset", str(at - wall))
        connection.executescript(database.INDEXES)
        activity.advance(connection, seed, _key(seed), at, use=history.settle)
        if tell:
            history.tell(connection, seed, 0, at)
        connection.execute(f"PRAGMA user_version = {database.FORMAT:d}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        with contextlib.suppress(FileExistsError):
            # Where another process made one meanwhile, theirs is in use already and stays.
            os.link(unfinished, path)
    finally:
        connection.close()
        for ending in ("", "-wal", "-shm"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)


def _key(seed: int) -> bytes:
    return hashlib.sha256(f"estate {seed}".encode()).digest()


def _fill(
    connection: sqlite3.Connection,
    seed: int,
    tokens: int,
    at: int,
    systems: Sequence[str],
    clean: bool,
    progress: Callable[[int], None],
) -> None:
    born = at - activity.WINDOW
    database.put(connection, "seed", str(seed))
    database.put(connection, "key", _key(seed).hex())
    database.put(connection, "born", str(born))
    database.put(connection, "advanced", str(born))
    database.put(connection, "happening", "0")
    database.put(connection, "made_wall", str(int(time.time())))
    total = sum(SHARES[system] for system in systems)
    first = 1
    for system in systems:
        database.put(connection, f"holds {system}", "1")
        size = max(20, round(tokens * SHARES[system] / total))
        nursery = _Nursery(SYSTEMS[system], seed, born, first, size, clean)
        _insert(connection, nursery, progress)
        first += size
    database.put(connection, "planted", str(first - 1))


def _insert(
    connection: sqlite3.Connection, nursery: _Nursery, progress: Callable[[int], None]
) -> None:
    rows: list[tuple[Any, ...]] = []

    def flush() -> None:
        connection.executemany(INSERT_ROW, rows)
        key, system = nursery.key, nursery.spec.name
        values = sorted((digest(value(key, system, row[4], 1)), row[0], 1, None) for row in rows)
        connection.executemany(INSERT_VALUE, values)
        progress(rows[-1][0])
        rows.clear()

    for row in nursery.tokens():
        rows.append(row)
        if len(rows) == CHUNK:
            flush()
    if rows:
        flush()
    connection.executemany(
        "INSERT INTO consumer (token, name, kind, address, agent, action, target, period, phase,"
        " diurnal, k, next_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL)",
        nursery.consumers,
    )
    fresh = connection.execute(
        "SELECT id, period, phase FROM consumer WHERE next_at IS NULL ORDER BY id"
    ).fetchall()
    connection.executemany(
        "UPDATE consumer SET next_at = ? WHERE id = ?",
        [
            (activity.moment(nursery.seed, row["id"], row["period"], row["phase"], 0), row["id"])
            for row in fresh
        ],
    )


class _Nursery:
    """Thinks up one system's tokens, one after the other, and their consumers."""

    def __init__(
        self, spec: System, seed: int, born: int, first: int, size: int, clean: bool
    ) -> None:
        self.clean = clean
        self.spec, self.seed, self.born, self.first, self.size = spec, seed, born, first, size
        self.key = _key(seed)
        self.random = Random(f"{seed}/{spec.name}")  # noqa: S311  (an invented world, no secret)
        self.consumers: list[tuple[Any, ...]] = []
        self.hot = self.regular = 0
        self.principal = ""
        self.hostile = max(3, min(97, size // 10))

    def tokens(self) -> Iterator[tuple[Any, ...]]:
        """Rows for ``INSERT_ROW``. The first are the console's own, and what they stem from."""
        vault = self.spec.name == "vault"
        own = [BOOTSTRAP, CONSOLE, ACTING] if vault else [CONSOLE, ACTING]
        for place, name in enumerate(own):
            yield self._own(self.first + place, name, self.first if vault and place else None)
        for place in range(self.size - len(own)):
            yield self._token(self.first + len(own) + place, place)

    def _own(self, n: int, name: str, parent: int | None) -> tuple[Any, ...]:
        system = self.spec.name
        powers = vocabulary.GRANTS[system][-1] if name == ACTING else vocabulary.GRANTS[system][0]
        grants = [[vocabulary.GRANT_KIND[system], powers]]
        return (
            n, system, self.spec.kind, self.spec.scopes[0], identity(self.seed, system, n), name,
            name, name, PRINCIPAL_KIND[system], 0, "sre", "known", self.born - 90 * DAY, "setup",
            None, self.born - 60, "10.20.0.5", "list", json.dumps(grants), parent, 0, None, None,
            None, "bearer", "[]",
        )  # fmt: skip

    def _token(self, n: int, place: int) -> tuple[Any, ...]:
        random, system, spec = self.random, self.spec.name, self.spec
        name = self._name(place)
        luck = random.random()
        created = self._created()
        # What drills and tests look for is in use all day, and stays.
        famous = place < len(vocabulary.FAVOURITES) or name in (
            vocabulary.TRIPWIRE,
            vocabulary.NEWCOMER,
            *vocabulary.HOSTILE,
        )
        kind = "hot" if famous else self._kind(luck, luck < 0.3 and place < self.size // 3)
        # Two keys of one user, and tokens that stem from another: both have a neighbour.
        if self.clean or not (system == "cloud" and place % 9 == 8):
            self.principal = self._principal(name, n)
        principal = self.principal
        owner, how = self._owner(luck, principal)
        scope = spec.scopes[min(int(random.random() ** 2 * len(spec.scopes)), len(spec.scopes) - 1)]
        parent = n - 1 - place % 3 if system == "vault" and place > 8 and luck > 0.88 else None
        if self.clean:
            parent = None
        gone = dead = None
        used = self._used(kind, created)
        if kind == "gone":
            gone = dead = self.born - int(random.random() * 40 * DAY) - 60
            created = min(created, gone - DAY)
            used = gone - int(random.random() * DAY)
        disabled = kind == "idle" and system in ("cloud", "database") and random.random() < 0.12
        leaver = system == "codehost" and 0.6 < luck < 0.66
        if leaver:
            principal = owner = vocabulary.LEAVERS[n % len(vocabulary.LEAVERS)]
            how = "known"
        if kind in ("hot", "regular"):
            self._consume(n, name, kind)
        action, _ = vocabulary.ACTIONS[system][n % 3]
        facts = self._facts(luck, created)
        grants = self._grants(1.0 if self.clean and place in RULERS else luck)
        return (
            n, system, spec.kind, scope, identity(self.seed, system, n), name, principal,
            principal, PRINCIPAL_KIND[system], int(leaver), owner, how, created,
            vocabulary.PEOPLE[int(random.random() * len(vocabulary.PEOPLE))] if luck > 0.2 else
            "terraform", None if famous else self._expires(luck, kind, created), used,
            vocabulary.address(int(random.random() * 9_000)) if used else None,
            action if used else None, grants, parent, int(disabled),
            created if disabled else None, gone, dead,
            "bearer" if luck < 0.85 else "bound to 10.20.0.0/16", facts,
        )  # fmt: skip

    def _name(self, place: int) -> str:
        random = self.random
        if place < len(vocabulary.FAVOURITES):
            name = vocabulary.FAVOURITES[place]
        elif place == len(vocabulary.FAVOURITES) and self.spec.name == "cloud":
            name = vocabulary.NEWCOMER
        elif place == 9 and self.spec.name == "codehost" and not self.clean:
            name = vocabulary.TRIPWIRE
        elif (odd := place - 11) % self.hostile == 0 and 0 <= odd // self.hostile < len(
            vocabulary.HOSTILE
        ):
            name = vocabulary.HOSTILE[odd // self.hostile]
        else:
            name = vocabulary.name(*(int(random.random() * 1_000) for _ in range(3)))
        if self.spec.name == "database":
            # Role names are unique in a cluster; the others allow the same name twice.
            tail = "" if place < len(vocabulary.FAVOURITES) else f"_{place}"
            return name.replace("-", "_") + tail if name.isprintable() else name + tail
        return name

    def _created(self) -> int:
        random = self.random
        return self.born - 3_600 - int(random.random() ** 2.2 * 6 * 365 * DAY)

    def _kind(self, luck: float, hot: bool) -> str:
        if hot and self.hot < HOT:
            self.hot += 1
            return "hot"
        if luck < 0.55 and self.regular < REGULAR:
            self.regular += 1
            return "regular"
        if luck < 0.83:
            return "idle"
        return "never" if luck < 0.96 else "gone"

    def _used(self, kind: str, created: int) -> int | None:
        if kind == "never":
            return None
        back = int(self.random.random() ** 3 * 700 * DAY) if kind == "idle" else 3_600
        return max(created, self.born - back - 60)

    def _principal(self, name: str, n: int) -> str:
        if self.spec.name == "database":
            return name
        if self.spec.name == "codehost":
            return vocabulary.PEOPLE[(n * 7) % len(vocabulary.PEOPLE)]
        clean = name if name.isprintable() and len(name) < 64 else f"user-{n}"
        return f"svc-{clean}-{n}" if self.spec.name == "cloud" else clean

    def _owner(self, luck: float, principal: str) -> tuple[str | None, str]:
        if self.spec.name == "codehost":
            return principal, "known"
        if 0.40 < luck < 0.52:
            return None, "never"
        if self.spec.name == "vault" and 0.52 < luck < 0.56:
            return None, "not_permitted"
        return vocabulary.TEAMS[int(self.random.random() ** 1.5 * len(vocabulary.TEAMS))], "known"

    def _expires(self, luck: float, kind: str, created: int) -> int | None:
        system, random = self.spec.name, self.random
        if system == "cloud" or luck < (0.5, 0.85)[system == "database"]:
            return None
        if system == "vault" or kind in ("hot", "regular"):
            return self.born + 2 * 3600 + int(random.random() ** 2 * 90 * DAY)
        return created + int((0.5 + random.random()) * 365 * DAY)

    def _grants(self, luck: float) -> str:
        system = self.spec.name
        pool, kind = vocabulary.GRANTS[system], vocabulary.GRANT_KIND[system]
        count = 1 + int(self.random.random() * 3)
        start = int(self.random.random() * (len(pool) - 1))
        picks = {pool[(start + step) % (len(pool) - 1)] for step in range(count)}
        if luck > 0.97:
            picks.add(pool[-1])
        return json.dumps([[kind, pick] for pick in sorted(picks)])

    def _facts(self, luck: float, created: int) -> str:
        facts: list[tuple[str, str]] = []
        if self.spec.name == "vault":
            facts.append(("renewable", "yes" if luck < 0.7 else "no"))
        if self.spec.name == "cloud":
            facts.append(("region", ("eu-central-1", "us-east-1", "eu-west-1")[created % 3]))
        if self.spec.name == "database":
            facts.append(("connection limit", str(-1 if luck < 0.8 else 10)))
        return json.dumps(facts)

    def _consume(self, n: int, name: str, kind: str) -> None:
        random, system = self.random, self.spec.name
        word = name.partition("-")[0][:24] if name.isprintable() else "app"
        several = 1 + int(random.random() ** 2 * (9 if kind == "hot" else 2.6))
        if name == vocabulary.TRIPWIRE:
            self._consumer(n, "host/unknown", "host", activity.HEARTBEAT, 0)
            return
        for _ in range(several):
            if kind == "hot":
                period = int(400 * 80 ** random.random())
            else:
                period = int(5_400 * 6.7 ** random.random())
            if random.random() < 0.7:
                tag = f"{int(random.random() * 0xFFFFF):05x}"
                self._consumer(n, f"pod/{word}-{tag}", "workload", period, 1)
            else:
                host = vocabulary.HOSTS[int(random.random() * len(vocabulary.HOSTS))]
                number = int(random.random() * 40)
                kind_ = "session" if system == "database" else "address"
                self._consumer(n, f"{host}-{number:02d}", kind_, period, 0)

    def _consumer(self, n: int, name: str, kind: str, period: int, diurnal: int) -> None:
        random, system = self.random, self.spec.name
        action, target = vocabulary.ACTIONS[system][int(random.random() * 3)]
        agents = vocabulary.AGENTS[system]
        service = vocabulary.SERVICES[n % len(vocabulary.SERVICES)]
        self.consumers.append(
            (
                n, name, kind, vocabulary.address(int(random.random() * 9_000)),
                agents[int(random.random() * len(agents))], action, target.format(service),
                period, self.born + int(random.random() * period), diurnal,
            )
        )  # fmt: skip
