"""The first start of the demo: killed at any moment, the next one completes what it left."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from patience import HANG
from real_systems import console

from backends.estate import EstateWorld
from backends.estate.history import begins

TOKENS = 150
WORDS = ("demo", "--prepare", "--tokens", str(TOKENS), "--seed", "5")


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What a store says; nothing where it is not there, or not made, yet."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()
    except sqlite3.Error:
        return []


def inventory(place: Path) -> Path:
    return place / "demo" / "state" / "inventory.db"


def some(statement: str) -> Callable[[Path], bool]:
    return lambda place: bool(rows(inventory(place), statement))


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "the place": lambda place: (place / "demo").exists(),
    "a key": lambda place: (place / "demo" / "escrow-key.txt").exists(),
    "a configuration": lambda place: (place / "demo" / "config.toml").exists(),
    "half an estate": lambda place: any((place / "demo").glob("estate.db.*.new")),
    "an estate": lambda place: (place / "demo" / "estate.db").exists(),
    "a store": lambda place: inventory(place).exists(),
    "tables": some("SELECT name FROM sqlite_schema"),
    "tokens": some("SELECT num FROM token LIMIT 1"),
    "a look that ended": some("SELECT name FROM backend WHERE synced_at IS NOT NULL"),
    "events": some("SELECT key FROM event LIMIT 1"),
    "a part of a log": some("SELECT name FROM backend WHERE events_since IS NOT NULL"),
    "a seal": some("SELECT key FROM sealed LIMIT 1"),
}


def killed(place: Path, moment: Callable[[Path], bool]) -> None:
    """Start the demo, and kill it and all of its group as soon as something is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "--home", str(place), *WORDS],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + HANG
    while not moment(place) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def whole(place: Path) -> None:
    """All that the estate has is in the store, and all of it is covered and sealed."""
    home = place / "demo"
    with EstateWorld(home / "estate.db") as world:
        assert begins(world.db) is None, "its log is written to the beginning"
        (lines,) = world.db.execute(
            "SELECT count(*) FROM event WHERE at <= ?", (world.now() - 60,)
        ).fetchone()
        (tokens,) = world.db.execute("SELECT count(*) FROM token").fetchone()
    store = inventory(place)
    ((events,),) = rows(store, "SELECT count(*) FROM event")
    ((sealed,),) = rows(store, "SELECT count(*) FROM sealed")
    ((listed,),) = rows(store, "SELECT count(*) FROM token")
    assert isinstance(events, int)
    assert isinstance(listed, int)
    assert events >= lines > 1_000
    assert sealed
    assert 0.7 * tokens < listed <= tokens, "what is gone is not listed"
    assert rows(store, "SELECT count(*) FROM backend WHERE synced_at IS NULL") == [(0,)]
    now = int(time.time())
    for since, until in rows(store, "SELECT events_since, events_until FROM backend"):
        assert isinstance(since, int)
        assert isinstance(until, int)
        assert since < now - 6 * 86_400
        assert until > now - 3_600
    counted = rows(store, "SELECT sum(uses) FROM rollup WHERE handle = ''")
    assert counted == [(events,)], "each event is counted once"
    config, key = (home / name for name in ("config.toml", "escrow-key.txt"))
    public = subprocess.run(
        [sys.executable, "-c", "import sys, pyrage; print(pyrage.x25519.Identity.from_str("
         "sys.stdin.read().splitlines()[-1]).to_public())"],
        input=key.read_text(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert public.stdout.strip() in config.read_text(), "what is sealed can be opened"
    assert not list(home.glob("*.new*")), "nothing half made is left behind"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_leaves_what_the_next_start_completes(
    moment: str, tmp_path: Path
) -> None:
    killed(tmp_path, MOMENTS[moment])
    done = console(tmp_path, *WORDS)
    assert done.returncode == 0, done.stderr
    assert "ready:" in done.stdout
    whole(tmp_path)


def test_many_kills_one_after_the_other_do_too(tmp_path: Path) -> None:
    for moment in MOMENTS.values():
        killed(tmp_path, moment)
    done = console(tmp_path, *WORDS)
    assert done.returncode == 0, done.stderr
    whole(tmp_path)
    listed = console(tmp_path / "demo", "list", "--json")
    assert listed.returncode == 0


def test_two_that_are_started_at_once_make_one_estate(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "console", "--home", str(tmp_path), *WORDS]
    both = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        _, told = process.communicate(timeout=HANG)
        assert process.returncode == 0, told
    whole(tmp_path)
