"""The Redis backend under the kit that every backend passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from redis_lab import RespRelay, backend, lets_in, make, server

from backends.conformance import Check, Fixture, ThrowAway, checks
from backends.contract import Backend
from backends.lab.redis import RedisServer
from backends.model import Secret, TokenRef

pytestmark = pytest.mark.lab
__all__ = ["server"]

numbers = count()


class OnRedis(Fixture):
    """The lab's server, behind a line that can lose the answers to changes."""

    def __init__(self, server: RedisServer, line: RespRelay) -> None:
        self.server = server
        self.line = line

    def backend(self, *, act: bool = False) -> Backend:
        return backend(
            self.server, act_as="console_responder" if act else None, port=self.line.port
        )

    def make(self, kind: str) -> ThrowAway:
        name, password = f"throw-away-{next(numbers)}", f"pw-{next(numbers)}-canary"
        rules = ("on", "~app:*", "%R~cache:*", "&news.*", "+@read", "+set", "-@dangerous")
        more = ("+config|get", "(+del ~tmp:*)", "(~* +@all -flushall)")
        ref = make(self.server, name, *rules, *more, password=password)
        return ThrowAway(ref, Secret(password), name)

    def accepts(self, made: ThrowAway) -> bool:
        return lets_in(self.server, made.name, made.secret.reveal())

    def successor(self, made: ThrowAway, ref: TokenRef, secret: Secret) -> ThrowAway:
        return ThrowAway(ref, secret, made.name)

    def calls(self, made: ThrowAway) -> int | None:
        # A step that saves names no user: nothing else changes anything meanwhile.
        return self.line.changes

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("nobody-knows-this-one")
        return backend(self.server, read=wrong), wrong

    def unreachable(self) -> Backend | None:
        with RespRelay(self.server.port) as line:
            port = line.port
        return backend(self.server, port=port)

    def powerless(self) -> Backend | None:
        """One who may log in, and nothing else."""
        make(self.server, "powerless", "on", "-@all", password="pw-powerless-canary")
        return backend(
            self.server,
            act_as="powerless",
            act=Secret("pw-powerless-canary"),
            port=self.line.port,
        )

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        self.line.losing = True
        yield
        self.line.losing = False

    @contextmanager
    def late_answers(self, seconds: float) -> Iterator[None]:
        self.line.delay = seconds
        yield
        self.line.delay = 0.0


@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_conformance(server: RedisServer, check: Check) -> None:
    with RespRelay(server.port) as line:
        check(OnRedis(server, line))
