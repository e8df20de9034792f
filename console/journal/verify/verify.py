"""Checks everything that the journal proves: chain, tree, checkpoints, keys, signatures, pins.

What was found is data, and its gravest finding decides the exit code. Reads in one pass
and in constant memory, and needs nothing but the database and public keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain as joined
from typing import TYPE_CHECKING

from backends.words import count
from console.errors import ConsoleError
from console.journal.format.entry import Body, Kind, link
from console.journal.read import tree
from console.journal.read.chain import Broken, ChainWalk
from console.journal.read.view import open_intents
from console.journal.store.base import (
    PAGE,
    JournalReader,
    StoreFailed,
    checkpoints,
    checkpoints_of,
    cosigned,
    count_checkpoints,
    extent,
    leaf_at,
    leaves,
)
from console.journal.verify import trust
from console.journal.verify.crew import Crew
from console.journal.verify.earlier import Earlier
from console.journal.verify.report import Code as Code
from console.journal.verify.report import Finding as Finding
from console.journal.verify.report import Report as Report
from console.journal.verify.tally import Tally
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError

if TYPE_CHECKING:
    from console.journal.verify.signatures import Checker, Owed
    from console.sshsig.errors import SignatureRefused

Progress = Callable[[str, int, int], None]
"""Told now and then: what is being gone through, how many of it are done, of how many."""
UNBOUND = "answers to signed calls bear"


def verify(
    store: JournalReader,
    *,
    vkeys: Sequence[str] = (),
    policy: str = "",
    pins: Sequence[bytes] = (),
    cosigned_notes: Sequence[bytes] = (),
    every_signature: bool = False,
    require_signed: bool = False,
    allowed_signers: str | None = None,
    since: Checkpoint | None = None,
    signed: int = 0,
    earlier: Earlier | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify a journal.

    Args:
        vkeys: the log's public keys that are trusted. With none here and none in the
            policy, the journal's own first key is believed.
        policy: the text of a C2SP tlog-policy: the log's keys, witnesses and a quorum.
        pins: checkpoints of this log that were kept elsewhere.
        cosigned_notes: checkpoints with cosignatures, besides those that are stored.
        every_signature: check the signature of every checkpoint. Each one's text is checked
            in any case, and the newest one's signature covers everything; this finds damage
            to old signatures. A tenth of a millisecond of a core for each, on all cores.
        require_signed: what a responder did not sign counts as incomplete. The signatures
            that are there are checked in any case, in the same way.
        allowed_signers: the text of OpenSSH's file of who may sign. Without it nobody knows
            whose the keys are by which the responders signed.
        since: a checkpoint up to which everything was verified before. Older entries are
            then represented by the tree alone: an edit there is not seen.
        signed: up to this entry the responders' signatures were checked before. For whoever
            has a pin of that size: while it fits, these entries are the same as then.
        earlier: up to where the signatures of the checkpoints were checked before; while that
            fits the journal, ``every_signature`` leaves these out, and the report says so.
        progress: is told how far it has come, in this thread.

    Raises:
        UsageError: the policy, the signers, a key or a pin cannot be read.
    """
    if allowed_signers is not None:
        from console.sshsig.allowed import AllowedSigners

        AllowedSigners.parse(allowed_signers)  # What cannot be read is said in any case.
    trusted = trust.Trust(vkeys, policy, pins, cosigned_notes)
    report = Report()
    try:
        trusted.remember(cosigned(store))
        if earlier is not None:
            trusted.sizes.add(earlier.size)
        ill = store.damage() if since is None else ""
        if ill:
            report.add(Code.TAMPERED, "damage", f"the database is damaged: {ill}")
        for odd in store.guards(deep=since is None and not ill):
            report.add(Code.TAMPERED if odd.foreign else Code.INCOMPLETE, "guard", odd.text)
        with Crew() as crew:
            walk = _Pass(store, trusted, report, allowed_signers, signed, crew, progress)
            walk.run(since)
            if every_signature and report.key:
                walk.signatures(earlier)
    except Broken as error:
        report.add(Code.TAMPERED, "chain", str(error), report.entries + 1)
    except StoreFailed as error:
        report.add(Code.UNUSABLE, "unreadable", str(error))
    report.skipped = report.checkpoints - report.checked
    if require_signed and report.unsigned:
        report.add(
            Code.INCOMPLETE,
            "unsigned",
            f"{count(report.unsigned, 'entry bears', 'entries bear')} no responder's name",
        )
    if require_signed and report.unbound:
        bear = count(report.unbound, "answer to a signed call bears", UNBOUND)
        text = f"{bear} no signature"
        report.add(Code.INCOMPLETE, "unsigned", text)
    return report


def _span(first: int, last: int) -> str:
    """Entries by their numbers."""
    return f"entry {last:,}" if first == last else f"entries {first:,} to {last:,}"


class _Pass:
    """One way through the journal."""

    def __init__(
        self,
        store: JournalReader,
        trusted: trust.Trust,
        report: Report,
        signers: str | None,
        signed: int,
        crew: Crew,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._trust = trusted
        self._report = report
        self._signers = signers
        self._checker: Checker | None = None
        self._skipped = signed
        self._nodes: tree.Digests | None = tree.Digests()
        self._crew = crew
        self._progress = progress or (lambda what, done, of: None)
        self._owed: list[tuple[int, Owed | SignatureRefused]] = []
        self._tally = Tally(store)
        self._walk = ChainWalk()
        self._tree = tree.Frontier()
        self._rotations: dict[int, bytes] = {}
        self._proved: frozenset[int] = frozenset()
        self._last = b""
        self._covered = self._base = 0

    def run(self, since: Checkpoint | None) -> None:
        """Go through the journal once; from ``since`` on, where that checkpoint is believed."""
        if since is not None and not self._skip(since):
            return
        self._report.whole = since is None
        # Others may append meanwhile: what comes after this moment is left for the next time.
        upto, signed = extent(self._store)
        stored = joined(checkpoints(self._store, self._walk.seq, upto), [(0, b"")])
        size, note = next(stored)
        try:
            for seq, leaf in leaves(self._store, self._walk.seq, upto):
                body = self._walk.step(seq, leaf)
                made = self._tree.push(leaf)
                if self._nodes is not None:
                    self._nodes.add(made)
                self._tally.add(body)
                self._signature(body, leaf)
                self._report.entries, self._last = seq, leaf
                if size == seq:
                    self._checkpoint(size, note, rotated=body.type is Kind.KEY_ROTATE)
                    size, note = next(stored)
                if self._trust.sizes and seq in self._trust.sizes:
                    self._trust.compare(seq, self._tree.root())
                if not seq % PAGE:
                    self._progress("entries", seq, upto)
        except (Broken, StoreFailed):
            self._settle()  # What was found before it is told before it.
            raise
        self._settle()
        self._end(signed)

    def signatures(self, earlier: Earlier | None) -> None:
        """Check the signatures of the checkpoints that were not checked on the way."""
        report, after = self._report, self._base
        if earlier is not None and earlier.size > after and self._trust.saw(earlier):
            after, report.skipped_since = earlier.size, earlier.at
        again = sum(size > after for size in self._proved)
        report.checked -= again  # They are among those that are checked now.
        of = count_checkpoints(self._store, after, self._walk.seq)
        notes = checkpoints(self._store, after, self._walk.seq)
        for done, (seq, problem) in enumerate(self._trust.every(notes, self._crew), 1):
            report.checked += 1
            if problem:
                report.add(Code.TAMPERED, "signature", problem, seq)
            if not done % PAGE:
                self._progress("signatures", done, of)

    def _signature(self, body: Body, leaf: bytes) -> None:
        """Check whatever signature is there. A journal without any needs nothing of SSH."""
        if body.seq <= self._skipped:
            return
        if self._checker is None:
            if body.sig is None and not (self._skipped and body.type is Kind.OUTCOME):
                return
            self._checker = self._made_checker()
        if (found := self._checker.look(body, leaf)) is not None:
            self._owed.append((body.seq, found))
            if len(self._owed) >= PAGE:
                self._settle()

    def _settle(self) -> None:
        """Have the signatures checked that are still owed, and tell what is wrong, in order."""
        if (checker := self._checker) is None:
            return
        from console.journal.verify.signatures import Owed

        owed, self._owed = self._owed, []
        told = iter(self._crew.map(Owed.check, [e for _, e in owed if isinstance(e, Owed)]))
        for seq, found in owed:
            refused = checker.settled(found, next(told)) if isinstance(found, Owed) else found
            if refused is not None:
                self._responder(seq, refused)

    def _made_checker(self) -> Checker:
        # Here, since a check of the chain alone needs nothing of SSH.
        from console.journal.verify.signatures import Checker
        from console.sshsig.allowed import AllowedSigners

        signers = None if self._signers is None else AllowedSigners.parse(self._signers)
        checker = Checker(signers, self._store)
        if self._skipped:
            checker.begin(self._store, self._skipped)
        return checker

    def _responder(self, seq: int, refused: ConsoleError) -> None:
        """A responder's signature that does not hold, or is by somebody unknown."""
        from console.journal.verify.signatures import NotAllowed

        unknown = isinstance(refused, NotAllowed)
        code, what = (Code.UNTRUSTED, "signer") if unknown else (Code.TAMPERED, "responder")
        self._report.add(code, what, f"entry {seq:,}: {refused}", seq)

    def _skip(self, since: Checkpoint) -> bool:
        """Take up where everything was verified before."""
        last = leaf_at(self._store, since.size)
        grown = tree.frontier(self._store, since.size, last) if last is not None else None
        if last is None:
            text = f"entry {since.size:,}, which was verified before, is gone"
        elif grown is None or grown.root() != since.root:
            text = f"what is there up to entry {since.size:,} is not what was verified before"
        else:
            self._tree = grown
            self._walk = ChainWalk(since.size, link(last), since.origin)
            self._last = last
            self._tally.keys = trust.keys_of(self._store, since.size)
            # What is still open may have been asked before: the database knows.
            self._tally.open = {
                entry.id for entry in open_intents(self._store) if entry.seq <= since.size
            }
            self._report.entries = self._skipped = self._base = since.size
            # What is older is not read, so nothing can be said about its nodes.
            self._nodes = None
            for note in checkpoints_of(self._store, since.size):
                # With nothing new it is the newest one, whose signature is checked again.
                self._checkpoint(since.size, note, rotated=False)
            self._report.checkpoints = 0  # It was counted then.
            return True
        self._report.add(Code.ROLLED_BACK, "rolled-back", text, since.size)
        return False

    def _checkpoint(self, size: int, note: bytes, *, rotated: bool) -> None:
        """Compare a stored checkpoint with the tree, to the byte."""
        body = tree.body_of(self._walk.origin, self._tree)
        if not note.startswith(f"{body}\n".encode()):
            # Any entry since the last checkpoint that fits may be the one that was changed.
            self._report.entries = max(self._covered, self._base)
            raise Broken(f"the checkpoint at entry {size:,} is not that of these entries")
        self._report.checkpoints += 1
        self._report.newest, self._covered = note, size
        if rotated:
            self._rotations[size] = note

    def _end(self, signed: int) -> None:
        report, entries = self._report, self._walk.seq
        report.origin, report.root = self._walk.origin, self._tree.root()
        report.open_intents, report.unsigned = len(self._tally.open), self._tally.unsigned
        self._responders()
        if signed > entries:
            told = count(signed, "entry", "entries")
            text = f"a signed checkpoint tells of {told}, and {entries:,} found"
            report.add(Code.TAMPERED, "cut", text, entries)
        self._keys()
        if self._trust.sizes:
            nodes = tree.nodes(self._store)
            for what, text, seq in self._trust.missed(report.origin, entries, nodes):
                report.add(Code.ROLLED_BACK, what, text, seq)
        report.witnessed = self._trust.witnessed(entries)
        if self._trust.quorum and report.witnessed < entries:
            some = _span(report.witnessed + 1, entries)
            text = f"{some} {'is' if report.witnessed + 1 == entries else 'are'} not witnessed"
            report.add(Code.INCOMPLETE, "unwitnessed", text, report.witnessed + 1)
        if report.open_intents:
            text = f"of {count(report.open_intents, 'call')} it is not known what became"
            report.add(Code.INCOMPLETE, "open", text)

    def _responders(self) -> None:
        """What the responders signed, and what is missing of it."""
        if (checker := self._checker) is None:
            return
        report = self._report
        report.signatures, report.unbound = checker.good, checker.unbound + checker.later
        if checker.unbound:
            one, many = "outcome of a signed call bears", "outcomes of signed calls bear"
            bear = count(checker.unbound, one, many)
            text = (
                f"{bear} no signature, which the console"
                f" never leaves out; the first is entry {checker.first_unbound:,}"
            )
            report.add(Code.INCOMPLETE, "unbound", text, checker.first_unbound)

    def _keys(self) -> None:
        """The signatures of the newest checkpoint and of rotations, and the tree as stored."""
        report, entries = self._report, self._walk.seq
        if entries == 0:
            return
        if not report.newest:
            self._no_checkpoint()
            return
        covered = self._covered
        if covered < entries:
            text = f"no signed checkpoint covers {_span(covered + 1, entries)}"
            report.add(Code.TAMPERED, "unsigned-tail", text, covered + 1)
        stored = tree.frontier(self._store, entries, self._last)
        other = self._nodes is not None and not self._nodes.same(self._store, entries)
        if stored is None or stored.root() != report.root or other:
            text = "the stored tree is damaged; the entries are not, and it can be rebuilt"
            report.add(Code.INCOMPLETE, "tree", text)
        try:
            report.key = self._trust.learn(self._tally.keys, self._rotations, report.newest)
        except trust.Unknown as error:
            report.add(Code.UNTRUSTED, "untrusted", str(error))
        except NoteError as error:
            report.add(Code.TAMPERED, "signature", str(error), covered)
        else:
            self._proved = frozenset({covered, *self._rotations} - {self._base})
            report.checked = len(self._proved)

    def _no_checkpoint(self) -> None:
        """Nothing is signed: a journal of version 1, or one that lost its checkpoints."""
        if self._tally.keys:
            self._report.add(Code.TAMPERED, "unsigned-tail", "the signed checkpoints are gone", 1)
        else:
            self._report.add(
                Code.INCOMPLETE,
                "no-tree",
                "nothing is signed yet: the journal is of version 1 and gets its tree at the "
                "next start of a console that acts; only its chain was checked",
            )
