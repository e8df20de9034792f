"""What every decision about an incident does alike: find it, and write an entry about it."""

from __future__ import annotations

from collections.abc import Sequence

from console.errors import ConsoleError
from console.incident.record import Incident, find, fold
from console.journal.format import scan
from console.journal.format.entry import Kind
from console.journal.format.incident_mark import IncidentMark
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.journal.write.writer import Draft

CHUNK = 60
"""Tokens that one entry names: with names and ids of 200 characters it is well below its limit."""
TEXT = 200
"""Characters of a name, an id of a hole, and the like, in an entry."""


class IncidentRefused(ConsoleError):
    """What was asked cannot be done to this incident as it stands."""


def open_one(journal: Journal, id_: str) -> Incident:
    """The incident that is meant. Raises ``IncidentRefused`` where it is closed."""
    incident = find(id_, fold(journal.cases()).values())
    if incident.closed is not None:
        raise IncidentRefused(
            f"{incident.id} is closed", f"First: token-console incident reopen {incident.id}"
        )
    return incident


def write(journal: Journal, id_: str, mark: IncidentMark, why: str) -> Entry:
    return journal.append(Kind.INCIDENT, why=why, incident=id_, case=mark)


def text(text: str, what: str) -> str:
    """A text that a person typed, for the journal. Raises ``ReasonRefused``."""
    return scan.words(text, what)[:TEXT]


def write_all(journal: Journal, drafts: Sequence[Draft]) -> None:
    """Write several entries in one commit. Raises what the first that is refused is refused by."""
    for told in journal.append_each(drafts):
        if isinstance(told, Exception):
            raise told
