"""Which incident this user is at work on: what is planned from here on carries it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from console.errors import UsageError
from console.incident.record import ID, Incident, fold
from console.journal import opening
from console.settings import Paths

MOST = 200
"""Bytes of the file that are read."""


def _file(paths: Paths) -> Path:
    return paths.state / "incident"


def chosen(paths: Paths) -> str:
    """The id that was chosen last; empty where none is, or the file holds no id."""
    try:
        with _file(paths).open("rb") as file:
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
                _file(paths).unlink()
            return
        new = _file(paths).with_suffix(".new")
        new.write_text(f"{id_}\n")
        os.replace(new, _file(paths))
    except OSError as error:
        raise UsageError(
            f"which incident is worked on cannot be kept: {error.strerror}",
            "Name it each time: --incident ID.",
        ) from None


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
