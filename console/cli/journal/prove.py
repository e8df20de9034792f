"""``journal prove``: the proof that one entry is in the journal, for somebody else to check."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.journal import files

LEAF = ".json"
"""What the name of the entry beside its proof ends in."""


def prove(chosen: argparse.Namespace) -> int:
    """Write a proof that one entry is in the journal, and that entry."""
    from console.journal.verify import prove as proofs
    from console.tlog.proof import SUFFIX

    trusted = access.text_of(chosen.policy) if chosen.policy else ""
    with access.looking(chosen) as (_, store):
        entry = access.one(store, chosen.id)
        leaf, proof = proofs.prove(store, entry.id, trusted)
    target = chosen.output or Path(f"{entry.id}{SUFFIX}")
    beside = target.with_suffix(LEAF)
    if beside == target:
        raise UsageError(f"the proof cannot be called {target.name}", f"-o NAME{SUFFIX}")
    _write(beside, leaf)
    _write(target, proof)
    if chosen.json:
        print(json.dumps({"id": entry.id, "proof": str(target), "leaf": str(beside)}))
    else:
        output.line(f"{target}: entry {entry.seq}, {entry.sentence}")
        output.line(f"{beside}: the entry, byte for byte")
        output.note("Whoever checks it needs both, and the key: token-console journal key")
    return Exit.OK


def _write(path: Path, data: bytes) -> None:
    try:
        files.write(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
