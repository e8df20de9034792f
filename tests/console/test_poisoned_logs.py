"""One bad entry, file or folder is a hole where its own log stops, and the rest is read."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace
from scripted import NOW, token
from timeline_world import T0, World, append, line

from backends.lab.moto import MotoServer
from backends.logs import bucket, registry
from backends.logs.shelf import Item, Shelf
from backends.logs.source import Source
from backends.model import AuditEvent, EventClass, TokenRef
from console.timeline.ingest import IngestReport
from console.timeline.since import since
from console.timeline.view import Timeline

KEY = "AKIAEXAMPLE000000001"
DAY = NOW.strftime("%Y/%m/%d")
FOREVER = ("9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00")
"""Dates that are none, or that no log can have: the last has no moment in UTC at all."""


class Shell(World):
    """A console whose one backend issues access keys, and has no log of its own."""

    def trail(self, folder: Path, **options: Any) -> Source:
        table = {"type": "cloudtrail_files", "backend": "vault", "path": str(folder)}
        return registry.configure("trail", {**table, "covers": "uses", **options})

    def read(self, folder: Path) -> IngestReport:
        return self.ingest(self.trail(folder))

    def holes(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT since, until, kind, what FROM log_hole ORDER BY since")


def key() -> Any:
    return replace(token("k"), ref=TokenRef("vault", "access-key", KEY))


def stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(at: Any, id_: Any = None, **more: Any) -> dict[str, Any]:
    when = stamp(at) if isinstance(at, int | float) else at
    return {
        "eventID": id_ or f"id-{when}-{more.get('awsRegion', '')}", "eventTime": when,
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "eu-west-1",
        "sourceIPAddress": "192.0.2.7", "userAgent": "a", "userIdentity": {"accessKeyId": KEY},
        **more,
    }  # fmt: skip


def delivered(folder: Path, region: str, at: float, *records: Any) -> Path:
    """A log file as CloudTrail names it, delivered at a moment."""
    when = datetime.fromtimestamp(at, UTC)
    place = folder / region / when.strftime("%Y/%m/%d")
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"123456789012_CloudTrail_{region}_{when:%Y%m%dT%H%MZ}_x.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))
    return path


def sentence(world: World, leak: float) -> str:
    handle = key().ref.handle
    with Timeline(world.paths.inventory, [handle], clock=world.clock) as timeline:
        return since(timeline, T0 + int(leak)).sentence


def test_a_damaged_files_hole_lies_where_its_region_stops(tmp_path: Path) -> None:
    """Three regions: the last file of one is cut short, the others' are read before and after."""
    world = Shell(tmp_path / "home", key())
    trail = tmp_path / "trail"
    # Later than what is read of the damaged one: its hole does not begin there.
    delivered(trail, "ap-south-1", T0 + 14 * 3600 + 1200, record(T0 + 14 * 3600 + 1080))
    delivered(trail, "eu-west-1", T0 + 14 * 3600, record(T0 + 14 * 3600 - 120))
    cut = delivered(trail, "eu-west-1", T0 + 15 * 3600, record(T0 + 15 * 3600 - 120))
    cut.write_bytes(cut.read_bytes()[:60])
    delivered(trail, "us-east-1", T0 + 10 * 3600, record(T0 + 10 * 3600 - 120))
    delivered(trail, "us-east-1", T0 + 15 * 3600 + 1200, record(T0 + 15 * 3600 + 1080))
    report = world.read(trail)
    assert (report.taken, report.holes, report.message) == (4, 1, "")
    wanted = (T0 + 14 * 3600 - 120, T0 + 15 * 3600 + 60)
    ((since_, until, kind, what),) = world.holes()
    assert (since_, until, kind) == (*wanted, "unreadable")
    assert cut.name in what
    # It stays there when more is delivered, and when it is looked at again.
    delivered(trail, "eu-west-1", T0 + 16 * 3600, record(T0 + 16 * 3600 - 120))
    os.utime(cut, (T0, T0))
    world.read(trail)
    assert [hole[:2] for hole in world.holes()] == [wanted]
    assert "there may be more" in sentence(world, 13 * 3600)
    # When the whole file comes, it is read, and the hole goes.
    delivered(trail, "eu-west-1", T0 + 15 * 3600, record(T0 + 15 * 3600 - 120))
    assert world.read(trail).taken == 1
    assert world.holes() == []


def test_records_of_no_possible_time_are_a_hole_and_move_no_clock(tmp_path: Path) -> None:
    world = Shell(tmp_path / "home", key())
    trail = tmp_path / "trail"
    poison = [record(date, f"poison-{date}") for date in (*FOREVER, "2026-11-22 03:00:00", 17)]
    odd = [record(T0, {"not": "an id"}), "text", None, [], {"userIdentity": None}]
    types = record(T0 + 60, "odd", eventName=["x"], userAgent=None, resources=3, errorCode={})
    delivered(trail, "eu-west-1", T0 + 600, *poison, *odd, types, record(T0 + 120))
    delivered(trail, "us-east-1", T0 + 3600, record(T0 + 3500))
    report = world.read(trail)
    assert (report.taken, report.message) == (3, "")
    ((since_, until, kind, what),) = world.holes()
    assert (since_, until, kind) == (T0 - 240, T0 + 660, "unreadable")
    assert "10 records of" in what
    ((first, last, ahead),) = world.rows("SELECT covers_since, last_at, ahead_ms FROM log_source")
    assert (first, last, ahead) == (T0 + 60, T0 + 3500, 0)
    assert world.rows("SELECT agent FROM event WHERE event_id = 'odd'") == [("",)]


def test_a_file_that_may_not_be_read_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Shell(tmp_path / "home", key())
    trail = tmp_path / "trail"
    locked = delivered(trail, "eu-west-1", T0 + 600, record(T0 + 100))
    delivered(trail, "eu-west-1", T0 + 1200, record(T0 + 1100))
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        for _ in range(2):
            report = world.read(trail)
            assert report.message == ""
            ((since_, until, _, what),) = world.holes()
            assert (since_, until) == (T0 + 600 + 60 - 900, T0 + 660)
            assert "Permission denied" in what
        assert world.rows("SELECT count(*) FROM event") == [(1,)]
        assert "there may be more" in sentence(world, 0)
    assert world.read(trail).taken == 1
    assert world.holes() == []


@pytest.mark.parametrize(
    "trouble",
    [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file or directory")],
)
def test_a_folder_that_cannot_be_looked_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: OSError
) -> None:
    world = Shell(tmp_path / "home", key())
    trail = tmp_path / "trail"
    inside = delivered(trail, "eu-west-1", T0 + 600, record(T0 + 100))
    delivered(trail, "us-east-1", T0 + 600, record(T0 + 150))
    scandir = os.scandir

    def vanish(path: Any) -> Any:
        if Path(path) == inside.parent:
            raise trouble
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", vanish)
        for _ in range(2):
            report = world.read(trail)
            assert (report.message, report.holes) == ("", 1)
        ((since_, until, kind, what),) = world.holes()
        assert since_ < T0 + 100 < until
        assert kind == "unreadable"
        assert str(trouble.strerror) in what
        assert "there may be more" in sentence(world, 0)
    assert world.read(trail).taken == 1
    assert world.holes() == []


class _Client:
    """What ``Bucket`` asks of S3, with one object that may not be got."""

    def __init__(self, objects: dict[str, bytes], refused: set[str]) -> None:
        self.objects, self.refused = objects, refused

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {
            "Contents": [
                {"Key": name, "Size": len(data), "ETag": str(hash(data)),
                 "LastModified": datetime.fromtimestamp(T0 + 900, UTC)}
                for name, data in self.objects.items()
            ]
        }  # fmt: skip

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key in self.refused:
            error = {"Error": {"Code": "AccessDenied", "Message": "no"}}
            raise ClientError({**error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "GetObject")  # type: ignore[arg-type]
        import io

        return {"Body": io.BytesIO(self.objects[Key])}


def test_an_object_that_may_not_be_got_does_not_stop_the_bucket(tmp_path: Path) -> None:
    world = Shell(tmp_path / "home", key())
    objects = {
        f"AWSLogs/{number}.json": json.dumps({"Records": [record(T0 + number)]}).encode()
        for number in (1, 2, 3)
    }
    client = _Client(objects, {"AWSLogs/1.json"})

    class Shelved(bucket.Bucket):
        def __init__(self) -> None:
            self._bucket, self._prefix, self._client = "b", "", client

        def close(self) -> None:
            pass

    def read() -> IngestReport:
        source = world.trail(tmp_path)
        source.shelf = Shelved  # type: ignore[attr-defined]
        return world.ingest(source)

    for _ in range(2):
        report = read()
        assert report.message == ""
        assert world.rows("SELECT count(*) FROM event") == [(2,)]
        ((since_, until, _, what),) = world.holes()
        assert (since_, until) == (None, T0 + 900), "nothing is known of what was before it"
        assert "needs s3:GetObject" in what
    client.refused.clear()
    assert read().taken == 1
    assert world.holes() == []


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path / "aws")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.lab
def test_poison_in_a_real_bucket_is_a_hole_and_the_rest_is_read(
    moto: MotoServer, tmp_path: Path
) -> None:
    """S3's own protocol: what was archived, what is cut short, and dates that are none."""
    moto.iam.create_user(UserName="trail")
    moto.allow("trail", "s3:ListBucket", "s3:GetObject")
    moto.keep("trail", moto.key("trail").text)
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="the-trail")
    world = Shell(tmp_path / "home", key())

    def put(name: str, *records: Any, cut: int | None = None, **more: Any) -> None:
        body = gzip.compress(json.dumps({"Records": records}).encode())[:cut]
        s3.put_object(Bucket="the-trail", Key=f"AWSLogs/{name}.json.gz", Body=body, **more)

    def read() -> IngestReport:
        table = {
            "type": "cloudtrail_s3", "backend": "vault", "bucket": "the-trail",
            "prefix": "AWSLogs/", "endpoint_url": moto.endpoint, "covers": "uses",
            "read": {"file": str(moto.home / "trail")},
        }  # fmt: skip
        return world.ingest(registry.configure("trail", table))

    put("1", record(T0 + 1))
    put("2", record(T0 + 2), StorageClass="GLACIER")
    put("3", record(T0 + 3), cut=40)
    put("4", *(record(date, f"poison-{date}") for date in FOREVER), record(T0 + 4))
    put("5", record(T0 + 5))
    s3.put_object(Bucket="the-trail", Key="AWSLogs/6.json", Body=b"not json")
    for turn in range(2):
        report = read()
        assert report.message == "", "one bad object is not the source's trouble"
        assert report.taken == (0 if turn else 3)
        at = {row[0] for row in world.rows("SELECT at FROM event")}
        assert at == {T0 + 1, T0 + 4, T0 + 5}
        told = " ".join(hole[3] for hole in world.holes())
        for number in ("2.json.gz", "3.json.gz", "4.json.gz", "6.json"):
            assert number in told, told
        assert "there may be more" in sentence(world, 0)
    # What is mended is read at the next look, and its hole goes; the dates stay poison.
    put("2", record(T0 + 2))
    put("3", record(T0 + 3))
    s3.delete_object(Bucket="the-trail", Key="AWSLogs/6.json")
    assert read().taken == 2
    told = " ".join(hole[3] for hole in world.holes())
    assert "2.json.gz" not in told
    assert "3.json.gz" not in told
    assert "4.json.gz" in told


def test_a_bucket_that_is_down_is_no_heap_of_holes(tmp_path: Path) -> None:
    """A trouble with everything is told as one, and is gone on from at the next look."""
    from backends.errors import Unreachable

    class Down(Shelf):
        def items(self) -> Iterator[Item]:
            yield Item("1.json", "1")
            yield Item("2.json", "2")

        def get(self, name: str) -> bytes:
            raise Unreachable("no connection")

    world = Shell(tmp_path / "home", key())
    source = world.trail(tmp_path)
    source.shelf = Down  # type: ignore[attr-defined]
    report = world.ingest(source)
    assert "no connection" in report.message
    assert world.holes() == []
    assert world.rows("SELECT covers_until FROM log_source") == [(None,)]


@pytest.mark.parametrize("date", FOREVER)
def test_a_line_of_no_possible_time_is_a_hole_between_its_neighbours(
    tmp_path: Path, date: str
) -> None:
    world = World(tmp_path, token("a"))
    append(world.log, line(0), {**line(5), "t": date}, line(60), line(120))
    report = world.ingest()
    assert (report.taken, report.bad, report.message) == (3, 1, "")
    assert world.rows("SELECT since, until, kind FROM log_hole") == [(T0, T0 + 60, "unreadable")]
    ((first, last, ahead, back),) = world.rows(
        "SELECT covers_since, last_at, ahead_ms, back_ms FROM log_source"
    )
    assert (first, last, ahead, back) == (T0, T0 + 120, 0, 0)


def test_an_event_of_a_backend_that_has_no_possible_time_is_a_hole(tmp_path: Path) -> None:
    world = World(tmp_path, token("a"))
    for date in (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)):
        poison = AuditEvent(
            id=str(date), at=date, action="x", sort=EventClass.USE, token=token("a").ref
        )
        world.events(poison)
    assert world.rows("SELECT count(*) FROM event") == [(0,)]
    with world.timeline("a") as timeline:
        found = since(timeline, T0)
    assert not found.sure
    assert "this is no proof" in found.sentence


@pytest.mark.parametrize("suffix", ["", ".1"])
def test_a_generation_that_may_not_be_read_is_a_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """The live file and an older one: each is told, and what can be read is read."""
    world = World(tmp_path, token("a"))
    for number, name in ((0, ".2"), (100, ".1"), (200, "")):
        path = tmp_path / f"audit.log{name}"
        append(path, line(number), line(number + 50))
        os.utime(path, (T0 + number + 60, T0 + number + 60))
    locked = tmp_path / f"audit.log{suffix}"
    opened = Path.open

    def refuse(path: Path, *words: Any, **more: Any) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return opened(path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        for _ in range(2):
            assert world.ingest().message == ""
            ((since_, until, what),) = world.rows("SELECT since, until, what FROM log_hole")
        assert "Permission denied" in what
        if suffix:
            assert (since_, until) == (T0 + 50, T0 + 160)
        else:
            assert (since_, until) == (T0 + 150, None), "it goes on to this day"
        with world.timeline("a") as timeline:
            assert not since(timeline, T0).sure
        assert world.rows("SELECT count(*) FROM event") == [(4,)]
    world.ingest()
    if not suffix:
        # The live one is read when it can be, and nothing is missing any more.
        assert world.rows("SELECT count(*) FROM event") == [(6,)]
        assert world.rows("SELECT * FROM log_hole") == []
