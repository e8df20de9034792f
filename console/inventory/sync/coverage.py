"""What a look at a backend saw, what it was refused, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from backends.contract import Backend, Capabilities
from backends.errors import Forbidden, RateLimited, Unreachable
from backends.model import Gap, GapKind, ScopeDone, encode
from backends.words import count
from console import faults
from console.faults import FAULT_HINT as FAULT_HINT
from console.store.database import Connection, touch
from console.store.text_fold import encodable
from console.store.write import backends

GAP_LIMIT = 1_000
"""Gaps that are kept of one look; more of them are counted."""


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
        """Note a gap, once, and without what cannot be stored of its text."""
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
    """Note that a look begins. Without ``caps``, what the last look was told of them stays."""
    type_ = clean(getattr(backend, "type_name", type(backend).__name__))
    backends.ensure(connection, backend.name, type_)
    told: dict[str, Any] = {} if caps is None else {"capabilities": encode(caps)}
    backends.change(
        connection, backend.name, type=type_, tried_at=at, running_pid=os.getpid(), **told
    )
    touch(connection)


def unseen_scopes(connection: Connection, backend: str) -> set[str]:
    """Scopes that a gap of the last look names and that were never listed to their end."""
    return backends.gap_scopes(connection, backend) - backends.listed_scopes(connection, backend)


def fail(connection: Connection, backend: str, why: Trouble) -> None:
    """Note that a look failed. Tokens and coverage stay as the look before left them."""
    backends.change(
        connection, backend, result="failed", error=why.message, hint=why.hint, running_pid=None
    )
    touch(connection)


def end(
    connection: Connection, backend: str, at: int, gaps: Sequence[Gap], scopes: Iterable[ScopeDone]
) -> str:
    """Note that a look came to its end, and what it covered. Returns its result."""
    replace_gaps(connection, backend, "inventory", gaps)
    backends.set_listed(connection, backend, at, [(one.scope, one.seen) for one in scopes])
    # What nobody can list is a property of the system; it makes no look incomplete.
    complete = all(gap.kind is GapKind.UNLISTABLE for gap in gaps)
    result = "ok" if complete else "partial"
    backends.change(
        connection, backend, result=result, error="", hint="", synced_at=at, running_pid=None
    )
    touch(connection)
    return result


def replace_gaps(connection: Connection, backend: str, part: str, gaps: Sequence[Gap]) -> None:
    """Put the gaps of a look in the place of those of the look before."""
    rows = [
        {"scope": gap.scope, "kind": gap.kind.value, "what": gap.what, "hint": gap.hint}
        for gap in gaps
    ]
    backends.replace_gaps(connection, backend, part, rows)


def note_skew(connection: Connection, backend: str, skew_ms: int | None) -> None:
    """Keep how far the clock that dates a backend's events is ahead of the one that read them."""
    if skew_ms is not None:
        backends.change(connection, backend, skew_ms=skew_ms)


def stop(connection: Connection, backend: str) -> None:
    """Note that a look was given up before its end, without saying anything else."""
    backends.change(connection, backend, running_pid=None)
    touch(connection)
