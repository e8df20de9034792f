"""The options of what an incident gives to others: report, handover and pack."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

PACK_HELP = """\
The pack is a directory DIR and the same as DIR.tar.gz: the report, the timeline, what was seen
and what not, each token's evidence, and the journal's entries with proofs, all of it signed.
Its VERIFY.md says how to check it without this program: sh verify.sh
With --redacted, names, ids, addresses, people and systems are labels (token-1), and there are no
entries. What each label stands for is written to DIR.labels.json, which is yours alone.
"""


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands below ``incident``."""
    report = _about(
        command, "report", "the situation in words, for a chat, a page or a program",
        "report INC-7 --markdown",
    )  # fmt: skip
    form = report.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="for a wiki or a ticket")
    form.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--every", action="store_true", help="name every token")

    handover = _about(
        command, "handover", "what the next shift has to know: open, decided, to watch",
        "handover INC-7",
    )  # fmt: skip
    handover.add_argument("--markdown", action="store_true", help="for a wiki or a ticket")

    pack = _about(
        command, "pack", "write everything about it into a signed directory, for others to check",
        "pack INC-7 /mnt/usb/INC-7",
    )  # fmt: skip
    pack.epilog = f"{PACK_HELP}\nexample:\n  token-console incident pack INC-7 ./INC-7 --redacted\n"
    pack.add_argument("directory", metavar="DIR", type=Path, help="where; must not be there yet")
    pack.add_argument(
        "--redacted", action="store_true", help="for outsiders: labels in place of names"
    )
    pack.add_argument("--policy", type=Path, metavar="FILE", help="a C2SP tlog-policy to put in")
    pack.add_argument(
        "--unsigned", action="store_true", help="do not ask the ssh-agent; the log key signs"
    )
    pack.add_argument("--reason", default="", help="why; goes into the journal")
    pack.add_argument("--json", action="store_true", help="for programs")


def _about(
    command: Callable[..., argparse.ArgumentParser], name: str, help_: str, example: str
) -> argparse.ArgumentParser:
    made = command(name, help_, f"token-console incident {example}", f"incident.papers:{name}")
    made.add_argument(
        "incident", metavar="INCIDENT", help="its id, or . for the one that you work on"
    )
    return made
