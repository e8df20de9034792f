"""What a user's rules let it do, against what the server itself answers (ACL DRYRUN)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis_lab import backend, make, server

from backends.lab.redis import RedisServer
from backends.model import Gap, GapKind, TokenRef
from backends.permissions import Access, Decision, Permissions

pytestmark = pytest.mark.lab
__all__ = ["server"]

RULES: dict[str, tuple[str, ...]] = {
    "all": ("~*", "&*", "+@all"),
    "all-but": ("~app:*", "+@all", "-@dangerous", "-set"),
    "again": ("~app:*", "+@all", "-config", "+config|get"),
    "few": ("~app:*", "+get", "+set", "+config|get"),
    "reads": ("%R~app:*", "~own:*", "+get", "+set"),
    "categories": ("~app:*", "+@read", "-@dangerous"),
    "selectors": ("~app:*", "+get", "(~tmp:* +set)", "(~* +del -@all +get)"),
    "globs": ("~a?c:[0-9]*", r"~x\*y", "~[^z]z", "+get"),
    "nothing": ("~*",),
    "late": ("~*", "-@all", "+@admin", "-acl|setuser"),
}
QUESTIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("GET", "app:1"), "get", "app:1"),
    (("GET", "own:1"), "get", "own:1"),
    (("GET", "tmp:1"), "get", "tmp:1"),
    (("GET", "abc:7"), "get", "abc:7"),
    (("GET", "abc:x"), "get", "abc:x"),
    (("GET", "x*y"), "get", "x*y"),
    (("GET", "xzy"), "get", "xzy"),
    (("GET", "az"), "get", "az"),
    (("GET", "zz"), "get", "zz"),
    (("SET", "app:1", "v"), "set", "app:1"),
    (("SET", "own:1", "v"), "set", "own:1"),
    (("SET", "tmp:1", "v"), "set", "tmp:1"),
    (("DEL", "tmp:1"), "del", "tmp:1"),
    (("CONFIG", "GET", "x"), "config|get", ""),
    (("CONFIG", "SET", "x", "y"), "config|set", ""),
    (("ACL", "SETUSER", "x"), "acl|setuser", ""),
    (("ACL", "LIST"), "acl list", ""),
    (("FLUSHALL",), "flushall", ""),
    (("PING",), "ping", ""),
    (("MONITOR",), "monitor", ""),
)


def opened(server: RedisServer, ref: TokenRef) -> Permissions:
    async def ask() -> Permissions:
        async with backend(server) as rd:
            return await rd.permissions(await rd.read(ref))

    return asyncio.run(ask())


@pytest.mark.parametrize("name", RULES)
def test_every_certain_answer_is_the_servers(server: RedisServer, name: str) -> None:
    user = f"perm-{name}"
    permissions = opened(server, make(server, user, "on", *RULES[name]))
    rd = backend(server)
    certain = 0
    with server.connect() as client:
        for words, action, resource in QUESTIONS:
            said: Any = client.execute_command("ACL", "DRYRUN", user, *words)
            really = said == b"OK"
            answer = rd.permits(permissions, action, resource)
            told = (name, words, answer)
            if answer.decision is Decision.ALLOWED:
                assert really, told
            if answer.decision is Decision.DENIED:
                assert not really, told
            certain += answer.decision in (Decision.ALLOWED, Decision.DENIED)
    assert certain >= (5 if name in ("categories", "all-but", "late") else 15)


def test_a_category_is_never_taken_for_what_it_may_not_have(server: RedisServer) -> None:
    permissions = opened(server, make(server, "perm-cat", "on", "~app:*", "+@read", "-@dangerous"))
    answer = backend(server).permits(permissions, "hget", "app:1")
    assert answer.decision is Decision.CONDITIONAL
    assert "ACL CAT" in answer.detail
    assert "@read" in {row.action for row in answer.because}


def test_rows_are_in_order_and_say_where_they_come_from(server: RedisServer) -> None:
    ref = make(server, "perm-rows", "on", "~app:*", "&n.*", "+@all", "-config", "(~t:* +del)")
    permissions = opened(server, ref)
    told = [(row.action, row.effect, row.resource, row.source) for row in permissions.rows]
    assert told == [
        ("@all", "allow", "~app:* &n.*", "the user's rules"),
        ("config", "deny", "~app:* &n.*", "the user's rules"),
        ("del", "allow", "~t:*", "selector 1"),
    ]
    assert permissions.rows[0].access is Access.ADMIN
    ways = {way.code for way in permissions.elevations}
    assert {"write-users", "load-module"} <= ways
    assert "write-config" not in ways
    assert permissions.secrets == permissions.rows[:1]


def test_a_channel_is_asked_for_with_its_sign(server: RedisServer) -> None:
    permissions = opened(server, make(server, "perm-chan", "on", "&news.*", "+publish"))
    rd = backend(server)
    assert rd.permits(permissions, "publish", "&news.1").decision is Decision.ALLOWED
    assert rd.permits(permissions, "publish", "&other").decision is Decision.DENIED
    gap = Gap("x", GapKind.REFUSED, "another server's rules")
    holed = Permissions(ref=permissions.ref, gaps=(gap,), as_of=permissions.as_of)
    assert rd.permits(holed, "publish", "&other").decision is Decision.UNKNOWN
