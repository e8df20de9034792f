"""What a system tells one process of itself is shown as nobody else's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from scripted import NOW, Scripted, token
from timeline_world import World

from backends.contract import Health, WhoAmI
from backends.errors import AuthFailed
from console.audit import intake
from console.contact import OK, Contact
from console.inventory.records import BackendState
from console.inventory.search.inventory import Inventory
from console.store.tables.inventory import BackendRow
from console.tui.draw import lines
from console.tui.session.own_view import OTHERS, Mine
from console.tui.views.backends import page

STAMP = NOW.timestamp()
FIVE = timedelta(minutes=5)


class Ahead(Scripted):
    """A system whose clock another process finds five minutes ahead, with its own credential."""

    async def health(self) -> Health:
        if self.health_error is not None:
            raise self.health_error
        return Health(version="9.9-theirs", latency_ms=4321, skew=FIVE, notes=("a note of theirs",))

    async def whoami(self) -> WhoAmI:
        return WhoAmI(name="their-reader", can_act=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A store that another process has filled."""
    made = World(tmp_path)
    made.backend = Ahead([token("a")])
    asyncio.run(made.syncer.sync(made.backend))
    skew = made.syncer.skew(made.backend.name)
    since = NOW - timedelta(days=2)
    asyncio.run(intake.take_in(made.syncer, made.backend, since, skew=skew))
    return made


def shown(world: World, mine: Mine) -> str:
    """The page and the row of the backend, as this console shows them."""
    inventory = Inventory(world.paths.inventory)
    try:
        (state,) = inventory.backends()
    finally:
        inventory.close()
    drawn = [page.row(state, STAMP, 100, act=True, production=False, mine=mine)]
    drawn += page.detail(state, STAMP, 100, act=True, production=False, mine=mine)
    return " ".join(" ".join(lines.plain(line) for line in drawn).split())


THEIRS = ("9.9-theirs", "4321", "their-reader", "a note of theirs", "its clock", "can act", "300 s")


def test_nothing_that_a_system_told_another_process_is_shown_as_ours(world: World) -> None:
    text = shown(world, Mine())
    for words in THEIRS:
        assert words not in text
    ours = Contact(
        state=OK, answered_at=STAMP, latency_ms=17, version="9.9-ours", skew_ms=-7000, name="me",
        can_act=False,
    )  # fmt: skip
    text = shown(world, Mine(ours))
    for words in THEIRS:
        assert words not in text.replace("its clock is 7 s behind ours", "")
    for words in ("9.9-ours", "17 ms", "its clock is 7 s behind ours", "me"):
        assert words in text


def test_how_far_a_clock_was_off_is_said_of_the_reader_of_the_events(world: World) -> None:
    """It is kept with the events that it dates; it is no word about this console's clock."""
    with world.timeline("a") as timeline:
        (log,) = timeline.coverage.logs
    assert log.notes == ("its clock was 300 s ahead of the clock of whoever read it",)
    assert timeline.coverage.skew == 300, "the times of its events are off by that"


def test_what_went_wrong_for_another_process_is_said_to_be_its_own(world: World) -> None:
    assert isinstance(world.backend, Ahead)
    world.backend.health_error = AuthFailed("their credential is refused", "Mend theirs.")
    asyncio.run(world.syncer.sync(world.backend))
    well = Contact(state=OK, answered_at=STAMP, name="me", can_act=True)
    assert f"ERROR their credential is refused ({OTHERS})" in shown(world, Mine(well))
    looked = Mine(well, looked={"state": "failed", "message": "ours is refused", "hint": ""})
    text = shown(world, looked)
    assert "ERROR ours is refused" in text
    assert OTHERS not in text
    got_through = shown(world, Mine(well, looked={"state": "ok"}))
    assert "their credential" not in got_through


def test_the_store_has_no_place_for_what_is_one_process_own() -> None:
    """Only the clock that dates the events is kept; see ``note_skew``."""
    columns = set(BackendRow.__table__.columns.keys())
    told = set(Contact.__struct_fields__) - {"error", "hint", "name", "skew_ms"}
    assert not told & columns
    assert not (told | {"skew_ms"}) & set(BackendState._fields)
