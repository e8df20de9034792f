"""The situation report: where an incident stands, for people who were not there.

One paper for a chat, for Markdown, for a page and, as ``told``, for programs. What is not
known is said where the known thing would stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from backends.words import count
from console.incident import words
from console.incident.assess import Assessment
from console.incident.papers.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Heading,
    Line,
    Paragraph,
    Table,
)
from console.incident.papers.names import Names, Part, more_of
from console.incident.standing import TokenStanding
from console.incident.times import Times
from console.incident.words import iso, moment
from console.response.state.old_value import What
from console.text import stamp

FEW = 20
"""Tokens, and things left, that are named one by one; of more it is said how many where."""


def situation(found: Assessment, names: Names, *, every: bool = False) -> Document:
    """The report. ``every`` names each token, whatever their number."""
    incident = found.incident
    most = max(len(found.tokens), FEW) if every else FEW
    title: Line = (
        names.incident(incident), f" {found.state.upper()}, {incident.severity}",
        *(() if names.redacted else (": ", names.said(incident.title))),
    )  # fmt: skip
    blocks: list[Block] = [Facts(tuple(_head(found, names)))]
    blocks += [Heading(("Times",)), Facts(tuple(_times(found, names)))]
    blocks += [Heading(("Who",)), Facts(tuple(roles(found, names)))]
    blocks += [Heading(("Tokens",)), *_tokens(found, names, most)]
    blocks += [Heading(("What is left",)), *_left(found, names)]
    blocks += [Heading(("What comes next",)), Bullets(tuple(next_steps(found, names)))]
    if incident.holes:
        blocks += [Heading(("Not seen",)), Bullets(tuple(_holes(found, names, most)))]
    return Document(title, tuple(blocks))


def as_of(found: Assessment) -> Line:
    """Of which moment a paper is, and from which entry of the journal."""
    seq = found.entries[-1].seq if found.entries else 0
    return (f"{stamp(datetime.fromtimestamp(found.now, UTC))}, from the journal's entry {seq:,}",)


def _head(found: Assessment, names: Names) -> Iterator[tuple[str, Line]]:
    incident = found.incident
    yield "as of", as_of(found)
    yield "why", (names.said(incident.why),)
    yield "opened", (f"{moment(incident.opened_at)} by ", names.person(incident.opened_by))
    if incident.closed is not None:
        told = incident.closed
        yield "closed", (
            f"{moment(told.at)} by ", names.person(told.who), ": ", names.said(told.text),
        )  # fmt: skip
    for reason in found.again:
        yield "NOT OVER", (names.said(reason),)
    yield "deadline", (words.clock(incident, found.now) or "none was set",)


def _times(found: Assessment, names: Names) -> Iterator[tuple[str, Line]]:
    times = found.times
    yield "first exposed", (moment(times.exposed),)
    yield "found", (moment(times.found),)
    for label, told in words.stages(times):
        yield label, (told,)
    yield (
        "last use seen",
        (
            moment(times.last_use)
            if times.exposed
            else "not known: nobody said when the leak began",
        ),
    )
    use = times.bad_use
    if not times.exposed:
        yield "last bad use", ("not known: nobody said when the leak began",)
    elif use is None:
        yield "last bad use", (
            "none seen from an address that was new after the leak", *_blind(times, names)
        )  # fmt: skip
    else:
        yield "last bad use", (
            f"{moment(use.at)} from ", names.address(use.source), " with ", names.token(use.handle),
            *_blind(times, names),
        )  # fmt: skip


def _blind(times: Times, names: Names) -> Line:
    """Of which systems no log tells."""
    if not times.unlooked:
        return ()
    told: list[Part] = ["; not known for "]
    for number, backend in enumerate(times.unlooked):
        told += [", "] * bool(number) + [names.backend(backend)]
    return (*told, f": {words.NOT_READ}")


def roles(found: Assessment, names: Names) -> Iterator[tuple[str, Line]]:
    """Who has which role, and who the tokens of which system."""
    assigned = found.incident.assigned.values()
    for given in assigned:
        where: Line = (" for ", names.backend(given.backend)) if given.backend else ()
        yield str(names.role(given.role)), (names.person(given.person), *where)
    if not assigned:
        yield (
            "in charge",
            (f"nobody was named; opened by {names.person(found.incident.opened_by)}",),
        )


def _tokens(found: Assessment, names: Names, most: int) -> Iterator[Block]:
    yield Paragraph((words.equation(found),))
    if not found.tokens:
        return
    if len(found.tokens) <= most:
        rows = []
        for each in found.tokens:
            handle = each.scoped.member.handle
            value = (names.verdict(each.verdict), *_exception(each, found, names))
            row: tuple[Line, ...] = ((names.token(handle),), value)
            # A label stands for the handle too.
            rows.append(row if names.redacted else ((names.handle(handle),), *row))
        header = ("token", "its value")
        yield Table(header if names.redacted else ("handle", *header), tuple(rows))
        return
    sums: dict[str, Counter[What]] = {}
    excepted: Counter[str] = Counter()
    for each in found.tokens:
        backend = each.scoped.member.backend
        told = sums.setdefault(backend, Counter())
        if each.excepted(found.now):
            excepted[backend] += 1
        else:
            told[each.verdict.what] += 1
    yield Table(
        ("system", "tokens", "their values"),
        tuple(
            (
                (names.backend(backend),),
                (f"{told.total() + excepted[backend]:,}",),
                (_sums(told, excepted[backend]),),
            )
            for backend, told in sorted(sums.items())
        ),
    )


def _sums(told: Counter[What], excepted: int) -> str:
    parts = [f"{what.value} {told[what]:,}" for what in What if told[what]]
    if excepted:
        parts.append(f"excepted {excepted:,}")
    return ", ".join(parts)


def _exception(each: TokenStanding, found: Assessment, names: Names) -> Line:
    word = each.exception
    if word is None:
        return ()
    held = "excepted" if word.holds(found.now) else "EXCEPTION EXPIRED"
    return (f" [{held}: ", names.person(word.person), f", until {moment(word.expires)}]")


def _left(found: Assessment, names: Names) -> Iterator[Block]:
    if not found.blocks:
        yield Paragraph(("Nothing keeps it open.",))
        return
    kinds = Counter(block.kind for block in found.blocks)
    told = ", ".join(f"{BLOCKS.get(kind, kind)}: {number:,}" for kind, number in kinds.items())
    yield Paragraph((f"{count(len(found.blocks), 'thing keeps', 'things keep')} it open. {told}",))
    yield Bullets(tuple(left(found, names)))


def left(found: Assessment, names: Names) -> Iterator[Line]:
    """What keeps it open, each; of many tokens how many there are of each system and verdict."""
    tokens = [block for block in found.blocks if block.kind == "token"]
    if len(tokens) <= FEW:
        for block in tokens:
            yield (names.block(block),)
    else:
        ours = {block.subject for block in tokens}
        alike = Counter(
            (each.scoped.member.backend, each.verdict.title.partition(" at ")[0])
            for each in found.tokens
            if each.scoped.member.handle in ours
        )
        for (backend, title), number in sorted(alike.items()):
            yield (f"{count(number, 'token')} of ", names.backend(backend), f": {title}")
    rest = [block for block in found.blocks if block.kind != "token"]
    for block in rest[:FEW]:
        yield (names.block(block),)
    if more := more_of(len(rest), FEW, "thing"):
        yield (more,)


BLOCKS = {
    "token": "tokens not dealt with",
    "wait": "tokens whose end may not hold yet",
    "difference": "differences with a vendor's list",
    "call": "open calls",
    "hole": "parts not seen",
    "query": "queries that find more",
    "late": "queries that cannot be asked",
}
"""What keeps an incident open, by the kind of the block."""
_STEPS = (
    ("call", "Find out what became of the open calls", "token-console journal recover"),
    (
        "token",
        "End the tokens that are not dealt with, or have somebody answer for each",
        "token-console plan revoke incident:{id} --reason WHY",
    ),
    (
        "query",
        "Take in the tokens that its queries find by now",
        "token-console incident scope {id} --again",
    ),
    ("late", "Read the systems, so that its queries can be asked", "token-console sync"),
    (
        "difference",
        "Settle the differences with a vendor's list, each by its name",
        "token-console incident settle {id} DIFFERENCE --reason WHY",
    ),
    (
        "hole",
        "Make what was not seen readable, or have somebody answer for it",
        "token-console incident accept {id} PART --owner NAME --reason WHY",
    ),
)
"""What to do about each kind of thing that keeps it open, and the command for it."""


def next_steps(found: Assessment, names: Names) -> Iterator[Line]:
    """What comes next, the most urgent first."""
    incident = found.incident
    if incident.closed is not None and not found.again:
        yield ("Nothing: it is closed.",)
        return
    if found.again:
        yield ("It was closed and is not over: open it again, or see that it is over.",)
    kinds = {block.kind for block in found.blocks}
    for kind, step, command in _STEPS:
        if kind in kinds:
            typed = "" if names.redacted else f": {command.format(id=names.incident(incident))}"
            yield (f"{step}{typed}",)
    waits = [each.verdict.until for each in found.tokens if each.verdict.until > found.now]
    if waits:
        yield (f"Wait for the declared propagation: until {moment(max(waits))}",)
    if not found.times.exposed:
        when = "token-console incident amend {id} --leak WHEN --reason WHY"
        typed = "" if names.redacted else f": {when.format(id=names.incident(incident))}"
        yield (f"Say when the leak began, else no use can be called good or bad{typed}",)
    if not found.blocks:
        yield ("Close it: nothing keeps it open",)


def _holes(found: Assessment, names: Names, most: int) -> Iterator[Line]:
    incident = found.incident
    for hole in incident.holes[:most]:
        word = incident.accepted_by(hole)
        by: Line = (
            (", accepted by ", names.person(word.person)) if word else (", accepted by nobody",)
        )
        yield (names.hole(hole), *by)
    if more := more_of(len(incident.holes), most, "part"):
        yield (more,)


def told(found: Assessment, names: Names) -> dict[str, object]:
    """The report for a program: what ``incident show --json`` says, and what comes next.

    With labels, the same members as far as they have no text that somebody typed.
    """
    steps = ["".join(line) for line in next_steps(found, names)]
    if not names.redacted:
        return words.document(found) | {"next": steps}
    incident, times = found.incident, found.times
    return {
        "id": names.incident(incident),
        "severity": incident.severity,
        "state": found.state.lower(),
        "as_of": iso(found.now),
        "opened": {"at": iso(incident.opened_at), "by": names.person(incident.opened_by)},
        "closed": iso(incident.closed.at) if incident.closed else None,
        "not_over": bool(found.again),
        "deadline": iso(incident.deadline),
        "assigned": [
            {
                "person": names.person(each.person),
                "role": names.role(each.role),
                "backend": names.backend(each.backend) if each.backend else "",
                "at": iso(each.at),
            }
            for each in incident.assigned.values()
        ],
        "scope": {
            "queries": {names.query(query): iso(at) for query, at in incident.queries.items()},
            "holes": [
                {"what": names.hole(hole), "accepted_by": names.person(word.person) if word else ""}
                for hole in incident.holes
                for word in [incident.accepted_by(hole)]
            ],
        },
        "sums": {what.value: found.sums.get(what, 0) for what in What},
        "excepted": found.excepted,
        "times": words.times_told(times, names.token, names.address, names.backend),
        "tokens": [
            {
                "token": names.token(each.scoped.member.handle),
                "backend": names.backend(each.scoped.member.backend),
                "in_scope_since": iso(each.scoped.at),
                "value": {"what": each.verdict.what.value, "headline": each.verdict.title},
                "used_after_end": iso(each.used_after),
                "exception": {
                    "owner": names.person(each.exception.person),
                    "until": iso(each.exception.expires),
                    "holds": each.exception.holds(found.now),
                }
                if each.exception
                else None,
            }
            for each in found.tokens
        ],
        "blocks": [{"kind": each.kind, "words": names.block(each)} for each in found.blocks],
        "notes": len(incident.notes),
        "runs": [names.run(plan) for plan in found.plans],
        "next": steps,
    }
