"""Successors at a real OpenBao: like the old one, found when their answer is lost, or a card."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openbao_fixture import Made, backend, call, create, server, using, with_token, works
from postgres_lab import Proxy

from backends.contract import Outcome, OutcomeState, Phase, Proposal, Step, Value, Verb
from backends.errors import NotFound, Unsupported
from backends.lab.openbao import NAMESPACE, OpenBaoServer
from backends.model import Secret, TokenRef
from backends.openbao import OpenBao, rotate
from backends.openbao.body import MARK
from backends.openbao.mapping import APPROLE, SERVICE
from backends.permit import Permit

__all__ = ["server"]
pytestmark = pytest.mark.lab

KV = "secret/data/payments/api"
ROLE = "auth/approle/role/jenkins-ci"
KEPT = ("policies", "num_uses", "period", "explicit_max_ttl", "renewable", "type", "creation_ttl")


def plan(server: OpenBaoServer, verb: Verb, ref: TokenRef, **changes: Any) -> Proposal:
    async def work(bao: OpenBao) -> Proposal:
        return await bao.plan(verb, await bao.read(ref))

    return using(backend(server, **changes), work)


def do(server: OpenBaoServer, step: Step, intent: str = "intent") -> tuple[Outcome, Permit]:
    async def work(bao: OpenBao) -> tuple[Outcome, Permit]:
        value = bao.new_value(step) if step.value is Value.CHOSEN else None
        permit = Permit(intent, step, value=value)
        with permit.active():
            return await bao.perform(step), permit

    return using(backend(server), work)


def rotated(server: OpenBaoServer, ref: TokenRef, intent: str) -> tuple[Secret, TokenRef, Proposal]:
    proposal = plan(server, Verb.ROTATE, ref)
    outcome, permit = do(server, proposal.steps[0], intent)
    assert outcome.state is OutcomeState.APPLIED, outcome
    assert outcome.request_id
    ((new, secret),) = permit.minted
    return secret, new, proposal


def record(server: OpenBaoServer, accessor: str, ns: str = "") -> Any:
    status, answer = call(server, "POST", f"{ns}auth/token/lookup-accessor", {"accessor": accessor})
    return answer["data"] if status == 200 else None


def secret_id_of(server: OpenBaoServer, accessor: str) -> Any:
    path = f"{ROLE}/secret-id-accessor/lookup"
    return call(server, "POST", path, {"secret_id_accessor": accessor})[1]["data"]


def test_a_new_secret_id_is_like_the_old_one_and_lets_its_holder_in(
    server: OpenBaoServer,
) -> None:
    role_id = call(server, "GET", f"{ROLE}/role-id")[1]["data"]["role_id"]
    body = {
        "metadata": json.dumps({"owner": "ci", "host": "n <intent id> \u202e"}),
        "cidr_list": ["127.0.0.0/8", "10.0.0.0/8"],
        "token_bound_cidrs": ["127.0.0.0/8"],
        "ttl": "3h",
        "num_uses": 7,
    }
    issued = call(server, "POST", f"{ROLE}/secret-id", body)[1]["data"]
    ref = TokenRef("bao", APPROLE, f"jenkins-ci/{issued['secret_id_accessor']}")
    secret, new, proposal = rotated(server, ref, "intent-77")
    old, fresh = (secret_id_of(server, one.id.partition("/")[2]) for one in (ref, new))
    assert fresh["metadata"] == {**old["metadata"], MARK: "intent-77"}
    for key in ("cidr_list", "token_bound_cidrs", "secret_id_ttl", "secret_id_num_uses"):
        assert fresh[key] == old[key]
    assert secret.reveal() not in repr(proposal)

    def login(value: str) -> int:
        body = {"role_id": role_id, "secret_id": value}
        return call(server, "POST", "auth/approle/login", body)[0]

    assert login(secret.reveal()) == login(issued["secret_id"]) == 200
    mint, retire = proposal.steps
    assert (mint.value, retire.phase, retire.expect) == (Value.CHOSEN, Phase.RETIRE, "gone")
    assert do(server, retire)[0].state is OutcomeState.APPLIED
    assert (login(secret.reveal()), login(issued["secret_id"])) == (200, 400)


@pytest.mark.parametrize(
    "body",
    [
        {"ttl": "2h", "num_uses": 5, "renewable": False},
        {"period": "24h", "explicit_max_ttl": "48h", "no_default_policy": True},
        {"meta": {"owner": "ops", "note": "\x1b[2J"}, "no_parent": True},
    ],
)
def test_a_new_token_is_like_the_old_one(server: OpenBaoServer, body: dict[str, Any]) -> None:
    made = create(server, display_name="app", policies=["payments-read"], **body)
    secret, new, proposal = rotated(server, made.ref, "intent-1")
    old, fresh = record(server, made.accessor), record(server, new.id)
    assert [fresh.get(key) for key in KEPT] == [old.get(key) for key in KEPT]
    assert fresh["display_name"] == old["display_name"] == "token-app"
    assert fresh["meta"] == {**(old["meta"] or {}), MARK: "intent-1"}
    # It must not end with the console's own token.
    assert fresh["orphan"] is True
    codes = [hazard.code for hazard in proposal.hazards]
    assert ("no-parent-any-more" in codes) is not body.get("no_parent", False)
    for value, status in ((secret.reveal(), 200), (made.value, 200)):
        assert call(server, "GET", KV, token=value)[0] == status
    assert do(server, proposal.steps[1])[0].state is OutcomeState.APPLIED
    for value, status in ((secret.reveal(), 200), (made.value, 403)):
        assert call(server, "GET", KV, token=value)[0] == status


def test_a_shorter_life_than_the_old_ones_is_told(server: OpenBaoServer) -> None:
    made = create(server, policies=["default"], ttl="40h", no_parent=True)
    call(server, "POST", "sys/auth/token/tune", {"max_lease_ttl": "30h"})
    try:
        outcome, permit = do(server, plan(server, Verb.ROTATE, made.ref).steps[0])
    finally:
        call(server, "POST", "sys/auth/token/tune", {"max_lease_ttl": "768h"})
    assert "capped" in outcome.detail
    ((new, _),) = permit.minted
    assert record(server, new.id)["creation_ttl"] == 30 * 3600


def test_a_token_of_a_role_keeps_its_entity(server: OpenBaoServer) -> None:
    made = create(server, path="create/checkout", entity_alias="checkout-web", ttl="1h")
    secret, new, _ = rotated(server, made.ref, "intent-2")
    old, fresh = record(server, made.accessor), record(server, new.id)
    assert fresh["entity_id"] == old["entity_id"] != ""
    assert (fresh["role"], fresh["orphan"]) == ("checkout", True)
    assert works(server, Made(secret.reveal(), new.id))


def test_a_token_in_a_namespace_has_its_successor_there(server: OpenBaoServer) -> None:
    ns = f"{NAMESPACE}/"
    made = create(server, ns, display_name="abroad", policies=["default"], ttl="1h")
    _, new, proposal = rotated(server, made.ref, "intent-3")
    assert proposal.steps[0].call.target == f"/v1/{ns}auth/token/create-orphan"
    assert record(server, new.id, ns)["policies"] == ["default"]


def test_what_only_a_person_can_replace_is_a_card(server: OpenBaoServer) -> None:
    login = {"password": "for-a-test-only", "token_policies": "default"}
    call(server, "POST", "auth/userpass/users/ann", login)
    answer = call(server, "POST", "auth/userpass/login/ann", login)[1]["auth"]
    by_login = plan(server, Verb.ROTATE, TokenRef("bao", SERVICE, answer["accessor"]))
    root = plan(server, Verb.ROTATE, create(server, policies=["root"], no_parent=True).ref)
    call(server, "POST", "auth/token/roles/nursery", {"allowed_policies": ["default"]})
    child = plan(server, Verb.ROTATE, create(server, path="create/nursery").ref)
    assert [card.steps for card in (by_login, root, child)] == [(), (), ()]
    assert "auth/userpass/login/ann" in by_login.manual
    assert "generate-root" in root.manual
    assert "nursery" in child.manual


def test_without_the_right_to_mint_no_rotation_is_offered(server: OpenBaoServer) -> None:
    act = with_token(server, "weak.token", ["console-reader"])
    made = create(server, policies=["default"], ttl="1h")
    issued = call(server, "POST", f"{ROLE}/secret-id", {})[1]["data"]["secret_id_accessor"]
    for ref, path in (
        (made.ref, "create-orphan"),
        (TokenRef("bao", APPROLE, f"jenkins-ci/{issued}"), "custom-secret-id"),
    ):
        with pytest.raises(Unsupported) as refused:
            plan(server, Verb.ROTATE, ref, act=act)
        assert path in refused.value.hint


@pytest.mark.parametrize("kind", [SERVICE, APPROLE])
def test_what_a_lost_answer_left_behind_is_found_and_nothing_else(
    server: OpenBaoServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == SERVICE:
        ref = create(server, display_name="app", policies=["payments-read"], ttl="1h").ref
    else:
        issued = call(server, "POST", f"{ROLE}/secret-id", {})[1]["data"]["secret_id_accessor"]
        ref = TokenRef("bao", APPROLE, f"jenkins-ci/{issued}")
    step = plan(server, Verb.ROTATE, ref).steps[0]
    began = datetime.now(UTC)
    with Proxy(server.port, b"intent/") as line:

        async def lose(bao: OpenBao) -> tuple[Outcome, Permit]:
            permit = Permit("lost-1", step, value=Secret("a-value-of-our-own-choice"))
            with permit.active():
                return await bao.perform(step), permit

        outcome, permit = using(backend(server, url=f"http://127.0.0.1:{line.port}"), lose)
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])

    async def look(bao: OpenBao) -> list[tuple[TokenRef, ...]]:
        late = began + timedelta(hours=1)
        return [
            await bao.minted(step, "lost-1", began),
            await bao.minted(step, "lost-2", began),
            await bao.minted(step, "lost-1", late),
        ]

    (orphan,), other, later = using(backend(server), look)
    assert (other, later) == ((), ())
    assert orphan != ref
    assert orphan.kind == kind

    async def end(bao: OpenBao) -> None:
        (step,) = (await bao.plan(Verb.REVOKE, await bao.read(orphan))).steps
        with Permit("intent", step).active():
            await bao.perform(step)
        with pytest.raises(NotFound):
            await bao.read(orphan)

    using(backend(server), end)
    assert using(backend(server), look)[0] == ()
    if kind == SERVICE:
        monkeypatch.setattr(rotate, "MOST_LOOKED_AT", 3)
        # Too many to look at is not the same as none.
        with pytest.raises(Unsupported, match="too many"):
            using(backend(server), look)


def test_the_same_secret_id_twice_is_not_called_done(server: OpenBaoServer) -> None:
    issued = call(server, "POST", f"{ROLE}/secret-id", {})[1]["data"]["secret_id_accessor"]
    step = plan(server, Verb.ROTATE, TokenRef("bao", APPROLE, f"jenkins-ci/{issued}")).steps[0]

    async def twice(bao: OpenBao) -> list[tuple[Outcome, int]]:
        value, done = bao.new_value(step), []
        for _ in range(2):
            permit = Permit("repeat", step, value=value)
            with permit.active():
                done.append((await bao.perform(step), len(permit.minted)))
        assert value.reveal() not in repr(done)
        return done

    first, second = using(backend(server), twice)
    assert (first[0].state, first[1]) == (OutcomeState.APPLIED, 1)
    assert (second[0].state, second[1]) == (OutcomeState.UNKNOWN, 0)


def test_a_secret_id_is_probed_without_a_login(server: OpenBaoServer) -> None:
    first, second = (call(server, "POST", f"{ROLE}/secret-id", {})[1]["data"] for _ in range(2))
    ref = TokenRef("bao", APPROLE, f"jenkins-ci/{first['secret_id_accessor']}")
    accessors = len(call(server, "GET", "auth/token/accessors?list=true")[1]["data"]["keys"])

    async def probe(bao: OpenBao, value: str) -> bool | None:
        return (await bao.probe(ref, Secret(value))).accepted

    assert using(backend(server), lambda bao: probe(bao, first["secret_id"])) is True
    assert using(backend(server), lambda bao: probe(bao, "never-seen")) is False
    with pytest.raises(Exception, match="another secret-id"):
        using(backend(server), lambda bao: probe(bao, second["secret_id"]))
    now = len(call(server, "GET", "auth/token/accessors?list=true")[1]["data"]["keys"])
    assert now == accessors
