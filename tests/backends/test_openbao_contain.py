"""Containing at a real OpenBao: what stops with an entity, and that all of it comes back."""

from __future__ import annotations

import pytest
from openbao_fixture import Made, backend, call, create, server, using, works

from backends.contract import Hazard, OutcomeState, Proposal, Step, Verb
from backends.errors import Unsupported
from backends.lab.openbao import OpenBaoServer
from backends.model import Secret, TokenRef, TokenState
from backends.openbao import OpenBao
from backends.openbao.mapping import APPROLE
from backends.permit import Permit

__all__ = ["server"]
pytestmark = pytest.mark.lab


def of_entity(server: OpenBaoServer, team: str, workload: str) -> Made:
    return create(server, path=f"create/{team}", entity_alias=workload, ttl="1h")


def plan(server: OpenBaoServer, verb: Verb, ref: TokenRef) -> Proposal:
    async def work(bao: OpenBao) -> Proposal:
        return await bao.plan(verb, await bao.read(ref))

    return using(backend(server), work)


def do(server: OpenBaoServer, step: Step) -> TokenState:
    async def work(bao: OpenBao) -> TokenState:
        with Permit("intent", step).active():
            outcome = await bao.perform(step)
        assert outcome.state is OutcomeState.APPLIED, outcome
        return (await bao.read(step.token)).state

    return using(backend(server), work)


def entity(server: OpenBaoServer, name: str) -> dict[str, object]:
    found: dict[str, object] = call(server, "GET", f"identity/entity/name/{name}")[1]["data"]
    return {key: value for key, value in found.items() if key != "last_update_time"}


def test_a_contained_token_stops_with_its_siblings_and_comes_back(server: OpenBaoServer) -> None:
    one, sibling = (of_entity(server, "search", "search-indexer") for _ in range(2))
    other = of_entity(server, "data", "etl-nightly")
    before = entity(server, "search-indexer")
    proposal = plan(server, Verb.CONTAIN, one.ref)
    assert any("every other token" in line for line in proposal.collateral)
    assert any("search-lead at auth/userpass/" in line for line in proposal.collateral)
    assert do(server, proposal.steps[0]) is TokenState.DISABLED
    assert [works(server, made) for made in (one, sibling, other)] == [False, False, True]
    tried = using(backend(server), lambda bao: bao.probe(one.ref, Secret(one.value)))
    assert tried.accepted is False
    assert do(server, proposal.undo_steps[0]) is TokenState.ACTIVE
    assert works(server, one)
    assert works(server, sibling)
    assert entity(server, "search-indexer") == before


def test_logins_of_a_contained_entity_are_refused(server: OpenBaoServer) -> None:
    role = "auth/approle/role/push-gateway"
    login = {
        "role_id": call(server, "GET", f"{role}/role-id")[1]["data"]["role_id"],
        "secret_id": call(server, "POST", f"{role}/secret-id", {})[1]["data"]["secret_id"],
    }
    made = of_entity(server, "mobile", "push-gateway")
    proposal = plan(server, Verb.CONTAIN, made.ref)
    do(server, proposal.steps[0])
    assert call(server, "POST", "auth/approle/login", login)[0] == 403
    do(server, plan(server, Verb.RESTORE, made.ref).steps[0])
    assert call(server, "POST", "auth/approle/login", login)[0] == 200


def test_what_was_disabled_before_stays_disabled(server: OpenBaoServer) -> None:
    made = of_entity(server, "legacy", "cobol-bridge")
    call(server, "POST", "identity/entity/name/cobol-bridge", {"disabled": True})
    proposal = plan(server, Verb.CONTAIN, made.ref)
    assert do(server, proposal.steps[0]) is TokenState.DISABLED
    assert do(server, proposal.undo_steps[0]) is TokenState.DISABLED
    assert "stays so" in proposal.undo


def test_what_cannot_be_held_back_is_a_card(server: OpenBaoServer) -> None:
    bare = create(server, policies=["default"], ttl="1h")
    path = "auth/approle/role/scanner/secret-id"
    issued = call(server, "POST", path, {})[1]["data"]["secret_id_accessor"]
    secret_id = TokenRef("bao", APPROLE, f"scanner/{issued}")
    for ref in (bare.ref, secret_id):
        proposal = plan(server, Verb.CONTAIN, ref)
        assert not proposal.steps
        assert proposal.manual
        with pytest.raises(Unsupported):
            plan(server, Verb.RESTORE, ref)


def test_the_consoles_own_entity_is_not_contained(server: OpenBaoServer) -> None:
    rules = {"allowed_policies": ["console-reader"], "allowed_entity_aliases": ["scanner"]}
    call(server, "POST", "auth/token/roles/console", {**rules, "orphan": True})
    own = create(server, path="create/console", entity_alias="scanner")
    neighbour = of_entity(server, "security", "scanner")
    read = {"file": str(server.keep("with-entity.token", own.value))}

    async def hazards(bao: OpenBao) -> tuple[Hazard, ...]:
        return (await bao.plan(Verb.CONTAIN, await bao.read(neighbour.ref))).hazards

    found = using(backend(server, read=read), hazards)
    assert [(hazard.code, hazard.fatal) for hazard in found] == [("own-credential", True)]


def test_a_revoke_names_children_and_their_children(server: OpenBaoServer) -> None:
    rules = 'path "auth/token/create" { capabilities = ["update"] }'
    call(server, "PUT", "sys/policies/acl/breeder", {"policy": rules})
    above = create(server, policies=["breeder"], no_parent=True)
    child = create(server, by=above.value, policies=["breeder"])
    grandchild = create(server, by=child.value, policies=["default"])

    async def work(bao: OpenBao) -> Proposal:
        # A listing joins every token with the audit log; a plan alone knows those it looked up.
        async for _ in bao.inventory():
            pass
        return await bao.plan(Verb.REVOKE, await bao.read(above.ref))

    proposal = using(backend(server), work)
    assert set(proposal.also_ends) == {child.ref, grandchild.ref}
    do_revoke = proposal.steps[0]

    async def act(bao: OpenBao) -> None:
        with Permit("intent", do_revoke).active():
            await bao.perform(do_revoke)

    using(backend(server), act)
    assert [works(server, made) for made in (above, child, grandchild)] == [False] * 3
