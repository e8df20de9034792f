"""A vendor was breached: what it holds, issued or used here, against the list that it sends.

Ours and theirs are two sets. What is in one of them only is a difference, and each difference
is settled by its name. Nothing is asked of any system: the inventory, the fingerprints of
values once in hand, and the systems' logs tell.
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from backends.model import Secret
from backends.words import count
from console.errors import UsageError
from console.incident.assess import stored
from console.incident.vendor.other_forms import OtherForms
from console.intake import reports
from console.intake.items import Intake, Item
from console.intake.matching import Known, fingerprints
from console.inventory.records import Row, Sort
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query
from console.journal.format import scan
from console.settings import Paths
from console.store import reading
from console.store.queries import events

BY_ID, BY_NAME = "by its id", "by its name, its handle or a fingerprint"
HELD, ISSUED, USED = "held", "issued", "used"
PRINT = 12
"""Digits of a fingerprint that name a line. More of them would be withheld from the journal."""
LONGEST = 100
"""Signs of an id that names its line itself."""


class VendorQuestion(NamedTuple):
    """Which vendor, and by what it is known here.

    ``query`` finds what it holds; empty is every token with the vendor's name in it.
    ``addresses`` are ranges such as 203.0.113.0/24, ``agents`` patterns of user agents with
    ``*``. ``since`` is from when on use is looked for, in unix seconds.
    """

    name: str
    query: str = ""
    addresses: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    since: float = 0.0
    listed: bytes | None = None


class Ours(NamedTuple):
    """A token that the vendor has to do with, and how that is known: pairs of a way and words."""

    row: Row
    ways: tuple[tuple[str, str], ...]


class Listed(NamedTuple):
    """A line of the vendor's list, and what it is here. ``how`` is in words."""

    label: str
    rows: tuple[Row, ...]
    how: str
    other_form: bool


class VendorView(NamedTuple):
    """The two sets. A token that is in both stands in ``ours`` and in ``theirs``."""

    name: str
    ours: tuple[Ours, ...]
    theirs: tuple[Listed, ...]
    format: str
    """What the list was taken for; empty without a list."""
    problems: tuple[str, ...]
    not_told: tuple[str, ...]
    """What could not be looked at, as sentences."""

    @property
    def both(self) -> tuple[Listed, ...]:
        """What the vendor lists and what is here, each line once."""
        return tuple(each for each in self.theirs if each.rows)

    @property
    def other_form(self) -> tuple[Listed, ...]:
        """Those of them that the list names in another form than the inventory."""
        return tuple(each for each in self.both if each.other_form)

    @property
    def not_here(self) -> tuple[Listed, ...]:
        """What the vendor lists and nothing here has. That does not say that it is not ours."""
        return tuple(each for each in self.theirs if not each.rows)

    @property
    def not_listed(self) -> tuple[Ours, ...]:
        """What the vendor has to do with and does not list; nothing without a list."""
        if not self.format:
            return ()
        listed = {row.handle for each in self.theirs for row in each.rows}
        return tuple(each for each in self.ours if each.row.handle not in listed)

    @property
    def differences(self) -> tuple[str, ...]:
        """Each difference by its name, as it is settled."""
        several = [each for each in self.both if len(each.rows) > 1]
        return (
            *(f"listed by {self.name}, not here: {each.label}" for each in self.not_here),
            *(
                f"here, not listed by {self.name}: {each.row.backend}/{each.row.name}"
                f" ({each.row.handle})"
                for each in self.not_listed
            ),
            *(
                f"listed by {self.name}, and several here: {each.label} means"
                f" {count(len(each.rows), 'token')}"
                for each in several
            ),
        )

    @property
    def handles(self) -> tuple[str, ...]:
        """Every token of either set."""
        found = [each.row.handle for each in self.ours]
        found += [row.handle for each in self.theirs for row in each.rows]
        return tuple(dict.fromkeys(found))


def look(asked: VendorQuestion, paths: Paths) -> VendorView:
    """What a vendor has to do with here, and what it lists.

    Raises:
        UsageError: no vendor, an address range that is none, or no inventory yet.
        QueryError: the query means nothing, or not yet.
        StoreError, JournalError: something cannot be read.
    """
    name = " ".join(asked.name.split())
    if not name:
        raise UsageError("which vendor?", "incident vendor INC-7 partner --list theirs.csv")
    ranges = [_range(text) for text in asked.addresses]
    with stored(paths) as inventory:
        if inventory is None:
            raise UsageError("there is no inventory yet", "Read the systems: token-console sync")
        ways: dict[str, list[tuple[str, str]]] = {}
        rows: dict[str, Row] = {}
        for row, way, words in _ways(inventory, asked, name):
            rows[row.handle] = row
            ways.setdefault(row.handle, []).append((way, words))
        for handle, words in _used(paths, ranges, asked):
            detail = inventory.detail(handle)
            if detail is not None:
                rows[handle] = detail.row
                ways.setdefault(handle, []).append((USED, words))
        told = reports.read(asked.listed) if asked.listed is not None else None
        theirs = tuple(_theirs(told, paths, inventory)) if told is not None else ()
        return VendorView(
            name,
            tuple(Ours(rows[handle], tuple(found)) for handle, found in ways.items()),
            theirs,
            told.format if told is not None else "",
            told.problems if told is not None else (),
            tuple(_not_told(inventory, asked)),
        )


def _range(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise UsageError(
            f"{text[:60]!r} is no address or range", "Write it as 203.0.113.7 or 203.0.113.0/24."
        ) from None


def _ways(inventory: Inventory, asked: VendorQuestion, name: str) -> Iterator[tuple[Row, str, str]]:
    """What it holds by the query, and what it issued by the tokens' own records."""
    text = asked.query or f'"{name}"'.replace("\\", "")
    wanted = queries.parse(text)
    for row, _ in inventory.each(wanted, Sort()):
        yield row, HELD, f"matches {text}"
    lower = name.casefold()
    for row, token in inventory.each(Query(), Sort()):
        by = token.created_by.value
        if by is not None and lower in by.casefold():
            yield row, ISSUED, f"created by {by}"


def _used(
    paths: Paths,
    ranges: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
    asked: VendorQuestion,
) -> Iterator[tuple[str, str]]:
    """The tokens that were used from its addresses, or by its programs, and how often."""
    if not ranges and not asked.agents:
        return
    patterns = [pattern.casefold() for pattern in asked.agents]
    times: dict[tuple[str, str], int] = {}
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            for use in events.uses_by_client(connection, int(asked.since)):
                if _within(use.source, ranges):
                    key = use.handle, f"from {use.source}"
                elif any(fnmatch.fnmatchcase(use.agent.casefold(), each) for each in patterns):
                    key = use.handle, f"by {use.agent[:80]}"
                else:
                    continue
                times[key] = times.get(key, 0) + use.times
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None
    for (handle, words), number in times.items():
        yield handle, f"used {count(number, 'time')} {words}"


def _within(source: str, ranges: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    return any(address in each for each in ranges if each.version == address.version)


def _theirs(told: Intake, paths: Paths, inventory: Inventory) -> Iterator[Listed]:
    # A line number alone would name another line of the vendor's next list.
    known = Known(fingerprints(paths, make=True), inventory)
    forms = OtherForms(inventory)
    for number, item in enumerate(told.items, 1):
        yield _one(item, number, known, inventory, forms)


def _one(item: Item, number: int, known: Known, inventory: Inventory, forms: OtherForms) -> Listed:
    line = next((place.line for place in item.places if place.line), 0)
    where = f"line {line}" if line else f"item {number}"
    # A word alone on a line may be an id as well as a value; what the inventory has is an id.
    if item.value is not None and (rows := _named(item.value, inventory)):
        plain = any(row.id == item.value.reveal() for row in rows)
        label = f"{where}, {rows[0].backend}/{rows[0].name}"
        return Listed(label, rows, BY_ID if plain else BY_NAME, other_form=not plain)
    if item.value is not None:
        label = f"{where}, a value with fingerprint {known.print_of(item)[:PRINT]}"
        rows = _rows(inventory, [found.handle for found in known.of_value(item.value)])
        return Listed(label, rows, "by its value's fingerprint", other_form=True)
    label = f"{where}, {item.id}"
    if len(item.id) > LONGEST or scan.withhold(label) != label:
        print_ = known.print_of_value(Secret(item.id))
        label = f"{where}, an id with fingerprint {print_[:PRINT]}"
    if rows := tuple(inventory.find(item.id)):
        plain = any(row.id == item.id for row in rows)
        return Listed(label, rows, BY_ID if plain else BY_NAME, other_form=not plain)
    rows, how = forms.find(item.id)
    return Listed(label, rows, how, other_form=bool(rows))


def _named(value: Secret, inventory: Inventory) -> tuple[Row, ...]:
    """The tokens whose id, handle or name is this very word; it is no secret then."""
    word = value.reveal()
    found = inventory.find(word) if len(word) <= LONGEST else []
    return tuple(
        row
        for row in found
        if word
        in (row.id, row.handle, row.name, f"{row.backend}/{row.name}", f"{row.backend}/{row.id}")
    )


def _rows(inventory: Inventory, handles: Iterable[str]) -> tuple[Row, ...]:
    found = (inventory.detail(handle) for handle in dict.fromkeys(handles))
    return tuple(detail.row for detail in found if detail is not None)


def _not_told(inventory: Inventory, asked: VendorQuestion) -> Iterator[str]:
    if not (asked.addresses or asked.agents):
        yield "Use was not looked at: no --address and no --agent of the vendor was given."
        return
    for state in inventory.backends():
        if state.events_until is None:
            yield f"{state.name}: no log of it was read, so its use is not known."
        elif asked.since and (state.events_since or 0) > asked.since:
            yield f"{state.name}: its log was read from later on than the leak."
