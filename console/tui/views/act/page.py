"""The confirm bar's text: what will be called, what dies with it, and what speaks against it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from backends.contract import Call
from backends.model import Dependents
from console.inventory.search.inventory import Row
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, Role, block, count, paragraphs, short, spread

EXACT = 8_000
"""Characters of a call: it is what will be sent, and is shown whole."""
NAME = 48
"""Cells of a name: a long one must not push the hazards out of sight."""


class Consumers(NamedTuple):
    """What is known of a token's consumers. ``found`` None means: being asked, or not
    answered, and then ``trouble`` says why."""

    found: Dependents | None = None
    trouble: str = ""


def plan_lines(
    plan: Mapping[str, Any], row: Row, consumers: Consumers, now: float, width: int
) -> list[Line]:
    """The whole plan, hazards directly under the target. ``plan`` is a Plan as JSON."""
    proposal = plan["proposal"]
    hazards = proposal.get("hazards", ())
    steps = proposal["steps"]
    reversible = bool(proposal.get("undo")) or (
        bool(steps) and all(step.get("reversible") for step in steps)
    )
    where = f"{plan['verb'].upper()} 1 token on {row.backend}"
    ends = "reversible" if reversible else "irreversible" if steps else "no call"
    rotates = plan["verb"] == "rotate"
    production = " (production)" if plan.get("production") else ""
    lines: list[Line] = [
        spread(
            [(f" {where}", "bad"), (production, "bad")],
            [(f"{ends} ", "bold")],
            width,
        ),
        *_target(row, consumers, now, width),
    ]
    if matched := plan.get("matched"):
        lines[-1:] = [*block("  matched", [(matched, "")], width, 15), ()]
    for hazard in sorted(hazards, key=lambda hazard: not hazard.get("fatal")):
        word = "! NO  " if hazard.get("fatal") else "! STOP"
        lines += block(word, [(hazard["text"], "bad")], width, 8)
    for text in proposal.get("not_known", ()):
        lines += block("! not known", [(text, "warn")], width, 12)
    if hazards or proposal.get("not_known"):
        lines.append(())
    for number, step in enumerate(steps):
        call = msgspec.convert(step["call"], Call).line
        lines += block("  will call" if number == 0 else "", [(call, "")], width, 15, EXACT)
    if not steps:
        manual = proposal.get("manual") or "There is no call that would do it."
        lines += paragraphs("  by hand", manual, "", width, 15)
    elif proposal.get("manual"):
        lines += paragraphs("  by hand too", proposal["manual"], "", width, 15)
    lines += _delivery(plan, width) if rotates else []
    dies = ", ".join(proposal.get("collateral", ())) or "nothing that the system tells of"
    also = "  goes with it" if plan["verb"] in ("contain", "restore") else "  dies with it"
    lines += block(also, [(dies, "")], width, 15)
    takes = plan.get("takes_effect") or proposal.get("takes_effect") or "not known"
    lines += block("  takes effect", [(takes, "")], width, 15)
    undo = proposal.get("undo") or "none"
    lines += block("  undo", [(undo, "" if reversible else "bold")], width, 15)
    if plan.get("mode") == "leak":
        said = "leak: nothing waits; predecessors and grace values end too"
        lines += block("  mode", [(said, "bold")], width, 15)
    about = f"{plan['incident']}: " if plan.get("incident") else ""
    lines += block("  reason", [(about + plan.get("reason", ""), "")], width, 15)
    if needed := plan.get("second_person"):
        lines += block("  needs", [(f"a second person: {needed}", "warn")], width, 15)
    return lines


def _delivery(plan: Mapping[str, Any], width: int) -> list[Line]:
    keys = count(plan.get("escrow", 0), "public key")
    lines = block("  escrow", [(f"the new value is sealed to {keys} first", "")], width, 15)
    sinks = ", ".join(plan.get("sinks", ()))
    told = (sinks, "") if sinks else ("nowhere: it is in escrow only", "warn")
    return [*lines, *block("  deliver to", [told], width, 15)]  # type: ignore[list-item]


_LABELLED = re.compile(r" *(\S(?:.*?\S)?) {2,}(?=\S)")


def many_lines(said: Sequence[str], width: int) -> list[Line]:
    """A plan for many as the worker tells it, line by line, to fit the width."""
    lines: list[Line] = []
    for number, text in enumerate(said):
        role: Role = "bad" if number == 0 or text.lstrip().startswith("! ") else ""
        labelled = _LABELLED.match(text)
        if number == 0:
            title, _, final = text.partition("  ")
            lines += [spread([(f" {title}", "bad")], [(final.strip() + " ", "bold")], width), ()]
        elif labelled is not None and labelled.end() < width // 2:
            at = labelled.end()
            lines += block(text[1:at], [(text[at:], role)], width, at - 1, EXACT)
        else:
            indent = min(len(text) - len(text.lstrip()), width // 2)
            lines += block("", [(text.lstrip(), role)], width, max(indent - 1, 0), EXACT)
    return lines


def _target(row: Row, consumers: Consumers, now: float, width: int) -> list[Line]:
    owner = row.owner if row.owner_how == "known" and row.owner else "(none)"
    if row.owner_how not in ("known", "never"):
        owner = readings.cell(row.owner_how, None, now)
    used = readings.cell(row.used_how, row.used_at, now)
    used = f"last used {used} ago" if row.used_how == "known" else f"last use: {used}"
    parts: list[Part] = [
        (short(row.name or row.id, NAME), "bold"),
        (f"   owner {short(owner, NAME)}   {used}   {consumer_words(consumers)}", ""),
    ]
    lines: list[Line] = [*block("", parts, width, 2)]
    if consumers.found is not None:
        shown = [short(consumer.name, NAME) for consumer in consumers.found.consumers[:4]]
        if shown:
            rest = len(consumers.found.consumers) - len(shown)
            names = ", ".join(shown) + (f" and {rest:,} more" if rest else "")
            lines += block("  used by", [(names, "")], width, 15)
        for gap in consumers.found.gaps[:2]:
            lines += block(
                "  not seen", [(f"{gap.what}: {gap.hint}".strip(": "), "warn")], width, 15
            )
    elif consumers.trouble:
        lines += block("  not seen", [(f"consumers: {consumers.trouble}", "warn")], width, 15)
    lines.append(())
    return lines


def consumer_words(consumers: Consumers) -> str:
    """How many consumers are known, in the fewest words."""
    if consumers.found is not None:
        number = len(consumers.found.consumers)
        if not number and consumers.found.gaps:
            return "consumers not known"
        return count(number, "consumer") + (" or more" if consumers.found.gaps else "")
    return "consumers not known" if consumers.trouble else "consumers: asking"
