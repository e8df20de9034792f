"""Where a rotation's new values are to go: whether each can, known before anybody approves.

A sink names its place by the token's own words, and words from outside may not stand there.
That needs no system to be asked, so it is part of the plan, and of the check of the
configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from backends.contract import Call, Hazard
from backends.errors import BackendError, ConfigError
from backends.model import Token, TokenRef
from backends.sinks import registry
from backends.sinks.contract import Sink
from console.errors import PlanRefused
from console.inventory.records import Sort
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import parse
from console.response.plan.model import PlanItem
from console.settings import Settings
from console.text import safe

SHOW = "show"
"""The sink that no configuration names: the responder's own terminal."""
_CHOSEN_OUTSIDE = ("{name}", "{id}")
"""The words of a token that others choose; the rest can stand anywhere."""
_PAGE = 5_000


class Misfit(NamedTuple):
    """How many of the known tokens a sink has no place for, and why the first has none."""

    unfit: int
    of: int
    example: str
    hint: str


def opened(settings: Settings | None, names: Sequence[str]) -> dict[str, Sink]:
    """The sinks of a plan, to plan with and not to deliver to.

    Raises:
        PlanRefused: the configuration has none of that name, or it cannot be used.
    """
    found = {}
    for name in names:
        if settings is None or name == SHOW:
            continue
        if (table := settings.sinks.get(name)) is None:
            known = ", ".join(settings.sinks) or "none"
            raise PlanRefused(f"the configuration has no sink {name!r}", f"Known: {known}.")
        try:
            found[name] = registry.configure(name, table.table)
        except BackendError as error:
            raise PlanRefused(f"the sink {name} cannot be used: {error}", error.hint) from None
    return found


def checked(items: Sequence[PlanItem], sinks: Mapping[str, Sink]) -> list[PlanItem]:
    """The items, each with a hazard where a sink has no place for it, or another has it."""
    taken: dict[tuple[str, str], PlanItem] = {}
    found = []
    for item in items:
        hazards = []
        for name, sink in sinks.items():
            place = _place(sink, item.token)
            if isinstance(place, ConfigError):
                text = f"The new value cannot be delivered to {name}: {place}. {place.hint}"
                hazards.append(Hazard(code="no-place", text=text, fatal=True))
            elif first := taken.get((name, place.line)):
                text = (
                    f"{name} has one place for {_named(first)} and {_named(item)}: of the two new"
                    " values the second replaces the first, which only escrow keeps."
                )
                hazards.append(Hazard(code="same-place", text=text))
            else:
                taken[name, place.line] = item
        if hazards:
            proposal = replace(item.proposal, hazards=(*item.proposal.hazards, *hazards))
            item = replace(item, proposal=proposal)
        found.append(item)
    return found


def misfit(sink: Sink, inventory: Inventory) -> Misfit | None:
    """How many known tokens a sink has no place for; None where there is one for each."""
    if not by_outside_words(sink):
        return None
    unfit, total, first = 0, 0, ("", "")
    for token in _present(inventory):
        total += 1
        place = _place(sink, token)
        if isinstance(place, ConfigError):
            first = first if unfit else (str(place), place.hint)
            unfit += 1
    return Misfit(unfit, total, *first) if unfit else None


def by_outside_words(sink: Sink) -> bool:
    """Whether the sink's place depends on a name or an id, which others choose."""
    told = str(dict(sink.config.options))
    return any(word in told for word in _CHOSEN_OUTSIDE)


def _place(sink: Sink, token: Token) -> Call | ConfigError:
    try:
        return sink.plan(token).call
    except ConfigError as error:
        return error


def _named(item: PlanItem) -> str:
    return f"{safe(item.token.name or item.token.ref.id, 60)} on {safe(item.backend)}"


def _present(inventory: Inventory) -> Iterator[Token]:
    start, query = 0, parse("is:present")
    while rows := inventory.window(query, Sort(), start, _PAGE):
        for row in rows:
            ref = TokenRef(row.backend, row.kind, row.id)
            yield Token(ref=ref, name=row.name, scope="")
        start += len(rows)
