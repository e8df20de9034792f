"""The second person: who has to look too, and how two people are told from one.

Nobody approves their own plan. Two people are two signatures by keys that the list of
allowed signers has for two different names. Nothing else tells them apart: a login, a key
that a file says was used, or a second key in an agent is what one person can have twice.
Without such a list there is no second person. Breaking the glass does without, in the
journal first and on every screen.
"""

from __future__ import annotations

from datetime import UTC, datetime

from console.errors import PlanRefused
from console.journal.format import scan
from console.journal.format.entry import Body, Kind, PlanMark, RunMark, SchemaError
from console.journal.format.parts import RunEvent, Sig
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.journal.verify import signatures
from console.journal.write.journal import Journal
from console.response.approve import approval
from console.response.approve.requirements import NO_LIST, Requirements
from console.response.approve.signing import Responder
from console.response.plan import entry_parts
from console.response.plan.model import Plan, digest
from console.settings import Paths
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import SignatureRefused

_GLASS = "Without a second person: token-console approve --break-glass, with the reason."


def approve(
    plan: Plan,
    journal: Journal,
    paths: Paths,
    typed: str | None,
    reason: str = "",
    responder: Responder | None = None,
) -> Entry:
    """Approve somebody else's approved plan, over its file's SHA-256. May wait for a touch.

    ``typed`` is what the second person typed, to be ``plan.typed_word``. What is refused is
    noted in the journal.

    Raises:
        PlanRefused: the plan was not approved by anybody yet, wants no second person, or was
            approved by the same one, as far as anybody can tell; the word is another; or
            this one's signature is not to be had, or by a key that may not sign.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    approval.typed(plan, typed)
    with approval.noted(plan, journal, "a second person's approval"):
        kept, first = approval.read(plan.id, journal, paths)
        if digest(kept) != digest(plan):
            raise PlanRefused("this is not the plan that was approved", "Look at it again.")
        rules = Requirements.now(paths)
        if not rules.second_person(plan):
            raise PlanRefused(
                "the plan was approved before, and wants no second person",
                f"Start it: token-console run start {plan.id[-8:]}",
            )
        why = scan.reason(reason) if reason else ""
        responder = responder or Responder(rules.journal)
        rules.tell(journal)
        session = responder.session(journal, rules, why or plan.reason, plan.incident)
        body = _body(first)

        def sign(statement: bytes) -> Sig | None:
            sig = session.sign_statement(statement)
            # Asked here, where the signature is known and nothing is written yet.
            if told := same(body, sig, datetime.now(UTC), rules.signers):
                raise PlanRefused(f"a second person has to approve: {told}", _GLASS)
            return sig

        return journal.append(
            Kind.APPROVAL,
            why=why,
            incident=plan.incident,
            act=entry_parts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
            plan=PlanMark(sha256=digest(plan), steps=plan.steps, tokens=len(plan.items)),
            config=rules.mark,
            sign=sign,
        )


def break_glass(
    plan: Plan, journal: Journal, paths: Paths, why: str, responder: Responder | None = None
) -> Entry:
    """Do without the second person. What is set aside, and why, is in the journal first.

    Raises:
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        PlanRefused: a signature is required and there is none, or it is by a key that may
            not sign.
        JournalError: the journal cannot take it; then nothing may be done.
    """
    why, rules = scan.reason(why), Requirements.now(paths)
    rules.tell(journal)
    sign = None
    if responder is not None:
        sign = responder.session(journal, rules, why, plan.incident).sign_statement
    told = rules.second_person(plan)
    return journal.append(
        Kind.BREAKGLASS,
        why=why,
        incident=plan.incident,
        act=entry_parts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
        config=rules.mark,
        run=RunMark(
            plan=plan.id,
            what=RunEvent.BREAKGLASS,
            detail=system_words(f"no second person: {told}", 256) if told else "",
        ),
        sign=sign,
    )


def go_without(
    plan: Plan,
    journal: Journal,
    paths: Paths,
    typed: str | None,
    why: str,
    responder: Responder | None = None,
) -> Entry:
    """Do without the second person of a plan that was approved before.

    ``typed`` is what the responder typed, to be ``plan.typed_word``: nobody sets a rule
    aside for another plan than they mean.

    Raises:
        PlanRefused: the plan is not approved, or no longer; or the word is another; and as
            ``break_glass``, which the rest is like.
    """
    approval.approved(plan.id, journal, paths)
    approval.typed(plan, typed)
    return break_glass(plan, journal, paths, why, responder)


def check(plan: Plan, journal: Journal, rules: Requirements) -> None:
    """Whether the plan may be carried out as far as the second person goes.

    ``rules`` are those of the moment at which it is to start.

    Raises:
        PlanRefused: a second person is needed, and none has approved.
        AllowedSignersError: the list of allowed signers cannot be used.
    """
    why = rules.second_person(plan)
    if not why:
        return
    entries = journal.entries(10_000, kind=Kind.BREAKGLASS, plan=plan.id)
    if any(entry.run is not None and entry.run.plan == plan.id for entry in entries):
        return
    first = journal.get(plan.id)
    if first is None or first.kind != Kind.PLAN:
        raise PlanRefused("the journal has no approval of this plan", "Approve it first.")
    told = ""
    for entry in journal.entries(10_000, kind=Kind.APPROVAL, plan=plan.id):
        told = _refusal(entry, plan, _body(first), rules)
        if not told:
            return
    more = f" The one that is there does not count: {told}." if told else ""
    if rules.journal.allowed_signers is not None:
        more += f" They run: token-console approve {plan.id}."
    raise PlanRefused(f"a second person has to approve: {why}", f"Nothing was sent.{more} {_GLASS}")


def _refusal(entry: Entry, plan: Plan, first: Body, rules: Requirements) -> str:
    """Why an approval does not count; empty when it does."""
    try:
        body = entry.body
    except SchemaError:
        return "it cannot be read"
    if body.plan is None or body.plan.sha256 != digest(plan):
        return "it is about another plan"
    if rules.signers is not None and body.sig is not None:
        try:
            signatures.check_responder(body, rules.signers)
        except SignatureRefused as error:
            return f"its signature does not hold: {error}"
    return same(first, body.sig, datetime.fromtimestamp(body.t / 1_000_000, UTC), rules.signers)


def same(first: Body, sig: Sig | None, at: datetime, signers: AllowedSigners | None) -> str:
    """Why the second signature cannot be told from the first; empty when it is another's.

    ``first`` is the first approval, ``at`` when the second signature was made. That the
    second one holds is for its writer, or for ``signed.check_responder``, to see to.
    """
    if signers is None:
        return NO_LIST
    if first.sig is None:
        return "the first approval is not signed, so nobody can tell whose it is"
    if sig is None:
        return "this one is not signed, so nobody can tell whose it is"
    try:
        before, now = signatures.people(first, signers), signatures.owners(sig, signers, at)
    except SignatureRefused as error:
        return f"a signature does not count: {error}"
    if first.sig.key_fp == sig.key_fp:
        return f"the same key signed both, {sig.key_fp}"
    if both := before & now:
        return f"both keys are {min(both)}'s: {first.sig.key_fp} and {sig.key_fp}"
    return ""


def _body(entry: Entry) -> Body:
    try:
        return entry.body
    except SchemaError:
        raise PlanRefused("the plan's approval cannot be read", "Nothing was sent.") from None
