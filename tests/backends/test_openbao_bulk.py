"""Many tokens of a real OpenBao at a time: what a list of accessors shows, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openbao_fixture import (
    Made,
    backend,
    call,
    create,
    everything,
    server,
    using,
    with_token,
    works,
)

from backends.contract import Verb
from backends.lab.openbao import NAMESPACE, OpenBaoServer
from backends.model import AuditEvent, Token, TokenRef
from backends.openbao import OpenBao, bulk

__all__ = ["server"]
pytestmark = pytest.mark.lab


def make(server: OpenBaoServer, count: int, ns: str = "") -> list[Made]:
    return [create(server, ns, policies=["default"], ttl="1h") for _ in range(count)]


def end(server: OpenBaoServer, made: Made, ns: str = "") -> None:
    body = {"accessor": made.accessor}
    assert call(server, "POST", f"{ns}auth/token/revoke-accessor", body)[0] == 204


def counted(bao: OpenBao) -> list[str]:
    """The paths that are asked for from now on."""
    asked: list[str] = []
    http = bao._client._read
    read = http._read

    async def reading(method: str, path: str, **more: Any) -> Any:
        asked.append(path.rpartition("/")[2])
        return await read(method, path, **more)

    http._read = reading  # type: ignore[method-assign]
    return asked


def test_one_list_tells_of_all_that_are_gone(server: OpenBaoServer) -> None:
    made = make(server, 12)

    async def work(bao: OpenBao) -> None:
        tokens = [await bao.read(one.ref) for one in made]
        assert await bao.gone(tokens) == frozenset()
        for one in made[::2]:
            end(server, one)
        asked = counted(bao)
        assert await bao.gone(tokens) == {one.ref for one in made[::2]}
        assert asked == ["accessors"]
        assert all(works(server, one) for one in made[1::2])

    using(backend(server), work)


def test_many_are_read_with_one_look_up_each_and_none_for_what_is_gone(
    server: OpenBaoServer,
) -> None:
    made = make(server, 5)
    end(server, made[0])

    async def work(bao: OpenBao) -> None:
        asked = counted(bao)
        told = await bao.read_many([one.ref for one in made])
        assert asked == ["lookup-accessor"] * 5
        assert set(told) == {one.ref for one in made[1:]}
        for one in made[1:]:
            assert told[one.ref].facts == (await bao.read(one.ref)).facts

    using(backend(server), work)


def test_of_another_namespace_a_list_tells_nothing(server: OpenBaoServer) -> None:
    ns = f"{NAMESPACE}/"
    made = make(server, 3, ns)

    async def work(bao: OpenBao) -> None:
        tokens = [await bao.read(one.ref) for one in made]
        end(server, made[0], ns)
        assert await bao.gone(tokens) == frozenset()

    using(backend(server), work)


def test_a_list_without_the_consoles_own_token_is_not_believed(server: OpenBaoServer) -> None:
    """A batch token has no accessor, so that nobody can tell whether the list is whole."""
    made = make(server, 3)
    nameless = with_token(server, "batch.token", ["console-reader"], type="batch", ttl="1h")

    async def work(bao: OpenBao) -> None:
        tokens = [await bao.read(one.ref) for one in made]
        end(server, made[0])
        assert await bao.gone(tokens) == frozenset()

    using(backend(server, read=nameless), work)


def test_a_list_that_warns_of_a_record_is_not_believed(
    server: OpenBaoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(server, 3)

    async def work(bao: OpenBao) -> None:
        tokens = [await bao.read(one.ref) for one in made]
        end(server, made[0])
        listing = bao._client.listing

        async def warned(ns: str, path: str) -> Any:
            found = await listing(ns, path)
            found.warned = True
            return found

        monkeypatch.setattr(bao._client, "listing", warned)
        assert await bao.gone(tokens) == frozenset()

    using(backend(server), work)


def test_a_long_list_is_not_asked_for_a_few(
    server: OpenBaoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "A_LOOK_UP", 2)
    made = make(server, 2)

    async def work(bao: OpenBao) -> None:
        tokens = [await bao.read(one.ref) for one in made]
        assert await bao.gone(tokens) == frozenset()
        end(server, made[0])
        asked = counted(bao)
        assert await bao.gone(tokens) == frozenset()
        assert asked == []

    using(backend(server), work)


def test_another_process_finds_a_tokens_uses_by_the_names_in_its_plan(
    server: OpenBaoServer,
) -> None:
    (made,) = make(server, 1)
    since = datetime.now(UTC) - timedelta(minutes=1)

    async def plan(bao: OpenBao) -> tuple[str, ...]:
        return (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).log_names

    async def uses(bao: OpenBao) -> set[TokenRef | None]:
        bao.recall(dict.fromkeys(names, made.ref))
        assert works(server, made)
        found = await everything(bao.events(since))
        return {each.token for each in found if isinstance(each, AuditEvent)}

    names = using(backend(server), plan)
    assert len(names) == 1
    assert names[0].startswith("hmac-sha256:")
    assert made.ref in using(backend(server), uses)
    assert using(backend(server, audit_file=None), plan) == ()


def test_a_token_of_another_kind_is_left_to_itself(server: OpenBaoServer) -> None:
    async def work(bao: OpenBao) -> None:
        found = [each async for each in bao.inventory() if isinstance(each, Token)]
        others = [token for token in found if token.ref.kind == "approle-secret-id"]
        assert others
        assert await bao.read_many([token.ref for token in others]) == {}
        assert await bao.gone(others) == frozenset()

    using(backend(server), work)
