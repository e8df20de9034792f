"""One line that cannot be read is told of as one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.logs import registry
from backends.logs.source import Hole
from backends.postgres import log

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ODD = b"no json\n"
ENTRY = b'{"timestamp": "2026-11-24 11:00:00.000 UTC", "message": "x"}\n'
FAR = b'{"timestamp": "2026-11-24 11:00:00.000 CET", "message": "x"}\n'


@pytest.mark.parametrize(("number", "said"), [(1, "1 line: "), (2, "2 lines: ")])
@pytest.mark.parametrize(("odd", "why"), [(ODD, "no whole entry"), (FAR, "time in the zone 'CET'")])
def test_lines_that_cannot_be_read_are_counted_as_they_are(
    tmp_path: Path, number: int, said: str, odd: bytes, why: str
) -> None:
    path = tmp_path / "pg.json"
    path.write_bytes(ENTRY + odd * number + ENTRY)
    source = registry.configure("pg", {"type": "postgres_log", "path": str(path), "backend": "pg"})
    holes: list[Hole] = [hole for batch in source.read({}, {}) for hole in batch.holes]
    assert [hole.what[: len(said + why)] for hole in holes] == [said + why]
    (stretch,) = log.read(path, NOW).odd
    assert stretch.words.startswith(said + why)
