"""The journal page: what was done, as sentences, and each entry's exact bytes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from rich.cells import cell_len

from console.journal import proof
from console.journal.read.view import Entry
from console.text import safe, stamp
from console.tlog.merkle import leaf_hash
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, Role, block, clip, count, fit, wrap
from console.tui.draw.roles import STATES
from console.tui.session import journal_state as standing_words
from console.tui.session.journal_state import JournalState

WIDE = 100
"""Columns from which the year is shown as well."""

STORED = 40_000
"""Characters of an entry's bytes; the format ends before that."""

SIGNED = ("session.open", "plan", "intent")
"""Kinds for which a responder answers."""


def state_words(state: str) -> str:
    """An outcome as people say it."""
    return {
        "applied": "done", "already": "was so before", "rejected": "refused by the system",
        "not_sent": "not sent", "unknown": "UNKNOWN: it may have happened",
        "not_applied": "was not done", "seen": "seen so", "not_seen": "not seen so",
        "claimed": "being looked into", "closed": "ended",
    }.get(state, state)  # fmt: skip


RESULTS = {
    "applied": "done", "already": "was so", "rejected": "DECLINED", "not_sent": "not sent",
    "unknown": "UNKNOWN", "not_applied": "not done", "seen": "seen so", "not_seen": "NOT SO",
    "claimed": "asking", "closed": "ended", "acknowledged": "settled",
}  # fmt: skip
"""What came of it, in the fewest cells: the list has it before everything else."""


def result(entry: Entry, *, open_intent: bool = False) -> str:
    """What came of it in a word; what kind of entry it is where nothing could come of it."""
    if open_intent:
        return "OPEN"
    if entry.kind == "evidence" and entry.evidence is not None and entry.state == "seen":
        return proof.word(entry.evidence).partition(" ")[0]
    return RESULTS.get(entry.state or "", entry.state or entry.kind)


def row(entry: Entry, width: int, *, open_intent: bool = False) -> Line:
    """One entry in the list, its result first: whatever is cut off, that is not."""
    role: Role = "bad" if open_intent else STATES.get(entry.state or "", "")
    wide = width >= WIDE
    kind: list[Part] = [(fit(entry.kind, 14) + " ", "dim")] if wide else []
    return clip(
        [
            (f" {fit(str(entry.seq), 5, right=True)} ", "dim"),
            (readings.moment(entry.at)[0 if wide else 5 : 16] + "  ", "dim"),
            (fit(result(entry, open_intent=open_intent), 12 if wide else 10) + " ", role),
            *kind,
            (entry.sentence, "bad" if open_intent else ""),
        ],
        width,
    )


def detail(entry: Entry, width: int, *, raw: bool, size: int) -> list[Line]:
    """One entry's sentence and fields, or its stored bytes as they are; ``size`` of the tree."""
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
        fields.append(("STATE", state_words(entry.state)))
    if entry.evidence is not None:
        fields.append(("EVIDENCE", proof.meaning(entry.evidence)))
    fields.append(
        ("ENTRY", f"{entry.kind} {entry.id}" + (f", answers {entry.ref}" if entry.ref else ""))
    )
    for label, value in fields:
        lines += block(label, [(value, "")], width, 10)
    if entry.kind in SIGNED:
        by = f"by {safe(entry.signer, 120)}'s key" if entry.signer else "by a responder's key"
        words: Part = (by, "") if entry.signed else ("no: UNSIGNED", "warn")
        lines += block("SIGNED", [words], width, 10)
    if entry.config:
        lines += block("CONFIG", [(entry.config, "")], width, 10)
    if raw:
        place = f"entry {entry.seq:,} of a tree of {size:,}, {count(len(entry.raw), 'byte')}"
        lines += block("IN TREE", [(place, "")], width, 10)
        lines += block("LEAF HASH", [(f"{leaf_hash(entry.raw).hex()} (SHA-256)", "")], width, 10)
        lines += [
            (),
            [(" Exactly as stored; \\xNN is a byte that a terminal must not get:", "dim")],
        ]
        lines += [[(" " + piece, "dim")] for piece in exact(entry.raw, max(width - 2, 10))]
    else:
        lines += [(), *_pretty(entry.raw, width)]
    return lines


def exact(raw: bytes, width: int) -> list[str]:
    """Bytes on lines of at most ``width`` cells, nothing left out and nothing put in.

    What is no printable character stands as ``\\xNN``, which JSON itself never has.
    """
    lines, used = [""], 0
    for character in raw.decode("utf-8", "surrogateescape"):
        shown = character
        if not character.isprintable() or unicodedata.combining(character):
            data = character.encode("utf-8", "surrogateescape")
            shown = "".join(f"\\x{byte:02x}" for byte in data)
        taken = cell_len(shown)
        if used and used + taken > width:
            lines.append("")
            used = 0
        lines[-1] += shown
        used += taken
    return lines


def verification(standing: JournalState, now: float, width: int) -> list[Line]:
    """What the last check found, finding by finding, and what to do next."""
    lines: list[Line] = [[(" VERIFICATION", "title")]]
    role: Role
    state, role = f"whole: {standing.verdict}", "good"
    if standing.remark:
        state, role = f"whole, but: {standing.verdict}", "bad"
    if standing.word:
        state, role = standing.word, "bad"
    if not standing.checked_at:
        state, role = "not checked yet", "dim"
    fields: list[tuple[str, str, Role]] = [("STATE", state, role)]
    if standing.checking:
        fields.append(("NOW", standing.checking, "accent"))
    if standing.checked_at:
        fields.append(("CHECKED", f"all of it {readings.ago(standing.checked_at, now)} ago", ""))
    fields.append(("ENTRIES", f"{standing.entries:,}, {standing.open:,} open", ""))
    if not standing.word:
        fields.append(("SEEN BY", standing_words.witnessed(standing), ""))
        signed = count(standing.checkpoints, "checkpoint") + f" by {standing.key}"
        checked = standing_words.signatures(standing, now)
        fields.append(("SIGNED", f"{signed}; checked: {checked}", ""))
        hold = count(standing.signatures, "signature holds", "signatures hold")
        fields.append(("PEOPLE", f"{hold}, {standing.unsigned:,} missing", ""))
        fields.append(("ROOT", standing.root, "dim"))
    for label, text, shown in fields:
        lines += block(label, [(text, shown)], width, 10)
    lines.append(())
    if not standing.found and standing.checked_at:
        lines.append([(" Nothing is wrong with it.", "good")])
    for trouble in standing.found:
        lines += block("WRONG" if trouble.grave else "NOTE",
                       [(trouble.text, "bad" if trouble.grave else "warn")], width, 10)  # fmt: skip
        lines += block("  DO NEXT", [(trouble.next, "")], width, 10)
    if standing.word:
        said = "Nothing is sent while that is so. What is shown here may have been changed."
        lines += [(), *block("", [(said, "bad")], width, 0)]
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
