"""Writing the journal: durable when ``append`` returns, or an error and nothing is sent."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from console.errors import JournalError
from console.journal import ballast, chain, keys, read, scan, start
from console.journal.describe import Entry
from console.journal.entry import Body, Kind, statement
from console.journal.files import beside
from console.journal.parts import (
    Act,
    Export,
    KeyMark,
    Out,
    PlanMark,
    Seal,
    Session,
    Sig,
    Witnessing,
)
from console.journal.sqlite import SqliteStore
from console.journal.store import AlreadyRecorded as AlreadyRecorded
from console.journal.store import Full, Store, Trouble
from console.journal.tlog.note import Signer
from console.journal.writer import Writer

OWED = frozenset({Kind.OUTCOME, Kind.RECOVERY, Kind.EVIDENCE, Kind.BREAKGLASS})
"""Kinds for which the ballast is given up when the disk is full."""


class Journal:
    """One journal, open for appending. Safe to share between threads.

    ``where`` is its file, or another store; then ``base`` says what its key and other
    files are called. ``signer`` takes the place of the key file. Opening verifies what is
    new since the last time; a journal that is not whole can be read and takes no entry.

    Raises:
        JournalError: the journal, or its key, cannot be used.
    """

    def __init__(
        self, where: Path | Store, *, base: Path | None = None, signer: Signer | None = None
    ) -> None:
        self.files = beside(base or (where if isinstance(where, Path) else Path(where.where)))
        self._threads = threading.RLock()
        self.store: Store = SqliteStore(where) if isinstance(where, Path) else where
        self._writer = Writer(self.store, self.files, signer)
        try:
            self.problem = self._writer.begin()
            self.problem = self.problem or start.problem(self.store, self.files, self.signer)
            if not self.problem:
                ballast.fill(self.files.ballast)
        except BaseException:
            self.store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    @property
    def origin(self) -> str:
        """The journal's name: ``<host>/<uuid>``."""
        return self._writer.origin

    @property
    def signer(self) -> Signer:
        """The log key as it is now. Raises ``JournalError`` when it is not here."""
        return self._writer.signer

    def append(
        self,
        kind: Kind | str,
        *,
        id: str = "",  # noqa: A002
        why: str = "",
        incident: str = "",
        act: Act | None = None,
        plan: PlanMark | None = None,
        out: Out | None = None,
        session: Session | None = None,
        seal: Seal | None = None,
        export: Export | None = None,
        witness: Witnessing | None = None,
        sign: Callable[[bytes], Sig | None] | None = None,
    ) -> Entry:
        """Write one entry and return it once it is on the disk.

        ``id`` is for a plan, whose entry has the plan's own id. ``sign`` is asked for the
        responder's signature over the entry's statement, before anything is locked.

        Raises:
            JournalError: it is not certain that the entry is durable. Whatever was to
                follow must not happen.
            AlreadyRecorded: a second answer to the same intent, or a second use of an id.
            SchemaError: the format has no room for that.
            ReasonRefused: the reason is too short, or holds what looks like a secret.
        """
        if witness is not None:
            witness = replace(witness, detail=scan.withhold(witness.detail[:500]))
        draft = replace(
            self._writer.draft(Kind(kind), why, incident, id),
            act=act,
            plan=plan,
            out=out,
            session=session,
            seal=seal,
            export=export,
            witness=witness,
        )
        if sign is not None:
            draft = replace(draft, sig=sign(statement(draft)))
        return self._append(draft)

    def statement(
        self, kind: Kind, id_: str, why: str, incident: str, session: Session | None = None
    ) -> bytes:
        """What ``sign`` will be given for such an entry, for whoever must sign it before."""
        return statement(replace(self._writer.draft(kind, why, incident, id_), session=session))

    def rotate_key(self, why: str) -> Entry:
        """Make a new log key. The entry about it is under a checkpoint that both keys sign.

        Raises:
            JournalError: as ``append``; or the key is not in a file of this machine.
        """
        if self._writer.given is not None:
            raise JournalError("the journal's key is not in a file", "Rotate it where it lives.")
        with self._threads:
            waiting = keys.coming(self.files.key)
            # One that is there was never used: completing a rotation moves it away.
            new = keys.load(waiting) or keys.make(waiting, self.origin)
            draft = replace(self._writer.draft(Kind.KEY_ROTATE, why), key=KeyMark(vkey=new.vkey))
            entry = self._append(draft, new)
            keys.current(self.files.key, self._writer.note)  # Puts the new file into place.
            return entry

    def add_cosigned(self, size: int, signed: bytes) -> None:
        """Keep a checkpoint of ours with the cosignatures that witnesses put to it."""
        with contextlib.suppress(AlreadyRecorded), self.store.exclusive():
            self.store.insert("INSERT INTO cosigned (size, note) VALUES (?, ?)", [(size, signed)])

    def entries(
        self,
        limit: int = 200,
        before: int | None = None,
        kind: str | None = None,
        ref: str | None = None,
        *,
        plan: str | None = None,
        handle: str | None = None,
    ) -> list[Entry]:
        """Entries, newest first; the conditions are those of ``JournalView.entries``."""
        return read.select(
            self.store, limit=limit, before=before, kind=kind, ref=ref, plan=plan, handle=handle
        )

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""
        found = read.select(self.store, limit=1, id=id_)
        return found[0] if found else None

    def open_intents(self) -> list[Entry]:
        """Intents of which nobody knows yet what became, oldest first."""
        return read.open_intents(self.store)

    def check(self) -> tuple[bool, str]:
        """Whether the chain is whole, and the first thing that is wrong. See ``verify`` too."""
        return chain.check(self.store)

    def _append(self, draft: Body, *more: Signer) -> Entry:
        with self._threads:
            if self.problem:
                raise JournalError(
                    f"the journal is not whole: {self.problem}",
                    "Nothing is sent on it. Keep the file as evidence; "
                    "then: token-console journal verify.",
                )
            try:
                try:
                    written = self._commit(draft, more)
                except Full:
                    if draft.type not in OWED or not ballast.release(self.files.ballast):
                        raise
                    self.store.reopen()
                    written = self._commit(draft, more)
            except Trouble as error:
                self._in_doubt(draft, error)
                raise
            self.store.tidy()
        return written[-1]

    def _commit(self, draft: Body, more: Iterable[Signer]) -> list[Entry]:
        with self.store.exclusive():
            return self._writer.put([draft], *more)

    def _in_doubt(self, draft: Body, error: Trouble) -> None:
        """After a failed commit: find out on a new connection whether the entry is there.

        A commit whose flush failed, or whose answer was lost, can still turn up later. An
        intent that did is closed as not sent, because its caller gets an error and sends
        nothing. The question is asked alone: then the lost transaction has ended.
        """
        self.store.reopen()
        with self.store.exclusive():
            there = read.select(self.store, limit=1, id=draft.id)
        if there and draft.type is Kind.INTENT and draft.act is not None:
            told = f"the journal could not confirm the intent: {type(error).__name__}"
            self.append(
                Kind.OUTCOME,
                act=draft.act,
                out=Out(ref=draft.id, state="not_sent", detail=told),
            )
