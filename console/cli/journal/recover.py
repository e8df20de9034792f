"""``journal recover``: what became of the calls that a crash left open."""

from __future__ import annotations

import argparse
import asyncio
import json

from console import settings
from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit
from console.settings import paths
from console.text import safe


def recover(chosen: argparse.Namespace) -> int:
    """Ask the systems what became of the calls whose runner died; send nothing else."""
    from console.fleet import Fleet
    from console.response.service import planning

    where = paths(chosen.home)

    async def settle() -> list[str]:
        async with Fleet(settings.load(where.config), where) as fleet:
            found = await planning.settle(fleet.backend, fleet.names, where)
        return [each.sentence for each in found]

    with access.looking(chosen):
        pass
    sentences = asyncio.run(settle())
    with access.looking(chosen) as (view, _):
        waiting = [entry.id for entry in view.open_intents()]
    if chosen.json:
        print(json.dumps({"settled": [safe(each, 4000) for each in sentences], "open": waiting}))
    else:
        for sentence in sentences:
            output.line(sentence)
    output.note(f"{len(waiting)} open")
    return Exit.PARTIAL if waiting else Exit.OK
