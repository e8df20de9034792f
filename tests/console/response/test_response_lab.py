"""Contain and undo, revoke, disconnect, on the real servers and by the command line.

Whether a value still works is asked at the system itself, past the console.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from lab_scene import ANSWERS, REASON, Desk, known, record
from patience import HANG

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

PROBE = ("--probe", "--secret-stdin")
KINDS = ("openbao", "secret-id", "aws_iam", "postgres")


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, lab)
    yield made
    made.close()


def words(verb: str, row: dict[str, Any], *more: str) -> tuple[str, ...]:
    return (verb, row["handle"], "--reason", REASON, "--confirm", row["name"], *ANSWERS, *more)


@pytest.mark.parametrize("kind", ["entity", "postgres", "redis"])
def test_contain_is_refused_by_the_system_and_undone_exactly(
    desk: Desk, lab: Lab, kind: str
) -> None:
    real = known(lab)[kind]
    issued, row = desk.issue(real, "held")
    before = record(lab, issued)
    told = desk.must(*words("contain", row, *PROBE), text=issued.value)
    assert ": refused" in told
    assert not real.accepts(issued)
    assert record(lab, issued) != before
    shown = desk.item()
    assert (shown["state"], shown["refused"]) == ("done", True)
    assert "refused by the system: 1" in desk.must("run", "report", shown["plan"])

    desk.must(*words("restore", row))
    assert real.accepts(issued)
    assert record(lab, issued) == before
    assert desk.item()["evidence"] == 2
    assert desk.leaks(issued.value) == []


def test_a_system_that_still_accepts_is_said_to_have_recorded_and_not_refused(
    desk: Desk, lab: Lab
) -> None:
    """moto records that a key is Inactive, and goes on accepting it."""
    real = known(lab)["aws_iam"]
    issued, row = desk.issue(real, "held")
    before = record(lab, issued)
    command = desk.command(*words("contain", row, *PROBE))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as watching:
        assert watching.stdin is not None
        watching.stdin.write(issued.value.encode())
        watching.stdin.close()
        shown = desk.reaches(lambda item: "still works" in item["says"], issued)
        # The console goes on hoping for a refusal; leaving changes nothing.
        watching.send_signal(signal.SIGKILL)
    assert real.accepts(issued)
    assert record(lab, issued)[0]["Status"] == "Inactive"
    assert shown["state"] == "recorded"
    assert shown["evidence"] == 2
    assert shown["refused"] is False
    assert "recorded, not refused" in shown["says"]
    report = desk.must("run", "report", shown["plan"])
    assert "refused by the system: 0; recorded, not refused: 1" in report
    assert "OLD VALUE STILL WORKS: it was accepted when it was tried at " in report
    assert shown["old_value"]["headline"] == "OLD VALUE STILL WORKS"

    desk.must(*words("restore", row))
    assert record(lab, issued) == before
    assert desk.leaks(issued.value) == []


def test_what_cannot_be_contained_by_a_call_is_not_contained_and_says_what_can_be_done(
    desk: Desk, lab: Lab
) -> None:
    real = known(lab)["secret-id"]
    issued, row = desk.issue(real, "held")
    told = desk.must(*words("contain", row), code=1)
    assert told.startswith("NOT CONTAINED: ")
    assert "secret-id-bound-cidrs" in told
    assert f"token-console revoke {row['handle']} --reason" in told
    for word in ("irreversible", "approved"):
        assert word not in told
    assert real.accepts(issued)
    assert desk.told("run", "list") == [], "nothing to approve, and nothing to follow"
    # What can be done is done as ever.
    desk.must(*words("revoke", row, *PROBE), text=issued.value)
    assert desk.item()["state"] == "dead"


@pytest.mark.parametrize(
    ("kind", "level"),
    [("openbao", 4), ("secret-id", 4), ("aws_iam", 3), ("postgres", 4), ("redis", 3)],
)
def test_a_revoked_value_is_dead_when_the_system_has_refused_it(
    desk: Desk, lab: Lab, kind: str, level: int
) -> None:
    real = known(lab)[kind]
    issued, row = desk.issue(real, "ended")
    assert real.accepts(issued)
    told = desk.must(*words("revoke", row, *PROBE), text=issued.value)
    assert ": refused" in told
    assert not real.accepts(issued)
    shown = desk.item()
    assert shown["state"] == "dead"
    assert shown["refused"] is True
    report = desk.must("run", "report", shown["plan"])
    assert "refused by the system: 1; recorded, not refused: 0" in report
    shown = desk.reaches(lambda item: item["evidence"] >= level, issued)
    assert shown["evidence"] == level
    assert shown["state"] == "dead"
    desk.must("run", "close", shown["plan"], "--reason", "it is dead for good")
    assert desk.leaks(issued.value) == []


def test_open_sessions_are_ended_and_the_role_may_come_back(desk: Desk, lab: Lab) -> None:
    real = known(lab)["postgres"]
    issued, row = desk.issue(real, "busy")
    server = lab.servers["postgres"]
    session = server.connect(issued.name, password=issued.value)  # type: ignore[attr-defined]
    with contextlib.closing(session):
        assert session.execute("SELECT 1").fetchone() == (1,)
        told = desk.must(*words("disconnect", row))
        assert "no open sessions" in told
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with server.connect() as own:  # type: ignore[attr-defined]
        asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
        assert own.execute(asked, [issued.name]).fetchone() == (0,)
    assert real.accepts(issued), "to disconnect is not to contain"
    shown = desk.item()
    assert (shown["state"], shown["evidence"]) == ("done", 2)


def test_clients_that_outlive_a_contain_are_shown_and_ended(desk: Desk, lab: Lab) -> None:
    """Redis: ``off`` ends no connection, and the plan says so before."""
    real = known(lab)["redis"]
    issued, row = desk.issue(real, "outlives")
    client = lab.servers["redis"].connect(issued.name, issued.value)  # type: ignore[attr-defined]
    with contextlib.closing(client):
        dry = desk.must("contain", row["handle"], "--reason", REASON, "--dry-run")
        assert "1 client is connected and goes on" in dry
        desk.must(*words("contain", row, "--answer", "live-sessions=they are cut next"))
        assert not real.accepts(issued)
        assert client.execute_command("ACL", "WHOAMI") == issued.name.encode()  # The trap.
        told = desk.must(*words("disconnect", row))
        assert "no open sessions" in told
        with pytest.raises(redis.RedisError):
            client.execute_command("ACL", "WHOAMI")
    desk.must(*words("restore", row))
    assert real.accepts(issued)


@pytest.mark.parametrize("kind", ["openbao", "aws_iam"])
def test_what_has_no_sessions_is_not_disconnected(desk: Desk, lab: Lab, kind: str) -> None:
    real = known(lab)[kind]
    issued, row = desk.issue(real, "busy")
    assert "Nothing was sent" in desk.must(*words("disconnect", row), code=1)
    assert real.accepts(issued)
    assert [entry for entry in desk.journal() if entry["type"] == "intent"] == []


def test_a_client_that_goes_on_trying_its_password_raises_no_alarm_and_the_run_closes(
    desk: Desk, lab: Lab
) -> None:
    """The server writes that it authorised the log-in, and then that the role may not log in."""
    real = known(lab)["postgres"]
    issued, row = desk.issue(real, "held")
    tries: list[bool] = []
    enough, stop = threading.Event(), threading.Event()

    def client() -> None:
        while not stop.is_set():
            tries.append(real.accepts(issued))
            if tries[-6:].count(False) == 6:
                enough.set()
            stop.wait(1.0)

    trying = threading.Thread(target=client)
    trying.start()
    try:
        command = desk.command(*words("contain", row))
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as run:
            # By then refused attempts have come in from well after the containment.
            assert enough.wait(HANG)
            shown = desk.reaches(
                lambda item: item["state"] == "failed" or item["says"].endswith("silent"), issued
            )
            run.wait(HANG)
    finally:
        stop.set()
        trying.join()
    assert (shown["state"], shown["says"]) == ("done", "refused, then silent")
    assert "used after its end" not in desk.must("run", "report", shown["plan"])
    desk.must("run", "close", shown["plan"], "--reason", "contained and silent")
    assert not real.accepts(issued)
