"""The journal page: what was done, as sentences, and each entry's exact bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from backends.model import EvidenceLevel
from console.journal.read import Entry
from console.text import stamp
from console.tui import readings
from console.tui.lines import Line, Part, Role, block, clip, fit, wrap

WIDE = 100
"""Columns from which the year is shown as well."""

STORED = 40_000
"""Characters of an entry's bytes; the format ends before that."""

LEVELS = {
    EvidenceLevel.ASKED: "asked",
    EvidenceLevel.ACCEPTED: "accepted",
    EvidenceLevel.RECORDED: "recorded by the issuer",
    EvidenceLevel.REFUSED: "the old value is refused",
    EvidenceLevel.SILENT: "silent for the whole window",
}
STATES: dict[str, Role] = {
    "applied": "good", "already": "good", "rejected": "bad", "not_sent": "warn", "unknown": "bad",
}  # fmt: skip


def evidence_words(level: int | None) -> str:
    """An evidence level as people say it."""
    if level is None or level not in set(EvidenceLevel):
        return "not known"
    return f"level {level}, {LEVELS[EvidenceLevel(level)]}"


def state_words(state: str) -> str:
    """An outcome as people say it."""
    return {
        "applied": "done", "already": "was so before", "rejected": "refused by the system",
        "not_sent": "not sent", "unknown": "UNKNOWN: it may have happened",
    }.get(state, state)  # fmt: skip


def row(entry: Entry, width: int, *, open_intent: bool = False) -> Line:
    """One entry in the list."""
    role: Role = "bad" if open_intent else STATES.get(entry.state or "", "")
    word = "OPEN" if open_intent else entry.kind
    return clip(
        [
            (f" {fit(str(entry.seq), 5, right=True)} ", "dim"),
            (readings.moment(entry.at)[0 if width >= WIDE else 5 : 16] + "  ", "dim"),
            (fit(word, 10) + " ", role),
            (entry.sentence, "bad" if open_intent else ""),
        ],
        width,
    )


def detail(entry: Entry, width: int, *, raw: bool) -> list[Line]:
    """One entry's fields, and its stored bytes as they are."""
    lines: list[Line] = []
    fields: list[tuple[str, str]] = [
        ("WHAT", entry.sentence),
        ("WHEN", stamp(entry.at)),
        ("WHO", entry.who),
        ("TARGET", _target(entry)),
    ]
    if entry.why:
        fields.insert(3, ("WHY", entry.why))
    if entry.state:
        fields.append(("OUTCOME", state_words(entry.state)))
    if entry.evidence is not None:
        fields.append(("EVIDENCE", evidence_words(entry.evidence)))
    fields.append(
        ("ENTRY", f"{entry.kind} {entry.id}" + (f", answers {entry.ref}" if entry.ref else ""))
    )
    for label, value in fields:
        lines += block(label, [(value, "")], width, 10)
    if raw:
        lines += [(), [(" Exactly as stored:", "dim")]]
        text = entry.raw.decode("utf-8", "backslashreplace")
        lines += [[(" " + piece, "dim")] for piece in wrap(text, max(width - 2, 10), STORED)]
    else:
        lines += [(), *_pretty(entry.raw, width)]
    return lines


def _target(entry: Entry) -> str:
    named = [part for part in (entry.target_name, entry.target_kind, entry.target_id) if part]
    return (" · ".join(named) or "-") + (f" on {entry.backend}" if entry.backend else "")


def _pretty(raw: bytes, width: int) -> Sequence[Line]:
    """The entry's own fields, one a line, nested ones indented."""
    try:
        text = json.dumps(json.loads(raw), indent=1, ensure_ascii=False)
    except ValueError:
        text = raw.decode("utf-8", "backslashreplace")
    lines: list[list[Part]] = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" "))
        for number, piece in enumerate(wrap(line.strip(), max(width - indent - 4, 8), STORED)):
            margin = " " * (indent + 1 + (2 if number else 0))
            lines.append([(margin + piece, "dim")])
    return lines
