"""What every view shares: the store, the journal, the worker's news, and the clock."""

from __future__ import annotations

import contextlib
import platform
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import convert
from msgspec.structs import replace

from backends.contract import Verb
from console.contact import UNKNOWN, Contact
from console.errors import ConsoleError
from console.inventory.records import NEVER
from console.inventory.search.inventory import BackendState, Inventory, Row
from console.journal.case_scope import scopes
from console.journal.own_files import own
from console.journal.read.view import JournalView
from console.settings import Paths, Settings
from console.tui.actions.context import Context, TokenContext
from console.tui.session.journal_state import UNREADABLE, JournalState, JournalTrouble
from console.tui.session.own_view import ENDED, Mine


class ConsoleSession:
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
        self._tables = tables
        self.production = {table.name for table in tables if table.table.get("production") is True}
        self.sinks = tuple(settings.sinks) if settings is not None else ()
        self.inventory = Inventory(paths.inventory, clock=now, scopes=scopes(paths))
        self.own_journal = own(paths, settings)
        self.asked = self.own_journal.asked
        self.remote_journal = self.asked.url is not None
        self.journal_base = self.own_journal.base
        self.standing = JournalState()
        """What the last check of the journal found."""
        self._journal: JournalView | None = None
        self.leaks: dict[tuple[str, ...], int] = {}
        """Since when tokens may be in wrong hands, as the responder told; by their handles."""
        self.backends: list[BackendState] = []
        self.total = 0
        self.store_trouble = ""
        self.news: dict[str, Mapping[str, Any]] = {}
        """The worker's last word about each backend."""
        self.looked: dict[str, Mapping[str, Any]] = {}
        """How the worker's own last look at each backend ended."""
        self.contacts: dict[str, Contact] = {}
        """How each backend answers our own worker. Other consoles have other credentials."""
        self.worker_up = False
        self.worker_coming = False
        """Whether there will be a worker that has not said a word yet."""
        self.worker_trouble = ""
        """Why there is no worker, where there should be one."""
        self.incident = ""
        """The id of the incident that this user is at work on; empty for none."""
        self._stamp: int | None = None
        self._generation: int | None = None
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
        store, journal = self._look_at_store(), self._look_at_journal()
        # Chosen by a command in another terminal as well, which writes into no journal.
        return store, self.look_at_incident() or journal

    def look_at_incident(self) -> bool:
        """Read which incident this user is at work on; whether that is another one now."""
        if not self.incident and not (self.paths.state / "incident").exists():
            return False
        from console.incident import active  # Most never open one, and a start has to be quick.

        before = self.incident
        with contextlib.suppress(sqlite3.Error, ConsoleError):
            if self.remote_journal:
                # A database elsewhere would be waited for. The worker asks it for each plan.
                self.incident = active.chosen(self.paths)
            else:
                self.incident = active.named(self.paths, self.journal)
        return self.incident != before

    def _look_at_store(self) -> bool:
        try:
            stamp = self.inventory.stamp()
            if stamp == self._stamp:
                return False
            generation = self.inventory.generation()
            # How long ago they were read is news as well, and the next tick shows it.
            self.backends = self._with_configured(self.inventory.backends())
            same = generation == self._generation and not self.store_trouble
            self._stamp, self._generation, self.store_trouble = stamp, generation, ""
            if same:
                return False
            self.total = self.inventory.total()
        except (sqlite3.Error, ConsoleError) as error:
            # Somebody else may hold it for a moment; what was read before stays shown.
            changed = self.store_trouble != str(error)
            self.store_trouble = str(error)
            return changed
        return True

    def _with_configured(self, stored: list[BackendState]) -> list[BackendState]:
        """What is configured and was never looked at is shown all the same."""
        known = {state.name for state in stored}
        new = [
            NEVER._replace(name=table.name, type=str(table.table.get("type", "")))
            for table in self._tables
            if table.name not in known
        ]
        return sorted([*stored, *new], key=lambda state: state.name) if new else stored

    def _look_at_journal(self) -> bool:
        """How many entries there are. Whether they are in order is the keeper's to say."""
        try:
            # A database elsewhere would be waited for; the keeper counts there.
            stamp = self.standing.entries if self.remote_journal else self.journal.stamp()
        except (sqlite3.Error, ConsoleError) as error:
            trouble = JournalTrouble("unreadable", str(error).rstrip("."), True)
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

    def mine(self, name: str) -> Mine:
        """What this console itself knows of a backend, whatever others wrote into the store."""
        contact, looked = self.contacts.get(name, UNKNOWN), self.looked.get(name)
        if not self.worker_up:
            # Nobody asks or looks any more: what was told last is not known to be so now.
            return Mine(replace(contact, state="", waiting_since=0), None, looked)
        return Mine(contact, self.news.get(name), looked)

    def heard(self, message: Mapping[str, Any]) -> bool:
        """Take in the worker's word about a backend. Whether it was one."""
        name = str(message.get("backend"))
        if message.get("event") == "contact":
            self.contacts[name] = convert(message.get("contact"), Contact)
            return True
        if message.get("event") != "sync":
            return False
        self.news[name] = message
        if message.get("state") in ENDED:
            self.looked[name] = message
        return True

    @property
    def waits(self) -> bool:
        """Whether something is waited for whose seconds are shown."""
        now = self.now()
        return any(self.mine(state.name).waited(now) for state in self.backends)

    def knows(self, word: str) -> bool:
        """Whether the store has a token with this id or name, or with an id that begins so."""
        try:
            return self.inventory.knows(word)
        except (sqlite3.Error, ConsoleError):
            return False

    def context(self, view: str, row: Row | None) -> Context:
        """What an action has to know that is the same in every view; ``row`` is acted on."""
        problem = self.standing.problem
        return Context(
            view=view,
            act=self.act,
            worker=self.worker_up,
            journal=f"the journal is not whole: {problem}" if problem else "",
            token=self._token_context(row) if row is not None else None,
            working_on=self.incident,
        )

    def _token_context(self, row: Row) -> TokenContext:
        state = self.backend(row.backend)
        verbs: dict[str, str] = {}
        if state is not None and state.capabilities is not None:
            declared = state.capabilities.of(row.kind)
            verbs = {verb.value: declared.ability(verb).support.value for verb in Verb}
        return TokenContext(
            backend=row.backend,
            kind=row.kind,
            gone=row.presence == "gone",
            ended=row.state if row.state in ("revoked", "expired") else "",
            can_act=self.contacts.get(row.backend, UNKNOWN).can_act,
            verbs=verbs,
        )

    def close(self) -> None:
        """Give the files back."""
        self.inventory.close()
        if self._journal is not None:
            self._journal.close()
