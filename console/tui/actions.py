"""Everything a responder can do here, one row of data each.

Keys, the footer, help, the palette, the README's key table and the tests all read these
rows. An action that cannot be done is shown with the reason, never hidden. Imports no
Textual, so that the documentation can be made without a screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from console.tui.columns import CHANGED_KEY, COLUMNS

VIEWS = ("inventory", "token", "backends", "journal", "help")
LISTS = ("inventory", "backends", "journal")


class Context(NamedTuple):
    """What is true where a key would be pressed."""

    view: str = "inventory"
    act: bool = False
    worker: bool = True
    """The process that talks to the backends is there."""
    token: bool = False
    """A token is under the cursor, or its page is open."""
    gone: bool = False
    ended: str = ""
    """The token's state where it is over: revoked or expired."""
    backend: str = ""
    can_act: bool = False
    """The token's backend has a credential to act with."""
    revoke: str = "unknown"
    """The backend's declared support for revoking this kind."""
    kind: str = ""
    marks: int = 0
    filtered: bool = False
    journal: str = ""
    """Why nothing can be sent on the journal as it is; empty where something can."""
    run: bool = False
    """A run is being watched."""


def _always(context: Context) -> str:
    return ""


def _needs_token(context: Context) -> str:
    return "" if context.token else "no token is under the cursor"


def _needs_worker(context: Context) -> str:
    return "" if context.worker else "the backend process is not running"


def _needs_marks(context: Context) -> str:
    return "" if context.marks else "nothing is marked"


def _back(context: Context) -> str:
    if context.view == "inventory" and not (context.filtered or context.marks or context.run):
        return "there is nothing behind the list of tokens; q leaves"
    return ""


def _revoke(context: Context) -> str:
    if not context.act:
        return "started without --act"
    if context.journal:
        return context.journal
    if context.marks > 1:
        return f"{context.marks} are marked: one token at a time in this version"
    if not context.token:
        return "no token is under the cursor"
    if context.gone:
        return "the token is gone from its system"
    if context.ended:
        return f"the token is {context.ended}"
    if not context.can_act:
        return f"{context.backend} has no credential to act with"
    if context.revoke == "manual":
        return f"{context.backend} cannot revoke {context.kind} by its API, only a person can"
    if context.revoke not in ("full", "partial"):
        return f"{context.backend} declares no way to revoke {context.kind}"
    return _needs_worker(context)


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
    why_not: Callable[[Context], str] = _always

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
           ("inventory", "journal"), 1, group="Find"),
    Action("open", ("enter",), "open", "Open what is under the cursor.",
           ("inventory", "backends", "journal"), 2),
    Action("revoke", ("K",), "revoke",
           "Plan a revoke; asks before anything is sent.",
           ("inventory", "token"), 5, danger=True, needs="revoke", group="Act", why_not=_revoke),
    Action("mark", ("space",), "mark", "Mark the token, or take the mark away.",
           ("inventory",), 3, group="Mark", why_not=_needs_token),
    Action("mark_range", ("ctrl+space", "ctrl+@"), "mark range",
           "Mark from the last mark to the cursor.",
           ("inventory",), group="Mark", why_not=_needs_token),
    Action("unmark", ("ctrl+backslash",), "unmark all", "Take all marks away.",
           ("inventory",), group="Mark", why_not=_needs_marks),
    Action("sort", ("s",), "sort", "Choose the column to sort by.", ("inventory",), 4,
           group="Sort"),
    Action("columns", ("v",), "columns", "Choose the columns; remembered for next time.",
           ("inventory",), group="Sort"),
    *_sorts(),
    Action("backends", ("b",), "backends", "How each backend is, and what it can do.",
           ("inventory", "token", "journal", "help"), 6),
    Action("journal", ("J",), "journal", "Every action: intent, outcome, evidence.",
           ("inventory", "token", "backends", "help"), 7),
    Action("inventory", ("i",), "inventory", "Back to the list of tokens.",
           ("token", "backends", "journal", "help")),
    Action("last", ("-",), "last view", "The view before this one.", VIEWS),
    Action("kinds", ("f",), "kinds", "Show one kind of entry only.", ("journal",), 3,
           group="Find"),
    Action("raw", ("x",), "raw", "Show the entry's exact stored bytes.", ("journal",), 4),
    Action("verify", ("V",), "verify", "Check the whole journal now; what is wrong and what to do.",
           ("journal",), 5),
    Action("reread", ("r",), "read again", "Ask the system for this token again.", ("token",), 2,
           why_not=_needs_worker),
    Action("refresh", ("r",), "refresh", "Ask the backends again now.",
           ("inventory", "backends"), 8, why_not=_needs_worker),
    Action("down", ("down", "j"), "down", "One down.", VIEWS, group="Move"),
    Action("up", ("up", "k"), "up", "One up.", VIEWS, group="Move"),
    Action("page_down", ("pagedown", "ctrl+f"), "page down", "One page down.", VIEWS,
           group="Move"),
    Action("page_up", ("pageup", "ctrl+b"), "page up", "One page up.", VIEWS, group="Move"),
    Action("half_down", ("ctrl+d",), "half down", "Half a page down.", VIEWS, group="Move"),
    Action("half_up", ("ctrl+u",), "half up", "Half a page up.", VIEWS, group="Move"),
    Action("top", ("home",), "first", "To the first line.", VIEWS, group="Move"),
    Action("bottom", ("end",), "last", "To the last line.", VIEWS, group="Move"),
    Action("back", ("escape", "ctrl+c"), "back", "Leave this; clears a filter first.", VIEWS, 9,
           why_not=_back),
    Action("palette", (":",), "command", "Choose an action by its name.", VIEWS),
    Action("help", ("?",), "help", "What the keys do here, and why some do not.",
           ("inventory", "token", "backends", "journal"), 10),
    Action("quit", ("q", "ctrl+q"), "quit", "Leave; runs that were started go on.", VIEWS),
)  # fmt: skip
BY_ID = {action.id: action for action in ACTIONS}

KEY_NAMES = {
    "ctrl+@": "",  # What a terminal sends for ctrl+space; one name is enough for people.
    "ctrl+backslash": "ctrl+\\",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
    "down": "down",
}


def key_names(action: Action) -> list[str]:
    """The keys as a person would say them."""
    return [name for key in action.keys if (name := KEY_NAMES.get(key, key))]


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
