"""The demo: the screen over the embedded estate, with no network and no configuration."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from pathlib import Path

from backends.words import count
from console import ownership, settings
from console.cli.screen import open_screen
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.lock import hold
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
    """Make the estate where there is none yet, and open the screen, which has it read.

    Nothing is waited for but the estate's tokens: they and their logs come into the screen as
    they are read. A kill at any moment leaves what the next start goes on with.
    """
    place = home(chosen.home)
    where = paths(place)
    if chosen.fresh:
        _throw_away(place)
    _make(place, chosen.tokens, chosen.seed)
    loaded = settings.load(where.config)
    if chosen.prepare:
        _read(loaded, where)
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


def _make(place: Path, tokens: int, seed: int) -> None:
    """Make what of the demo is not there yet: the configuration, then the estate.

    Each appears under its name in one step, and is never made anew: an interrupted demo is
    completed, and the key of its configuration stays the one that its escrow is sealed to.
    """
    estate, config = place / "estate.db", place / "config.toml"
    unfinished = f"{estate.name}.*.new*"
    if estate.exists() and config.exists() and not any(place.glob(unfinished)):
        return
    ownership.must_be_ours(place)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    (place / MARKER).touch()
    # Two that are started at once make one estate: the second waits for it.
    lock = hold(place / ".making.lock", None)
    try:
        for left in place.glob(unfinished):
            # Of one that was killed.
            left.unlink(missing_ok=True)
        if not config.exists():
            _configure(place, estate, config)
        if not estate.exists():
            _populate(place, estate, tokens, seed)
    finally:
        os.close(lock)


def _populate(place: Path, estate: Path, tokens: int, seed: int) -> None:
    from backends.estate import create

    output.note(f"making an estate of {count(tokens, 'token')} in {place} ...")
    create(
        estate,
        seed=seed,
        tokens=tokens,
        tell=False,
        progress=lambda made: output.progress(f"{made:,} of {count(tokens, 'token')}"),
    )
    output.progress_done()


def _configure(place: Path, estate: Path, config: Path) -> None:
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
    half = config.with_suffix(".making")
    half.touch(mode=0o600)
    half.chmod(0o600)
    half.write_text("\n".join(sections))
    half.rename(config)


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


def _read(loaded: settings.Settings, where: Paths) -> None:
    """Read all of it, as ``--prepare`` promises, and say how far it is meanwhile."""
    import asyncio

    from console.fleet import Fleet

    read: dict[str, tuple[int, int]] = {}

    def tell() -> None:
        tokens, events = (sum(numbers) for numbers in zip(*read.values(), strict=True))
        logs = count(events, "line of their logs", "lines of their logs")
        output.progress(f"reading: {count(tokens, 'token')}, {logs}")

    def listed(name: str, done: int, total: int | None) -> None:
        read[name] = (done, 0)
        tell()

    def logged(name: str, events: int, back_to: float | None) -> None:
        read[name] = (read.get(name, (0, 0))[0], events)
        tell()

    async def look() -> None:
        async with Fleet(loaded, where, act=True) as fleet:
            await asyncio.gather(*(fleet.sync(name, listed, logged) for name in fleet.names))

    asyncio.run(look())
    output.progress_done()
