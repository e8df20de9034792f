"""The classes of events as the store keeps them, and how events are counted."""

from __future__ import annotations

from typing import Final

from backends.model import EventClass

SLOT: Final = 300
"""Seconds of one count."""

EVERYTHING: Final = ""
"""Stands in ``handle`` for all events of a backend, those without a token too."""

USE: Final = EventClass.USE.value
OTHER: Final = EventClass.OTHER.value
"""Events of which nobody told what they are: no use, and no silence either."""

SHOWN: Final = f"('{EventClass.USE.value}', '{EventClass.DENIED.value}')"
"""For SQL: the classes in which somebody had a token's value in hand."""
ABOUT: Final = f"('{EventClass.LIFE.value}', '{EventClass.PERMISSION.value}')"
"""For SQL: the classes of what was done to a token, which is no use of it."""
