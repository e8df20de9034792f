"""The id of a step: which item of the plan it belongs to, what it does, which attempt it is.

A step has the id of its call in the plan. What a run does or notes besides (a delivery, the
end of a token in excess, what is known of the old value) has an id of the same form, so that
the journal's entries find their item. In the journal and in a plan's file an id is text:

    3.revoke    3.mint~2    3.deliver.kv    3.rollback.<handle>.disable    3.rotated
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

_AGAIN = "~"
"""Stands before the number of a repeat, and in no id of a plan."""


class Mark(StrEnum):
    """What the journal says of an item under an id of its own, without a call."""

    NEW_VALUE = "new-value"
    """A rotation's new value was tried."""
    MOVING = "moving"
    """For which consumers the old value is kept, or whom its end meets."""
    OLD = "old"
    """Why the old value lives on after a rotation."""
    ROTATED = "rotated"
    """How much is proved of a rotation as a whole: it came to its end."""
    BY_HAND = "hand"
    """A person did it."""
    LOOK = "look"
    """What was seen of a token for which the plan has no call."""
    PACE = "pace"
    """Why a backend's lane became slower, or that it no longer is: of no single item."""


class StepId(NamedTuple):
    """A step's id. ``item`` is 0 for a text that belongs to no item of a plan."""

    item: int
    name: str
    """What is done, in the words of the plan or the run."""
    attempt: int = 1
    """A call whose earlier one is known to be lost is made again under an id of its own."""

    @classmethod
    def parse(cls, text: str) -> StepId:
        """The id that a text is. Any text is one: what is not of an item has the item 0."""
        head, _, rest = text.partition(".")
        if not (head.isascii() and head.isdecimal()):
            return cls(0, text)
        name, _, number = rest.partition(_AGAIN)
        if number.isascii() and number.isdecimal():
            return cls(int(head), name, int(number))
        return cls(int(head), rest)

    @classmethod
    def of_call(cls, item: int, call: str) -> StepId:
        """The id of a planned call, from the backend's own name for it."""
        return cls(item, call)

    @classmethod
    def of_undo(cls, item: int, call: str) -> StepId:
        """The id of a call that would take the item back."""
        return cls(item, f"undo-{call}")

    @classmethod
    def of_delivery(cls, item: int, sink: str) -> StepId:
        """The id of giving a new value to a sink."""
        return cls(item, f"deliver.{sink}")

    @classmethod
    def of_check(cls, item: int, sink: str) -> StepId:
        """The id of reading a delivery back."""
        return cls(item, f"check.{sink}")

    @classmethod
    def of_rollback(cls, item: int, handle: str, call: str) -> StepId:
        """The id of a call that ends a token in excess, which a rotation made."""
        return cls(item, f"rollback.{handle}.{call}")

    def __str__(self) -> str:
        """The id as the journal and a plan's file have it."""
        again = f"{_AGAIN}{self.attempt}" if self.attempt > 1 else ""
        return f"{self.item}.{self.name}{again}" if self.item else self.name

    @property
    def is_delivery(self) -> bool:
        """Whether a sink is given a value."""
        return self.name.startswith("deliver.")

    def ends(self, handle: str) -> bool:
        """Whether it is about the end of a token in excess, by that token's handle."""
        return self.name.startswith(f"rollback.{handle}.")

    def again(self, attempt: int) -> StepId:
        """The same step's attempt with a number, from 1."""
        return self._replace(attempt=attempt)

    @property
    def planned(self) -> StepId:
        """The id in the plan of whatever attempt this is."""
        return self.again(1)

    def of_item(self, item: int) -> StepId:
        """The same step of an item with another number."""
        return self._replace(item=item)


def mark_of(item: int, mark: Mark) -> str:
    """The text of the id under which the journal says this of an item."""
    return str(StepId(item, mark.value))
