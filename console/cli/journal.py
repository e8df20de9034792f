"""``journal``: what was done, by whom and why; and what a crash left open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from backends.errors import BackendError
from console import settings
from console.cli import output
from console.errors import Exit, UsageError
from console.journal.read import JournalView
from console.settings import Paths, paths
from console.text import stamp


def run(chosen: argparse.Namespace) -> int:
    """List the entries, or settle the open intents."""
    where = paths(chosen.home)
    if not where.journal.exists():
        raise UsageError("there is no journal yet", "It begins with the first action.")
    return _recover(where) if chosen.what == "recover" else _list(where, chosen)


def _list(where: Paths, chosen: argparse.Namespace) -> int:
    view = JournalView(where.journal)
    try:
        whole, problem = view.check()
        waiting = view.open_intents()
        entries = waiting if chosen.open else view.entries(chosen.limit)
        if chosen.json:
            for entry in entries:
                # The stored bytes are themselves one line of ASCII-safe JSON or UTF-8.
                print(entry.raw.decode("utf-8").encode("ascii", "backslashreplace").decode())
        else:
            for entry in entries:
                output.line(f"{entry.seq:>6}  {stamp(entry.at)}  {entry.kind:<10} {entry.sentence}")
                if entry.why:
                    output.line(f"{'':>8}{entry.who}: {entry.why}")
        output.note(f"{view.count():,} entries, {len(waiting)} open, " + (problem or "chain whole"))
    finally:
        view.close()
    if not whole:
        return Exit.FAILED
    return Exit.PARTIAL if chosen.open and waiting else Exit.OK


def _recover(where: Paths) -> int:
    """Ask the backends what became of the calls whose runner died; send nothing."""
    from console.fleet import Fleet
    from console.journal import opening
    from console.response.recover import recover

    loaded = settings.load(where.config)

    async def settle() -> list[str]:
        async with Fleet(loaded, where) as fleet:
            opened = []
            for name in fleet.names:
                with contextlib.suppress(BackendError):
                    opened.append(await fleet.backend(name))
            with opening.journal(where) as journal:
                return [found.sentence for found in await recover(opened, journal, where)]

    for sentence in asyncio.run(settle()):
        output.line(sentence)
    view = JournalView(where.journal)
    try:
        waiting = len(view.open_intents())
    finally:
        view.close()
    output.note(f"{waiting} open")
    return Exit.PARTIAL if waiting else Exit.OK
