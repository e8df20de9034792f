"""One token's part of a run: what is planned for it, and what the journal says of it."""

from __future__ import annotations

from collections.abc import Sequence

from console.journal.read.view import Entry
from console.response.plan.model import PlanItem
from console.tui.draw import readings
from console.tui.draw.lines import Line, block, paragraphs
from console.tui.draw.roles import STATES, VERDICTS
from console.tui.views.run.reader import RunLine as Where

EXACT = 8_000
"""Characters of a call, which is shown as it is sent."""


def item_lines(
    where: Where, item: PlanItem | None, entries: Sequence[Entry], now: float, width: int
) -> list[Line]:
    """Everything about one token of a run. ``item`` is None for a late arrival, and for
    one that another plan takes in."""
    lines: list[Line] = []
    known = where.verdict
    lines += block("OLD VALUE", [(known.labelled, VERDICTS[known.what])], width)
    lines += block("PROOF", [(where.known, "")], width)
    if item is not None:
        owner = item.token.owner.or_else("none known")
        lines += block("OWNER", [(owner, "")], width)
        if item.why:
            lines += block("WHY HERE", [(item.why, "")], width)
        for hazard in item.proposal.hazards:
            lines += block("! NO" if hazard.fatal else "! STOP", [(hazard.text, "bad")], width)
        for number, step in enumerate(item.proposal.steps):
            lines += block("CALLS" if not number else "", [(step.call.line, "")], width, 12, EXACT)
        if item.proposal.manual:
            lines += paragraphs("BY HAND", item.proposal.manual, "warn", width)
    lines.append(())
    for number, entry in enumerate(reversed(entries)):
        at = readings.moment(entry.at)[5:16]
        lines += block(
            "ENTRIES" if not number else "",
            [(f"{at}  ", "dim"), (f"{entry.kind} ", STATES.get(entry.state or "", "bold")),
             (entry.sentence, "")],
            width,
        )  # fmt: skip
    if not entries:
        lines += block("ENTRIES", [("nothing was sent for it yet", "dim")], width)
    return lines
