"""What a look at a backend saw, what it was refused, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from backends.contract import Backend, Capabilities
from backends.errors import Forbidden, RateLimited, Unreachable
from backends.model import Gap, GapKind, ScopeDone, encode
from backends.words import count
from console import faults
from console.faults import FAULT_HINT as FAULT_HINT
from console.inventory.folding import encodable
from console.store.database import touch
from console.store.tables import table

GAP_LIMIT = 1_000
"""Gaps that are kept of one look; more of them are counted."""

BACKEND = table("backend")
GAP = table("gap")
SCOPE = table("scope")
EMPTY: dict[str, Any] = {
    "result": "never",
    "error": "",
    "hint": "",
    "tokens": 0,
    "gone": 0,
}


class Trouble(NamedTuple):
    """Why something did not work, in words that are safe to keep."""

    message: str
    hint: str
    kind: GapKind
    unreachable: bool = False
    """No connection could be had, so that nothing of the system answers."""


def trouble(error: BaseException, backend: Backend | None = None) -> Trouble:
    """What an error means for the coverage; ``backend`` is whose fault it may be."""
    kind = GapKind.FAILED
    if isinstance(error, Forbidden):
        kind = GapKind.REFUSED
    elif isinstance(error, RateLimited):
        kind = GapKind.LIMITED
    message, hint = faults.words(error, getattr(getattr(backend, "config", None), "type", ""))
    return Trouble(clean(message), clean(hint), kind, isinstance(error, Unreachable))


def clean(text: object) -> str:
    """A text of a backend's as it can be stored."""
    return encodable(str(text))[:2_000]


class Gaps:
    """The gaps of one look, each once, and not more than can be looked at."""

    def __init__(self) -> None:
        self._found: dict[Gap, None] = {}
        self._more = 0

    def add(self, scope: str, kind: GapKind, what: str, hint: str = "") -> None:
        gap = Gap(clean(scope), GapKind(kind), clean(what), clean(hint))
        if gap not in self._found and len(self._found) >= GAP_LIMIT:
            self._more += 1
        else:
            self._found[gap] = None

    def all(self, backend: str) -> list[Gap]:
        """The gaps, and one that counts those for which there was no room."""
        if not self._more:
            return list(self._found)
        return [*self._found, Gap(backend, GapKind.LIMITED, count(self._more, "more gap"))]


def begin(connection: Connection, backend: Backend, caps: Capabilities | None, at: int) -> None:
    """Note that a look begins."""
    ensure(connection, backend.name, _type(backend))
    connection.execute(
        update(BACKEND)
        .where(BACKEND.c.name == backend.name)
        .values(
            type=_type(backend),
            tried_at=at,
            running_pid=os.getpid(),
            capabilities=BACKEND.c.capabilities if caps is None else encode(caps),
        )
    )
    touch(connection)


def _type(backend: Backend) -> str:
    return clean(getattr(backend, "type_name", type(backend).__name__))


def ensure(connection: Connection, name: str, type_: str) -> None:
    """Make the backend's row where there is none."""
    if connection.execute(select(BACKEND.c.name).where(BACKEND.c.name == name)).first() is None:
        connection.execute(insert(BACKEND).values(name=name, type=type_, **EMPTY))


def unseen_scopes(connection: Connection, backend: str) -> set[str]:
    """Scopes that a gap of the last look names and that were never listed to their end."""
    gaps = select(GAP.c.scope).where(GAP.c.backend == backend, GAP.c.part == "inventory")
    done = select(SCOPE.c.scope).where(SCOPE.c.backend == backend)
    return set(connection.execute(gaps).scalars()) - set(connection.execute(done).scalars())


def fail(connection: Connection, backend: str, why: Trouble) -> None:
    """Note that a look failed. Tokens and coverage stay as the look before left them."""
    connection.execute(
        update(BACKEND)
        .where(BACKEND.c.name == backend)
        .values(result="failed", error=why.message, hint=why.hint, running_pid=None)
    )
    touch(connection)


def end(
    connection: Connection, backend: str, at: int, gaps: Sequence[Gap], scopes: Iterable[ScopeDone]
) -> str:
    """Note that a look came to its end, and what it covered. Returns its result."""
    replace_gaps(connection, backend, "inventory", gaps)
    for scope in scopes:
        connection.execute(
            delete(SCOPE).where(SCOPE.c.backend == backend, SCOPE.c.scope == scope.scope)
        )
        connection.execute(
            insert(SCOPE).values(backend=backend, scope=scope.scope, done_at=at, seen=scope.seen)
        )
    # What nobody can list is a property of the system; it makes no look incomplete.
    complete = all(gap.kind is GapKind.UNLISTABLE for gap in gaps)
    result = "ok" if complete else "partial"
    connection.execute(
        update(BACKEND)
        .where(BACKEND.c.name == backend)
        .values(result=result, error="", hint="", synced_at=at, running_pid=None)
    )
    touch(connection)
    return result


def replace_gaps(connection: Connection, backend: str, part: str, gaps: Sequence[Gap]) -> None:
    """Put the gaps of a look in the place of those of the look before."""
    connection.execute(delete(GAP).where(GAP.c.backend == backend, GAP.c.part == part))
    if gaps:
        rows = [
            {
                "backend": backend,
                "part": part,
                "scope": gap.scope,
                "kind": gap.kind.value,
                "what": gap.what,
                "hint": gap.hint,
            }
            for gap in gaps
        ]
        connection.execute(insert(GAP), rows)


def note_skew(connection: Connection, backend: str, skew_ms: int | None) -> None:
    """Keep how far the clock that dates a backend's events is ahead of the one that read them."""
    if skew_ms is not None:
        connection.execute(update(BACKEND).where(BACKEND.c.name == backend).values(skew_ms=skew_ms))


def stop(connection: Connection, backend: str) -> None:
    """Note that a look was given up before its end, without saying anything else."""
    connection.execute(update(BACKEND).where(BACKEND.c.name == backend).values(running_pid=None))
    touch(connection)
