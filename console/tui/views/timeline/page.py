"""A timeline in words: its heading, whether it was used since the leak, and single events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from console.inventory.search.inventory import BackendState
from console.text import age
from console.timeline.axis import Window
from console.timeline.coverage import WORDS, and_more, moment, words
from console.timeline.events import ShownEvent
from console.timeline.lanes import LaneFrame
from console.timeline.since import Since
from console.timeline.view import Timeline, TimelineFrame
from console.tui.actions.registry import key
from console.tui.draw.lines import Line, Part, Role, block, clip, count, fit, flow, spread
from console.tui.views.timeline.density import clock, short_count
from console.tui.views.timeline.viewport import Eye

HOLES = 3
"""Stretches that no log covers which are named; of more only how many."""


class ShownTimeline(NamedTuple):
    """What the words are made of."""

    timeline: Timeline
    answer: Since | None
    whole: bool
    """Whether the single events were read too."""
    states: Sequence[BackendState] = ()


def heading(
    shown: ShownTimeline | None, frame: TimelineFrame | None, eye: Eye, log: bool, width: int
) -> Line:
    """Whose, how much and how long; what is most alarming stands out."""
    if shown is None or frame is None:
        return [(" TIMELINE ", "title"), ("reading …", "dim")]
    whole = frame.whole
    left: list[Part] = [(f" {shown.timeline.subject.label}  ", "bold")]
    if late := sum(whole.after):
        left.append((f"{count(late, 'USE', 'USES')} AFTER REVOKE  ", "late"))
    if denied := sum(whole.denied):
        left += [(f"{denied:,} denied", "bad"), (" of ", "dim")]
    number = f"{whole.total:,}" if denied else count(whole.total, "event")
    left += [(number, ""), (f" in {age(frame.window.span)}", "dim")]
    right: list[Part] = []
    if not shown.whole:
        right.append((" reading …", "dim"))
    if eye.follow:
        right.append((" LIVE", "good"))
    right.append((" log " if log else " linear ", "dim"))
    return spread(left, right, width)


def answered(shown: ShownTimeline, width: int, most: int) -> list[Line]:
    """Used since the leak? And what that rests on. At most so many lines."""
    timeline, answer = shown.timeline, shown.answer
    said: list[Part]
    if not timeline.subject.tokens:
        said = [("Every token of ", ""), (timeline.subject.label, "bold"), (". ", "")]
    elif answer is not None:
        bad = answer.used > 0 or answer.after > 0 or answer.told
        role: Role = "bad" if bad else "good" if answer.sure and not answer.denied else "warn"
        said = [(answer.sentence, role)]
    elif timeline.leak is not None:
        said = [("Used since the leak? ", "bold"), ("reading …", "dim")]
    else:
        said = [("Used since the leak? ", "bold"), (_last(timeline), ""),
                (f"{key('set_leak')} sets the time of the leak.", "dim")]  # fmt: skip
    told: list[Line] = [[(" ", ""), *line] for line in flow(said, width - 2)]
    rests: list[Line] = [[(" ", ""), *line] for line in flow(_rests(shown), width - 2)]
    told = _cut(told, most - 1, width)
    return [*told, *_cut(rests, most - len(told), width)]


def _last(timeline: Timeline) -> str:
    last, issuer = timeline.whole.all.last, timeline.issuer
    if issuer is not None and (last is None or issuer.at > last):
        kept = f", kept to {age(issuer.step)}" if issuer.step > 1 else ""
        source = issuer.source or "its issuer"
        return f"Last use known is {age(max(timeline.now - issuer.at, 0))} ago ({source}{kept}). "
    if last is None:
        return "No use is known. "
    return f"Last use known is {age(max(timeline.now - last, 0))} ago. "


def _cut(lines: list[Line], most: int, width: int) -> list[Line]:
    """The first lines; what is left out is told by an ellipsis."""
    if len(lines) <= most:
        return lines
    rest: list[Part] = [part for line in lines[most - 1 :] for part in line]
    return [*lines[: most - 1], clip(rest, width - 1)]


def _rests(shown: ShownTimeline) -> list[Part]:
    """The logs that an answer rests on, and what they do not cover; if none, why."""
    timeline = shown.timeline
    logs = timeline.coverage.logs
    if not logs:
        said: list[Part] = [("No log is read that would show use", "warn"), (_why_none(shown), "")]
        said.append((" A blank here would mean nothing.", "warn"))
        return said
    holes = timeline.holes(_asked(timeline))
    parts: list[Part] = [("Rests on ", "dim")]
    if holes:
        first = holes[:HOLES]
        parts = [("Not covered: ", "warn"), ("; ".join(words(hole) for hole in first), "")]
        if len(holes) > len(first):
            parts.append((f"; {and_more(len(holes) - len(first))}", ""))
        parts.append((". Rests on ", "dim"))
    for number, log in enumerate(logs):
        since = "nothing yet" if log.since is None else f"from {clock(log.since, '%b %d %H:%M')}"
        until = "" if log.until is None else f" to {clock(log.until, '%b %d %H:%M')}"
        notes = "".join(f", {note}" for note in log.notes)
        if not log.covers.all_uses:
            notes = f", {WORDS[log.covers]}{notes}"
        parts.append((f"{'; ' if number else ''}{log.name} {since}{until}{notes}", "dim"))
    return [*parts, (".", "dim")]


def _asked(timeline: Timeline) -> Window:
    start = timeline.leak if timeline.leak is not None else timeline.limits.start
    return Window.of(start, timeline.now + 1)


def _why_none(shown: ShownTimeline) -> str:
    """Why there is no log, as far as the backends say."""
    mine = [one for one in shown.states if one.name in shown.timeline.subject.backends]
    for state in mine:
        if state.error:
            return f": {state.name}: {state.error}."
        for gap in state.gaps:
            if "audit" in gap.what or "event" in gap.what or "log" in gap.what:
                return f": {gap.scope or state.name}: {gap.what} ({gap.kind.value}). {gap.hint}"
    names = ", ".join(shown.timeline.subject.backends[:3]) or "its system"
    return f": {names} gave none, and no [source.NAME] of the configuration reads one."


def info(frame: TimelineFrame, lane: LaneFrame, name: str, eye: Eye, width: int) -> Line:
    """What is in the cursor's bin, or under the brush."""
    brush = eye.brush
    some = brush or range(eye.cursor, eye.cursor + 1)
    span = eye.bin
    total = sum(lane.counts[some.start : some.stop])
    denied = sum(lane.denied[some.start : some.stop])
    late = sum(lane.after[some.start : some.stop])
    left: list[Part] = [
        (f" {'brush ' if brush else ''}{clock(span.start)}", "bold"),
        (f" +{age(span.span)}  ", "dim"),
    ]
    left.append((count(total, "event"), "bold" if total else ""))
    left.append((f", {denied:,} denied", "bad" if denied else "dim"))
    if late:
        left.append((f", {late:,} after revoke", "late"))
    if name:
        left += [(" of ", "dim"), (name, "accent")]
    if any(frame.unseen[some.start : some.stop]):
        left.append(("  log gap: there may be more" if total else "  log gap: not known", "warn"))
    signs = [mark for index, mark in frame.marks if index in some]
    if signs:
        text = f"{signs[-1].sign} {signs[-1].text} ({signs[-1].source})"
        more = f" +{len(signs) - 1}" if len(signs) > 1 else ""
        left.append((f"  {text}{more}", ""))
    return clip(left, width)


def lane_label(name: str, total: int, width: int, *, here: bool) -> list[Part]:
    """A lane's name and how many events it has in the window."""
    number = short_count(total)
    room = width - len(number) - 2
    return [
        (">" if here else " ", "bold"),
        (fit(name, room), "bold" if here else ""),
        (f" {number}", "dim"),
    ]


# Single events

OUTCOMES: dict[str, tuple[str, Role]] = {"ok": ("ok", ""), "denied": ("DENY", "bad")}


def event_row(event: ShownEvent, width: int, *, day: bool = True) -> Line:
    """One event on one line: when, whether it was let through, who, from where, what."""
    word, role = OUTCOMES.get(event.outcome, (event.outcome[:5], "warn"))
    if event.after:
        word, role = "AFTER", "late"
    room = max(width - 2 - (15 if day else 9) - 6, 20)
    actor, source = room * 20 // 100, room * 22 // 100
    shape = "%b %d %H:%M:%S" if day else "%H:%M:%S"
    return [
        (f" {clock(event.at, shape)} ", "dim"),
        (fit(word, 5) + " ", role),
        (fit(event.actor or "-", actor) + " ", ""),
        (fit(event.source or "-", source) + " ", ""),
        (fit(f"{event.action} {event.target}", room - actor - source - 2), ""),
    ]


def event_lines(event: ShownEvent, facts: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """One event whole."""
    lines: list[Line] = [[(f" {moment(event.at)}", "bold")], ()]
    for name, value in facts:
        role: Role = ""
        if name == "outcome":
            role = "late" if event.after else OUTCOMES.get(event.outcome, ("", "warn"))[1]
        lines += block(name.upper(), [(value, role)], width)
    return lines
