"""How the backends stand, as the store has it."""

from __future__ import annotations

import os
from sqlite3 import Connection
from typing import Any

from backends.contract import Capabilities
from backends.model import Gap, GapKind, decode
from console.inventory.records import BackendState

COLUMNS = (
    "name, type, result, synced_at, tried_at, tokens, gone, error, hint, capabilities,"
    " events_since, events_until, event_at, running_pid"
)


def backends(connection: Connection) -> list[BackendState]:
    """All backends that were ever looked at, by name."""
    # The listing and the audit log may meet the same gap; a person needs to read it once.
    gaps: dict[str, dict[Gap, None]] = {}
    for name, scope, kind, what, hint in connection.execute(
        "SELECT backend, scope, kind, what, hint FROM gap ORDER BY id"
    ):
        gaps.setdefault(name, {})[Gap(scope, GapKind(kind), what, hint)] = None
    rows = connection.execute(f"SELECT {COLUMNS} FROM backend ORDER BY name")  # noqa: S608
    return [_state(row, list(gaps.get(row[0], ()))) for row in rows.fetchall()]


def _state(row: tuple[Any, ...], gaps: list[Gap]) -> BackendState:
    (name, type_, result, synced_at, tried_at, tokens, gone) = row[:7]
    (error, hint, capabilities, since, until, event_at, pid) = row[7:]
    running = pid is not None and _alive(pid)
    return BackendState(
        name=name,
        type=type_,
        # A look that goes on says nothing yet: until it ends, the last one's result stands.
        result="running" if result == "never" and running else result,
        synced_at=synced_at,
        tried_at=tried_at,
        tokens=tokens,
        gone=gone,
        error=error,
        hint=hint,
        gaps=gaps,
        capabilities=decode(capabilities, Capabilities) if capabilities else None,
        events_since=since,
        events_until=until,
        event_at=event_at,
        running=running,
    )


def _alive(pid: int) -> bool:
    """Whether the process that began a look still runs; a killed one leaves its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
