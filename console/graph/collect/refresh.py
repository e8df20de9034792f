"""Brings the links up to date with the store, the teams' files, and the journal's fingerprints."""

from __future__ import annotations

from console.graph.collect.collect import Collected, collect
from console.journal import opening
from console.journal.files import beside
from console.journal.read import fingerprint
from console.journal.store import entries
from console.settings import GraphSettings, Paths
from console.store.database import Engine


def refresh(engine: Engine, where: Paths, settings: GraphSettings) -> Collected:
    """Collect every link that can be told without asking a backend. Blocks; see ``collect``.

    Raises:
        StoreError: the inventory cannot be written.
        JournalError: the journal cannot be read.
    """
    pepper = fingerprint.pepper(beside(opening.base(where)).pepper)
    # Values were in hand when the journal's entries were written: their hashes name files.
    with opening.view(where) as view:
        store = view.store
        prints = [] if store is None else entries.fingerprints(store)
    return collect(engine, settings, pepper=pepper, known_prints=prints)
