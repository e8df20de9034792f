"""The PostgreSQL backend under the kit that every backend passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from postgres_lab import Proxy, backend, make, server

from backends.conformance import Check, Fixture, ThrowAway, checks
from backends.contract import Backend, BackendConfig
from backends.lab.postgres import READER, PostgresServer
from backends.model import Secret
from backends.postgres import Postgres

pytestmark = pytest.mark.lab
__all__ = ["server"]

numbers = count()


class OnServer(Fixture):
    """The lab's server, behind a line that can lose the answers to changes."""

    def __init__(self, server: PostgresServer, line: Proxy) -> None:
        self.server = server
        self.line = line

    def backend(self, *, act: bool = False) -> Backend:
        return backend(
            self.server,
            act_as="console_responder" if act else None,
            port=self.line.port,
            log_file=str(self.server.json_log),
        )

    def make(self, kind: str) -> ThrowAway:
        name, password = f"throw_away_{next(numbers)}", f"pw-{next(numbers)}-canary"
        ref = make(self.server, name, password=password, comment="owner: ops")
        with self.server.connect() as connection:
            # Rights of all sorts; memberships, since they do not keep a role from being dropped.
            connection.execute(
                f"GRANT app_write TO {name}; GRANT reporting TO {name} WITH INHERIT FALSE;"
                f"GRANT pg_read_all_data TO {name} WITH ADMIN TRUE, INHERIT FALSE"
            )
        return ThrowAway(ref, Secret(password), name, "ops")

    def accepts(self, made: ThrowAway) -> bool:
        try:
            self.server.connect(made.name, password=made.secret.reveal()).close()
        except psycopg.OperationalError:
            return False
        return True

    def calls(self, made: ThrowAway) -> int | None:
        lines = self.server.json_log.read_text(errors="replace").splitlines()
        entries = [json.loads(line) for line in lines if f'ROLE \\"{made.name}\\"' in line]
        return sum(
            entry.get("application_name", "").startswith("token-console/")
            and entry["message"].startswith("statement:")
            for entry in entries
        )

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("nobody-knows-this-one")
        return backend(self.server, read=wrong), wrong

    def unreachable(self) -> Backend | None:
        with Proxy(self.server.port) as line:
            port = line.port
        return backend(self.server, port=port)

    def powerless(self) -> Backend | None:
        """One who may log in, and was given no role to administer."""
        with self.server.connect() as connection:
            connection.execute("DROP ROLE IF EXISTS powerless")
        ref = make(self.server, "powerless", password="pw-powerless-canary")
        assert ref
        return Postgres(
            BackendConfig(
                name="pg",
                type="postgres",
                options={
                    "host": "127.0.0.1",
                    "port": self.line.port,
                    "user": READER,
                    "act_user": "powerless",
                    "sslmode": "disable",
                    "statement_timeout": 5,
                },
                read=self.server.secret(READER),
                act=Secret("pw-powerless-canary"),
            )
        )

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        self.line.word = b" ROLE "
        yield
        self.line.word = b""


@pytest.fixture(scope="module")
def identifying(server: PostgresServer) -> PostgresServer:
    """The reader as the documentation has it for identification: three columns, no more."""
    with server.connect() as connection:
        connection.execute(
            "GRANT SELECT (oid, rolname, rolpassword) ON pg_authid TO console_reader"
        )
    return server


@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_conformance(identifying: PostgresServer, check: Check) -> None:
    with Proxy(identifying.port) as line:
        check(OnServer(identifying, line))
