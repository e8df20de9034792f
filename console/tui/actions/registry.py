"""Everything a responder can do here, one row of data each.

Keys, the footer, help, the palette, the README's key table and the tests all read these
rows. An action that cannot be done is shown with the reason, never hidden. Imports no
Textual, so that the documentation can be made without a screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from console.tui.actions import disabled
from console.tui.actions.context import Context
from console.tui.actions.keys import CLOSE, KEY_NAMES, SECOND, SET_LEAK, spoken
from console.tui.draw.columns import CHANGED_KEY, COLUMNS

VIEWS = (
    "inventory", "token", "backends", "journal", "runs", "run", "item", "report", "timeline",
    "events", "graph", "xray", "loss", "intake", "incidents", "incident", "help",
)  # fmt: skip

ACTING = ("inventory", "token", "graph", "intake", "incident")
"""The views from which a token can be acted on."""


class Action(NamedTuple):
    """``keys`` as Textual names them; ``label`` for the footer; ``where`` the views that have
    it; ``footer`` its place in the footer, 0 for none; ``needs`` the verb that a backend
    must declare for it."""

    id: str
    keys: tuple[str, ...]
    label: str
    tooltip: str
    where: tuple[str, ...]
    footer: int = 0
    danger: bool = False
    needs: str = ""
    group: str = "Go"
    why_not: Callable[[Context], str] = disabled.always
    sense: str = ""
    """What its keys mean, where another action means the same in another view. A key means
    one thing in all views: whoever learned it in one must not be surprised in the next."""

    @property
    def meaning(self) -> str:
        """What its keys mean."""
        return self.sense or self.id

    def disabled_reason(self, context: Context) -> str:
        """Why it cannot be done here and now; empty where it can."""
        if context.view not in self.where:
            return f"not in the {context.view} view"
        return self.why_not(context)


def _sorts() -> tuple[Action, ...]:
    named = [(column.sort, column.key, column.title) for column in COLUMNS if column.key]
    named.append(("changed", CHANGED_KEY, "change"))
    return tuple(
        Action(
            f"sort_{sort}",
            (key,),
            f"sort by {title.lower()}",
            f"Sort by {title.lower()}; again to turn the order round.",
            ("inventory",),
            group="Sort",
        )
        for sort, key, title in named
    )


ACTIONS: tuple[Action, ...] = (
    Action("filter", ("/",), "filter", "Filter as you type; the syntax is in help.",
           ("inventory", "journal"), 1, group="Find", sense="find"),
    Action("find", ("/",), "find", "Find a node by its name, and go to it.", ("graph",), 9,
           group="Find", sense="find"),
    Action("open", ("enter",), "open", "Open what is under the cursor.",
           ("inventory", "backends", "journal", "runs", "run", "events", "graph", "xray", "loss",
            "intake", "incidents", "incident"),
           1, sense="into", why_not=disabled.openable),
    Action("contain", ("c",), "contain",
           "Plan to stop its use; can be undone. Asks before anything is sent.",
           ACTING, 5, danger=True, needs="contain", group="Act",
           why_not=disabled.verb("contain")),
    Action("rotate", ("R",), "rotate",
           "Plan a new value: sealed, delivered, then the old one ends. Asks first.",
           ACTING, 6, danger=True, needs="rotate", group="Act",
           why_not=disabled.verb("rotate")),
    Action("revoke", ("K",), "revoke",
           "Plan to end it for good. Asks before anything is sent.",
           ACTING, 7, danger=True, needs="revoke", group="Act",
           why_not=disabled.verb("revoke")),
    Action("restore", ("u",), "restore",
           "Plan the exact undo of contain. Asks before anything is sent.",
           ACTING, danger=True, needs="restore", group="Act",
           why_not=disabled.verb("restore")),
    Action("disconnect", ("d",), "disconnect",
           "Plan to end its open sessions. Asks before anything is sent.",
           ACTING, danger=True, needs="disconnect", group="Act",
           why_not=disabled.verb("disconnect")),
    Action("act", ("a",), "act", "Choose what to do with it, or with all that are marked.",
           ACTING, 4, group="Act", why_not=disabled.acting),
    Action("start", ("n",), "start", "Start the run, or go on with one whose runner is gone.",
           ("run",), 2, danger=True, group="Run", why_not=disabled.start),
    Action("pause", ("p",), "pause", "Begin no further call; or let a paused run go on.",
           ("run",), 3, group="Run", why_not=disabled.pause),
    Action("unhalt", ("h",), "un-halt", "Let a halted lane go on, and try again what failed.",
           ("run",), 4, danger=True, group="Run", why_not=disabled.unhalt),
    Action("hidden", ("H",), "all plans",
           "Plans that nobody approved or began: for an hour, all of them, or none.",
           ("runs",), 2, group="Run"),
    Action("report", ("P",), "situation", "The situation report as plain text, to copy.",
           ("run", "incident"), 5, group="Run", why_not=disabled.a_run),
    Action("except_", ("e",), "let be", "Except a token: somebody answers for it, until a date.",
           ("run", "item"), 6, group="Run", why_not=disabled.except_),
    Action("answer_for", ("e",), "let be",
           "Somebody answers for the token, or for what was not seen, under the cursor.",
           ("incident",), 6, group="Incident", sense="except_", why_not=disabled.open_incident),
    Action("waive", ("w",), "skip proof",
           "Waive the proof that its consumers have moved, and go on.",
           ("run", "item"), 7, danger=True, group="Run", why_not=disabled.waive),
    Action("take_in", ("plus",), "take in late",
           "Plan for what appeared after the scope was frozen.", ("run",),
           danger=True, group="Run", why_not=disabled.take_in),
    Action("scope", ("plus",), "take in",
           "Take the token, or all that are marked, into the incident; or open one with them.",
           ("inventory", "token", "intake"), group="Incident", sense="take_in",
           why_not=disabled.into_incident),
    Action("new_incident", ("plus",), "new", "Open an incident.", ("incidents",), 2,
           group="Incident", sense="take_in", why_not=disabled.needs_worker),
    Action("again", ("plus",), "take in new",
           "Take in what the queries of its scope find by now.", ("incident",), 8,
           group="Incident", sense="take_in", why_not=disabled.open_incident),
    Action("use", ("full_stop",), "work on it",
           "Be at work on the incident, so that plans carry it; or on none.",
           ("incidents", "incident"), 3, group="Incident", why_not=disabled.needs_worker),
    Action("remark", ("semicolon",), "note", "Keep a word for the record.", ("incident",), 4,
           group="Incident", why_not=disabled.needs_worker),
    Action("role", ("dollar_sign",), "role", "Say who has which role.", ("incident",),
           group="Incident", why_not=disabled.open_incident),
    Action("its_tokens", ("equals_sign",), "its tokens",
           "The inventory with the tokens of its scope only.", ("incident",), 2,
           group="Incident"),
    Action("story", ("1",), "its timeline",
           "Exposure, use, what was done, and notes, oldest first.", ("incident",),
           group="Incident"),
    Action("handover", ("2",), "hand-over",
           "What is open, what was decided and why, and what to watch.", ("incident",),
           group="Incident"),
    Action("further", ("3",), "can read",
           "Ask what its tokens can read, and take in the tokens whose values lie there.",
           ("incident",), group="Incident", why_not=disabled.open_incident),
    Action("pack", ("W",), "evidence pack",
           "Write all that is known of it into a directory that others can check.",
           ("incident",), 7, group="Incident", sense="export", why_not=disabled.needs_worker),
    Action("close_incident", (CLOSE,), "close",
           "Close the incident, and say why it cannot be; or open a closed one again.",
           ("incident",), 9, group="Incident", sense="close", why_not=disabled.needs_worker),
    Action("second", (SECOND,), "approve", "Approve as second person what somebody else approved.",
           ("run",), 2, danger=True, group="Run", why_not=disabled.second),
    Action("glass", ("exclamation_mark",), "break glass",
           "Do without the second person. Journaled first, and shown in red.",
           ("run",), danger=True, group="Run", why_not=disabled.glass),
    Action("close", (CLOSE,), "close", "Declare the run done; says why it cannot be.",
           ("run",), 8, group="Run", why_not=disabled.close),
    Action("abort", ("Z",), "abort", "End the run for good, whatever is left.",
           ("run",), danger=True, group="Run", why_not=disabled.going),
    Action("graph", ("g",), "graph", "Who owns it, what it may do, and what uses it.",
           ("inventory", "token", "intake"), 7, why_not=disabled.needs_token),
    Action("leak", ("L",), "leak", "What a leak of it reaches, each with its proof; or no longer.",
           ("graph",), 2, group="Graph", why_not=disabled.leaking),
    Action("xray", ("x",), "xray", "The tree of what it leads to.", ("graph", "xray"), 3,
           group="Graph", why_not=disabled.a_node),
    Action("breaks", ("X",), "above", "The tree of what leads to it, back to its owners.",
           ("graph", "xray"), 4, group="Graph", why_not=disabled.a_node),
    Action("dies", ("D",), "if it goes", "What dies, breaks or is orphaned if this one goes.",
           ("graph",), 5, group="Graph", why_not=disabled.leaving),
    Action("all_edges", ("m",), "all edges", "All edges at once, or the cursor's only.",
           ("graph",), 6, group="Graph", why_not=disabled.all_edges),
    Action("assign", ("o",), "owner", "Make somebody answer for the token; journaled.",
           ("graph",), 7, group="Graph", why_not=disabled.acting),
    Action("export", ("W",), "export", "Write it as DOT, Mermaid or JSON.", ("graph",), 8,
           group="Graph", why_not=disabled.drawn, sense="export"),
    Action("whole", ("asterisk",), "everything", "The graph of everything; esc goes back.",
           ("graph",), group="Graph"),
    Action("timeline", ("t",), "timeline", "What it did and when; of all that are marked.",
           ACTING, 5, why_not=disabled.needs_tokens),
    Action("zoom", ("enter",), "zoom, list",
           "Zoom to what is under the brush; without one, list the bin's events.",
           ("timeline",), 1, group="Time", sense="into"),
    Action("brush", ("v",), "brush", "Begin a brush at the cursor, or take it away.",
           ("timeline",), 2, group="Time"),
    Action("out", ("backspace", "ctrl+h"), "out", "Back to the wider window.", ("timeline",), 3,
           group="Time"),
    Action("lanes", ("tab",), "lanes", "Lanes by token, actor, address or action.",
           ("timeline",), 4, group="Time"),
    Action("set_leak", (SET_LEAK,), "leak time", "Say when it leaked: 2h, 3d, or a time in UTC.",
           ("timeline",), 5, group="Time"),
    Action("follow", ("F",), "follow", "Stay at the newest as it comes in.", ("timeline",), 6,
           group="Time"),
    Action("log_scale", ("Y",), "log scale", "Bars on a logarithmic scale, or a linear one.",
           ("timeline",), 7, group="Time"),
    Action("bin_left", ("left",), "left", "One bin to the left.", ("timeline",), group="Time",
           sense="left"),
    Action("bin_right", ("right",), "right", "One bin to the right.", ("timeline",),
           group="Time", sense="right"),
    Action("bins_left", ("shift+left", "less_than_sign"), "ten left", "Ten bins to the left.",
           ("timeline",), group="Time"),
    Action("bins_right", ("shift+right", "greater_than_sign"), "ten right",
           "Ten bins to the right.", ("timeline",), group="Time"),
    Action("next_burst", ("right_square_bracket",), "next burst", "To where use begins or jumps.",
           ("timeline",), group="Time"),
    Action("previous_burst", ("left_square_bracket",), "last burst",
           "Back to where use began or jumped.", ("timeline",), group="Time"),
    Action("to_leak", ("left_parenthesis",), "to leak", "To the time of the leak.", ("timeline",),
           group="Time", why_not=disabled.leak),
    Action("to_revoke", ("right_parenthesis",), "to revoke", "To when it was revoked.",
           ("timeline",), group="Time", why_not=disabled.revoked),
    Action("reset", ("0",), "reset", "The window that this began with.", ("timeline",),
           group="Time"),
    Action("mark", ("space",), "mark", "Mark the token, or take the mark away.",
           ("inventory",), 3, group="Mark", why_not=disabled.needs_token),
    Action("mark_range", ("ctrl+space", "ctrl+@"), "mark range",
           "Mark from the last mark to the cursor.",
           ("inventory",), group="Mark", why_not=disabled.needs_token),
    Action("unmark", ("ctrl+backslash",), "unmark all", "Take all marks away.",
           ("inventory",), group="Mark", why_not=disabled.needs_marks),
    Action("sort", ("s",), "sort", "Choose the column to sort by.", ("inventory",),
           group="Sort"),
    Action("columns", ("vertical_line",), "columns",
           "Choose the columns; remembered for next time.", ("inventory",), group="Sort"),
    *_sorts(),
    Action("intake", ("I",), "secret in hand",
           "Paste a leaked secret or a scanner's report: whose it is, and what to do.",
           VIEWS, group="Find", why_not=disabled.needs_worker),
    Action("try", ("Q",), "try value",
           "Use the leaked value once, to learn whether it works. Says what that does, asks.",
           ("intake",), 2, danger=True, group="Act", why_not=disabled.trying),
    Action("backends", ("b",), "backends", "How each backend is, and what it can do.",
           tuple(view for view in VIEWS if view != "backends"), 9),
    Action("journal", ("J",), "journal", "Every action: intent, outcome, evidence.",
           tuple(view for view in VIEWS if view != "journal"), 10),
    Action("runs", ("l",), "runs", "Every plan that was made, and how far its run is.",
           tuple(view for view in VIEWS if view != "runs"), 8),
    Action("incidents", ("M",), "incidents", "Why we act: open incidents, and closed ones.",
           tuple(view for view in VIEWS if view != "incidents"), 0),
    Action("inventory", ("i",), "inventory", "The list of tokens.", VIEWS[1:]),
    Action("last", ("-",), "last view", "The view before this one, and this one again.", VIEWS,
           why_not=disabled.before),
    Action("kinds", ("f",), "kinds", "Show one kind of entry only.", ("journal",), 3,
           group="Find"),
    Action("raw", ("number_sign",), "raw", "Show the entry's exact stored bytes.", ("journal",), 4),
    Action("verify", ("V",), "verify", "Check the whole journal now; what is wrong and what to do.",
           ("journal",), 5),
    Action("reread", ("r",), "read again", "Ask its system again, as it is now.",
           ("token", "intake"), 2,
           why_not=disabled.needs_worker, sense="again"),
    Action("refresh", ("r",), "refresh", "Ask the backends again now.",
           ("inventory", "backends"), 11, why_not=disabled.needs_worker, sense="again"),
    Action("down", ("down", "j"), "down", "One down.", VIEWS, group="Move"),
    Action("up", ("up", "k"), "up", "One up.", VIEWS, group="Move"),
    Action("page_down", ("pagedown", "ctrl+f"), "page down", "One page down.", VIEWS,
           group="Move"),
    Action("page_up", ("pageup", "ctrl+b"), "page up", "One page up.", VIEWS, group="Move"),
    Action("half_down", ("ctrl+d",), "half down", "Half a page down.", VIEWS, group="Move"),
    Action("half_up", ("ctrl+u",), "half up", "Half a page up.", VIEWS, group="Move"),
    Action("left", ("left",), "left", "To the column on the left.", ("graph",),
           group="Move"),
    Action("right", ("right",), "right", "To the column on the right.", ("graph",),
           group="Move"),
    Action("top", ("home",), "first", "To the first line.", VIEWS, group="Move"),
    Action("bottom", ("end",), "last", "To the last line.", VIEWS, group="Move"),
    Action("back", ("escape", "ctrl+c"), "back",
           "Where one came from; a filter, marks or a brush go first.", VIEWS, 12,
           why_not=disabled.back),
    Action("palette", (":",), "command", "Choose an action by its name.", VIEWS),
    Action("help", ("?",), "help", "What the keys do here, and why some do not.",
           VIEWS[:-1], 13),
    Action("redraw", ("ctrl+l",), "redraw",
           "Send the whole screen again, where something else wrote over it.", VIEWS),
    Action("quit", ("q", "ctrl+q"), "quit", "Leave; runs that were started go on.", VIEWS),
)  # fmt: skip
BY_ID = {action.id: action for action in ACTIONS}


def key_names(action: Action) -> list[str]:
    """The keys as a person would say them."""
    return [name for key in action.keys if (name := KEY_NAMES.get(key, key))]


def key(id_: str) -> str:
    """The key of an action as a person would say it, for what is said elsewhere."""
    return key_names(BY_ID[id_])[0]


def elsewhere(key_: str, view: str) -> str:
    """What to say of a key that does nothing in a view: its character, or Textual's name."""
    said = spoken(key_) or key_
    does = [action for action in ACTIONS if said in key_names(action)]
    if not does:
        return f"{said}: no key of this view; {key('help')} lists them"
    views = dict.fromkeys(name for action in does for name in action.where)
    label = " or ".join(dict.fromkeys(action.label for action in does))
    return f"{label}: not in the {view} view; {said} is a key of: {', '.join(views)}"


def here(view: str) -> list[Action]:
    """The actions of a view, in the order of help."""
    return [action for action in ACTIONS if view in action.where]


def footer(context: Context) -> list[Action]:
    """The actions for the last line: only those that work now."""
    shown = [
        action for action in here(context.view)
        if action.footer and not action.disabled_reason(context)
    ]  # fmt: skip
    return sorted(shown, key=lambda action: action.footer)


def matching(text: str, context: Context) -> list[Action]:
    """The actions whose name begins with the text, then those that contain it."""
    wanted = text.strip().lower()
    offered = [action for action in here(context.view) if action.group != "Move"]
    first = [action for action in offered if action.label.startswith(wanted)]
    inside = [a for a in offered if wanted in a.label and a not in first]
    told = [a for a in offered if wanted in a.tooltip.lower() and a not in first + inside]
    return first + inside + (told if wanted else [])


def key_table_markdown() -> str:
    """The table of keys for the README."""
    rows = ["| key | what it does | where |", "| --- | --- | --- |"]
    for action in ACTIONS:
        keys = " ".join(f"`{name}`" for name in key_names(action))
        where = "everywhere" if set(VIEWS) <= {*action.where, "help"} else ", ".join(action.where)
        danger = " (asks first)" if action.danger else ""
        rows.append(f"| {keys} | {action.tooltip}{danger} | {where} |")
    return "\n".join(rows) + "\n"
