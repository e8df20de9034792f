"""By keys in a real terminal and by the command line, on the lab: the same case, the same verdict.

Each test does one thing that a responder was once told wrongly, both ways, and compares what
is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab_scene import ANSWERS, REASON, Desk, family, known
from patience import HANG
from pty_screen import Terminal

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.pty, pytest.mark.long]


class WholeProgram(Terminal):
    """``token-console``, as a responder starts it."""

    program = (sys.executable, "-m", "console", "--home")

    def flat(self) -> str:
        """The screen's words on one line, so that it does not matter where they wrap."""
        return " ".join(self.text().replace("│", " ").split())

    def says(self, words: str) -> None:
        """Read until these words stand on the screen, wherever they wrap."""
        self.until(lambda: words in self.flat())

    def on(self, name: str, handle: str = "") -> None:
        """Put the cursor on the one token of this name, or of this handle where two have it."""
        self.press(b"/")
        self.quiet(0.3)
        self.press((handle or name).encode() + b" -is:gone")
        self.quiet(0.3)
        self.press(b"\r")
        self.until(lambda: " 1 of " in self.text() and name[:6] in self.text())

    def asks(self, key: bytes) -> None:
        """Begin an action on the token under the cursor, up to where its plan is shown."""
        self.press(key)
        self.shown("reason")
        self.press(REASON.encode() + b"\r")
        self.shown("[ ] leak")
        self.press(b"\r")

    def leaves(self) -> None:
        self.press(b"\x1b")
        self.quiet(0.3)


@pytest.fixture
def desk(tmp_path: Path, lab: Lab) -> Iterator[Desk]:
    made = Desk(tmp_path, lab)
    made.config.write_text("[console]\nrefresh = 1\n" + made.config.read_text())
    yield made
    made.close()


@contextlib.contextmanager
def screen(desk: Desk) -> Iterator[WholeProgram]:
    with WholeProgram(desk.home, "--act", size=(100, 40)) as running:
        running.shown("4 backends")
        yield running
        for _ in range(4):
            running.leaves()
        running.press(b"q")
        running.ended()
        running.restored()


def test_a_reader_disarms_no_actor(desk: Desk, lab: Lab) -> None:
    issued, row = desk.issue(known(lab)["openbao"], "armed")
    with screen(desk) as terminal:
        terminal.on(issued.name)
        # A process without the credentials to act looks at the same systems, twice.
        for _ in range(2):
            desk.run("sync")
        terminal.press(b"b")
        terminal.shown("VERSION")
        rows = [line for line in terminal.text().splitlines() if re.search(r"-lab .* ms ", line)]
        assert [("can act" in row) for row in rows] == [True] * 4, terminal.text()
        terminal.leaves()
        terminal.asks(b"K")
        terminal.says("POST /v1/auth/token/revoke-accessor")
        assert "no credential to act" not in terminal.flat()
        terminal.leaves()
    told = desk.told("backends")
    assert [each["can_act"] for each in told] == [True] * 4
    done = desk.run("revoke", row["handle"], "--reason", REASON, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "no credential to act" not in done.stdout


def test_both_stop_at_the_same_child(desk: Desk, lab: Lab) -> None:
    above, below = family(desk)
    row = desk.row(above)
    done = desk.run("revoke", row["handle"], "--reason", REASON, "--dry-run", "--json")
    (item,) = json.loads(done.stdout)["items"]
    ((code, text),) = [(each["code"], each["text"]) for each in item["proposal"]["hazards"]]
    assert code == "cascade"
    assert below.id in text
    with screen(desk) as terminal:
        terminal.on(above.name)
        terminal.asks(b"K")
        terminal.says(text)
        terminal.leaves()
    stopped = desk.run("revoke", row["handle"], "--reason", REASON, "--confirm", above.name)
    assert stopped.returncode != 0
    assert text in " ".join(stopped.stderr.split())
    assert known(lab)["openbao"].accepts(below)


def test_neither_calls_it_contained_where_no_call_exists(desk: Desk, lab: Lab) -> None:
    issued, row = desk.issue(known(lab)["openbao"], "alone")
    done = desk.run("contain", row["handle"], "--reason", REASON, "--confirm", issued.name)
    assert done.returncode == 1
    told = " ".join((done.stdout + done.stderr).split())
    assert "NOT CONTAINED" in told
    why = "OpenBao cannot hold back a token without an entity"
    assert why in told
    with screen(desk) as terminal:
        terminal.on(issued.name)
        terminal.press(b"c")
        terminal.shown("reason")
        terminal.press(REASON.encode() + b"\r")
        terminal.says("NOT CONTAINED")
        terminal.says(why)
        for word in ("irreversible", "approved", "type the"):
            assert word not in terminal.flat(), word
        terminal.leaves()
    assert desk.told("run", "list") == []
    assert known(lab)["openbao"].accepts(issued)


def test_both_say_that_the_old_value_lives_while_a_consumer_has_not_moved(
    desk: Desk, lab: Lab
) -> None:
    issued = known(lab)["openbao"].issue(f"rotated-{secrets.token_hex(3)}")
    with desk.bao.client() as client:
        headers = {"X-Vault-Token": issued.value, "User-Agent": "billing-cron/2"}
        for _ in range(3):
            client.get("auth/token/lookup-self", headers=headers).raise_for_status()
    row = desk.row(issued)
    command = desk.command(
        "rotate", row["handle"], "--reason", REASON, "--to", "file", "--confirm", issued.name,
        *ANSWERS,
    )  # fmt: skip
    headline, said = "OLD VALUE STILL WORKS", set()

    def works(item: dict[str, Any]) -> bool:
        said.add(item.get("old_value", {}).get("headline", ""))
        return headline in said

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as asking:
        item = desk.reaches(works, issued)
        asking.kill()
    assert known(lab)["openbao"].accepts(issued), "by the system's own word"
    before = {"", "NOT ROTATED", "NOT KNOWN"}
    assert said <= before | {headline}, "it was never said to be any deader"
    short = item["plan"][-8:]
    report = desk.must("run", "report", short)
    line = next(each for each in report.splitlines() if headline in each)
    assert not re.search(r"\bdone\b", line), line
    with screen(desk) as terminal:
        terminal.press(b"l")
        terminal.says("STILL WORKS")
        terminal.press(b"\r")
        terminal.says(headline)
        terminal.leaves()
        terminal.leaves()
        # Its successor has its name.
        terminal.on(issued.name, row["handle"])
        terminal.press(b"\r")
        terminal.says(headline)
    assert headline in " ".join(desk.must("show", row["handle"]).split())


@pytest.mark.parametrize("way", ["screen", "command line"])
def test_a_client_that_goes_on_trying_raises_no_alarm_and_the_run_closes(
    desk: Desk, lab: Lab, way: str
) -> None:
    real = known(lab)["postgres"]
    issued, row = desk.issue(real, "retries")
    desk.must(
        "contain", row["handle"], "--reason", REASON, "--confirm", issued.name,
        *ANSWERS, "--probe", "--secret-stdin", text=issued.value,
    )  # fmt: skip
    server: Any = lab.servers["postgres"]
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            server.connect(issued.name, password=issued.value)
    plan = desk.plan()
    desk.reaches(lambda item: item["evidence"] >= 3, issued, plan)
    desk.run("sync", "pg-lab")
    assert "ALARM" not in desk.must("run", "report", plan)
    if way == "command line":
        desk.must("run", "close", plan, "--reason", "the value is refused by the system")
    else:
        with screen(desk) as terminal:
            terminal.press(b"l")
            terminal.shown("contain")
            terminal.press(b"\r")
            terminal.says(f"RUN {plan[-8:]}")
            terminal.press(b"z")
            terminal.shown("reason")
            terminal.press(b"the value is refused by the system\r")
            terminal.says("closed")
            assert "ALARM" not in terminal.text()
    assert desk.told("run", "show", plan)["standing"] == "closed"


def test_both_say_that_a_hung_system_is_silent_and_that_it_is_back(desk: Desk) -> None:
    with screen(desk) as terminal:
        terminal.press(b"b")
        terminal.shown("VERSION")

        def row() -> str:
            lines = terminal.text().splitlines()
            return next((line for line in lines if " vault-lab " in line), "")

        terminal.until(lambda: " ms " in row())
        os.kill(desk.bao.pid, signal.SIGSTOP)
        try:
            terminal.until(lambda: "SILENT" in row())
            assert " ms " not in row()
            asking = desk.command("backends", "--wait", "45", "--json")
            done = subprocess.run(asking, capture_output=True, text=True, timeout=HANG)
            told = {each["name"]: each for each in json.loads(done.stdout)}
            assert "no answer" in told["vault-lab"]["error"]
            assert "error" not in told["aws-lab"], "one that hangs delays no other"
            assert "error" not in told["pg-lab"]
        finally:
            os.kill(desk.bao.pid, signal.SIGCONT)
        terminal.press(b"j")
        began = time.monotonic()
        terminal.until(lambda: " ms " in row() and "SILENT" not in row())
        print(f"back on the screen {time.monotonic() - began:.1f} s after a key")
    told = {each["name"]: each for each in desk.told("backends")}
    assert "error" not in told["vault-lab"]
