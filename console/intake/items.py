"""What comes in: a value or an id, who found it where, and since when it was exposed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from backends.model import Secret
from console.secret_types.types import Recognised, recognise

ONE = "one value"
"""The format of a value that comes alone."""
MOST_PLACES = 20
"""Places of one value that are kept; of more only the number."""


class FoundAt(NamedTuple):
    """Where something was found. All of it comes from outside, and is sanitised when shown."""

    rule: str = ""
    """The scanner's rule, or the vendor's word for the type."""
    path: str = ""
    line: int = 0
    commit: str = ""
    at: datetime | None = None
    """When it was exposed there, as the report says."""
    says: str = ""
    """What the report says of the value: verified, inactive, resolved."""


class Item(NamedTuple):
    """One value, or an id where no value came. The value is never shown."""

    value: Secret | None
    id: str
    """A public id; empty where there is a value only."""
    recognised: Recognised | None
    places: tuple[FoundAt, ...] = ()
    more_places: int = 0
    rule: str = ""
    """The rule of an installed scanner that its value fits, where its form alone told nothing."""

    @property
    def exposed_at(self) -> datetime | None:
        """The earliest moment at which a report says that it was exposed."""
        told = [place.at for place in self.places if place.at is not None]
        return min(told) if told else None


class Intake(NamedTuple):
    """What was read: the items, each once, and whatever could not be read, said."""

    format: str
    """What it was taken for, in words."""
    items: tuple[Item, ...]
    problems: tuple[str, ...] = ()


def of_value(value: str, place: FoundAt = FoundAt()) -> Item:  # noqa: B008  (it is immutable)
    """A value as an item; one that is a public id by its form holds no secret."""
    told = recognise(value)
    if told is not None and told.type.public:
        return Item(None, value, told, (place,))
    return Item(Secret(value), "", told, (place,))


def merged(items: Iterable[Item]) -> tuple[Item, ...]:
    """Each value once, with all its places, in the order in which they came."""
    kept: dict[tuple[str, str], Item] = {}
    for item in items:
        key = (item.value.reveal() if item.value is not None else "", item.id)
        before = kept.get(key)
        if before is None:
            kept[key] = item
            continue
        places = (*before.places, *(each for each in item.places if each not in before.places))
        more = before.more_places + item.more_places + max(len(places) - MOST_PLACES, 0)
        kept[key] = before._replace(places=places[:MOST_PLACES], more_places=more)
    return tuple(kept.values())
