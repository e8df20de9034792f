"""Why an action cannot be done here and now, in words; empty where it can be."""

from __future__ import annotations

from collections.abc import Callable

from console.tui.actions.context import (
    Context,
    GraphContext,
    IncidentContext,
    RunContext,
    TimelineContext,
    TokenContext,
)
from console.tui.actions.keys import CLOSE, SECOND, SET_LEAK, spoken

NO_RUN, NO_TIMELINE, NO_GRAPH = RunContext(), TimelineContext(), GraphContext()
NO_INCIDENT = IncidentContext()
"""What a reason reads where the view has no such part, or has not read it yet."""


def always(context: Context) -> str:
    """Nothing is ever against it."""
    return ""


def needs_token(context: Context) -> str:
    """It is about the token under the cursor."""
    return "" if context.token else "no token is under the cursor"


def needs_tokens(context: Context) -> str:
    """It is about the token under the cursor, or about all that are marked."""
    return "" if context.marks else needs_token(context)


def openable(context: Context) -> str:
    """It opens what is under the cursor."""
    return "nothing that opens is under the cursor" if context.empty else ""


def needs_worker(context: Context) -> str:
    """Only the process that talks to the backends can do it."""
    return "" if context.worker else "the backend process is not running"


def open_incident(context: Context) -> str:
    """It changes the incident, which has to be open."""
    if reason := needs_worker(context):
        return reason
    return "the incident is closed" if (context.incident or NO_INCIDENT).closed else ""


def into_incident(context: Context) -> str:
    """There has to be a token, and a worker to write it down."""
    if not context.marks and (reason := needs_token(context)):
        return reason
    return needs_worker(context)


def needs_marks(context: Context) -> str:
    """It is about the marks in the list."""
    return "" if context.marks else "nothing is marked"


def leak(context: Context) -> str:
    """It goes to the time of the leak."""
    if (context.timeline or NO_TIMELINE).leak:
        return ""
    return f"the time of the leak is not told yet; {spoken(SET_LEAK)} tells it"


def revoked(context: Context) -> str:
    """It goes to the time of the revocation."""
    return "" if (context.timeline or NO_TIMELINE).revoked else "no revocation is known"


def back(context: Context) -> str:
    """There has to be something that escape can take away, or go back to."""
    if context.behind or context.filtered or context.marks or context.watched:
        return ""
    return "there is nothing behind the list of tokens; q leaves"


def before(context: Context) -> str:
    """It goes to and fro between two views."""
    return "" if context.before else "no other view was opened yet"


# Acting on tokens


def sending(context: Context) -> str:
    """What keeps the console from sending anything at all."""
    if not context.act:
        return "started without --act"
    return context.journal or needs_worker(context)


def acting(context: Context) -> str:
    """It acts on a token, or on all that are marked."""
    if not context.token and context.marks < 2:
        return "no token is under the cursor"
    return sending(context)


def trying(context: Context) -> str:
    """It uses the value that a card is of."""
    return context.untried or sending(context)


def verb(name: str) -> Callable[[Context], str]:
    """The reasons against a verb. Of several marked tokens, the plan says it one by one."""

    def why_not(context: Context) -> str:
        if why := acting(context):
            return why
        if context.token is None or context.marks > 1:
            return ""
        return _on_one(name, context.token)

    return why_not


def _on_one(name: str, token: TokenContext) -> str:
    if token.gone:
        return "the token is gone from its system"
    if token.ended:
        return f"the token is {token.ended}"
    support = token.verbs.get(name, "unknown")
    if support == "manual":
        # A person does it, by the card that the plan shows; no credential is needed.
        return ""
    if token.can_act is False:
        return f"{token.backend} has no credential to act with"
    if support == "none":
        return f"{token.backend} cannot {name} {token.kind}"
    if support not in ("full", "partial"):
        return f"{token.backend} declares no way to {name} {token.kind}"
    return ""


# Deciding about runs


def a_run(context: Context) -> str:
    """It is about a run, whose entries have to be read first."""
    return "" if (context.run or NO_RUN).standing else "the run is being read"


def _not_closed(context: Context) -> str:
    run = context.run or NO_RUN
    if not run.standing:
        return a_run(context)
    if run.standing == "closed":
        return "the run is closed"
    if run.standing == "not approved":
        return "the plan was not approved"
    return sending(context)


def going(context: Context) -> str:
    """It is for a run that was approved and has not ended."""
    if (context.run or NO_RUN).standing == "aborted":
        return "the run was aborted"
    return _not_closed(context)


def pause(context: Context) -> str:
    """It is for a run that still has something to do."""
    from console.response.state.report import NOT_OVER, NOTHING_LEFT

    if (context.run or NO_RUN).standing in (NOTHING_LEFT, NOT_OVER):
        return f"nothing is left to do; {spoken(CLOSE)} closes it"
    return going(context)


def start(context: Context) -> str:
    """A run has one runner at a time, and its second person's word where it needs that."""
    run = context.run or NO_RUN
    if run.working:
        return "its runner is at work"
    if run.second:
        return f"a second person has to approve first: {spoken(SECOND)}, on their own login"
    return pause(context)


def unhalt(context: Context) -> str:
    """It is for a lane that has halted."""
    if why := going(context):
        return why
    return "" if (context.run or NO_RUN).halted else "no lane has halted"


def except_(context: Context) -> str:
    """It is about one token of the run, planned or late."""
    if not (context.run or NO_RUN).item:
        return "no token of the run is under the cursor"
    return _not_closed(context)


def waive(context: Context) -> str:
    """It is about one planned token of a rotation."""
    run = context.run or NO_RUN
    if run.item != "item":
        return "no planned token is under the cursor"
    if not run.rotates:
        return "only a rotation waits for consumers to move"
    return pause(context)


def take_in(context: Context) -> str:
    """It is about what came after the scope was frozen."""
    if why := going(context):
        return why
    return "" if (context.run or NO_RUN).late else "nothing came after the scope was frozen"


def second(context: Context) -> str:
    """It is for a run that waits for a second person."""
    if why := going(context):
        return why
    return "" if (context.run or NO_RUN).second else "no second person is waited for"


def glass(context: Context) -> str:
    """It does without the second person, so one has to be waited for."""
    return second(context)


def close(context: Context) -> str:
    """The run itself knows what it still waits for."""
    return _not_closed(context) or (context.run or NO_RUN).closing


# The graph


def a_node(context: Context) -> str:
    """It is about the single node under the cursor; a tree has one by itself."""
    if context.view == "xray":
        return ""
    node = (context.graph or NO_GRAPH).node
    if node == "group":
        return "several are folded here; enter unfolds them"
    return "" if node else "nothing is under the cursor"


def leaking(context: Context) -> str:
    """It is about a token's leak."""
    if (context.graph or NO_GRAPH).leaks:
        return ""
    return "only a token leaks; put the cursor on one"


def leaving(context: Context) -> str:
    """It is about somebody or something that can go."""
    if (context.graph or NO_GRAPH).node == "grant":
        return "a grant does not go; its tokens and owners do"
    return a_node(context)


def all_edges(context: Context) -> str:
    """All edges have to fit the screen."""
    return (context.graph or NO_GRAPH).crowded or drawn(context)


def drawn(context: Context) -> str:
    """It is about the picture, so there has to be one."""
    return "" if (context.graph or NO_GRAPH).node else "there is nothing to draw"
