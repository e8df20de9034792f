"""Stored audit events under the journal's seals: a change to one of them is found."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from seal_scene import DAYS, SealScene, event

from console.audit.seal import Sealer
from console.errors import JournalError
from console.journal.write.journal import Journal


@pytest.fixture
def desk(tmp_path: Path) -> SealScene:
    return SealScene(tmp_path)


def test_new_events_are_sealed_once_and_later_ones_by_themselves(desk: SealScene) -> None:
    desk.take_in(event("1"), event("2"))
    desk.seal()
    assert desk.seal() is None
    # One that is delivered late, with an older time, changes nothing about the first batch.
    desk.take_in(event("3", timedelta(hours=5)))
    desk.seal()
    assert [each.count for each in desk.seals()] == [2, 1]
    assert desk.check() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'mallory' WHERE event_id = '2'",
        "UPDATE event SET at = at - 60 WHERE event_id = '1'",
        "UPDATE event SET handle = NULL WHERE event_id = '1'",
        "DELETE FROM event WHERE event_id = '1'",
        "DELETE FROM event",
        "DELETE FROM sealed",
        "UPDATE sealed SET seal = 'another'",
    ],
)
def test_a_change_to_stored_events_is_found(desk: SealScene, statement: str) -> None:
    desk.take_in(event("1"), event("2"), event("3"))
    desk.seal()
    assert desk.check() == []
    desk.change(statement)
    (problem,) = desk.check()
    assert problem.backend == "vault"
    assert problem.text


def test_an_event_slipped_under_a_seal_is_found(desk: SealScene) -> None:
    desk.take_in(event("1"))
    desk.seal()
    desk.take_in(event("2"))
    desk.change("INSERT INTO sealed SELECT event.key, seal FROM event, sealed WHERE event_id = '2'")
    assert len(desk.check()) == 1


def test_frequent_syncs_do_not_fill_the_journal(desk: SealScene) -> None:
    for number in range(5):
        desk.take_in(event(str(number)))
        desk.seal(every=600.0)
    assert [each.count for each in desk.seals()] == [1]


def test_to_look_is_no_reason_to_begin_a_journal(desk: SealScene) -> None:
    desk.take_in(event("1"))
    assert desk.seal(act=False) is None
    assert not desk.paths.journal.exists()
    Journal(desk.paths.journal).close()
    made = desk.seal(act=False)
    assert made is not None
    assert made.count == 1


def test_no_events_no_seal_and_no_journal(desk: SealScene) -> None:
    assert desk.seal() is None
    assert not desk.paths.journal.exists()


def test_events_that_were_dropped_for_their_age_are_no_alarm(desk: SealScene) -> None:
    desk.take_in(event("old", timedelta(days=DAYS - 1)), event("new"))
    desk.seal()
    desk.change("DELETE FROM event WHERE event_id = 'old'")
    assert len(desk.check()) == 1
    assert desk.check(later=timedelta(days=1)) == []


def test_a_journal_that_cannot_be_written_leaves_the_events_for_the_next_seal(
    desk: SealScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.take_in(event("1"))

    def full(self: Journal, *_: object, **__: object) -> None:
        raise JournalError("full")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", full)
        with pytest.raises(JournalError):
            desk.seal()
        sealer = Sealer(desk.syncer, desk.paths, act=True)

        async def beside() -> None:
            sealer.begin("vault")
            await sealer.close()

        asyncio.run(beside())  # It fails in silence.
    made = desk.seal()
    assert made is not None
    assert made.count == 1
    assert desk.check() == []
