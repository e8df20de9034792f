"""An estate whose log is written as it is asked for has the log that it always had."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.contract import BackendConfig, Verb
from backends.estate import SYSTEMS, Estate, EstateWorld, create, history
from backends.model import AuditEvent, Gap

BEGAN = 1_790_000_000
LINES = (
    "SELECT at, system, token, action, outcome, actor, target, source, agent, detail FROM event"
    " ORDER BY at, system, token, action, target, source, agent"
)


def made(path: Path, **options: Any) -> Path:
    create(path, seed=11, tokens=400, now=BEGAN, **options)
    with EstateWorld(path) as world:
        world.freeze(BEGAN)
    return path


def table(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def read(path: Path, system: str, back: float, until: float = 0) -> list[AuditEvent | Gap]:
    """What the backend tells of the hours from ``back`` to ``until`` hours ago."""

    async def events() -> list[AuditEvent | Gap]:
        options = {"path": str(path), "system": system}
        async with Estate(BackendConfig(name=system, type="estate", options=options)) as backend:
            now = datetime.fromtimestamp(BEGAN, UTC)
            since, end = now - timedelta(hours=back), now - timedelta(hours=until)
            return [found async for found in backend.events(since, end)]

    return asyncio.run(events())


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return made(tmp_path / "whole.db")


@pytest.fixture
def untold(tmp_path: Path) -> Path:
    return made(tmp_path / "untold.db", tell=False)


def test_all_but_the_lines_is_there_at_once(whole: Path, untold: Path) -> None:
    for name in ("token", "consumer", "session", "secret", "silence"):
        statement = f"SELECT * FROM {name}"
        assert table(untold, statement) == table(whole, statement), name
    uses = "SELECT count(*) FROM event WHERE action NOT IN ('create', 'grant', 'owner')"
    assert table(untold, uses) < table(whole, uses)


def test_stretch_by_stretch_it_tells_what_it_tells_in_one(whole: Path, untold: Path) -> None:
    for system in SYSTEMS:
        parts = [read(untold, system, back, until) for back, until in ((3, 0), (25, 3), (60, 25))]
        lines = {
            (one.at, one.action, one.token, one.source, one.target, one.outcome, one.agent)
            for part in parts
            for one in part
            if isinstance(one, AuditEvent)
        }
        told = [one for one in read(whole, system, 60) if isinstance(one, AuditEvent)]
        assert len(told) > 100
        assert lines == {
            (one.at, one.action, one.token, one.source, one.target, one.outcome, one.agent)
            for one in told
        }
    assert table(untold, LINES) == table(whole, LINES)
    assert not table(untold, "SELECT name FROM sqlite_master WHERE name = 'untold'")


def test_it_never_says_that_its_log_begins_where_only_its_lines_do(untold: Path) -> None:
    for system in SYSTEMS:
        assert not [found for found in read(untold, system, 3) if isinstance(found, Gap)]
        (gap,) = [found for found in read(untold, system, 60, 3) if isinstance(found, Gap)]
        assert gap.until is not None
        assert gap.until <= datetime.fromtimestamp(BEGAN, UTC) - timedelta(hours=47)


def test_what_is_done_meanwhile_changes_nothing_of_the_past(whole: Path, untold: Path) -> None:
    for path in (whole, untold):
        with EstateWorld(path) as world:
            rows = world.db.execute(
                "SELECT DISTINCT token.* FROM token JOIN consumer ON consumer.token = n"
                " WHERE system = 'vault' AND gone_at IS NULL AND expires_at IS NULL ORDER BY n"
            ).fetchall()
            for row in rows[:10]:
                world.change(Verb.REVOKE, "vault", row["id"])
            for row in rows[10:20]:
                world.rotate("vault", row["id"])
            world.travel(3_600)
            world.advance()
            world.tell(0)
    assert table(untold, LINES) == table(whole, LINES)


def test_two_that_ask_at_once_get_each_line_once(whole: Path, untold: Path) -> None:
    async def both() -> None:
        def tell(back: int) -> None:
            with EstateWorld(untold) as world:
                world.tell(BEGAN - back * 3_600)

        await asyncio.gather(*(asyncio.to_thread(tell, back) for back in (5, 20, 5, 60, 20)))

    asyncio.run(both())
    assert table(untold, LINES) == table(whole, LINES)


def test_a_failure_half_way_leaves_no_half(
    whole: Path, untold: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = history._lines
    broken = iter([True])

    def half(*arguments: Any) -> list[tuple[Any, ...]]:
        found = lines(*arguments)
        return [*found[:50], ()] if next(broken, False) else found

    monkeypatch.setattr(history, "_lines", half)
    with EstateWorld(untold) as world:
        before = world.db.execute("SELECT count(*) FROM event").fetchone()[0]
        with pytest.raises((IndexError, sqlite3.Error)):
            world.tell(0)
        assert world.db.execute("SELECT count(*) FROM event").fetchone()[0] == before
        world.tell(0)
    assert table(untold, LINES) == table(whole, LINES)
