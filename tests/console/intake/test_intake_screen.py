"""A secret in hand, on the screen: taken unseen, its card, and from there to the token."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import demo_home
import pytest
from real_systems import console
from textual import events
from textual.pilot import Pilot
from tui_world import screen, settled, until

from backends.estate import EstateWorld
from console import settings
from console.tui.session.worker_link import command
from console.tui.shell.application import ConsoleApp


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_home.prepare(tmp_path_factory.mktemp("demo"), tokens=200)


@pytest.fixture(scope="module")
def leaked(home: Path) -> tuple[str, str, str]:
    """A token's name, handle and value."""
    words = ("list", "backend:vault-prod", "state:active", "used:<7d", "--json")
    row = json.loads(console(home, *words).stdout)[0]
    with EstateWorld(home / "estate.db") as world:
        return row["name"], row["handle"], world.secret("vault", row["id"]).reveal()


def drive(home: Path, steps: Callable[[Pilot[None], ConsoleApp], Awaitable[None]]) -> None:
    paths = settings.paths(home)
    app = ConsoleApp(
        paths,
        settings.load(paths.config),
        act=False,
        now=time.time,
        worker=command(paths, act=False),
    )

    async def run() -> None:
        async with app.run_test(size=(100, 40)) as pilot:
            await until(pilot, lambda: app.world.worker_up)
            await steps(pilot, app)

    asyncio.run(run())


async def paste(pilot: Pilot[None], app: ConsoleApp, text: str) -> None:
    await pilot.press("I")
    await until(pilot, lambda: "not shown" in screen(app))
    app.post_message(events.Paste(text))
    await until(pilot, lambda: "character" in screen(app))


def flat(app: ConsoleApp) -> str:
    return " ".join(screen(app).split())


def test_from_paste_to_the_card_to_the_token(home: Path, leaked: tuple[str, str, str]) -> None:
    name, handle, value = leaked

    async def steps(pilot: Pilot[None], app: ConsoleApp) -> None:
        await paste(pilot, app, value)
        assert f"{len(value)} characters" in screen(app)
        assert value not in screen(app)
        await pilot.press("enter", "2", "d", "enter")
        await until(pilot, lambda: "LEAKED" in screen(app))
        assert "TAKE IT AS LIVE: RECORDED ACTIVE, NOT TRIED" in flat(app)
        assert handle in screen(app)
        assert "since the leak" in flat(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.front is not None and app.front.view == "token")
        assert name[:12] in screen(app)
        await pilot.press("escape")
        await until(pilot, lambda: "LEAKED" in screen(app))
        held = [value in repr(vars(each)) for each in (app.front, app.front and app.front.around)]
        assert not any(held), "nothing on the screen's side keeps it"

    drive(home, steps)
    for path in (home / "state").rglob("*"):
        assert not path.is_file() or value.encode() not in path.read_bytes(), path


def test_a_card_that_is_read_again_after_its_end_is_the_same_token_still(
    home: Path, leaked: tuple[str, str, str], tmp_path: Path
) -> None:
    """Its system knows the value of nobody any more; whose it was has been found before."""
    name, handle, value = leaked
    own = demo_home.copy(home, tmp_path)

    async def steps(pilot: Pilot[None], app: ConsoleApp) -> None:
        await paste(pilot, app, value)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "TAKE IT AS LIVE" in screen(app))
        words = ("revoke", handle, "--reason", "it leaked in a log", "--confirm", name)
        answers = [word for code in ("in-use", "children", "shared", "cascade")
                   for word in ("--answer", f"{code}=it has to stop")]  # fmt: skip
        done = await asyncio.to_thread(console, own, *words, *answers)
        assert done.returncode == 0, done.stdout + done.stderr
        await pilot.press("r")
        await until(pilot, lambda: "RECORDED REVOKED" in screen(app))
        assert "NO MATCH" not in screen(app)
        assert handle in screen(app)
        assert "at an earlier look" in flat(app)

    drive(own, steps)


def test_what_is_wrong_is_said_and_leaves_no_secret_behind(
    home: Path, leaked: tuple[str, str, str]
) -> None:
    async def steps(pilot: Pilot[None], app: ConsoleApp) -> None:
        await pilot.press("I")
        await until(pilot, lambda: "not shown" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "Nothing came" in screen(app))
        app.post_message(events.Paste("x" * 600_000))
        await until(pilot, lambda: "token-console intake FILE" in screen(app))
        app.post_message(events.Paste(leaked[2]))
        await until(pilot, lambda: "character" in screen(app))
        await pilot.press("enter", *"yesterday", "enter")
        await until(pilot, lambda: "is no time" in screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: "leaked when" not in screen(app))
        await paste(pilot, app, leaked[2])
        await pilot.press("escape", "I")
        await settled(pilot)
        assert "character" not in screen(app), "what was left is forgotten"

    drive(home, steps)


def test_a_report_of_several_lines_is_one_paste(home: Path, leaked: tuple[str, str, str]) -> None:
    async def steps(pilot: Pilot[None], app: ConsoleApp) -> None:
        await paste(pilot, app, f"{leaked[2]}\n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\n")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "values, one a line: 2 values" in screen(app))
        await pilot.press("end")
        await until(pilot, lambda: "NO MATCH" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.front is not None and app.front.view == "token")

    drive(home, steps)


def test_a_long_paste_of_any_alphabet_is_answered_and_ends_nothing(home: Path) -> None:
    async def steps(pilot: Pilot[None], app: ConsoleApp) -> None:
        process = app.link._process
        await paste(pilot, app, "\N{CYRILLIC SMALL LETTER ZHE}" * 400_000)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "which is no credential" in flat(app))
        assert app.link.up
        assert app.link._process is process

    drive(home, steps)
