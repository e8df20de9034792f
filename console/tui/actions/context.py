"""What is true where a key would be pressed.

What every view has stands in ``Context``; what only some have is a part of its own, which a
view without it leaves out. A reason against an action takes the part that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple


class TokenContext(NamedTuple):
    """The token under the cursor, or the one whose page is open."""

    backend: str = ""
    kind: str = ""
    gone: bool = False
    """It is not in its system any more."""
    ended: str = ""
    """Its state where it is over: revoked or expired."""
    can_act: bool | None = False
    """Whether we may act on its backend; None while our own worker was not told."""
    verbs: Mapping[str, str] = MappingProxyType({})
    """The backend's declared support for each verb on this kind, by the verb's name."""


class RunContext(NamedTuple):
    """The run that a view is about, and what of it is under the cursor."""

    standing: str = ""
    """Where it stands, in the words of ``run.reader``; empty while it is being read."""
    second: bool = False
    """It waits for a second person."""
    working: bool = False
    """Its runner is at work on this machine."""
    halted: int = 0
    """How many of its lanes have halted."""
    late: int = 0
    """How many tokens came after its scope was frozen."""
    item: Literal["", "item", "late"] = ""
    """What is under the cursor: a planned token, one that came late, or nothing."""
    rotates: bool = False
    """Its tokens get new values."""
    closing: str = ""
    """Why it cannot be closed; empty when it can."""


class TimelineContext(NamedTuple):
    """What a timeline knows of its tokens' story."""

    leak: bool = False
    """It is told when the token leaked."""
    revoked: bool = False
    """It is known when the token was revoked."""


class IncidentContext(NamedTuple):
    """The incident that a view is about."""

    closed: bool = False
    """It is closed: it takes notes, and nothing else before it is opened again."""
    read: bool = False
    """It is known how it stands."""


class GraphContext(NamedTuple):
    """What is under the cursor of a graph, and what can be drawn."""

    node: str = ""
    """The side of the node under the cursor, ``group`` for several, or nothing."""
    leaks: bool = False
    """There is a token whose leak can be shown, or one is shown."""
    crowded: str = ""
    """Why not all edges can be shown at once; empty where they can."""


class Context(NamedTuple):
    """What every view can say of itself, and the part that is its own."""

    view: str = "inventory"
    act: bool = False
    """The console was started to act, and not only to look."""
    worker: bool = True
    """The process that talks to the backends is there."""
    journal: str = ""
    """Why nothing can be sent on the journal as it is; empty where something can."""
    watched: bool = False
    """A run is being watched, and this view shows it."""
    behind: bool = False
    """There is a view to go back to."""
    before: str = ""
    """The view that was in front before this one; empty where no other was opened yet."""
    marks: int = 0
    """How many tokens are marked."""
    filtered: bool = False
    """Something narrows or covers what the view shows, which escape takes away first."""
    untried: str = ""
    """Why the value in hand cannot be tried, where the view is about one."""
    empty: bool = False
    """There is nothing under the cursor that could be opened."""
    token: TokenContext | None = None
    run: RunContext | None = None
    timeline: TimelineContext | None = None
    graph: GraphContext | None = None
    incident: IncidentContext | None = None
    working_on: str = ""
    """The id of the incident that this user is at work on; empty for none."""
