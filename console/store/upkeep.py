"""The store made or migrated where it has to be, before it is only read."""

from __future__ import annotations

from pathlib import Path

from console.store import reading


def bring_up_to_date(path: Path) -> None:
    """Create the store where there is none, and migrate one that an older version wrote.

    What reads and writes here is only loaded where there is something to do.

    Raises:
        StoreError: it is damaged, or a newer version wrote it.
    """
    if path.exists():
        try:
            reading.connect(path).close()
            return
        except reading.OldStore:
            pass
    from console.store.database import open_for_writing

    open_for_writing(path).dispose()
