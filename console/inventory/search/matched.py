"""Why a query found a token, in words: the twin of :mod:`console.inventory.search.terms`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from backends.model import How, Token
from console.inventory.records import Row
from console.inventory.search.query import Query
from console.inventory.search.terms import HOWS, Term
from console.store.queries.conditions import HANDLE
from console.store.text_fold import fold
from console.text import safe, stamp

SHOWN = 60
"""Characters of a value that is told."""
MOST = 3
"""Values of one term that are told, since a token may carry a hundred grants."""

_FIELDS: Final[dict[str, Callable[[Row, Token], str | None]]] = {
    "name": lambda row, _: row.name,
    "id": lambda row, _: row.id,
    "owner": lambda row, _: row.owner,
    "principal": lambda row, _: row.principal,
    "backend": lambda row, _: row.backend,
    "kind": lambda row, _: row.kind,
    "scope": lambda _, token: token.scope,
}
NAMES: Final = ("name", "id", "owner", "principal")
"""What a free word is looked for in where something is to be done."""


def why(query: Query, row: Row, token: Token) -> str:
    """What of a token each term of a query holds for. The values in it are safe to show.

    Terms that leave out are told only where there is nothing else.
    """
    found = dict.fromkeys(_told(term, row, token) for term in query.terms if not term.negated)
    return "; ".join(found) or f"all but what {safe(str(query), 2 * SHOWN)} leaves out"


def _told(term: Term, row: Row, token: Token) -> str:
    words = _words(term, row, token)
    return " and ".join(words[:MOST]) if words else safe(str(term), SHOWN)


def _words(term: Term, row: Row, token: Token) -> list[str]:
    match term.key:
        case "" | "text":
            return list(_text(term, row, token))
        case "grant":
            return list(_grants(term, token)) or [_how("grants", row.grants_how, "")]
        case "state":
            return [f"state {'gone' if row.presence == 'gone' else row.state}"]
        case "incident":
            return [f"in the scope of {safe(value, SHOWN)}" for value in term.values]
        case "handle":
            return [f"handle {row.handle}"]
        case "used":
            return [_time("last used", row.used_how, row.used_at)]
        case "expires":
            return [_time("expires", row.expires_how, row.expires_at)]
        case "age":
            return [_time("created", row.created_how, row.created_at)]
        case "changed":
            return [f"changed {_moment(row.changed_at)}"]
        case "owner" if row.owner is None:
            return [_how("owner", row.owner_how, "")]
        case "principal" if row.principal is None:
            return [_how("principal", row.principal_how, "")]
        case key if key in _FIELDS:
            return list(_fields(term.values, (key,), row, token))
        case _:
            return []


def _text(term: Term, row: Row, token: Token) -> Iterator[str]:
    names = NAMES if term.key else tuple(_FIELDS)
    yield from _fields(term.values, names, row, token)
    if not term.key:
        yield from _grants(term, token)
    for value in map(fold, term.values):
        backend, _, named = value.partition("/")
        if HANDLE.fullmatch(value) and value == row.handle:
            yield f"handle {row.handle}"
        elif named and backend == row.backend:
            yield from (
                f"{row.backend} and {told}" for told in _fields((named,), names, row, token)
            )


def _fields(values: Iterable[str], names: Iterable[str], row: Row, token: Token) -> Iterator[str]:
    for name in names:
        field = _FIELDS[name](row, token)
        if field is not None and any(_holds(value, fold(field)) for value in values):
            yield f"{name} {safe(field, SHOWN)}"


def _grants(term: Term, token: Token) -> Iterator[str]:
    for grant in token.grants.or_else(()):
        if any(_holds(value, fold(grant.name)) for value in term.values):
            yield f"grant {safe(grant.name, SHOWN)}"


def _holds(value: str, field: str) -> bool:
    wanted = fold(value)
    return field == wanted[1:] if wanted.startswith("=") else wanted in field


def _time(label: str, how: str, at: int | None) -> str:
    return f"{label} {_moment(at)}" if at is not None else _how(label, how, "never")


def _how(label: str, how: str, never: str) -> str:
    words = {How.NEVER.value: never or "none"}
    for word, hows in HOWS.items():
        if len(hows) == 1:
            words[hows[0]] = word
    return f"{label} {words.get(how, how)}"


def _moment(seconds: int) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))
