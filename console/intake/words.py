"""An intake in words: what each value is, where it was found, and its answer card.

One wording for the screen and the command line. What comes from outside is raw here, and is
made safe by whoever draws it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from backends.words import count
from console.intake.card import Card
from console.intake.items import ONE, Intake, Item
from console.intake.service import IntakeResult
from console.inventory.questions import questions
from console.text import safe, stamp

Labelled = tuple[str, str]
"""A label of at most ten characters, and a text."""


def what_came(told: Intake) -> str:
    """What it was taken for, and how many values it has."""
    if len(told.items) == 1 and told.format == ONE:
        return ONE
    return f"{told.format}: {count(len(told.items), 'value or id', 'values or ids')}"


def label(item: Item) -> str:
    """What an item is, without its value."""
    told = item.recognised
    what = f"id {safe(item.id, 80)}" if item.id else "a value, not shown"
    if told is None:
        return f"{what}: its form does not tell its type"
    facts = "; ".join(f"{name} {safe(text, 80)}" for name, text in told.facts if text != item.id)
    return f"{what}: {told.type.title}, {told.sure.value}" + (f" ({facts})" if facts else "")


def places(item: Item) -> Iterator[str]:
    """Where it was found, a line each."""
    for place in item.places:
        line = f":{place.line}" if place.path and place.line else ""
        line = line or (f"line {place.line}" if place.line else "")
        commit = f" in commit {place.commit[:12]}" if place.commit else ""
        at = f", exposed {stamp(place.at)}" if place.at is not None else ""
        says = f"; {place.says}" if place.says else ""
        rule = f" ({place.rule})" if place.rule else ""
        if text := f"{place.path}{line}{commit}{rule}{at}{says}".strip():
            yield f"found at {text}"
    if item.more_places:
        yield f"and in {count(item.more_places, 'more place')}"


def card_lines(shown: Card, now: datetime) -> Iterator[Labelled]:
    """The answer card, the headline first."""
    token, ref = shown.token, shown.token.ref
    yield ("LEAKED", f"{shown.headline.title}: {shown.headline.why}")
    yield ("TOKEN", f"{ref.backend}/{token.name}  {ref.kind}  handle {ref.handle}")
    yield ("MATCHED BY", shown.found.how)
    if shown.since is not None:
        yield ("SINCE LEAK", shown.since.sentence)
        for label, text in shown.since.facts:
            yield ("", f"{label}: {text}")
    else:
        yield ("SINCE LEAK", "not asked for: nobody said when it leaked")
    for label, text in questions(token, now):
        if label != "WHAT":
            yield (label, text)
    yield ("ANSWERS", _answers(shown))
    yield ("BREAKS", _breaks(shown))
    for handle in shown.siblings:
        yield ("SAME VALUE", f"token {handle} has it too: one move is not enough")
    if shown.no_undo:
        yield ("NO CONTAIN", shown.no_undo)
    for number, move in enumerate(shown.moves):
        text = f"token-console {move.command} --reason ...   {move.words}"
        yield ("" if number else "DO NEXT", text)
    if not shown.moves and shown.no_undo:
        yield ("DO NEXT", "the console can do nothing with it; see its backend")
    elif not shown.moves:
        told = f"nothing to end any more: token-console show {ref.handle} tells its life"
        yield ("DO NEXT", told)


def _answers(shown: Card) -> str:
    owner = shown.owner
    if owner is None:
        return "nobody is known to"
    if owner.orphan or not owner.owner:
        claim = f"; perhaps {owner.suggested}" if owner.suggested else ""
        return f"nobody: {owner.orphan or 'it was never assigned'}{claim}"
    doubt = "; others are named as well" if owner.disputed else ""
    return f"{owner.owner} ({owner.kind}, {owner.how}, {owner.origin}){doubt}"


def _breaks(shown: Card) -> str:
    if not shown.dependents:
        ref = shown.token.ref
        return f"nothing that is known; ask its system: token-console graph {ref.handle} --ask"
    named = [f"{one.link} {one.kind} {one.name}" for one in shown.dependents[:8]]
    rest = len(shown.dependents) - len(named)
    more = " and more than are counted" if shown.more_dependents else ""
    return "; ".join(named) + (f"; and {rest} more" if rest else "") + more


def told(taken: IntakeResult, now: datetime) -> dict[str, Any]:
    """An intake for the screen: texts, labelled lines, and which token each card is of."""
    return {
        "came": what_came(taken.told),
        "left_out": list(taken.told.problems),
        "items": [
            {
                "label": label(one.matched.item),
                "places": list(places(one.matched.item)),
                "not_asked": [f"{name}: {why}" for name, why in one.matched.silent],
                "no_match": list(one.why_none),
                "cards": [
                    {"handle": shown.token.ref.handle, "lines": list(card_lines(shown, now))}
                    for shown in one.cards
                ],
            }
            for one in taken.answered
        ],
    }
