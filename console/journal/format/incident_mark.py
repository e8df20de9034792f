"""What an entry says of an incident: a closed set of events, each with its own members."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from console.journal.format.parts import Part

SEVERITIES = ("low", "medium", "high", "critical")


class IncidentEvent(StrEnum):
    """What was decided about an incident."""

    OPEN = "open"
    AMEND = "amend"
    """Its title, severity, leak time or deadline was set anew."""
    SCOPE = "scope"
    """Tokens came into its scope, by a query or one by one, with the coverage of that moment."""
    NOTE = "note"
    ASSIGN = "assign"
    """Somebody took a role, or the tokens of a backend."""
    EXCEPT = "except"
    """Somebody answers for a token of the scope that is let be."""
    ACCEPT = "accept"
    """Somebody answers for a part of a system that was not seen."""
    SETTLE = "settle"
    """A difference between two lists was settled by name."""
    COMPARE = "compare"
    """A vendor's list was compared with what is here; its differences are to be settled."""
    CLOSE = "close"
    REOPEN = "reopen"


class Member(Part, frozen=True, kw_only=True):
    """A token in an incident's scope. ``name`` may be cut; the rest is exact."""

    backend: str
    kind: str
    id: str
    handle: str
    name: str = ""


class IncidentMark(Part, frozen=True, kw_only=True):
    """What was decided about the incident that the entry names.

    Times are UTC in µs; 0 says nothing. ``members`` came into the scope by ``query`` or, where
    that is empty, one by one. ``holes`` are the parts of systems that were not seen then.
    ``subject`` is what an exception, an acceptance or a settled difference is about: a handle,
    a hole, a difference. Of a comparison it is the vendor, ``query`` tells it from others, and
    its ``differences`` may come in several entries. ``person`` answers for it, or has the
    ``role`` or the ``backend``.
    """

    what: IncidentEvent
    title: str = ""
    severity: str = ""
    leaked: int = 0
    deadline: int = 0
    members: tuple[Member, ...] = ()
    query: str = ""
    holes: tuple[str, ...] = ()
    subject: str = ""
    differences: tuple[str, ...] = ()
    role: str = ""
    backend: str = ""
    person: str = ""
    expires: int = 0


_NEEDS: Mapping[IncidentEvent, tuple[str, ...]] = {
    IncidentEvent.OPEN: ("title", "severity"),
    IncidentEvent.ASSIGN: ("person",),
    IncidentEvent.EXCEPT: ("subject", "person", "expires"),
    IncidentEvent.ACCEPT: ("subject", "person"),
    IncidentEvent.SETTLE: ("subject",),
    IncidentEvent.COMPARE: ("subject", "query"),
}


def misuse(mark: IncidentMark) -> str:
    """What such an entry lacks; empty when it is as it should be."""
    missing = [name for name in _NEEDS.get(mark.what, ()) if not getattr(mark, name)]
    if missing:
        return f"to {mark.what} an incident needs {', '.join(missing)}"
    if mark.severity and mark.severity not in SEVERITIES:
        return f"no severity is called so; known: {', '.join(SEVERITIES)}"
    if mark.what is IncidentEvent.ASSIGN and not (mark.role or mark.backend):
        return "to assign an incident needs a role or a backend"
    return ""
