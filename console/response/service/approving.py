"""Let a plan be carried out: the first person's approval, the second's, or none on the record.

A signature may wait for a touch of a key, so all of these belong off an event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from console.journal import opening
from console.journal.format.sentence import Entry
from console.response.approve import approval, second_person
from console.response.approve.requirements import Requirements
from console.response.approve.signing import Responder
from console.response.plan import file
from console.response.plan.model import Plan
from console.response.service.starting import Launch, begin
from console.settings import Paths


class PlanAtHand(NamedTuple):
    """A kept plan as it was made, for somebody who is to approve it."""

    plan: Plan
    first: bool
    """Whether nobody has approved it yet; else it is the second person's turn."""
    second_person: str
    """Why a second person has to approve too; empty where none has to."""


class Approved(NamedTuple):
    """An approval that is in the journal now."""

    entry: Entry
    waits: str
    """Why nothing starts before a second person has approved; empty where nothing waits."""


def look_at(plan_id: str, paths: Paths) -> PlanAtHand:
    """The kept plan, whose file is the one that was made; a refusal is in the journal.

    Raises:
        PlanRefused: its file was changed since, or nobody made it here.
        JournalError: the journal cannot be read.
    """
    found = file.load(plan_id, paths)
    with opening.journal(paths) as journal:
        # What is shown is what was made: a file that was changed since is not read out.
        with approval.noted(found, journal, "an approval"):
            plan = approval.made(plan_id, journal, paths)
        first = journal.get(plan_id) is None
    return PlanAtHand(plan, first, Requirements.now(paths).second_person(plan))


def approve(
    plan: Plan,
    paths: Paths,
    responder: Responder,
    typed: str,
    answers: Mapping[str, str],
    *,
    break_glass: str = "",
    launch: Launch | None = None,
) -> Approved:
    """Approve a plan as the first person.

    ``typed`` is what the responder typed, to be ``plan.typed_word``; ``answers`` has the
    reason for each hazard that wants one, by its code. ``break_glass`` is the reason for
    doing without a second person, and is journaled before anything else. With ``launch``
    the run starts at once, unless a second person has to approve first.

    Raises:
        PlanRefused: nothing of it may be done, a hazard is not answered, the word is
            another, it was approved before, its file was changed, or a signature that is
            needed is not to be had; or the runner cannot be started.
        ReasonRefused: a reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    with opening.journal(paths) as journal:
        if break_glass:
            second_person.break_glass(plan, journal, paths, break_glass, responder)
        entry = approval.approve(plan, journal, paths, typed, answers, responder)
    waits = "" if break_glass else Requirements.now(paths).second_person(plan)
    if launch is not None and not waits:
        begin(plan, paths, responder, launch)
    return Approved(entry, waits)


def second(plan: Plan, paths: Paths, responder: Responder, typed: str, reason: str = "") -> Entry:
    """Approve, as a second person, what somebody else has approved.

    Raises:
        PlanRefused: the word is another; nobody approved it yet, the same person did, or
            it wants no second one; or a signature that is needed is not to be had.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    with opening.journal(paths) as journal:
        return second_person.approve(plan, journal, paths, typed, reason, responder)


def break_glass(
    plan: Plan,
    paths: Paths,
    responder: Responder,
    typed: str,
    reason: str,
    *,
    launch: Launch | None = None,
) -> Entry:
    """Do without the second person of a plan that was approved; with ``launch``, start it.

    ``typed`` is what was typed to confirm, to be ``plan.typed_word``.

    Raises:
        PlanRefused: it was not approved, or too long ago; the word is another; or a
            signature that is needed is not to be had; or the runner cannot be started.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it; then nothing is done.
    """
    with opening.journal(paths) as journal:
        entry = second_person.go_without(plan, journal, paths, typed, reason, responder)
    if launch is not None:
        begin(plan, paths, responder, launch)
    return entry
