"""The tables of the audit logs: events, their counts and seals, and how far logs were read."""

from typing import ClassVar

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel


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
