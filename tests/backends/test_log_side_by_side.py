"""Several logs under one pattern: read side by side, or said not to be."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.logs import tail
from backends.model import GapKind
from backends.postgres import log

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def write(path: Path, role: str, *ago: timedelta) -> None:
    """A server's log of one role's log-ins; it was last written to with the last of them."""
    with path.open("a") as handle:
        for number, span in enumerate(ago):
            at = NOW - span
            entry = {
                "timestamp": f"{at:%Y-%m-%d %H:%M:%S}.000 UTC",
                "user": role,
                "session_id": f"{role}.{at:%H%M}.{number}",
                "line_num": 1,
                "ps": "authentication",
                "error_severity": "LOG",
                "message": f"connection authorized: user={role} database=postgres",
            }
            handle.write(json.dumps(entry) + "\n")
    newest = (NOW - ago[-1]).timestamp()
    os.utime(path, (newest, newest))


def hours(*ago: float) -> list[timedelta]:
    return [timedelta(hours=each) for each in ago]


def read(folder: Path, since: timedelta | None) -> log.LogTail:
    return log.read(folder / "pg-*.json", NOW, None if since is None else NOW - since)


def test_two_servers_that_write_side_by_side_are_both_read(tmp_path: Path) -> None:
    write(tmp_path / "pg-a.json", "ann", *hours(5, 3, 1))
    write(tmp_path / "pg-b.json", "bob", *hours(5, 2, 0.5))
    told = read(tmp_path, timedelta(hours=4))
    seen = {(line.role, line.at) for line in told.lines if line.at >= NOW - timedelta(hours=4)}
    assert seen == {
        ("ann", NOW - timedelta(hours=3)), ("bob", NOW - timedelta(hours=2)),
        ("ann", NOW - timedelta(hours=1)), ("bob", NOW - timedelta(hours=0.5)),
    }  # fmt: skip
    assert list(log.gaps(told, "pg", NOW - timedelta(hours=4), NOW)) == []
    # Also for the last log-in of each role, where no time is asked for.
    assert set(log.logins(read(tmp_path, None))) == {b"ann", b"bob"}


def test_nothing_is_claimed_of_the_time_in_which_only_one_of_them_tells(tmp_path: Path) -> None:
    write(tmp_path / "pg-a.json", "ann", *hours(9, 3, 0.2))
    write(tmp_path / "pg-b.json", "bob", *hours(2, 1, 0.5))
    told = read(tmp_path, timedelta(hours=8))
    (gap,) = log.gaps(told, "pg", NOW - timedelta(hours=8), NOW)
    assert gap.kind is GapKind.LIMITED
    assert gap.until == NOW - timedelta(hours=2), "before that only one of them is there"


def test_files_that_follow_each_other_leave_no_gap(tmp_path: Path) -> None:
    write(tmp_path / "pg-1.json", "ann", *hours(9, 6))
    write(tmp_path / "pg-2.json", "ann", *hours(5, 3))
    write(tmp_path / "pg-3.json", "ann", *hours(2, 1))
    told = read(tmp_path, timedelta(hours=8))
    assert list(log.gaps(told, "pg", NOW - timedelta(hours=8), NOW)) == []
    assert len(told.lines) == 6


def test_of_a_file_for_which_there_is_no_room_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pg-a.json", "ann", *hours(9, 3, 1))
    write(tmp_path / "pg-b.json", "bob", *hours(9, 2, 0.5))
    monkeypatch.setattr(log, "MAX_READ", (tmp_path / "pg-b.json").stat().st_size)
    told = read(tmp_path, timedelta(hours=8))
    assert {line.role for line in told.lines} == {"bob"}
    (gap,) = log.gaps(told, "pg", NOW - timedelta(hours=8), NOW)
    assert gap.until == NOW - timedelta(hours=1), "the other one was written to until then"


def test_a_tail_says_that_a_file_grows_beside_a_later_one(tmp_path: Path) -> None:
    """It goes on in the newest file; that an older one goes on as well is no silence."""
    write(tmp_path / "pg-a.json", "ann", *hours(5, 3))
    write(tmp_path / "pg-b.json", "bob", *hours(5, 2))
    place: tail.Place | None = None

    def look() -> tuple[int, list[tail.Hole]]:
        nonlocal place
        number, holes = 0, []
        for piece in tail.Tail(tmp_path / "pg-*.json").pieces(place):
            number, place = number + len(piece.records), piece.place
            holes += piece.holes
        return number, holes

    assert look() == (4, [])
    write(tmp_path / "pg-b.json", "bob", *hours(1))
    assert look() == (1, []), "the newest one goes on as it should"
    write(tmp_path / "pg-a.json", "ann", *hours(0.5))
    number, (hole,) = look()
    assert number == 0
    assert (hole.kind, hole.until) == ("missing", NOW - timedelta(hours=0.5))
    assert hole.what.startswith("pg-a.json is written to beside a later one")
    assert "a source of its own" in hole.hint
    assert look() == (0, []), "it is said once of what was written"
    write(tmp_path / "pg-a.json", "ann", *hours(0.2))
    write(tmp_path / "pg-b.json", "bob", *hours(0.1))
    number, (hole,) = look()
    assert (number, hole.until) == (1, NOW - timedelta(hours=0.2))
