"""What is typed, sent or named cannot bring a secret into the journal by way of an incident."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from demo_home import Responder, copy, prepare

from console.cli.options.incident import HELP

WHY = "it stood in a build log"
SECRET = "glpat-16C7e42F292c6912E771"  # Drawn here; no server has ever given it out.


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("secrets"))


@pytest.fixture
def ana(prepared: Path, tmp_path: Path) -> Responder:
    """A responder with a home of their own, at work on INC-7."""
    found = Responder(copy(prepared, tmp_path))
    found.must("incident", "open", "INC-7", "--title", "a log", "--reason", WHY)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("assign", ".", "ana", "--backend", SECRET),
        ("assign", ".", "ana", "--role", SECRET),
        ("scope", ".", f"backend:github -name:{SECRET}", "--reason", WHY),
        ("amend", ".", "--title", SECRET, "--reason", WHY),
        ("note", ".", f"the value is {SECRET}"),
    ],
)
def test_no_word_brings_a_secret_into_the_journal(ana: Responder, words: tuple[str, ...]) -> None:
    assert "looks like a secret" in ana.must("incident", *words, code=2)
    for file in (ana.home / "state").glob("journal.db*"):
        assert SECRET.encode() not in file.read_bytes()


def test_a_leak_is_not_moved_into_the_future(ana: Responder) -> None:
    said = ana.must("incident", "amend", ".", "--leak", "2999-01-01", "--reason", WHY, code=2)
    assert "in the future" in said


def test_one_stops_being_at_work_without_naming_an_incident(ana: Responder) -> None:
    assert "no incident" in ana.must("incident", "use", "--none")
    assert "no incident" in ana.must("incident", "show", ".", code=2)


def test_the_first_command_that_help_shows_works_as_it_stands(ana: Responder) -> None:
    (line,) = [line for line in HELP.splitlines() if " incident open " in line]
    ana.must(*shlex.split(line)[1:])


@pytest.mark.parametrize("what", ["pipe", "directory", "noise"])
def test_a_file_that_names_no_incident_is_taken_for_none(ana: Responder, what: str) -> None:
    file = ana.home / "state" / "incident"
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "directory":
        file.mkdir()
    else:
        file.write_bytes(bytes(range(256)) * 40)
    assert "you are at work on no incident" in ana.must("incident", "show", ".", code=2)
    if what == "directory":
        said = ana.must("incident", "use", "INC-7", code=2)
        assert "cannot be kept" in said
        assert not list(file.parent.glob("*.new")), "nothing half-written stays"
