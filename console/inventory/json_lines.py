"""Tokens as JSON, a line each, from their stored records: for lists of any length.

They say what :func:`console.inventory.export.token` says; a test compares the two. What is
stored is decoded into the shape that is written, since objects for a list of a hundred thousand,
and dictionaries made of them, take most of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from backends.model import How, TokenRef, TokenState
from console.inventory import export
from console.store.queries.tokens import StoredToken
from console.text import stamp

T = TypeVar("T")
SECONDS = len("2026-11-23T03:00:00Z")


class _Principal(msgspec.Struct, frozen=True, gc=False):
    id: str
    name: str
    kind: str = ""
    disabled: bool = False


class _Grant(msgspec.Struct, frozen=True, gc=False):
    kind: str
    name: str
    on: str = ""
    via: str = ""


class _Reading(msgspec.Struct, Generic[T], frozen=True, gc=False, omit_defaults=True):
    """``backends.model.Reading`` without its objects for times, which are stored as written."""

    how: How
    value: T | None = None
    source: str = ""
    as_of: str = ""
    granularity: timedelta | None = None
    """As it is stored, and never written;"""
    granularity_seconds: int | None = None
    """as it is written, and never stored."""


_NOT_READ: Any = _Reading(How.NOT_READ)


class _Record(msgspec.Struct, frozen=True, gc=False):
    """``backends.model.Token``."""

    ref: TokenRef
    name: str
    scope: str
    state: TokenState = TokenState.ACTIVE
    principal: _Reading[_Principal] = _NOT_READ
    owner: _Reading[str] = _NOT_READ
    created_at: _Reading[str] = _NOT_READ
    created_by: _Reading[str] = _NOT_READ
    last_used_at: _Reading[str] = _NOT_READ
    last_used_from: _Reading[str] = _NOT_READ
    last_used_for: _Reading[str] = _NOT_READ
    expires_at: _Reading[str] = _NOT_READ
    grants: _Reading[tuple[_Grant, ...]] = _NOT_READ
    parent: _Reading[TokenRef] = _NOT_READ
    binding: _Reading[str] = _NOT_READ
    bound: _Reading[str] = _NOT_READ
    enforced: _Reading[bool] = _NOT_READ
    facts: tuple[tuple[str, str], ...] = ()


class _Fact(msgspec.Struct, frozen=True, gc=False):
    name: str
    value: str


class _Line(msgspec.Struct, frozen=True, gc=False):
    """What is written of a token, in this order."""

    handle: str
    backend: str
    kind: str
    id: str
    name: str
    scope: str
    state: TokenState
    presence: str
    principal: _Reading[_Principal]
    owner: _Reading[str]
    created_at: _Reading[str]
    created_by: _Reading[str]
    last_used_at: _Reading[str]
    last_used_from: _Reading[str]
    last_used_for: _Reading[str]
    expires_at: _Reading[str]
    grants: _Reading[tuple[_Grant, ...]]
    parent: _Reading[TokenRef]
    binding: _Reading[str]
    bound: _Reading[str]
    enforced: _Reading[bool]
    facts: list[_Fact]
    first_seen: str
    last_change: str
    changed_at: str | None


_READINGS = tuple(
    field.name
    for field in msgspec.structs.fields(_Record)
    if field.name not in ("ref", "name", "scope", "state", "facts")
)
_decode = msgspec.json.Decoder(_Record).decode
_encode = msgspec.json.Encoder().encode
_moment = lru_cache(4_096)(export.moment)
"""A look gives one and the same time to all that it saw."""


def lines(found: Iterable[StoredToken]) -> Iterator[str]:
    """Each token as one line of JSON in printable ASCII, without a newline.

    Raises:
        msgspec.ValidationError: what is stored is no token's record.
    """
    for one in found:
        line = _encode(_line(one))
        if line.isascii() and b"\x7f" not in line:
            yield line.decode("ascii")
        else:
            yield export.dumps(msgspec.json.decode(line), compact=True)


def _line(one: StoredToken) -> _Line:
    handle, presence, first_seen, changed_at, change, doc = one
    record = _decode(doc)
    if b'"as_of"' in doc or b'"granularity"' in doc:
        record = msgspec.structs.replace(
            record, **{name: _told(getattr(record, name)) for name in _READINGS}
        )
    ref = record.ref
    return _Line(
        handle,
        ref.backend,
        ref.kind,
        ref.id,
        record.name,
        record.scope,
        record.state,
        presence,
        record.principal,
        record.owner,
        _timed(record.created_at),
        record.created_by,
        _timed(record.last_used_at),
        record.last_used_from,
        record.last_used_for,
        _timed(record.expires_at),
        record.grants,
        record.parent,
        record.binding,
        record.bound,
        record.enforced,
        [_Fact(name, value) for name, value in record.facts],
        _moment(first_seen),
        change,
        _moment(changed_at) if change else None,
    )


def _told(found: _Reading[T]) -> _Reading[T]:
    """A reading with its times to the second, and its step in seconds."""
    step = found.granularity
    if not found.as_of and step is None:
        return found
    return _Reading(
        found.how,
        found.value,
        found.source,
        found.as_of and _second(found.as_of),
        None,
        None if step is None else int(step.total_seconds()),
    )


def _timed(found: _Reading[str]) -> _Reading[str]:
    """A reading of a time, to the second."""
    value = found.value
    if value is None or (len(value) == SECONDS and value[-1] == "Z"):
        return found
    return msgspec.structs.replace(found, value=_second(value))


def _second(stored: str) -> str:
    if len(stored) == SECONDS and stored[-1] == "Z":
        return stored
    return stamp(msgspec.convert(stored, datetime))
