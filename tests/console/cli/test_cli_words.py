"""The command line as people type it: any order, pipes at both ends, a question in between."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from patience import HANG
from real_systems import console

from console.cli.parser import parse

WHY = "leaked in a public repository"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    done = console(place, "demo", "--prepare", "--tokens", "2000", "--seed", "3")
    assert done.returncode == 0, done.stderr
    return place / "demo"


def said(*words: str) -> dict[str, Any]:
    return {name: value for name, value in vars(parse(words)).items() if value and name != "run"}


PLAN = {"verb": "revoke", "query": ["owner:x", "-owner:none"], "reason": "why not", "dry_run": True}


@pytest.mark.parametrize(
    "words",
    [
        ("revoke", "--dry-run", "owner:x", "-owner:none", "--reason", "why not"),
        ("revoke", "owner:x", "-owner:none", "--dry-run", "--reason", "why not"),
        ("--reason", "why not", "revoke", "owner:x", "--dry-run", "-owner:none"),
        ("--dry-run", "--reason=why not", "revoke", "--", "owner:x", "-owner:none"),
    ],
)
def test_a_plan_means_the_same_in_any_order(words: tuple[str, ...]) -> None:
    assert said("plan", *words) == PLAN


def test_no_word_is_changed_on_its_way() -> None:
    """``pre-prod: x`` once became ``pre!prod: x``, in a reason that goes into the journal."""
    told = said("contain", "arn:aws-cn:iam:1", "--reason", "pre-prod: leaked", "--json")
    assert told["reason"] == "pre-prod: leaked"
    assert told["token"] == "arn:aws-cn:iam:1"
    assert said("revoke", "--reason", "-v1: gone", "x1")["reason"] == "-v1: gone"
    mixed = ("--owner", "ana", "5c", "--until", "2027-01-31", "3", "--reason", WHY)
    options = said("run", "except", *mixed)
    assert (options["run_id"], options["item"], options["owner"]) == ("5c", "3", "ana")


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "revoke", "owner:x", "--reason", "--dry-run"),
        ("plan", "revoke", "owner:x", "--dryrun", "--reason", WHY),
        ("plan", "revoke", "owner:x", "--reason"),
        ("list", "-x"),
    ],
)
def test_what_is_no_option_and_what_has_no_value_is_refused(words: tuple[str, ...]) -> None:
    """A dry run that is taken for a reason would be none."""
    with pytest.raises(SystemExit) as caught:
        parse(words)
    assert caught.value.code == 2


def test_every_option_of_every_command_takes_a_number_of_values_that_is_known() -> None:
    """That is what the sorting of words knows of them."""
    from console.cli.shell.arguments import ordered

    seen = 0

    def walk(parser: argparse.ArgumentParser) -> None:
        nonlocal seen
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    walk(below)
            elif action.option_strings:
                known = action.nargs is None or isinstance(action.nargs, int)
                assert known, action.option_strings
                seen += 1

    taken: list[argparse.ArgumentParser] = []
    original = argparse.ArgumentParser.parse_args

    def keep(self: argparse.ArgumentParser, *given: Any) -> Any:
        taken.append(self)
        return original(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", keep)
        parse(["list"])
    walk(taken[0])
    assert seen > 100
    assert ordered(taken[0], ["a"]) == ["a"]


@pytest.mark.parametrize(
    "words",
    [
        "reach x --may read secret/a",
        "reach --may read secret/a x",
        "reach --json --may read secret/a x",
        "reach --may read -secret/a x",
    ],
)
def test_an_option_of_two_words_takes_both_wherever_it_stands(words: str) -> None:
    if "-secret" in words:
        with pytest.raises(SystemExit) as caught:
            parse(words.split())
        assert caught.value.code == 2
        return
    chosen = parse(words.split())
    assert (chosen.token, chosen.may) == ("x", ["read", "secret/a"])


@pytest.mark.parametrize("words", ["list --csv", "list --json", "list", "timeline --csv", "show x"])
def test_a_reader_that_has_enough_ends_a_command_without_a_word(home: Path, words: str) -> None:
    run = f"{sys.executable} -m console --home {home} {words}"
    done = subprocess.run(
        ["bash", "-c", f"{run} 2> >(cat >&2) | head -c 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    assert done.returncode in (2, 141)


def test_a_closed_pipe_is_no_success(home: Path) -> None:
    """An act whose plan nobody could read was not carried out, and must not exit with 0."""
    run = f"{sys.executable} -m console --home {home} list"
    done = subprocess.run(
        ["bash", "-c", f"{run} | true; exit ${{PIPESTATUS[0]}}"], timeout=HANG, check=False
    )
    assert done.returncode == 141


def test_a_question_is_asked_on_the_terminal_while_the_value_comes_through_a_pipe(
    home: Path,
) -> None:
    rows = json.loads(console(home, "list", "backend:pg-ledger", "state:active", "--json").stdout)
    row = next(row for row in rows if row["name"].isascii() and row["name"].isprintable())
    command = (
        f"printf %s not-the-value | {sys.executable} -m console --home {home}"
        f" revoke {row['handle']} --reason '{WHY}' --secret-stdin --probe"
    )
    number, terminal = pty.fork()
    if not number:
        os.execvp("bash", ["bash", "-o", "pipefail", "-c", command])
    shown, answered = b"", 0
    try:
        while more := os.read(terminal, 65536):
            shown += more
            # Each hazard is asked about first, then the word.
            if shown.count(b"\n> ") > answered:
                last = shown.rpartition(b"\n> ")[0].splitlines()[-1]
                wrong = b"not that word\n" if b"to go on" in last else b"it is the drill\n"
                os.write(terminal, wrong)
                answered += 1
    except OSError:
        pass  # The terminal's other end was closed: the command has ended.
    _, status = os.waitpid(number, 0)
    os.close(terminal)
    text = shown.decode()
    assert "nobody is there" not in text
    assert " to go on, anything else to stop" in text
    assert os.waitstatus_to_exitcode(status) != 0, text
    assert "what was typed is not" in text
    after = json.loads(console(home, "list", f"handle:{row['handle']}", "--json").stdout)
    assert after[0]["state"] == "active"


def test_nobody_is_asked_where_no_stream_is_a_terminal(home: Path) -> None:
    done = console(home, "contain", "pg-ledger/ci_deploy", "--reason", WHY, text="")
    assert done.returncode == 2
    assert "nobody is there" in done.stderr or "--answer" in done.stderr


def test_list_fits_a_terminal_of_80_columns(home: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environ = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "--home", str(home), "list", "--limit", "200"],
        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=environ,
    )  # fmt: skip
    os.close(theirs)
    got = b""
    try:
        while more := os.read(ours, 65536):
            got += more
    except OSError:
        pass  # The command has ended, and its end of the terminal is closed.
    os.close(ours)
    assert process.wait() == 0
    lines = got.decode().splitlines()
    assert lines[0].startswith("HANDLE")
    assert len(lines) > 200
    assert max(len(line) for line in lines) <= 80
