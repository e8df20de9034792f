"""What each log format says, with fields that somebody made to hurt."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.errors import ConfigError
from backends.logs import registry
from backends.logs.postgres import COLUMNS
from backends.logs.source import Batch, Source, instant
from backends.model import AuditEvent, Effect, EventClass, TokenRef

HOSTILE = "\x1b[2J[bold red]\u202eevil\nname\x00"
AT = datetime(2026, 11, 24, 3, 12, tzinfo=UTC)


def source(type_: str, path: Path, **options: Any) -> Source:
    return registry.configure("src", {"type": type_, "backend": "b", "path": str(path), **options})


def batches(given: Source) -> list[Batch]:
    return list(given.read({}, {}))


def events(given: Source) -> list[AuditEvent]:
    return [event for batch in batches(given) for event in batch.events]


def put(path: Path, *entries: Any) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "eventID": f"e-{number}",
        "eventTime": f"2026-11-24T03:12:{number:02}Z",
        "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "curl/8",
        "userIdentity": {"accessKeyId": "AKIAEXAMPLE000000001", "arn": "arn:aws:iam::1:user/x"},
        "resources": [{"ARN": "arn:aws:s3:::data/x"}],
        **fields,
    }


def trail_file(folder: Path, name: str, *records: Any) -> tuple[str, str]:
    data = json.dumps({"Records": records}).encode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(data))
    return name, hashlib.sha256(data).hexdigest()


def test_cloudtrail_files_of_a_folder(tmp_path: Path) -> None:
    trail_file(
        tmp_path / "eu",
        "a.json.gz",
        record(1),
        record(2, errorCode="AccessDenied", userAgent=HOSTILE),
        record(3, eventName="DeleteAccessKey", eventSource="iam.amazonaws.com",
               requestParameters={"accessKeyId": "AKIAEXAMPLE000000002"}),
        {"no": "record"},
        "neither",
    )  # fmt: skip
    (tmp_path / "b.json.gz").write_bytes(b"\x1f\x8bdamaged")
    given = source("cloudtrail_files", tmp_path)
    found = events(given)
    assert [(event.id, event.action, event.outcome) for event in found] == [
        ("e-1", "s3:GetObject", "ok"),
        ("e-2", "s3:GetObject", "denied"),
        ("e-3", "iam:DeleteAccessKey", "ok"),
        ("e-3/signed", "iam:DeleteAccessKey", "ok"),
    ]
    # Whoever ends a key with another has used the other.
    assert [(event.sort, event.effect) for event in found] == [
        (EventClass.USE, Effect.UNSAID),
        (EventClass.DENIED, Effect.UNSAID),
        (EventClass.LIFE, Effect.REVOKED),
        (EventClass.USE, Effect.UNSAID),
    ]
    assert found[3].token == TokenRef("b", "access-key", "AKIAEXAMPLE000000001")
    assert found[0].token == TokenRef("b", "access-key", "AKIAEXAMPLE000000001")
    assert found[2].token == TokenRef("b", "access-key", "AKIAEXAMPLE000000002")
    assert (found[0].source, found[0].target) == ("203.0.113.7", "arn:aws:s3:::data/x")
    assert found[1].agent == HOSTILE
    told = batches(given)
    assert sum(batch.bad for batch in told) == 3
    holes = [hole for batch in told for hole in batch.holes]
    assert [hole.kind for hole in holes] == ["unreadable", "unreadable"]
    assert "b.json.gz is no whole log file" in holes[0].what
    assert "2 records of a.json.gz: none" in holes[1].what


def test_cloudtrail_files_are_taken_once_and_again_when_they_change(tmp_path: Path) -> None:
    trail_file(tmp_path, "a.json.gz", record(1))
    given = source("cloudtrail_files", tmp_path)
    places = {batch.file: batch.state for batch in given.read({}, {})}
    assert list(given.read(places, {})) == []
    trail_file(tmp_path, "b.json.gz", record(2))
    assert [batch.file for batch in given.read(places, {})] == ["b.json.gz"]


def test_a_cloudtrail_file_that_was_delivered_and_is_gone_is_a_hole(tmp_path: Path) -> None:
    whole = trail_file(tmp_path, "a.json.gz", record(1))
    changed = trail_file(tmp_path, "b.json.gz", record(2))
    trail_file(tmp_path, "b.json.gz", record(3))
    listed = [*(whole, changed), ("removed.json.gz", "00")]
    digest = {
        "digestStartTime": "2026-11-24T03:00:00Z",
        "digestEndTime": "2026-11-24T04:00:00Z",
        "logFiles": [{"s3Object": f"AWSLogs/1/{name}", "hashValue": sum_} for name, sum_ in listed],
    }
    (tmp_path / "1_CloudTrail-Digest_x.json.gz").write_bytes(
        gzip.compress(json.dumps(digest).encode())
    )
    holes = [
        hole for batch in batches(source("cloudtrail_files", tmp_path)) for hole in batch.holes
    ]
    assert [(hole.kind, hole.what.split()[0]) for hole in holes] == [
        ("unreadable", "b.json.gz"),
        ("missing", "removed.json.gz"),
    ]
    assert holes[1].since == datetime(2026, 11, 24, 3, tzinfo=UTC)


def entry(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "timestamp": f"2026-11-24 03:12:{number:02}.250 UTC",
        "user": "ledger_rw",
        "dbname": "ledger",
        "pid": 17,
        "remote_host": "10.0.0.9",
        "session_id": "6743.11",
        "line_num": number,
        "error_severity": "LOG",
        "application_name": "psql",
        "message": "connection authorized: user=ledger_rw database=ledger application_name=psql",
        **fields,
    }


POSTGRES = (
    entry(1),
    entry(
        2,
        session_id="6743.12",
        error_severity="FATAL",
        state_code="28P01",
        message="password authentication failed",
    ),
    entry(3, message="statement: ALTER ROLE x PASSWORD 'hunter2'\n, y", user='odd "name,\n'),
    entry(4, message="checkpoint starting"),
)


def test_postgres_says_the_same_in_both_of_its_forms(tmp_path: Path) -> None:
    put(tmp_path / "pg.json", *POSTGRES)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for one in POSTGRES:
        host = f"{one['remote_host']}:5123"
        writer.writerow([{**one, "remote_host": host}.get(name, "") for name in COLUMNS])
    (tmp_path / "pg.csv").write_text(out.getvalue())
    as_json = events(source("postgres_log", tmp_path / "pg.json"))
    as_csv = events(source("postgres_log", tmp_path / "pg.csv"))

    def told(found: list[AuditEvent]) -> list[dict[str, Any]]:
        return [{**msgspec.structs.asdict(event), "origin": ""} for event in found]

    assert told(as_json) == told(as_csv)
    assert [(event.action, event.outcome) for event in as_csv] == [
        ("login", "ok"), ("login", "denied"), ("ALTER ROLE", "ok"),
    ]  # fmt: skip
    assert as_csv[0].token == TokenRef("b", "login-role", "ledger_rw")
    assert "hunter2" not in as_csv[2].detail


def test_postgres_in_another_zone_is_a_hole_and_no_guess(tmp_path: Path) -> None:
    path = put(
        tmp_path / "pg.json", entry(1), entry(2, timestamp="2026-11-24 04:12:02 CET"), entry(3)
    )
    (batch,) = batches(source("postgres_log", path))
    assert (len(batch.events), batch.bad) == (2, 1)
    (hole,) = batch.holes
    assert (hole.since, hole.until) == (batch.events[0].at, batch.events[1].at)


def audit(stage: str, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": "id-1",
        "stage": stage,
        "verb": "get",
        "requestURI": "/api/v1/namespaces/pay/secrets/db?token=abc",
        "user": {"username": "system:serviceaccount:pay:api"},
        "sourceIPs": ["10.1.2.3", "10.0.0.1"],
        "userAgent": "kubectl",
        "objectRef": {"namespace": "pay", "resource": "secrets", "name": "db"},
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-24T03:12:00.000001Z",
        "stageTimestamp": "2026-11-24T03:12:01.000000Z",
        **fields,
    }


def test_kubernetes(tmp_path: Path) -> None:
    jti = {"authentication.kubernetes.io/credential-id": ["JTI=1234"]}
    path = put(
        tmp_path / "audit.log",
        audit("RequestReceived"),
        audit("ResponseComplete"),
        audit("ResponseComplete", auditID="id-2", responseStatus={"code": 403},
              user={"username": HOSTILE, "extra": jti}),
        {"kind": "EventList", "items": [audit("Panic", auditID="id-3"), 7, {}]},
        {"kind": "Event"},
        [1, 2],
    )  # fmt: skip
    found = events(source("kubernetes_audit", path))
    assert [(event.id, event.outcome) for event in found] == [
        ("id-1", "ok"), ("id-2", "denied"), ("id-3", "ok"),
    ]  # fmt: skip
    name = "system:serviceaccount:pay:api"
    assert found[0].token == TokenRef("b", "service-account", name)
    assert found[1].token == TokenRef("b", "service-account", "1234")
    assert (found[0].source, found[0].target) == ("10.1.2.3", "pay/secrets/db")


MAP = {"kind": "key", "at": "t", "action": "req.0.do", "token": "who.key", "outcome": "status"}


def test_json_lines_with_a_map(tmp_path: Path) -> None:
    def line(at: Any, status: Any) -> dict[str, Any]:
        return {"t": at, "req": [{"do": "read"}], "who": {"key": "k1"}, "status": status}

    path = put(
        tmp_path / "any.log",
        line("2026-11-24T04:12:00+01:00", 200),
        line(AT.timestamp(), "Denied"),
        line(AT.timestamp() * 1000, 503),
        line(AT.timestamp() * 1e9, 401),
        line("yesterday", 200),
        line("2026-11-24T03:12:00", 200),
        line(1e300, 200),
        {"t": AT.isoformat()},
        "text",
    )
    with path.open("ab") as handle:
        handle.write(b"{" * 100_000 + b"\n\xff\xfe\n")
    found = events(source("json_lines", path, **MAP))
    assert [event.outcome for event in found] == ["ok", "denied", "error", "denied", "ok"]
    assert {event.at for event in found} == {AT}
    assert found[0].token == TokenRef("b", "key", "k1")
    assert found[4].token is None
    assert len({event.id for event in found}) == 5


def test_the_same_words_twice_are_two_events_and_a_copy_is_none(tmp_path: Path) -> None:
    line = {"t": AT.isoformat(), "req": [{"do": "read"}]}
    path = put(tmp_path / "any.log", line, line)
    ids = [event.id for event in events(source("json_lines", path, **MAP))]
    assert len(set(ids)) == 2
    path.rename(tmp_path / "any.log.1")
    put(path, {**line, "status": 1})
    assert [event.id for event in events(source("json_lines", path, **MAP))][:2] == ids


@pytest.mark.parametrize(
    ("table", "option"),
    [
        ({"type": "nothing", "backend": "b"}, "type"),
        ({"type": "json_lines", "path": "x"}, "backend"),
        ({"type": "json_lines", "backend": "b", "path": "x", "kind": "k", "at": "t"}, "action"),
        ({"type": "json_lines", "backend": "b", "path": "x", **MAP, "actor": "a..b"}, "actor"),
        ({"type": "openbao_file", "backend": "b", "path": "x", "pth": "y"}, "pth"),
        ({"type": "cloudtrail_s3", "backend": "b", "bucket": "x"}, "read"),
        ({"type": "postgres_log", "backend": "b", "path": "x", "format": "xml"}, "format"),
    ],
)
def test_a_wrong_configuration_names_the_option(table: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.configure("src", table)
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (AT.timestamp(), AT),
        (str(AT.timestamp()), AT),
        ("2026-11-24T03:12:00Z", AT),
        (True, None),
        (None, None),
        ("", None),
        ("nan", None),
        (float("inf"), None),
        (-1e18, None),
        ([], None),
    ],
)
def test_times(value: Any, wanted: datetime | None) -> None:
    assert instant(value) == wanted
