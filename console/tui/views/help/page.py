"""The help page, made from the action registry."""

from __future__ import annotations

from console.tui.actions.context import Context
from console.tui.actions.registry import here, key_names
from console.tui.draw.lines import Line, block, fit

GROUPS = ("Act", "Incident", "Run", "Graph", "Time", "Go", "Find", "Mark", "Sort", "Move")
SYNTAX = (
    ("ci deploy", "both words, anywhere: name, id, owner, principal, backend, kind, grant"),
    ("vault-prod/ci", "a backend and a part of the name or id; a whole handle is found too"),
    ("text:ci", "in name, id, owner or principal only, as a plan takes a free word"),
    ("owner:payments", "the owner; owner:a,b either; owner:none nobody"),
    ("backend: kind: state:", "state:active, disabled, expired, gone, ..."),
    ("used:<30d used:>90d", "last use; also used:never, used:untracked, used:unknown"),
    ("age:>1y", "since it was created"),
    ("expires:<30d", "time left; also expires:never"),
    ("grant:admin", "a policy, role or scope that it carries"),
    ("incident:INC-7", "in the scope of an incident"),
    ("is:new is:changed is:gone", "what the console saw"),
    ("-owner:none !ci", "not this"),
    ('"two words"', "quotes keep blanks"),
)
ENTRIES = (
    ("leaked payments", "both words, anywhere in an entry: sentence, reason, target, id"),
    ("verb:revoke who:alice", "what was done, and who did it"),
    ("backend:vault state:unknown", "where, and what became of it; state:open what nobody knows"),
    ("kind: why: id: incident:", "the kind of entry, its reason, an id or what it answers"),
    ("-who:alice", "not this"),
    ('"two words"', "quotes keep blanks"),
)
GLYPHS = (
    (">", "the cursor"), ("*", "marked"), ("+ ~ x", "new or back, changed, gone: since you looked"),
    ("!", "old and never expires"), ("O", "nobody owns it"), ("o", "not used for long, or never"),
    ("24H", "uses, log scale, full from 1,000; blank is none, - is no log"),
)  # fmt: skip
READINGS = (
    ("never", "the system keeps track, and it has not happened"),
    ("untracked, n/a", "the system keeps no record of it"),
    ("forbidden, deny", "our credential may not ask"),
    ("not read, ?", "not asked yet, or not answered"),
)
TOP = (
    ("journal ok (5)", "its 5 entries were checked one by one, and it is whole"),
    ("2 OPEN", "calls of which nobody knows yet whether they took effect"),
    ("no witness", "no other machine has seen the journal: a cut end would not be noticed"),
    ("witnessed up to 4", "other machines vouch for the first 4 entries"),
)
RUNS = (
    ("in scope 9 = dead 2 + ...", "every token of the plan is in one state, at any moment"),
    ("dead", "the system was seen to refuse the old value"),
    ("recorded", "the issuer's record says that it ended; its value was not seen refused"),
    ("PROOF refused", "the old value was tried, and refused"),
    (
        "silent in the log: 2 of 9",
        "PROOF: how many were not used for as long as a change may take; by itself that does "
        "not show that the old value is refused, so that it is told beside the others",
    ),
    ("RATE 2 of 5/s", "2 calls a second were made of late, of 5 that are allowed"),
    ("RATE 30/s", "30 calls a second, as fast as the system answers: PACE says why"),
    ("let be (except)", "nothing more is sent for a token; somebody answers for it, until a date"),
    ("skip proof (waive)", "the old value ends although not every consumer was seen to have moved"),
    ("nothing left", "each token is dealt with; the run is still to be closed by somebody"),
    ("not over yet", "each token is dealt with, and values may still work, as declared"),
    ("hazard 1 of 2, why go on?", "the plan names 2 dangers; each wants your reason to go on"),
)
RESULTS = (
    ("done, was so", "the system did it; it was so before"),
    ("DECLINED, not sent", "the system did not do it; no call was made"),
    ("UNKNOWN", "no answer to be trusted came: it may have happened"),
    (
        "recorded, refused, silent",
        "how far it is proved: by the issuer's record, since the old "
        "value was refused, since it was not used for as long as a change may take",
    ),
    ("OPEN", "a call was about to be made, and no entry says what came of it"),
)


def help_lines(context: Context, width: int) -> list[Line]:
    """Every action of a view; one that does not work now carries the reason."""
    lines: list[Line] = []
    actions = here(context.view)
    for group in GROUPS:
        members = [action for action in actions if action.group == group]
        if not members:
            continue
        lines.append([(f" {group.upper()}", "title")])
        for action in members:
            keys = " ".join(key_names(action))
            why_not = action.disabled_reason(context)
            text = f"not now: {why_not}" if why_not else action.tooltip
            lines += block(
                "  " + keys,
                [(fit(action.label, 16) + " ", "dim" if why_not else "bold"),
                 (text, "warn" if why_not else "")],
                width, 14,
            )  # fmt: skip
        lines.append(())
    syntax = ENTRIES if context.view == "journal" else SYNTAX
    for title, table in (
        ("FILTER", syntax), ("SIGNS IN THE LIST", GLYPHS), ("HOW A VALUE IS KNOWN", READINGS),
        ("THE TOP LINE", TOP), ("PLANS AND RUNS", RUNS), ("THE JOURNAL'S LIST", RESULTS),
    ):  # fmt: skip
        lines.append([(f" {title}", "title")])
        for word, meaning in table:
            lines += block("  " + word, [(meaning, "")], width, 28)
        lines.append(())
    return lines
