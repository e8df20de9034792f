"""Has the journal's newest checkpoint cosigned by the configured witnesses, before a call.

A cosigned intent cannot be taken out of the journal afterwards without a witness knowing
better. With ``require`` no cosignature means no call; with ``prefer`` the lack is written
down, and the call goes out.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import NamedTuple, Self

from console.errors import ConsoleError, JournalError, UsageError
from console.journal import keys
from console.journal.format.entry import Kind
from console.journal.format.parts import Witnessing
from console.journal.format.words import system_words
from console.journal.read import tree
from console.journal.store.base import cosigned, last_checkpoint
from console.journal.write.journal import Journal
from console.settings import JournalSettings
from console.tlog import note, policy, submit
from console.tlog.checkpoint import Checkpoint
from console.tlog.cosign import CosignatureVerifier
from console.tlog.note import NoteError, NoteSignature

TIMEOUT = 3.0
"""Seconds for one exchange with one witness. All are asked at once."""
TRIES = 3
"""How often a newer checkpoint is tried, when another writer's has reached a witness first."""


class Asked(NamedTuple):
    """What came of asking. ``enough`` is for the policy, or one witness where there is none."""

    size: int
    cosigned: tuple[str, ...]
    missing: tuple[str, ...]
    detail: str
    enough: bool


class _One:
    """One witness, and how far it is known to have come."""

    def __init__(self, url: str, verifier: CosignatureVerifier) -> None:
        self.url, self.verifier = url, verifier
        self.known = 0

    def remember(self, notes: list[bytes]) -> None:
        """Learn from stored notes how large a tree this witness has signed already."""
        for signed in notes:
            try:
                opened = note.open_note(signed, [self.verifier])
                self.known = max(self.known, Checkpoint.parse(opened.text).size)
            except NoteError:
                continue


class Witnesses:
    """The witnesses of the configuration, for one journal."""

    def __init__(self, settings: JournalSettings, journal: Journal) -> None:
        """Raises ``UsageError`` where a key or the policy cannot be read."""
        self.required = settings.witnessing == "require"
        self._journal = journal
        self._threads = threading.Lock()
        self._asking: asyncio.Future[Asked] | None = None
        self._next: asyncio.Future[Asked] | None = None
        try:
            found = [each.split() for each in settings.witnesses]
            self._all = [_One(url, CosignatureVerifier.parse(vkey)) for url, vkey in found]
            path = settings.policy
            self._policy = policy.parse(path.read_bytes()) if path is not None else None
        except NoteError as error:
            raise UsageError(f"a witness in [journal]: {error}", error.hint) from None
        except OSError as error:
            raise UsageError(f"cannot read the policy {path}: {error.strerror}") from None
        notes = cosigned(journal.store)
        for one in self._all:
            one.remember(notes)

    @classmethod
    def of(cls, settings: JournalSettings, journal: Journal) -> Self | None:
        """The witnesses, where the settings want any asked. Raises as the class does."""
        return None if settings.witnessing == "off" else cls(settings, journal)

    async def ask(self) -> Asked:
        """Have the newest checkpoint cosigned, off the event loop. See ``ask_now``.

        One question serves everybody who came before it was put; who comes while one is
        under way shares the next, since that one may be about an older checkpoint.
        """
        if self._next is None:
            self._next = asyncio.ensure_future(self._after(self._asking))
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Future[Asked] | None) -> Asked:
        if before is not None:
            await asyncio.wait([before])
        self._asking, self._next = self._next, None
        return await asyncio.to_thread(self.ask_now)

    def ask_now(self) -> Asked:
        """Have the newest checkpoint cosigned; keep what came, and write down what did not.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        with self._threads:
            asked = self._ask()
        if asked.missing or not asked.enough:
            self._journal.append(
                Kind.WITNESS_STATUS,
                witness=Witnessing(
                    size=asked.size,
                    cosigned=asked.cosigned,
                    missing=asked.missing,
                    detail=system_words(asked.detail),
                ),
            )
        return asked

    def _ask(self) -> Asked:
        for _ in range(TRIES):
            found = last_checkpoint(self._journal.store)
            if found is None:
                raise JournalError("the journal has no checkpoint to be witnessed")
            size, signed = found
            with ThreadPoolExecutor(len(self._all)) as pool:
                answers = list(pool.map(self._submit, self._all, repeat(signed)))
            newest = last_checkpoint(self._journal.store)
            ahead = [a for a in answers if isinstance(a, submit.Ahead)]
            # Another writer's newer entries, with ours among them, may have got there first.
            if not ahead or newest is None or newest[0] <= size:
                break
        lines = [answer for answer in answers if isinstance(answer, NoteSignature)]
        whole = note.add(signed, lines)
        if lines:
            self._journal.add_cosigned(size, whole)
        named = list(zip(self._all, answers, strict=True))
        for one, answer in named:
            if isinstance(answer, NoteSignature):
                one.known = max(one.known, size)
        detail = "; ".join(
            f"{one.verifier.name}: {answer}"
            for one, answer in named
            if not isinstance(answer, NoteSignature)
        )
        enough = bool(lines)
        if enough and self._policy is not None:
            try:
                self._policy.check(whole, [keys.verifier(self._journal.signer.vkey)])
            except NoteError as error:
                enough, detail = False, f"{error}; {detail}".rstrip("; ")
        return Asked(
            size,
            tuple(one.verifier.name for one, a in named if isinstance(a, NoteSignature)),
            tuple(one.verifier.name for one, a in named if not isinstance(a, NoteSignature)),
            detail,
            enough,
        )

    def _submit(self, one: _One, signed: bytes) -> NoteSignature | Exception:
        try:
            return submit.cosign(
                one.url,
                signed,
                tree.nodes(self._journal.store),
                one.verifier,
                known=one.known,
                timeout=TIMEOUT,
            )
        except ConsoleError as error:
            return error
        except Exception as error:  # noqa: BLE001
            # Whatever goes wrong with a witness is one that did not cosign, and never a call
            # that went out although a cosignature is required.
            return JournalError(f"it failed with {type(error).__name__}")
