"""The scope of an incident: which tokens it is about, and what was not seen of their systems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backends.model import Gap, Token
from backends.words import count
from console.errors import UsageError
from console.incident.assess import stored
from console.incident.record import find, fold
from console.incident.writing import CHUNK, TEXT, open_one, write_all
from console.journal import opening
from console.journal.format import scan
from console.journal.format.entry import Kind
from console.journal.format.incident_mark import IncidentEvent, IncidentMark, Member
from console.response.plan import scope as plan_scope
from console.settings import Paths

HOLES = 40
"""Parts not seen that one entry names; of more it is said how many."""


class Scoped(NamedTuple):
    """What came of widening a scope."""

    added: int
    found: int
    """How many tokens the query, or the list, means."""
    holes: tuple[str, ...]
    """What was not seen of their systems."""


def widen(
    paths: Paths, id_: str, *, query: str = "", handles: Sequence[str] = (), reason: str = ""
) -> Scoped:
    """Take tokens into the scope: what a query finds now, and what is named by its handle.

    What the last look did not see of their systems is frozen with them.

    Raises:
        UsageError: no incident is called so, or it is closed.
        QueryError: a term of the query means nothing, or not yet.
        PlanRefused: no token is meant, or too many.
        ConsoleError: the store or the journal cannot be used.
    """
    with stored(paths) as inventory:
        if inventory is None:
            raise UsageError("there is no inventory yet", "Read the systems: token-console sync")
        found = plan_scope.find(inventory, query, handles)
        wide = bool(found.query.terms)
        systems = None if wide else {token.ref.backend for token in found.tokens}
        holes = tuple(_holes(plan_scope.not_seen(inventory, systems)))
    # Its free words are narrowed as a plan's are, so that it finds the same again.
    text = scan.words(str(found.query), "query") if wide else ""
    why = scan.reason(reason) if reason else f"in scope: {text or 'named one by one'}"[:500]
    with opening.journal(paths) as journal:
        incident = open_one(journal, id_)
        new = [token for token in found.tokens if token.ref.handle not in incident.scope]
        chunks = [new[i : i + CHUNK] for i in range(0, len(new), CHUNK)] or [[]]
        drafts = [
            journal.draft(
                Kind.INCIDENT,
                why=why,
                incident=incident.id,
                case=IncidentMark(
                    what=IncidentEvent.SCOPE,
                    members=tuple(map(_member, part)),
                    query=text,
                    holes=holes,
                ),
            )
            for part in chunks
        ]
        write_all(journal, drafts)
    return Scoped(len(new), len(found.tokens), holes)


def again(paths: Paths, id_: str) -> Scoped:
    """Look anew at each query of the scope; what it finds by now comes in.

    Raises: as ``widen``; UsageError where the scope has no query.
    """
    with opening.view(paths) as view:
        incident = find(id_, fold(view.cases()).values())
    if not incident.queries:
        raise UsageError(
            "its scope has no query", "Add one: token-console incident scope ID owner:payments"
        )
    told = [widen(paths, incident.id, query=query) for query in incident.queries]
    holes = tuple(dict.fromkeys(hole for each in told for hole in each.holes))
    return Scoped(sum(each.added for each in told), sum(each.found for each in told), holes)


def _member(token: Token) -> Member:
    ref = token.ref
    # Some give a token its own value for a name.
    name = scan.withhold(token.name, formats_only=True)[:TEXT]
    return Member(backend=ref.backend, kind=ref.kind, id=ref.id, handle=ref.handle, name=name)


def _holes(gaps: Iterable[tuple[str, Gap]]) -> Iterator[str]:
    told = dict.fromkeys(
        scan.withhold(f"{backend}: {gap.kind}: {gap.what}{_where(gap)}")[:TEXT]
        for backend, gap in gaps
    )
    yield from list(told)[:HOLES]
    if len(told) > HOLES:
        yield f"and {count(len(told) - HOLES, 'more part')} not seen: token-console backends"


def _where(gap: Gap) -> str:
    return f" ({gap.scope})" if gap.scope not in (gap.what, "") else ""
