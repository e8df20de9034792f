"""Brings the links up to date before somebody looks, and loads what that needs only if it must."""

from __future__ import annotations

import contextlib

from console import settings
from console.graph.freshness import files_mark, stale
from console.journal import opening
from console.journal.files import beside
from console.journal.read import fingerprint
from console.journal.store import entries
from console.settings import GraphSettings, Paths
from console.store import reading


def bring_up(where: Paths) -> None:
    """Make links anew of whatever is different since they were made last; blocks meanwhile.

    Raises:
        StoreError: the inventory cannot be used.
        JournalError: the journal cannot be read.
        SettingsError: the configuration cannot be used.
    """
    told = settings.load(where.config).graph if where.config.exists() else GraphSettings()
    if _current(where, told):
        return
    from console.graph.collect.refresh import refresh
    from console.store.database import open_for_writing

    engine = open_for_writing(where.inventory)
    try:
        refresh(engine, where, told)
    finally:
        engine.dispose()


def _current(where: Paths, told: GraphSettings) -> bool:
    """Whether nothing is different; an old store is not, as it has to be opened to write first."""
    pepper = fingerprint.pepper(beside(opening.base(where)).pepper)
    with contextlib.suppress(reading.OldStore), opening.view(where) as view:
        prints = [] if view.store is None else entries.fingerprints(view.store)
        with contextlib.closing(reading.connect(where.inventory)) as connection:
            return not stale(connection, files_mark(told, pepper), prints)
    return False
