"""The inventory's tables. A cache of what the backends said, except for the history.

All points in time are whole seconds since 1970, UTC. Every reading has a ``*_how``
column beside its value, so that "never", "not tracked", "not permitted" and "not read"
stay four things. A ``*_key`` column is what is sorted and searched: folded and cut text,
or a time in which "never" has a place of its own; NULL there means "nobody knows".
"""

from typing import ClassVar

from sqlalchemy import Index, LargeBinary, Table
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


class EventRow(SQLModel, table=True):
    """One line of a system's audit trail. ``key`` is a hash of backend and event id."""

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_token", "handle", "at"),
        Index("ix_event_at", "at"),
    )

    key: int = Field(primary_key=True)
    backend: str
    event_id: str
    at: int
    action: str
    outcome: str
    handle: str | None
    ref_kind: str | None
    ref_id: str | None
    actor: str
    target: str
    source: str
    agent: str
    origin: str
    detail: str
    class_: str = Field(sa_column_kwargs={"name": "class", "server_default": ""})
    """What it is to its token: life, permission, use, denied or other."""
    effect: str = Field(sa_column_kwargs={"server_default": ""})


class SealedRow(SQLModel, table=True):
    """An event that stands under a seal: the id of the journal's entry that has its root."""

    __tablename__ = "sealed"
    __table_args__ = (Index("ix_sealed_seal", "seal"),)

    key: int = Field(primary_key=True)
    seal: str


class UseRow(SQLModel, table=True):
    """How often a token was let in in one hour, counted from the events."""

    __tablename__ = "use_hour"
    __table_args__: ClassVar[dict[str, bool]] = {"sqlite_with_rowid": False}

    handle: str = Field(primary_key=True)
    hour: int = Field(primary_key=True)
    uses: int


class RollupRow(SQLModel, table=True):
    """How many events there were in five minutes. ``handle`` "" is all of a backend's.

    They stay when the events are dropped.
    """

    __tablename__ = "rollup"
    __table_args__: ClassVar[dict[str, bool]] = {"sqlite_with_rowid": False}

    handle: str = Field(primary_key=True)
    backend: str = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    """The time divided by 300 seconds."""
    class_: str = Field(primary_key=True, sa_column_kwargs={"name": "class"})
    outcome: str = Field(primary_key=True)
    uses: int


class LogSourceRow(SQLModel, table=True):
    """A log that is read from files, what of time it covers, and how far its clock is off."""

    __tablename__ = "log_source"

    name: str = Field(primary_key=True)
    backend: str
    type: str
    covers_since: int | None
    covers_until: int | None
    """Up to here everything that was there has been read."""
    last_at: int | None
    """The time of the newest line."""
    read_at: int | None
    events: int
    bad: int
    """Lines that could not be read as what they should be."""
    ahead_ms: int
    """How far a line's time was ahead of our clock, at most."""
    back_ms: int
    """How far time went backwards from one line to the next, at most."""
    error: str
    hint: str
    covers: str = Field(sa_column_kwargs={"server_default": ""})
    """changes, uses, both or part."""
    named: int = Field(sa_column_kwargs={"server_default": "0"})
    """Whether only its backend knows what it calls a token."""


class LogPositionRow(SQLModel, table=True):
    """How far a source has been read: committed together with the events up to there."""

    __tablename__ = "log_position"
    __table_args__: ClassVar[dict[str, bool]] = {"sqlite_with_rowid": False}

    source: str = Field(primary_key=True)
    file: str = Field(primary_key=True)
    state: bytes = Field(sa_type=LargeBinary)


class LogHoleRow(SQLModel, table=True):
    """A stretch of time of which a log tells nothing, though something may have happened.

    NULL in ``since`` means "from its beginning", in ``until`` "to this day".
    """

    __tablename__ = "log_hole"
    __table_args__ = (Index("ix_log_hole_backend", "backend"),)

    id: int = Field(primary_key=True)
    source: str
    backend: str
    since: int | None
    until: int | None
    kind: str
    what: str
    hint: str
    file: str = Field(sa_column_kwargs={"server_default": ""})
    """The file that could not be read; when it can be, the hole goes."""


class LogNameRow(SQLModel, table=True):
    """What a log calls a token: ``alias`` is the handle made from that name.

    ``handle`` is NULL as long as nobody knows which token it is.
    """

    __tablename__ = "log_name"
    __table_args__ = (
        Index("ix_log_name_handle", "handle"),
        {"sqlite_with_rowid": False},
    )

    alias: str = Field(primary_key=True)
    backend: str
    kind: str
    name: str
    handle: str | None


class LogLearnedRow(SQLModel, table=True):
    """What a source learned from older lines and needs for the later ones."""

    __tablename__ = "log_learned"
    __table_args__: ClassVar[dict[str, bool]] = {"sqlite_with_rowid": False}

    source: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str


class NodeRow(SQLModel, table=True):
    """Something that owns, is carried by, or uses tokens. ``key`` is unique on its side."""

    __tablename__ = "node"
    __table_args__ = (Index("ix_node_key", "side", "key", unique=True),)

    num: int = Field(primary_key=True)
    side: str
    """Its column: who, token, grant or use."""
    key: str
    kind: str
    kind_rank: int
    """How well the kind is known: 0 guessed, 1 told by a system, 2 declared."""
    name: str
    place: str


class LinkRow(SQLModel, table=True):
    """One piece of evidence that a leak or a loss of ``a`` reaches ``b``."""

    __tablename__ = "link"
    __table_args__ = (
        Index("ix_link_back", "b", "a"),
        Index("ix_link_origin", "origin", "a"),
        {"sqlite_with_rowid": False},
    )

    a: int = Field(primary_key=True)
    b: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    """declared, configured or observed."""
    origin: str = Field(primary_key=True)
    """Which reader wrote it; that one alone replaces it."""
    seen: int | None
    times: int
    confidence: int
    """Of 100."""
    detail: str


class LinkedRow(SQLModel, table=True):
    """The digest of a token's record when its links were last made from it."""

    __tablename__ = "linked"

    num: int = Field(primary_key=True)
    digest: bytes = Field(sa_type=LargeBinary)


class ClaimRow(SQLModel, table=True):
    """Somebody says who owns a token. ``entry`` is the journal's, for a claim by hand."""

    __tablename__ = "claim"
    __table_args__ = (
        Index("ix_claim_handle", "handle"),
        Index("ix_claim_origin", "origin"),
    )

    id: int = Field(primary_key=True)
    handle: str
    owner: str
    kind: str
    how: str
    """hand or declared; what a backend says stands in the token's own record."""
    origin: str
    at: int | None
    entry: str
    reason: str


class DepartedRow(SQLModel, table=True):
    """Somebody who left, or whose account a system has disabled. ``key`` is folded."""

    __tablename__ = "departed"

    key: str = Field(primary_key=True)
    origin: str = Field(primary_key=True)
    name: str
    how: str


class FingerprintRow(SQLModel, table=True):
    """A keyed hash of a token's value, from a moment when the value was in hand."""

    __tablename__ = "fingerprint"
    __table_args__: ClassVar[dict[str, bool]] = {"sqlite_with_rowid": False}

    print: str = Field(primary_key=True)
    handle: str = Field(primary_key=True)
    origin: str
    at: int


class LinkSourceRow(SQLModel, table=True):
    """Something that links were read from, and what went wrong there."""

    __tablename__ = "link_source"

    name: str = Field(primary_key=True)
    kind: str
    at: int | None
    found: int
    problem: str
    hint: str
    mark: str


class MarkRow(SQLModel, table=True):
    """Numbers about the store itself: ``generation`` grows with every commit of a writer."""

    __tablename__ = "mark"

    name: str = Field(primary_key=True)
    value: int


METADATA = SQLModel.metadata


def table(name: str) -> Table:
    """The SQLAlchemy table of that name, for Core statements."""
    return METADATA.tables[name]


SEARCH_TABLE = "token_fts"
"""The trigram index over ``token``; a virtual table that SQLAlchemy does not know."""
