"""An intake in words: what each value is, where it was found, and its answer card.

One wording for the screen and the command line. What comes from outside is raw here, and is
made safe by whoever draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from backends.words import count
from console.intake.card import Card
from console.intake.items import ONE, Intake, Item
from console.intake.log_words import LONGEST, SHORTEST, LogSearched
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
        rule = f"; Kingfisher's rule {safe(item.rule, 80)} fits it" if item.rule else ""
        return f"{what}: its form does not tell its type{rule}"
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


def card_lines(
    shown: Card, now: datetime, keys: Mapping[str, str] | None = None
) -> Iterator[Labelled]:
    """The answer card: the headline first, then what to do, then what is known.

    ``keys`` are the screen's, by the name of what they do; without them, commands are told.
    """
    token, ref = shown.token, shown.token.ref
    yield ("LEAKED", f"{shown.headline.title}: {shown.headline.why}")
    yield ("TRY IT", _try(shown, keys))
    yield ("TOKEN", f"{ref.backend}/{token.name}  {ref.kind}  handle {ref.handle}")
    yield ("MATCHED BY", shown.found.how)
    yield from _moves(shown, keys)
    yield from _hazards(shown)
    for handle in shown.siblings:
        yield ("SAME VALUE", f"token {handle} has it too: one move is not enough")
    yield ("ANSWERS", _answers(shown))
    yield ("WAKE", _wake(shown))
    for number, text in enumerate((*shown.rights.told, *shown.rights.unknown)):
        yield ("" if number else "MAY DO", text)
    yield ("BREAKS", _breaks(shown))
    if shown.since is not None:
        yield ("SINCE LEAK", shown.since.sentence)
        for label, text in shown.since.facts:
            yield ("", f"{label}: {text}")
        if shown.tried is not None and shown.leak is not None and shown.tried.at >= shown.leak:
            at = stamp(datetime.fromtimestamp(shown.tried.at, UTC))
            yield ("", f"ours: the console tried it at {at}, which its log may have as a use")
    else:
        yield ("SINCE LEAK", "not asked for: nobody said when it leaked")
    for label, text in questions(token, now):
        if label != "WHAT":
            yield (label, text)


def _moves(shown: Card, keys: Mapping[str, str] | None) -> Iterator[Labelled]:
    """What can be done here, the best stop first, and what cannot and why."""
    if shown.no_undo:
        yield ("NO CONTAIN", shown.no_undo)
    moves = shown.advice.moves
    for number, move in enumerate(moves):
        key = (keys or {}).get(move.verb.value, "")
        how = (
            f"{key} {move.verb.value}"
            if key
            else f"token-console {move.command} --leak --reason ..."
        )
        words = f"not here: {move.why_not}" if move.why_not else move.words
        yield ("" if number else "DO NEXT", f"{how}   {words}")
    if not moves and shown.no_undo:
        yield ("DO NEXT", "the console can do nothing with it; see its backend")
    elif not moves:
        told = f"nothing to end any more: token-console show {shown.token.ref.handle}"
        yield ("DO NEXT", f"{told} tells its life")


def _hazards(shown: Card) -> Iterator[Labelled]:
    """What the planner warns of, for which moves; and how far it was asked."""
    advice = shown.advice
    for warned in advice.hazards:
        verbs = ", ".join(verb.value for verb in warned.verbs)
        never = "; no answer lets it go on" if warned.fatal else ""
        yield ("HAZARD", f"{warned.code} ({verbs}{never}): {warned.text}")
    for text in advice.ends_too:
        yield ("ALONG", text)
    if advice.unknown:
        yield ("HAZARD" if not advice.hazards else "", f"not all looked for: {advice.unknown}")
    elif advice.moves and not advice.hazards:
        yield ("HAZARD", "none that the plans of these moves would ask about")


def _try(shown: Card, keys: Mapping[str, str] | None) -> str:
    """Whether the value may be tried here, and what that does besides."""
    advice = shown.advice
    if advice.effects is None:
        return f"not offered: {advice.no_try or 'its system was not asked'}"
    key = (keys or {}).get("try", "")
    how = f"{key} asks first" if key else "token-console intake --try --reason ... asks first"
    return f"{how}; {side_effects(advice.effects)}"


def side_effects(effects: Sequence[str]) -> str:
    """What a try does besides, in one sentence."""
    return f"a try {'; '.join(effects)}" if effects else "a try is declared to do nothing besides"


def _wake(shown: Card) -> str:
    """Whom to wake, and how."""
    if shown.contact and shown.owner is not None:
        return f"{shown.owner.owner}: {shown.contact}"
    return "no contact is known: contact = in an [[owner]] of owners.toml tells it"


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


def told(taken: IntakeResult, now: datetime, keys: Mapping[str, str]) -> dict[str, Any]:
    """An intake for the screen: texts, labelled lines, and which token each card is of.

    ``keys`` are those of the screen, by the name of what they do.
    """
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
                    {
                        "handle": shown.token.ref.handle,
                        "name": f"{shown.token.ref.backend}/{shown.token.name}",
                        "lines": list(card_lines(shown, now, keys)),
                        "effects": shown.advice.effects,
                        "no_try": shown.advice.no_try,
                    }
                    for shown in one.cards
                ],
            }
            for one in taken.answered
        ],
    }


def log_lines(told: LogSearched, names: Mapping[str, str], total: int) -> Iterator[str]:
    """What a log has of tokens that are known here, and how much that can be.

    ``names`` are the tokens' names by their handles, ``total`` how many the inventory has.
    """
    for one in told.found:
        where = f"line {one.first:,}"
        if one.last != one.first:
            where = f"{count(one.lines, 'line')}, from {one.first:,} to {one.last:,}"
        has = "ITS VALUE STANDS IN THE LOG" if one.how == "value" else "named by its id"
        name = safe(names.get(one.handle, "not in the inventory"), 80)
        yield f"{name}  {one.handle}  {has}: {where}"
    if not told.found:
        yield "NO MATCH. That does not say that no value of ours is in it."
    yield (
        f"{count(told.lines, 'line')} of {told.size / 1e6:,.1f} MB read,"
        f" {count(told.hashed, 'word')} compared; nothing was sent or kept."
    )
    yield log_limits(told, total)


def log_limits(told: LogSearched, total: int) -> str:
    """What could not have been found."""
    if told.prints:
        known = (
            f"Of {count(told.prints, 'token')} a value is known by its fingerprint, of {total:,} in"
            " the inventory: a value that never was in hand here cannot be found"
            " (token-console fingerprint ID makes it known)."
        )
    else:
        known = (
            "No value was ever fingerprinted here, so it was searched for ids only"
            " (token-console fingerprint ID makes a value known)."
        )
    ids = f"{count(told.ids, 'id')} looked for: not those that are short or ordinary words."
    return (
        f"{known} {ids} Left out: words of fewer than {SHORTEST} or more than {LONGEST:,} bytes,"
        " or of nothing but digits and the signs of dates and addresses; values with blanks,"
        " quotes, brackets, commas or semicolons in them; and those that the log has cut, hashed"
        " or encoded otherwise than in percent."
    )


def log_document(told: LogSearched, names: Mapping[str, str], total: int) -> dict[str, Any]:
    """The same for a script."""
    found = [{**one._asdict(), "name": names.get(one.handle)} for one in told.found]
    return {**told._asdict(), "found": found, "tokens": total, "limits": log_limits(told, total)}
