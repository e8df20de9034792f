"""The second person: who counts as one, and what it takes to do without."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import scripted_system
from msgspec.structs import replace
from planned import planned

from backends.contract import BackendConfig, Verb
from backends.model import TokenRef
from console import settings
from console.errors import PlanRefused
from console.journal.entry import Body, Claimed, Host, Kernel, Kind, Who
from console.journal.log import Journal
from console.journal.parts import Sig, Sshd
from console.journal.scan import ReasonRefused
from console.response import approval, planfile, second
from console.response.plan import Plan, digest
from console.response.signing import Desk
from console.settings import JournalSettings, Paths, ResponseSettings

WHY = "leaked in a public repository"
MACHINE = Host(name="bastion", console="0", python="3", machine="m1")
OFF = JournalSettings(signatures="off")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = settings.paths(tmp_path / "home")
    found.make()
    return found


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    system = scripted_system.make(tmp_path / "system", "payments-deploy")
    system.config = BackendConfig(
        name="sys", type="scripted", options=system.config.options, production=True
    )

    async def ask() -> Plan:
        token = await system.read(TokenRef("sys", scripted_system.KIND, "payments-deploy"))
        return await planned(system, Verb.REVOKE, token, WHY)

    return asyncio.run(ask())


def sig(key: str, *principals: str) -> Sig:
    return Sig(alg="ssh-ed25519", key_fp=key, sig="x", namespace="n", cert_principals=principals)


def who(login: int | None = 1000, key: str = "") -> Who:
    kernel = Kernel(uid=0, user="root", pid=1, loginuid=login)
    sshd = Sshd(method="publickey", key_fp=key) if key else None
    return Who(kernel=kernel, claimed=Claimed(), sshd=sshd)


def first(by: Who, signed: Sig | None = None, host: Host = MACHINE) -> Body:
    return Body(
        v=3, type=Kind.PLAN, id="", seq=1, prev="", log="", t=0, boot_id="", mono_us=0,
        host=host, who=by, sig=signed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "signed", "by", "told"),
    [
        (first(who(), sig("A")), sig("B"), who(), ""),
        (first(who(1), sig("A")), sig("A"), who(2), "same key"),
        (first(who(), sig("A", "alice")), sig("B", "alice"), who(), "alice's"),
        (first(who(), sig("A", "alice")), sig("B", "bob"), who(), ""),
        (first(who(1, "A")), None, who(1, "B"), ""),
        (first(who(1, "A")), None, who(2, "A"), "same key"),
        # Signing with the key that the other one logged in with is no second person.
        (first(who(1, "A")), sig("A"), who(2), "same key"),
        (first(who(1)), None, who(2), ""),
        (first(who(1)), None, who(1), "same login"),
        (first(who(1), sig("A")), None, who(1), "same login"),
        (first(who(None)), None, who(2), "nobody can tell"),
        (first(who(1)), None, who(None), "nobody can tell"),
        (first(who(1), host=replace(MACHINE, machine="m2")), None, who(2), "two machines"),
    ],
)
def test_two_people_are_told_apart_or_it_does_not_count(
    before: Body, signed: Sig | None, by: Who, told: str
) -> None:
    found = second.same(before, signed, by, MACHINE)
    assert (told in found) if told else not found


def test_many_tokens_and_production_need_a_second_person(plan: Plan) -> None:
    assert plan.second_person == "sys is production"
    rules = ResponseSettings()
    calm = replace(plan.only, production=False)
    assert second.needed(rules, [calm]) == ""
    assert second.needed(rules, [calm] * 51).startswith("51 tokens")
    assert second.needed(rules._replace(second_person_production=False), [plan.only]) == ""


def approved(plan: Plan, journal: Journal, paths: Paths) -> None:
    approval.approve(plan, journal, paths, plan.typed_word, desk=Desk(OFF))


def acting_as(monkeypatch: pytest.MonkeyPatch, by: Who) -> None:
    monkeypatch.setattr(second, "who", lambda: by)


def test_nobody_approves_their_own_plan(
    plan: Plan, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(paths.journal) as journal:
        planfile.save(plan, paths)
        with pytest.raises(PlanRefused, match="no approval"):
            second.approve(plan, journal, paths, WHY, Desk(OFF))
        approved(plan, journal, paths)
        count = len(journal.entries())
        body = journal.get(plan.id)
        assert body is not None
        acting_as(monkeypatch, body.body.who)
        monkeypatch.setattr(second, "host", lambda: body.body.host)
        with pytest.raises(PlanRefused, match="second person") as refusal:
            second.approve(plan, journal, paths, WHY, Desk(OFF))
        assert "break-glass" in refusal.value.hint
        assert len(journal.entries()) == count
        with pytest.raises(PlanRefused, match="sys is production"):
            second.check(plan, journal, OFF)


def test_another_persons_approval_is_over_the_plans_digest_and_lets_it_go(
    plan: Plan, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(paths.journal) as journal:
        approved(plan, journal, paths)
        # In this process both are the same; that rule has its own test above.
        monkeypatch.setattr(second, "same", lambda *given: "")
        entry = second.approve(plan, journal, paths, WHY, Desk(OFF))
        assert entry.kind == Kind.APPROVAL
        assert entry.plan == plan.id
        assert entry.body.plan is not None
        assert entry.body.plan.sha256 == digest(plan)
        second.check(plan, journal, OFF)
        with pytest.raises(PlanRefused, match="not the plan"):
            second.approve(replace(plan, reason="another reason"), journal, paths, WHY, Desk(OFF))
        with pytest.raises(PlanRefused, match="second person"):
            second.check(plan, journal, JournalSettings(signatures="require"))


def test_an_approval_that_was_written_by_the_same_person_does_not_count_later(
    plan: Plan, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(paths.journal) as journal:
        approved(plan, journal, paths)
        with monkeypatch.context() as altered:
            altered.setattr(second, "same", lambda *given: "")
            second.approve(plan, journal, paths, WHY, Desk(OFF))
        with pytest.raises(PlanRefused, match="second person") as refusal:
            second.check(plan, journal, OFF)
        assert "does not count" in refusal.value.hint


def test_breaking_the_glass_is_journaled_with_its_reason_and_lets_it_go(
    plan: Plan, paths: Paths
) -> None:
    with Journal(paths.journal) as journal:
        approved(plan, journal, paths)
        with pytest.raises(ReasonRefused):
            second.break_glass(plan, journal, "help")
        with pytest.raises(PlanRefused):
            second.check(plan, journal, OFF)
        entry = second.break_glass(plan, journal, "the second responder cannot be reached")
        assert entry.kind == Kind.BREAKGLASS
        assert entry.run is not None
        assert entry.run.plan == plan.id
        assert "sys is production" in entry.run.detail
        second.check(plan, journal, OFF)


def test_todays_rules_count_beside_what_the_plan_says(plan: Plan, paths: Paths) -> None:
    quiet = replace(plan, second_person="")
    with Journal(paths.journal) as journal:
        second.check(quiet, journal, OFF)
        with pytest.raises(PlanRefused, match="no approval"):
            second.check(quiet, journal, OFF, ResponseSettings())
