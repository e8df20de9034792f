"""Who is believed about the journal: keys that were given, pins, and witnesses.

Outside knowledge is what makes the difference. Without any, a journal that was signed
anew with a key of the attacker's own is whole in itself; a pin shows a cut and a fork
up to its size, a witness up to the last size that it cosigned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from backends.words import count
from console.errors import JournalError, UsageError
from console.journal.format.entry import parse
from console.journal.keys import verifier
from console.journal.store import entries
from console.journal.store.base import PAGE, JournalReader
from console.journal.verify.crew import Crew
from console.journal.verify.earlier import Earlier
from console.tlog import note, policy
from console.tlog.checkpoint import Checkpoint
from console.tlog.merkle import Nodes, root_from
from console.tlog.note import BadSignature, NoteError, NotSigned, Verifier, open_note


class Unknown(JournalError):
    """The newest checkpoint is signed by nobody who is trusted."""


class Pin(NamedTuple):
    """A checkpoint that somebody else keeps, and the note that proves it."""

    point: Checkpoint
    signed: bytes
    given: bool
    """Whether it came from outside; else it is from the journal's own database."""


class Trust:
    """What is known from outside, and what the journal's keys add to it."""

    def __init__(
        self,
        vkeys: Sequence[str] = (),
        policy_text: str = "",
        pins: Sequence[bytes] = (),
        cosigned: Sequence[bytes] = (),
    ) -> None:
        """Raises ``UsageError`` where one of these cannot be read."""
        try:
            self._policy = policy.parse(policy_text.encode()) if policy_text else None
            self._given = [verifier(each) for each in vkeys]
            self._pins = [_pin(each, given=True) for each in (*pins, *cosigned)]
        except (NoteError, JournalError) as error:
            raise UsageError(str(error), error.hint) from None
        if self._policy is not None:
            self._given += [log.verifier for log in self._policy.logs]
        self._log: list[Verifier] = []
        self._roots: dict[int, bytes] = {}
        self.sizes: set[int] = {pin.point.size for pin in self._pins}
        """The sizes at which the journal's root is asked for."""

    @property
    def quorum(self) -> bool:
        """Whether the policy asks for witnesses."""
        return self._policy is not None and self._policy.quorum != policy.NONE

    def remember(self, stored: Iterable[bytes]) -> None:
        """Take the cosigned checkpoints of the journal's own database along."""
        for each in stored:
            try:
                self._pins.append(_pin(each, given=False))
            except NoteError:
                continue  # Rubbish proves nothing, for or against.
        self.sizes = {pin.point.size for pin in self._pins}

    def compare(self, size: int, root: bytes) -> None:
        """Learn the journal's root at one of ``sizes``."""
        self._roots[size] = root

    def learn(
        self, keys: Sequence[tuple[int, str]], rotations: Mapping[int, bytes], newest: bytes
    ) -> str:
        """Follow the journal's keys from one to the next, and check the newest checkpoint.

        A new key is believed when the old one signed the checkpoint that covers the entry
        about it. Returns the verifier key of the newest signature.

        Raises:
            Unknown: nobody trusted signed the newest checkpoint.
            NoteError: a signature is wrong, or a rotation lacks one of its two.
        """
        own = [(seq, verifier(vkey)) for seq, vkey in keys]
        trusted = list(self._given) or [each for _, each in own[:1]]
        for (_, old), (seq, new) in pairwise(own):
            if (signed := rotations.get(seq)) is None:
                continue
            try:
                both = len(open_note(signed, [old, new]).verified) == 2
            except NotSigned:
                both = False
            if not both:
                raise BadSignature(f"the new key in entry {seq} was not signed by old and new key")
            if old in trusted and new not in trusted:
                trusted.append(new)
        try:
            found = open_note(newest, trusted)
        except NotSigned:
            names = {each.key_id: each.fingerprint for _, each in own}
            made = note.parse(newest)[1][-1]
            who = names.get(made.key_id, made.key_id.hex())
            raise Unknown(
                f"the newest checkpoint is signed by a key that is not trusted: {who}"
            ) from None
        # A trusted key vouches for the whole journal, older keys in it included.
        self._log = trusted + [each for _, each in own if each not in trusted]
        last = found.verified[-1].key_id
        return next(each.vkey for each in trusted if each.key_id == last)

    def saw(self, earlier: Earlier) -> bool:
        """Whether the journal's root at that size is the one of then."""
        return self._roots.get(earlier.size) == earlier.root

    def every(self, stored: Iterator[tuple[int, bytes]], crew: Crew) -> Iterator[tuple[int, str]]:
        """The checkpoints' sizes, in order, each with what is wrong with its signature, if any."""
        while page := list(islice(stored, PAGE)):
            problems = crew.map(self._problem, page)
            yield from zip((size for size, _ in page), problems, strict=True)

    def _problem(self, stored: tuple[int, bytes]) -> str:
        size, signed = stored
        try:
            open_note(signed, self._log)
        except NoteError as error:
            return f"the checkpoint at entry {size:,}: {error}"
        return ""

    def missed(self, origin: str, entries: int, nodes: Nodes) -> Iterator[tuple[str, str, int]]:
        """Where the journal does not continue what others have seen: a word, a text, an entry."""
        for pin in self._pins:
            point = pin.point
            if point.origin != origin and pin.given:
                yield "other-log", f"a checkpoint kept elsewhere is of {point.origin}", 0
            elif not self._genuine(pin):
                if pin.given:
                    yield "not-signed", "a checkpoint kept elsewhere was not signed by this log", 0
            elif point.size > entries:
                seen = count(point.size, "entry was", "entries were")
                text = f"{seen} seen elsewhere, {entries:,} found here"
                yield "rolled-back", text, entries
            elif self._root(point.size, nodes) != point.root:
                text = f"somebody saw another history up to entry {point.size:,}"
                yield "forked", text, point.size

    def witnessed(self, entries: int) -> int:
        """The largest size of this journal that a quorum of the witnesses has cosigned."""
        if self._policy is None:
            return 0
        for pin in sorted(self._pins, key=lambda pin: pin.point.size, reverse=True):
            if pin.point.size > entries or self._roots.get(pin.point.size) != pin.point.root:
                continue
            try:
                self._policy.check(pin.signed, self._log)
            except NoteError:
                continue
            return pin.point.size
        return 0

    def _root(self, size: int, nodes: Nodes) -> bytes | None:
        if size not in self._roots:
            try:
                self._roots[size] = root_from(size, nodes)
            except LookupError:
                return None
        return self._roots[size]

    def _genuine(self, pin: Pin) -> bool:
        try:
            open_note(pin.signed, self._log or self._given)
        except NoteError:
            return False
        return True


def keys_of(store: JournalReader, upto: int) -> list[tuple[int, str]]:
    """The journal's keys as its entries up to a number name them."""
    bodies = [(seq, parse(leaf)) for seq, leaf in entries.naming_keys(store, upto)]
    return [(seq, body.key.vkey) for seq, body in bodies if body.key is not None]


def _pin(signed: bytes, *, given: bool) -> Pin:
    return Pin(Checkpoint.parse(note.parse(signed)[0]), signed, given)
