"""What the journal's tests share: entries to write, and both databases to write them to."""

from __future__ import annotations

import base64
import multiprocessing
import re
import secrets
import sqlite3
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backends.model import Secret
from console.journal.format.entry import Act, Kind, Out, Target
from console.journal.format.parts import Session, Sig
from console.journal.format.signing_session import mark_of
from console.journal.store import sqlite_file as database
from console.journal.verify.verify import Report, verify
from console.journal.write.journal import Journal
from console.sshsig import sshsig
from console.sshsig.mark import ENTRY, INTENT

FORK = multiprocessing.get_context("fork")
ACT = Act(
    verb="revoke",
    backend="vault",
    target=Target(kind="key", id="k1", handle="0123456789ab", name="payments"),
)
WHY = "leaked in a public repository"


def intent(journal: Journal) -> str:
    return journal.append(Kind.INTENT, why=WHY, act=ACT).id


def outcome(journal: Journal, ref: str, state: str = "applied") -> None:
    journal.append(Kind.OUTCOME, act=ACT, out=Out(ref=ref, state=state))


def grown(path: Path, entries: int) -> Path:
    """A journal with that many entries, the last of them settled where the number is odd."""
    with Journal(path) as journal:
        for _ in range(entries // 2):
            outcome(journal, intent(journal))
        if entries % 2 == 0:
            journal.append(Kind.NOTE, why=WHY)
    return path


def put_back(db: sqlite3.Connection) -> None:
    """Make the triggers again that a test dropped, as somebody who hides their traces would."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    for statement in re.findall(r"CREATE TRIGGER .*?END;", database.SCHEMA, re.DOTALL):
        if statement.split()[2] not in there:
            db.execute(statement)


class Signer:
    """A responder with a key of their own, and a session whose key signs calls and answers."""

    def __init__(self) -> None:
        self.own, self.session = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def by_own(self, statement: bytes) -> Sig:
        return mark_of(sshsig.sign_here(self.own, ENTRY, statement))

    def by_session(self, statement: bytes) -> Sig:
        return mark_of(sshsig.sign_here(self.session, INTENT, statement))

    def public(self, key: Ed25519PrivateKey) -> str:
        return f"ssh-ed25519 {base64.b64encode(sshsig.public_blob(key)).decode()}"

    def line(self, name: str = "alice") -> str:
        """Their line in allowed_signers."""
        return f'{name} namespaces="{ENTRY}" {self.public(self.own)}\n'

    def open(self, journal: Journal) -> None:
        part = Session(key=self.public(self.session), expires=2**52)
        journal.append(Kind.SESSION_OPEN, why=WHY, session=part, sign=self.by_own)

    def call(self, journal: Journal, why: str = WHY, state: str = "applied") -> str:
        """A signed intent with its signed outcome."""
        made = journal.append(Kind.INTENT, why=why, act=ACT, sign=self.by_session)
        out = Out(ref=made.id, state=state)
        journal.append(Kind.OUTCOME, act=ACT, out=out, sign=self.by_session)
        return made.id


def checked(path: Path, **given: object) -> Report:
    """The report of a verification that only reads."""
    from console.journal.read.view import JournalView

    view = JournalView(path)
    try:
        assert view.store is not None
        return verify(view.store, **given)  # type: ignore[arg-type]
    finally:
        view.close()


class Databases:
    """A PostgreSQL server that flushes, with a database for each journal that is asked for."""

    def __init__(self, home: Path) -> None:
        from backends.lab.postgres import PostgresServer

        self.server = PostgresServer(home)
        self.server.start()
        with self.server.connect() as connection:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")

    def admin(self, database: str) -> str:
        """A connection string of the superuser."""
        password = self.server.secret("postgres").reveal()
        return (
            f"host=127.0.0.1 port={self.server.port} dbname={database} user=postgres"
            f" password={password}"
        )

    def make(self) -> Secret:
        """A new, empty journal; the connection string of the role that may append to it."""
        from console.journal.store import postgres

        name = f"j{secrets.token_hex(4)}"
        with self.server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        postgres.init(Secret(self.admin(name)), name)
        return Secret(
            f"host=127.0.0.1 port={self.server.port} dbname={name} user={name} password=pw"
        )

    def end(self) -> None:
        self.server.stop()
        self.server.discard()


class Place:
    """Where one journal is. ``open`` opens it for appending, in any process."""

    def __init__(self, home: Path, dsn: Secret | None) -> None:
        self.path = home / "journal.db"
        self.dsn = dsn

    def open(self) -> Journal:
        if self.dsn is None:
            return Journal(self.path)
        from console.journal.store.postgres import PostgresStore

        return Journal(PostgresStore(self.dsn), base=self.path)

    def write(self, pairs: int) -> None:
        with self.open() as journal:
            for _ in range(pairs):
                outcome(journal, intent(journal))


def forms(secret: str) -> list[bytes]:
    """The secret as itself, and as it would look in the encodings that are used here."""
    plain = secret.encode()
    # The middle of the Base64 text is the same at each of three offsets but for its ends.
    coded = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, plain.hex().encode(), plain.hex().upper().encode(), plain[::-1], *coded]
