"""The demo: the screen over the embedded estate, with no network and no configuration."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
from pathlib import Path

from backends.words import count
from console import ownership, settings
from console.cli.screen import open_screen
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.settings import Paths, paths

SYSTEMS = {
    "vault-prod": "vault",
    "aws-main": "cloud",
    "pg-ledger": "database",
    "github": "codehost",
}
MARKER = ".token-console-demo"


def home(chosen: Path | None) -> Path:
    """Where the demo lives: apart from any real configuration."""
    if chosen is None and (named := os.environ.get("TOKEN_CONSOLE_HOME")):
        chosen = Path(named)  # The same as --home, here too.
    return (chosen.expanduser() if chosen is not None else paths().state) / "demo"


def run(chosen: argparse.Namespace) -> int:
    """Make the estate where there is none yet, read it once, and open the screen."""
    place = home(chosen.home)
    where = paths(place)
    if chosen.fresh:
        _throw_away(place)
    estate = place / "estate.db"
    if not estate.exists():
        _make(place, estate, chosen.tokens, chosen.seed)
    loaded = settings.load(where.config)
    if not where.inventory.exists():
        _first_look(loaded, where)
    if chosen.prepare:
        output.line(f"ready: token-console --home {place} list")
        return Exit.OK
    return open_screen(where, loaded, act=not chosen.read_only, demo=True)


def _throw_away(place: Path) -> None:
    if place.exists() and not (place / MARKER).exists():
        raise UsageError(
            f"{place} was not made by the demo, so it is left alone", "Move it away by hand."
        )
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(place)


def _make(place: Path, estate: Path, tokens: int, seed: int) -> None:
    from backends.estate import create

    ownership.must_be_ours(place)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    (place / MARKER).touch()
    output.note(f"making an estate of {count(tokens, 'token')} in {place} ...")
    # The finished estate appears under its name in one step, so that an interrupted
    # demo starts over instead of opening half an estate.
    half = estate.with_suffix(".making")
    half.unlink(missing_ok=True)
    create(half, seed=seed, tokens=tokens)
    half.rename(estate)
    sections = ["# Written by `token-console demo`.", "[console]", "refresh = 5", ""]
    for name, system in SYSTEMS.items():
        sections += [
            f"[backend.{name}]",
            'type = "estate"',
            f'path = "{estate}"',
            f'system = "{system}"',
            "act_allowed = true",
            f"production = {'true' if name.endswith('-prod') else 'false'}",
            "",
        ]
    sections += _response(place)
    config = place / "config.toml"
    config.touch(mode=0o600)
    config.chmod(0o600)
    config.write_text("\n".join(sections))


def _response(place: Path) -> list[str]:
    """What rotating takes: a key to seal new values to, and a place to deliver them to."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    key = place / "escrow-key.txt"
    key.touch(mode=0o600)
    key.write_text(f"# Opens what the demo's rotations sealed.\n{identity}\n")
    handed_over = place / "handed-over"
    handed_over.mkdir(mode=0o700, exist_ok=True)
    return [
        "[response]",
        "# One person plays here; where it matters, a second one approves for production.",
        "second_person_production = false",
        f'escrow = ["{identity.to_public()}"]',
        "",
        "[sink.handed-over]",
        'type = "file"',
        f'path = "{handed_over}/{{handle}}"',
        "",
    ]


def _first_look(loaded: settings.Settings, where: Paths) -> None:
    # The screen runs in this process, and has no use for what reading the backends needs.
    from console.fleet import Fleet

    async def look() -> None:
        async with Fleet(loaded, where, act=True) as fleet:
            for name in fleet.names:
                await fleet.sync(
                    name, lambda who, done, total: output.progress(f"reading {who}: {done:,}")
                )

    asyncio.run(look())
    output.progress_done()
