"""Real servers, several clients, one token each: the timeline has what they did, and no more."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from patience import HANG
from real_systems import Issued, RealAws, RealBao, RealPostgres, console, systems

from backends.lab.lab import Lab

pytestmark = pytest.mark.lab
Truth = Counter[tuple[str, str]]
"""How often what was done, and how it ended."""


def home_of(lab: Lab, folder: Path, without: str, source: str) -> Path:
    """A console over the shared servers whose backends have no log, but a source has."""
    text = re.sub(rf"^{without} = .*\n", "", lab.config.read_text(), flags=re.MULTILINE)
    (folder / "config.toml").write_text(f"{text}\n[source.log]\n{source}\n")
    return folder


def told(home: Path, issued: Issued, *, sync: bool = True) -> Truth:
    """What the console tells of a token, by its own commands."""
    if sync:
        done = console(home, "sync", issued.backend)
        assert done.returncode in (0, 3), done.stderr
    done = console(home, "ingest")
    assert done.returncode == 0, done.stderr
    wanted = f"{issued.backend}/{issued.id}"
    done = console(home, "timeline", wanted, "--since", "2h", "--csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    return Counter((row["action"], row["outcome"]) for row in rows)


def bao_clients(system: RealBao, issued: Issued) -> Truth:
    """Three programs with one token: one asks who it is, one renews, one may not read."""
    calls = [
        ("GET", "auth/token/lookup-self", 4, "read", "ok"),
        ("PUT", "auth/token/renew-self", 2, "update", "ok"),
        ("GET", "sys/mounts", 3, "read", "denied"),
    ]
    truth: Truth = Counter()
    for method, path, times, action, outcome in calls:
        with system.server.client() as client:
            for _ in range(times):
                headers = {"X-Vault-Token": issued.value}
                answer = client.request(method, path, headers=headers)
                assert answer.status_code in (200, 403)
        truth[action, outcome] += times
    truth["created", "ok"] = 1
    return truth


def test_openbao(lab: Lab, tmp_path: Path) -> None:
    system = systems(lab)["openbao"]
    assert isinstance(system, RealBao)
    issued = system.issue("timeline-bao")
    truth = bao_clients(system, issued)
    source = f'type = "openbao_file"\nbackend = "vault-lab"\npath = "{system.server.audit_file}"'
    home = home_of(lab, tmp_path, "audit_file", source)
    assert told(home, issued) == truth
    assert told(home, issued) == truth
    with system.server.client() as client:
        body = {"accessor": issued.id}
        client.post("auth/token/revoke-accessor", json=body).raise_for_status()
        headers = {"X-Vault-Token": issued.value}
        for _ in range(2):
            assert client.get("auth/token/lookup-self", headers=headers).status_code == 403
    truth["revoked", "ok"] += 1
    truth["read", "denied"] += 2
    # What the log calls it was learned in another process, before it was dead.
    assert told(home, issued) == truth
    done = console(home, "timeline", f"vault-lab/{issued.id}", "--leak", "2h", "--ascii")
    assert "Used 11 times since the leak" in done.stdout, done.stdout
    assert "5 denied" in done.stdout
    assert "revoked" in done.stdout


@pytest.mark.parametrize("form", ["json", "csv"])
def test_postgres(lab: Lab, tmp_path: Path, form: str) -> None:
    system = systems(lab)["postgres"]
    assert isinstance(system, RealPostgres)
    log = system.server.json_log.with_suffix(f".{form}")
    set_destination(system, "jsonlog,csvlog")
    try:
        wait_for(log)
        issued = system.issue(f"timeline_{form}")
        truth: Truth = Counter()
        for agent in ("psql", "etl"):
            for _ in range(2):
                server = system.server
                server.connect(issued.name, password=issued.value, application_name=agent).close()
                truth["login", "ok"] += 1
                truth["logout", "ok"] += 1
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError):
                system.server.connect(issued.name, password="wrong")
            truth["login", "denied"] += 1
        source = f'type = "postgres_log"\nbackend = "pg-lab"\npath = "{log}"'
        home = home_of(lab, tmp_path, "log_file", source)
        deadline = time.monotonic() + HANG
        found = told(home, issued)
        # A log-out is written when the server notices it.
        while found != truth and time.monotonic() < deadline:
            found = told(home, issued, sync=False)
        assert found == truth
    finally:
        set_destination(system, "jsonlog")


def set_destination(system: RealPostgres, value: str) -> None:
    with contextlib.closing(system.server.connect()) as connection:
        connection.autocommit = True
        connection.execute(f"ALTER SYSTEM SET log_destination = '{value}'")
        connection.execute("SELECT pg_reload_conf()")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + HANG
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()


def trail_record(number: int, issued: Issued, address: str, action: str, error: str) -> Any:
    """What CloudTrail writes of a call; moto itself keeps no trail."""
    service, _, name = action.partition(":")
    record = {
        "eventID": f"{issued.id}-{number}",
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventName": name,
        "eventSource": f"{service}.amazonaws.com",
        "awsRegion": "us-east-1",
        "sourceIPAddress": address,
        "userAgent": "aws-cli/2",
        "userIdentity": {"accessKeyId": issued.id, "arn": f"arn:aws:iam::1:user/{issued.name}"},
    }
    return record | ({"errorCode": error} if error else {})


def test_cloudtrail_in_a_bucket(lab: Lab, tmp_path: Path) -> None:
    system = systems(lab)["aws_iam"]
    assert isinstance(system, RealAws)
    issued = system.issue("timeline-aws")
    s3 = system.server.client("s3")
    s3.create_bucket(Bucket="the-trail")
    system.server.allow("timeline-aws", "s3:ListBucket", "s3:GetObject")
    (tmp_path / "reader").write_text(issued.value)
    (tmp_path / "reader").chmod(0o600)
    source = "\n".join(
        (
            'type = "cloudtrail_s3"',
            'backend = "aws-lab"',
            'bucket = "the-trail"',
            'prefix = "AWSLogs/"',
            f'endpoint_url = "{system.server.endpoint}"',
            f'read = {{ file = "{tmp_path / "reader"}" }}',
        )
    )
    home = home_of(lab, tmp_path, "no_such_option", source)
    truth: Truth = Counter()
    number = 0
    for address, action, error, times in (
        ("10.0.0.1", "s3:GetObject", "", 5),
        ("203.0.113.9", "iam:ListUsers", "AccessDenied", 2),
        ("203.0.113.9", "sts:GetCallerIdentity", "", 1),
    ):
        records = []
        for _ in range(times):
            number += 1
            records.append(trail_record(number, issued, address, action, error))
        truth[action, "denied" if error else "ok"] += times
        body = gzip.compress(json.dumps({"Records": records}).encode())
        s3.put_object(Bucket="the-trail", Key=f"AWSLogs/1/{number:03}.json.gz", Body=body)
        assert told(home, issued, sync=number == 5) == truth
    done = console(home, "timeline", f"aws-lab/{issued.id}", "--leak", "1h", "--by", "address")
    assert "203.0.113.9" in done.stdout
    assert "2 denied" in done.stdout
    # Nothing but reading leaves through the source, whatever somebody makes of it.
    from backends.errors import NoIntent
    from backends.logs.bucket import _reads_only

    class Request:
        method = "PUT"

    with pytest.raises(NoIntent):
        _reads_only(Request())  # type: ignore[arg-type]


def test_a_log_of_postgresql_that_begins_today_covers_no_week(lab: Lab, tmp_path: Path) -> None:
    """The server's own log, after a rotation that kept nothing of what was before."""
    system = systems(lab)["postgres"]
    assert isinstance(system, RealPostgres)
    issued = system.issue("timeline-week")
    assert system.accepts(issued)
    live = tmp_path / "postgresql.json"
    text = lab.config.read_text()
    kept = re.sub(
        r"^log_file = .*postgresql\.json.*$", f'log_file = "{live}"', text, flags=re.MULTILINE
    )
    assert kept != text
    (tmp_path / "config.toml").write_text(kept)

    def looked() -> Any:
        console(tmp_path, "sync", issued.backend)
        wanted = f"{issued.backend}/{issued.id}"
        done = console(tmp_path, "timeline", wanted, "--leak", "6d", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    whole = system.server.json_log.read_bytes()
    live.write_bytes(whole.replace(b' UTC","', b' CET","'))
    # Not a line of it can be placed: the log was not read, and nobody says that it was.
    shown = looked()
    assert [log for log in shown["logs"] if log["name"] == issued.backend] == []
    assert "Nobody knows whether it was used" in shown["since_leak"]["sentence"]

    live.write_bytes(whole)
    shown = looked()
    assert shown["since_leak"]["covered"] is False
    (hole,) = [one for one in shown["not_covered"] if "the log begins there" in one["what"]]
    begins = json.loads(whole.splitlines()[0])["timestamp"][:16].replace(" ", "T")
    assert hole["until"].startswith(begins)
