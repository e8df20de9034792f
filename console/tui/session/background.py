"""A thread that works on the newest question only, so that the screen never waits for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from console import ownership
from console.errors import ConsoleError
from console.tui.session.worker_link import sentences

Q = TypeVar("Q")


class Outdated(Exception):
    """There is a newer question, or the screen is being left."""


class Background(threading.Thread, Generic[Q]):
    """``on_error`` is called from this thread, with what to tell the responder."""

    def __init__(self, name: str, on_error: Callable[[str], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._on_error = on_error
        self.places: tuple[Path, ...] = ()
        """Where the files are that it reads: if one is not this user's, that is what is told."""
        self._changed = threading.Condition()
        self._next: Q | None = None
        self._ending = False

    def ask(self, question: Q) -> None:
        """Work on this; forget whatever waits."""
        with self._changed:
            self._next = question if self._next is None else self.merged(self._next, question)
            self._changed.notify()

    def end(self) -> None:
        """Stop at the next opportunity, without waiting for it."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def merged(self, waiting: Q, question: Q) -> Q:
        """What to do instead of two questions that wait."""
        return question

    def work(self, question: Q) -> None:
        """Answer a question."""
        raise NotImplementedError

    @property
    def ending(self) -> bool:
        """Whether the screen is being left."""
        return self._ending

    def outdated(self) -> bool:
        """Whether a newer question waits, or nobody waits any more."""
        with self._changed:
            return self._next is not None or self._ending

    def run(self) -> None:
        """Answer one question after the other until the view is left."""
        while (question := self._take()) is not None:
            try:
                self.work(question)
            except Outdated:
                continue
            except (sqlite3.Error, ConsoleError) as error:
                if not self.outdated():
                    hint = ownership.hint(error, self.places) or getattr(error, "hint", "")
                    self._on_error(sentences(str(error), hint))
            except Exception as error:  # noqa: BLE001
                # A thread that ends would answer nothing for good; the next question may work.
                whose = ownership.hint(error, self.places)
                self._on_error(whose or f"a defect in the {self.name} ({type(error).__name__})")

    def _take(self) -> Q | None:
        with self._changed:
            while self._next is None and not self._ending:
                self._changed.wait()
            question, self._next = self._next, None
            return None if self._ending else question
