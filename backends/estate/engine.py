"""The estate at work: it tells the time, tries secrets, mints, and ends what it minted.

This is the truth that a console has to find out. Tests and drills ask it directly
(``attempt``, ``secret``); the backend only through what its four systems would tell.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from backends.contract import Verb
from backends.errors import NotFound, Refused
from backends.estate import (
    activity,
    attacker,
    database,
    effects,
    history,
    rotation,
    trouble,
    truth,
)
from backends.estate.effects import CallEffect
from backends.estate.issuing import digest, event, identity, insert_token, value
from backends.estate.systems import SYSTEMS
from backends.model import Secret
from backends.words import count


class EstateWorld:
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
        """Close the database."""
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
            for name in (key, "travelled"):
                database.put(self.db, name, str(int(database.get(self.db, name) or 0) + seconds))

    def advance(self) -> int:
        """Let everything happen that should have happened by now, and return that time."""
        now = self.now()
        activity.advance(self.db, self.seed, self._key, now)
        return now

    def tell(self, since: int) -> None:
        """Have the audit trails written back to a time, in seconds since 1970, as far as they go.

        Those of a new estate may have been left for when somebody asks.
        """
        history.tell(self.db, self.seed, since, self.now())

    # -- tokens and their values

    def row(self, system: str, id_: str) -> sqlite3.Row | None:
        """A token's row, dead or alive."""
        found: sqlite3.Row | None = self.db.execute(
            "SELECT * FROM token WHERE system = ? AND id = ?", (system, id_)
        ).fetchone()
        return found

    def token_row(self, system: str, id_: str) -> sqlite3.Row:
        """The row of a token.

        Raises:
            NotFound: the system has never had it.
        """
        row = self.row(system, id_)
        if row is None:
            raise NotFound(f"the estate's {system} has never had that token")
        return row

    def secret(self, system: str, id_: str, version: int = 0) -> Secret:
        """The value of a token, as whoever leaked it would have it; by default the newest.

        Raises:
            NotFound: there never was such a token, or whoever rotated it chose that value.
        """
        row = self.token_row(system, id_)
        computed = Secret(value(self._key, system, id_, version or row["version"]))
        if row["version"] > 1 and not any(one["n"] == row["n"] for one in self.holders(computed)):
            raise NotFound("the estate keeps no value that somebody else chose")
        return computed

    def holders(self, secret: Secret) -> list[sqlite3.Row]:
        """The rows of all tokens whose value this is, dead or alive."""
        return self.db.execute(
            "SELECT token.*, secret.valid_until FROM secret JOIN token ON token.n = secret.token"
            " WHERE digest = ? ORDER BY n",
            (digest(secret.reveal()),),
        ).fetchall()

    def holder(self, secret: Secret, id_: str = "") -> sqlite3.Row | None:
        """The row of the token whose value this is: of that id, or else one that works."""
        rows = [row for row in self.holders(secret) if id_ in ("", row["id"])]
        now = self.now()
        working = (row for row in rows if activity.works(row, now, row["valid_until"]))
        return next(working, rows[0] if rows else None)

    def accepts(self, secret: Secret) -> bool:
        """Whether the value works at this moment. Leaves no trace, as no real system could."""
        row = self.holder(secret)
        return row is not None and activity.works(row, self.now(), row["valid_until"])

    def attempt(
        self,
        secret: Secret,
        action: str = "",
        *,
        source: str = "198.51.100.7",
        agent: str = "curl",
        id_: str = "",
    ) -> bool:
        """Use a value, as anyone who has it might: the audit trail gets a line either way.

        Where a system takes the use of a replaced value for theft, its successor ends here.
        ``id_`` names the token that is meant, where several have the value.
        """
        row = self.holder(secret, id_)
        if row is None:
            return False
        now = self.now()
        works = activity.works(row, now, row["valid_until"])
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
            elif SYSTEMS[row["system"]].capabilities.of(row["kind"]).reuse_detection:
                rotation.end_family(self.db, row["n"], now)
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
        kind: str = "",
    ) -> tuple[str, Secret]:
        """Issue a token, and return its id and its value. ``expires_in`` is in seconds.

        ``kind`` is one of the system's kinds, by default its first.

        Raises:
            ConfigError: no such system.
            Refused: the principal has all the tokens that the system allows it.
            NotFound: the parent does not exist.
        """
        trouble.check_system(system)
        spec = SYSTEMS[system]
        now = self.now()
        with database.writing(self.db):
            above = self.token_row(system, parent)["n"] if parent else None
            slots = spec.capabilities.of(kind or spec.kind).slots
            who = principal or name
            if slots:
                taken = self.db.execute(
                    "SELECT count(*) FROM token WHERE system = ? AND principal_id = ?"
                    " AND kind = ? AND (gone_at IS NULL OR gone_at > ?)",
                    (system, who, kind or spec.kind, now),
                ).fetchone()[0]
                if taken >= slots:
                    raise Refused(f"LimitExceeded: {taken} of {count(slots, 'slot')} taken")
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
                kind=kind,
            )
            row = self.db.execute("SELECT id, version FROM token WHERE n = ?", (n,)).fetchone()
        return row["id"], Secret(value(self._key, system, row["id"], row["version"]))

    def rotate(self, system: str, id_: str) -> tuple[str, Secret]:
        """Replace a token by its system's own means; the id and the new value.

        The estate's consumers take up the new value by and by, and a stale one never.

        Raises:
            NotFound: there never was such a token.
            Refused: only a person can mint these, no slot is free, or the token is gone.
        """
        with database.writing(self.db):
            made = self.mint_successor(self.token_row(system, id_))
        if made.refused:
            raise Refused(made.refused)
        return made.id, made.secret

    def mint_successor(
        self, row: sqlite3.Row, intent: str = "", chosen: Secret | None = None
    ) -> rotation.EstateMinted:
        """Make the call that mints, within the caller's transaction. See ``rotation.rotate``."""
        spec = SYSTEMS[row["system"]]
        return rotation.rotate(
            self.db, self.seed, self._key, spec, row, self.now(), intent=intent, chosen=chosen
        )

    # -- ends

    def change(self, verb: Verb, system: str, id_: str, intent: str = "") -> CallEffect:
        """Contain, restore, revoke or disconnect, as truly as the troubles of the day allow.

        Raises:
            NotFound: there never was such a token.
            Refused: the system has no such verb.
            ConfigError: no such system.
        """
        spec = SYSTEMS[trouble.check_system(system)]
        with database.writing(self.db):
            return effects.change(
                self.db, verb, spec, self.token_row(system, id_), self.now(), intent
            )

    # -- for tests and drills: the truth, and cases on purpose

    def truth(self, system: str = "", *, version: int = 0) -> dict[tuple[str, str], bool]:
        """Which tokens are accepted at this moment, by system and id.

        By default the newest value of each is meant; with ``version`` 1, the first one.
        """
        return truth.truth(self.db, self.now(), system, version)

    def changes(self, system: str, id_: str, what: str = "") -> int:
        """How many changing calls have really reached a token, of all kinds or of one.

        ``what`` is a verb's value; the call that mints counts as "rotate", on the old token.
        """
        return truth.changes(self.db, self.token_row(system, id_)["n"], what)

    def all_changes(self) -> dict[tuple[str, str], dict[str, int]]:
        """The same for every token that was reached, by system and id."""
        return truth.all_changes(self.db)

    def breaches(self, system: str) -> int:
        """How many changes came faster than ``SystemTrouble.rate_limit``, since that was set."""
        return database.tally(self.db, system, "breaches")

    def remint(self, system: str, id_: str, *, after: int | None = None) -> str | None:
        """Let an attacker who holds a token make another one, as its principal.

        At once by default; with ``after``, so many seconds after the next changing call on
        the token. Returns the new id where it is known, None where no slot is free.
        """
        row = self.token_row(system, id_)
        with database.writing(self.db):
            if after is not None:
                attacker.arm(self.db, row["n"], after)
                return None
            n = attacker.remint(self.db, self.seed, self._key, row["n"], self.now())
        return None if n is None else identity(self.seed, system, n)
