"""The second person: who counts as one, and what it takes to do without."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import scripted_system
from msgspec.structs import replace
from planned import planned
from signing_people import Key, allow

from backends.contract import BackendConfig, Verb
from backends.model import TokenRef
from console import settings
from console.cli.parser import parse
from console.errors import PlanRefused
from console.fleet import Fleet
from console.journal.format.entry import Kind
from console.journal.format.scan import ReasonRefused
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.response.approve import approval
from console.response.approve import second_person as second
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder
from console.response.plan import file as planfile
from console.response.plan.model import Plan, digest
from console.settings import Settings
from console.sshsig.wire import WireReader, string, u32
from console.worker.acts import Acts

WHY = "leaked in a public repository"
ALICE, BOB = "alice@example.com", "bob@example.com"


class Office:
    """A console's home with a production system, and a journal in which people approve."""

    def __init__(self, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.system = scripted_system.make(tmp / "system", "payments-deploy")
        self.system.config = BackendConfig(
            name="sys", type="scripted", options=self.system.config.options, production=True
        )
        self.signers = tmp / "signers"
        self.monkeypatch = monkeypatch
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        self.configure()
        self.journal = Journal(self.paths.journal)

    def configure(self, *response: str, listed: bool = True, production: bool = True) -> None:
        lines = ["[backend.sys]", 'type = "scripted"', f'path = "{self.system.path}"']
        lines += ["production = true"] if production else []
        lines += ["[journal]", f'allowed_signers = "{self.signers}"'] if listed else []
        self.paths.config.write_text("\n".join([*lines, "[response]", *response]) + "\n")

    def plan(self) -> Plan:
        async def ask() -> Plan:
            ref = TokenRef("sys", scripted_system.KIND, "payments-deploy")
            return await planned(self.system, Verb.REVOKE, await self.system.read(ref), WHY)

        return asyncio.run(ask())

    def kept(self) -> Plan:
        plan = self.plan()
        approval.keep(plan, self.journal, self.paths)
        return plan

    def first(self, plan: Plan, key: Key | None = None) -> Entry:
        return self._as(key, lambda: approval.approve(plan, self.journal, self.paths,
                                                      plan.typed_word))  # fmt: skip

    def second(self, plan: Plan, key: Key | None = None, typed: str | None = None) -> Entry:
        word = plan.typed_word if typed is None else typed
        return self._as(key, lambda: second.approve(plan, self.journal, self.paths, word, WHY))

    def _as(self, key, act):
        if key is None:
            return act()
        with key.at_hand(self.monkeypatch):
            return act()

    def check(self, plan: Plan) -> None:
        second.check(plan, self.journal, Requirements.now(self.paths))

    def said(self) -> list[str]:
        """What the journal says, oldest first."""
        return [entry.sentence for entry in reversed(self.journal.entries())]

    def approvals(self) -> int:
        return len(self.journal.entries(kind=Kind.APPROVAL))


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = Office(tmp_path, monkeypatch)
    yield found
    found.journal.close()


def test_two_signatures_of_two_people_let_it_go_and_the_journal_names_both(office: Office) -> None:
    alice, bob = Key(), Key()
    allow(office.signers, (ALICE, alice), (BOB, bob))
    plan = office.plan()
    first = office.first(plan, alice)
    with pytest.raises(PlanRefused, match="sys is production"):
        office.check(plan)
    entry = office.second(plan, bob)
    office.check(plan)
    assert entry.kind == Kind.APPROVAL
    assert entry.body.plan is not None
    assert entry.body.plan.sha256 == digest(plan)
    assert (first.signer, entry.signer) == (ALICE, BOB)
    assert first.who.startswith(f"{ALICE} (")
    assert entry.sentence.startswith(f"{BOB} (")
    assert "approved as second person" in entry.sentence


class Case:
    """Who signs first and second, what the list says, and why that is one person."""

    def __init__(self, told: str, *lines: tuple[str, int], first: int = 0, second: int = 1):
        self.told, self.lines, self.signs = told, lines, (first, second)


NOBODY = -1
ONE_PERSON = {
    "the same key": Case("same key signed both", (ALICE, 0), second=0),
    "the same key under two names": Case("same key", (ALICE, 0), (BOB, 0), second=0),
    "two keys of one name": Case("both keys are alice@example.com's", (ALICE, 0), (ALICE, 1)),
    "another spelling": Case("both keys are", (ALICE, 0), ("Alice@Example.COM", 1)),
    "a shared name": Case("both keys are alice", (f"{ALICE},a@x", 0), (f"b@x,{ALICE}", 1)),
    "a pattern": Case("nobody's name", (ALICE, 0), ("*@example.com", 1)),
    "an unsigned second": Case("not signed", (ALICE, 0), second=NOBODY),
    "an unsigned first": Case("the first approval is not signed", (BOB, 1), first=NOBODY),
    "a key that is not listed": Case("is not in allowed_signers", (ALICE, 0)),
}


@pytest.mark.parametrize("case", ONE_PERSON.values(), ids=ONE_PERSON)
def test_one_person_is_not_two(office: Office, case: Case) -> None:
    keys = [Key(), Key()]
    allow(office.signers, *((names, keys[n]) for names, n in case.lines))
    by, then = (None if n == NOBODY else keys[n] for n in case.signs)
    plan = office.plan()
    office.first(plan, by)
    with pytest.raises(PlanRefused, match=case.told):
        office.second(plan, then)
    assert office.approvals() == 0
    # The attempt stands in the journal, with why it was refused.
    assert "Refused a second person's approval" in office.said()[-1]
    with pytest.raises(PlanRefused, match="sys is production") as refusal:
        office.check(plan)
    assert "break-glass" in refusal.value.hint


def test_a_key_that_may_not_sign_is_named_in_full_at_once(office: Office) -> None:
    alice, stranger = Key(), Key()
    allow(office.signers, (ALICE, alice))
    plan = office.plan()
    with pytest.raises(PlanRefused, match="may not sign here") as refusal:
        office.first(plan, stranger)
    assert stranger.fp in str(refusal.value)
    assert office.journal.get(plan.id) is None
    assert office.journal.entries(kind=Kind.SESSION_OPEN) == []
    assert "Refused an approval" in office.said()[-1]


def test_of_several_keys_the_one_that_may_sign_is_asked(office: Office) -> None:
    mine, other = Key(), Key()
    allow(office.signers, (ALICE, mine))

    class Both(Key):
        """An agent with a key that is not listed, and then one that is."""

        def answer(self, request: bytes) -> bytes:
            if request[:1] == b"\x0b":
                held = b"".join(string(key.blob) + string(b"") for key in (other, mine))
                return string(b"\x0c" + u32(2) + held)
            asked = WireReader(request[1:]).string()
            return (mine if asked == mine.blob else other).answer(request)

    assert office.first(office.plan(), Both()).signer == ALICE


def test_without_a_list_there_is_no_second_person_and_that_is_said(office: Office) -> None:
    office.configure(listed=False)
    alice, bob = Key(), Key()
    plan = office.plan()
    assert "nobody counts as a second person" in Requirements.now(office.paths).second_person(plan)
    office.first(plan, alice)
    with pytest.raises(PlanRefused, match="no list of allowed signers"):
        office.second(plan, bob)
    with pytest.raises(PlanRefused, match="only break-glass lets it go"):
        office.check(plan)
    second.break_glass(plan, office.journal, office.paths, "the list is lost, and it leaks")
    office.check(plan)


def test_the_typed_word_is_the_rules_to_check(office: Office) -> None:
    alice, bob = Key(), Key()
    allow(office.signers, (ALICE, alice), (BOB, bob))
    plan = office.plan()
    office.first(plan, alice)
    for word in ("", "payments", "yes"):
        with pytest.raises(PlanRefused, match="not the token's name"):
            office.second(plan, bob, word)
    assert office.approvals() == 0
    office.second(plan, bob, f" {plan.typed_word} ")
    office.check(plan)


def test_many_tokens_and_production_need_a_second_person(office: Office) -> None:
    allow(office.signers)
    plan = office.plan()
    rules = Requirements.now(office.paths)
    assert rules.second_person(plan) == "sys is production"
    office.configure("second_person_production = false")
    assert Requirements.now(office.paths).second_person(plan) == ""
    many = replace(plan, items=tuple(replace(plan.only, number=n) for n in range(1, 52)))
    assert Requirements.now(office.paths).second_person(many).startswith("51 tokens")


def test_what_the_plan_says_of_production_does_not_count(office: Office) -> None:
    allow(office.signers)
    plan = office.plan()
    quiet = replace(plan, items=(replace(plan.only, production=False),))
    assert Requirements.now(office.paths).second_person(quiet) == "sys is production"


def test_nobody_approves_as_second_what_nobody_approved(office: Office) -> None:
    allow(office.signers)
    plan = office.kept()
    with pytest.raises(PlanRefused, match="no approval"):
        office.second(plan)
    assert office.approvals() == 0


def test_another_plan_than_the_approved_one_is_not_seconded(office: Office) -> None:
    alice, bob = Key(), Key()
    allow(office.signers, (ALICE, alice), (BOB, bob))
    plan = office.plan()
    office.first(plan, alice)
    with pytest.raises(PlanRefused, match="not the plan"):
        office.second(replace(plan, reason="another reason"), bob)


def test_an_approval_by_the_same_person_does_not_count_later(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written by a console that was altered: whoever starts it looks again."""
    one, two = Key(), Key()
    allow(office.signers, (ALICE, one), (ALICE, two))
    plan = office.plan()
    office.first(plan, one)
    with monkeypatch.context() as altered:
        altered.setattr(second, "same", lambda *given: "")
        office.second(plan, two)
    assert office.approvals() == 1
    with pytest.raises(PlanRefused, match="second person") as refusal:
        office.check(plan)
    assert "does not count: both keys are alice@example.com's" in refusal.value.hint


def test_breaking_the_glass_is_journaled_with_its_reason_and_lets_it_go(office: Office) -> None:
    alice = Key()
    allow(office.signers, (ALICE, alice))
    plan = office.plan()
    office.first(plan, alice)
    with pytest.raises(ReasonRefused):
        second.break_glass(plan, office.journal, office.paths, "help")
    with pytest.raises(PlanRefused):
        office.check(plan)
    with alice.at_hand(office.monkeypatch):
        responder = Responder(Requirements.now(office.paths).journal)
        why = "the second responder cannot be reached"
        entry = second.break_glass(plan, office.journal, office.paths, why, responder)
    assert entry.kind == Kind.BREAKGLASS
    assert entry.run is not None
    assert entry.run.plan == plan.id
    assert "sys is production" in entry.run.detail
    assert entry.signer == ALICE
    office.check(plan)


def test_the_configuration_that_was_in_force_is_in_each_entry_and_its_change_is_shown(
    office: Office,
) -> None:
    alice = Key()
    allow(office.signers, (ALICE, alice))
    before = Requirements.now(office.paths).mark
    office.first(office.plan(), alice)
    office.configure("second_person_production = false")
    after = Requirements.now(office.paths).mark
    entry = office.first(office.plan(), alice)
    office.configure()
    office.first(office.plan(), alice)
    assert entry.body.config == after
    assert before.sha256 != after.sha256
    marks = [each.body.config for each in office.journal.entries(kind=Kind.PLAN)]
    assert marks == [before, after, before]
    opened = office.journal.entries(kind=Kind.SESSION_OPEN)
    assert {each.body.config for each in opened} == {before, after}
    told = [line for line in office.said() if "acts under the configuration" in line]
    assert ["needs NONE" in line for line in told] == [False, True, False]
    assert all("1 allowed signer" in line for line in told)


def test_a_plans_file_is_bound_from_the_moment_it_is_made(office: Office) -> None:
    alice = Key()
    allow(office.signers, (ALICE, alice))
    plan = office.kept()
    file = planfile.file_of(plan.id, office.paths)
    whole = file.read_bytes()
    assert b'"production":true' in whole
    for changed in (
        whole.replace(b'"production":true,', b"").replace(b',"production":true', b""),
        whole.replace(WHY.encode(), b"something else entirely"),
        whole + b"\n",
    ):
        assert changed != whole
        file.write_bytes(changed)
        for altered in (planfile.parse(changed), plan):
            with pytest.raises(PlanRefused, match="not the one that was made"):
                office.first(altered, alice)
    assert office.journal.get(plan.id) is None
    assert "not the one that was made" in office.said()[-1]
    file.write_bytes(whole)
    office.first(plan, alice)


def test_a_plan_that_nobody_made_here_is_not_approved(office: Office) -> None:
    alice = Key()
    allow(office.signers, (ALICE, alice))
    plan = office.plan()
    planfile.save(plan, office.paths)
    with pytest.raises(PlanRefused, match="does not say that this plan was made here"):
        office.first(plan, alice)
    assert office.journal.get(plan.id) is None


WAYS = ("screen", "command line")
TYPED = {
    "the word": ("payments-deploy", ""),
    "the word between blanks": (" payments-deploy ", ""),
    "nothing": ("", "what was typed is not the token's name"),
    "a yes": ("yes", "what was typed is not the token's name"),
    "other letters": ("Payments-Deploy", "what was typed is not the token's name"),
    "a part": ("payments", "what was typed is not the token's name"),
    "the number of tokens": ("1", "what was typed is not the token's name"),
}


def by_either(office: Office, way: str, plan: Plan, typed: str, *, glass: bool) -> str:
    """Have the second person act as the screen's worker or the command does; what is refused."""
    office.journal.close()
    try:
        if way == "screen":
            fleet = Fleet(Settings(office.paths.config, 30, 7, (), (), ()), office.paths, act=True)
            do = Acts(fleet).glass if glass else Acts(fleet).second
            asyncio.run(do({"plan": plan.id, "typed": typed, "reason": WHY}))
        else:
            how = ("--break-glass", WHY) if glass else ("--reason", WHY)
            home = ("--home", str(office.paths.config.parent))
            chosen = parse((*home, "approve", plan.id, "--confirm", typed, *how))
            chosen.run(chosen)
    except PlanRefused as error:
        return str(error)
    finally:
        office.journal = Journal(office.paths.journal)
    return ""


@pytest.mark.parametrize("glass", [False, True], ids=["approve", "break glass"])
@pytest.mark.parametrize("case", TYPED)
def test_the_second_persons_word_is_judged_alike_by_screen_and_command(
    office: Office, case: str, glass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same word lets it go both ways or neither, and the journal says the same of it."""
    monkeypatch.setattr("console.response.run.process.start", lambda *_, **__: None)
    alice, bob = Key(), Key()
    allow(office.signers, (ALICE, alice), (BOB, bob))
    typed, refused = TYPED[case]
    seen = []
    for way in WAYS:
        plan = office.kept()
        office.first(plan, alice)
        before = office.journal.entries()[0].seq
        with bob.at_hand(monkeypatch):
            told = by_either(office, way, plan, typed, glass=glass)
        kinds = [entry.kind for entry in office.journal.entries() if entry.seq > before]
        decisive = [kind for kind in kinds if kind in (Kind.APPROVAL, Kind.BREAKGLASS)]
        goes = True
        try:
            office.check(plan)
        except PlanRefused:
            goes = False
        seen.append((told, decisive, goes))
    kind = Kind.BREAKGLASS if glass else Kind.APPROVAL
    expected = (refused, [], False) if refused else ("", [kind], True)
    assert dict(zip(WAYS, seen, strict=True)) == dict.fromkeys(WAYS, expected)
