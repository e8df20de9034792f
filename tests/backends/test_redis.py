"""What the Redis backend reads: users, who is connected, what was refused, and no hash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
import redis
from redis_lab import backend, lets_in, listing, make, server

from backends.contract import Verb
from backends.errors import Forbidden
from backends.lab.redis import RedisServer, digest
from backends.model import (
    AuditEvent,
    EventClass,
    Gap,
    GapKind,
    How,
    ScopeDone,
    Secret,
    TokenState,
    encode,
)
from backends.redis_acl import RedisAcl

pytestmark = pytest.mark.lab
__all__ = ["server"]

T = TypeVar("T")
HOSTILE = ("\x1b[31mred\x1b[0m", "\u202eevil", "[bold]x[/bold]", "bytes:66", "*", "-h")


def ask(server: RedisServer, work: Callable[[RedisAcl], Awaitable[T]], **options: Any) -> T:
    async def both() -> T:
        async with backend(server, **options) as rd:
            return await work(rd)

    return asyncio.run(both())


def test_users_are_listed_with_what_lets_them_in(server: RedisServer) -> None:
    make(server, "two", "on", f"#{digest('second')}", "~a:*", "+get")
    make(server, "open", "on", "nopass", "+ping", password="")
    make(server, "closed", "off", "+ping")
    make(server, "empty", "on", "+ping", password="")
    tokens, rest = ask(server, listing)
    told = {name: dict(tokens[name].facts) for name in ("two", "open", "closed", "empty")}
    assert told["two"] == {"log-in": "on", "passwords": "2 passwords"}
    assert "anybody gets in" in told["open"]["passwords"]
    assert told["closed"]["log-in"] == "off"
    assert "nobody can log in" in told["empty"]["log-in"]
    states = [tokens[name].state for name in told]
    active, disabled = TokenState.ACTIVE, TokenState.DISABLED
    assert states == [active, active, disabled, disabled]
    assert {grant.name for grant in tokens["two"].grants.value or ()} == {"+get", "~a:*"}
    assert [done.seen for done in rest if isinstance(done, ScopeDone)] == [len(tokens)]


def test_no_hash_leaves_the_backend(server: RedisServer) -> None:
    ref = make(server, "hashed", "on", "~*", "+@all", password="hash-canary")
    assert not lets_in(server, "hashed", "wrong")
    now = datetime.now(UTC)

    async def all_of_it(rd: RedisAcl) -> list[Any]:
        tokens, rest = await listing(rd)
        told: list[Any] = [*tokens.values(), *rest, await rd.read(ref), repr(vars(rd))]
        told += [event async for event in rd.events(now - timedelta(minutes=1))]
        told += await rd.identify(Secret("hash-canary"))
        told += [await rd.dependents(ref), await rd.permissions(tokens["hashed"])]
        return told + [await rd.plan(verb, tokens["hashed"]) for verb in Verb]

    text = "".join(
        each if isinstance(each, str) else encode(each).decode() + repr(each)
        for each in ask(server, all_of_it)
    )
    assert "hashed" in text
    assert digest("hash-canary")[:16] not in text
    assert "hash-canary" not in text


@pytest.mark.parametrize("name", [*HOSTILE, b"\xff\xfe-no-text"])
def test_a_hostile_name_is_one_user(server: RedisServer, name: str | bytes) -> None:
    with server.connect() as client:
        client.execute_command("ACL", "SETUSER", name, "on", f"#{digest('pw')}", "+ping")

    async def both(rd: RedisAcl) -> bool:
        tokens = [item async for item in rd.inventory() if hasattr(item, "ref")]
        (match,) = [
            each
            for each in await rd.identify(Secret("pw"))
            if each.ref.id in (name, "bytes:" + (name if isinstance(name, bytes) else b"").hex())
            or (name == "bytes:66" and each.ref.id == "bytes:" + b"bytes:66".hex())
        ]
        assert match.ref in [token.ref for token in tokens]
        encode(match)
        result = await rd.probe(match.ref, Secret("pw"))
        return result.accepted is True

    try:
        assert ask(server, both)
    finally:
        with server.connect() as client:
            client.execute_command("ACL", "DELUSER", name)


def test_last_use_is_known_of_those_who_are_connected_and_never_denied(
    server: RedisServer,
) -> None:
    ref = make(server, "worker", "on", "~app:*", "+get", "+client|setname")
    with server.connect("worker", "pw", client_name="worker-1") as client:
        client.execute_command("GET", "app:1")
        token = ask(server, lambda rd: rd.read(ref))
        used = token.last_used_at.value
        assert used is not None
        assert abs(datetime.now(UTC) - used) < timedelta(minutes=1)
        assert token.last_used_from.value == "127.0.0.1"
        assert token.last_used_for.value == "worker-1: get"
        found = ask(server, lambda rd: rd.dependents(ref))
        (one,) = found.consumers
        assert (one.name, one.kind) == ("worker-1 from 127.0.0.1", "session")
    token = ask(server, lambda rd: rd.read(ref))
    assert token.last_used_at.how is How.NOT_TRACKED
    assert not lets_in(server, "worker", "wrong")
    assert ask(server, lambda rd: rd.read(ref)).last_used_at.how is How.NOT_TRACKED
    with (
        server.connect("worker", "pw") as client,
        contextlib.suppress(redis.exceptions.NoPermissionError),
    ):
        client.execute_command("FLUSHALL")
    token = ask(server, lambda rd: rd.read(ref))
    assert token.last_used_at.known
    assert "refused" in token.last_used_at.source


def test_only_our_own_connection_is_left_out(server: RedisServer) -> None:
    """A client is not ours because it says so."""
    ref = make(server, "pretender", "on", "+ping", "+client|setname")
    with server.connect("pretender", "pw", client_name="token-console"):
        found = ask(server, lambda rd: rd.dependents(ref))
    assert [each.name for each in found.consumers] == ["token-console from 127.0.0.1"]
    own = ask(server, lambda rd: rd.whoami()).own
    assert ask(server, lambda rd: rd.dependents(own[0])).consumers == ()


def test_what_the_reader_may_not_see_is_said(server: RedisServer) -> None:
    make(server, "narrow", "on", "-@all", "+acl|list", "+acl|getuser", "+acl|whoami")

    async def both(rd: RedisAcl) -> tuple[Any, Any, Any]:
        tokens, rest = await listing(rd)
        dependents = await rd.dependents(tokens["narrow"].ref)
        return tokens, rest, dependents

    tokens, rest, dependents = ask(server, both, read_as="narrow", read=Secret("pw"))
    hints = " ".join(gap.hint for gap in rest if isinstance(gap, Gap))
    for right in ("+client|list", "+acl|log", "+role"):
        assert right in hints
    assert any(isinstance(item, ScopeDone) for item in rest)
    assert tokens["narrow"].last_used_at.how is How.NOT_PERMITTED
    assert any(gap.kind is GapKind.REFUSED for gap in dependents.gaps)
    make(server, "blind", "on", "-@all", "+ping")
    with pytest.raises(Forbidden) as caught:
        ask(server, listing, read_as="blind", read=Secret("pw"))
    assert "+acl|list" in caught.value.hint


def test_a_pasted_value_is_recognised_by_its_hash(server: RedisServer) -> None:
    one = make(server, "same-1", password="shared-value")
    two = make(server, "same-2", password="shared-value")

    async def identified(rd: RedisAcl, text: str) -> set[Any]:
        return {match.ref for match in await rd.identify(Secret(text))}

    assert ask(server, lambda rd: identified(rd, "shared-value")) == {one, two}
    url = "rediss://same-2:shared-value@cache.example.com:6379/0"
    assert ask(server, lambda rd: identified(rd, url)) == {two}
    assert ask(server, lambda rd: identified(rd, "nobody-has-it")) == set()


def test_refusals_are_events_and_a_name_that_nobody_has_is_withheld(server: RedisServer) -> None:
    ref = make(server, "refused", "on", "~app:*", "+get")
    with server.connect() as client:
        client.execute_command("ACL", "LOG", "RESET")
    began = datetime.now(UTC) - timedelta(seconds=5)
    assert not lets_in(server, "refused", "wrong")
    assert not lets_in(server, "hunter2-password-as-name", "x")
    with server.connect("refused", "pw") as client:
        for _ in range(2):
            with contextlib.suppress(redis.exceptions.NoPermissionError):
                client.execute_command("GET", "other:1")

    async def told(rd: RedisAcl) -> list[Any]:
        return [event async for event in rd.events(began)]

    found = ask(server, told)
    events = [each for each in found if isinstance(each, AuditEvent)]
    assert any(isinstance(each, Gap) for each in found)  # It has refusals only.
    mine = {event.sort: event for event in events if event.token == ref}
    assert mine[EventClass.DENIED].outcome == "denied"
    assert mine[EventClass.USE].outcome == "error"
    assert mine[EventClass.USE].settled is EventClass.USE
    assert "key refused: other:1" in mine[EventClass.USE].action
    assert "2 times" in mine[EventClass.USE].detail
    assert mine[EventClass.USE].source == "127.0.0.1"
    assert [event for event in events if event.token is None]
    assert "hunter2" not in "".join(encode(event).decode() for event in events)
    ids = {event.id for event in ask(server, told) if isinstance(event, AuditEvent)}
    assert {event.id for event in events} <= ids
    assert not lets_in(server, "refused", "wrong")
    again = {event.id for event in ask(server, told) if isinstance(event, AuditEvent)}
    assert len(again - ids) == 1  # The entry that counts one more is told once more.


def test_health_names_server_and_clock(server: RedisServer) -> None:
    health = ask(server, lambda rd: rd.health())
    assert health.version.split(" ")[0] in ("Valkey", "Redis")
    assert health.skew is not None
    assert abs(health.skew) < timedelta(seconds=5)
