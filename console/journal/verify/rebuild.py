"""Makes what follows from the entries anew: tree, checkpoints, indexes, and the guards.

For a database whose derived parts were damaged or changed. Nothing is signed here: entries
are only taken for what they are where a checkpoint that was signed before covers all of
them, to the last. Changed entries, or some that were put behind them, stay refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from console.errors import JournalError
from console.journal.read import chain, tree
from console.journal.store.base import (
    Odd,
    Store,
    add_checkpoint,
    checkpoints,
    checkpoints_of,
    drop_checkpoints,
    leaves,
)
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError, Verifier, open_note


class Rebuilt(NamedTuple):
    """What was done."""

    entries: int
    dropped: int
    """What stood among the checkpoints and is none of this journal."""
    mended: list[Odd]
    """Guards that were missing and are there again, and foreign ones that are gone."""


def rebuild(store: Store, vkeys: Sequence[str], known: Sequence[bytes] = ()) -> Rebuilt:
    """Make everything derived anew, and drop what is no checkpoint of this journal.

    ``vkeys`` are the journal's keys, past and present; ``known`` are checkpoints that were
    verified before or kept elsewhere.

    Raises:
        JournalError: the entries themselves are not those that were signed, or nothing is
            left that shows that they are. Nothing was changed.
    """
    whole, problem = chain.check(store)
    if not whole:
        raise JournalError(
            f"the entries themselves are damaged: {problem}",
            "They cannot be made anew. Copy the files as evidence and bring back a backup.",
        )
    verifiers = [Verifier.parse(each) for each in vkeys]
    genuine: dict[int, tuple[bytes, bytes]] = {}
    for signed in known:
        point = _genuine(signed, verifiers)
        if point is None:
            raise JournalError("the checkpoint to compare with is not of this journal")
        genuine[point.size] = point.root, signed
    bad: list[int] = []
    for size, signed in checkpoints(store):
        point = _genuine(signed, verifiers)
        if point is not None and point.size == size:
            genuine[size] = point.root, signed
        else:
            bad.append(size)
    if not genuine:
        raise JournalError(
            "no genuine checkpoint is left to compare the entries with",
            "Name one that was kept elsewhere (--pin FILE), or use a backup.",
        )
    newest = max(genuine)
    with store.exclusive():
        size = _compare(store, {size: root for size, (root, _) in genuine.items()})
        if size > newest:
            raise JournalError(
                f"no genuine checkpoint covers entries {newest + 1:,} to {size:,}",
                "Name one that was kept elsewhere (--pin FILE): who wrote them is not known.",
            )
        mended = store.mend()
        tree.replant(store)
        drop_checkpoints(store, bad)
        if not checkpoints_of(store, newest):
            add_checkpoint(store, newest, genuine[newest][1])
    return Rebuilt(size, len(bad), mended)


def _compare(store: Store, genuine: dict[int, bytes]) -> int:
    """How many entries there are, once their roots are known to be those that were signed."""
    grown = tree.Frontier()
    for _, leaf in leaves(store):
        grown.push(leaf)
        if genuine.pop(grown.size, root := grown.root()) != root:
            raise JournalError(
                f"up to entry {grown.size:,} this is not what was signed",
                "They are not signed over. Keep the file as evidence and use a backup.",
            )
    if genuine:
        raise JournalError(
            f"signed up to entry {max(genuine):,}, and there up to entry {grown.size:,} only",
            "They are not signed over. Keep the file as evidence and use a backup.",
        )
    return grown.size


def _genuine(signed: bytes, verifiers: list[Verifier]) -> Checkpoint | None:
    try:
        return Checkpoint.parse(open_note(signed, verifiers).text)
    except NoteError:
        return None
