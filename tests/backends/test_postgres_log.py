"""The PostgreSQL server's log: what came of each try, and what of time it does not tell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from patience import HANG
from postgres_lab import backend, make, server

from backends.errors import BackendError
from backends.lab.postgres import PostgresServer
from backends.logs import registry, tail
from backends.logs.postgres import SETTLE
from backends.logs.source import Batch
from backends.model import AuditEvent, EventClass, Gap, GapKind
from backends.postgres import log

pytestmark = pytest.mark.lab
__all__ = ["server"]

DENIED, OTHER = EventClass.DENIED, EventClass.OTHER
REFUSED = {
    "lr_no": ("NOLOGIN", {}, "denied", DENIED),
    "lr_full": ("LOGIN CONNECTION LIMIT 0", {}, "denied", OTHER),
    "lr_shut": ("LOGIN", {"dbname": "shut"}, "denied", OTHER),
    "lr_lost": ("LOGIN", {"dbname": "nowhere"}, "denied", OTHER),
    "lr_odd": ("LOGIN", {"options": "-c work_mem=bogus"}, "error", OTHER),
    "lr_hba": ("LOGIN REPLICATION", {"dbname": "shut", "hba": "reject"}, "denied", OTHER),
}
"""Roles whose password is right and which are not let in: as what, where to, how it ends, and
whether that is a refusal of the role itself."""


def attempt(server: PostgresServer, role: str, **parameters: Any) -> bool:
    try:
        server.connect(role, password="pw", application_name="the app", **parameters).close()
    except psycopg.OperationalError:
        return False
    return True


def quiet(server: PostgresServer) -> None:
    """Wait until the server has written all that was done before, and how it ended."""
    mark = f"mark-{secrets.token_hex(8)}"
    with server.connect() as connection:
        connection.execute(f"DO $$ BEGIN RAISE LOG '{mark}'; END $$")
    never = datetime.fromtimestamp(0, UTC)
    until(lambda: mark.encode() in server.json_log.read_bytes())
    until(lambda: log.read(server.json_log, never).open is None)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that will come. The time only bounds a failure."""
    end = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def told(server: PostgresServer, since: datetime, **options: Any) -> list[Any]:
    """What the backend tells of its log, once the server has written to its end."""
    quiet(server)
    return told_now(server, since, **options)


def told_now(server: PostgresServer, since: datetime, **options: Any) -> list[Any]:
    async def look() -> list[Any]:
        given = {"log_file": str(server.json_log), **options}
        async with backend(server, **given) as pg:
            return [item async for item in pg.events(since)]

    return asyncio.run(look())


def of(found: list[Any], role: str, action: str = "login") -> list[tuple[str, str]]:
    return [
        (item.outcome, item.agent)
        for item in found
        if isinstance(item, AuditEvent) and item.actor == role and item.action == action
    ]


@contextlib.contextmanager
def reject(server: PostgresServer, role: str) -> Iterator[None]:
    """``pg_hba.conf`` refuses a role for a while."""
    path = server.place / "data" / "pg_hba.conf"
    before = path.read_text()
    path.write_text(f"host all {role} all reject\n{before}")
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        path.write_text(before)
        with server.connect() as connection:
            connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("role", REFUSED)
def test_whoever_is_refused_after_all_was_not_let_in(server: PostgresServer, role: str) -> None:
    attributes, parameters, outcome, sort = REFUSED[role]
    given = dict(parameters)
    hba = reject(server, role) if given.pop("hba", "") else contextlib.nullcontext()
    with server.connect() as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'shut'").fetchone():
            connection.execute("CREATE DATABASE shut")
            connection.execute("REVOKE CONNECT ON DATABASE shut FROM PUBLIC")
    make(server, role, attributes)
    began = datetime.now(UTC)
    with hba:
        assert not attempt(server, role, **given)
    # One attempt, told of once, and never as one that was let in.
    found = told(server, began)
    ((ended, agent),) = of(found, role)
    # A full server or a missing database is no evidence that the password is dead.
    assert [item.sort for item in found if getattr(item, "actor", "") == role] == [sort]
    assert ended == outcome
    assert agent in ("the app", "")
    assert agent or role == "lr_hba", "who tried is known from the line before"


def test_a_login_is_told_of_only_when_its_session_has_gone_on(server: PostgresServer) -> None:
    make(server, "lr_stays")
    began = datetime.now(UTC)
    with server.connect("lr_stays", password="pw", application_name="stays"):
        at = datetime.now(UTC)
        until(lambda: log.read(server.json_log, began, began).open is not None)
        now = log.read(server.json_log, began, began)
        assert [line for line in now.lines if line.role == "lr_stays"] == []
        assert now.open is not None
        assert now.open <= at
        later = log.read(server.json_log, at + 2 * SETTLE, began)
        (line,) = [line for line in later.lines if line.role == "lr_stays"]
        assert (line.action, line.outcome, line.agent) == ("login", "ok", "stays")
        assert later.open is None
    quiet(server)
    ended = log.read(server.json_log, began, began)
    assert [line.action for line in ended.lines if line.role == "lr_stays"] == ["login", "logout"]


def test_nothing_is_told_of_that_is_later_than_what_is_not_known_yet(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(server, "lr_first")
    make(server, "lr_second")
    began = datetime.now(UTC)
    monkeypatch.setattr("backends.logs.postgres.SETTLE", timedelta(days=1))
    with server.connect("lr_first", password="pw"):
        attempt(server, "lr_second")
        until(lambda: server.json_log.read_bytes().count(b"user=lr_second") == 2)
        found = told_now(server, began)
        # Else the silence of the first would be sworn to up to the second.
        assert of(found, "lr_second") == []
    assert of(told(server, began), "lr_second") == [("ok", "the app")]


def test_a_session_that_was_let_in_and_ended_by_somebody_was_let_in(
    server: PostgresServer,
) -> None:
    make(server, "lr_ended")
    began = datetime.now(UTC)
    session = server.connect("lr_ended", password="pw")
    with server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (session.info.backend_pid,))
    session.close()
    assert [ended for ended, _ in of(told(server, began), "lr_ended")] == ["ok"]


def test_a_replica_logs_in_too(server: PostgresServer) -> None:
    make(server, "lr_replica", "LOGIN REPLICATION")
    began = datetime.now(UTC)
    server.connect(
        "lr_replica", password="pw", replication="database", application_name="standby"
    ).close()
    assert of(told(server, began), "lr_replica") == [("ok", "standby")]


STATEMENTS = [
    ("ALTER ROLE lr_target CONNECTION LIMIT 5", {}, [("ALTER ROLE", "ok")]),
    ("ALTER ROLE lr_target CONNECTION LIMIT 6", {"prepare": True}, [("ALTER ROLE", "ok")]),
    ("/* a /* b */ ; */ ALTER USER lr_target CONNECTION LIMIT 7", {}, [("ALTER USER", "ok")]),
    ("-- why\nGRANT app_read TO lr_target", {}, [("GRANT", "ok")]),
    (
        "SELECT 'DROP ROLE x; ', $$ALTER ROLE y$$; ALTER ROLE lr_target NOLOGIN;"
        "REVOKE app_read FROM lr_target",
        {},
        [("ALTER ROLE", "ok"), ("REVOKE", "ok")],
    ),
    ("ALTER ROLE lr_nobody NOLOGIN", {}, [("ALTER ROLE", "error")]),
    ("ALTER ROLE lr_nobody NOLOGIN", {"prepare": True}, [("ALTER ROLE", "error")]),
    (
        "ALTER ROLE lr_target LOGIN; ALTER ROLE lr_nobody NOLOGIN",
        {},
        [("ALTER ROLE", "error"), ("ALTER ROLE", "error")],
    ),
    ("CREATE USER MAPPING FOR lr_target SERVER nowhere", {}, []),
]


@pytest.mark.parametrize(("query", "how", "wanted"), STATEMENTS)
def test_statements_about_roles_and_what_came_of_them(
    server: PostgresServer, query: str, how: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    with server.connect() as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'lr_target'").fetchone():
            connection.execute("CREATE ROLE lr_target")
    began = datetime.now(UTC)
    with server.connect() as connection, contextlib.suppress(psycopg.Error):
        connection.execute(query.encode(), **how)
    found = [
        item
        for item in told(server, began)
        if isinstance(item, AuditEvent) and item.action not in ("login", "logout")
    ]
    assert [(item.action, item.outcome) for item in found] == wanted
    assert len({item.id for item in found}) == len(found)


def test_a_refused_change_is_shown_as_denied_also_where_statements_are_not_logged(
    server: PostgresServer,
) -> None:
    make(server, "lr_small")
    for logged in ("ddl", "none"):
        with server.connect() as connection:
            connection.execute(f"ALTER ROLE lr_small SET log_statement = '{logged}'")
        began = datetime.now(UTC)
        with (
            server.connect("lr_small", password="pw") as small,
            contextlib.suppress(psycopg.errors.InsufficientPrivilege),
        ):
            small.execute("ALTER ROLE postgres PASSWORD 'canary-4711'")
        found = told(server, began)
        assert of(found, "lr_small", "ALTER ROLE") == [("denied", "")]
        assert "canary-4711" not in str(found)


def written(server: PostgresServer, since: datetime) -> list[bytes]:
    """The lines of the server's log from a moment on."""
    quiet(server)
    lines = server.json_log.read_bytes().splitlines(keepends=True)
    return [
        line
        for line in lines
        if datetime.fromisoformat(json.loads(line)["timestamp"].replace(" UTC", "+00:00")) >= since
        and json.loads(line).get("user") in ("lr_lines", "lr_lines_in")
    ]


@pytest.fixture
def lines(server: PostgresServer) -> list[bytes]:
    """A refused log-in, one that is let in, a refused ALTER: as a server wrote them."""
    with server.connect() as connection:
        connection.execute("DROP ROLE IF EXISTS lr_lines, lr_lines_in")
    make(server, "lr_lines", "NOLOGIN")
    make(server, "lr_lines_in")
    began = datetime.now(UTC)
    attempt(server, "lr_lines")
    with (
        server.connect("lr_lines_in", password="pw", application_name="in") as session,
        contextlib.suppress(psycopg.Error),
    ):
        session.execute("ALTER ROLE postgres NOLOGIN")
    attempt(server, "lr_lines_in")
    return written(server, began)


TRUTH = [
    ("lr_lines", "login", "denied"),
    ("lr_lines_in", "login", "ok"),
    ("lr_lines_in", "ALTER ROLE", "denied"),
    ("lr_lines_in", "logout", "ok"),
    ("lr_lines_in", "login", "ok"),
    ("lr_lines_in", "logout", "ok"),
]


def ingested(path: Path, places: dict[str, bytes], learned: dict[str, str]) -> list[AuditEvent]:
    """One reading by a source that knows nothing but what was kept of the one before."""
    given = registry.configure("src", {"type": "postgres_log", "backend": "pg", "path": str(path)})
    found: list[AuditEvent] = []
    batch: Batch
    for batch in given.read(places, learned):
        if batch.state:
            places[batch.file] = batch.state
        learned.update(batch.learned)
        found += batch.events
    return found


def what(events: list[AuditEvent]) -> list[tuple[str, str, str]]:
    return [(event.actor, event.action, event.outcome) for event in events]


def test_a_source_says_the_same_wherever_it_stops_between_two_lines(
    lines: list[bytes], tmp_path: Path
) -> None:
    path = tmp_path / "pg.json"
    for cut in range(len(lines) + 1):
        path.write_bytes(b"".join(lines[:cut]) or b"{}\n")
        places: dict[str, bytes] = {}
        learned: dict[str, str] = {}
        found = ingested(path, places, learned)
        with path.open("ab") as handle:
            handle.writelines(lines[cut:] if cut else lines)
        found += ingested(path, places, learned)
        assert sorted(what(found)) == sorted(TRUTH), cut
        assert len({event.id for event in found}) == len(TRUTH)


def test_a_source_says_the_same_over_a_rotation_and_over_small_pieces(
    lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "CHUNK", 700)
    for cut in range(1, len(lines)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        path = folder / "pg.json"
        path.write_bytes(b"".join(lines[:cut]))
        places: dict[str, bytes] = {}
        learned: dict[str, str] = {}
        found = ingested(path, places, learned)
        path.rename(folder / "pg.json.1")
        path.write_bytes(b"".join(lines[cut:]))
        found += ingested(path, places, learned)
        assert sorted(what(found)) == sorted(TRUTH), cut


def test_the_backend_says_the_same_over_a_rotation(
    server: PostgresServer, lines: list[bytes], tmp_path: Path
) -> None:
    for cut in range(1, len(lines)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "pg.json.1").write_bytes(b"".join(lines[:cut]))
        (folder / "pg.json").write_bytes(b"".join(lines[cut:]))
        since = datetime.now(UTC) - timedelta(minutes=5)
        read = log.read(folder / "pg.json", since + timedelta(hours=1), since)
        assert [(line.role, line.action, line.outcome) for line in read.lines] == TRUTH, cut


def rotated(folder: Path, began: datetime, zone: str = "UTC", number: int = 3) -> Path:
    """A log that begins after a rotation, each line a minute after the one before."""
    path = folder / "pg.json"
    with path.open("a") as handle:
        for minute in range(number):
            at = began + timedelta(minutes=minute)
            entry = {
                "timestamp": f"{at:%Y-%m-%d %H:%M:%S}.141 {zone}",
                "user": "console_reader",
                "dbname": "postgres",
                "session_id": f"6b0c4c9c.{minute}",
                "line_num": 3,
                "ps": "authentication",
                "error_severity": "LOG",
                "message": "connection authorized: user=console_reader database=postgres",
            }
            handle.write(json.dumps(entry) + "\n")
    return path


def test_a_log_that_begins_today_says_nothing_of_the_week_before(
    server: PostgresServer, tmp_path: Path
) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    path = rotated(tmp_path, began)
    week = datetime.now(UTC) - timedelta(days=7)
    (gap,) = [item for item in told(server, week, log_file=str(path)) if isinstance(item, Gap)]
    assert (gap.since, gap.until) == (week, began + timedelta(milliseconds=141))
    assert gap.kind is GapKind.LIMITED
    # What was rotated away is read as well, where it is still there.
    rotated(tmp_path, began - timedelta(hours=2)).rename(tmp_path / "old")
    lines = (tmp_path / "old").read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    (tmp_path / "pg.json.1").write_text("".join(lines[3:]))
    found = told(server, began - timedelta(hours=1), log_file=str(path))
    assert [item for item in found if isinstance(item, Gap)] == []


@pytest.mark.parametrize("zone", ["CET", "-03", "PST"])
def test_a_log_in_another_zone_is_not_taken_for_a_silent_one(
    server: PostgresServer, tmp_path: Path, zone: str
) -> None:
    began = datetime.now(UTC) - timedelta(hours=3)
    path = rotated(tmp_path, began, zone)
    with pytest.raises(BackendError, match=f"the zone '{zone}'") as caught:
        told(server, began, log_file=str(path))
    assert "log_timezone = UTC" in caught.value.hint

    # Once it is mended, what was lost is a stretch of time, and the rest counts.
    mended = began + timedelta(hours=1)
    rotated(tmp_path, mended)
    found = told(server, began, log_file=str(path))
    (gap,) = [item for item in found if isinstance(item, Gap) and zone in item.what]
    assert gap.since == began
    assert gap.until is not None
    assert abs(gap.until - mended) < timedelta(seconds=1)
    assert len(of(found, "console_reader")) == 3

    # And when it goes wrong again, the log is not read up to now.
    rotated(tmp_path, began + timedelta(hours=2), zone)
    with pytest.raises(BackendError, match=f"the zone '{zone}'"):
        told(server, began, log_file=str(path))


def test_a_source_says_which_zone_it_cannot_read(tmp_path: Path) -> None:
    path = rotated(tmp_path, datetime.now(UTC) - timedelta(hours=3), "CET")
    given = registry.configure("src", {"type": "postgres_log", "backend": "pg", "path": str(path)})
    (batch,) = given.read({}, {})
    assert batch.first is None, "nothing of it may count as covered"
    (hole,) = batch.holes
    assert "3 lines: time in the zone 'CET'" in hole.what
    assert "log_timezone = UTC" in hole.what


@pytest.mark.parametrize(
    ("setting", "value"),
    [("log_connections", "off"), ("log_destination", "stderr"), ("lc_messages", "de_DE.UTF-8")],
)
def test_a_server_that_logs_no_logins_is_not_silent(
    server: PostgresServer, setting: str, value: str
) -> None:
    rows = {
        "connections": "receipt, authentication, authorization",
        "least": "warning",
        "destination": "stderr,jsonlog",
        "messages": "en_GB.UTF-8",
    }
    assert log.missing(rows) == ""
    names = {"log_connections": "connections", "log_destination": "destination"}
    assert setting in log.missing({**rows, names.get(setting, "messages"): value})


def test_a_server_whose_log_is_without_logins_has_no_proof_of_silence(
    server: PostgresServer,
) -> None:
    began = datetime.now(UTC)
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET log_connections = 'off'")
        connection.execute("SELECT pg_reload_conf()")
        try:
            with pytest.raises(BackendError, match="log_connections is off"):
                told(server, began)
        finally:
            connection.execute("ALTER SYSTEM RESET log_connections")
            connection.execute("SELECT pg_reload_conf()")
