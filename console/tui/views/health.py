"""How a backend is, as one word: for the backends view and for the line under every view."""

from __future__ import annotations

from typing import NamedTuple

from console.contact import SILENT
from console.inventory.search.inventory import BackendState
from console.text import age
from console.tui.draw.lines import Role
from console.tui.session.own_view import NOTHING, Mine

STALE_AFTER = 300
"""Seconds after which a backend's data counts as stale, even where nothing failed."""


class HealthWord(NamedTuple):
    """A backend's state as one word; the glyph and the role only repeat it."""

    word: str
    glyph: str
    role: Role


def health(state: BackendState, now: float, mine: Mine = NOTHING) -> HealthWord:
    """How a backend is: whether it answers us at this moment, how it was read, how old that is."""
    contact = mine.contact
    if contact.state == SILENT:
        return HealthWord(f"SILENT {age(contact.waited(now))}", "!", "bad")
    if waited := contact.waited(now):
        return HealthWord(f"asking {age(waited)}", "?", "warn")
    match mine.result(state):
        case "failed":
            return HealthWord("FAILED", "x", "bad")
        case "never":
            return HealthWord("not read", "?", "dim")
        case _ if state.synced_at is not None and now - state.synced_at > STALE_AFTER:
            return HealthWord("STALE", "!", "bad")
        case "partial":
            return HealthWord("partial", "~", "warn")
        case "running":
            return HealthWord("reading", "~", "")
        case _:
            return HealthWord("ok", "=", "good")


def is_read(state: BackendState, mine: Mine) -> bool:
    """Whether somebody reads it at this moment: said only where somebody does."""
    return state.result == "running" or mine.reads
