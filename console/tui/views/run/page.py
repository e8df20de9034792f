"""The run board: one sum that always holds, the lanes, the proof, and what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from console.response.state.old_value import What
from console.response.state.report import NOT_OVER, NOTHING_LEFT
from console.response.state.report import short as short_id
from console.text import age
from console.tui.actions.registry import key
from console.tui.draw import readings
from console.tui.draw.lines import (
    Line,
    Part,
    Role,
    block,
    clip,
    count,
    fit,
    middle,
    short,
    spread,
    width_of,
)
from console.tui.draw.roles import VERDICTS
from console.tui.views.run.reader import RunLine as Item
from console.tui.views.run.reader import RunRow, ShownRun


class StateMark(NamedTuple):
    """How a state is drawn: its sign says it where there is no colour."""

    sign: str
    plain: str
    role: Role
    head: str


LOOKS = {
    "dead": StateMark("█", "#", "good", "DEAD"),
    "replaced": StateMark("▓", "=", "good", "REPL"),
    "done": StateMark("▆", "+", "good", "DONE"),
    "recorded": StateMark("▒", "-", "", "REC"),
    "excepted": StateMark("e", "e", "dim", "EXC"),
    "failed": StateMark("!", "!", "bad", "FAIL"),
    "left": StateMark("░", ".", "dim", "LEFT"),
}
SIGNS = {"late": "+", "unknown": "?"}
ALWAYS = ("failed", "left")
"""States that are named even where nothing is in them: that is what everybody waits for."""
STATES: dict[str, Role] = {
    "closed": "dim", "aborted": "bad", "stopped": "bad", "paused": "warn", "running": "",
    NOT_OVER: "warn",
    "second person": "warn", "not approved": "dim", "unreadable": "bad",
}  # fmt: skip
SAID = {"stopped": f"STOPPED: {key('start')} starts it",
        "second person": "waits for a second person"}  # fmt: skip
MOST_OF_A_KIND = 2
"""Lines of one kind of trouble; the rest is counted, and in the list below."""


def heading(run: ShownRun, now: float, width: int) -> Line:
    """What the run is and where it stands."""
    plan = run.plan
    about = f" · {short(plan.incident, 24)}" if plan.incident else ""
    left: list[Part] = [
        (f" RUN {short_id(plan.id)} {plan.verb.value.upper()}", "bold"),
        (about, "bold"),
        (f" · {short(plan.reason, 60)}", "dim"),
    ]
    right: list[Part] = []
    if run.waves > 1:
        right.append((f"wave {min(run.wave + 1, run.waves)} of {run.waves} · ", "dim"))
    said = SAID.get(run.standing, run.standing)
    if run.standing == NOTHING_LEFT and not run.closing:
        said = f"{said}: {key('close')} closes it"
    right.append((said, STATES.get(run.standing, "good")))
    if run.began:
        end = now if run.working else run.last
        right.append((f" · {readings.span(max(end - run.began, 0))}", ""))
    # Without a rate, what is left waits for something else than calls.
    if run.eta and run.standing == "running" and any(lane.rate for lane in run.lanes):
        right.append((f" · {_about(run.eta)} left", "bold"))
    return spread(left, [*right, (" ", "")], width)


def _about(seconds: float) -> str:
    """A time that is still to come: no finer than a person needs, so that it is redrawn seldom."""
    return "<1m" if seconds < 60 else f"~{age(seconds)}"


def board(run: ShownRun, now: float, width: int, room: int, *, plain: bool) -> list[Line]:
    """Everything above the list of tokens, in at most ``room`` lines."""
    head: list[Line] = [heading(run, now, width), *equation(run, width, plain=plain)]
    head.append(bar(run, width, plain=plain))
    troubles = trouble_lines(run, now, width)
    proof = evidence(run, width)
    lanes_room = max(room - len(head) - len(proof) - len(troubles) - 2, 2)
    lines = [*head, *lanes(run, width, lanes_room), *proof, *troubles]
    if len(lines) > room:
        hidden = len(lines) - room + 1
        lines = [
            *lines[: room - 1],
            [(f" and {hidden} more: {key('report')} has all of it", "warn")],
        ]
    return lines


def equation(run: ShownRun, width: int, *, plain: bool) -> list[Line]:
    """``in scope 5,000 = dead 2,911 + ... + left 876``, each state with its sign in the bar."""
    pieces: list[Part] = [(f" in scope {run.total:,} =", "bold")]
    for state, look in LOOKS.items():
        if run.sums[state] or state in ALWAYS:
            sign = look.plain if plain else look.sign
            joint = "+ " if len(pieces) > 1 else ""
            role: Role = look.role if run.sums[state] else "dim"
            pieces.append((f" {joint}{sign} {state} {run.sums[state]:,}", role))
    return packed(pieces, width)


def packed(pieces: Sequence[Part], width: int) -> list[Line]:
    """Whole pieces, as many on each line as fit."""
    lines: list[list[Part]] = [[]]
    for piece in pieces:
        if lines[-1] and width_of(lines[-1]) + width_of([piece]) > width:
            lines.append([("  ", "")])
        lines[-1].append(piece)
    return list(lines)


def bar(run: ShownRun, width: int, *, plain: bool) -> Line:
    """The states' shares; what there is at all has at least one cell."""
    cells = share([run.sums[state] for state in LOOKS], width - 2)
    line: list[Part] = [(" ", "")]
    for look, size in zip(LOOKS.values(), cells, strict=True):
        line.append(((look.plain if plain else look.sign) * size, look.role))
    return line


def share(amounts: Sequence[int], cells: int) -> list[int]:
    """So many cells divided in proportion, at least one for every amount that is not nought."""
    total = sum(amounts)
    if not total or cells <= 0:
        return [0] * len(amounts)
    given = [max(amount * cells // total, 1) if amount else 0 for amount in amounts]
    while sum(given) > cells and max(given) > 1:
        given[given.index(max(given))] -= 1
    rest = cells - sum(given)
    if rest > 0:
        given[amounts.index(max(amounts))] += rest
    return given


def lanes(run: ShownRun, width: int, room: int) -> list[Line]:
    """One line for each backend; those in trouble first where there is no room for all."""
    used = [state for state in LOOKS if state in ALWAYS or run.sums[state]]
    name = 12 if width < 100 else 20
    text = " " + fit("BACKEND", name) + fit("SCOPE", 7, right=True)
    text += "".join(fit(LOOKS[state].head, 7, right=True) for state in used)
    text += fit("RATE", 12, right=True) + fit("ETA", 6, right=True) + "  STATE"
    made: list[Line] = [[(text, "head")]]
    order = list(run.lanes)
    if len(order) > room - 1:
        order.sort(key=lambda lane: (lane.state != "halted", lane.state == "done"))
    shown = order if len(order) <= room - 1 else order[: max(room - 2, 0)]
    for lane in shown:
        going = lane.state in ("running", "waiting") and run.standing in ("running", "not begun")
        state, role = lane.state, "dim" if lane.state == "done" else ""
        if lane.state == "halted":
            state, role = f"HALTED: {lane.halted}", "bad"
        elif lane.state == "running" and not going:
            state = run.standing
        parts: list[Part] = [(" " + fit(lane.backend, name), ""),
                             (fit(f"{lane.scope:,}", 7, right=True), "")]  # fmt: skip
        for each in used:
            number = lane.counts[each]
            parts.append((fit(f"{number:,}", 7, right=True), LOOKS[each].role if number else "dim"))
        limit = f" of {_rate(lane.limit)}" if lane.limit else ""
        rate = f"{_rate(lane.rate)}{limit}" if going else "-"
        parts.append((fit(rate + ("/s" if going else ""), 12, right=True), "dim"))
        eta = _about(lane.eta) if going and lane.eta is not None else "-"
        parts += [(fit(eta, 6, right=True), ""), (f"  {state}", role)]  # type: ignore[list-item]
        made.append(clip(parts, width))
    if len(shown) < len(order):
        rest = order[len(shown) :]
        left = sum(lane.counts["left"] for lane in rest)
        made.append([(f" and {count(len(rest), 'more lane')}, {left:,} left", "dim")])
    return made


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 or rate == int(rate) else f"{rate:.1f}"


def evidence(run: ShownRun, width: int) -> list[Line]:
    """How well each token's end is known, of those that were begun."""
    pieces: list[Part] = [(" PROOF ", "title")]
    lines = old_values(run, width)
    best = len(run.proof.ranked) - 1
    for rank, (word, number) in enumerate(run.proof.ranked):
        role: Role = "dim" if not number else "good" if rank == best else ""
        pieces.append((f"  {word} {number:,}", role))
    # Beside the others and never as the best of them: nobody was turned away by it.
    pieces.append((f"  {run.proof.beside}", "" if run.proof.silent else "dim"))
    return [*packed(pieces, width), *lines]


def old_values(run: ShownRun, width: int) -> list[Line]:
    """What is known of the old values now: of one its headline whole, of many how many."""
    known = [line.verdict for line in run.lines if line.number]
    if not run.approved or not known:
        return []
    if len(known) == 1:
        return list(block("OLD VALUE", [(known[0].labelled, VERDICTS[known[0].what])], width))
    pieces: list[Part] = [(" OLD VALUES", "title")]
    for what in What:
        if number := sum(each.what is what for each in known):
            pieces.append((f"  {number:,} {what.value}", VERDICTS[what]))
    return packed(pieces, width)


def trouble_lines(run: ShownRun, now: float, width: int) -> list[Line]:
    """What needs a person, the worst first."""
    lines: list[Line] = []

    def say(label: str, role: Role, texts: Sequence[str]) -> None:
        # Wrapped and never cut: what a person has to act on may stand at a line's end.
        for number, text in enumerate(texts[:MOST_OF_A_KIND]):
            more = len(texts) - MOST_OF_A_KIND
            last = number == MOST_OF_A_KIND - 1 and more > 0
            tail: list[Part] = [(f"  and {more:,} more", "dim")] if last else []
            made = block("" if number else label, [(text, role), *tail], width)
            lines.extend(made)

    say("ALARM", "bad", list(reversed(run.alarms)))
    if len(run.lines) > 1:
        works = [f"{line.name} on {line.backend}: {line.verdict.why or line.verdict.title}"
                 for line in run.lines if line.verdict.what is What.WORKS]  # fmt: skip
        say("STILL WORKS", "bad", works)
    if run.not_over and run.standing != "closed":
        say("NOT OVER", "warn", [run.not_over])
    if run.glass:
        who, _, rest = run.glass.partition(" set a rule aside")
        why = rest.partition(f"{run.plan.id}: ")[2]
        say("BREAK GLASS", "bad", [f"{who}: {why}" if why else run.glass])
    if run.second:
        say(
            "WAITS FOR",
            "warn",
            [f"a second person: {run.second} ({key('second')} there, or {key('glass')})"],
        )
    elif run.seconded:
        say("SEEN BY", "dim", [f"{run.seconded}, as second person"])
    if run.standing in ("running", "not begun"):
        going = [lane for lane in run.lanes if lane.state in ("running", "waiting")]
        say("PACE", "dim", [f"{lane.backend}: {lane.pace}" for lane in going])
    for state, label in (("failed", "STUCK"), ("unknown", "UNKNOWN")):
        found = [f"{line.name} on {line.backend}: {line.verdict.line}"
                 for line in run.lines if line.state == state]  # fmt: skip
        say(label, "bad", found)
    takes = f"{key('take_in')} takes it in"
    say("LATE", "warn", [f"{late.name} on {late.backend}: {late.words} ({takes})"
                         for late in run.late])  # fmt: skip
    waiting = [line.name for line in run.lines if line.by_hand and line.state == "left"]
    if waiting:
        what = f"{count(len(waiting), 'token')} to be done by hand: enter shows the card"
        say("BY HAND", "warn", [what])
    say("EXCEPTED", "dim", [f"{name} for {owner}, {_until(until)}"
                            for name, owner, until in run.excepted])  # fmt: skip
    return lines


def _until(until: int) -> str:
    return f"until {readings.moment(until / 1e6)[:10]}" if until else "for good"


def brief(item: Item) -> str:
    """What is known of a token's old value; what it is comes before why."""
    known = item.verdict
    return f"{known.short}: {known.why}" if known.why else known.short


def item_heads(width: int) -> Line:
    """The titles above the list of tokens; the proof is the best that is known."""
    text = "   " + fit("STATE", 9) + fit("NO", 6, right=True) + " "
    text += fit("TOKEN", _named(width) + 1) + fit("BACKEND", 17 if width >= 100 else 12)
    return [(text + "PROOF", "head")]


def _named(width: int) -> int:
    """The cells of a token's name: more on a wider terminal."""
    return 21 if width < 100 else min(36 + (width - 100) // 3, 64)


def item_row(item: Item, width: int, *, plain: bool) -> Line:
    """One token in the list."""
    look = LOOKS.get(item.state)
    sign = SIGNS.get(item.state, "?") if look is None else look.plain if plain else look.sign
    role: Role = "bad" if look is None else look.role
    named = _named(width)
    number = f"{item.number}" if item.number else "-"
    return clip(
        [
            (f" {sign} ", role),
            (fit(item.state, 9), role),
            (fit(number, 6, right=True) + " ", "dim"),
            (fit(middle(item.name, named), named) + " ", ""),
            (fit(item.backend, 11 if width < 100 else 16) + " ", "dim"),
            (fit(item.proof, 9), "dim"),
            (brief(item), "" if item.state in ("failed", "unknown", "late") else "dim"),
        ],
        width,
    )


def runs_heads(width: int) -> Line:
    """The titles above the list of runs."""
    wide = width >= 100
    text = " RUN      " + fit("MADE", 18 if wide else 12) + fit("VERB", 11)
    for title in ("TOKENS", "LEFT", "FAIL"):
        text += fit(title, 8 if wide else 6, right=True)
    ends = fit("OLD VALUES", 17) + "WHY" if wide else "OLD VALUES"
    return [(fit(text + "  " + fit("STATE", 14) + ends, width), "head")]


def runs_row(told: RunRow, width: int) -> Line:
    """One run in the list."""
    wide = width >= 100
    made = readings.moment(told.made)[0 if wide else 5 : 16] if told.made else ""
    word = "ALARM" if told.alarm else told.standing
    role: Role = "bad" if told.alarm else STATES.get(told.standing, "good")
    numbers: list[Part] = []
    some: Role
    for number, some in ((told.tokens, ""), (told.left, ""), (told.failed, "bad")):
        colour: Role = some if number else "dim"
        numbers.append((fit(f"{number:,}", 8 if wide else 6, right=True), colour))
    return clip(
        [
            (f" {short_id(told.plan)} ", "bold"),
            (fit(made, 18 if wide else 12), "dim"),
            (fit(told.verb, 11), ""),
            *numbers,
            ("  " + fit(word, 14), role),
            (fit(told.old, 17) if wide else told.old, "bad" if "work" in told.old.lower() else ""),
            (told.why if wide else "", "dim"),
        ],
        width,
    )
