"""The second person: who has to look too, and how two people are told from one.

Nobody approves their own plan. Two people are told apart by the keys that they sign with,
else by the keys that they logged in with, else by the logins that the kernel knows; where
none of these can tell, that counts as one person. Breaking the glass does without, in the
journal first and on every screen.
"""

from __future__ import annotations

from collections.abc import Iterable

from backends.words import count
from console.errors import PlanRefused
from console.journal import scan, signed
from console.journal.describe import Entry
from console.journal.entry import Body, Host, Kind, PlanMark, RunMark, SchemaError, Who
from console.journal.log import Journal
from console.journal.parts import Sig
from console.journal.ssh.allowed import AllowedSigners
from console.journal.ssh.errors import AllowedSignersError, SignatureRefused
from console.journal.who import host, who
from console.response import approval, facts
from console.response.plan import Item, Plan, digest
from console.response.signing import Desk, settings_of
from console.settings import JournalSettings, Paths, ResponseSettings

_GLASS = "Without a second person: token-console approve --break-glass, with the reason."


def needed(settings: ResponseSettings, items: Iterable[Item]) -> str:
    """Why a plan of these items needs a second person; empty when it does not."""
    items = tuple(items)
    if len(items) > settings.second_person_over:
        return f"{count(len(items), 'token')}, more than {settings.second_person_over:,}"
    production = sorted({item.backend for item in items if item.production})
    if settings.second_person_production and production:
        shown = ", ".join(production[:3]) + (", …" if len(production) > 3 else "")
        return f"{shown} {'is' if len(production) == 1 else 'are'} production"
    return ""


def approve(
    plan: Plan, journal: Journal, paths: Paths, reason: str = "", desk: Desk | None = None
) -> Entry:
    """Approve somebody else's approved plan, over its file's SHA-256. May wait for a touch.

    Raises:
        PlanRefused: the plan was not approved by anybody yet, or by the same person, as far
            as anybody can tell; or a signature is required and there is none.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    kept, first = approval.read(plan.id, journal, paths)
    if digest(kept) != digest(plan):
        raise PlanRefused("this is not the plan that was approved", "Look at it again.")
    why = scan.reason(reason) if reason else ""
    desk = desk or Desk(settings_of(paths))
    session = desk.session(journal, why or plan.reason, plan.incident)
    body = _body(first)

    def sign(statement: bytes) -> Sig | None:
        sig = session.sign_statement(statement)
        # Asked here, where the signature is known and nothing is written yet.
        if told := same(body, sig, who(), host()):
            raise PlanRefused(f"a second person has to approve: {told}", _GLASS)
        return sig

    return journal.append(
        Kind.APPROVAL,
        why=why,
        incident=plan.incident,
        act=facts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
        plan=PlanMark(sha256=digest(plan), steps=plan.steps, tokens=len(plan.items)),
        sign=sign,
    )


def break_glass(plan: Plan, journal: Journal, why: str, desk: Desk | None = None) -> Entry:
    """Do without the second person. What is set aside, and why, is in the journal first.

    Raises:
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        PlanRefused: a signature is required and there is none.
        JournalError: the journal cannot take it; then nothing may be done.
    """
    why = scan.reason(why)
    sign = None
    if desk is not None:
        sign = desk.session(journal, why, plan.incident).sign_statement
    told = f"no second person: {plan.second_person}" if plan.second_person else ""
    return journal.append(
        Kind.BREAKGLASS,
        why=why,
        incident=plan.incident,
        act=facts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
        run=RunMark(plan=plan.id, what="breakglass", detail=facts.words(told, 256)),
        sign=sign,
    )


def check(
    plan: Plan,
    journal: Journal,
    settings: JournalSettings | None = None,
    rules: ResponseSettings | None = None,
) -> None:
    """Whether the plan may be carried out as far as the second person goes.

    ``settings`` say whether and by whom an approval has to be signed. ``rules``, where they
    are given, count as well as what the plan says: a plan that was made elsewhere must not
    bring its own.

    Raises:
        PlanRefused: a second person is needed, and none has approved.
    """
    why = plan.second_person or (needed(rules, plan.items) if rules is not None else "")
    if not why:
        return
    entries = journal.entries(10_000, kind=Kind.BREAKGLASS, plan=plan.id)
    if any(_stands(entry, plan) for entry in entries):
        return
    first = journal.get(plan.id)
    if first is None or first.kind != Kind.PLAN:
        raise PlanRefused("the journal has no approval of this plan", "Approve it first.")
    told = ""
    for entry in journal.entries(10_000, kind=Kind.APPROVAL, plan=plan.id):
        told = _refusal(entry, plan, _body(first), settings or JournalSettings())
        if not told:
            return
    more = f" The one that is there does not count: {told}." if told else ""
    raise PlanRefused(
        f"a second person has to approve: {why}",
        f"Nothing was sent.{more} They run: token-console approve {plan.id}",
    )


def _stands(entry: Entry, plan: Plan) -> bool:
    return entry.run is not None and entry.run.plan == plan.id


def _refusal(entry: Entry, plan: Plan, first: Body, signing: JournalSettings) -> str:
    """Why an approval does not count; empty when it does."""
    try:
        body = entry.body
    except SchemaError:
        return "it cannot be read"
    if body.plan is None or body.plan.sha256 != digest(plan):
        return "it is about another plan"
    if body.sig is not None:
        try:
            path = signing.allowed_signers
            allowed = AllowedSigners.load(path) if path is not None else None
            signed.check_responder(body, allowed)
        except (SignatureRefused, AllowedSignersError) as error:
            return f"its signature does not hold: {error}"
    elif signing.signatures == "require":
        return "it is not signed"
    return same(first, body.sig, body.who, body.host)


def same(first: Body, sig: Sig | None, who: Who, host: Host) -> str:
    """Why the one who acts now cannot be told from who approved first; empty when they can be."""
    if first.sig is not None and sig is not None:
        if first.sig.key_fp == sig.key_fp:
            return "the same key signed both"
        if both := set(first.sig.cert_principals) & set(sig.cert_principals):
            return f"both certificates are {min(both)}'s"
        return ""
    before = {part.key_fp for part in (first.sig, first.who.sshd) if part is not None} - {""}
    now = {part.key_fp for part in (sig, who.sshd) if part is not None} - {""}
    if before & now:
        return "the same key stands behind both"
    logins = [part.key_fp for part in (first.who.sshd, who.sshd) if part is not None]
    if len(logins) == 2 and all(logins):
        return ""
    there, here = first.who.kernel.loginuid, who.kernel.loginuid
    if there is None or here is None:
        return "there are no two signatures, and nobody can tell who logged in"
    if not host.machine or first.host.machine != host.machine:
        return "there are no two signatures, and logins of two machines cannot be compared"
    return "the same login acts in both" if there == here else ""


def _body(entry: Entry) -> Body:
    try:
        return entry.body
    except SchemaError:
        raise PlanRefused("the plan's approval cannot be read", "Nothing was sent.") from None
