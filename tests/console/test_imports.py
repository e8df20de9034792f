"""The command line does not pay for the screen, nor the screen for the backends."""

from pathlib import Path

import pytest
from fresh_python import loaded, run_command

SCREEN = ("textual", "rich")
HEAVY = (
    "sqlalchemy",
    "sqlmodel",
    "httpx",
    "boto3",
    "botocore",
    "psycopg",
    "redis",
    "alembic",
    "cryptography",
)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("list", "--json"),
        ("list", "--help"),
        ("show", "x"),
        ("journal", "list"),
        ("journal", "--help"),
    ],
)
def test_reading_commands_load_neither_screen_nor_backends(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    assert not loaded(run_command(*words), tmp_path) & {*SCREEN, *HEAVY}


def test_verifying_loads_only_what_signatures_need(tmp_path: Path) -> None:
    held = loaded(run_command("journal", "verify"), tmp_path)
    assert not held & {*SCREEN, *HEAVY} - {"cryptography"}


@pytest.mark.parametrize(
    "module",
    [
        "console.worker",
        "console.fleet",
        "console.response.run.process",
        "backends.conformance",
        "backends.lab.lab",
        "backends.openbao",
        "backends.aws_iam",
        "backends.postgres",
        "backends.redis_acl",
        "backends.estate",
    ],
)
def test_nothing_below_the_screen_loads_it(module: str, tmp_path: Path) -> None:
    # httpx brings Rich along for a command of its own wherever click happens to be there.
    assert "textual" not in loaded(f"import {module}", tmp_path)


def test_the_screen_holds_no_backend_library(tmp_path: Path) -> None:
    assert not loaded("import console.tui.shell.entry", tmp_path) & set(HEAVY)


def test_one_backend_does_not_load_anothers_library(tmp_path: Path) -> None:
    assert not loaded("import backends.openbao", tmp_path) & {
        "boto3",
        "botocore",
        "psycopg",
        "redis",
    }
    others = {"boto3", "psycopg", "httpx", "redis"}
    assert not loaded("import backends.estate", tmp_path) & others
    assert not loaded("import backends.redis_acl", tmp_path) & {"boto3", "psycopg", "httpx"}
