"""What is checked before a journal takes an entry: all of a short one, the end of a long one."""

from __future__ import annotations

import contextlib

from console import ownership
from console.errors import ConsoleError, JournalError
from console.journal.files import Files
from console.journal.format.entry import Kind, parse
from console.journal.read import chain, pins
from console.journal.store import entries
from console.journal.store.base import JournalReader, extent
from console.journal.verify.verify import Report, verify
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError, Signer, Verifier, open_note

WHOLE = 4000
"""Entries up to which a journal is verified whole at every start: less than a tenth of a second."""
UPGRADED = "this version keeps a Merkle tree and signs checkpoints over all entries"


def problem(store: JournalReader, files: Files, signer: Signer) -> str:
    """What is wrong with the journal; empty when entries may be added.

    Where it was verified before is kept in a file beside it. Older entries of a long
    journal are not read again: an edit there is found by ``verify``.
    """
    try:
        report = _verify(store, files, signer)
    except ConsoleError as error:
        if ownership.denied(error):
            raise  # Somebody else's file says nothing about the journal.
        return str(error)
    if grave := [finding for finding in report.findings if finding.grave]:
        return grave[0].text
    remember(files, report)
    return ""


def remember(files: Files, report: Report) -> None:
    """Keep how far everything was verified. Losing that only costs time."""
    if ownership.foreign(files.verified):
        return  # What root leaves there, its owner could not read.
    if report.newest and not any(finding.grave for finding in report.findings):
        with contextlib.suppress(ConsoleError):
            if _before(files) != report.newest:
                pins.write(files.verified, report.newest)


def _before(files: Files) -> bytes:
    return pins.read(files.verified) if files.verified.exists() else b""


def _verify(store: JournalReader, files: Files, signer: Signer) -> Report:
    before = _before(files)
    count = extent(store)[0]
    try:
        known = Checkpoint.parse(open_note(before, [Verifier.parse(signer.vkey)]).text)
    except NoteError:
        # None, an older key's, or damaged: then the long way.
        pinned = [before] if before and count <= WHOLE else []
        return verify(store, vkeys=[signer.vkey], pins=pinned)
    if count <= WHOLE:
        return verify(store, vkeys=[signer.vkey], pins=[before], signed=known.size)
    return verify(store, vkeys=[signer.vkey], since=known)


def may_upgrade(store: JournalReader, files: Files, first: bytes) -> None:
    """Whether a journal without checkpoints is one of version 1 that never had any.

    Raises:
        JournalError: it lost them, or its chain is broken: nobody may sign it anew.
    """
    lost = parse(first).v > 1 or files.verified.exists()
    lost = lost or entries.has_kind(store, Kind.LOG_UPGRADE.value)
    if lost:
        raise JournalError(
            "the journal's signed checkpoints are gone",
            "Nothing is sent on it. Keep the file as evidence; bring back a backup.",
        )
    whole, problem = chain.check(store)
    if not whole:
        raise JournalError(
            f"the journal is not whole: {problem}",
            "It gets no signed checkpoint. Keep the file as evidence.",
        )
