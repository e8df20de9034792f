"""A server that dies, is sealed or is not one at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from openbao_fixture import backend, call, create, everything, using

from backends import http
from backends.contract import Outcome, OutcomeState, Verb
from backends.errors import BadAnswer, ServerFault, Unreachable
from backends.lab.openbao import OpenBaoServer
from backends.lab.server import free_port
from backends.model import Found, Gap, GapKind, ScopeDone, Token
from backends.openbao import OpenBao, inventory
from backends.permit import Permit

pytestmark = pytest.mark.lab


@pytest.fixture
def frail(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenBaoServer]:
    """A server of a test's own, to be killed; and a client that does not wait for it."""
    monkeypatch.setattr(http, "ATTEMPTS", 1)
    monkeypatch.setattr(inventory, "BATCH", 8)
    running = OpenBaoServer(tmp_path_factory.mktemp("frail"))
    running.start()
    try:
        running.fill(20)
        yield running
    finally:
        running.stop()


def test_a_server_that_dies_while_it_lists_loses_nothing_that_was_seen(
    frail: OpenBaoServer,
) -> None:
    bao = backend(frail)

    async def work() -> list[Found]:
        found: list[Found] = []
        async with bao:
            async for item in bao.inventory():
                found.append(item)
                if isinstance(item, Token) and frail.alive:
                    frail.stop()
        return found

    found = asyncio.run(work())
    seen = [item for item in found if isinstance(item, Token)]
    assert 1 <= len(seen) <= 8
    assert not [item for item in found if isinstance(item, ScopeDone)]
    gaps = {item.scope: item for item in found if isinstance(item, Gap)}
    assert gaps["root/service-token"].kind is GapKind.FAILED
    assert "that are listed" in gaps["root/service-token"].what
    assert gaps["root/approle"].kind is GapKind.FAILED
    assert gaps["subsidiary/service-token"].kind is GapKind.FAILED
    with pytest.raises(Unreachable):
        using(backend(frail), lambda bao: everything(bao.inventory()))
    with pytest.raises(Unreachable):
        using(backend(frail), lambda bao: bao.health())


def test_a_revoke_at_a_dead_server_was_not_sent(frail: OpenBaoServer) -> None:
    made = create(frail, policies=["default"])

    async def work(bao: OpenBao) -> Outcome:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).steps
        frail.stop()
        with Permit("intent", step).active():
            return await bao.perform(step)

    outcome = using(backend(frail), work)
    # A connection that was open may lose the request on its way; a new one cannot.
    assert outcome.state in (OutcomeState.NOT_SENT, OutcomeState.UNKNOWN)


def test_a_sealed_server_says_so(frail: OpenBaoServer) -> None:
    assert call(frail, "PUT", "sys/seal")[0] == 204
    with pytest.raises(ServerFault, match="sealed"):
        using(backend(frail), lambda bao: bao.health())
    with pytest.raises(ServerFault):
        using(backend(frail), lambda bao: everything(bao.inventory()))


def test_another_kind_of_server_is_recognised(frail: OpenBaoServer) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable):
        using(backend(frail, url=url), lambda bao: bao.whoami())
    with pytest.raises(BadAnswer):
        # The right server under a wrong path answers, and not as OpenBao does.
        using(backend(frail, url=f"{frail.url}/ui"), lambda bao: bao.health())
