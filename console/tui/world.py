"""What every view shares: the store, the journal, the worker's news, and the clock."""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from backends.contract import Verb
from console.errors import ConsoleError
from console.inventory.search import BackendState, Inventory, Row
from console.journal.read import JournalView
from console.settings import JournalSettings, Paths, Settings
from console.tui.actions import Context
from console.tui.standing import UNREADABLE, Standing, Trouble


class World:
    """Reads files and remembers what was read last; asks nobody and draws nothing."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings | None,
        *,
        act: bool,
        demo: bool,
        ascii_only: bool,
        now: Callable[[], float],
    ) -> None:
        self.paths = paths
        self.act = act
        self.demo = demo
        self.ascii = ascii_only
        self.now = now
        self.host = platform.node().split(".")[0] or "this host"
        tables = settings.backends if settings is not None else ()
        self.production = {table.name for table in tables if table.table.get("production") is True}
        self.sinks = tuple(settings.sinks) if settings is not None else ()
        self.inventory = Inventory(paths.inventory, clock=now)
        self.asked = settings.journal if settings is not None else JournalSettings()
        self.remote_journal = self.asked.url is not None
        self.journal_base = paths.journal
        if self.remote_journal:
            self.journal_base = paths.state / "journal-postgres.db"
        self.standing = Standing()
        """What the last check of the journal found."""
        self._journal: JournalView | None = None
        self.leaks: dict[tuple[str, ...], int] = {}
        """Since when tokens may be in wrong hands, as the responder told; by their handles."""
        self.backends: list[BackendState] = []
        self.total = 0
        self.store_trouble = ""
        self.news: dict[str, Mapping[str, Any]] = {}
        """The worker's last word about each backend."""
        self.worker_up = False
        self.worker_trouble = ""
        """Why there is no worker, where there should be one."""
        self._stamp: int | None = None
        self._journal_stamp: int | None = None

    @property
    def journal(self) -> JournalView:
        """The journal, for what the event loop may wait for. Raises ``ConsoleError``."""
        if self._journal is None:
            self._journal = self.open_journal()
        return self._journal

    def open_journal(self) -> JournalView:
        """A look at the journal of one's own, for a thread. Raises ``ConsoleError``."""
        if not self.remote_journal:
            return JournalView(self.paths.journal)
        # Only here, as it loads the way to a database that most do not have.
        from console.journal import opening

        return opening.view(self.paths)

    def look(self) -> tuple[bool, bool]:
        """Read what changed: whether the store did, and whether the journal did."""
        return self._look_at_store(), self._look_at_journal()

    def _look_at_store(self) -> bool:
        try:
            stamp = self.inventory.stamp()
            if stamp == self._stamp:
                return False
            self.backends = self.inventory.backends()
            self.total = self.inventory.total()
            self._stamp, self.store_trouble = stamp, ""
        except (sqlite3.Error, ConsoleError) as error:
            # Somebody else may hold it for a moment; what was read before stays shown.
            changed = self.store_trouble != str(error)
            self.store_trouble = str(error)
            return changed
        return True

    def _look_at_journal(self) -> bool:
        """How many entries there are. Whether they are in order is the keeper's to say."""
        try:
            # A database elsewhere would be waited for; the keeper counts there.
            stamp = self.standing.entries if self.remote_journal else self.journal.stamp()
        except (sqlite3.Error, ConsoleError) as error:
            trouble = Trouble("unreadable", str(error).rstrip("."), True)
            changed = not self.standing.word
            if changed:
                self.standing = self.standing._replace(word=UNREADABLE, found=(trouble,))
            return changed
        changed = stamp != self._journal_stamp
        self._journal_stamp = stamp
        if not self.standing.word:
            self.standing = self.standing._replace(entries=stamp)
        return changed

    def backend(self, name: str) -> BackendState | None:
        """The state of a backend by its name."""
        return next((state for state in self.backends if state.name == name), None)

    def knows(self, word: str) -> bool:
        """Whether the store has a token with this id or name, or with an id that begins so."""
        try:
            return self.inventory.knows(word)
        except (sqlite3.Error, ConsoleError):
            return False

    def context(self, view: str, row: Row | None, **more: Any) -> Context:
        """What an action has to know, with this row as the one to act on."""
        state = self.backend(row.backend) if row is not None else None
        verbs: dict[str, str] = {}
        problem = self.standing.problem
        if row is not None and state is not None and state.capabilities is not None:
            declared = state.capabilities.of(row.kind)
            verbs = {verb.value: declared.ability(verb).support.value for verb in Verb}
        return Context(
            view=view,
            act=self.act,
            worker=self.worker_up,
            token=row is not None,
            gone=row is not None and row.presence == "gone",
            ended=row.state if row is not None and row.state in ("revoked", "expired") else "",
            backend=row.backend if row is not None else "",
            can_act=state is not None and state.can_act,
            verbs=verbs,
            kind=row.kind if row is not None else "",
            journal=f"the journal is not whole: {problem}" if problem else "",
            **more,
        )

    def close(self) -> None:
        """Give the files back."""
        self.inventory.close()
        if self._journal is not None:
            self._journal.close()
