"""This console's own journal: its files, and what the configuration asks of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from console import settings
from console.settings import ConsoleSettings, JournalSettings, Paths, Settings


class Own(NamedTuple):
    """What a verdict on this console's own journal begins with. Costs nothing to import."""

    base: Path
    """Where the journal's files are: the database itself, or what would be its place."""
    asked: JournalSettings
    inventory: Path
    days: int
    """For how many days audit events are kept."""


def own(paths: Paths, loaded: Settings | None = None) -> Own:
    """As the configuration says, which is read where none is ``loaded``.

    Raises:
        SettingsError: it cannot be used.
    """
    if loaded is None and paths.config.exists():
        loaded = settings.load(paths.config)
    if loaded is None:
        days = ConsoleSettings().events
        return Own(paths.journal, JournalSettings(), paths.inventory, days)
    remote = loaded.journal.url is not None
    base = paths.state / "journal-postgres.db" if remote else paths.journal
    return Own(base, loaded.journal, paths.inventory, loaded.events)
