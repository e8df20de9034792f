"""Which tokens are in an incident's scope, for whoever searches the inventory by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from console.settings import Paths

KEPT = 2.0
"""Seconds for which a scope that was read is good enough: a search asks at every key."""

Scopes = Callable[[str], Collection[str] | None]
"""Gives the handles in the scope of an incident; None where none is called so."""


def scopes(paths: Paths) -> Scopes:
    """A reader of the scopes that the journal holds. It raises ``JournalError``.

    The journal is opened when a scope is asked for: most searches never do.
    """
    kept: dict[str, tuple[float, Collection[str] | None]] = {}

    def scope(incident: str) -> Collection[str] | None:
        wanted, now = incident.lower(), time.monotonic()
        found = kept.get(wanted)
        if found is None or now - found[0] > KEPT:
            found = kept[wanted] = now, _read(wanted, paths)
        return found[1]

    return scope


def _read(wanted: str, paths: Paths) -> Collection[str] | None:
    from console.journal import opening

    handles: dict[str, None] = {}
    known = False
    with opening.view(paths) as view:
        for entry in view.cases():
            if entry.case is not None and entry.incident.lower() == wanted:
                known = True
                handles |= dict.fromkeys(member.handle for member in entry.case.members)
    return tuple(handles) if known else None
