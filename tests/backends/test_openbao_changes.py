"""Revoking at a real OpenBao, and what its audit log tells before and after."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from openbao_fixture import (
    Made,
    backend,
    call,
    create,
    everything,
    server,
    tokens_in,
    using,
    works,
)

from backends.contract import Outcome, OutcomeState, Retry, Verb
from backends.errors import NoIntent, NotFound
from backends.lab.openbao import NAMESPACE, OpenBaoServer
from backends.model import AuditEvent, Dependents, Gap, GapKind, Secret, TokenRef
from backends.openbao import OpenBao
from backends.openbao.mapping import APPROLE
from backends.permit import Permit

__all__ = ["server"]
pytestmark = pytest.mark.lab


def revoke(server: OpenBaoServer, ref: TokenRef, *, twice: bool = False) -> list[Outcome]:
    async def work(bao: OpenBao) -> list[Outcome]:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(ref))).steps
        outcomes = []
        for number in range(1 + twice):
            with Permit(f"intent-{number}", step).active():
                outcomes.append(await bao.perform(step))
        with pytest.raises(NotFound):
            await bao.read(ref)
        return outcomes

    return using(backend(server), work)


@pytest.mark.parametrize("ns", ["", f"{NAMESPACE}/"])
def test_a_revoked_token_is_refused_by_the_server(server: OpenBaoServer, ns: str) -> None:
    made = create(server, ns, display_name="doomed", policies=["default"], ttl="1h")
    path = f"{ns}auth/token/lookup-self"
    assert call(server, "GET", path, token=made.value)[0] == 200
    first, second = revoke(server, made.ref, twice=True)
    assert call(server, "GET", path, token=made.value)[0] == 403
    assert first.state is OutcomeState.APPLIED
    assert first.status == "204"
    assert second.state is OutcomeState.ALREADY
    assert second.request_id


def test_the_plan_is_the_exact_call(server: OpenBaoServer) -> None:
    made = create(server, f"{NAMESPACE}/", display_name="abroad", ttl="1h")

    async def work(bao: OpenBao) -> None:
        proposal = await bao.plan(Verb.REVOKE, await bao.read(made.ref))
        (step,) = proposal.steps
        assert step.call.method == "POST"
        assert step.call.target == f"/v1/{NAMESPACE}/auth/token/revoke-accessor"
        assert step.call.arguments == {"accessor": made.accessor}
        assert step.retry is Retry.FREE
        assert step.expect == "gone"
        assert any("lease" in line for line in proposal.collateral)

    using(backend(server), work)


def test_without_an_intent_nothing_is_sent(server: OpenBaoServer) -> None:
    made = create(server, display_name="safe", policies=["default"])

    async def work(bao: OpenBao) -> None:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).steps
        with pytest.raises(NoIntent):
            await bao.perform(step)

    using(backend(server), work)
    assert works(server, made)


def test_without_a_credential_to_act_nothing_is_sent(server: OpenBaoServer) -> None:
    made = create(server, display_name="safe too", policies=["default"])

    async def work(bao: OpenBao) -> Outcome:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).steps
        with Permit("intent", step).active():
            return await bao.perform(step)

    assert using(backend(server, acting=False), work).state is OutcomeState.NOT_SENT
    assert works(server, made)


def test_a_refused_revoke_is_rejected(server: OpenBaoServer) -> None:
    made = create(server, display_name="kept", policies=["default"])

    async def work(bao: OpenBao) -> Outcome:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).steps
        with Permit("intent", step).active():
            return await bao.perform(step)

    reader = {"file": str(server.home / "read.token")}
    outcome = using(backend(server, act=reader), work)
    assert outcome.state is OutcomeState.REJECTED
    assert outcome.status == "403"
    assert works(server, made)


def test_a_destroyed_secret_id_lets_nobody_in(server: OpenBaoServer) -> None:
    role = "auth/approle/role/jenkins-ci"
    issued = call(server, "POST", f"{role}/secret-id", {})[1]["data"]
    role_id = call(server, "GET", f"{role}/role-id")[1]["data"]["role_id"]
    login = {"role_id": role_id, "secret_id": issued["secret_id"]}
    status, answer = call(server, "POST", "auth/approle/login", login)
    assert status == 200
    session = Made(answer["auth"]["client_token"], answer["auth"]["accessor"])
    ref = TokenRef("bao", APPROLE, f"jenkins-ci/{issued['secret_id_accessor']}")

    async def look(bao: OpenBao) -> tuple[str, Retry]:
        proposal = await bao.plan(Verb.REVOKE, await bao.read(ref))
        return proposal.collateral[0], proposal.steps[0].retry

    told, retry = using(backend(server), look)
    assert "live on" in told
    assert retry is Retry.CONFIRM
    first, second = revoke(server, ref, twice=True)
    assert first.state is OutcomeState.APPLIED
    assert second.state is OutcomeState.ALREADY
    assert call(server, "POST", "auth/approle/login", login)[0] == 400
    # The collateral tells the truth: the token from before still works.
    assert works(server, session)


def test_the_consoles_own_credential_is_not_revoked(server: OpenBaoServer) -> None:
    parent = create(server, display_name="above", no_parent=True, policies=["root"])
    middle = create(server, by=parent.value, display_name="between", policies=["root"])
    child = create(server, by=middle.value, display_name="console", policies=["console-reader"])
    read = {"file": str(server.keep("grandchild.token", child.value))}

    async def codes(bao: OpenBao, ref: TokenRef) -> list[str]:
        proposal = await bao.plan(Verb.REVOKE, await bao.read(ref))
        return [hazard.code for hazard in proposal.hazards if hazard.fatal]

    # Each in a backend of its own: a runner starts without having listed anything.
    for ref in (child.ref, middle.ref, parent.ref):
        fatal = using(backend(server, read=read), lambda bao, ref=ref: codes(bao, ref))  # type: ignore[misc]
        assert fatal == ["own-credential"]
    other = create(server, display_name="other", no_parent=True, policies=["default"])
    assert using(backend(server, read=read), lambda bao: codes(bao, other.ref)) == []


def test_what_dies_too_is_named(server: OpenBaoServer) -> None:
    call(server, "POST", "sys/mounts/pki", {"type": "pki"})
    call(server, "POST", "pki/root/generate/internal", {"common_name": "lab"})
    role = {"allow_any_name": True, "generate_lease": True, "ttl": "1h"}
    call(server, "POST", "pki/roles/web", role)
    rules = 'path "pki/issue/web" { capabilities = ["update"] }\n'
    rules += 'path "auth/token/create" { capabilities = ["update"] }'
    call(server, "PUT", "sys/policies/acl/issuer", {"policy": rules})
    parent = create(server, display_name="mother", no_parent=True, policies=["issuer"])
    child = create(server, by=parent.value, display_name="kid", policies=["default"])
    body = {"common_name": "shop.example"}
    status, issued = call(server, "POST", "pki/issue/web", body, token=parent.value)
    assert status == 200

    async def work(bao: OpenBao) -> tuple[Dependents, tuple[str, ...]]:
        found = tokens_in(await everything(bao.inventory()))
        proposal = await bao.plan(Verb.REVOKE, found[parent.ref])
        return await bao.dependents(parent.ref), proposal.collateral

    told, collateral = using(backend(server), work)
    consumers = {(consumer.kind, consumer.name) for consumer in told.consumers}
    assert consumers == {
        ("token", "token-kid"),
        ("lease", issued["lease_id"]),
        ("address", "127.0.0.1"),
    }
    assert [gap.kind for gap in told.gaps] == [GapKind.UNLISTABLE]
    assert "child token token-kid" in collateral
    revoke(server, parent.ref)
    assert not works(server, child)


def test_dependents_without_a_log_say_what_is_missing(server: OpenBaoServer) -> None:
    made = create(server, policies=["default"])
    told = using(backend(server, audit_file=None), lambda bao: bao.dependents(made.ref))
    assert not told.consumers
    assert "audit_file" in told.gaps[0].hint


def test_the_log_tells_a_tokens_whole_life_and_the_knocking_after_it(
    server: OpenBaoServer,
) -> None:
    begun = datetime.now(UTC)
    made = create(server, display_name="watched", no_parent=True, policies=["payments-read"])
    call(server, "GET", "secret/data/payments/api", token=made.value)
    call(server, "GET", "secret/data/checkout/api", token=made.value)

    async def work(bao: OpenBao) -> list[AuditEvent | Gap]:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(made.ref))).steps
        with Permit("intent", step).active():
            await bao.perform(step)
        call(server, "GET", "secret/data/payments/api", token=made.value)
        return await everything(bao.events(begun))

    found = using(backend(server), work)
    events = [event for event in found if isinstance(event, AuditEvent)]
    life = [
        (event.action, event.target, event.outcome) for event in events if event.token == made.ref
    ]
    assert life == [
        ("created", "auth/token/create", "ok"),
        ("read", "secret/data/payments/api", "ok"),
        ("read", "secret/data/checkout/api", "denied"),
        ("revoked", "auth/token/revoke-accessor", "ok"),
        ("read", "secret/data/payments/api", "denied"),
    ]
    assert all(event.at >= begun and event.origin for event in events)
    assert len({event.id for event in events}) == len(events)
    assert {event.source for event in events if event.token == made.ref} == {"127.0.0.1"}
    # What the console reads does not drown what others do.
    assert not [event for event in events if event.target == "auth/token/lookup-accessor"]


def test_events_without_a_log_are_a_gap(server: OpenBaoServer) -> None:
    now = datetime.now(UTC)
    found = using(backend(server, audit_file=None), lambda bao: everything(bao.events(now)))
    assert len(found) == 1
    assert isinstance(found[0], Gap)


def test_a_probe_tells_a_live_token_from_a_dead_one(server: OpenBaoServer) -> None:
    bare = create(server, policies=["payments-read"], no_default_policy=True, no_parent=True)

    async def accepted(bao: OpenBao) -> bool | None:
        return (await bao.probe(bare.ref, Secret(bare.value))).accepted

    # It may not look at itself, and is accepted all the same.
    assert using(backend(server), accepted) is True
    revoke(server, bare.ref)
    assert using(backend(server), accepted) is False


def test_no_secret_is_in_anything_that_is_returned(server: OpenBaoServer) -> None:
    made = create(server, display_name="canary", policies=["payments-read"], ttl="1h")
    call(server, "GET", "secret/data/payments/api", token=made.value)
    role = "auth/approle/role/scanner"
    issued = call(server, "POST", f"{role}/secret-id", {})[1]["data"]
    own = [(server.home / name).read_text() for name in ("read.token", "act.token")]
    secrets = [made.value, issued["secret_id"], server.root.reveal(), *own]

    async def work(bao: OpenBao) -> list[object]:
        begun = datetime.fromtimestamp(0, UTC)
        returned: list[object] = [bao, vars(bao), bao.config, await bao.whoami()]
        returned += await everything(bao.inventory())
        returned += await everything(bao.events(begun))
        for secret in (made.value, issued["secret_id"]):
            returned += await bao.identify(Secret(secret))
        token = await bao.read(made.ref)
        proposal = await bao.plan(Verb.REVOKE, token)
        with Permit("intent", proposal.steps[0]).active():
            outcome = await bao.perform(proposal.steps[0])
        return [*returned, token, proposal, outcome, await bao.dependents(made.ref)]

    text = "\n".join(f"{item!r}\n{item}" for item in using(backend(server), work))
    assert made.accessor in text
    for secret in secrets:
        assert secret not in text
