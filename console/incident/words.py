"""An incident in words: what the command prints and the screen shows, from one place.

Pairs of a label and a text; texts are raw and are made safe where they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from backends.words import count
from console.incident.assess import Assessment, Block
from console.incident.record import Incident, hole_id
from console.incident.runs import IncidentRun
from console.incident.times import Times
from console.response.state.old_value import What
from console.text import age, stamp

Line = tuple[str, str]
"""A label and a text."""
NOT_KNOWN = "not known"
NOT_READ = "no log was read for all that time"


def moment(at: float) -> str:
    """A time in UTC, or that it is not known."""
    return stamp(datetime.fromtimestamp(at, UTC)) if at else NOT_KNOWN


def headline(found: Assessment) -> str:
    """``INC-7 OPEN high: npm token in a log``."""
    incident = found.incident
    return f"{incident.id} {found.state.upper()} {incident.severity}: {incident.title}"


def clock(incident: Incident, now: float) -> str:
    """How long until the deadline, or since when it is over; empty without one."""
    if not incident.deadline:
        return ""
    left = incident.deadline - now
    told = f"{age(left)} left" if left > 0 else f"OVER since {age(-left)}"
    return f"{moment(incident.deadline)} ({told})"


def equation(found: Assessment) -> str:
    """``312 = still works 2 + refused 300 + excepted 10``; what is not dealt with always shows."""
    total = len(found.tokens)
    sums = found.sums
    parts = [f"{what.value} {many:,}" for what, many in sums.items()]
    if found.excepted:
        parts.append(f"excepted {found.excepted:,}")
    return f"{total:,} = {' + '.join(parts)}" if parts else "no token"


def lines(found: Assessment) -> Iterator[Line]:
    """Everything about an incident but its tokens, what blocks it, and its notes."""
    incident = found.incident
    yield "why", incident.why
    yield "opened", f"{moment(incident.opened_at)} by {incident.opened_by}"
    for again in incident.reopened:
        yield "again", f"{moment(again.at)} by {again.who}: {again.text}"
    if incident.closed is not None:
        closed = incident.closed
        yield "closed", f"{moment(closed.at)} by {closed.who}: {closed.text}"
    for reason in found.again:
        yield "NOT OVER", reason
    if due := clock(incident, found.now):
        yield "due", due
    for given in incident.assigned.values():
        where = f" for {given.backend}" if given.backend else ""
        yield (given.role or "in charge")[:10], f"{given.person}{where}"
    for query, at in incident.queries.items():
        yield "scope", f"{query}, as of {moment(at)}"
    yield "tokens", equation(found)
    yield from _times(found.times, found.now)
    seen = len(incident.holes)
    if seen:
        open_ = len(incident.unaccepted)
        yield "not seen", f"{count(seen, 'part')} of its systems, {open_:,} accepted by nobody"
    elif incident.scope:
        yield "not seen", "nothing that its systems told of"


def _times(times: Times, now: float) -> Iterator[Line]:
    yield "exposed", moment(times.exposed)
    yield from stages(times)
    names = ", ".join(times.unlooked)
    blind = f"; not known for {names}: {NOT_READ}" if names else ""
    if not times.exposed:
        yield "bad use", "not known: nobody said when the leak began"
    elif times.bad_use is None:
        last = f"; last used {moment(times.last_use)}" if times.last_use else ""
        yield "bad use", f"none seen from an address that was new after the leak{last}{blind}"
    else:
        use = times.bad_use
        yield "bad use", f"last at {moment(use.at)} from {use.source}, by token {use.handle}{blind}"


def stages(times: Times) -> Iterator[Line]:
    """How far the tokens are on the way to their end, each stage with its time or what is left."""
    if not times.counted:
        yield "contained", "not known: no token counts"
        yield "ended", NOT_KNOWN
        yield "dead", NOT_KNOWN
        return
    after = f", {age(times.window)} after the exposure" if times.window else ""
    yield "contained", _stage(times.uncontained, times.contained, after)
    yield "ended", _stage(times.unended, times.ended, ", the last one")
    left = count(times.unrefused, "value was", "values were")
    yield (
        "dead",
        (
            f"{moment(times.dead)}, the last one refused"
            if times.dead
            else f"not proved: {left} not seen refused"
        ),
    )


def _stage(left: int, at: float, more: str) -> str:
    if left:
        return f"not yet: {count(left, 'token')} left"
    return f"{moment(at)}{more}" if at else "by their records, which do not say since when"


def token_rows(found: Assessment) -> Iterator[tuple[str, str, str, str]]:
    """Each token: its handle, backend, name, and what is known of its value."""
    for each in found.tokens:
        told = each.verdict.line
        if each.exception is not None:
            word = each.exception
            held = "excepted" if word.holds(found.now) else "EXCEPTION EXPIRED"
            told = f"{told} [{held}: {word.person}, until {moment(word.expires)}]"
        member = each.scoped.member
        yield member.handle, member.backend, member.name or member.id, told


def run_line(each: IncidentRun) -> str:
    """``44ac6fda revoke 130 tokens · running, 12 left``."""
    if not each.verb:
        return f"{each.plan[-8:]} {each.standing}: {each.old}"
    left = f", {each.left:,} left" if each.left else ""
    failed = f", {each.failed:,} failed" if each.failed else ""
    what = f"{each.verb} {count(each.tokens, 'token')}"
    # What is known of the values stands at the tokens: a run's own word may be older.
    return f"{each.plan[-8:]} {what} \u00b7 {each.standing}{left}{failed}"


def block(each: Block, incident: Incident) -> str:
    """What keeps it open, and what to do about it."""
    return f"{each.words}. {hint(each, incident)}"


TYPED = 60
"""Differences whose ids stand in the command that settles them."""
FEW = 5
"""Tokens that keep an incident open and are told one by one."""


def blocks(found: Assessment) -> Iterator[str]:
    """What keeps it open, and what to do about it; of many tokens how many, and the worst."""
    incident = found.incident
    tokens = [each for each in found.blocks if each.kind == "token"]
    for each in tokens[:FEW]:
        yield block(each, incident)
    if len(tokens) > FEW:
        rest = count(len(tokens) - FEW, "more token")
        yield (
            f"and {rest}. Plan for all: token-console plan revoke incident:{incident.id}"
            " --reason WHY"
        )
    holes_ = [each for each in found.blocks if each.kind == "hole"]
    for each in holes_[:FEW]:
        yield f"{each.words} ({each.subject})"
    if len(holes_) > FEW:
        yield f"and {count(len(holes_) - FEW, 'more part')} not seen"
    if holes_:
        ids = " ".join(each.subject for each in holes_)
        yield (
            "Make these parts readable and scope again, or have somebody answer for them:"
            f" token-console incident accept {incident.id} {ids} --owner NAME --reason WHY"
        )
    differences = [each for each in found.blocks if each.kind == "difference"]
    for each in differences[:FEW]:
        yield f"{each.words} ({each.subject})"
    if differences:
        ids = " ".join(each.subject for each in differences[:TYPED])
        rest = f"and {count(len(differences) - FEW, 'more difference')}. "
        more = rest if len(differences) > FEW else ""
        yield (
            f"{more}Settle them by name: token-console incident settle {incident.id} {ids}"
            " --reason WHY"
        )
    waits = [each for each in found.blocks if each.kind == "wait"]
    for each in waits[:FEW]:
        yield block(each, incident)
    if len(waits) > FEW:
        until = max(each.verdict.until for each in found.tokens)
        yield f"and {count(len(waits) - FEW, 'more token')}, the last until {moment(until)}"
    for each in found.blocks:
        if each.kind not in ("token", "wait", "hole", "difference"):
            yield block(each, incident)


def hint(each: Block, incident: Incident) -> str:
    """What to do about it, with the incident's own id."""
    return each.hint.replace(" ID ", f" {incident.id} ")


def listed(incident: Incident, now: float) -> tuple[str, str, str, str, str, str]:
    """A line of a list, from the record alone: how its tokens stand is not asked for."""
    state = "closed" if incident.closed is not None else "open"
    return (
        incident.id,
        state,
        incident.severity,
        age(max(0.0, now - incident.opened_at)),
        f"{len(incident.scope):,}",
        incident.title,
    )


def document(found: Assessment) -> dict[str, object]:
    """The same for a script. Times are ISO 8601 in UTC; null is not known."""
    incident, times = found.incident, found.times
    return {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "state": found.state.lower(),
        "why": incident.why,
        "as_of": iso(found.now),
        "opened": {"at": iso(incident.opened_at), "by": incident.opened_by},
        "closed": _word(incident.closed.at, incident.closed.who, incident.closed.text)
        if incident.closed
        else None,
        "reopened": [_word(each.at, each.who, each.text) for each in incident.reopened],
        "not_over": list(found.again),
        "deadline": iso(incident.deadline),
        "assigned": [
            {"person": each.person, "role": each.role, "backend": each.backend, "at": iso(each.at)}
            for each in incident.assigned.values()
        ],
        "scope": {
            "queries": {query: iso(at) for query, at in incident.queries.items()},
            "holes": [
                {"id": subject, "what": hole, "accepted_by": by}
                for subject, hole, by in holes(incident)
            ],
        },
        "sums": {what.value: found.sums.get(what, 0) for what in What},
        "excepted": found.excepted,
        "times": times_told(times),
        "tokens": [
            {
                "handle": each.scoped.member.handle,
                "backend": each.scoped.member.backend,
                "kind": each.scoped.member.kind,
                "id": each.scoped.member.id,
                "name": each.scoped.member.name,
                "in_scope_since": iso(each.scoped.at),
                "query": each.scoped.query,
                "value": each.verdict.told(),
                "run": each.about.run or None if each.about else None,
                "used_after_end": iso(each.used_after),
                "exception": {
                    "owner": each.exception.person,
                    "why": each.exception.why,
                    "until": iso(each.exception.expires),
                    "holds": each.exception.holds(found.now),
                }
                if each.exception
                else None,
            }
            for each in found.tokens
        ],
        "blocks": [
            {"kind": each.kind, "subject": each.subject, "words": each.words}
            | {"hint": hint(each, incident)}
            for each in found.blocks
        ],
        "notes": [_word(each.at, each.who, each.text) for each in incident.notes],
        "runs": [each._asdict() | {"at": iso(each.at)} for each in found.runs],
    }


def times_told(
    times: Times,
    token: Callable[[str], str] = str,
    address: Callable[[str], str] = str,
    backend: Callable[[str], str] = str,
) -> dict[str, object]:
    """The times for a script; the others say what a handle, an address, a system are called."""
    use = times.bad_use
    bad = use and {"at": iso(use.at), "token": token(use.handle), "source": address(use.source)}
    return {
        "exposed": iso(times.exposed),
        "found": iso(times.found),
        "contained": iso(times.contained),
        "ended": iso(times.ended),
        "dead": iso(times.dead),
        "uncontained": times.uncontained,
        "unended": times.unended,
        "unrefused": times.unrefused,
        "last_use": iso(times.last_use),
        "bad_use": bad,
        "logs_not_read": [backend(name) for name in times.unlooked],
    }


def holes(incident: Incident) -> Iterator[tuple[str, str, str]]:
    """Each part that was not seen: its id, what it is, and who answers for it (empty: nobody)."""
    for hole in incident.holes:
        word = incident.accepted_by(hole)
        yield hole_id(hole), hole, word.person if word is not None else ""


def iso(at: float) -> str | None:
    """A time for a script."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") if at else None


def _word(at: float, who: str, text: str) -> dict[str, object]:
    return {"at": iso(at), "by": who, "why": text}
