"""Which incident this user is at work on: what is planned from here on carries it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

from console.errors import UsageError
from console.incident.record import ID, Incident, fold
from console.journal import opening
from console.journal.format.sentence import Entry
from console.settings import Paths

FILE = "incident"
MOST = 200
"""Bytes of the file that are read."""


def place(paths: Paths) -> Path:
    """The file that holds the id."""
    return paths.state / FILE


def chosen(paths: Paths) -> str:
    """The id that was chosen last; empty where none is, or the file holds no id."""
    try:
        # A pipe in its place would be waited for.
        with open(os.open(place(paths), os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            text = file.read(MOST).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return text if ID.fullmatch(text) else ""


def choose(paths: Paths, id_: str) -> None:
    """From here on this user works on an incident; an empty id: on none.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        if not id_:
            with contextlib.suppress(FileNotFoundError):
                place(paths).unlink()
            return
        # Two consoles choose at once: neither takes the other's half.
        new = place(paths).with_suffix(f".{os.getpid()}.new")
        try:
            new.write_text(f"{id_}\n")
            os.replace(new, place(paths))
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"which incident is worked on cannot be kept: {error.strerror}",
            "Name it each time: --incident ID.",
        ) from None


class Cases(Protocol):
    """A journal, open to be read."""

    def cases(self, after: int = 0) -> list[Entry]:
        """What was decided about all incidents."""


def named(paths: Paths, journal: Cases) -> str:
    """The id of the incident that is worked on; empty for none, or where it was closed."""
    id_ = chosen(paths)
    found = fold(journal.cases()).get(id_) if id_ else None
    return id_ if found is not None and found.closed is None else ""


def current(paths: Paths) -> Incident | None:
    """The incident that is worked on; None where none is chosen, or it was closed.

    Raises:
        JournalError: the journal cannot be read.
    """
    id_ = chosen(paths)
    if not id_:
        return None
    with opening.view(paths) as view:
        found = fold(view.cases()).get(id_)
    return found if found is not None and found.closed is None else None


def for_plan(paths: Paths, given: str) -> str:
    """The incident that a plan carries: the one that is given, else the one worked on.

    Raises:
        JournalError: the journal cannot be read.
    """
    if given:
        return given
    found = current(paths)
    return found.id if found is not None else ""
