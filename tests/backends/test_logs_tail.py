"""A log is read once: across rotations of every kind, and wherever reading was broken off."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.errors import Forbidden, NotFound
from backends.logs import tail
from backends.logs.source import Hole
from backends.logs.tail import Place, Tail, csv_records


class Reader:
    """Keeps what it read and the place together, as a transaction would."""

    def __init__(self, path: Path, split: tail.Split = tail.lines) -> None:
        self.path = path
        self.split = split
        self.place: bytes | None = None
        self.lines: list[bytes] = []
        self.holes: list[Hole] = []
        self.bad = 0

    def look(self, most: int | None = None) -> None:
        """One look, broken off after some pieces: what was not kept by then is lost."""
        place = msgspec.json.decode(self.place, type=Place) if self.place else None
        for number, piece in enumerate(Tail(self.path, self.split).pieces(place)):
            if number == most:
                return
            self.lines += [line for _, line in piece.records]
            self.holes += piece.holes
            self.bad += piece.bad
            self.place = msgspec.json.encode(piece.place)


def lines(start: int, count: int) -> list[bytes]:
    return [b"%08d %s\n" % (n, b"x" * (n * 7919 % 90)) for n in range(start, start + count)]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as handle:
        handle.write(data)


def shift(path: Path, *, packed: bool) -> None:
    """Give every older generation the next number, as logrotate does."""
    for number in range(9, 0, -1):
        for ending in ("", ".gz"):
            old = path.with_name(f"{path.name}.{number}{ending}")
            if old.exists():
                old.rename(path.with_name(f"{path.name}.{number + 1}{ending}"))
    second = path.with_name(f"{path.name}.2")
    if packed and second.exists():
        with gzip.open(f"{second}.gz", "wb") as out:
            out.write(second.read_bytes())
        second.unlink()


def rename(path: Path, *, packed: bool = True) -> None:
    if path.exists():
        shift(path, packed=packed)
        path.rename(path.with_name(f"{path.name}.1"))
        path.touch()


def copytruncate(path: Path, *, packed: bool = True) -> None:
    if path.exists():
        shift(path, packed=packed)
        shutil.copy2(path, path.with_name(f"{path.name}.1"))
        os.truncate(path, 0)


@pytest.mark.parametrize("rotate", [rename, copytruncate])
def test_a_thousand_places_to_break_off(
    tmp_path: Path, rotate: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "CHUNK", 300)
    truth = lines(0, 240)
    text = b"".join(truth)
    rotations = [len(b"".join(truth[:n])) for n in (60, 110, 111, 190)]
    dice = random.Random(5)
    for cut in range(0, len(text), max(1, len(text) // 520)):
        place = tmp_path / f"{cut}"
        place.mkdir()
        path = place / "audit.log"
        reader = Reader(path)
        written = 0
        # Torn in the middle of a line at `cut`; rotated where whole lines end.
        for stop in sorted({*rotations, cut, len(text)}):
            append(path, text[written:stop])
            written = stop
            if path.exists():
                reader.look(most=dice.randrange(4))
            if stop in rotations:
                rotate(path)
                reader.look(most=dice.randrange(6))
        reader.look()
        reader.look()
        assert reader.lines == truth, cut
        assert reader.holes == []
        assert reader.bad == 0
        shutil.rmtree(place)


def test_what_was_written_after_the_rename_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(path, b"".join(lines(0, 3)))
    reader = Reader(path)
    reader.look()
    path.rename(tmp_path / "audit.log.1")
    append(tmp_path / "audit.log.1", lines(3, 1)[0])
    reader.look()
    append(path, lines(4, 1)[0])
    reader.look()
    assert reader.lines == lines(0, 5)
    assert reader.holes == []


def test_a_generation_that_is_gone_is_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(path, b"".join(lines(0, 3)))
    reader = Reader(path)
    reader.look()
    for start in (3, 6, 9):
        rename(path, packed=False)
        append(path, b"".join(lines(start, 3)))
    (tmp_path / "audit.log.2").unlink()
    reader.look()
    assert reader.lines == [*lines(0, 3), *lines(6, 6)]
    assert [hole.kind for hole in reader.holes] == ["missing"]
    assert "2" in reader.holes[0].what


def test_a_log_that_was_cut_short_is_a_hole_and_not_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(path, b"".join(lines(0, 50)))
    reader = Reader(path)
    reader.look()
    path.write_bytes(b"".join(lines(50, 5)))
    reader.look()
    reader.look()
    assert reader.lines == lines(0, 55)
    assert [hole.kind for hole in reader.holes] == ["missing"]


def test_a_rewritten_log_with_the_same_beginning_is_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(path, b"".join(lines(0, 20)))
    reader = Reader(path)
    reader.look()
    path.write_bytes(b"".join(lines(0, 1) + lines(100, 40)))
    reader.look()
    assert [hole.kind for hole in reader.holes] == ["truncated"]
    assert reader.lines[20:] == lines(0, 1) + lines(100, 40)


def test_a_damaged_copy_is_a_hole_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    packed = gzip.compress(b"".join(lines(0, 4000)))
    (tmp_path / "audit.log.2.gz").write_bytes(packed[: len(packed) // 2])
    append(tmp_path / "audit.log.1", b"".join(lines(4000, 5)))
    append(path, b"".join(lines(4005, 5)))
    reader = Reader(path)
    reader.look()
    assert reader.lines[-10:] == lines(4000, 10)
    assert [hole.kind for hole in reader.holes] == ["unreadable"]
    reader.look()
    assert reader.lines[-10:] == lines(4000, 10)


def test_a_torn_end_of_an_old_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(tmp_path / "audit.log.1", b"".join(lines(0, 3)) + b"torn")
    append(path, b"".join(lines(3, 3)))
    reader = Reader(path)
    reader.look()
    assert (reader.lines, reader.bad) == (lines(0, 6), 1)


@pytest.mark.parametrize(
    "names",
    [
        ("audit.log-20261122", "audit.log-20261123.gz", "audit.log"),
        ("audit-2026-11-22T01-00-00.000.log", "audit-2026-11-23T01-00-00.000.log", "audit.log"),
    ],
)
def test_dated_siblings_are_read_in_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        data = b"".join(lines(number * 3, 3))
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "audit.log.bak").write_bytes(b"not ours\n")
    reader = Reader(tmp_path / "audit.log")
    reader.look()
    assert reader.lines == lines(0, 9)


def test_a_pattern_follows_the_newest_file(tmp_path: Path) -> None:
    append(tmp_path / "pg-1.csv", b"a,1\n")
    reader = Reader(tmp_path / "pg-*.csv")
    reader.look()
    append(tmp_path / "pg-1.csv", b"a,2\n")
    append(tmp_path / "pg-2.csv", b"b,1\n")
    reader.look()
    assert reader.lines == [b"a,1\n", b"a,2\n", b"b,1\n"]


def test_records_of_csv_end_outside_of_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "CHUNK", 7)
    records = [b'1,"two\nlines ""quoted"" here\n",x\n', b"2,plain,x\n", b'3,"a,\n\nb",x\n']
    path = tmp_path / "log.csv"
    reader = Reader(path, csv_records)
    for byte in b"".join(records):
        append(path, bytes([byte]))
        reader.look()
    assert reader.lines == records


def test_a_log_that_is_not_there_or_closed_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Reader(tmp_path / "none.log").look()
    append(tmp_path / "closed.log", b"line\n")

    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "opened", refuse)
        with pytest.raises(Forbidden):
            Reader(tmp_path / "closed.log").look()


def test_lines_between_a_copy_and_its_truncation_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    append(path, b"".join(lines(0, 5)))
    reader = Reader(path)
    shutil.copy2(path, tmp_path / "audit.log.1")
    append(path, lines(5, 1)[0])
    reader.look()
    os.truncate(path, 0)
    reader.look()
    append(path, b"".join(lines(6, 4)))
    reader.look()
    assert reader.lines == lines(0, 10)
    assert reader.holes == []
