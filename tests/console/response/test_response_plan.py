"""Plans and approvals: what is refused, what has to be typed, and what the runner believes."""

from __future__ import annotations

import asyncio
import hashlib
import stat
from pathlib import Path

import msgspec
import pytest
import scripted_system
from planned import planned

from backends.contract import Hazard, Verb
from backends.model import EvidenceLevel, Token, TokenRef
from console import settings
from console.errors import PlanRefused
from console.journal.format.scan import ReasonRefused
from console.journal.write.journal import Journal
from console.response.approve import approval
from console.response.approve.approval import approve, approved
from console.response.plan import file as planfile
from console.response.plan.model import Plan, digest
from console.settings import Paths

WHY = "leaked in a public repository"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = settings.paths(tmp_path / "home")
    found.make()
    return found


@pytest.fixture
def system(tmp_path: Path) -> scripted_system.Scripted:
    return scripted_system.make(tmp_path / "system", "payments-deploy", "other")


def make(system: scripted_system.Scripted, id_: str = "payments-deploy", why: str = WHY) -> Plan:
    async def ask() -> Plan:
        token = await system.read(system_ref(system, id_))
        return await planned(system, Verb.REVOKE, token, why, "INC-7")

    return asyncio.run(ask())


def system_ref(system: scripted_system.Scripted, id_: str) -> TokenRef:
    return TokenRef(system.name, scripted_system.KIND, id_)


def codes(plan: Plan) -> list[str]:
    return [hazard.code for hazard in plan.only.proposal.hazards]


def test_a_plan_has_the_exact_call_and_no_hazard_for_an_ordinary_token(
    system: scripted_system.Scripted,
) -> None:
    plan = make(system)
    assert [step.call.line for step in plan.only.proposal.steps] == ["DELETE /keys/payments-deploy"]
    assert codes(plan) == []
    assert (plan.reason, plan.incident, plan.backends) == (WHY, "INC-7", ("sys",))
    assert plan.only.ceiling is EvidenceLevel.SILENT
    assert scripted_system.calls(system) == []


@pytest.mark.parametrize(
    ("file", "code"),
    [("own", "own-credential"), ("ancestors", "own-ancestor"), ("read-only", "read-only")],
)
def test_the_branch_one_sits_on_is_not_sawn_off(
    system: scripted_system.Scripted, paths: Paths, file: str, code: str
) -> None:
    (system.path / file).write_text("payments-deploy")
    plan = make(system)
    assert codes(plan) == [code]
    with Journal(paths.journal) as journal:
        with pytest.raises(PlanRefused):
            approve(plan, journal, paths, plan.typed_word, {code: "it has to be, said the lead"})
        assert [entry.kind for entry in journal.entries()] == ["log.open"]


def test_a_token_of_the_consoles_own_principal_has_to_be_answered(
    system: scripted_system.Scripted, paths: Paths
) -> None:
    scripted_system.put(system, "mine", "mine", principal="console-user")
    plan = make(system, "mine")
    assert codes(plan) == ["own-principal"]
    with Journal(paths.journal) as journal:
        with pytest.raises(PlanRefused, match="own-principal"):
            approve(plan, journal, paths, "mine")
        with pytest.raises(ReasonRefused):
            approve(plan, journal, paths, "mine", {"own-principal": "ok"})
        why = "the console has another credential"
        entry = approve(plan, journal, paths, "mine", {"own-principal": why})
    assert entry.body.plan is not None
    assert entry.body.plan.answers == {"own-principal": why}


def test_what_is_not_declared_is_not_offered(system: scripted_system.Scripted) -> None:
    async def ask() -> Plan:
        token = await system.read(system_ref(system, "other"))
        return await planned(system, Verb.CONTAIN, token, WHY)

    assert codes(asyncio.run(ask())) == ["not-declared"]


def test_a_reason_is_needed_before_anything_is_asked(system: scripted_system.Scripted) -> None:
    for why in ("", "leak", "the token is ghp_0123456789abcdefghijABCDEFGHIJ012345"):
        with pytest.raises(ReasonRefused):
            make(system, why=why)


@pytest.mark.parametrize(
    ("name", "typed_as_shown"),
    [
        ("payments-deploy", True),
        ("two words", True),
        ("", False),
        ("x" * 49, False),
        ("trailing ", False),
        ("double  blank", False),
        ("\x1b[2Jclear", False),
        ("p\u0430yments-deploy", False),  # A Cyrillic letter that looks like an "a".
        ("evil\u202eyolped", False),
    ],
)
def test_one_types_the_name_as_shown_or_the_handle(
    system: scripted_system.Scripted, name: str, typed_as_shown: bool
) -> None:
    token = scripted_system.put(system, "k", name)
    plan = make(system, "k")
    assert plan.typed_word == (name if typed_as_shown else token.ref.handle)


def test_nothing_is_approved_without_the_word(
    system: scripted_system.Scripted, paths: Paths
) -> None:
    plan = make(system)
    with Journal(paths.journal) as journal:
        for typed in (None, "", "y", "yes", "payments", "PAYMENTS-DEPLOY", "other"):
            with pytest.raises(PlanRefused) as refusal:
                approve(plan, journal, paths, typed)
            assert "payments-deploy" in refusal.value.hint
        entry = approve(plan, journal, paths, "payments-deploy")
        assert (entry.id, entry.kind, entry.why) == (plan.id, "plan", WHY)
        with pytest.raises(PlanRefused, match="before"):
            approve(plan, journal, paths, "payments-deploy")


def test_the_file_is_private_exact_and_its_digest_is_in_the_journal(
    system: scripted_system.Scripted, paths: Paths
) -> None:
    plan = make(system)
    with Journal(paths.journal) as journal:
        entry = approve(plan, journal, paths, plan.typed_word)
        file = paths.plans / f"{plan.id}.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert entry.body.plan is not None
        assert entry.body.plan.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert digest(plan) == entry.body.plan.sha256
        assert planfile.load(plan.id, paths) == plan
        assert approved(plan.id, journal, paths) == plan
        assert sorted(path.name for path in paths.plans.iterdir()) == [file.name]
        other = msgspec.structs.replace(plan, reason="a different reason")
        with pytest.raises(PlanRefused):
            planfile.save(other, paths)


def test_a_plan_is_not_believed_without_its_approval(
    system: scripted_system.Scripted, paths: Paths
) -> None:
    plan = make(system)
    with Journal(paths.journal) as journal:
        with pytest.raises(PlanRefused):
            approved(plan.id, journal, paths)
        approval.keep(plan, journal, paths)
        with pytest.raises(PlanRefused, match="no approval"):
            approved(plan.id, journal, paths)
        entry = approve(plan, journal, paths, plan.typed_word)
        with pytest.raises(PlanRefused, match="minutes ago"):
            approved(plan.id, journal, paths, now=entry.t + 3700)
        file = paths.plans / f"{plan.id}.json"
        file.write_bytes(file.read_bytes().replace(b"/keys/payments-deploy", b"/keys/other"))
        with pytest.raises(PlanRefused, match="not the one"):
            approved(plan.id, journal, paths)


def test_an_altered_plan_with_a_fatal_hazard_is_not_carried_out_even_if_journaled(
    system: scripted_system.Scripted, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make(system)
    hazard = Hazard(code="own-credential", text="It is ours.", fatal=True)
    proposal = msgspec.structs.replace(plan.only.proposal, hazards=(hazard,))
    item = msgspec.structs.replace(plan.only, proposal=proposal)
    plan = msgspec.structs.replace(plan, items=(item,))
    with Journal(paths.journal) as journal:
        with monkeypatch.context() as altered:
            altered.setattr(approval, "refuse", lambda plan: None)
            approve(plan, journal, paths, plan.typed_word)
        with pytest.raises(PlanRefused, match="ours"):
            approved(plan.id, journal, paths)


@pytest.mark.parametrize("id_", ["../../etc/passwd", "", "x", "0" * 36])
def test_an_id_that_is_none_leads_to_no_file(paths: Paths, id_: str) -> None:
    with pytest.raises(PlanRefused):
        planfile.load(id_, paths)


def test_half_a_surrogate_pair_in_a_name_protects_no_token(
    system: scripted_system.Scripted, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = scripted_system.put(system, "k", "k")
    hostile = msgspec.structs.replace(token, name="bad\ud800name", facts=(("note", "\udfff"),))

    async def read(_: TokenRef) -> Token:
        return hostile

    monkeypatch.setattr(system, "read", read)
    plan = asyncio.run(planned(system, Verb.REVOKE, hostile, WHY))
    with Journal(paths.journal) as journal:
        approve(plan, journal, paths, token.ref.handle)
        assert approved(plan.id, journal, paths).only.token.ref == token.ref
