"""What becomes of what came in: read, matched, and a card for each token. For every front."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backends.contract import KindCapabilities
from console.errors import UsageError
from console.fleet import Fleet
from console.graph.collect import contacts as team_contacts
from console.intake import kingfisher, reports
from console.intake.advice import MOST, Planner, advise
from console.intake.card import Card, Headline, card, headline_of
from console.intake.items import Intake, Item
from console.intake.matching import Found, Known, Matched, fingerprints, match, why_none
from console.intake.may_do import MayDo, may_do
from console.inventory.questions import bound
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.response.plan.build import OpenBackend
from console.response.service import trying
from console.response.service.trying import LastTry
from console.response.state.old_value import clock
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
    planner: Planner | None = None,
    before: IntakeResult | None = None,
) -> IntakeResult:
    """Read what came in, find whose it is, and make the cards. ``ask`` names who may be asked.

    ``leak`` is in unix seconds; without it, a report's own word on the exposure counts.
    ``on_progress`` is told how many of how many were looked up. ``planner`` makes the plans
    that hazards are taken from; without it, that none were looked for is said. ``before`` is
    what was found for the same at an earlier look: a token that was ended since is known by no
    system any more, and is the same token still.

    Raises:
        UsageError: nothing usable came in.
        ConsoleError: the store or the journal cannot be read.
    """
    # What blocks is done in threads: a worker has others to answer meanwhile.
    told = await asyncio.to_thread(reports.read, data)
    named = await asyncio.to_thread(kingfisher.named, told.items, paths.state / "kingfisher")
    told = told._replace(items=named.items, problems=(*told.problems, *named.problems))
    with closing(Inventory(paths.inventory, clock=lambda: now)) as inventory:
        known = Known(await asyncio.to_thread(fingerprints, paths), inventory)
        total = len(told.items)
        matched = await match(told.items, known, fleet, ask, lambda done: on_progress(done, total))
    if before is not None:
        earlier = {_key(one.matched.item): one.matched.found for one in before.answered}
        matched = [_still(one, earlier.get(_key(one.item), ())) for one in matched]
    answered = await asyncio.to_thread(_answers, matched, paths, known.print_of, now, leak)
    settings = fleet.settings
    contacts = await asyncio.to_thread(team_contacts.contacts, settings.graph.owners)
    answered = [
        one._replace(cards=tuple(_reached(shown, contacts) for shown in one.cards))
        for one in answered
    ]
    advised = await _advised(answered, paths, planner, set(ask))
    return IntakeResult(told, tuple(await _opened(advised, fleet, set(ask))))


async def _opened(answered: Sequence[Answered], fleet: Fleet, asked: set[str]) -> list[Answered]:
    """The answers with what each living token may do, as far as its system is asked."""
    living = [
        shown.token.ref
        for one in answered
        for shown in one.cards
        if shown.advice.moves or shown.no_undo
    ]
    wanted = [ref for ref in dict.fromkeys(living) if ref.backend in asked][:MOST]
    rights = dict(
        zip(wanted, await asyncio.gather(*(may_do(fleet, ref) for ref in wanted)), strict=True)
    )
    unasked = MayDo(unknown=("its system was not asked: token-console reach tells it",))

    def opened(shown: Card) -> Card:
        ref = shown.token.ref
        return shown._replace(rights=rights.get(ref, unasked if ref in living else MayDo()))

    return [one._replace(cards=tuple(map(opened, one.cards))) for one in answered]


def _key(item: Item) -> tuple[str, str]:
    return item.id, item.value.reveal() if item.value is not None else ""


def _still(one: Matched, earlier: Sequence[Found]) -> Matched:
    """What was found now, and what was found before and is known by nobody any more."""
    now = {each.handle for each in one.found}
    kept = tuple(
        each._replace(token=None, how=f"{each.how.removesuffix(EARLIER)}{EARLIER}")
        for each in earlier
        if each.handle not in now
    )
    return one._replace(found=(*one.found, *kept))


EARLIER = ", at an earlier look"


def _with_siblings(shown: Card, found: Sequence[Found]) -> Card:
    """The card with every other token that the very value was found for, in any backend."""
    more = (
        each.handle
        for each in found
        if each.by_value and shown.found.by_value and each.handle != shown.token.ref.handle
    )
    return shown._replace(siblings=tuple(dict.fromkeys((*shown.siblings, *more))))


def _reached(shown: Card, contacts: Mapping[str, str]) -> Card:
    owner = shown.owner
    return shown._replace(contact=contacts.get(owner.owner, "") if owner is not None else "")


def _answers(
    matched: Sequence[Matched],
    paths: Paths,
    print_of: Callable[[Item], str],
    now: float,
    leak: int | None,
) -> list[Answered]:
    with (
        closing(Inventory(paths.inventory, clock=lambda: now)) as inventory,
        opening.view(paths) as journal,
    ):
        states = {state.name: state for state in inventory.backends()}
        answered = []
        for one in matched:
            since = leak if leak is not None else _exposed(one.item)
            print_ = print_of(one.item)
            made = [
                (each, card(each, paths, inventory, journal, now, since, print_))
                for each in one.found
            ]
            answered.append(
                Answered(
                    one,
                    tuple(
                        _with_siblings(shown, one.found) for _, shown in made if shown is not None
                    ),
                    tuple(found.handle for found, shown in made if shown is None),
                    () if one.found else tuple(why_none(one, states)),
                )
            )
        return answered


async def _advised(
    answered: Sequence[Answered], paths: Paths, planner: Planner | None, asked: set[str]
) -> list[Answered]:
    """The answers with what the planner says of each token, as far as it is asked."""
    if planner is None:
        why = "no system was asked"
        return [
            one._replace(cards=tuple(_unasked(shown, why) for shown in one.cards))
            for one in answered
        ]
    with closing(Inventory(paths.inventory)) as inventory:
        declared = {state.name: state.capabilities for state in inventory.backends()}
    done, told = 0, []
    silent: dict[str, str] = {}
    for one in answered:
        cards = []
        for shown in one.cards:
            ref = shown.token.ref
            known = declared.get(ref.backend)
            if ref.backend not in asked:
                cards.append(_unasked(shown, f"{ref.backend} was not asked"))
            elif ref.backend in silent:
                cards.append(_unasked(shown, silent[ref.backend]))
            elif done >= MOST:
                why = f"only for the first {MOST} tokens: token-console intake with one value"
                cards.append(_unasked(shown, why))
            else:
                done += 1
                secret = one.matched.item.value if shown.found.by_value else None
                kind = (
                    known.of(ref.kind)
                    if known is not None
                    else KindCapabilities(kind=ref.kind, title=ref.kind)
                )
                advice = await advise(
                    planner,
                    shown.token,
                    kind,
                    secret,
                    over=not shown.advice.moves and not shown.no_undo,
                    listed=shown.detail is not None,
                )
                if advice.silent:
                    silent[ref.backend] = advice.unknown
                cards.append(shown._replace(advice=advice))
        told.append(one._replace(cards=tuple(cards)))
    return told


def _unasked(shown: Card, why: str) -> Card:
    unknown = why if shown.advice.moves else ""
    return shown._replace(advice=shown.advice._replace(unknown=unknown, no_try=why))


async def try_card(
    taken: IntakeResult,
    handle: str,
    open_backend: OpenBackend,
    paths: Paths,
    *,
    reason: str,
    agreed: Sequence[str],
    now: Callable[[], float],
    incident: str = "",
) -> IntakeResult:
    """Try the value of a token's card, on a responder's word; the cards with what came of it.

    ``agreed`` are the side effects as the card shows them; the entries carry ``incident``.

    Raises:
        UsageError: there is no such card, or no value came in that it is of.
        TryRefused, ReasonRefused, JournalError: as :func:`trying.try_value`.
        BackendError: the backend cannot be opened.
    """
    for one in taken.answered:
        value = one.matched.item.value
        for shown in one.cards:
            if shown.token.ref.handle != handle or value is None or not shown.found.by_value:
                continue
            backend = await open_backend(shown.token.ref.backend)
            tried = await trying.try_value(
                backend, shown.token, value, paths,
                reason=reason, agreed=tuple(agreed), incident=incident,
            )  # fmt: skip
            return _with(taken, handle, shown, tried, now())
    raise UsageError("no value came in that is this token's", "Take the value itself in.")


def _with(
    taken: IntakeResult, handle: str, shown: Card, tried: LastTry, now: float
) -> IntakeResult:
    """The cards after a try. What the record said was read before it."""
    if tried.accepted is None:
        title = shown.headline.title
        why = f"tried at {clock(tried.at, now)}, no answer that tells: {tried.detail}"
        made = Headline(title.replace(", NOT TRIED", ", TRIED, NO CLEAR ANSWER"), why)
    else:
        over = not shown.advice.moves and not shown.no_undo
        made = headline_of(shown.headline, tried, None, now, 0.0, over=over)
    new = shown._replace(headline=made, tried=tried)
    answered = tuple(
        one._replace(
            cards=tuple(
                new if each is shown and each.token.ref.handle == handle else each
                for each in one.cards
            )
        )
        for one in taken.answered
    )
    return taken._replace(answered=answered)


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
            "kingfisher_rule": one.matched.item.rule or None,
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
        "contact": shown.contact or None,
        "bound": bound(shown.token, datetime.now(UTC)),
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
        "moves": [move._asdict() for move in shown.advice.moves],
        "hazards": [warned._asdict() for warned in shown.advice.hazards],
        "hazards_unknown": shown.advice.unknown or None,
        "would_end_or_break": list(shown.advice.ends_too),
        "may_do": shown.rights._asdict(),
        "tried": shown.tried._asdict() if shown.tried is not None else None,
        "try_side_effects": shown.advice.effects,
        "not_tried_because": shown.advice.no_try or None,
    }
