"""How the backends stand, as the store has it."""

from __future__ import annotations

import os
from sqlite3 import Connection

from backends.contract import Capabilities
from backends.model import Gap, GapKind, decode
from console.inventory.records import BackendState
from console.store.queries import backends as queries
from console.store.queries.backends import StoredBackend


def backends(connection: Connection) -> list[BackendState]:
    """All backends that were ever looked at, by name."""
    # The listing and the audit log may meet the same gap; a person needs to read it once.
    gaps: dict[str, dict[Gap, None]] = {}
    for name, scope, kind, what, hint in queries.gaps(connection):
        gaps.setdefault(name, {})[Gap(scope, GapKind(kind), what, hint)] = None
    return [_state(row, list(gaps.get(row.name, ()))) for row in queries.every(connection)]


def _state(row: StoredBackend, gaps: list[Gap]) -> BackendState:
    running = row.running_pid is not None and _alive(row.running_pid)
    return BackendState(
        name=row.name,
        type=row.type,
        # A look that goes on says nothing yet: until it ends, the last one's result stands.
        result="running" if row.result == "never" and running else row.result,
        synced_at=row.synced_at,
        tried_at=row.tried_at,
        tokens=row.tokens,
        gone=row.gone,
        error=row.error,
        hint=row.hint,
        gaps=gaps,
        capabilities=decode(row.capabilities, Capabilities) if row.capabilities else None,
        events_since=row.events_since,
        events_until=row.events_until,
        event_at=row.event_at,
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
