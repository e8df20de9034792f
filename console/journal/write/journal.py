"""Writing the journal: durable when ``append`` returns, or an error and nothing is sent."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Container, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from console.errors import JournalError
from console.journal import keys
from console.journal.files import beside
from console.journal.format import scan
from console.journal.format.entry import Kind, statement
from console.journal.format.incident_mark import IncidentMark
from console.journal.format.parts import (
    Act,
    Config,
    Export,
    KeyMark,
    Out,
    OutState,
    PlanMark,
    RunMark,
    Seal,
    Session,
    Who,
    Witnessing,
)
from console.journal.format.sentence import Entry, entry_of
from console.journal.read import chain, view
from console.journal.store import ballast
from console.journal.store.base import AlreadyRecorded as AlreadyRecorded
from console.journal.store.base import Full, Store, StoreFailed, add_cosigned
from console.journal.store.sqlite import SqliteStore
from console.journal.write import opening_check
from console.journal.write.guard import Guard
from console.journal.write.guard import Taken as Taken
from console.journal.write.writer import Draft, Signing, Writer
from console.tlog.note import Signer

OWED = frozenset({Kind.OUTCOME, Kind.RECOVERY, Kind.EVIDENCE, Kind.BREAKGLASS, Kind.RUN})
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
            self.problem = self.problem or opening_check.problem(
                self.store, self.files, self.signer
            )
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
    def who(self) -> Who:
        """Who writes in this process."""
        return self._writer.who

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
        config: Config | None = None,
        run: RunMark | None = None,
        out: Out | None = None,
        session: Session | None = None,
        seal: Seal | None = None,
        export: Export | None = None,
        witness: Witnessing | None = None,
        case: IncidentMark | None = None,
        guard: Guard | None = None,
        sign: Signing | None = None,
        answer: Signing | None = None,
    ) -> Entry:
        """Write one entry and return it once it is on the disk.

        ``id`` is for a plan, whose entry has the plan's own id. ``guard`` is for an intent:
        it is refused where another plan was faster. ``sign`` is asked for the responder's
        signature over the entry's statement, before anything is locked. ``answer`` is for
        an intent too: it signs the outcome, where this class has to write that itself.

        Raises:
            JournalError: it is not certain that the entry is durable. Whatever was to
                follow must not happen.
            Taken: another plan is at the intent's token, or was. Nothing was written.
            AlreadyRecorded: a second answer to the same intent, or a second use of an id.
            SchemaError: the format has no room for that.
            ReasonRefused: the reason is too short, or holds what looks like a secret.
        """
        draft = self.draft(
            kind,
            id=id,
            why=why,
            incident=incident,
            act=act,
            plan=plan,
            config=config,
            run=run,
            out=out,
            session=session,
            seal=seal,
            export=export,
            witness=witness,
            case=case,
            guard=guard,
            sign=sign,
            answer=answer,
        )
        return self._append(draft)

    def draft(
        self,
        kind: Kind | str,
        *,
        id: str = "",  # noqa: A002
        why: str = "",
        incident: str = "",
        witness: Witnessing | None = None,
        guard: Guard | None = None,
        sign: Signing | None = None,
        answer: Signing | None = None,
        **parts: Any,
    ) -> Draft:
        """An entry for ``append_each``; the parameters, and errors before writing, of ``append``.

        Asks for the signature, which may wait for a person.
        """
        if witness is not None:
            witness = replace(witness, detail=scan.withhold(witness.detail[:500]))
        if (run := parts.get("run")) is not None:
            detail, owner = scan.withhold(run.detail[:500]), scan.withhold(run.owner[:200])
            parts["run"] = replace(run, detail=detail, owner=owner)
        bare = self._writer.draft(Kind(kind), why, incident, id)
        body = replace(bare, witness=witness, **parts)
        if sign is not None:
            body = replace(body, sig=sign(statement(body)))
        return Draft(body, guard, bool(id), answer)

    def closing(self, intent: Draft, detail: str) -> Draft:
        """The answer to an intent that is durable, and on which nothing was sent."""
        body = intent.body
        out = Out(ref=body.id, state=OutState.NOT_SENT, detail=detail)
        return self.draft(
            Kind.OUTCOME, incident=body.incident, act=body.act, out=out, sign=intent.answer
        )

    def append_each(self, drafts: Sequence[Draft]) -> list[Entry | JournalError]:
        """Write several entries in one commit, and return what became of each, in order.

        A draft that is refused (``Taken``, ``AlreadyRecorded``, ``SchemaError``) leaves its
        neighbours alone.

        Raises:
            JournalError: as ``append``, of every one of them.
        """
        return self._append_each(drafts) if drafts else []

    def statement(
        self,
        kind: Kind,
        id_: str,
        why: str,
        incident: str,
        session: Session | None = None,
        config: Config | None = None,
    ) -> bytes:
        """What ``sign`` will be given for such an entry, for whoever must sign it before."""
        bare = self._writer.draft(kind, why, incident, id_)
        return statement(replace(bare, session=session, config=config))

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
            body = replace(self._writer.draft(Kind.KEY_ROTATE, why), key=KeyMark(vkey=new.vkey))
            entry = self._append(Draft(body), new)
            keys.current(self.files.key, self._writer.note)  # Puts the new file into place.
            return entry

    def add_cosigned(self, size: int, signed: bytes) -> None:
        """Keep a checkpoint of ours with the cosignatures that witnesses put to it."""
        with contextlib.suppress(AlreadyRecorded), self.store.exclusive():
            add_cosigned(self.store, size, signed)

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
        return view.select(
            self.store, limit=limit, before=before, kind=kind, ref=ref, plan=plan, handle=handle
        )

    def get(self, id_: str) -> Entry | None:
        """The entry with an id."""
        found = view.select(self.store, limit=1, id=id_)
        return found[0] if found else None

    def of_plan(self, plan: str, after: int = 0, known: Container[int] = ()) -> list[Entry]:
        """What the journal says of a plan since entry ``after``, oldest first: see there.

        What has one of the ``known`` numbers, as its writer knows of its own, is left out.
        """
        return view.of_plan(self.store, plan, after, known)

    def of_incident(self, incident: str) -> list[Entry]:
        """Every entry that belongs to an incident, oldest first: see ``JournalView``."""
        return view.of_incident(self.store, incident)

    def cases(self, after: int = 0) -> list[Entry]:
        """What was decided about all incidents, above a number, oldest first."""
        return view.cases(self.store, after)

    def open_intents(self) -> list[Entry]:
        """Intents of which nobody knows yet what became, oldest first."""
        return view.open_intents(self.store)

    def check(self) -> tuple[bool, str]:
        """Whether the chain is whole, and the first thing that is wrong. See ``verify`` too."""
        return chain.check(self.store)

    def _append(self, draft: Draft, *more: Signer) -> Entry:
        (told,) = self._append_each([draft], *more)
        if isinstance(told, JournalError):
            raise told
        return told

    def _append_each(self, drafts: Sequence[Draft], *more: Signer) -> list[Entry | JournalError]:
        with self._threads:
            if self.problem:
                raise JournalError(
                    f"the journal is not whole: {self.problem}",
                    "Nothing is sent on it. See what is wrong, and what to do about it: "
                    "token-console journal verify.",
                )
            # It may have been given up since, by this process or another one.
            ballast.fill(self.files.ballast)
            try:
                told = self._commit(drafts, more)
            except Full as error:
                told = self._with_ballast(drafts, more, error)
            except StoreFailed as error:
                self._in_doubt(drafts, error)
                raise
            self.store.tidy()
        return told

    def _commit(
        self, drafts: Sequence[Draft], more: Sequence[Signer]
    ) -> list[Entry | JournalError]:
        with self.store.exclusive():
            told = self._writer.put_each(drafts, *more)
        self._writer.committed()
        return [each if isinstance(each, JournalError) else entry_of(*each) for each in told]

    def _with_ballast(
        self, drafts: Sequence[Draft], more: Sequence[Signer], error: Full
    ) -> list[Entry | JournalError]:
        """On a full disk what is owed gets the space that was set aside, and nothing else does."""
        try:
            owed = [draft for draft in drafts if draft.body.type in OWED]
            if not owed or not ballast.release(self.files.ballast):
                raise error
            self.store.reopen()
            told = iter(self._commit(owed, more))
            self._in_doubt([draft for draft in drafts if draft.body.type not in OWED], error)
        except StoreFailed as trouble:
            self._in_doubt(drafts, trouble)
            raise
        return [next(told) if draft.body.type in OWED else error for draft in drafts]

    def _in_doubt(self, drafts: Sequence[Draft], error: StoreFailed) -> None:
        """After a failed commit: find out on a new connection whether the entries are there.

        A commit whose flush failed, or whose answer was lost, can still turn up later. An
        intent that did is closed as not sent, because its caller gets an error and sends
        nothing. The question is asked alone: then the lost transaction has ended.
        """
        intents = [draft for draft in drafts if draft.body.type is Kind.INTENT]
        self.store.reopen()
        with self.store.exclusive():
            there = [each for each in intents if view.select(self.store, limit=1, id=each.body.id)]
        detail = f"the journal could not confirm the intent: {type(error).__name__}"
        self.append_each([self.closing(each, detail) for each in there])
