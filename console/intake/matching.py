"""Whose token is it? Asked of the inventory, of the fingerprints, and of the systems themselves.

A value goes to no system that cannot have issued it: where its form tells the issuer, only
backends of that type are asked. No match is never "not ours": a system may issue what it
cannot list, a log may be short, and what a look was refused is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from backends.contract import Match, Readable, Support
from backends.model import Secret, Token
from backends.words import count
from console.fleet import Fleet
from console.intake.items import Item
from console.inventory.search.inventory import BackendState, Inventory
from console.journal import opening
from console.journal.files import beside
from console.journal.read import fingerprint
from console.journal.store import entries
from console.secret_types import types
from console.settings import Paths
from console.store import reading
from console.store.queries import links

LONGEST_ID = 512
"""Signs of a word that may be an id."""
TOGETHER = 8
"""Values that are asked about at the same time."""


class Found(NamedTuple):
    """One token that an item is. ``token`` is as its system has it now, where it was asked."""

    handle: str
    how: str
    """How that is known, in words of ours."""
    token: Token | None = None
    by_value: bool = False
    """Whether the very value was compared, and not just an id that came with it."""


class Matched(NamedTuple):
    """What became of one item."""

    item: Item
    found: tuple[Found, ...]
    silent: tuple[tuple[str, str], ...] = ()
    """Backends that could not answer, and why."""
    asked: tuple[str, ...] = ()
    """Backends that were asked about the value and answered."""
    in_part: tuple[str, ...] = ()
    """Those of them that may not know each value that they issued."""


class Fingerprints(NamedTuple):
    """The keyed hashes of values that were once in hand here, each with its tokens' handles."""

    pepper: bytes | None
    handles: Mapping[str, set[str]]


def fingerprints(paths: Paths, *, make: bool = False) -> Fingerprints:
    """Read them from the store and the journal. Raises ``ConsoleError`` where one cannot be.

    ``make`` has the key for them made where there is none yet.
    """
    pepper = fingerprint.pepper(beside(opening.base(paths)).pepper, make=make)
    handles: dict[str, set[str]] = {}
    with closing(reading.connect(paths.inventory)) as connection:
        pairs = links.fingerprints(connection)
    with opening.view(paths) as view:
        if view.store is not None:
            pairs += entries.fingerprints(view.store)
    for print_, handle in pairs:
        handles.setdefault(print_, set()).add(handle)
    return Fingerprints(pepper, handles)


class Known:
    """What this machine has: the inventory, and the fingerprints of values once in hand."""

    def __init__(self, prints: Fingerprints, inventory: Inventory) -> None:
        self._inventory = inventory
        self._pepper, self._prints = prints

    def of_value(self, value: Secret) -> list[Found]:
        """The tokens that had this value when it was last in hand here."""
        if self._pepper is None:
            return []
        handles = self._prints.get(fingerprint.fingerprint(self._pepper, value), set())
        how = "a fingerprint that was kept here"
        return [Found(handle, how, by_value=True) for handle in sorted(handles)]

    def print_of(self, item: Item) -> str:
        """The keyed fingerprint of an item's value; empty where there is none to make."""
        return self.print_of_value(item.value) if item.value is not None else ""

    def print_of_value(self, value: Secret) -> str:
        """The keyed fingerprint of a value; empty where there is no key here."""
        return fingerprint.fingerprint(self._pepper, value) if self._pepper is not None else ""

    def of_word(self, word: Secret) -> list[Found]:
        """The tokens whose id or handle a word is that came without saying that it is one.

        It is looked for here only; what is an id is no secret. A name could be anybody's word.
        """
        text = word.reveal()
        rows = self._inventory.find(text) if len(text) <= LONGEST_ID else []
        same = [row for row in rows if text in (row.id, row.handle)]
        return [Found(row.handle, "it is its id in the inventory, and no value") for row in same]

    def of_id(self, id_: str) -> list[Found]:
        """The tokens that an id, a handle, a name or a fingerprint means."""
        return [Found(row.handle, "its id in the inventory") for row in self._inventory.find(id_)]


async def match(
    items: Sequence[Item],
    known: Known,
    fleet: Fleet,
    ask: Sequence[str],
    on_progress: Callable[[int], None] = lambda _: None,
) -> list[Matched]:
    """What each item is, in their order; of the backends in ``ask``, who can know it is asked."""
    gate = asyncio.Semaphore(TOGETHER)
    done = 0

    async def one(item: Item) -> Matched:
        nonlocal done
        async with gate:
            matched = await _one(item, known, fleet, ask)
        done += 1
        on_progress(done)
        return matched

    return list(await asyncio.gather(*map(one, items)))


async def _one(item: Item, known: Known, fleet: Fleet, names: Sequence[str]) -> Matched:
    found = known.of_id(item.id) if item.id else []
    ask = _who_may_know(item, fleet, names)
    text = item.value if item.value is not None else Secret(item.id)
    silent: list[tuple[str, str]] = []
    if item.value is not None:
        found += known.of_value(item.value) or known.of_word(item.value)
    # An id alone is in the inventory, or a system is asked that takes ids for what they are.
    if ask and (item.value is not None or item.recognised is not None):
        answers, silent = await fleet.identify(text, ask)
        found += [_live(match, item) for match in answers]
    mute = {name for name, _ in silent}
    asked = tuple(name for name in ask if name not in mute)
    in_part = tuple(name for name in asked if _in_part(fleet, name))
    return Matched(item, _joined(found), tuple(silent), asked, in_part)


_TOLD = frozenset(backend for each in types.TYPES for backend in each.backends)
"""Types of backend whose values say by their form that they are of it; others may issue any."""


def _who_may_know(item: Item, fleet: Fleet, names: Sequence[str]) -> list[str]:
    """The backends that can have issued it: all, where its form does not tell."""
    issuers = item.recognised.type.backends if item.recognised is not None else ()
    if not issuers:
        return list(names)
    others = _TOLD - set(issuers)
    return [name for name in names if fleet.type_of(name) not in others]


def _in_part(fleet: Fleet, name: str) -> bool:
    """Whether a backend may not know each value that it issued: by its own declaration."""
    backend = fleet.opened(name)
    try:
        kinds = backend.capabilities().kinds if backend is not None else ()
    except Exception:  # noqa: BLE001  (somebody else's may fail in any way)
        return True
    full = [kind.can_read(Readable.IDENTIFY) is Support.FULL for kind in kinds]
    return not full or not all(full)


def _live(match: Match, item: Item) -> Found:
    return Found(match.ref.handle, match.how, match.token, by_value=item.value is not None)


def _joined(found: Iterable[Found]) -> tuple[Found, ...]:
    """Each token once: what its system says now counts before what was kept."""
    kept: dict[str, Found] = {}
    for one in found:
        before = kept.get(one.handle)
        if before is None or (before.token is None and one.token is not None):
            by_value = one.by_value or (before is not None and before.by_value)
            kept[one.handle] = one._replace(by_value=by_value)
    return tuple(kept.values())


def why_none(matched: Matched, states: Mapping[str, BackendState]) -> list[str]:
    """What it means that nothing was found, sentence by sentence. Raw text."""
    item, told = matched.item, matched.item.recognised
    lines: list[str] = []
    if told is None:
        what = "no token here has this id" if item.id else "its form does not tell what it is"
        lines.append(f"{what[:1].upper()}{what[1:]}.")
    else:
        lines.append(f"It is {told.type.title}, {told.sure.value}.")
    if told is not None and told.type.backends and not (matched.asked or matched.silent):
        lines.append(f"No configured backend issues these ({' or '.join(told.type.backends)}).")
    for name in matched.asked:
        state = states.get(name)
        gaps = len(state.gaps) if state is not None else 0
        partly = f", and its last look has {count(gaps, 'gap')}" if gaps else ""
        never = (
            "" if state is not None and state.synced_at else ", and it was never read to its end"
        )
        none = "has no living token with it"
        if name in matched.in_part:
            none = "found none, but cannot know each value that it issued"
        lines.append(f"{name} was asked and {none}{partly}{never}.")
    lines += [f"{name} could not be asked: {why}." for name, why in matched.silent]
    lines.append("That does not say that it is not ours.")
    return lines
