"""The lines of the list of incidents, and of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from console.incident import words
from console.incident.assess import Assessment
from console.incident.record import Incident, hole_id
from console.incident.standing import TokenStanding
from console.response.state.old_value import What
from console.text import age, safe
from console.tui.draw.lines import Line, Part, Role, block, clip, count, fit

NOTES = 5
"""The newest notes that are shown."""
_ROLES: dict[What, Role] = {
    What.WORKS: "bad",
    What.UNDONE: "bad",
    What.UNKNOWN: "warn",
    What.RECORDED: "",
    What.REFUSED: "good",
}


class PageLine(NamedTuple):
    """A line, and what is under the cursor there: a token's handle, or a hole's id."""

    line: Line
    token: str = ""
    hole: str = ""
    run: str = ""
    difference: str = ""


def heads(width: int) -> Line:
    """The titles of the list."""
    return clip([(f"   {'INCIDENT':<18}{'STATE':<8}{'SEVERITY':<10}{'AGE':>5}{'TOKENS':>8}"
                  f"{'DUE':>7}  TITLE", "head")], width)  # fmt: skip


def row(incident: Incident, now: float, width: int, *, mine: bool) -> Line:
    """One incident in the list. How its tokens stand is not told here."""
    closed = incident.closed is not None
    due: Part = ("-", "dim")
    if incident.deadline and not closed:
        left = incident.deadline - now
        due = (age(left), "") if left > 0 else ("OVER", "bad")
    severe = incident.severity in ("critical", "high") and not closed
    return clip(
        [
            (" * " if mine else "   ", "key"),
            (fit(safe(incident.id), 17) + " ", "bold"),
            (fit("closed" if closed else "open", 7) + " ", "dim" if closed else "warn"),
            (fit(incident.severity, 9) + " ", "bad" if severe else "dim"),
            (fit(age(max(0.0, now - incident.opened_at)), 5, right=True), ""),
            (fit(f"{len(incident.scope):,}", 8, right=True), ""),
            (fit(due[0], 7, right=True), due[1]),
            ("  " + safe(incident.title), "" if not closed else "dim"),
        ],
        width,
    )


def title(found: Assessment, width: int) -> Line:
    """The incident's name, how it stands, and what is left."""
    state = found.state
    role: Role = "dim" if state == "closed" else "bad" if state == "OPEN AGAIN" else "warn"
    left = (
        "nothing keeps it open"
        if not found.blocks
        else count(len(found.blocks), "thing")
        + (" keeps it open" if len(found.blocks) == 1 else " keep it open")
    )
    return clip(
        [
            (f" {safe(found.incident.id)} ", "bold"),
            (state.upper(), role),
            (f" {found.incident.severity} · ", ""),
            (left, "warn" if found.blocks else "good"),
            (f" · {safe(found.incident.title)}", ""),
        ],
        width,
    )


def lines(found: Assessment, width: int) -> list[PageLine]:
    """One incident: what is known of it, its tokens, and what keeps it open."""
    made = [PageLine(line) for line in _facts(found, width)]
    made.append(PageLine(()))
    made += _tokens(found, width)
    if found.runs:
        made += [PageLine(()), PageLine([(" RUNS", "head")])]
        for run in found.runs:
            text = words.run_line(run)
            made += [PageLine(line, run=run.plan) for line in block("", [(text, "")], width, 3)]
    if found.incident.holes:
        made += [PageLine(()), PageLine([(" NOT SEEN", "head")])]
        made += _holes(found.incident, width)
    rest = [each for each in found.blocks if each.kind not in ("token", "hole")]
    if rest:
        made += [PageLine(()), PageLine([(" OPEN ALSO BECAUSE", "head")])]
        for each in rest:
            text = words.block(each, found.incident)
            subject = each.subject if each.kind == "difference" else ""
            made += [
                PageLine(line, difference=subject) for line in block("", [(text, "warn")], width, 3)
            ]
    if found.incident.notes:
        made += [PageLine(()), PageLine([(" NOTES", "head")])]
        for note in found.incident.notes[: -NOTES - 1 : -1]:
            text = f"{words.moment(note.at)} {note.who}: {note.text}"
            made += [PageLine(line) for line in block("", [(text, "")], width, 3)]
        if (older := len(found.incident.notes) - NOTES) > 0:
            made.append(
                PageLine([(f"   {count(older, 'older note')}: incident show --notes", "dim")])
            )
    return made


def _facts(found: Assessment, width: int) -> Iterator[Line]:
    for label, text in words.lines(found):
        role: Role = "bad" if label == "NOT OVER" else ""
        yield from block(label.upper(), [(text, role)], width)


def _tokens(found: Assessment, width: int) -> Iterator[PageLine]:
    if not found.tokens:
        yield PageLine(
            [(" No token is in its scope. Mark some in the inventory and press +.", "warn")]
        )
        return
    wide = width >= 120
    name, system = (34, 16) if wide else (22, 12)
    yield PageLine([(f" {'TOKEN':<{name + 1}}{'BACKEND':<{system + 1}}ITS VALUE", "head")])
    for each in found.tokens:
        yield PageLine(_token(each, found.now, width, name, system), each.scoped.member.handle)


def _token(each: TokenStanding, now: float, width: int, name: int, system: int) -> Line:
    member, verdict = each.scoped.member, each.verdict
    said: Part = (verdict.line, _ROLES[verdict.what])
    if each.exception is not None:
        word = each.exception
        until = words.moment(word.expires)[:10]
        if word.holds(now):
            said = (f"excepted, {safe(word.person, 30)} until {until}; {verdict.line}", "dim")
        else:
            said = (f"EXCEPTION OVER ({safe(word.person, 30)}, {until}); {verdict.line}", "bad")
    return clip(
        [
            (" " + fit(member.name or member.id, name) + " ", ""),
            (fit(member.backend, system) + " ", "dim"),
            said,
        ],
        width,
    )


def _holes(incident: Incident, width: int) -> Iterator[PageLine]:
    for hole in incident.holes:
        word = incident.accepted_by(hole)
        by = f" (accepted: {safe(word.person, 40)})" if word is not None else ""
        role: Role = "dim" if word is not None else "warn"
        for line in block("", [(hole + by, role)], width, 3):
            yield PageLine(line, hole=hole_id(hole))
