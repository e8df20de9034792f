"""Tokens as JSON and CSV, harmless on a terminal and in a spreadsheet.

In JSON every reading is an object with ``how``, and ``value``, ``source`` and ``as_of``
where there are any. In CSV an unknown value is the word for why it is unknown.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from backends.model import Grant, How, Principal, Reading, Token, TokenRef
from console import text
from console.inventory.records import BackendState, Change, Detail, Event, Row

WORDS = {
    How.NEVER: "never",
    How.NOT_TRACKED: "not tracked",
    How.NOT_PERMITTED: "not permitted",
    How.NOT_READ: "not read",
}
"""What an unknown value is called, on the screen and in exports alike."""

CSV_COLUMNS = (
    "handle",
    "backend",
    "kind",
    "id",
    "name",
    "state",
    "presence",
    "owner",
    "principal",
    "created_at",
    "created_by",
    "last_used_at",
    "last_used_from",
    "expires_at",
    "grants",
    "first_seen",
    "last_change",
    "changed_at",
)


def moment(seconds: int) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return text.stamp(datetime.fromtimestamp(seconds, UTC))


def word(how: str) -> str:
    """The word for a reading that has no value."""
    return WORDS[How(how)]


def reading(found: Reading[Any]) -> dict[str, Any]:
    """A reading as JSON has it."""
    shown: dict[str, Any] = {"how": found.how.value}
    if found.value is not None:
        shown["value"] = _value(found.value)
    if found.source:
        shown["source"] = found.source
    if found.as_of is not None:
        shown["as_of"] = text.stamp(found.as_of)
    if found.granularity is not None:
        shown["granularity_seconds"] = int(found.granularity.total_seconds())
    return shown


def token(row: Row, found: Token) -> dict[str, Any]:
    """One token as JSON has it."""
    return {
        "handle": row.handle,
        "backend": found.ref.backend,
        "kind": found.ref.kind,
        "id": found.ref.id,
        "name": found.name,
        "scope": found.scope,
        "state": found.state.value,
        "presence": row.presence,
        "principal": reading(found.principal),
        "owner": reading(found.owner),
        "created_at": reading(found.created_at),
        "created_by": reading(found.created_by),
        "last_used_at": reading(found.last_used_at),
        "last_used_from": reading(found.last_used_from),
        "last_used_for": reading(found.last_used_for),
        "expires_at": reading(found.expires_at),
        "grants": reading(found.grants),
        "parent": reading(found.parent),
        "binding": reading(found.binding),
        "bound": reading(found.bound),
        "enforced": reading(found.enforced),
        "facts": [{"name": name, "value": value} for name, value in found.facts],
        "first_seen": moment(row.first_seen),
        "last_change": row.change,
        "changed_at": moment(row.changed_at) if row.change else None,
    }


def detail(
    found: Detail, changes: Sequence[Change] = (), events: Sequence[Event] = ()
) -> dict[str, Any]:
    """One token with its history, as JSON has it."""
    return token(found.row, found.token) | {
        "last_seen": moment(found.last_seen),
        "gone_at": None if found.gone_at is None else moment(found.gone_at),
        "history": [change._asdict() | {"at": moment(change.at)} for change in changes],
        "events": [event._asdict() | {"at": moment(event.at)} for event in events],
    }


def backend(state: BackendState) -> dict[str, Any]:
    """How a backend stands, as JSON has it."""
    shown: dict[str, Any] = {
        "name": state.name,
        "type": state.type,
        "result": state.result,
        "tokens": state.tokens,
        "gone": state.gone,
        "error": state.error,
        "hint": state.hint,
        "gaps": [
            {"scope": gap.scope, "kind": gap.kind.value, "what": gap.what, "hint": gap.hint}
            for gap in state.gaps
        ],
    }
    for name in ("synced_at", "tried_at", "events_since", "events_until"):
        at = getattr(state, name)
        shown[name] = None if at is None else moment(at)
    return shown


def dumps(value: Any, *, indent: int | None = None) -> str:
    """JSON in printable ASCII only: no byte of it means anything to a terminal."""
    # DEL is ASCII, but not printable, and JSON does not ask for it to be escaped.
    return json.dumps(value, ensure_ascii=True, indent=indent).replace("\x7f", "\\u007f")


def write_json(found: Iterable[tuple[Row, Token]], write: Callable[[str], object]) -> int:
    """Write a JSON array with one token a line. Returns how many there were."""
    count = 0
    write("[")
    for row, one in found:
        write(("," if count else "") + "\n" + dumps(token(row, one)))
        count += 1
    write("\n]\n" if count else "]\n")
    return count


def write_csv(found: Iterable[tuple[Row, Token]], write: Callable[[str], object]) -> int:
    """Write CSV with a header. Returns how many tokens there were."""
    count = 0
    for line in _lines(found):
        write(line)
        count += 1
    return count - 1


def _lines(found: Iterable[tuple[Row, Token]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(cells: Iterable[str]) -> str:
        writer.writerow(map(text.cell, cells))
        written = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return written

    yield line(CSV_COLUMNS)
    for row, one in found:
        yield line(_cells(row, one))


def _cells(row: Row, one: Token) -> Iterator[str]:
    yield row.handle
    yield one.ref.backend
    yield one.ref.kind
    yield one.ref.id
    yield one.name
    yield one.state.value
    yield row.presence
    for found in (
        one.owner,
        one.principal,
        one.created_at,
        one.created_by,
        one.last_used_at,
        one.last_used_from,
        one.expires_at,
    ):
        yield _cell(found)
    grants = one.grants.value
    yield WORDS[one.grants.how] if grants is None else " ".join(grant.name for grant in grants)
    yield moment(row.first_seen)
    yield row.change
    yield moment(row.changed_at) if row.change else ""


def _cell(found: Reading[Any]) -> str:
    if found.value is None:
        return WORDS[found.how]
    value = _value(found.value)
    return str(value["name"]) if isinstance(value, dict) else str(value)


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return text.stamp(value)
    if isinstance(value, Principal):
        return {
            "id": value.id,
            "name": value.name,
            "kind": value.kind,
            "disabled": value.disabled,
        }
    if isinstance(value, TokenRef):
        return {"backend": value.backend, "kind": value.kind, "id": value.id}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, Grant):
        return {"kind": value.kind, "name": value.name, "on": value.on, "via": value.via}
    return value
