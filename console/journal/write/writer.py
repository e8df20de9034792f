"""Puts entries into the store: their place, the tree above them, one signed checkpoint."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from console.errors import JournalError
from console.journal import keys
from console.journal.files import Files
from console.journal.format import scan
from console.journal.format.advice import REBUILD
from console.journal.format.entry import (
    ANSWERS,
    GENESIS,
    VERSION,
    Body,
    Kind,
    SchemaError,
    leaf_of,
    link,
    parse,
    uuid7,
)
from console.journal.format.parts import ClockStep, KeyMark, Sig, Who
from console.journal.format.who import boot_id, host, who
from console.journal.read import tree
from console.journal.store import entries
from console.journal.store import nodes as rows
from console.journal.store.base import (
    AlreadyRecorded,
    Store,
    StoreFailed,
    add_checkpoint,
    last_checkpoint,
    leaf_at,
    newest,
)
from console.journal.write import guard, opening_check
from console.journal.write.guard import Guard
from console.tlog import note
from console.tlog.note import Signer

CLOCK_STEP = 2_000_000
"""Microseconds by which the wall clock may leave the clock since start-up unremarked."""

_ONCE = frozenset({Kind.OUTCOME, Kind.RECOVERY, Kind.RECOVERY_CLAIM})


Signing = Callable[[bytes], Sig | None]
"""Gives the signature over an entry's statement; None where there is none to be had."""


class Draft(NamedTuple):
    """An entry that does not know its place yet, and what it asks of the journal."""

    body: Body
    guard: Guard | None = None
    named: bool = False
    """Whether its id was given, and could have been used before."""
    answer: Signing | None = None
    """For an intent: what signs the answer, where the journal itself has to close it."""


class _End(NamedTuple):
    """Where the journal ends: what its next entry follows, and the tree to grow."""

    version: object
    """The store's, at which that was so."""
    prev: str
    tree: tree.Frontier
    t: int = 0
    mono_us: int = 0
    boot_id: str = ""
    """When the last entry was written, as it says itself."""


class Writer:
    """What ``Journal`` needs inside a transaction. ``given`` takes the place of the key file."""

    def __init__(self, store: Store, files: Files, given: Signer | None) -> None:
        self.store = store
        self.files = files
        self.given = given
        self.origin = ""
        """The journal's name, once it has begun."""
        self.note = b""
        """The checkpoint that was written last."""
        self._signer = given
        self._kept: _End | None = None
        self._coming: _End | None = None
        self._who, self._host, self._boot = who(), host(), boot_id()

    @property
    def who(self) -> Who:
        """Who writes in this process."""
        return self._who

    @property
    def signer(self) -> Signer:
        """The log key as it is now. Raises ``JournalError`` when it is not here."""
        if self._signer is None:
            found = last_checkpoint(self.store)
            if found is None:
                raise JournalError("the journal has no key yet", "Its first entry makes one.")
            self._signer = keys.current(self.files.key, found[1])
        return self._signer

    def begin(self) -> str:
        """Learn the journal's name from its first entry; or make its key, and write that entry.

        A journal of version 1 gets its tree, its key and an entry that says so. Returns
        what is wrong with the journal, if that shows already.
        """
        if (problem := self._known()) is not None:
            return problem
        with self.store.exclusive():
            if (problem := self._known()) is not None:  # Another process was first.
                return problem
            first = leaf_at(self.store, 1)
            if first is not None:
                opening_check.may_upgrade(self.store, self.files, first)
                self.origin = parse(first).log
            self._signer = self.given or self._first_key()
            self.origin = self._signer.name
            if first is None:
                draft = self.draft(Kind.LOG_OPEN)
            else:
                draft = self.draft(Kind.LOG_UPGRADE, opening_check.UPGRADED)
                tree.replant(self.store)
            self.put([replace(draft, key=KeyMark(vkey=self._signer.vkey))])
        return ""

    def _known(self) -> str | None:
        """None if the journal has not begun; else its name is known from here on, or why not."""
        found = last_checkpoint(self.store)
        if found is None or (first := leaf_at(self.store, 1)) is None:
            return None
        try:
            self.origin = parse(first).log
        except SchemaError as error:
            return f"entry 1 cannot be read: {error}"
        return ""

    def _first_key(self) -> Signer:
        name = re.sub(r"[^A-Za-z0-9.-]", "-", self._host.name) or "localhost"
        # A key without a journal is left by a process that died between the two.
        found = keys.load(self.files.key)
        if found is not None and self.files.verified.exists():
            raise JournalError(
                f"the journal of {self.files.key} is gone",
                "Nothing is sent: a log never begins twice. Bring the journal back from a "
                "backup; or move its key and its other files away to begin another one.",
            )
        if found is not None and self.origin in ("", found.name):
            return found
        return keys.make(self.files.key, self.origin or f"{name}/{uuid7()}")

    def draft(self, kind: Kind, why: str = "", incident: str = "", id_: str = "") -> Body:
        """An entry that does not know its place yet."""
        return Body(
            v=VERSION,
            type=kind,
            id=id_ or uuid7(),
            seq=0,
            prev="",
            log=self.origin,
            t=0,
            boot_id=self._boot,
            mono_us=0,
            host=self._host,
            who=self._who,
            why=scan.reason(why) if why else "",
            incident=scan.incident(incident) if incident else "",
        )

    def put(self, drafts: Iterable[Body], *more: Signer) -> None:
        """Entries, tree and one signed checkpoint, inside the transaction: all or none."""
        for each in self.put_each([Draft(body) for body in drafts], *more):
            if isinstance(each, JournalError):
                raise each

    def put_each(
        self, drafts: Sequence[Draft], *more: Signer
    ) -> list[entries.Numbered | JournalError]:
        """As ``put``, but a draft that is refused leaves its neighbours alone.

        Returns each draft's entry, by number and bytes, or why it was refused; of a refused
        one nothing is in the transaction. Once that is durable, say so: ``committed``.
        """
        first = drafts[0].body.type
        end = self._end(upgrade=first is Kind.LOG_UPGRADE)
        before, grown = end.tree.size, end.tree
        if (first is Kind.LOG_OPEN) != (before == 0):
            raise AlreadyRecorded("the journal is open already")
        nodes: list[tuple[int, int, bytes]] = []

        def add(draft: Draft) -> entries.Numbered:
            nonlocal end
            self._may_stand(draft)
            seq = grown.size + 1
            now, mono = time.time_ns() // 1000, time.monotonic_ns() // 1000
            leaf = leaf_of(replace(draft.body, seq=seq, prev=end.prev, t=now, mono_us=mono))
            self.store.add_entry(seq, leaf)
            nodes.extend(grown.push(leaf))
            end = end._replace(prev=link(leaf), t=now, mono_us=mono, boot_id=draft.body.boot_id)
            return seq, leaf

        if (step := self._clock_step(end)) is not None:
            add(Draft(replace(self.draft(Kind.CLOCK_STEP), clock=step)))
        told: list[entries.Numbered | JournalError] = []
        for draft in drafts:
            try:
                told.append(add(draft))
            except StoreFailed:
                raise
            except JournalError as error:
                told.append(error)
        if grown.size > before:
            rows.add(self.store, nodes)
            signed = note.sign(tree.body_of(self.origin, grown), self.signer, *more)
            add_checkpoint(self.store, grown.size, signed)
            self.note = signed
            if more:
                self._signer = more[-1]
        self._coming = end
        return told

    def committed(self) -> None:
        """What was put is durable: the next one goes on from there, if nobody else wrote."""
        self._kept, self._coming = self._coming, None

    def _end(self, *, upgrade: bool) -> _End:
        """Where the journal ends: as this process left it, or read where others wrote since."""
        kept, self._kept = self._kept, None
        version = self.store.version()
        if kept is not None and version is not None and version == kept.version:
            return kept
        if (found := newest(self.store)) is None:
            return _End(version, GENESIS, tree.Frontier())
        seq, leaf, signed = found
        last = parse(leaf)
        grown = self._tree(seq, leaf, signed, upgrade=upgrade)
        return _End(version, link(leaf), grown, last.t, last.mono_us, last.boot_id)

    def _may_stand(self, draft: Draft) -> None:
        """Ask before, since a refused INSERT would end PostgreSQL's whole transaction."""
        body = draft.body
        if draft.guard is not None:
            guard.check(self.store, body, draft.guard)
        if draft.named and entries.has_id(self.store, body.id):
            raise AlreadyRecorded("the journal refuses a second entry of that: its id is taken")
        if body.out is None or body.type not in ANSWERS:
            return
        ref, step = body.out.ref, body.act.step if body.act else ""
        kind, once = entries.answered(self.store, ref, body.type.value, step)
        if kind not in ANSWERS[body.type]:
            # An answer to nothing would look like an entry that was removed.
            raise SchemaError(f"there is nothing that this {body.type} could answer")
        if once and body.type in _ONCE:
            raise AlreadyRecorded("the journal refuses a second entry of that: it was answered")

    def _tree(self, seq: int, leaf: bytes, signed: bytes | None, *, upgrade: bool) -> tree.Frontier:
        """The tree up to the newest entry. It is never grown from a root that nobody signed."""
        grown = tree.frontier(self.store, seq, leaf)
        if upgrade and grown is not None and signed is None:
            return grown
        body = "" if grown is None else tree.body_of(self.origin, grown)
        if signed is None or grown is None or not signed.startswith(f"{body}\n".encode()):
            raise JournalError(
                "the journal's tree does not fit its newest signed checkpoint",
                f"Nothing is sent on it. Make the tree anew: {REBUILD}.",
            )
        if signed != self.note and self.given is None:
            # Another process wrote it, and may have rotated the key.
            last = note.parse(signed)[1][-1]
            if last.key_id != self.signer.key_id:
                self._signer = keys.current(self.files.key, signed)
        return grown

    def _clock_step(self, last: _End) -> ClockStep | None:
        """How far the wall clock moved since the newest entry, if that was in this boot."""
        if not self._boot or last.boot_id != self._boot:
            return None
        now, mono = time.time_ns() // 1000, time.monotonic_ns() // 1000
        step = (now - last.t) - (mono - last.mono_us)
        return ClockStep(step=step) if abs(step) > CLOCK_STEP else None
