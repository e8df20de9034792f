"""The files that teams keep: who owns which tokens, and what uses them.

``owners.toml``: ``left = ["ana"]`` and ``[[owner]]`` with ``name``, ``tokens``, ``kind``
(person, team, service, on-call) and ``contact``, whom to wake. ``consumers.toml``:
``[[consumer]]`` with ``name``, ``tokens``, ``kind``, ``owner``; and ``[[entry]]`` of a store,
with ``name``, ``backend``, ``holds`` (tokens whose value lies there) and ``opened_by`` (grants).
Tokens are handles, ``BACKEND/ID``, ids or names; ``*`` stands for anything.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec

from console.graph.model import PEOPLE, USES

SIZE_LIMIT = 8_000_000


class Owner(msgspec.Struct, forbid_unknown_fields=True):
    """An ``[[owner]]`` of ``owners.toml``: who answers for which tokens, by name, id or pattern."""

    name: str
    tokens: list[str]
    kind: str = ""
    contact: str = ""
    """How they are reached at any hour: a pager's address, a number, a channel."""


class DeclaredConsumer(msgspec.Struct, forbid_unknown_fields=True):
    """A ``[[consumer]]`` of a consumers file: something that would break without these tokens."""

    name: str
    tokens: list[str]
    kind: str = "workload"
    place: str = ""
    owner: str = ""
    detail: str = ""
    seen: date | None = None


class OwnerEntry(msgspec.Struct, forbid_unknown_fields=True):
    """An ``[[entry]]`` of a consumers file: a secret store's entry, whose values it holds, and
    which grants open it.
    """

    name: str
    backend: str = ""
    holds: list[str] = []
    opened_by: list[str] = []


class Owners(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of an ``owners.toml``, with the names of those who left."""

    owner: list[Owner] = []
    left: list[str] = []


class ConsumersFile(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of a consumers file."""

    consumer: list[DeclaredConsumer] = []
    entry: list[OwnerEntry] = []


class Unusable(Exception):
    """A file that cannot be read; the text says why and is safe once it is drawn safely."""


def read(path: Path) -> str:
    """A file's text, without the byte-order mark that some editors put before it.

    Raises ``Unusable``.
    """
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise Unusable(f"it is larger than {SIZE_LIMIT:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Unusable(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unusable("it is not UTF-8 text") from None


def owners(text: str) -> Owners:
    """An ``owners.toml``. Raises ``Unusable``."""
    found: Owners = _convert(text, Owners)
    for one in found.owner:
        if one.kind and one.kind not in PEOPLE:
            raise Unusable(f"an owner cannot be of kind {one.kind!r}; known: {', '.join(PEOPLE)}")
    return found


def consumers(text: str) -> ConsumersFile:
    """A ``consumers.toml``. Raises ``Unusable``."""
    found: ConsumersFile = _convert(text, ConsumersFile)
    for one in found.consumer:
        if one.kind not in USES:
            raise Unusable(f"a consumer cannot be of kind {one.kind!r}; known: {', '.join(USES)}")
    return found


def unix(day: date | None) -> int | None:
    """A day, or a moment, as unix seconds."""
    if day is None:
        return None
    moment = day if isinstance(day, datetime) else datetime.combine(day, time())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _convert(text: str, kind: Any) -> Any:
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Unusable(str(error)) from None
