"""The audit log as a file: torn, rotated, cut short, and larger than one would hold."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.logs import tail
from backends.logs.since import CHUNK
from backends.model import AuditEvent, Gap, GapKind, How, TokenRef, not_tracked
from backends.openbao import events
from backends.openbao.audit import AuditIndex
from backends.openbao.mapping import SERVICE, trace

START = datetime(2026, 3, 1, tzinfo=UTC)


def line(number: int, accessor: str = "acc", **more: Any) -> bytes:
    """An entry, ``number`` seconds after the start, in the form of a device without HMACs."""
    at = START + timedelta(seconds=number)
    entry = {
        "time": at.isoformat().replace("+00:00", ".000000400Z"),
        "type": "response",
        "auth": {"accessor": accessor, "display_name": "someone"},
        "request": {
            "id": f"request-{number}",
            "operation": "read",
            "path": "secret/data/x",
            "client_token_accessor": accessor,
            "client_token": f"hmac-sha256:{accessor}",
            "remote_address": "10.0.0.1",
            "namespace": {"id": "root"},
        },
        **more,
    }
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def born(number: int, accessor: str) -> bytes:
    made = {"auth": {"accessor": accessor, "client_token": f"hmac-sha256:{accessor}"}}
    return line(number, "creator", response=made)


def ref(accessor: str = "acc") -> TokenRef:
    return TokenRef("bao", SERVICE, accessor)


def scanned(path: Path) -> AuditIndex:
    log = AuditIndex(path)
    log.expect("", ref())
    log.scan()
    return log


def read(log: AuditIndex, since: datetime, until: datetime | None = None) -> list[AuditEvent | Gap]:
    async def work() -> list[AuditEvent | Gap]:
        return [item async for item in events.stream(log, since, until)]

    return asyncio.run(work())


def ids(found: list[AuditEvent | Gap]) -> list[str]:
    return [item.id for item in found if isinstance(item, AuditEvent)]


def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    whole, torn = line(1), line(2)
    path.write_bytes(whole + torn[:40])
    log = scanned(path)
    use = log.use(ref())
    assert use is not None
    assert use.times == 1
    with path.open("ab") as handle:
        handle.write(torn[40:])
    log.scan()
    assert use.times == 2
    assert log.bad == 0
    assert use.at == START + timedelta(seconds=2)


def test_a_look_up_is_joined_whether_its_answer_or_its_entry_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"

    def look_up(number: int, accessor: str) -> bytes:
        request = {
            "id": f"look-{number}",
            "operation": "update",
            "path": "auth/token/lookup-accessor",
            "client_token_accessor": "console",
            "data": {"accessor": f"hmac-sha256:{accessor}"},
        }
        return line(number, request=request)

    path.write_bytes(look_up(1, "early"))
    log = AuditIndex(path)
    log.scan()
    assert not log.joined(ref("early"))
    log.expect("look-1", ref("early"))
    log.expect("look-2", ref("late"))
    assert log.joined(ref("early"))
    assert not log.joined(ref("late"))
    with path.open("ab") as handle:
        handle.write(look_up(2, "late"))
    log.scan()
    assert log.joined(ref("late"))
    assert log.names() == {f"hmac-sha256:{name}": ref(name) for name in ("early", "late")}


def test_bad_lines_are_one_gap_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    bad = [b"\n", b"{}\n", b'{"time":"x"}\n', b"\xff\xfe\n", b"[" * 5000 + b"\n"]
    bad.append(line(3)[:50] + line(4))
    path.write_bytes(line(1) + b"".join(bad) + line(5))
    log = scanned(path)
    found = read(log, START + timedelta(seconds=1))
    assert ids(found) == ["request-1", "request-5"]
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert gap.kind is GapKind.FAILED
    assert str(len(bad)) in gap.what


def test_a_rotation_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(born(0, "acc") + line(1))
    log = scanned(path)
    with path.open("ab") as server:
        path.rename(tmp_path / "audit.log.1")
        # The server writes into the renamed file until it opens the path anew.
        server.write(line(2))
    path.write_bytes(line(3))
    log.scan()
    use = log.use(ref())
    assert use is not None
    assert use.times == 3
    assert log.holes == 0
    found = read(log, START)
    assert ids(found) == ["request-0", "request-0/created", "request-1", "request-2", "request-3"]
    assert not [item for item in found if isinstance(item, Gap)]


def test_after_two_rotations_at_once_never_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(born(0, "acc") + born(0, "used"))
    log = scanned(path)
    assert trace(log, not_tracked(), ref()).used_at.how is How.NEVER
    path.rename(tmp_path / "audit.log.2")
    (tmp_path / "audit.log.1").write_bytes(line(1, "used"))
    path.write_bytes(line(2, "other"))
    log.scan()
    assert log.holes == 1
    assert trace(log, not_tracked(), ref()).used_at.how is How.NOT_READ
    # What is still there is read all the same.
    assert trace(log, not_tracked(), ref("used")).used_at.value == START + timedelta(seconds=1)
    gaps = [item for item in read(log, START + timedelta(seconds=1)) if isinstance(item, Gap)]
    assert [gap.kind for gap in gaps] == [GapKind.LIMITED]


def test_a_file_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(born(0, "acc") + line(1, "other"))
    log = scanned(path)
    path.write_bytes(line(2))
    log.scan()
    use = log.use(ref())
    assert use is not None
    assert use.times == 1
    assert log.holes == 1


def test_events_before_the_file_begins_are_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(line(100))
    first, event = read(scanned(path), START)
    assert isinstance(first, Gap)
    assert first.kind is GapKind.LIMITED
    assert "2026-03-01 00:01:40" in first.what
    assert isinstance(event, AuditEvent)


def test_events_are_cut_at_both_ends_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    padding = "x" * 1000
    with path.open("wb") as handle:
        for number in range(0, 60_000, 10):
            handle.write(line(number, padding=padding))
            if number % 70 == 0:
                handle.write(b"not an entry\n")
    assert path.stat().st_size > 5 * CHUNK
    log = scanned(path)
    since = START + timedelta(seconds=30_000)
    found = read(log, since, since + timedelta(seconds=101))
    assert ids(found) == [f"request-{number}" for number in range(30_000, 30_101, 10)]
    last = read(log, START + timedelta(seconds=59_985))
    assert ids(last) == ["request-59990"]


def test_a_prefix_before_each_entry_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"@cee: " + line(1))
    assert ids(read(scanned(path), START)) == ["request-1"]


def test_an_endless_line_takes_no_endless_memory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tail, "MAX_LINE", tail.CHUNK)
    path = tmp_path / "audit.log"
    path.write_bytes(b"x" * (5 * tail.CHUNK) + b"\n" + line(1))
    learned: list[bytes] = []
    log = AuditIndex(path)
    monkeypatch.setattr(log, "_learn", learned.append)
    log.scan()
    assert learned == [tail.TOO_LONG, line(1)]
    log = scanned(path)
    assert log.bad == 1
    assert log.use(ref()) is not None


def test_a_file_that_cannot_be_read_any_more_is_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(line(1))
    log = scanned(path)
    really = Path.open

    def refused(self: Path, *args: Any, **more: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return really(self, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(PermissionError):
        log.scan()
    monkeypatch.undo()
    path.rename(tmp_path / "audit.log.1")
    log.scan()  # The server has not opened its new file yet.
    assert log.holes == 0


def test_a_generation_that_cannot_be_read_is_one_hole_however_often_it_is_looked_at(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(line(1))
    (tmp_path / "audit.log.1.gz").write_bytes(b"\x1f\x8b damaged")
    log = scanned(path)
    log.scan()
    log.scan()
    assert log.holes == 1
    found = read(log, START)
    assert ids(found) == ["request-1"]
    assert any("audit.log.1.gz cannot be read" in gap.hint for gap in found if isinstance(gap, Gap))


def test_a_generation_that_was_compressed_is_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    (tmp_path / "audit.log.1.gz").write_bytes(gzip.compress(born(0, "acc") + line(1)))
    path.write_bytes(line(2))
    log = scanned(path)
    assert log.holes == 0
    use = log.use(ref())
    assert use is not None
    assert use.times == 2
    assert ids(read(log, START)) == ["request-0", "request-0/created", "request-1", "request-2"]


def test_a_folder_that_may_not_be_listed_keeps_no_log_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    (tmp_path / "audit.log.1").write_bytes(line(1))
    path.write_bytes(line(2))

    def refused(self: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    log = scanned(path)
    use = log.use(ref())
    assert use is not None
    assert use.times == 2
    assert ids(read(log, START + timedelta(seconds=1))) == ["request-1", "request-2"]
