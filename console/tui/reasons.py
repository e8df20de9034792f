"""Why an action cannot be done here and now, in words; empty where it can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.tui.actions import Context

OVER = ("closed", "aborted")


def _key(id_: str) -> str:
    from console.tui.actions import key

    return key(id_)


def always(context: Context) -> str:
    return ""


def needs_token(context: Context) -> str:
    return "" if context.token else "no token is under the cursor"


def needs_worker(context: Context) -> str:
    return "" if context.worker else "the backend process is not running"


def needs_marks(context: Context) -> str:
    return "" if context.marks else "nothing is marked"


def leak(context: Context) -> str:
    return (
        "" if context.leak else f"the time of the leak is not told yet; {_key('set_leak')} tells it"
    )


def revoked(context: Context) -> str:
    return "" if context.revoked else "no revocation is known"


def back(context: Context) -> str:
    if context.behind or context.filtered or context.marks or context.run:
        return ""
    return "there is nothing behind the list of tokens; q leaves"


def before(context: Context) -> str:
    return "" if context.before else "no other view was opened yet"


# Acting on tokens


def sending(context: Context) -> str:
    """What keeps the console from sending anything at all."""
    if not context.act:
        return "started without --act"
    return context.journal or needs_worker(context)


def acting(context: Context) -> str:
    if not context.token and context.marks < 2:
        return "no token is under the cursor"
    return sending(context)


def verb(name: str) -> Callable[[Context], str]:
    """The reasons against a verb. Of several marked tokens, the plan says it one by one."""

    def why_not(context: Context) -> str:
        if why := acting(context):
            return why
        return "" if context.marks > 1 else _on_one(name, context)

    return why_not


def _on_one(name: str, context: Context) -> str:
    if context.gone:
        return "the token is gone from its system"
    if context.ended:
        return f"the token is {context.ended}"
    support = context.verbs.get(name, "unknown")
    if support == "manual":
        # A person does it, by the card that the plan shows; no credential is needed.
        return ""
    if context.can_act is False:
        return f"{context.backend} has no credential to act with"
    if support == "none":
        return f"{context.backend} cannot {name} {context.kind}"
    if support not in ("full", "partial"):
        return f"{context.backend} declares no way to {name} {context.kind}"
    return ""


# Deciding about runs


def a_run(context: Context) -> str:
    return "" if context.standing else "the run is being read"


def _not_closed(context: Context) -> str:
    if not context.standing:
        return a_run(context)
    if context.standing == "closed":
        return "the run is closed"
    if context.standing == "not approved":
        return "the plan was not approved"
    return sending(context)


def going(context: Context) -> str:
    if context.standing == "aborted":
        return "the run was aborted"
    return _not_closed(context)


def pause(context: Context) -> str:
    from console.response.report import NOT_OVER, NOTHING_LEFT

    if context.standing in (NOTHING_LEFT, NOT_OVER):
        return f"nothing is left to do; {_key('close')} closes it"
    return going(context)


def start(context: Context) -> str:
    if context.working:
        return "its runner is at work"
    if context.second:
        return f"a second person has to approve first: {_key('second')}, on their own login"
    return pause(context)


def unhalt(context: Context) -> str:
    if why := going(context):
        return why
    return "" if context.halted else "no lane has halted"


def except_(context: Context) -> str:
    if not context.item:
        return "no token of the run is under the cursor"
    return _not_closed(context)


def waive(context: Context) -> str:
    if context.item != "item":
        return "no planned token is under the cursor"
    if not context.rotates:
        return "only a rotation waits for consumers to move"
    return pause(context)


def take_in(context: Context) -> str:
    if why := going(context):
        return why
    return "" if context.late else "nothing came after the scope was frozen"


def second(context: Context) -> str:
    if why := going(context):
        return why
    return "" if context.second else "no second person is waited for"


def glass(context: Context) -> str:
    return second(context)


def close(context: Context) -> str:
    return _not_closed(context) or context.closing


# The graph


def a_node(context: Context) -> str:
    if context.view == "xray":
        return ""
    if context.node == "group":
        return "several are folded here; enter unfolds them"
    return "" if context.node else "nothing is under the cursor"


def leaking(context: Context) -> str:
    return "" if context.leaks else "only a token leaks; put the cursor on one"


def leaving(context: Context) -> str:
    if context.node == "grant":
        return "a grant does not go; its tokens and owners do"
    return a_node(context)


def all_edges(context: Context) -> str:
    return context.crowded or drawn(context)


def drawn(context: Context) -> str:
    return "" if context.node else "there is nothing to draw"
