"""The tables of the graph: nodes and links, who answers for a token, and who says so."""

from typing import ClassVar

from sqlalchemy import Index, LargeBinary
from sqlmodel import Field, SQLModel


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
