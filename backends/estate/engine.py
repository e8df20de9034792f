"""The estate at work: it tells the time, tries secrets, mints, and ends what it minted.

This is the truth that a console has to find out. Tests and drills ask it directly
(``attempt``, ``secret``); the backend only through what its four systems would tell.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from backends.contract import Verb
from backends.errors import NotFound, Refused
from backends.estate import database, life, trouble
from backends.estate.issue import ACTING, digest, event, insert_token, value
from backends.estate.systems import SYSTEMS, System
from backends.model import Secret

CHILDREN = """
WITH RECURSIVE tree (n) AS (
    SELECT n FROM token WHERE parent = :n
    UNION SELECT token.n FROM token JOIN tree ON token.parent = tree.n
)
SELECT n FROM tree ORDER BY n
"""


class Done(NamedTuple):
    """What really came of a change. ``changed`` is false where it was so before."""

    changed: bool
    rows: int = 0


class World:
    """An open estate. Several processes may have one open on the same file.

    Raises:
        ConfigError: there is no estate at the path, or it is of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = database.connect(path)
        self.seed = int(database.get(self.db, "seed") or 0)
        self._key = bytes.fromhex(database.get(self.db, "key") or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    # -- the clock

    def now(self) -> int:
        """The estate's own time: the wall's plus an offset, unless it was frozen."""
        frozen = database.get(self.db, "frozen")
        if frozen is not None:
            return int(frozen)
        return int(time.time()) + int(database.get(self.db, "offset") or 0)

    def freeze(self, at: int | None) -> None:
        """Stop the estate's clock at a second, for pictures and tests; None lets it run on."""
        with database.writing(self.db):
            database.put(self.db, "frozen", None if at is None else str(at))

    def travel(self, seconds: int) -> None:
        """Set the estate's clock forward, whether it stands or runs."""
        with database.writing(self.db):
            key = "frozen" if database.get(self.db, "frozen") is not None else "offset"
            database.put(self.db, key, str(int(database.get(self.db, key) or 0) + seconds))

    def advance(self) -> int:
        """Let everything happen that should have happened by now, and return that time."""
        now = self.now()
        life.advance(self.db, self.seed, self._key, now)
        return now

    # -- tokens and their values

    def row(self, system: str, id_: str) -> sqlite3.Row | None:
        """A token's row, dead or alive."""
        found: sqlite3.Row | None = self.db.execute(
            "SELECT * FROM token WHERE system = ? AND id = ?", (system, id_)
        ).fetchone()
        return found

    def _row(self, system: str, id_: str) -> sqlite3.Row:
        row = self.row(system, id_)
        if row is None:
            raise NotFound(f"the estate's {system} has never had that token")
        return row

    def secret(self, system: str, id_: str, version: int = 0) -> Secret:
        """The value of a token, as whoever leaked it would have it; by default the newest.

        Raises:
            NotFound: there never was such a token.
        """
        row = self._row(system, id_)
        return Secret(value(self._key, system, id_, version or row["version"]))

    def holder(self, secret: Secret) -> sqlite3.Row | None:
        """The row of the token whose value this is, dead or alive."""
        found: sqlite3.Row | None = self.db.execute(
            "SELECT token.*, secret.valid_until FROM secret JOIN token ON token.n = secret.token"
            " WHERE digest = ?",
            (digest(secret.reveal()),),
        ).fetchone()
        return found

    def accepts(self, secret: Secret) -> bool:
        """Whether the value works at this moment. Leaves no trace, as no real system could."""
        row = self.holder(secret)
        return row is not None and life.works(row, self.now(), row["valid_until"])

    def attempt(
        self, secret: Secret, action: str = "", *, source: str = "198.51.100.7", agent: str = "curl"
    ) -> bool:
        """Use a value, as anyone who has it might: the audit trail gets a line either way."""
        row = self.holder(secret)
        if row is None:
            return False
        now = self.now()
        works = life.works(row, now, row["valid_until"])
        with database.writing(self.db):
            event(
                self.db,
                row["system"],
                now,
                row["n"],
                action or "authenticate",
                "ok" if works else "denied",
                actor=row["principal"],
                source=source,
                agent=agent,
            )
            if works:
                self.db.execute(
                    "UPDATE token SET used_at = ?, used_from = ?, used_for = ? WHERE n = ?",
                    (now, source, action or "authenticate", row["n"]),
                )
        return works

    def mint(
        self,
        system: str,
        name: str,
        *,
        owner: str | None = None,
        principal: str = "",
        created_by: str = "root",
        expires_in: int | None = None,
        parent: str | None = None,
        scope: str = "",
        grants: Iterable[tuple[str, str]] = (),
    ) -> tuple[str, Secret]:
        """Issue a token, and return its id and its value. ``expires_in`` is in seconds.

        Raises:
            ConfigError: no such system.
            Refused: the principal has all the tokens that the system allows it.
            NotFound: the parent does not exist.
        """
        trouble.check_system(system)
        spec = SYSTEMS[system]
        now = self.now()
        with database.writing(self.db):
            above = self._row(system, parent)["n"] if parent else None
            slots = spec.capabilities.kinds[0].slots
            who = principal or name
            if slots:
                taken = self.db.execute(
                    "SELECT count(*) FROM token WHERE system = ? AND principal_id = ?"
                    " AND (gone_at IS NULL OR gone_at > ?)",
                    (system, who, now),
                ).fetchone()[0]
                if taken >= slots:
                    raise Refused(f"LimitExceeded: {taken} of {slots} slots are taken")
            n = insert_token(
                self.db,
                self.seed,
                self._key,
                spec,
                now,
                name=name,
                owner=owner,
                principal=who,
                created_by=created_by,
                expires_at=None if expires_in is None else now + expires_in,
                parent=above,
                scope=scope or spec.scopes[0],
                grants=tuple(grants),
            )
            row = self.db.execute("SELECT id, version FROM token WHERE n = ?", (n,)).fetchone()
        return row["id"], Secret(value(self._key, system, row["id"], row["version"]))

    def rotate(self, system: str, id_: str) -> tuple[str, Secret]:
        """Replace a token by the system's own means; the id and the new value.

        The database changes the value in place; the cloud issues a second key, if a slot
        is free, and the old one lives on. The estate's consumers read the new value by
        themselves.

        Raises:
            Refused: only a person can mint these, no slot is free, or the token is gone.
        """
        row = self._row(system, id_)
        now = self.now()
        if row["gone_at"] is not None and row["gone_at"] <= now:
            raise Refused("the token is gone")
        if system == "cloud":
            return self.mint(
                system, row["name"], owner=row["owner"], principal=row["principal_id"],
                scope=row["scope"],
                grants=[(kind, name) for kind, name, *_ in json.loads(row["grants"])],
            )  # fmt: skip
        if system != "database":
            raise Refused("only a person can mint these")
        until = now + trouble.of(self.db, system).grace
        version = row["version"] + 1
        fresh = value(self._key, system, id_, version)
        with database.writing(self.db):
            self.db.execute(
                "UPDATE secret SET valid_until = ? WHERE token = ? AND valid_until IS NULL",
                (until, row["n"]),
            )
            self.db.execute(
                "INSERT INTO secret VALUES (?, ?, ?, NULL)", (digest(fresh), row["n"], version)
            )
            self.db.execute("UPDATE token SET version = ? WHERE n = ?", (version, row["n"]))
            event(self.db, system, now, row["n"], "rotate", actor=ACTING)
        return id_, Secret(fresh)

    # -- ends

    def change(self, verb: Verb, system: str, id_: str, intent: str = "") -> Done:
        """Contain, restore, revoke or disconnect, as truly as the troubles of the day allow.

        Raises:
            NotFound: there never was such a token.
            Refused: the system has no such verb.
            ConfigError: no such system.
        """
        trouble.check_system(system)
        spec, day, now = SYSTEMS[system], trouble.of(self.db, system), self.now()
        with database.writing(self.db):
            row = self._row(system, id_)
            if day.no_effect:
                done = Done(True)
            elif verb is Verb.REVOKE:
                done = self._revoke(spec, day, row, now)
            elif verb is Verb.DISCONNECT:
                done = self._disconnect(day, row, now)
            elif verb in (Verb.CONTAIN, Verb.RESTORE):
                done = self._switch(spec, day, row, now, off=verb is Verb.CONTAIN)
            else:
                raise Refused(f"no {verb.value} here")
            event(
                self.db, system, now, row["n"], str(verb.value), actor=ACTING,
                target=row["name"], detail=f"intent {intent}" if intent else "",
            )  # fmt: skip
        return done

    def _revoke(self, spec: System, day: trouble.Trouble, row: sqlite3.Row, now: int) -> Done:
        if row["gone_at"] is not None:
            # Asked again while the first request is still being worked off, a system says
            # yes again; only when the record says "gone" can it say "already".
            return Done(row["gone_at"] > now)
        doomed = [row["n"]]
        if spec.name == "vault" and not day.siblings_alive:
            doomed += [below["n"] for below in self.db.execute(CHILDREN, {"n": row["n"]})]
        gone = now + max(spec.record_lag, day.record_lag)
        dead = None if day.undead else now + max(spec.lag, day.effect_lag)
        self.db.executemany(
            "UPDATE token SET gone_at = ?, dead_from = ? WHERE n = ? AND gone_at IS NULL",
            [(gone, dead, n) for n in doomed],
        )
        return Done(True, len(doomed))

    def _switch(
        self, spec: System, day: trouble.Trouble, row: sqlite3.Row, now: int, *, off: bool
    ) -> Done:
        if spec.name not in ("cloud", "database"):
            raise Refused("tokens cannot be disabled here")
        if row["gone_at"] is not None and row["gone_at"] <= now:
            raise NotFound("the token is gone")
        if bool(row["disabled"]) is off:
            return Done(False)
        blocked = now + max(spec.lag, day.effect_lag) if off and not day.undead else None
        self.db.execute(
            "UPDATE token SET disabled = ?, blocked_from = ? WHERE n = ?",
            (int(off), blocked, row["n"]),
        )
        return Done(True, 1)

    def _disconnect(self, day: trouble.Trouble, row: sqlite3.Row, now: int) -> Done:
        if row["system"] != "database":
            raise Refused("there are no sessions here")
        open_now: Sequence[sqlite3.Row] = self.db.execute(
            "SELECT id FROM session WHERE token = ? AND ended_at IS NULL ORDER BY id", (row["n"],)
        ).fetchall()
        ended = open_now[1:] if day.siblings_alive else open_now
        self.db.executemany(
            "UPDATE session SET ended_at = ? WHERE id = ?", [(now, one["id"]) for one in ended]
        )
        return Done(bool(open_now), len(ended))
