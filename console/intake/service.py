"""What becomes of what came in: read, matched, and a card for each token. For every front."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from console.fleet import Fleet
from console.intake import reports
from console.intake.card import Card, card
from console.intake.items import Intake, Item
from console.intake.matching import Known, Matched, fingerprints, match, why_none
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.settings import Paths


class Answered(NamedTuple):
    """One item, what it is, and a card for each of its tokens; or why there is none."""

    matched: Matched
    cards: tuple[Card, ...]
    bare: tuple[str, ...]
    """Handles of tokens of which nothing but that is known."""
    why_none: tuple[str, ...]


class IntakeResult(NamedTuple):
    """Everything about one intake."""

    told: Intake
    answered: tuple[Answered, ...]

    @property
    def all_found(self) -> bool:
        """Whether each item is some token's."""
        return bool(self.answered) and all(one.matched.found for one in self.answered)


async def take_in(
    data: bytes,
    paths: Paths,
    fleet: Fleet,
    ask: Sequence[str],
    now: float,
    leak: int | None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> IntakeResult:
    """Read what came in, find whose it is, and make the cards. ``ask`` names who may be asked.

    ``leak`` is in unix seconds; without it, a report's own word on the exposure counts.
    ``on_progress`` is told how many of how many were looked up.

    Raises:
        UsageError: nothing usable came in.
        ConsoleError: the store or the journal cannot be read.
    """
    # What blocks is done in threads: a worker has others to answer meanwhile.
    told = await asyncio.to_thread(reports.read, data)
    with closing(Inventory(paths.inventory, clock=lambda: now)) as inventory:
        known = Known(await asyncio.to_thread(fingerprints, paths), inventory)
        total = len(told.items)
        matched = await match(told.items, known, fleet, ask, lambda done: on_progress(done, total))
    return IntakeResult(told, await asyncio.to_thread(_answers, matched, paths, now, leak))


def _answers(
    matched: Sequence[Matched], paths: Paths, now: float, leak: int | None
) -> tuple[Answered, ...]:
    with (
        closing(Inventory(paths.inventory, clock=lambda: now)) as inventory,
        opening.view(paths) as journal,
    ):
        states = {state.name: state for state in inventory.backends()}
        answered = []
        for one in matched:
            since = leak if leak is not None else _exposed(one.item)
            made = [(each, card(each, paths, inventory, journal, now, since)) for each in one.found]
            answered.append(
                Answered(
                    one,
                    tuple(shown for _, shown in made if shown is not None),
                    tuple(found.handle for found, shown in made if shown is None),
                    () if one.found else tuple(why_none(one, states)),
                )
            )
        return tuple(answered)


def _exposed(item: Item) -> int | None:
    at = item.exposed_at
    return None if at is None else int(at.timestamp())


def document(taken: IntakeResult) -> dict[str, Any]:
    """All of it for a script."""
    items = [
        {
            "id": one.matched.item.id or None,
            "type": told.type.slug if (told := one.matched.item.recognised) is not None else None,
            "known_by": told.sure.value if told is not None else None,
            "facts": dict(told.facts) if told is not None else {},
            "exposed_at": one.matched.item.exposed_at,
            "places": [place._asdict() for place in one.matched.item.places],
            "tokens": [_told(each) for each in one.cards],
            "not_asked": dict(one.matched.silent),
            "no_match": list(one.why_none),
        }
        for one in taken.answered
    ]
    return {"format": taken.told.format, "left_out": list(taken.told.problems), "items": items}


def _told(shown: Card) -> dict[str, Any]:
    ref = shown.token.ref
    return {
        "handle": ref.handle,
        "backend": ref.backend,
        "kind": ref.kind,
        "id": ref.id,
        "name": shown.token.name,
        "state": shown.token.state.value,
        "matched_by": shown.found.how,
        "headline": shown.headline.title,
        "why": shown.headline.why,
        "owner": shown.owner.owner if shown.owner is not None else None,
        "since_leak": None
        if shown.since is None
        else {
            "sentence": shown.since.sentence,
            "used": shown.since.used,
            "denied": shown.since.denied,
            "sure": shown.since.sure,
        },
        "dependents": [one._asdict() for one in shown.dependents],
        "same_value": list(shown.siblings),
        "cannot_be_undone": shown.no_undo or None,
        "moves": [move._asdict() for move in shown.moves],
    }
