"""The tables of the inventory: tokens with their records and history, and their backends.

A cache of what the backends said, except for the history.
"""

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel


class TokenRow(SQLModel, table=True):
    """One token, as far as lists, sorting and searching need it."""

    __tablename__ = "token"
    __table_args__ = (
        Index("ix_token_handle", "handle", unique=True),
        Index("ix_token_name", "name_key"),
        Index("ix_token_backend", "backend", "name_key"),
        Index("ix_token_owner", "owner_key", "name_key"),
        Index("ix_token_status", "status", "name_key"),
        Index("ix_token_kind", "kind", "name_key"),
        Index("ix_token_created", "created_at"),
        Index("ix_token_used", "used_key"),
        Index("ix_token_expires", "expires_key"),
        Index("ix_token_grants", "grants"),
        Index("ix_token_changed", "changed_at"),
    )

    num: int = Field(primary_key=True)
    handle: str
    backend: str
    kind: str
    ref: str
    name: str
    name_key: str
    scope: str
    state: str
    status: str
    """The state, or "gone"."""
    owner_how: str
    owner: str | None
    owner_key: str | None
    principal_how: str
    principal: str | None
    created_how: str
    created_at: int | None
    used_how: str
    used_at: int | None
    used_key: int | None
    used_from: str | None
    expires_how: str
    expires_at: int | None
    expires_key: int | None
    grants_how: str
    grants: int | None
    first_seen: int
    appeared_at: int | None
    """When it was new; NULL for what stood there when its backend was first looked at."""
    last_seen: int | None
    """Set while the latest look did not see it; NULL means "seen by the latest look"."""
    read_at: int | None
    """When it was last read on its own."""
    gone_at: int | None
    changed_at: int
    change: str
    digest: bytes = Field(sa_type=LargeBinary)
    """Of the document without its as-of times: equal means that nothing needs writing."""
    hay: str
    """What free text searches, folded."""
    grant_text: str
    """The names of the grants, folded, each between two newlines."""
    owner_from: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Who says so: hand or declared; empty where it is the backend's own word."""
    owner_gone: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Why the owner answers for nothing any more: left or disabled; else empty."""


class DocumentRow(SQLModel, table=True):
    """A token's whole record in JSON, apart so that walks over ``token`` stay short."""

    __tablename__ = "document"

    num: int = Field(primary_key=True)
    doc: bytes = Field(sa_type=LargeBinary)
    kept: bytes | None = Field(sa_type=LargeBinary)
    """The last good readings of what can no longer be read; history compares with them."""


class ChangeRow(SQLModel, table=True):
    """One thing that became different."""

    __tablename__ = "change"
    __table_args__ = (Index("ix_change_token", "token"),)

    id: int = Field(primary_key=True)
    token: int
    at: int
    kind: str
    field: str
    before: str
    after: str
    source: str


class BackendRow(SQLModel, table=True):
    """A backend as it was when last looked at. ``result`` is of the last look that ended.

    Whoever looked may have had other credentials than the reader of this row: what the
    backend tells a process about itself and its rights is not in here (``console.contact``).
    """

    __tablename__ = "backend"

    name: str = Field(primary_key=True)
    type: str
    result: str
    error: str
    hint: str
    tried_at: int | None
    synced_at: int | None
    """The last look that came to its end, with or without gaps."""
    running_pid: int | None
    skew_ms: int | None
    """How far the clock that dates its events was ahead of the clock that read them."""
    capabilities: bytes | None = Field(sa_type=LargeBinary)
    tokens: int
    gone: int
    events_since: int | None
    events_until: int | None
    event_at: int | None
    """The newest event that was read."""


class GapRow(SQLModel, table=True):
    """Something that a look did not see. ``part`` is "inventory" or "events"."""

    __tablename__ = "gap"
    __table_args__ = (Index("ix_gap_backend", "backend"),)

    id: int = Field(primary_key=True)
    backend: str
    part: str
    scope: str
    kind: str
    what: str
    hint: str


class ScopeRow(SQLModel, table=True):
    """A part of a backend that was once listed to its end."""

    __tablename__ = "scope"

    backend: str = Field(primary_key=True)
    scope: str = Field(primary_key=True)
    done_at: int
    seen: int


class MarkRow(SQLModel, table=True):
    """Numbers about the store itself: ``generation`` grows with every commit of a writer."""

    __tablename__ = "mark"

    name: str = Field(primary_key=True)
    value: int
