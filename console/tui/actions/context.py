"""What is true where a key would be pressed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


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
    can_act: bool | None = False
    """Whether we may act on the token's backend; None while our own worker was not told."""
    verbs: Mapping[str, str] = MappingProxyType({})
    """The backend's declared support for each verb on this kind, by the verb's name."""
    kind: str = ""
    marks: int = 0
    filtered: bool = False
    journal: str = ""
    """Why nothing can be sent on the journal as it is; empty where something can."""
    run: bool = False
    """A run is being watched, and this view shows it."""
    behind: bool = False
    """There is a view to go back to."""
    before: str = ""
    """The view that was in front before this one; empty where no other was opened yet."""
    standing: str = ""
    """Where the run in this view stands, in the words of ``run_reader``; empty for none."""
    second: bool = False
    """The run waits for a second person."""
    working: bool = False
    """The run's runner is at work on this machine."""
    halted: int = 0
    late: int = 0
    item: str = ""
    """What is under the cursor of a run: ``item``, ``late``, or nothing."""
    rotates: bool = False
    closing: str = ""
    """Why the run cannot be closed; empty when it can."""
    leak: bool = False
    """It is told when the token leaked."""
    revoked: bool = False
    """The timeline knows when the token was revoked."""
    node: str = ""
    """What is under the cursor of a graph: its side, ``group``, or nothing."""
    leaks: bool = False
    """There is a token whose leak can be shown, or one is shown."""
    crowded: str = ""
    """Why not all edges of a graph can be shown at once."""
