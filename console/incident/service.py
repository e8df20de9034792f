"""The use cases of an incident, for the command line, the screen and the worker alike.

Each writes what was decided into the journal and returns what it holds from then on.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from backends.words import count
from console.errors import UsageError
from console.incident import active, words
from console.incident.assess import Assessment, assess
from console.incident.record import ID, Incident, find, fold, hole_id, text_id
from console.incident.writing import CHUNK, TEXT, IncidentRefused, open_one, text, write, write_all
from console.journal import opening
from console.journal.format import scan
from console.journal.format.entry import Kind, instant, uuid7
from console.journal.format.incident_mark import (
    SEVERITIES,
    IncidentEvent,
    IncidentMark,
)
from console.settings import Paths


class NewIncident(NamedTuple):
    """What somebody says of an incident when it is opened. Times in unix seconds; 0: not said."""

    title: str
    reason: str
    severity: str = "high"
    id: str = ""
    leaked: float = 0.0
    deadline: float = 0.0


def begin(paths: Paths, new: NewIncident) -> Incident:
    """Open an incident, and be at work on it from here on.

    Raises:
        UsageError: the id, the severity or a time is none.
        IncidentRefused: an incident of that id is there already.
        ReasonRefused: the reason is too short, or a text holds what looks like a secret.
        JournalError: the journal cannot take it.
    """
    if new.severity not in SEVERITIES:
        raise UsageError(
            f"no severity is called {new.severity[:20]!r}", f"Known: {', '.join(SEVERITIES)}."
        )
    now = time.time()
    _past(new.leaked)
    reason, title = scan.reason(new.reason), text(new.title, "title")
    if not title:
        raise UsageError("an incident needs a title", "Give it: --title 'npm token in a log'.")
    with opening.journal(paths) as journal:
        known = fold(journal.cases())
        id_ = new.id or _free(known, now)
        if not ID.fullmatch(id_):
            raise UsageError(
                f"{id_[:64]!r} cannot be an incident's id",
                "Letters, digits, dots, dashes and underscores, at most 64: INC-7.",
            )
        taken = next((each for each in known.values() if each.id.lower() == id_.lower()), None)
        if taken is not None:
            raise IncidentRefused(
                f"{taken.id} is there already: {taken.title}",
                f"Work on it: token-console incident use {taken.id}",
            )
        mark = IncidentMark(
            what=IncidentEvent.OPEN,
            title=title,
            severity=new.severity,
            leaked=instant(new.leaked),
            deadline=instant(new.deadline),
        )
        entry = write(journal, id_, mark, reason)
        first = next(each for each in journal.cases() if each.incident == id_)
        if first.seq != entry.seq:
            raise IncidentRefused(
                f"{first.who} opened {id_} at the same moment",
                f"Work on it: token-console incident use {id_}. Yours stands there as a note.",
            )
        opened = fold(journal.cases())[id_]
    active.choose(paths, id_)
    return opened


def _past(leaked: float) -> None:
    if leaked > time.time():
        raise UsageError("the leak lies in the future", "Give when it began: 6h, or a time.")


def _free(known: Collection[str], now: float) -> str:
    """An id that nobody has taken: ``INC-20261130-1``."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    taken = {id_.lower() for id_ in known}
    number = 1
    while f"inc-{day}-{number}" in taken:
        number += 1
    return f"INC-{day}-{number}"


def amend(paths: Paths, id_: str, new: NewIncident) -> Incident:
    """Set title, severity, leak time or deadline anew; what is empty or 0 stays as it is.

    Raises: as ``begin``; UsageError where no incident is called so, or nothing is to change.
    """
    if not (new.title or new.severity or new.leaked or new.deadline):
        raise UsageError("nothing is to change", "Give --title, --severity, --leak or --deadline.")
    if new.severity and new.severity not in SEVERITIES:
        raise UsageError(
            f"no severity is called {new.severity[:20]!r}", f"Known: {', '.join(SEVERITIES)}."
        )
    _past(new.leaked)
    mark = IncidentMark(
        what=IncidentEvent.AMEND,
        title=text(new.title, "title"),
        severity=new.severity,
        leaked=instant(new.leaked),
        deadline=instant(new.deadline),
    )
    return _said(paths, id_, mark, new.reason)


def note(paths: Paths, id_: str, text: str) -> Incident:
    """Keep a word for the record. A closed incident takes notes too. Raises: as ``begin``."""
    return _said(paths, id_, IncidentMark(what=IncidentEvent.NOTE), text, closed=True)


def assign(
    paths: Paths, id_: str, person: str, *, role: str = "", backend: str = "", reason: str = ""
) -> Incident:
    """Give somebody a role, or the tokens of a backend.

    Raises: as ``begin``; UsageError without a person, or without a role and a backend.
    """
    person, role = text(person, "person"), text(role, "role")
    backend = text(backend, "backend")
    if not person or not (role or backend):
        raise UsageError("who is to do what?", "incident assign INC-7 ana --role lead")
    mark = IncidentMark(what=IncidentEvent.ASSIGN, person=person, role=role, backend=backend)
    return _said(paths, id_, mark, reason or f"{person} is {role or 'in charge'}")


def let_be(
    paths: Paths, id_: str, handle: str, *, person: str, expires: float, reason: str
) -> Incident:
    """Have somebody answer for a token of the scope that is let be, until a date.

    Raises: as ``begin``; UsageError where the token is not in the scope, or the date is past.
    """
    if expires <= time.time():
        raise UsageError("the exception would be over already", "Give a date to come: --until.")
    person = text(person, "owner")
    if not person:
        raise UsageError("an exception needs somebody who answers for it", "--owner NAME")
    with opening.journal(paths) as journal:
        incident = open_one(journal, id_)
        if handle not in incident.scope:
            raise UsageError(
                f"{handle[:40]} is not in the scope of {incident.id}",
                f"See: token-console incident show {incident.id}",
            )
        mark = IncidentMark(
            what=IncidentEvent.EXCEPT, subject=handle, person=person, expires=instant(expires)
        )
        write(journal, incident.id, mark, scan.reason(reason))
        return fold(journal.cases())[incident.id]


def accept(paths: Paths, id_: str, holes: Iterable[str], *, person: str, reason: str) -> Incident:
    """Have somebody answer for parts of systems that were not seen, each by its id.

    Raises: as ``begin``; UsageError where there is no such hole.
    """
    person = text(person, "owner")
    if not person:
        raise UsageError("this needs somebody who answers for it", "--owner NAME")
    with opening.journal(paths) as journal:
        incident = open_one(journal, id_)
        known = {hole_id(hole): hole for hole in incident.holes}
        wanted = list(dict.fromkeys(holes))
        if unknown := [hole for hole in wanted if hole not in known]:
            raise UsageError(
                f"{incident.id} has no hole {unknown[0][:40]!r}",
                f"See: token-console incident show {incident.id}",
            )
        why = scan.reason(reason)
        for hole in wanted:
            mark = IncidentMark(what=IncidentEvent.ACCEPT, subject=known[hole], person=person)
            write(journal, incident.id, mark, why)
        return fold(journal.cases())[incident.id]


def compare(paths: Paths, id_: str, vendor: str, differences: Iterable[str]) -> Incident:
    """Keep the differences between a vendor's list and ours, to be settled one by one.

    They take the place of those of the last comparison with this vendor. Raises: as ``begin``.
    """
    texts = [scan.withhold(" ".join(text.split()))[:TEXT] for text in differences]
    chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)] or [[]]
    name, which = text(vendor, "vendor"), uuid7()
    with opening.journal(paths) as journal:
        incident = open_one(journal, id_)
        drafts = [
            journal.draft(
                Kind.INCIDENT,
                why=f"compared with the list of {name}",
                incident=incident.id,
                case=IncidentMark(
                    what=IncidentEvent.COMPARE,
                    subject=name,
                    query=which,
                    differences=tuple(part),
                ),
            )
            for part in chunks
        ]
        write_all(journal, drafts)
        return fold(journal.cases())[incident.id]


def settle(paths: Paths, id_: str, differences: Iterable[str], reason: str) -> Incident:
    """Settle differences between two lists, each by its id or its whole text.

    Raises: as ``begin``; UsageError where there is no such difference.
    """
    why = scan.reason(reason)
    with opening.journal(paths) as journal:
        incident = open_one(journal, id_)
        texts = [text for _, told in incident.compared.values() for text in told]
        known = {text_id(text): text for text in texts}
        wanted = [known.get(each, each) for each in dict.fromkeys(differences)]
        if unknown := [each for each in wanted if each not in texts]:
            raise UsageError(
                f"{incident.id} has no difference {unknown[0][:60]!r}",
                f"See: token-console incident show {incident.id}",
            )
        drafts = [
            journal.draft(
                Kind.INCIDENT,
                why=why,
                incident=incident.id,
                case=IncidentMark(what=IncidentEvent.SETTLE, subject=text),
            )
            for text in wanted
        ]
        write_all(journal, drafts)
        return fold(journal.cases())[incident.id]


def close(paths: Paths, id_: str, reason: str) -> Assessment:
    """Close an incident of which nothing is left.

    Raises:
        IncidentRefused: something keeps it open; the hint says what, and what to do.
        ReasonRefused, UsageError, ConsoleError: as ``begin``.
    """
    why = scan.reason(reason)
    with opening.view(paths) as view:
        incident = find(id_, fold(view.cases()).values())
        if incident.closed is not None:
            raise IncidentRefused(f"{incident.id} is closed already")
        found = assess(incident, paths, view, time.time())
    if found.blocks:
        raise IncidentRefused(
            f"{incident.id} stays open: {count(len(found.blocks), 'thing is', 'things are')} left",
            "\n".join(words.blocks(found)),
        )
    with opening.journal(paths) as journal:
        _unchanged(fold(journal.cases())[incident.id], incident)
        entry = write(journal, incident.id, IncidentMark(what=IncidentEvent.CLOSE), why)
        between = [
            each for each in journal.cases(incident.seq)
            if each.incident == incident.id and each.seq < entry.seq
        ]  # fmt: skip
        if between:
            mark = IncidentMark(what=IncidentEvent.REOPEN)
            write(journal, incident.id, mark, "it was changed while it was closed")
        incident = fold(journal.cases())[incident.id]
        if between:
            _unchanged(incident, found.incident)
    if active.chosen(paths) == incident.id:
        active.choose(paths, "")
    return found._replace(incident=incident)


def _unchanged(by_now: Incident, looked_at: Incident) -> None:
    """Raises ``IncidentRefused`` where somebody wrote to it since it was looked at."""
    if by_now.seq == looked_at.seq:
        return
    if by_now.closed is not None:
        raise IncidentRefused(f"{by_now.id} is closed already")
    raise IncidentRefused(
        f"{by_now.id} stays open: somebody changed it at this moment",
        f"See what: token-console incident show {by_now.id}",
    )


def reopen(paths: Paths, id_: str, reason: str) -> Incident:
    """Open a closed incident again. Raises: as ``begin``; IncidentRefused where it is open."""
    with opening.journal(paths) as journal:
        incident = find(id_, fold(journal.cases()).values())
        if incident.closed is None:
            raise IncidentRefused(f"{incident.id} is open")
        mark = IncidentMark(what=IncidentEvent.REOPEN)
        write(journal, incident.id, mark, scan.reason(reason))
        return fold(journal.cases())[incident.id]


def watch(paths: Paths) -> tuple[tuple[str, str], ...]:
    """Open those closed incidents again that are not over: pairs of an id and why.

    For whoever has just read systems or logs. Writes nothing where there is nothing to say.

    Raises:
        ConsoleError: the journal or the store cannot be used.
    """
    with opening.view(paths) as view:
        closed = [each for each in fold(view.cases()).values() if each.closed is not None]
        now = time.time()
        found = [(each.id, assess(each, paths, view, now).again) for each in closed]
    told = []
    for id_, reasons in found:
        if not reasons:
            continue
        why = scan.withhold(" ".join("; ".join(reasons).split()))[: scan.MAX_REASON]
        reopen(paths, id_, why)
        told.append((id_, why))
    return tuple(told)


def _said(
    paths: Paths, id_: str, mark: IncidentMark, reason: str, *, closed: bool = False
) -> Incident:
    """Write a word on an incident; ``closed`` says that a closed one takes it too."""
    why = scan.reason(reason)
    with opening.journal(paths) as journal:
        incident = find(id_, fold(journal.cases()).values()) if closed else open_one(journal, id_)
        write(journal, incident.id, mark, why)
        return fold(journal.cases())[incident.id]
