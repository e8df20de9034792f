"""An entry for people: flat fields, and one safe sentence that says what happened."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from backends.words import count
from console.journal import proof
from console.journal.format import incident_sentence
from console.journal.format.entry import Body, Kind, Out, RunMark, SchemaError, Target, parse
from console.journal.format.incident_mark import IncidentMark
from console.journal.format.parts import DONE, OutState
from console.journal.format.who import summary
from console.text import safe, stamp

_NAME = 60
SIGNED = frozenset({Kind.SESSION_OPEN, Kind.PLAN, Kind.APPROVAL, Kind.INTENT})
"""Kinds of entries for which a responder answers."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as it is shown. All text is raw but ``who`` and ``sentence``, which are safe.

    ``t`` is in seconds of UTC, ``t_us`` the same in microseconds. ``ref`` is the id of the
    entry that this one answers: an outcome's intent, an intent's plan. ``evidence`` is None
    where none is claimed. ``raw`` is the leaf, byte for byte.
    """

    seq: int
    raw: bytes
    sentence: str
    id: str = ""
    kind: str = ""
    t: int = 0
    t_us: int = 0
    who: str = ""
    why: str = ""
    incident: str = ""
    verb: str = ""
    backend: str = ""
    target_kind: str = ""
    target_id: str = ""
    target_name: str = ""
    handle: str = ""
    fp: str = ""
    """The keyed fingerprint of the value that the call carried; empty where none was in hand."""
    step: str = ""
    state: str = ""
    status: str = ""
    """The system's own word for its answer; of what a person settled, what they found."""
    evidence: int | None = None
    ref: str = ""
    plan: str = ""
    how: str = ""
    """How an outcome is known: answer, read, probe, recovery, person."""
    made: Target | None = None
    """The token that the call brought into being, or whose value it replaced."""
    run: RunMark | None = None
    case: IncidentMark | None = None
    """What was decided about the incident."""
    signed: bool = False
    """Whether it bears a responder's signature. That it is a good one is for others to say."""
    signer: str = ""
    """By what name allowed_signers listed the key that signed it."""
    config: str = ""
    """The digests of the configuration that was in force, in short; safe."""

    @property
    def at(self) -> datetime:
        """When it was written, by the writing machine's clock."""
        return datetime.fromtimestamp(self.t_us / 1_000_000, UTC)

    @property
    def done(self) -> bool:
        """Whether it answers a call, or a plan, with the word that what was wanted is done."""
        return self.kind in (Kind.OUTCOME, Kind.RECOVERY) and self.state in DONE

    @property
    def vouched(self) -> bool:
        """Whether a person settled a call of which nobody else could tell, as one that was made."""
        return self.state == OutState.ACKNOWLEDGED and self.status in DONE

    @property
    def body(self) -> Body:
        """Every field, parsed anew. Raises ``SchemaError`` for an entry that cannot be read."""
        return parse(self.raw)


def entry_of(seq: int, leaf: bytes) -> Entry:
    """The entry behind stored bytes. Bytes that cannot be read become an entry that says so."""
    try:
        body = parse(leaf)
    except SchemaError:
        return Entry(seq=seq, raw=leaf, sentence="An entry that this version cannot read.")
    act, out = body.act, body.out
    run = body.run
    plan = (act.plan_ref if act else "") or (run.plan if run else "")
    return Entry(
        seq=seq,
        raw=leaf,
        id=body.id,
        kind=body.type.value,
        t=body.t // 1_000_000,
        t_us=body.t,
        who=safe(by(body), 120) + _unsigned(body),
        signer=body.sig.principal if body.sig else "",
        config=configuration(body),
        why=body.why,
        incident=body.incident,
        verb=act.verb if act else "",
        backend=act.backend if act else run.backend if run else "",
        target_kind=act.target.kind if act else "",
        target_id=act.target.id if act else "",
        target_name=act.target.name if act else "",
        handle=act.target.handle if act else "",
        fp=act.target.fp if act else "",
        step=act.step if act else "",
        state=out.state if out else "",
        status=out.status if out else "",
        evidence=out.evidence if out else None,
        ref=out.ref if out else plan,
        plan=body.id if body.type is Kind.PLAN else plan,
        how=out.how if out else "",
        made=out.made if out else None,
        run=run,
        case=body.case,
        signed=body.sig is not None,
        sentence=_sentence(body),
    )


def by(body: Body) -> str:
    """Who wrote an entry: the listed name of whoever signed it, and the user. Not yet safe."""
    return summary(body.who, body.sig.principal if body.sig else "")


def _unsigned(body: Body) -> str:
    """A word on an entry that a responder could have signed, and has not."""
    return ", unsigned" if body.type in SIGNED and body.sig is None else ""


def what(body: Body) -> str:
    """What is done to what, safe: ``revoke payments-deploy (service) in vault-prod``."""
    act = body.act
    if act is None:
        return ""
    return f"{safe(act.verb)} {_token(body)}"


def _token(body: Body) -> str:
    act = body.act
    if act is None:
        return ""
    name = safe(act.target.name or act.target.id, _NAME)
    return f"{name} ({safe(act.target.kind, 30)}) in {safe(act.backend)}"


def _planned(body: Body) -> str:
    """What a plan is about that was made, or approved by a first or a second person."""
    mark = body.plan
    calls = mark.steps if mark else 0
    many = mark.tokens if mark else 1
    if many > 1 and body.act is not None:
        told = f"{safe(body.act.verb)} {count(many, 'token')}, {_token(body)} among them"
    else:
        told = what(body)
    done = {Kind.PLAN_MADE: "planned", Kind.APPROVAL: "approved as second person"}
    return f"{done.get(body.type, 'approved')}: {told}, {count(calls, 'call')}"


_DECISIONS = {
    "start": "started",
    "pause": "paused",
    "resume": "resumed",
    "abort": "aborted",
    "halt": "halted",
    "unhalt": "let go on",
    "waive": "waived the evidence still wanted of",
    "except": "excepted",
    "late": "found tokens that came after the freeze of",
    "wave": "began the next wave of",
    "close": "closed",
    "alarm": "raised an alarm in",
    "moved": "noted in",
    "taken": "left to another plan",
}


def _run(run: RunMark, who: str) -> str:
    """A decision about a run: ``alice halted lane aws-main of run 0199…: 3 failures``."""
    where = f"lane {safe(run.backend)} of " if run.backend else ""
    where = f"item {run.item:,} of {where}" if run.item else where
    told = f"{who} {_DECISIONS.get(run.what, safe(run.what, 20))} {where}run {safe(run.plan, 40)}"
    if run.owner:
        told = f"{told} for {safe(run.owner, 60)}"
    if run.expires:
        told = f"{told} until {stamp(datetime.fromtimestamp(run.expires / 1_000_000, UTC))}"
    return f"{told}: {safe(run.detail, 160)}" if run.detail else told


_OUTCOMES = {
    "applied": "done",
    "already": "it was so already",
    "rejected": "the system declined; nothing changed",
    "not_sent": "not sent; nothing changed",
    "unknown": "no trustworthy answer; it may have happened",
}


def _sentence(body: Body) -> str:
    who = safe(by(body), 80)
    why = safe(body.why, 160)
    match body.type, body.act, body.out:
        case Kind.LOG_OPEN, _, _:
            return f"{who} opened this journal, {safe(body.log, 120)}."
        case Kind.SESSION_CLOSE, _, _:
            return f"{who} ended the session."
        case Kind.PLAN_MADE, act, _ if act:
            return f"{who} {_planned(body)}: {why}"
        case Kind.PLAN | Kind.APPROVAL, act, _ if act:
            told = f"{who}{_unsigned(body)} {_planned(body)}"
            return f"{told}: {why}" if why else f"{told}."
        case Kind.RUN, _, _ if body.run:
            told = _run(body.run, who)
            return f"{told}: {why}" if why else f"{told}."
        case Kind.INTENT, act, _ if act:
            call = act.call
            line = f": {safe(f'{call.method} {call.target}', 120)}" if call else ""
            return f"About to {what(body)}{line}"
        case Kind.OUTCOME, _, out if out:
            status = f" ({safe(out.status, 40)})" if out.status else ""
            took = f" after {out.elapsed_ms} ms" if out.elapsed_ms else ""
            told = _OUTCOMES.get(out.state, safe(out.state))
            return f"{_capital(what(body))}: {told}{status}{took}{_said(out)}"
        case Kind.EVIDENCE, _, out if out:
            return f"{_capital(what(body))}: {proof.word(out.evidence or 0)}{_said(out)}"
        case Kind.RECOVERY_CLAIM, _, _:
            return f"{who} asks what became of: {what(body)}"
        case Kind.RECOVERY, _, out if out:
            if out.state == "acknowledged":
                return f"{_capital(what(body))}, left open: {who} settled it{_said(out)}: {why}"
            told = "it was done" if out.state == "applied" else "it was not done"
            return f"{_capital(what(body))}, left open: {told}{_said(out)}"
        case Kind.OBSERVE, _, out if out and out.how == "probe":
            told = {"seen": "refused", "not_seen": "accepted"}.get(out.state, "no clear answer")
            return f"The value of {_token(body)} was tried: {told}{_said(out)}"
        case Kind.OBSERVE, act, None if act and act.verb == "try":
            return f"{who} tries the value of {_token(body)}: {why}"
        case Kind.OBSERVE, _, out:
            return f"{who} looks: {what(body)}{_said(out)}"
        case Kind.INCIDENT, _, _ if body.case:
            told = incident_sentence.decided(body.case, body.incident)
            return f"{who} {told}: {why}"
        case Kind.BREAKGLASS, _, _:
            about = f" ({what(body)})" if body.act else ""
            about = f"{about} in run {safe(body.run.plan, 40)}" if body.run else about
            return f"{who} set a rule aside{about}: {why}"
        case _:
            about = f"{_capital(what(body))}: " if body.act else ""
            return _of_the_log(body, who, why) or f"{about}{why}"


def _of_the_log(body: Body, who: str, why: str) -> str:
    """A sentence on an entry that is about the journal itself; empty for others."""
    if body.session is not None:
        return f"{who} began a session: {why}"
    if body.type is Kind.CONFIG and body.config is not None:
        rules = f": {safe(body.config.rules, 300)}" if body.config.rules else ""
        return f"{who} acts under the configuration {configuration(body)} from here on{rules}"
    if body.key is not None:
        kind = "gave this journal a new key" if body.type is Kind.KEY_ROTATE else "went on"
        return f"{who} {kind}: {why}"
    if (seal := body.seal) is not None:
        return f"Sealed {count(seal.count, 'audit event')} of {safe(seal.backend)}."
    if (export := body.export) is not None:
        size = count(export.size, "entry", "entries")
        return f"{who} exported {size} ({safe(export.form, 20)}): {why}"
    if (seen := body.witness) is not None:
        size = count(seen.size, "entry", "entries")
        parts = [f"{count(len(seen.cosigned), 'witness', 'witnesses')} cosigned {size}"]
        if seen.missing:
            parts.append(f"not: {safe(', '.join(seen.missing), 120)}")
        if seen.detail:
            parts.append(safe(seen.detail, 160))
        return "; ".join(parts)
    if body.clock is not None:
        return f"The machine's clock moved by {body.clock.step / 1e6:+,.1f} s: set, or it slept."
    return ""


def configuration(body: Body) -> str:
    """The digests of the configuration in force, in short; empty where an entry has none."""
    if (config := body.config) is None:
        return ""
    signers = f", signers {safe(config.signers[:12])}" if config.signers else ""
    return f"{safe(config.sha256[:12]) or '(none)'}{signers}"


def _said(out: Out | None) -> str:
    return f": {safe(out.detail, 160)}" if out is not None and out.detail else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
