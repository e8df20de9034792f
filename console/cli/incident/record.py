"""``incident``: why we act, on which tokens, who does what, and what is left."""

from __future__ import annotations

import argparse
import time

from backends.words import count
from console.cli.incident import story as incident_story
from console.cli.inventory import one, opened
from console.cli.shell import output
from console.cli.show import labelled
from console.errors import Exit, UsageError
from console.incident import active, scoping, service, words
from console.incident.assess import Assessment, assess
from console.incident.record import Incident, find, fold
from console.incident.service import NewIncident
from console.inventory import export
from console.journal import opening
from console.journal.read.view import JournalView
from console.settings import Paths, paths
from console.timeline.when import moment_of, seconds_of

NOTES = 5
"""Notes that are shown where not all are asked for."""
HOLES = 20
TOKENS = 20
"""Tokens that are listed where not all are asked for."""


def open_(chosen: argparse.Namespace) -> int:
    """Open an incident, with its scope where one is given."""
    where = paths(chosen.home)
    where.make()
    handles = _handles(where, chosen.token)
    new = NewIncident(
        title=chosen.title,
        reason=chosen.reason,
        severity=chosen.severity,
        id=chosen.id,
        leaked=_leak(chosen),
        deadline=_deadline(chosen),
    )
    incident = service.begin(where, new)
    output.note(f"{incident.id} is open; what you plan from here on carries it")
    if chosen.query or handles:
        _scoped(scoping.widen(where, incident.id, query=chosen.query, handles=handles))
    # That it is open is what was asked for.
    _show(where, incident.id, as_json=chosen.json)
    return Exit.OK


def list_(chosen: argparse.Namespace) -> int:
    """List incidents, those that are open first."""
    where = paths(chosen.home)
    now = time.time()
    with opening.view(where) as view:
        fine = whole(view)
        known = list(fold(view.cases()).values())
    shown = [each for each in known if chosen.all or each.closed is None]
    if chosen.json:
        print(export.dumps([_listed(each) for each in shown]))
        return Exit.OK if fine else Exit.FAILED
    mine = active.chosen(where)
    rows = [
        ("*" if each.id == mine and each.closed is None else "", *words.listed(each, now))
        for each in sorted(shown, key=lambda each: (each.closed is not None, -each.opened_at))
    ]
    if rows:
        header = ("", "id", "state", "severity", "age", "tokens", "title")
        output.table(header, rows, (1, 40, 8, 8, 6, 8, 200), key=2)
    if chosen.all and len(known) > len([each for each in known if each.closed is None]):
        output.note("closed as recorded; incident show says whether one is over")
    closed = len(known) - len(shown)
    if not rows:
        output.note("no incident is open" + ("" if known else "; token-console incident open"))
    if closed:
        output.note(f"{closed} closed: token-console incident list --all")
    return Exit.OK if fine else Exit.FAILED


def _listed(each: Incident) -> dict[str, object]:
    return {
        "id": each.id,
        "title": each.title,
        "severity": each.severity,
        "closed": each.closed is not None,
        "opened": words.iso(each.opened_at),
        "tokens": len(each.scope),
    }


def show(chosen: argparse.Namespace) -> int:
    """Tell where an incident stands; exit 3 while something keeps it open."""
    where = paths(chosen.home)
    return _show(
        where, named(where, chosen.incident),
        as_json=chosen.json, notes=chosen.notes, every=chosen.every, timeline=chosen.timeline,
    )  # fmt: skip


def use(chosen: argparse.Namespace) -> int:
    """Be at work on an incident, or on none."""
    where = paths(chosen.home)
    where.make()
    if chosen.none:
        active.choose(where, "")
        output.note("you are at work on no incident")
        return Exit.OK
    with opening.view(where) as view:
        incident = find(named(where, chosen.incident), fold(view.cases()).values())
    if incident.closed is not None:
        raise UsageError(
            f"{incident.id} is closed", f"First: token-console incident reopen {incident.id}"
        )
    active.choose(where, incident.id)
    output.note(f"what you plan from here on carries {incident.id}: {incident.title}")
    return Exit.OK


def amend(chosen: argparse.Namespace) -> int:
    """Set what is known of it anew."""
    where = paths(chosen.home)
    new = NewIncident(
        title=chosen.title,
        reason=chosen.reason,
        severity=chosen.severity,
        leaked=_leak(chosen),
        deadline=_deadline(chosen),
    )
    return _done(where, service.amend(where, named(where, chosen.incident), new), chosen)


def scope(chosen: argparse.Namespace) -> int:
    """Take tokens into the scope."""
    where = paths(chosen.home)
    id_, query = named(where, chosen.incident), " ".join(chosen.query)
    if chosen.again:
        if query or chosen.token:
            raise UsageError("--again looks at the queries that are there", "Give it alone.")
        told = scoping.again(where, id_)
    elif query or chosen.token:
        handles = _handles(where, chosen.token)
        told = scoping.widen(where, id_, query=query, handles=handles, reason=chosen.reason)
    else:
        raise UsageError("no tokens are named", "Give a query, or --token ID.")
    _scoped(told)
    if chosen.json:
        print(export.dumps(told._asdict()))
    return Exit.OK


def _scoped(told: scoping.Scoped) -> None:
    output.note(f"{told.added:,} of {count(told.found, 'token')} new in the scope")
    for hole in told.holes[:HOLES]:
        output.note(f"not seen: {hole}")
    if len(told.holes) > HOLES:
        output.note(f"and {len(told.holes) - HOLES:,} more parts not seen")


def note(chosen: argparse.Namespace) -> int:
    """Keep a word for the record."""
    where = paths(chosen.home)
    return _done(where, service.note(where, named(where, chosen.incident), chosen.text), chosen)


def assign(chosen: argparse.Namespace) -> int:
    """Give somebody a role, or the tokens of a backend."""
    where = paths(chosen.home)
    found = service.assign(
        where, named(where, chosen.incident), chosen.person,
        role=chosen.role, backend=chosen.backend, reason=chosen.reason,
    )  # fmt: skip
    return _done(where, found, chosen)


def except_(chosen: argparse.Namespace) -> int:
    """Let a token be, with somebody who answers for it."""
    where = paths(chosen.home)
    (handle,) = _handles(where, [chosen.token])
    found = service.let_be(
        where, named(where, chosen.incident), handle,
        person=chosen.owner, expires=_date(chosen.until), reason=chosen.reason,
    )  # fmt: skip
    return _done(where, found, chosen)


def accept(chosen: argparse.Namespace) -> int:
    """Answer for parts of systems that were not seen."""
    where = paths(chosen.home)
    id_ = named(where, chosen.incident)
    found = service.accept(where, id_, chosen.hole, person=chosen.owner, reason=chosen.reason)
    return _done(where, found, chosen)


def close(chosen: argparse.Namespace) -> int:
    """Close an incident of which nothing is left."""
    where = paths(chosen.home)
    found = service.close(where, named(where, chosen.incident), chosen.reason)
    if not found.tokens:
        output.note("no token was in its scope")
    contained = sum(each.is_stopped and not each.is_over for each in found.tokens)
    if contained:
        output.note(f"{count(contained, 'token')} only contained, and not ended for good")
    return _done(where, found.incident, chosen)


def reopen(chosen: argparse.Namespace) -> int:
    """Open a closed incident again."""
    where = paths(chosen.home)
    found = service.reopen(where, named(where, chosen.incident), chosen.reason)
    return _done(where, found, chosen)


def whole(view: JournalView) -> bool:
    """Whether the journal is whole; that it is not is said, for what it holds may be untrue."""
    fine, problem = view.check()
    if not fine:
        output.error(
            f"the journal is not whole: {problem}; what stands here may be untrue",
            "See what is wrong: token-console journal verify",
        )
    return fine


def named(where: Paths, given: str) -> str:
    """The id that a person means: ``.`` is the incident worked on.

    Raises:
        UsageError: none is worked on.
    """
    given = given.strip()
    if ":" in given:
        raise UsageError(
            f"{given!r} is no incident's id", f"Put the id first: incident scope INC-7 {given}"
        )
    if given != ".":
        return given
    found = active.current(where)
    if found is None:
        raise UsageError(
            "you are at work on no incident",
            "Name it: token-console incident list --all. Or: token-console incident use ID",
        )
    return found.id


def _done(where: Paths, incident: Incident, chosen: argparse.Namespace) -> int:
    if chosen.json:
        print(export.dumps(_listed(incident)))
        return Exit.OK
    state = "closed" if incident.closed is not None else "open"
    output.line(f"{incident.id} {state}: {incident.title}")
    return Exit.OK


def _show(
    where: Paths,
    id_: str,
    *,
    as_json: bool,
    notes: bool = False,
    every: bool = False,
    timeline: bool = False,
) -> int:
    with opening.view(where) as view:
        fine = whole(view)
        incident = find(id_, fold(view.cases()).values())
        found = assess(incident, where, view, time.time())
    if timeline:
        incident_story.show(found, where, as_json=as_json)
    elif as_json:
        print(export.dumps(words.document(found)))
    else:
        _print(found, notes=notes, every=every)
    if not fine:
        return Exit.FAILED
    return Exit.PARTIAL if found.blocks or found.again else Exit.OK


def _print(found: Assessment, *, notes: bool, every: bool) -> None:
    incident = found.incident
    output.line(words.headline(found))
    output.line()
    for label, text in words.lines(found):
        for piece in labelled(label, text):
            output.line(piece)
    if found.tokens:
        output.line()
        header = ("handle", "backend", "name", "its value")
        rows = list(words.token_rows(found))
        output.table(header, rows if every else rows[:TOKENS], (12, 20, 28, 400), key=1)
        if len(rows) > TOKENS and not every:
            output.line(f"and {len(rows) - TOKENS:,} more, none of them worse: --every has all")
    if found.runs:
        output.line()
    for run in found.runs:
        output.line(f"run {words.run_line(run)}")
    if incident.holes:
        output.line()
        for subject, hole, by in list(words.holes(incident))[:HOLES]:
            output.line(f"not seen {subject}  {hole}" + (f" (accepted: {by})" if by else ""))
        if len(incident.holes) > HOLES:
            output.line(f"and {len(incident.holes) - HOLES:,} more parts; --json has all")
    shown = incident.notes if notes else incident.notes[-NOTES:]
    if shown:
        output.line()
    for each in shown:
        output.line(f"{words.moment(each.at)}  {each.who}: {each.text}")
    if len(shown) < len(incident.notes):
        output.note(f"{len(incident.notes) - len(shown)} older notes: --notes")
    output.line()
    if not found.blocks:
        output.line("Nothing keeps it open.")
    for line in words.blocks(found):
        output.line(f"OPEN: {line}")


def _handles(where: Paths, wanted: list[str]) -> tuple[str, ...]:
    if not wanted:
        return ()
    with opened(where) as inventory:
        return tuple(one(inventory, each).handle for each in wanted)


def _leak(chosen: argparse.Namespace) -> float:
    return float(moment_of(chosen.leak, time.time())) if chosen.leak else 0.0


def _deadline(chosen: argparse.Namespace) -> float:
    """A time to come: as it stands, or so far from now."""
    return _date(chosen.deadline) if chosen.deadline else 0.0


def _date(text: str) -> float:
    now = time.time()
    if text.strip()[:1].isdigit() and text.strip()[-1:] in "smhdw":
        return now + seconds_of(text)
    return float(moment_of(text, now))
