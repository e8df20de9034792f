"""What the journal holds of an incident, folded from its entries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from console.errors import UsageError
from console.journal.format.incident_mark import IncidentEvent, IncidentMark, Member
from console.journal.format.sentence import Entry

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An incident's id: it is typed, stands in file names, and in ``incident:ID``."""


_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:\d\d)?)?")


class ScopedToken(NamedTuple):
    """A token of the scope, since when, and by whose word. ``query`` is empty for a named one."""

    member: Member
    at: float
    by: str
    query: str


class PersonsWord(NamedTuple):
    """What somebody answers for: an exception, or a hole that was accepted.

    ``expires`` is in unix seconds; 0 is without an end.
    """

    person: str
    why: str
    who: str
    """Who wrote it down."""
    at: float
    expires: float = 0.0

    def holds(self, now: float) -> bool:
        """Whether it is still in force."""
        return not self.expires or now < self.expires


class Assignment(NamedTuple):
    """Who has a role, or the tokens of a backend (empty: of all)."""

    person: str
    role: str
    backend: str
    at: float
    by: str


class Note(NamedTuple):
    """A word for the record, or a difference that was settled."""

    at: float
    who: str
    text: str
    subject: str = ""


class Incident:
    """One incident, as far as its entries tell. Times are in unix seconds; 0 is not said."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.title = self.severity = self.why = self.opened_by = ""
        self.opened_at = self.leaked = self.deadline = 0.0
        self.scope: dict[str, ScopedToken] = {}
        """By their handles, in the order in which they came in."""
        self.queries: dict[str, float] = {}
        """The queries that make the scope, and when each was last looked at."""
        self.seen_holes: dict[str, tuple[str, ...]] = {}
        """What was not seen when each query was last looked at; "" is for the named tokens."""
        self.accepted: dict[str, PersonsWord] = {}
        """By the hole's text, without the times in it."""
        self.excepted: dict[str, PersonsWord] = {}
        """By the token's handle."""
        self.assigned: dict[tuple[str, str], Assignment] = {}
        self.notes: list[Note] = []
        self.settled: dict[str, Note] = {}
        """Differences that somebody settled, by their texts."""
        self.compared: dict[str, tuple[str, list[str]]] = {}
        """The last comparison with each vendor's list: which it was, and its differences."""
        self.closed: Note | None = None
        """The last word that closed it; None while it is open."""
        self.reopened: list[Note] = []
        self.seq = 0
        """The number of the newest entry that was taken in."""

    @property
    def holes(self) -> tuple[str, ...]:
        """What was not seen of the systems in question, each once."""
        return tuple(dict.fromkeys(hole for holes in self.seen_holes.values() for hole in holes))

    @property
    def unaccepted(self) -> tuple[str, ...]:
        """The holes that nobody answers for."""
        return tuple(hole for hole in self.holes if self.accepted_by(hole) is None)

    def accepted_by(self, hole: str) -> PersonsWord | None:
        """Who answers for a hole; None where nobody does."""
        return self.accepted.get(_lasting(hole))

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The differences of the last comparisons that nobody has settled."""
        told = (text for _, texts in self.compared.values() for text in texts)
        return tuple(text for text in told if text not in self.settled)

    def take(self, entry: Entry) -> None:
        """Take in the next entry about it."""
        mark, at = entry.case, entry.t_us / 1e6
        if mark is None:
            return
        self.seq = entry.seq
        word = Note(at, entry.who, entry.why, mark.subject)
        match mark.what:
            case IncidentEvent.OPEN if not self.opened_at:
                self.opened_at, self.opened_by, self.why = at, entry.who, entry.why
                self._set(mark)
            case IncidentEvent.AMEND:
                self._set(mark)
            case IncidentEvent.SCOPE:
                self._scope(mark, at, entry.who)
            case IncidentEvent.ASSIGN:
                given = Assignment(mark.person, mark.role, mark.backend, at, entry.who)
                self.assigned[mark.role, mark.backend] = given
            case IncidentEvent.EXCEPT:
                self.excepted[mark.subject] = _word(mark, entry)
            case IncidentEvent.ACCEPT:
                self.accepted[_lasting(mark.subject)] = _word(mark, entry)
            case IncidentEvent.SETTLE:
                self.settled[mark.subject] = word
            case IncidentEvent.COMPARE:
                if self.compared.get(mark.subject, ("",))[0] != mark.query:
                    self.compared[mark.subject] = mark.query, []
                self.compared[mark.subject][1].extend(mark.differences)
            case IncidentEvent.CLOSE:
                self.closed = word
            case IncidentEvent.REOPEN:
                self.closed = None
                self.reopened.append(word)
            case IncidentEvent.NOTE | IncidentEvent.OPEN:
                self.notes.append(word)

    def _set(self, mark: IncidentMark) -> None:
        self.title = mark.title or self.title
        self.severity = mark.severity or self.severity
        self.leaked = mark.leaked / 1e6 or self.leaked
        self.deadline = mark.deadline / 1e6 or self.deadline

    def _scope(self, mark: IncidentMark, at: float, by: str) -> None:
        for member in mark.members:
            self.scope.setdefault(member.handle, ScopedToken(member, at, by, mark.query))
        if mark.query:
            self.queries[mark.query] = at
            self.seen_holes[mark.query] = mark.holes
        else:
            # What was not seen for one named token does not become seen by another one.
            before = self.seen_holes.get("", ())
            self.seen_holes[""] = tuple(dict.fromkeys((*before, *mark.holes)))


def _word(mark: IncidentMark, entry: Entry) -> PersonsWord:
    return PersonsWord(mark.person, entry.why, entry.who, entry.t_us / 1e6, mark.expires / 1e6)


def fold(entries: Iterable[Entry]) -> dict[str, Incident]:
    """Every incident that was opened, by its id, from entries oldest first."""
    found: dict[str, Incident] = {}
    for entry in entries:
        if entry.case is not None and entry.incident:
            found.setdefault(entry.incident, Incident(entry.incident)).take(entry)
    return {id_: incident for id_, incident in found.items() if incident.opened_at}


def find(wanted: str, known: Iterable[Incident]) -> Incident:
    """The incident that a person means: by its id, whatever the case of its letters.

    Raises:
        UsageError: none is called so.
    """
    known = list(known)
    exact = [each for each in known if each.id == wanted]
    close = exact or [each for each in known if each.id.lower() == wanted.lower()]
    if len(close) != 1:
        names = ", ".join(each.id for each in known[-5:])
        raise UsageError(
            f"no incident is called {wanted[:64]!r}",
            f"Known: {names}." if names else "Open one: token-console incident open --title WORDS",
        )
    return close[0]


def hole_id(hole: str) -> str:
    """Eight hexadecimal digits that name a hole, to be typed instead of its text."""
    return text_id(_lasting(hole))


def text_id(text: str) -> str:
    """Eight hexadecimal digits that name a difference, to be typed instead of its text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]


def _lasting(hole: str) -> str:
    """The hole without the times in it: where a log begins moves with every look at it."""
    return _TIME.sub("*", hole)
