"""Makes what follows from the entries anew: the tree, and the newest signed checkpoint.

For a database whose derived tables were damaged. A root is signed only if it continues
the newest checkpoint whose signature holds: changed entries are never signed over.
"""

from __future__ import annotations

from console.errors import JournalError
from console.journal import chain, tree
from console.journal.store import Store, checkpoints, leaves
from console.journal.tlog import note
from console.journal.tlog.checkpoint import Checkpoint
from console.journal.tlog.note import NoteError, Signer, Verifier, open_note


def rebuild(store: Store, signer: Signer, vkeys: list[str], known: bytes = b"") -> int:
    """Make nodes anew, drop what is no checkpoint of this journal, sign the newest root.

    ``vkeys`` are the journal's keys, past and present; ``known`` is a checkpoint that was
    verified before or kept elsewhere. Returns how many checkpoints were dropped.

    Raises:
        JournalError: the entries themselves are not those that were signed, or nothing is
            left that shows that they are.
    """
    whole, problem = chain.check(store)
    if not whole:
        raise JournalError(f"the entries themselves are damaged: {problem}", "Use a backup.")
    verifiers = [Verifier.parse(each) for each in vkeys]
    genuine = {}
    if known:
        point = _genuine(known, verifiers)
        if point is None:
            raise JournalError("the checkpoint to compare with is not of this journal")
        genuine[point.size] = point.root
    bad: list[int] = []
    for size, signed in checkpoints(store):
        point = _genuine(signed, verifiers)
        if point is not None and point.size == size:
            genuine[size] = point.root
        else:
            bad.append(size)
    if not genuine:
        raise JournalError(
            "no genuine checkpoint is left to compare the entries with",
            "Name one that was kept elsewhere (a pin), or use a backup.",
        )
    with store.exclusive():
        grown = _compare(store, genuine)
        tree.replant(store)
        store.insert("DELETE FROM checkpoint WHERE size = ?", [(size,) for size in bad])
        if not store.rows("SELECT 1 FROM checkpoint WHERE size = ?", (grown.size,)):
            signed = note.sign(tree.body_of(signer.name, grown), signer)
            store.insert(
                "INSERT INTO checkpoint (size, note) VALUES (?, ?)", [(grown.size, signed)]
            )
    return len(bad)


def _compare(store: Store, genuine: dict[int, bytes]) -> tree.Frontier:
    grown = tree.Frontier()
    for _, leaf in leaves(store):
        grown.push(leaf)
        if genuine.pop(grown.size, root := grown.root()) != root:
            raise JournalError(
                f"the first {grown.size:,} entries are not those that were signed",
                "They are not signed over. Keep the file as evidence and use a backup.",
            )
    if genuine:
        raise JournalError(
            f"{max(genuine):,} entries were signed and {grown.size:,} are there",
            "They are not signed over. Keep the file as evidence and use a backup.",
        )
    return grown


def _genuine(signed: bytes, verifiers: list[Verifier]) -> Checkpoint | None:
    try:
        return Checkpoint.parse(open_note(signed, verifiers).text)
    except NoteError:
        return None
