"""Whether a plan may be carried out: who lets it, and what the runner asks the journal.

The runner never takes the plan's file at its word: the journal's entry has its digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

from console.errors import ConsoleError, PlanRefused
from console.journal.format import scan
from console.journal.format.entry import Kind, PlanMark, SchemaError
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.journal.write.journal import AlreadyRecorded, Journal
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder
from console.response.plan import entry_parts, file
from console.response.plan.model import Plan, digest
from console.response.plan.not_done import refuse
from console.settings import Paths

MAX_AGE = timedelta(hours=1)
"""How long after its approval a plan may begin. What was true when somebody looked (the
owner, the dependents, who is on call) is not to be acted on the next morning."""


def keep(plan: Plan, journal: Journal, paths: Paths) -> Entry:
    """Keep a plan for its approval: its file, and an entry that binds the file from now on.

    Raises:
        PlanRefused: there is another plan with this id, or the disk refuses.
        JournalError: the journal cannot take it.
    """
    rules = Requirements.now(paths)
    rules.tell(journal)
    file.save(plan, paths)
    return journal.append(
        Kind.PLAN_MADE,
        why=plan.reason,
        incident=plan.incident,
        act=entry_parts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
        plan=_mark(plan),
        config=rules.mark,
    )


def made(plan_id: str, journal: Journal, paths: Paths) -> Plan:
    """A kept plan, approved or not, as it was made.

    Raises:
        PlanRefused: its file is not the one that was made, or nobody made it here.
    """
    data = file.content(plan_id, paths)
    _unchanged(plan_id, hashlib.sha256(data).hexdigest(), journal)
    return file.parse(data)


def _unchanged(plan_id: str, sha256: str, journal: Journal) -> None:
    """Compare a plan's file with the oldest entry about it. Raises ``PlanRefused``."""
    found = journal.entries(10_000, kind=Kind.PLAN_MADE, plan=plan_id)[-1:]
    entry = found[0] if found else journal.get(plan_id)
    mark = None
    if entry is not None and entry.kind in (Kind.PLAN_MADE, Kind.PLAN):
        with contextlib.suppress(SchemaError):
            mark = entry.body.plan
    if mark is None:
        raise PlanRefused(
            "the journal does not say that this plan was made here",
            "Nothing was sent. A plan's file is bound by the journal: plan again.",
        )
    if not hmac.compare_digest(sha256, mark.sha256):
        raise PlanRefused(
            "the plan's file is not the one that was made",
            "Nothing was sent. Somebody changed the file: look at it, then plan again.",
        )


def typed(plan: Plan, word: str | None) -> None:
    """Whether what somebody typed is the plan's word. Raises ``PlanRefused``."""
    if word is None or word.strip() != plan.typed_word:
        what = "the token's name" if len(plan.items) == 1 else "the number of tokens"
        raise PlanRefused(f"what was typed is not {what}", f"Type exactly: {plan.typed_word}")


@contextlib.contextmanager
def noted(plan: Plan, journal: Journal, what: str) -> Iterator[None]:
    """Write a refusal of ``what`` into the journal, with why; the refusal goes on its way."""
    try:
        yield
    except PlanRefused as refusal:
        with contextlib.suppress(ConsoleError):
            journal.append(
                Kind.NOTE,
                why=system_words(f"Refused {what}: {refusal}"),
                incident=plan.incident,
                act=entry_parts.act(plan.verb.value, plan.items[0].token, plan=plan.id),
            )
        raise


def approve(
    plan: Plan,
    journal: Journal,
    paths: Paths,
    word: str | None,
    answers: Mapping[str, str] | None = None,
    responder: Responder | None = None,
) -> Entry:
    """Let a plan be carried out: its file is made durable, its digest journaled.

    ``word`` is what the responder typed, to be ``plan.typed_word``; ``answers`` has, by
    its code, the reason with which each hazard was answered that is not fatal. ``responder`` is
    where the responder signs; without one, that is as the configuration says. Signing may
    wait for a touch: keep this off the event loop.

    Raises:
        PlanRefused: nothing of it may be done, a hazard is not answered, the word is
            another, the plan was approved before, its file is not the one that was made, a
            signature is required and there is none, or the key may not sign.
        ReasonRefused: an answer is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    refuse(plan)
    given = {code: scan.reason(why) for code, why in (answers or {}).items()}
    missing = [raised.hazard for raised in plan.questions if raised.hazard.code not in given]
    if missing:
        raise PlanRefused(
            f"not answered yet: {', '.join(hazard.code for hazard in missing)}",
            " ".join(hazard.text for hazard in missing[:3]),
        )
    typed(plan, word)
    if journal.get(plan.id) is not None:
        raise PlanRefused("this plan was approved before", "To do it again, plan again.")
    with noted(plan, journal, "an approval"):
        if file.file_of(plan.id, paths).exists():
            # One that this process has just made is on no disk yet, where others can reach it.
            made(plan.id, journal, paths)
            _unchanged(plan.id, digest(plan), journal)
        rules = Requirements.now(paths)
        responder = responder or Responder(rules.journal)
        rules.tell(journal)
        session = responder.session(journal, rules, plan.reason, plan.incident)
        file.save(plan, paths)
        asked = {raised.hazard.code for raised in plan.questions}
        answered = {entry_parts.name(code, 64): given[code] for code in sorted(asked)}
        try:
            return journal.append(
                Kind.PLAN,
                id=plan.id,
                why=plan.reason,
                incident=plan.incident,
                act=entry_parts.act(plan.verb.value, plan.items[0].token),
                plan=_mark(plan, answered),
                config=rules.mark,
                sign=session.sign_statement,
            )
        except AlreadyRecorded:
            raise PlanRefused(
                "this plan was approved before", "To do it again, plan again."
            ) from None


def _mark(plan: Plan, answers: Mapping[str, str] | None = None) -> PlanMark:
    return PlanMark(
        sha256=digest(plan), steps=plan.steps, tokens=len(plan.items), answers=answers or {}
    )


def read(plan_id: str, journal: Journal, paths: Paths) -> tuple[Plan, Entry]:
    """The plan as it was approved, whenever that was, and its approval.

    Raises:
        PlanRefused: it was never approved, or its file is not the approved one.
    """
    data = file.content(plan_id, paths)
    entry = journal.get(plan_id)
    if entry is None or entry.kind != Kind.PLAN:
        raise PlanRefused(
            "the journal has no approval of this plan", "Nothing was sent. Approve it first."
        )
    try:
        mark = entry.body.plan
    except SchemaError:
        mark = None
    if mark is None or not hmac.compare_digest(hashlib.sha256(data).hexdigest(), mark.sha256):
        raise PlanRefused(
            "the plan's file is not the one that was approved",
            "Nothing was sent. Somebody changed the file: look at it, then plan again.",
        )
    return file.parse(data), entry


def approved(plan_id: str, journal: Journal, paths: Paths, now: float | None = None) -> Plan:
    """The plan, if it may be carried out now. ``now`` is in seconds of UTC.

    A run that has begun may be resumed whenever that is.

    Raises:
        PlanRefused: it was never approved, its file is not the approved one, nothing of it
            may be done, or the approval is too old.
    """
    plan, entry = read(plan_id, journal, paths)
    refuse(plan)
    age = (time.time() if now is None else now) - entry.t_us / 1_000_000
    if age > MAX_AGE.total_seconds() and not _begun(plan_id, journal):
        raise PlanRefused(
            f"the plan was approved {age / 60:.0f} minutes ago; an approval holds for one hour",
            "Things may have changed since: plan again and look at it anew.",
        )
    return plan


def _begun(plan_id: str, journal: Journal) -> bool:
    return any(
        entry.kind in (Kind.INTENT, Kind.OUTCOME) for entry in journal.of_plan(plan_id)[:200]
    )
