"""Makes the screenshots from an invented estate, at fixed sizes and with a clock that stands.

    python screenshots/make.py [DIRECTORY]

Writes each view at 80x24 and at 160x45 as SVG, and as PNG where a Chromium is installed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from console.tui.shell.application import ConsoleApp

HERE = Path(__file__).parent
SIZES = ((80, 24), (160, 45))
TOKENS = 4_000
SEED = 7
PATIENCE = 60.0
CELL = (12.2, 24.4)
"""Pixels of a cell in Textual's SVG, and what its frame adds below."""
FRAME = (20, 80)
REASON = "INC-2291: key found in a public repository"
WHY = "its owner agreed on the phone"
HOST = "bastion-1"

Steps = Callable[["Pilot[None]", "ConsoleApp"], Awaitable[None]]


def prepare(home: Path) -> None:
    """An estate, a configuration and a first look, by the demo's own command."""
    words = [sys.executable, "-m", "console", "--home", str(home), "demo", "--prepare"]
    subprocess.run([*words, "--tokens", str(TOKENS), "--seed", str(SEED)], check=True)


def text_of(app: ConsoleApp) -> str:
    """What is on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[None], app: ConsoleApp, text: str) -> None:
    """Wait for a text on the screen."""
    async with asyncio.timeout(PATIENCE):
        while text not in text_of(app):  # noqa: ASYNC110 - other processes set no event.
            await asyncio.sleep(0.05)
    await pilot.pause()


async def find(pilot: Pilot[None], app: ConsoleApp, query: str) -> None:
    """Filter the list, and wait for the exact count."""
    await pilot.press("slash", *query, "enter")
    await until(pilot, app, " of ")
    async with asyncio.timeout(PATIENCE):
        while "counting" in text_of(app):  # noqa: ASYNC110 - the searcher is a thread.
            await asyncio.sleep(0.05)
    await pilot.pause()


BUSY = "backend:vault-prod state:active used:<2h expires:never"
"""A token worth looking at: in production, in use, and without an end."""


async def inventory(pilot: Pilot[None], app: ConsoleApp) -> None:
    await find(pilot, app, "owner:payments,data,platform state:active,disabled")
    await pilot.press("down", "space", "down", "down")


async def token(pilot: Pilot[None], app: ConsoleApp) -> None:
    await find(pilot, app, BUSY)
    await pilot.press("enter")
    await until(pilot, app, "consumer")
    await until(pilot, app, "kept nowhere")


async def graph(pilot: Pilot[None], app: ConsoleApp) -> None:
    """All that a team answers for, with the cursor on one kind of its tokens."""
    await find(pilot, app, "backend:vault-prod owner:payments state:active used:<2h")
    await pilot.press("g")
    await until(pilot, app, "payments")
    await pilot.press("slash", *"payments", "enter")
    await pilot.pause()
    await pilot.press("enter")
    await until(pilot, app, "GRAPH of payments")
    await pilot.press("right", "down", "down")
    await until(pilot, app, "enter unfolds")


async def backends(pilot: Pilot[None], app: ConsoleApp) -> None:
    await pilot.press("b", "down", "down", "down")


async def plan(pilot: Pilot[None], app: ConsoleApp, key: str) -> None:
    """From the key to the plan, in routine mode."""
    await pilot.press(key, *REASON, "enter")
    await pilot.pause()
    await pilot.press("enter")
    await until(pilot, app, "will call")


async def confirm(pilot: Pilot[None], app: ConsoleApp) -> None:
    await find(pilot, app, BUSY)
    await plan(pilot, app, "K")
    async with asyncio.timeout(PATIENCE):
        while "asking" in text_of(app):  # noqa: ASYNC110 - the worker is a process.
            await asyncio.sleep(0.05)


MANY = "backend:aws-main,github,pg-ledger state:active used:<30d"
"""Outside production, so that one person can show a run."""


async def many(pilot: Pilot[None], app: ConsoleApp, marks: int = 40) -> None:
    """The bar for all that are marked, with whatever speaks against it."""
    await find(pilot, app, MANY)
    await pilot.press(*["space"] * marks)
    await plan(pilot, app, "K")


async def carry_out(pilot: Pilot[None], app: ConsoleApp) -> None:
    """Answer what the open bar asks, and type its word."""
    bar: Any = app.screen.query_one("ActBar")
    async with asyncio.timeout(PATIENCE):
        while bar.phase in ("answers", "confirm"):
            await pilot.press("pagedown")
            if bar._page.seen >= bar._must_see:
                await pilot.press(*(WHY if bar.phase == "answers" else bar.word), "enter")
            await pilot.pause()


async def run(pilot: Pilot[None], app: ConsoleApp) -> None:
    """A run of forty tokens while it goes on."""
    await many(pilot, app)
    await carry_out(pilot, app)
    await until(pilot, app, "in scope")
    async with asyncio.timeout(PATIENCE):
        while not app.screen.shown or app.screen.shown.sums["left"] > 25:  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def runs(pilot: Pilot[None], app: ConsoleApp) -> None:
    await pilot.press("l")
    await until(pilot, app, "INC-2291")


async def journal(pilot: Pilot[None], app: ConsoleApp) -> None:
    """What the journal says of a run."""
    await pilot.press("J")
    await until(pilot, app, "newest first")


async def timeline(pilot: Pilot[None], app: ConsoleApp) -> None:
    """What a team's tokens did, if their values leaked six hours ago."""
    await find(pilot, app, "backend:vault-prod owner:payments used:<2d")
    await pilot.press(*["space"] * 12, "t")
    await until(pilot, app, "own log scales")
    await pilot.press("at", *"6h", "enter")
    await until(pilot, app, "since the leak (")
    await pilot.press("left_square_bracket")


async def intake(pilot: Pilot[None], app: ConsoleApp) -> None:
    """A leaked value of a busy token in hand: its answer card."""
    from textual.events import Paste

    from backends.estate import EstateWorld

    await find(pilot, app, BUSY)
    row = app.inventory_view.row()
    if row is None:
        raise RuntimeError("the estate has no such token")
    await pilot.press("I")
    await until(pilot, app, "not shown")
    with EstateWorld(app.world.paths.config.with_name("estate.db")) as world:
        app.post_message(Paste(world.secret("vault", row.id).reveal()))
    await until(pilot, app, "characters")
    await pilot.press("enter", *"6h", "enter")
    await until(pilot, app, "LEAKED")


async def answer(pilot: Pilot[None], *texts: str) -> None:
    """Answer one question of a bar after the other."""
    for text in texts:
        await pilot.press(*text, "enter")
        await pilot.pause()


async def incident(pilot: Pilot[None], app: ConsoleApp) -> None:
    """A leaked value from its card to its end: an incident opened, ended, and seen refused."""
    await intake(pilot, app)
    await pilot.press("plus")
    await until(pilot, app, "OPEN AN INCIDENT")
    await answer(pilot, "key in a build log", "the scanner of the build found it")
    await until(pilot, app, "new in the scope")
    await pilot.press("K")
    await until(pilot, app, "reason  >")
    await answer(pilot, "found by the scanner of the build")
    await pilot.press("enter")
    await until(pilot, app, "will call")
    await carry_out(pilot, app)
    await until(pilot, app, "RECORDED")
    await until(pilot, app, "r reads it again")
    await pilot.press("Q")
    await until(pilot, app, "reason  >")
    await answer(pilot, "to see it refused", "try")
    await until(pilot, app, "REFUSED")
    await pilot.press("M")
    await until(pilot, app, "SEVERITY")
    await pilot.press("enter")
    await until(pilot, app, "ITS VALUE")


async def vendor(pilot: Pilot[None], app: ConsoleApp) -> None:
    """A vendor was breached: the tokens that carry its name, none of them ended yet."""
    await find(pilot, app, "backend:aws-main,github owner:partner state:active")
    await pilot.press(*["space"] * 8, "plus")
    await until(pilot, app, "OPEN AN INCIDENT")
    await answer(pilot, "partner breached", "2d", "their notice of today")
    await until(pilot, app, "new in the scope")
    await pilot.press("M")
    await until(pilot, app, "SEVERITY")
    await pilot.press("enter")
    await until(pilot, app, "ITS VALUE")


VIEWS: dict[str, Steps] = {
    "intake": intake,
    "inventory": inventory,
    "token": token,
    "graph": graph,
    "backends": backends,
    "confirm": confirm,
    "many": many,
    "run": run,
    "runs": runs,
    "journal": journal,
    "timeline": timeline,
    "incident": incident,
    "vendor": vendor,
}


def shoot(home: Path, name: str, steps: Steps, size: tuple[int, int], now: float) -> str:
    """One view as SVG. The clock stands still; the worker answers for real."""
    from console import settings
    from console.tui.session import worker_link
    from console.tui.shell.application import ConsoleApp

    where = settings.paths(home / "demo")
    app = ConsoleApp(
        where,
        settings.load(where.config),
        act=True,
        demo=True,
        now=lambda: now,
        worker=worker_link.command(where, act=True),
    )
    app.world.host = HOST

    async def run() -> str:
        async with app.run_test(size=size) as pilot:
            async with asyncio.timeout(PATIENCE):
                while not app.link.up:  # noqa: ASYNC110 - the worker is a process.
                    await asyncio.sleep(0.05)
            await pilot.pause()
            await steps(pilot, app)
            await pilot.pause()
            return app.export_screenshot(title="token-console")

    return asyncio.run(run())


def to_png(svg: Path, size: tuple[int, int]) -> bool:
    """Draw it with a browser, since other converters drop the blanks."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return False
    width, height = (int(n * cell + more) for n, cell, more in zip(size, CELL, FRAME, strict=True))
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size={width},{height}",
            f"--screenshot={svg.with_suffix('.png')}",
            svg.absolute().as_uri(),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return True


def main(target: Path) -> None:
    """Make all of them."""
    os.environ["LC_ALL"] = "C.UTF-8"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="token-console-shots-") as directory:
        home = Path(directory)
        prepare(home)
        now = time.time()
        for size in SIZES:
            for name, steps in VIEWS.items():
                svg = target / f"{name}-{size[0]}x{size[1]}.svg"
                svg.write_text(shoot(home, name, steps, size, now), encoding="utf-8")
                drawn = to_png(svg, size)
                # Whoever takes the next picture is at work on nothing.
                (home / "demo" / "state" / "incident").unlink(missing_ok=True)
                sys.stdout.write(f"{svg.name}{' and png' if drawn else ''}\n")


if __name__ == "__main__":
    from console.env import scrub

    scrub()
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
