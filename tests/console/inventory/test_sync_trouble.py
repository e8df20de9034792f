"""Syncs that are cut off, that meet, and that take in audit events."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.errors import Forbidden
from backends.model import AuditEvent, Gap, GapKind, TokenRef, use
from console.audit import intake
from console.inventory.search.inventory import Inventory, Sort
from console.inventory.search.query import parse


def consistent(path: Path) -> int:
    """Check that all parts of the store say the same; returns the number of tokens."""
    with closing(sqlite3.connect(path)) as connection:
        one = lambda statement: connection.execute(statement).fetchone()[0]  # noqa: E731
        assert one("PRAGMA integrity_check") == "ok"
        connection.execute("INSERT INTO token_fts (token_fts) VALUES ('integrity-check')")
        tokens: int = one("SELECT count(*) FROM token")
        assert one("SELECT count(*) FROM document") == tokens
        assert one("SELECT coalesce(sum(tokens + gone), 0) FROM backend") == tokens
        assert one("SELECT count(*) FROM token WHERE gone_at IS NOT NULL") == one(
            "SELECT coalesce(sum(gone), 0) FROM backend"
        )
    return tokens


KILLED = """
    import asyncio, sys
    from pathlib import Path
    sys.path.insert(0, {here!r})
    from scripted import Desk, Scripted, token

    def say(progress):
        if progress.done >= 300:
            print(progress.done, flush=True)

    desk = Desk(Path({folder!r}), batch=100)
    endless = Scripted(token(f"t{{i}}") for i in range(20_000))
    asyncio.run(desk.syncer.sync(endless, say))
"""


def test_kill_9_in_the_middle_leaves_a_store_that_is_whole(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("old"))))
    code = KILLED.format(here=str(Path(__file__).parents[2] / "scenes"), folder=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        running = desk.see(lambda inventory: inventory.backends()[0].running)
        os.kill(child.pid, signal.SIGKILL)
    assert running
    assert consistent(desk.path) >= 300
    (state,) = desk.see(lambda inventory: inventory.backends())
    assert state.result == "ok", "the look that was killed has no result"
    # The next look is not kept out by the one that was killed.
    report = desk.sync(Scripted(listing(token("old"))))
    assert report.result == "ok"
    consistent(desk.path)


def test_a_cancelled_look_keeps_its_batches_and_frees_the_backend(tmp_path: Path) -> None:
    desk = Desk(tmp_path, batch=10)

    async def scene() -> None:
        stuck = asyncio.Event()

        async def wait() -> None:
            stuck.set()
            await asyncio.Event().wait()

        backend = Scripted([*(token(f"t{i}") for i in range(25)), wait])
        running = asyncio.create_task(desk.syncer.sync(backend))
        await stuck.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())
    assert consistent(desk.path) == 20
    (state,) = desk.see(lambda inventory: inventory.backends())
    assert (state.result, state.synced_at) == ("never", None)
    assert desk.sync(Scripted(listing(token("t1")))).result == "ok"


def test_two_looks_at_one_backend_do_not_meet(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    other = Desk(tmp_path)

    async def scene() -> list[Any]:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            begun.set()
            await go_on.wait()

        first = asyncio.create_task(desk.syncer.sync(Scripted([hold, *listing(token("a"))])))
        await begun.wait()
        refused = await other.syncer.sync(Scripted(listing(token("b"))))
        elsewhere = await other.syncer.sync(
            Scripted(listing(token("x", backend="aws")), name="aws")
        )
        waiting = asyncio.create_task(
            other.syncer.sync(Scripted(listing(token("a"), token("b"))), wait=True)
        )
        go_on.set()
        return [refused, elsewhere, await first, await waiting]

    refused, elsewhere, first, waited = asyncio.run(scene())
    assert refused.result == "busy"
    assert [elsewhere.result, first.result, waited.result] == ["ok", "ok", "ok"]
    assert consistent(desk.path) == 3


def test_a_reader_sees_whole_states_and_learns_of_new_ones(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("a"))))
    with desk.reading() as inventory:
        before = inventory.stamp()
        assert inventory.stamp() == before
        desk.sync(Scripted(listing(token("a"), token("b"))))
        assert inventory.stamp() != before
        assert inventory.total() == 2
        assert len(inventory.window(parse(""), Sort(), 0, 10)) == 2
        assert inventory.count(parse("name")) == 2


def event(id_: str, ref: TokenRef | None, ago: timedelta, **fields: Any) -> AuditEvent:
    told = {"sort": use(fields.get("outcome", "ok"))} | fields
    return AuditEvent(id=id_, at=NOW - ago, action="read", token=ref, **told)


def take(desk: Desk, backend: Scripted, **options: Any) -> Any:
    return asyncio.run(intake.take_in(desk.syncer, backend, **options))


def test_events_are_taken_in_once_and_counted_by_hour(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one, unused = token("a"), token("b")
    backend = Scripted(listing(one, unused))
    desk.sync(backend)
    now = int(NOW.timestamp())
    with desk.reading() as inventory:
        ids = [row.rowid for row in inventory.window(parse(""), Sort(), 0, 9)]
        assert inventory.uses(ids, now) == {}, "nothing is known before events were read"
    hour = timedelta(hours=1)
    backend.log = [
        event("1", one.ref, hour * 2, source="10.0.0.1"),
        event("2", one.ref, hour * 2),
        event("3", one.ref, timedelta()),
        event("4", TokenRef("vault", "service", "not seen yet"), hour),
        event("5", one.ref, hour * 100),
        Gap("audit", GapKind.LIMITED, "older lines", "They were rotated away."),
    ]
    assert take(desk, backend).taken == 5
    assert take(desk, backend).taken == 0
    with desk.reading() as inventory:
        found = inventory.uses(ids, now)
        assert found[ids[0]] == (*[0] * 21, 2, 0, 1)
        assert found[ids[1]] == (0,) * 24
        events = inventory.events(one.ref.handle)
        assert [one.at for one in events] == sorted((one.at for one in events), reverse=True)
        assert {one.source for one in events} == {"10.0.0.1", ""}
        (state,) = inventory.backends()
        assert state.events_until == int(desk.clock())
        assert [gap.what for gap in state.gaps] == ["older lines"]
    # An event may come before its token does.
    late = token("not seen yet")
    desk.sync(Scripted(listing(one, unused, late)))
    with desk.reading() as inventory:
        assert len(inventory.events(late.ref.handle)) == 1
        assert [gap.what for gap in inventory.backends()[0].gaps] == ["older lines"]


def test_the_next_reading_begins_where_the_last_ended(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    backend = Scripted()
    take(desk, backend, days=7)
    assert backend.asked_since == NOW - timedelta(days=7)
    desk.clock.forward(hours=5)
    take(desk, backend)
    assert backend.asked_since == NOW - timedelta(minutes=15)
    backend.log = [Forbidden("audit log", "Grant it.")]
    desk.clock.forward(hours=5)
    report = take(desk, backend)
    assert (report.message, report.hint) == ("audit log", "Grant it.")
    take(desk, backend)
    assert backend.asked_since == NOW + timedelta(hours=5) - timedelta(minutes=15)


def test_old_and_wrong_events_do_not_stay(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("a")
    backend = Scripted(listing(one))
    desk.sync(backend)
    backend.log = [
        event("1", one.ref, timedelta(days=2)),
        event("2", one.ref, -timedelta(days=30)),
        AuditEvent(id="3", at=NOW.replace(tzinfo=None), action="read"),
        "nonsense",  # type: ignore[list-item]
    ]
    assert take(desk, backend).taken == 1
    with desk.reading() as inventory:
        what = " ".join(gap.what for gap in inventory.backends()[0].gaps)
        assert "future" in what
        assert "zone" in what
        assert "type str" in what
    desk.clock.forward(days=60)
    backend.log = []
    take(desk, backend)
    with desk.reading() as inventory:
        assert inventory.events(one.ref.handle) == []


def test_a_backend_without_events_has_no_sparklines(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    backend = Scripted(listing(token("a")))
    desk.sync(backend)
    backend.log = [Gap("vault", GapKind.UNLISTABLE, "audit events")]
    take(desk, backend)
    with closing(Inventory(desk.path)) as inventory:
        row = inventory.window(parse(""), Sort(), 0, 1)[0]
        assert inventory.uses([row.rowid], int(NOW.timestamp())) == {}
        assert inventory.backends()[0].events_until is None
