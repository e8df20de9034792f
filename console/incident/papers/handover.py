"""The hand-over: what the next shift has to know. What is open, what was decided and why, what
to watch, and who holds what."""

from __future__ import annotations

from collections.abc import Iterator

from backends.words import count
from console.incident import words
from console.incident.assess import Assessment
from console.incident.papers import report
from console.incident.papers.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Heading,
    Line,
    Paragraph,
)
from console.incident.papers.names import Names, more_of
from console.incident.papers.story import Story
from console.incident.words import moment
from console.journal.format.entry import Kind, SchemaError
from console.journal.format.parts import RunEvent
from console.journal.format.sentence import Entry
from console.response.state.old_value import What
from console.text import age

FEW = 30
"""Things of one kind that are told one by one."""
SOON = 14 * 86_400
"""Seconds before the end of an exception from which on it is to be watched."""
_DECIDED = {
    RunEvent.WAIVE: "waived the evidence still wanted",
    RunEvent.EXCEPT: "excepted a token from the run",
    RunEvent.UNHALT: "let a halted lane go on",
    RunEvent.ABORT: "aborted the run",
    RunEvent.CLOSE: "closed the run",
    RunEvent.BREAKGLASS: "set the second person aside (break glass)",
}
"""What people decide of a run that the next shift has to know the reason of."""


def handover(found: Assessment, names: Names, story: Story) -> Document:
    """The paper. ``story`` is the incident's timeline, for what no log tells."""
    incident = found.incident
    title: Line = (
        "Hand-over of ", names.incident(incident), f" {found.state.upper()}, {incident.severity}",
        *(() if names.redacted else (": ", names.said(incident.title))),
    )  # fmt: skip
    blocks: list[Block] = [
        Facts((("as of", report.as_of(found)), ("why", (names.said(incident.why),)))),
        *_part("Open", _open(found, names), "Nothing keeps it open."),
        *_part("Decided, and why", _decided(found, names), "Nothing was set aside."),
        *_part("To watch", _watch(found, names, story), "Nothing runs on by itself."),
        Heading(("Who holds what",)),
        Facts(tuple(report.roles(found, names))),
    ]
    return Document(title, tuple(blocks))


def _part(title: str, lines: Iterator[Line], none: str) -> Iterator[Block]:
    told = list(lines)
    yield Heading((title,))
    yield Bullets(tuple(told)) if told else Paragraph((none,))


def _open(found: Assessment, names: Names) -> Iterator[Line]:
    for reason in found.again:
        yield ("closed, and not over: ", names.said(reason))
    yield from report.left(found, names)
    if found.blocks:
        for step in report.next_steps(found, names):
            yield ("next: ", *step)


def _decided(found: Assessment, names: Names) -> Iterator[Line]:
    incident = found.incident
    for handle, word in list(incident.excepted.items())[:FEW]:
        held = "" if word.holds(found.now) else ", EXPIRED"
        yield (
            "excepted ", names.token(handle), f" until {moment(word.expires)}{held}, for ",
            names.person(word.person), ": ", names.said(word.why),
        )  # fmt: skip
    if more := more_of(len(incident.excepted), FEW, "exception"):
        yield (more,)
    for hole in incident.holes:
        accepted = incident.accepted_by(hole)
        if accepted is not None:
            yield (
                "not seen, accepted by ", names.person(accepted.person), f": {names.hole(hole)}: ",
                names.said(accepted.why),
            )  # fmt: skip
    for subject, note in incident.settled.items():
        yield (
            "a difference settled by ", names.person(note.who), ": ", names.said(subject), ": ",
            names.said(note.text),
        )  # fmt: skip
    rest = [line for entry in found.entries for line in _of_entry(entry, names)]
    yield from rest[-FEW:]
    if more := more_of(len(rest), FEW, "older decision"):
        yield (more,)
    for again in incident.reopened:
        yield (
            f"opened again {moment(again.at)} by ", names.person(again.who), ": ",
            names.said(again.text),
        )  # fmt: skip
    if incident.closed is not None:
        yield (
            f"closed {moment(incident.closed.at)} by ", names.person(incident.closed.who), ": ",
            names.said(incident.closed.text),
        )  # fmt: skip


def _of_entry(entry: Entry, names: Names) -> Iterator[Line]:
    """What one entry says of a decision that needs its reason told."""
    run = entry.run
    if run is not None and run.what in _DECIDED:
        what = _DECIDED[RunEvent(run.what)]
        yield (
            f"{moment(entry.t)} ", names.person(entry.who), f" {what}, run ", names.run(run.plan),
            *((" for ", names.token(entry.handle, entry.backend, entry.target_name))
              if entry.handle else ()),
            ": ", names.said(entry.why or run.detail),
        )  # fmt: skip
    elif entry.kind == Kind.BREAKGLASS:
        yield (
            f"{moment(entry.t)} ", names.person(entry.who), " set a rule aside: ",
            names.said(entry.why),
        )  # fmt: skip
    elif entry.kind == Kind.PLAN:
        yield from _answers(entry, names)
    elif entry.kind == Kind.RECOVERY and entry.state == "acknowledged":
        yield (
            f"{moment(entry.t)} ", names.person(entry.who),
            " settled an open call by their word: ", names.said(entry.why),
        )  # fmt: skip


def _answers(entry: Entry, names: Names) -> Iterator[Line]:
    """The hazards that were answered when a plan was approved."""
    try:
        plan = entry.body.plan
    except SchemaError:
        return
    if plan is None:
        return
    for code, answer in plan.answers.items():
        hazard = "a hazard" if names.redacted else f"the hazard {code}"
        yield (
            f"{moment(entry.t)} ", names.person(entry.who), f" answered {hazard} of run ",
            names.run(entry.plan), ": ", names.said(answer),
        )  # fmt: skip


def _watch(found: Assessment, names: Names, story: Story) -> Iterator[Line]:
    incident, now = found.incident, found.now
    if due := words.clock(incident, now):
        yield (f"the deadline: {due}",)
    yield from _running(found, names)
    ends = [
        (word.expires, handle, word)
        for handle, word in incident.excepted.items()
        if word.expires and word.expires < now + SOON
    ]
    for at, handle, word in sorted(ends)[:FEW]:
        when = f"ends in {age(at - now)}" if at > now else f"ended {age(now - at)} ago"
        yield (
            f"an exception {when}: ", names.token(handle), ", for ", names.person(word.person),
        )  # fmt: skip
    for entry in found.entries:
        if entry.run is not None and entry.run.what == RunEvent.ALARM:
            yield (
                f"{moment(entry.t)} ALARM: ",
                names.sentence(entry.sentence, "what was taken for dead shows signs of life"),
            )
    bad = found.times.bad_use
    if bad is not None:
        yield (
            f"used from an address that was new after the leak, last {moment(bad.at)}: ",
            names.address(bad.source), " with ", names.token(bad.handle),
        )  # fmt: skip
    for gap in story.unseen[:FEW]:
        yield ("no log tells: ", names.sentence(gap.words, gap.bare))
    if more := more_of(len(story.unseen), FEW, "stretch of time"):
        yield (more,)


def _running(found: Assessment, names: Names) -> Iterator[Line]:
    """What still works, or may, and until when."""
    late = [each for each in found.tokens if each.verdict.until > found.now]
    for each in sorted(late, key=lambda each: -each.verdict.until)[:FEW]:
        yield (
            f"its end may not have reached everywhere until {moment(each.verdict.until)}: ",
            names.token(each.scoped.member.handle),
        )
    if more := more_of(len(late), FEW, "token"):
        yield (more,)
    works = [each for each in found.tokens if each.verdict.what is What.WORKS]
    for each in works[:FEW]:
        yield (
            "ALARM: ", names.token(each.scoped.member.handle), ": ", names.verdict(each.verdict),
        )  # fmt: skip
    if more := more_of(len(works), FEW, "token that works"):
        yield (more,)
    calls = sum(block.kind == "call" for block in found.blocks)
    if calls:
        yield (f"{count(calls, 'open call')}: what became of each is not known",)
