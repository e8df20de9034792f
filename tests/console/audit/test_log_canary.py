"""A canary in every place of every kind of log: nothing of it is in the store afterwards."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, token
from timeline_world import LINES, T0, World, append

from backends.logs import registry
from backends.logs.postgres import COLUMNS
from backends.model import AuditEvent, EventClass, TokenRef
from console.timeline import events

BARE = "Xq7canary9Zt3Lw8Pb2Rm5"
"""A value without a form of its own."""
CANARIES = (
    "hvs.CAESIcanary7Zt3Lw8Pb2Rm5Kd1Vn4",
    "s.canary7Zt3Lw8Pb2Rm5Kd1Vn4",
    "ghp_canary7Zt3Lw8Pb2Rm5Kd1Vn4Ys6Jh0Gf",
    "eyJhbGciOiJub25lIn0.eyJjYW5hcnkiOiJ4In0.c2lnbmF0dXJl",
    BARE,
)
FORMED = CANARIES[:4]
ISO = NOW.isoformat().replace("+00:00", "Z")


def lines(path: Path, *entries: Any) -> None:
    append(path, *entries)


def openbao(path: Path) -> dict[str, Any]:
    """What a device with ``log_raw`` writes, whatever form the values have."""
    found = []
    for number, value in enumerate(CANARIES):
        auth = {"accessor": f"acc{number}", "client_token": value, "display_name": "x"}

        def entry(
            name: str, call: str, auth: dict[str, Any] = auth, value: str = value, **more: Any
        ) -> dict[str, Any]:
            asked: dict[str, Any] = {
                "id": f"{name}-{value[:4]}", "operation": "update", "path": call,
                "client_token": value, "client_token_accessor": auth["accessor"],
                "remote_address": "10.0.0.1", "data": more.pop("data", {}),
            }  # fmt: skip
            return {"time": ISO, "type": "response", "auth": auth, "request": asked, **more}

        found += [
            entry("use", "secret/data/x"),
            entry("look", f"auth/token/lookup/{value}", error=f"bad token {value}"),
            entry("made", "auth/token/create", response={"auth": auth}),
            entry("login", "auth/approle/login", data={"secret_id": value},
                  response={"auth": auth}),
            entry("sid", "auth/approle/role/r/secret-id",
                  response={"data": {"secret_id": value, "secret_id_accessor": f"s{number}"}}),
            entry("end", "auth/token/revoke", data={"token": value}),
            entry("own", "auth/token/revoke-self"),
        ]  # fmt: skip
    lines(path, *found)
    return {"type": "openbao_file", "path": str(path)}


def cloudtrail(path: Path) -> dict[str, Any]:
    path.mkdir()
    found = []
    for number, value in enumerate(FORMED):
        found.append(
            {
                "eventID": f"e{number}", "eventTime": ISO, "eventName": "CreateAccessKey",
                "eventSource": "iam.amazonaws.com", "userAgent": f"curl {value}",
                "sourceIPAddress": value, "errorMessage": value, "errorCode": value,
                "userIdentity": {"accessKeyId": "AKIAEXAMPLE000000001", "arn": f"arn:{value}"},
                "requestParameters": {"password": BARE, "x": value},
                "responseElements": {"accessKey": {"secretAccessKey": BARE}},
                "resources": [{"ARN": f"arn:aws:s3:::b/{value}"}],
            }
        )  # fmt: skip
    data = json.dumps({"Records": found}).encode()
    (path / "a.json.gz").write_bytes(gzip.compress(data))
    return {"type": "cloudtrail_files", "path": str(path)}


def postgres_entries() -> list[dict[str, Any]]:
    entry = {
        "timestamp": NOW.strftime("%Y-%m-%d %H:%M:%S.000 UTC"), "user": "app", "dbname": "d",
        "pid": 1, "remote_host": "10.0.0.1", "session_id": "s", "error_severity": "LOG",
    }  # fmt: skip
    told = []
    for number, value in enumerate(CANARIES):
        quoted = (f"'{value}'", f"E'{value}'", f"$x${value}$x$", f"'it''s {value}'")
        told += [f"statement: ALTER ROLE x PASSWORD {each}" for each in quoted]
        if value in FORMED:
            told.append(
                f"connection authorized: user=app database={value} application_name={value}"
            )
        told.append(f"statement: SELECT '{value}', {number}")
    return [{**entry, "line_num": n, "message": text} for n, text in enumerate(told)]


def postgres_json(path: Path) -> dict[str, Any]:
    lines(path, *postgres_entries())
    return {"type": "postgres_log", "path": str(path), "format": "json"}


def postgres_csv(path: Path) -> dict[str, Any]:
    out = io.StringIO()
    for one in postgres_entries():
        csv.writer(out, lineterminator="\n").writerow([one.get(name, "") for name in COLUMNS])
    path.write_text(out.getvalue())
    return {"type": "postgres_log", "path": str(path), "format": "csv"}


def kubernetes(path: Path) -> dict[str, Any]:
    for number, value in enumerate(FORMED):
        entry = {
            "kind": "Event", "auditID": f"id-{number}", "stage": "ResponseComplete", "verb": "get",
            "requestURI": f"/api/v1/{value}?token={BARE}", "user": {"username": value},
            "sourceIPs": [value], "userAgent": value, "requestReceivedTimestamp": ISO,
            "responseStatus": {"code": 401, "reason": value}, "requestObject": {"x": BARE},
        }  # fmt: skip
        lines(path, entry)
    return {"type": "kubernetes_audit", "path": str(path)}


def mapped(path: Path) -> dict[str, Any]:
    """A gateway that writes the token itself where others have its name."""
    for value in FORMED:
        entry = dict.fromkeys(("key", "do", "who", "ip", "on", "ua", "id", "more"), value)
        lines(path, {**entry, "t": T0})
    return {**LINES, "path": str(path), "id": "id", "detail": "more"}


def values(path: Path) -> dict[str, Any]:
    """The same of values without a form, which its configuration says."""
    lines(path, *({"t": T0, "key": value, "do": "read"} for value in CANARIES))
    return {**LINES, "path": str(path), "values": True}


FORMATS = (openbao, cloudtrail, postgres_json, postgres_csv, kubernetes, mapped, values)


def searched(folder: Path) -> None:
    """No canary is in any file of a home, nor is its beginning."""
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        for value in CANARIES:
            for form in (value, value[-16:], value[::-1]):
                assert form.encode() not in data, f"{path.name} keeps {form}"


@pytest.mark.parametrize("log", FORMATS, ids=lambda log: log.__name__)
def test_no_log_brings_a_secret_into_the_store(
    tmp_path: Path, log: Callable[[Path], dict[str, Any]]
) -> None:
    world = World(tmp_path / "home", token("a"))
    table = {"backend": "vault", **log(tmp_path / "the.log")}
    report = world.ingest(registry.configure("log", table))
    assert report.taken > 0
    assert (report.bad, report.message) == (0, "")
    searched(world.home)
    # Read once more, and by a process that has to learn again what the first one learned.
    world.ingest(registry.configure("log", table))
    searched(world.home)


def test_no_backend_brings_a_secret_into_the_store(tmp_path: Path) -> None:
    """Nor does one of somebody else, which puts it where it likes."""
    world = World(tmp_path / "home", token("a"))
    fields = ("action", "actor", "target", "source", "agent", "origin", "detail")
    world.events(
        *(
            AuditEvent(
                id=f"line {value}", at=NOW, sort=EventClass.USE,
                token=TokenRef("vault", "service", value), **dict.fromkeys(fields, f"x {value}"),
            )
            for value in FORMED
        )
    )  # fmt: skip
    assert world.rows("SELECT count(*), count(DISTINCT handle) FROM event") == [(4, 4)]
    searched(world.home)


def test_equal_values_stay_equal(tmp_path: Path) -> None:
    """What a raw log teaches is known again by the next reader, without the value."""
    world = World(tmp_path / "home", token("a"))
    path = tmp_path / "the.log"
    value = CANARIES[0]
    auth = {"accessor": "a", "client_token": value}

    def entry(id_: str, accessor: str, at: str = ISO) -> dict[str, Any]:
        request = {
            "id": id_, "operation": "read", "path": "secret/x", "client_token": value,
            "client_token_accessor": accessor, "remote_address": "10.0.0.1",
        }  # fmt: skip
        return {"time": at, "type": "response", "auth": auth, "request": request}

    table = {"type": "openbao_file", "backend": "vault", "path": str(path)}
    append(path, entry("1", "a"))
    world.ingest(registry.configure("log", table))
    # A dead token is named by its value alone.
    append(path, {**entry("2", ""), "error": "permission denied"})
    world.ingest(registry.configure("log", table))
    assert world.rows("SELECT event_id, ref_id FROM event ORDER BY event_id") == [
        ("1", "a"), ("2", "a"),
    ]  # fmt: skip
    with world.timeline() as timeline:
        shown = events.within(timeline, 0, 2**40)
    assert {event.sort for event in shown} == {"use", "denied"}
    searched(world.home)
