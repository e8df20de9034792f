"""``intake``: a secret in hand, or a report of many; what it is, whose, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console import settings
from console.cli.inventory import opened
from console.cli.shell import output
from console.cli.shell.hidden import hidden
from console.cli.show import labelled, questions
from console.errors import Exit, UsageError
from console.fleet import Fleet
from console.intake import reports
from console.intake.card import Card, card
from console.intake.items import Intake, Item
from console.intake.matching import Known, Matched, match, why_none
from console.inventory import export
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.settings import Paths, paths
from console.store import upkeep
from console.text import safe, stamp
from console.timeline.when import moment_of

CARDS = 5
"""Cards that are printed whole; of more tokens a line each, and how to see one."""
MOST = reports.MOST_BYTES


def run(chosen: argparse.Namespace) -> int:
    """Read what came in, say what each is, and print the answer cards."""
    where = paths(chosen.home)
    loaded = settings.load(where.config)
    now = time.time()
    leak = None if chosen.leak is None else moment_of(chosen.leak, now)
    told = reports.read(_input(chosen.file))
    if not chosen.json:
        output.line(_what_came(told))
    for problem in told.problems:
        output.error(f"left out: {problem}")
    if not where.inventory.exists():
        # Whoever has a leaked value in hand must not have to wait for a long look first.
        where.make()
        upkeep.bring_up_to_date(where.inventory)
        output.error(
            "no backend was read yet: who uses it, and what depends on it, is not known here",
            "Afterwards: token-console sync, and then again.",
        )
    with opened(where) as inventory:
        matched = asyncio.run(_match(chosen, told, where, loaded, inventory))
        if chosen.json:
            print(export.dumps(_document(told, matched, where, inventory, now, leak)))
        else:
            _print(matched, where, inventory, now, leak)
    return Exit.OK if matched and all(one.found for one in matched) else Exit.FAILED


def _input(file: str | None) -> bytes:
    if file is not None:
        path = Path(file).expanduser()
        try:
            if path.stat().st_size > reports.MOST_BYTES:
                raise UsageError(f"{path} has more than {reports.MOST_BYTES >> 20} MB", "Split it.")
            return path.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if sys.stdin.isatty():
        return hidden("Paste a secret or a report, then enter (nothing is shown): ", MOST)
    return sys.stdin.buffer.read(MOST + 1)


async def _match(
    chosen: argparse.Namespace,
    told: Intake,
    where: Paths,
    loaded: settings.Settings,
    inventory: Inventory,
) -> list[Matched]:
    known = Known(where, inventory)
    total = len(told.items)

    def progress(done: int) -> None:
        if total > 1:
            output.progress(f"{done:,} of {total:,} looked up")

    async with Fleet(loaded, where) as fleet:
        ask = [] if chosen.offline else fleet.chosen(chosen.backend)
        try:
            return await match(told.items, known, fleet, ask, progress)
        finally:
            output.progress_done()


def _what_came(told: Intake) -> str:
    count = len(told.items)
    return f"{told.format}: {count:,} {'value or id' if count == 1 else 'values or ids'}"


def _print(
    matched: Sequence[Matched], where: Paths, inventory: Inventory, now: float, leak: int | None
) -> None:
    states = {state.name: state for state in inventory.backends()}
    tokens = sum(len(one.found) for one in matched)
    with opening.view(where) as journal:
        for number, one in enumerate(matched, 1):
            output.line()
            output.line(f"#{number}  {_label(one.item)}")
            for place in _places(one.item):
                output.line(f"    {place}")
            if not one.found:
                output.line("    NO MATCH")
                for sentence in why_none(one, states):
                    output.line(f"    {sentence}")
                continue
            for name, why in one.silent:
                output.line(f"    {name} could not be asked: {why}")
            since = leak if leak is not None else _exposed(one.item)
            for found in one.found:
                shown = card(found, where, inventory, journal, now, since)
                if shown is None:
                    output.line(f"    {found.handle}: {found.how}, and nothing else is known of it")
                elif tokens <= CARDS:
                    for text in _card(shown, datetime.fromtimestamp(now, UTC)):
                        output.line(text)
                else:
                    ref = shown.token.ref
                    name = f"{ref.backend}/{shown.token.name}"
                    output.line(f"    {name}  {ref.handle}  {shown.headline.title}")
    if tokens > CARDS:
        output.line()
        output.line("A card: token-console show HANDLE; what it did: token-console timeline HANDLE")


def _exposed(item: Item) -> int | None:
    at = item.exposed_at
    return None if at is None else int(at.timestamp())


def _label(item: Item) -> str:
    told = item.recognised
    what = f"id {safe(item.id, 80)}" if item.id else "a value, not shown"
    if told is None:
        return f"{what}: its form does not tell its type"
    facts = "; ".join(f"{name} {safe(text, 80)}" for name, text in told.facts if text != item.id)
    return f"{what}: {told.type.title}, {told.sure.value}" + (f" ({facts})" if facts else "")


def _places(item: Item) -> Iterator[str]:
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
        yield f"and in {item.more_places:,} more places"


def _card(shown: Card, now: datetime) -> Iterator[str]:
    token, ref = shown.token, shown.token.ref
    yield ""
    yield from labelled("LEAKED", f"{shown.headline.title}: {shown.headline.why}")
    yield from labelled("TOKEN", f"{ref.backend}/{token.name}  {ref.kind}  handle {ref.handle}")
    yield from labelled("MATCHED BY", shown.found.how)
    if shown.since is not None:
        yield from labelled("SINCE LEAK", shown.since.sentence)
        for label, text in shown.since.facts:
            yield from labelled("", f"{label}: {text}")
    else:
        yield from labelled("SINCE LEAK", "not asked for: give --leak WHEN, such as --leak 6h")
    for label, text in questions(token, now):
        if label != "WHAT":
            yield from labelled(label, text)
    yield from labelled("ANSWERS", _answers(shown))
    yield from labelled("BREAKS", _breaks(shown))
    for handle in shown.siblings:
        yield from labelled("SAME VALUE", f"token {handle} has it too: one move is not enough")
    if shown.no_undo:
        yield from labelled("NO CONTAIN", shown.no_undo)
    for number, move in enumerate(shown.moves):
        text = f"token-console {move.command} --reason ...   {move.words}"
        yield from labelled("" if number else "DO NEXT", text)
    if not shown.moves and shown.no_undo:
        yield from labelled("DO NEXT", "the console can do nothing with it; see its backend")
    elif not shown.moves:
        told = f"nothing to end any more: token-console show {ref.handle} tells its life"
        yield from labelled("DO NEXT", told)


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


def _document(
    told: Intake,
    matched: Sequence[Matched],
    where: Paths,
    inventory: Inventory,
    now: float,
    leak: int | None,
) -> dict[str, Any]:
    states = {state.name: state for state in inventory.backends()}
    items = []
    with opening.view(where) as journal:
        for one in matched:
            recognised = one.item.recognised
            since = leak if leak is not None else _exposed(one.item)
            cards = [card(found, where, inventory, journal, now, since) for found in one.found]
            items.append(
                {
                    "id": one.item.id or None,
                    "type": recognised.type.slug if recognised is not None else None,
                    "known_by": recognised.sure.value if recognised is not None else None,
                    "facts": dict(recognised.facts) if recognised is not None else {},
                    "exposed_at": one.item.exposed_at,
                    "places": [place._asdict() for place in one.item.places],
                    "tokens": [_told(each) for each in cards if each is not None],
                    "not_asked": dict(one.silent),
                    "no_match": why_none(one, states) if not one.found else [],
                }
            )
    return {"format": told.format, "left_out": list(told.problems), "items": items}


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
