"""Who stands behind an action: signed by the responder's agent, cosigned by witnesses."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from patience import HANG
from planned import planned
from ssh_tools import NAMESPACE, fingerprint, keygen, must, needs_openssh, public, ssh_agent

from backends import registry
from backends.contract import Backend, Verb
from backends.estate import EstateWorld, create
from backends.model import Token, TokenState
from console import settings
from console.audit.check_seals import check_seals
from console.errors import PlanRefused, UsageError
from console.fleet import Fleet
from console.journal.format.entry import Kind
from console.journal.format.sentence import Entry
from console.journal.format.signing_session import SignatureRequired
from console.journal.keys import verifier
from console.journal.store.base import cosigned
from console.journal.verify.signatures import Checker, NotAllowed
from console.journal.verify.verify import Code, verify
from console.journal.witnessing import Witnesses
from console.journal.write.journal import Journal
from console.response.approve import approval
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder, check_approval
from console.response.plan.model import Plan
from console.response.run import process
from console.response.run.process import Result
from console.response.step.attempt import End
from console.sshsig.allowed import AllowedSigners
from console.sshsig.mark import Sshd
from console.tlog import policy, submit
from console.tlog.cosign import Cosigner
from console.tlog.note import open_note
from console.tlog.witness import WitnessServer, WitnessService

WHY = "leaked in a public repository"
NOBODY = "http://127.0.0.1:1"


class Bastion:
    """A home over the estate's vault, with a ``[journal]`` of the test's choice."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        self.file = tmp / "estate.db"
        create(self.file, seed=5, tokens=60)
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.table = {
            "type": "estate",
            "path": str(self.file),
            "system": "vault",
            "act_allowed": True,
        }
        self.configure()
        self.journal = Journal(self.paths.journal)

    def configure(self, *lines: str) -> None:
        self.paths.config.write_text(
            f'[backend.vault]\ntype = "estate"\npath = "{self.file}"\nsystem = "vault"\n'
            "act_allowed = true\n[journal]\n" + "\n".join(lines) + "\n"
        )

    def open(self) -> Backend:
        return registry.configure("vault", self.table, act=True)

    def plan(self, nth: int = 0) -> Plan:
        """A plan for one of the tokens that are no trouble."""

        async def make() -> Plan:
            async with self.open() as backend:
                me = await backend.whoami()
                own = {ref.id for ref in (*me.own, *me.ancestors)}
                found = [
                    each
                    async for each in backend.inventory()
                    if isinstance(each, Token)
                    and each.state is TokenState.ACTIVE
                    and each.ref.id not in own
                ]
                made = []
                for token in found:
                    plan = await planned(backend, Verb.REVOKE, token, WHY, "INC-7")
                    if not plan.only.proposal.hazards:
                        made.append(plan)
                return made[nth]

        return asyncio.run(make())

    def approve(self, plan: Plan, responder: Responder | None = None) -> Entry:
        return approval.approve(
            plan, self.journal, self.paths, plan.typed_word, responder=responder
        )

    def start(self, plan: Plan, responder: Responder) -> None:
        """Carry it out in a process of its own, and wait for its end."""
        process.start(plan.id, self.paths, responder.current, climb=0)
        deadline = time.monotonic() + HANG
        while process.alive(plan.id, self.paths):
            assert time.monotonic() < deadline, "the runner did not end"
            time.sleep(0.02)

    def run(self, plan: Plan, responder: Responder | None = None) -> Result:
        return asyncio.run(
            process.run(
                plan.id,
                self.paths,
                session=responder.current if responder is not None else None,
                climb=0,
            )
        )

    def told(self, plan: Plan) -> list[tuple[str, str]]:
        found = self.journal.entries(plan=plan.id)
        return [(entry.kind, entry.state) for entry in reversed(found)][1:]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in reversed(self.journal.entries())]

    def works(self, plan: Plan) -> bool:
        """Whether the system still accepts the plan's token."""
        with EstateWorld(self.file) as world:
            return world.accepts(world.secret("vault", plan.only.token.ref.id))


@pytest.fixture
def bastion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bastion]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = Bastion(tmp_path)
    yield made
    made.journal.close()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bastion: Bastion) -> Iterator[Path]:
    """An agent with one key in the environment; the key's file."""
    key = keygen(tmp_path / "alice")
    with ssh_agent() as found:
        must("ssh-add", key, sock=found.path)
        monkeypatch.setenv("SSH_AUTH_SOCK", found.path)
        yield key


def allowed(tmp: Path, key: Path) -> Path:
    path = tmp / "signers"
    path.write_text(f'alice@example.com namespaces="{NAMESPACE}" {public(key)}\n')
    return path


@needs_openssh
def test_session_plan_and_intent_are_signed_and_the_signatures_hold(
    bastion: Bastion, agent: Path
) -> None:
    signers = allowed(bastion.tmp, agent)
    bastion.configure('signatures = "require"', f'allowed_signers = "{signers}"')
    responder, plan = Responder(Requirements.now(bastion.paths).journal), bastion.plan()
    approval = bastion.approve(plan, responder)
    bastion.start(plan, responder)
    before = ["log.open", "config", "session.open", "plan"]
    assert bastion.kinds() == [*before, "intent", "outcome", "evidence"]
    assert not bastion.works(plan)
    assert "unsigned" not in approval.who + approval.sentence
    entries = list(reversed(bastion.journal.entries()))
    assert [entry.kind for entry in entries if not entry.signed] == ["log.open", "config"]
    checker = Checker(AllowedSigners.load(signers))
    assert [checker.step(entry.body) for entry in entries] == [None] * 7
    assert {entry.signer for entry in entries if entry.signed} == {"alice@example.com"}
    assert all(entry.who.startswith("alice@example.com (") for entry in entries if entry.signed)
    assert responder.standing.startswith("signed by alice@example.com, SHA256:")
    stranger = Checker(AllowedSigners.parse(""))
    told = [stranger.step(entry.body) for entry in entries]
    assert [isinstance(each, NotAllowed) for each in told] == [0, 0, 1, 1, 1, 1, 1]
    store, text = bastion.journal.store, signers.read_text()
    assert verify(store, allowed_signers=text, require_signed=True).code is Code.VERIFIED
    assert verify(store, allowed_signers="").code is Code.UNTRUSTED


@needs_openssh
def test_a_changed_word_in_a_signed_entry_breaks_its_signature(
    bastion: Bastion, agent: Path
) -> None:
    responder, plan = Responder(Requirements.now(bastion.paths).journal), bastion.plan()
    bastion.approve(plan, responder)
    bastion.run(plan, responder)
    checker = Checker(None)
    for entry in reversed(bastion.journal.entries()):
        body = entry.body
        if body.sig is not None:
            forged = msgspec.structs.replace(body, why="an altogether different reason")
            refused = checker.step(forged)
            assert refused is not None
            assert not isinstance(refused, NotAllowed)
        assert checker.step(body) is None


@needs_openssh
def test_one_session_serves_several_plans_of_an_incident(bastion: Bastion, agent: Path) -> None:
    responder = Responder(Requirements.now(bastion.paths).journal)
    for nth in (0, 1):
        bastion.approve(bastion.plan(nth), responder)
    assert bastion.kinds() == ["log.open", "config", "session.open", "plan", "plan"]


def test_without_an_agent_a_required_signature_refuses_before_anything_is_approved(
    bastion: Bastion,
) -> None:
    bastion.configure('signatures = "require"')
    plan = bastion.plan()
    with pytest.raises(SignatureRequired, match="required") as caught:
        bastion.approve(plan)
    assert caught.value.hint
    # Nothing was approved; that it was tried is on the record.
    assert bastion.kinds() == ["log.open", "config", "note"]
    assert "Refused an approval: a signature is required" in bastion.journal.entries()[0].why


def test_without_an_agent_what_is_done_is_visibly_unsigned(bastion: Bastion) -> None:
    responder, plan = Responder(Requirements.now(bastion.paths).journal), bastion.plan()
    approval = bastion.approve(plan, responder)
    bastion.start(plan, responder)
    assert bastion.told(plan) == [("intent", ""), ("outcome", "applied"), ("evidence", "seen")]
    intent = bastion.journal.entries(plan=plan.id, kind=Kind.INTENT)[0]
    assert not approval.signed
    assert "unsigned approved" in approval.sentence
    assert "unsigned" in intent.who
    assert responder.standing.startswith("unsigned: ")


@needs_openssh
def test_turned_off_nothing_is_signed_though_an_agent_is_there(
    bastion: Bastion, agent: Path
) -> None:
    bastion.configure('signatures = "off"')
    responder, plan = Responder(Requirements.now(bastion.paths).journal), bastion.plan()
    bastion.approve(plan, responder)
    assert bastion.run(plan, responder).end is End.DONE
    assert not any(entry.signed for entry in bastion.journal.entries())


@needs_openssh
def test_a_runner_without_its_session_sends_nothing_where_signatures_are_required(
    bastion: Bastion, agent: Path
) -> None:
    bastion.configure('signatures = "require"')
    plan = bastion.plan()
    bastion.approve(plan)
    with pytest.raises(SignatureRequired):
        bastion.run(plan)
    assert bastion.told(plan) == [("note", "")]
    assert bastion.works(plan)


def test_an_unsigned_approval_is_not_carried_out_once_signatures_are_required(
    bastion: Bastion,
) -> None:
    plan = bastion.plan()
    bastion.approve(plan)
    bastion.configure('signatures = "require"')
    with pytest.raises(SignatureRequired, match="approval has none"):
        bastion.run(plan)
    assert bastion.works(plan)


@needs_openssh
def test_an_approval_by_somebody_who_may_not_is_not_carried_out(
    bastion: Bastion, agent: Path
) -> None:
    responder, plan = Responder(Requirements.now(bastion.paths).journal), bastion.plan()
    stranger = keygen(bastion.tmp / "mallory")
    signers = allowed(bastion.tmp, stranger)
    bastion.approve(plan, responder)
    # The list says so only now; an approval under it is refused at once (test_second.py).
    bastion.configure(f'allowed_signers = "{signers}"')
    with pytest.raises(PlanRefused, match="not in allowed_signers"):
        check_approval(plan.id, bastion.journal, Requirements.now(bastion.paths).journal)
    with pytest.raises(PlanRefused):
        bastion.run(plan, responder)
    assert bastion.works(plan)


class Peer:
    """A real witness that follows the bastion's log."""

    def __init__(self, bastion: Bastion, name: str = "peer.example/w") -> None:
        self.cosigner = Cosigner(name, Ed25519PrivateKey.generate())
        log = verifier(bastion.journal.signer.vkey)
        witness = WitnessService(
            bastion.tmp / name.replace("/", "-"), self.cosigner, {bastion.journal.origin: [log]}
        )
        self.server = WitnessServer(witness)

    @property
    def line(self) -> str:
        return f"{self.server.url} {self.cosigner.vkey}"


def test_an_intent_is_cosigned_before_its_call(bastion: Bastion) -> None:
    peer = Peer(bastion)
    with peer.server:
        bastion.configure(f'witnesses = ["{peer.line}"]')
        plan = bastion.plan()
        bastion.approve(plan)
        assert bastion.run(plan).end is End.DONE
    intent = bastion.journal.entries(plan=plan.id, kind=Kind.INTENT)[0]
    notes = [open_note(each, [peer.cosigner.verifier]) for each in cosigned(bastion.journal.store)]
    sizes = sorted(int(each.text.splitlines()[1]) for each in notes)
    # Once for the intent, once for how it ended.
    assert sizes == [intent.seq, intent.seq + 2]
    assert Kind.WITNESS_STATUS not in bastion.kinds()


def test_a_required_witness_that_is_silent_keeps_the_call_back(bastion: Bastion) -> None:
    gone = Cosigner("peer.example/w", Ed25519PrivateKey.generate())
    bastion.configure(f'witnesses = ["{NOBODY} {gone.vkey}"]', 'witnessing = "require"')
    plan = bastion.plan()
    bastion.approve(plan)
    assert bastion.run(plan).end is End.STOPPED
    assert bastion.works(plan)
    assert bastion.journal.open_intents() == []
    outcome = bastion.journal.entries(plan=plan.id, kind=Kind.OUTCOME)[0]
    assert outcome.state == "not_sent"
    assert "not witnessed" in outcome.sentence


def test_a_preferred_witness_that_is_silent_is_written_down_and_the_call_goes_out(
    bastion: Bastion,
) -> None:
    gone = Cosigner("peer.example/w", Ed25519PrivateKey.generate())
    bastion.configure(f'witnesses = ["{NOBODY} {gone.vkey}"]', 'witnessing = "prefer"')
    plan = bastion.plan()
    bastion.approve(plan)
    assert bastion.run(plan).end is End.DONE
    assert not bastion.works(plan)
    status = bastion.journal.entries(kind=Kind.WITNESS_STATUS)[-1].body.witness
    assert status is not None
    assert (status.cosigned, status.missing) == ((), ("peer.example/w",))


def test_the_policy_decides_how_many_witnesses_are_enough(bastion: Bastion) -> None:
    peer = Peer(bastion)
    gone = Cosigner("gone.example/w", Ed25519PrivateKey.generate())
    rule = bastion.tmp / "policy"
    lines = [f"witness a {peer.cosigner.vkey}", f"witness b {gone.vkey}"]
    with peer.server:
        for needed, end in (("all", End.STOPPED), ("any", End.DONE)):
            rule.write_text("\n".join([*lines, f"group g {needed} a b", "quorum g"]) + "\n")
            policy.parse(rule.read_bytes())
            bastion.configure(
                f'policy = "{rule}"', f'witnesses = ["{peer.line}", "{NOBODY} {gone.vkey}"]'
            )
            plan = bastion.plan()
            bastion.approve(plan)
            assert bastion.run(plan).end is end
            assert bastion.works(plan) is (end is End.STOPPED)


def test_a_policy_that_cannot_be_read_sends_nothing(bastion: Bastion) -> None:
    peer = Peer(bastion)
    peer.server.close()
    bastion.configure('policy = "missing"', f'witnesses = ["{peer.line}"]')
    plan = bastion.plan()
    bastion.approve(plan)
    with pytest.raises(UsageError, match="missing"):
        bastion.run(plan)
    assert bastion.told(plan) == [("note", "")]
    assert bastion.works(plan)


def test_another_writer_that_reached_the_witness_first_is_no_alarm(
    bastion: Bastion, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer(bastion)
    with peer.server, Journal(bastion.paths.journal) as other:
        bastion.configure(f'witnesses = ["{peer.line}"]')
        wanted = Requirements.now(bastion.paths).journal
        mine, theirs = Witnesses(wanted, bastion.journal), Witnesses(wanted, other)
        real = submit.cosign

        def overtaken(*words: Any, **more: Any) -> Any:
            monkeypatch.setattr(submit, "cosign", real)
            other.append(Kind.NOTE, why=WHY)
            assert theirs.ask_now().enough
            return real(*words, **more)

        monkeypatch.setattr(submit, "cosign", overtaken)
        asked = mine.ask_now()
        assert (asked.size, asked.enough, asked.missing) == (2, True, ())


def test_a_journal_that_was_rolled_back_gets_no_cosignature(bastion: Bastion) -> None:
    peer = Peer(bastion)
    with peer.server:
        bastion.configure(f'witnesses = ["{peer.line}"]')
        wanted = Requirements.now(bastion.paths).journal
        copy = bastion.tmp / "copy"
        bastion.journal.close()
        shutil.copytree(bastion.paths.state, copy)
        bastion.journal = Journal(bastion.paths.journal)
        bastion.journal.append(Kind.NOTE, why=WHY)
        assert Witnesses(wanted, bastion.journal).ask_now().enough
        with Journal(copy / "journal.db") as old:
            asked = Witnesses(wanted, old).ask_now()
            assert not asked.enough
            assert "has seen this log up to size 2" in asked.detail
            old.append(Kind.NOTE, why=WHY + ", again")
            assert not Witnesses(wanted, old).ask_now().enough


@needs_openssh
def test_what_a_file_says_of_the_login_is_a_claim_in_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "alice")
    told = tmp_path / "auth"
    told.write_text(f"publickey {public(key)}\n")
    told.chmod(0o600)
    monkeypatch.setenv("SSH_USER_AUTH", str(told))
    with Journal(tmp_path / "journal.db") as journal:
        (entry,) = journal.entries()
    assert entry.body.who.claimed.sshd == Sshd(method="publickey", key_fp=fingerprint(key))
    assert "claimed: login by publickey SHA256:" in entry.who


def test_a_sync_seals_what_it_took_in(bastion: Bastion) -> None:
    async def look() -> None:
        async with Fleet(settings.load(bastion.paths.config), bastion.paths, act=True) as fleet:
            assert (await fleet.sync("vault")).result in ("ok", "partial")
            await fleet.sync("vault")

    asyncio.run(look())
    (entry,) = bastion.journal.entries(kind=Kind.AUDIT_SEAL)
    kept = entry.body.seal
    assert kept is not None
    assert (kept.backend, kept.count > 0) == ("vault", True)
    assert check_seals(bastion.paths.inventory, bastion.journal, 7) == []
