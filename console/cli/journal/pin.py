"""``journal pin``: the newest signed checkpoint, to be kept where nobody here can write."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from backends.words import count
from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit, JournalError
from console.journal.read import pins
from console.journal.store.base import JournalReader
from console.journal.verify.verify import Code


def pin(chosen: argparse.Namespace) -> int:
    """Write the newest checkpoint, unless the one that is there tells of another history."""
    with access.looking(chosen) as (_, store):
        signed = pins.newest(store)
        if chosen.file.exists():
            _must_continue(store, pins.read(chosen.file), chosen.file)
        pins.write(chosen.file, signed)
        size = access.size_of(signed)
    if chosen.json:
        print(json.dumps({"file": str(chosen.file), "entries": size}))
    else:
        output.line(f"{chosen.file}: {count(size, 'entry is', 'entries are')} pinned")
        output.note(f"Check against it: token-console journal verify --pin {chosen.file}")
    return Exit.OK


def _must_continue(store: JournalReader, before: bytes, path: Path) -> None:
    """A pin that shows a rollback is evidence, and is not written over."""
    from console.journal.verify.verify import verify

    report = verify(store, pins=[before])
    grave = [each for each in report.findings if each.code is not Code.INCOMPLETE]
    if grave:
        raise JournalError(
            f"{path} is kept as it is: {grave[0].text}",
            f"See: token-console journal verify --pin {path}",
        )
