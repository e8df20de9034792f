"""What was decided about an incident, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from backends.words import count
from console.journal.format.incident_mark import IncidentEvent, IncidentMark
from console.text import safe, stamp


def decided(mark: IncidentMark, incident: str) -> str:
    """``closed incident INC-7``, safe to show; who did it stands before, the reason after."""
    name = f"incident {safe(incident, 60)}"
    person, subject = safe(mark.person, 60), safe(mark.subject, 120)
    match mark.what:
        case IncidentEvent.OPEN:
            return f"opened {name} ({safe(mark.severity, 20)}), {safe(mark.title, 120)}{_set(mark)}"
        case IncidentEvent.AMEND:
            title = f", now called {safe(mark.title, 120)}" if mark.title else ""
            severity = f", severity {safe(mark.severity, 20)}" if mark.severity else ""
            return f"changed {name}{title}{severity}{_set(mark)}"
        case IncidentEvent.SCOPE:
            by = f" by {safe(mark.query, 120)}" if mark.query else ""
            blind = f", {count(len(mark.holes), 'part')} not seen" if mark.holes else ""
            return f"took {count(len(mark.members), 'token')} into {name}{by}{blind}"
        case IncidentEvent.ASSIGN:
            what = safe(mark.role, 60) or "in charge"
            where = f" for {safe(mark.backend, 60)}" if mark.backend else ""
            return f"made {person} {what}{where} in {name}"
        case IncidentEvent.EXCEPT:
            return f"excepted {subject} from {name} for {person} until {_moment(mark.expires)}"
        case IncidentEvent.ACCEPT:
            return f"let {person} answer in {name} for what was not seen: {subject}"
        case IncidentEvent.SETTLE:
            return f"settled for {name}: {subject}"
        case IncidentEvent.COMPARE:
            many = count(len(mark.differences), "difference")
            return f"compared what {subject} lists with what is here for {name}: {many}"
        case IncidentEvent.NOTE:
            return f"noted in {name}"
        case IncidentEvent.CLOSE:
            return f"closed {name}"
        case IncidentEvent.REOPEN:
            return f"opened {name} again"


def _set(mark: IncidentMark) -> str:
    leaked = f", leaked {_moment(mark.leaked)}" if mark.leaked else ""
    deadline = f", due {_moment(mark.deadline)}" if mark.deadline else ""
    return leaked + deadline


def _moment(at: int) -> str:
    return stamp(datetime.fromtimestamp(at / 1_000_000, UTC))
