"""Sinks on this machine: a file, a program, a terminal; and what every sink keeps to."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys
from pathlib import Path
from typing import Any

import pytest
from sink_tools import INTENT, VALUE, check, deliver, made, read, token

from backends.contract import OutcomeState, Retry, Step
from backends.errors import BackendError, ConfigError, CredentialError, NoIntent, Refused
from backends.model import Secret
from backends.permit import Permit
from backends.sinks import configure
from backends.sinks.registry import TYPES

PYTHON = sys.executable
LIMIT = "import sys; sys.stdin.read(); sys.exit({})"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def file(path: Path, **more: Any) -> dict[str, Any]:
    return {"type": "file", "path": str(path), **more}


def program(code: str, *words: str, **more: Any) -> dict[str, Any]:
    return {"type": "command", "command": [PYTHON, "-c", code, *words], **more}


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("the old one, which is much longer than what comes after it " * 9)
    path.chmod(0o644)
    assert "0644" in check(file(path))
    step, outcome, back = deliver(file(path))
    assert outcome.state is OutcomeState.APPLIED
    assert path.read_text() == VALUE
    assert path.stat().st_mode & 0o777 == 0o600
    assert back == Secret(VALUE)
    assert names(tmp_path) == ["key"]
    assert step.call.line == f"REPLACE {path} {{mode: 0600, content: <new value>}}"
    assert step.retry is Retry.FREE


def test_a_file_may_be_new_and_end_in_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "billing.key"
    table = file(tmp_path / "{name}.key", newline=True)
    assert read(table) is None
    assert "does not exist" in check(table)
    _, outcome, back = deliver(table)
    assert (outcome.state, outcome.detail) == (OutcomeState.APPLIED, "created")
    assert path.read_text() == VALUE + "\n"
    assert back == Secret(VALUE)


def test_a_file_keeps_its_group_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    os.chown(path, 65534, 65534)
    assert deliver_only(file(path)).state is OutcomeState.NOT_SENT
    assert path.read_text() == "old"
    assert deliver_only(file(path, owner="nobody")).state is OutcomeState.APPLIED
    about = path.stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (65534, 65534, 0o600)


def deliver_only(table: dict[str, Any]) -> Any:
    async def go() -> Any:
        async with made(table) as sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret(VALUE)).active():
                return await sink.perform(step)

    return asyncio.run(go())


@pytest.mark.parametrize("trap", ["symlink", "hard link", "directory", "open directory", "nothing"])
def test_what_is_no_plain_private_place_is_refused_and_left_alone(
    tmp_path: Path, trap: str
) -> None:
    folder = tmp_path / "at"
    folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    path = folder / "key"
    if trap == "symlink":
        path.symlink_to(elsewhere)
    elif trap == "hard link":
        path.hardlink_to(elsewhere)
    elif trap == "directory":
        path.mkdir()
    elif trap == "open directory":
        folder.chmod(0o777)
    else:
        path = folder / "missing" / "key"
    with pytest.raises(BackendError) as caught:
        check(file(path))
    assert caught.value.hint
    outcome = deliver_only(file(path))
    assert outcome.state is OutcomeState.NOT_SENT
    assert elsewhere.read_text() == "untouched"
    assert not [name for name in names(folder) if INTENT in name]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outcome = deliver_only(file(path))
    assert outcome.state is OutcomeState.NOT_SENT
    assert path.read_text() == "old"
    assert names(tmp_path) == ["key"]


def test_a_program_gets_the_value_on_standard_input_only(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = (
        "import json, os, sys\n"
        "json.dump([sys.stdin.read(), sys.argv[2:], dict(os.environ)], open(sys.argv[1], 'w'))\n"
        "print('canary on stdout'); print('canary on stderr', file=sys.stderr)"
    )
    back = f"import json; print(json.load(open({str(seen)!r}))[0])"
    os.environ["OTHER_SYSTEMS_TOKEN"] = "hvs.other"
    try:
        step, outcome, found = deliver(
            program(code, str(seen), "{name}", "$(id)", read=[PYTHON, "-c", back])
        )
    finally:
        del os.environ["OTHER_SYSTEMS_TOKEN"]
    assert outcome.state is OutcomeState.APPLIED
    assert found == Secret(VALUE)
    value, words, environ = json.loads(seen.read_text())
    assert value == VALUE
    assert words == ["billing", "$(id)"]
    assert environ["TOKEN_CONSOLE_INTENT"] == INTENT
    assert "OTHER_SYSTEMS_TOKEN" not in environ
    assert VALUE not in str(environ)
    assert "canary" not in repr(outcome)
    assert step.retry is Retry.CONFIRM


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        (LIMIT.format(0), OutcomeState.APPLIED, "exit status 0"),
        (LIMIT.format(1), OutcomeState.UNKNOWN, "exit status 1"),
        (LIMIT.format(75), OutcomeState.REJECTED, "exit status 75"),
        ("import os; os.kill(os.getpid(), 9)", OutcomeState.UNKNOWN, "SIGKILL"),
        ("import time; time.sleep(600)", OutcomeState.UNKNOWN, "within 1 s"),
    ],
)
def test_how_a_program_ends_is_what_is_known(code: str, state: OutcomeState, words: str) -> None:
    outcome = deliver_only(program(code, timeout=1 if "sleep" in code else 60, unchanged_exit=75))
    assert outcome.state is state
    assert words in outcome.status + outcome.detail


def test_a_program_that_does_not_read_the_value_did_not_get_it() -> None:
    async def go() -> Any:
        async with made(program("import os; os.close(0)")) as sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret("x" * 1_000_000)).active():
                return await sink.perform(step)

    assert asyncio.run(go()).state is OutcomeState.UNKNOWN


def test_a_program_that_is_not_there_was_not_run() -> None:
    table = {"type": "command", "command": ["no-such-program-here"]}
    with pytest.raises(BackendError):
        check(table)
    assert deliver_only(table).state is OutcomeState.NOT_SENT


def test_a_value_is_shown_once_on_the_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        _, outcome, _ = deliver({"type": "show", "descriptor": theirs}, "canary-4711")
        assert outcome.state is OutcomeState.APPLIED
        assert os.read(ours, 4096) == b"canary-4711\r\n"
        # What a terminal would act on never reaches one.
        hostile = {"type": "show", "descriptor": theirs}
        _, refused, _ = deliver(hostile, "canary\x1b]0;owned\x07")
        assert refused.state is OutcomeState.NOT_SENT
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_value_is_never_shown_into_a_file_or_into_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as handle:
        table = {"type": "show", "descriptor": handle.fileno()}
        with pytest.raises(Refused):
            check(table)
        assert deliver_only(table).state is OutcomeState.NOT_SENT
    assert log.read_text() == ""
    assert deliver_only(table).state is OutcomeState.NOT_SENT
    with pytest.raises(ConfigError):
        made({"type": "show", "descriptor": 2})


def test_a_reader_that_went_away_is_no_delivery() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert deliver_only({"type": "show", "descriptor": writing}).state is OutcomeState.NOT_SENT
    finally:
        os.close(writing)


@pytest.mark.parametrize("kind", ["file", "command", "show"])
def test_nothing_is_delivered_without_a_permit_for_this_very_call(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "key"
    seen = tmp_path / "seen"
    reading, writing = os.pipe()
    touch = f"open({str(seen)!r}, 'w')"
    table: dict[str, Any] = {
        "file": file(path),
        "command": program(touch),
        "show": {"type": "show", "descriptor": writing},
    }[kind]

    async def attempt(step: Step, permitted: Step | None) -> None:
        async with made(table) as sink:
            if permitted is None:
                await sink.perform(step)
                return
            with Permit(INTENT, permitted, value=Secret(VALUE)).active():
                await sink.perform(step)

    sink = made(table)
    step, other = sink.plan(token()), made(program("pass", "x")).plan(token())
    for permitted in (None, other):
        with pytest.raises(NoIntent):
            asyncio.run(attempt(step, permitted))
    os.close(writing)
    assert os.read(reading, 100) == b""
    os.close(reading)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "-rf", "a b", "a\x1b[2J", "", "x/y", "é"])
def test_a_hostile_name_never_becomes_part_of_a_place(tmp_path: Path, name: str) -> None:
    sink = made(file(tmp_path / "{name}"))
    with pytest.raises(ConfigError) as caught:
        sink.plan(token(name))
    assert "{handle}" in caught.value.hint
    assert name not in str(caught.value) or not name
    plain = made(file(tmp_path / "{handle}")).plan(token(name))
    assert plain.call.target == f"{tmp_path}/{token(name).ref.handle}"


@pytest.mark.parametrize(
    ("table", "option"),
    [
        ({}, "type"),
        ({"type": "floppy"}, "type"),
        ({"type": "file"}, "path"),
        ({"type": "file", "path": "relative"}, "path"),
        ({"type": "file", "path": "/x/{user}"}, "path"),
        ({"type": "file", "path": "/x", "colour": "red"}, "colour"),
        ({"type": "file", "path": "/x", "write": {"env": "PATH"}}, "write"),
        ({"type": "command", "command": []}, "command"),
        ({"type": "command", "command": "rm -rf /"}, "command"),
        ({"type": "openbao_kv", "url": "http://bao.example", "path": "a"}, "url"),
        ({"type": "openbao_kv", "url": "https://u:p@bao.example", "path": "a"}, "url"),
        ({"type": "openbao_kv", "url": "https://bao.example", "path": "a/../b"}, "path"),
    ],
)
def test_a_wrong_table_names_the_entry_to_mend(table: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure("drop", table)
    assert caught.value.option == option
    assert caught.value.hint


def test_a_credential_is_a_reference_and_is_looked_up_to_act_only() -> None:
    table = {"type": "openbao_kv", "url": "https://bao.example", "path": "a"}
    with pytest.raises(CredentialError):
        configure("drop", {**table, "write": "hvs.canary"})
    looking = configure("drop", {**table, "write": {"env": "NO_SUCH_VARIABLE"}})
    assert looking.plan(token()).call.method == "PATCH"

    async def open_it() -> None:
        async with looking:
            pass

    with pytest.raises(ConfigError):
        asyncio.run(open_it())


@pytest.mark.parametrize("kind", TYPES.built_in)
def test_every_kind_says_what_becomes_of_the_old_value(kind: str) -> None:
    sink = TYPES.load(kind)
    assert sink.type_name == kind
    assert sink.prior.endswith(".")
