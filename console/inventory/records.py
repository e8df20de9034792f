"""What is read from the store. All times are unix seconds, UTC."""

from __future__ import annotations

from typing import NamedTuple

from backends.contract import Capabilities
from backends.model import Gap, Token


class Row(NamedTuple):
    """One line of a list. A value that is None says in its ``*_how`` why."""

    rowid: int
    handle: str
    backend: str
    kind: str
    id: str
    name: str
    state: str
    presence: str
    """"present" or "gone"."""
    owner_how: str
    owner: str | None
    principal_how: str
    principal: str | None
    created_how: str
    created_at: int | None
    used_how: str
    used_at: int | None
    used_from: str | None
    expires_how: str
    expires_at: int | None
    grants_how: str
    grants: int | None
    """How many there are."""
    first_seen: int
    changed_at: int
    change: str
    """The kind of the last change; empty when nothing was seen to change."""


class Sort(NamedTuple):
    """An order. Ages and times since ascend from the youngest; nobody-knows is always last."""

    column: str = "name"
    descending: bool = False


class Detail(NamedTuple):
    """One token with everything that is known of it."""

    row: Row
    token: Token
    first_seen: int
    last_seen: int
    gone_at: int | None


class Change(NamedTuple):
    """One entry of a token's history."""

    at: int
    kind: str
    field: str
    before: str
    after: str
    source: str


class Event(NamedTuple):
    """One audit event of a token."""

    at: int
    action: str
    outcome: str
    actor: str
    target: str
    source: str
    agent: str
    origin: str
    detail: str
    sort: str
    """life, permission, use, denied or other."""


class BackendState(NamedTuple):
    """A backend as it was when it was last looked at, by whatever process."""

    name: str
    type: str
    result: str
    """ok, partial or failed, as the last look ended; running during the first; or never."""
    synced_at: int | None
    """The last look that came to its end; what is shown is as old as this."""
    tried_at: int | None
    tokens: int
    gone: int
    error: str
    hint: str
    gaps: list[Gap]
    capabilities: Capabilities | None
    events_since: int | None
    events_until: int | None
    event_at: int | None
    running: bool = False
    """A look at it goes on at this moment."""


NEVER = BackendState(
    name="",
    type="",
    result="never",
    synced_at=None,
    tried_at=None,
    tokens=0,
    gone=0,
    error="",
    hint="",
    gaps=[],
    capabilities=None,
    events_since=None,
    events_until=None,
    event_at=None,
)
"""A backend that was never looked at."""
