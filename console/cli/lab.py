"""``lab``: real servers on loopback, filled and ready to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.cli.shell import output
from console.errors import Exit
from console.settings import paths


def run(chosen: argparse.Namespace) -> int:
    """Start, end or show the lab's servers."""
    from backends.lab.lab import ALL, Lab

    home: Path = chosen.home or paths().state / "lab"
    systems = chosen.systems.split(",") if chosen.systems else ALL
    lab = Lab(home, systems)
    if chosen.what == "up":
        lab.up(tokens=chosen.tokens, progress=output.note)
        output.line(f"ready; look: token-console --home {home} --act")
        return Exit.OK
    if chosen.what == "down":
        for ended in lab.down():
            output.note(ended)
        output.line("the lab is down; the console's own journal stays")
        return Exit.OK
    states = lab.status()
    output.table(
        ["BACKEND", "SERVER", "STATE", "PID", "PORT"],
        [
            [s.name, s.title, "up" if s.alive else "down", str(s.pid or ""), str(s.port or "")]
            for s in states
        ],
        [20, 40, 6, 8, 6],
    )
    return Exit.OK if states and all(s.alive for s in states) else Exit.FAILED
