"""The command line does not pay for the screen, nor the screen for the backends."""

from contextlib import closing
from pathlib import Path

import pytest
from fresh_python import loaded, run_command

from console.inventory.search.inventory import Inventory, Sort
from console.inventory.search.query import parse

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


STORE = ("sqlalchemy", "sqlmodel", "pydantic", "alembic", "mako", "psycopg")
"""What writes the store and changes its schema: a third of a second at start."""
WHY = ("--reason", "the key was found in a public log")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an estate that was read."""
    home = tmp_path_factory.mktemp("home")
    done = loaded(run_command("--home", str(home), "demo", "--prepare", "--tokens", "200"), home)
    assert "console" in done
    with closing(Inventory(home / "demo" / "state" / "inventory.db")) as inventory:
        assert inventory.count(parse(""))
    return home / "demo"


@pytest.mark.parametrize(
    "words",
    [
        ("identify",),
        ("contain", "--dry-run", *WHY, "ID"),
        ("revoke", "--dry-run", *WHY, "ID"),
        ("rotate", "--dry-run", *WHY, "ID"),
        ("plan", "revoke", "--dry-run", *WHY, "state:active"),
        ("plan", "revoke", *WHY, "backend:vault-prod", "state:active"),
        ("intake",),
        ("intake", "--offline"),
        ("backends",),
        ("config", "check"),
        ("incident", "list"),
        ("run", "list"),
        ("timeline", "ID"),
        ("show", "ID"),
        ("list",),
        ("journal", "list"),
        ("journal", "verify"),
        ("journal", "recover"),
    ],
    ids=" ".join,
)
def test_who_asks_the_backends_and_plans_does_not_load_what_writes_the_store(
    words: tuple[str, ...], demo: Path
) -> None:
    with closing(Inventory(demo / "state" / "inventory.db")) as inventory:
        (row,) = inventory.window(parse("backend:vault-prod state:active"), Sort(), 0, 1)
    given = [row.handle if word == "ID" else word for word in words]
    held = loaded(run_command(*given), demo, stdin="hvs.CAESIJ-nobody-has-this-value")
    assert not held & {*SCREEN, *STORE}
    assert "backends" in held or words[0] == "journal"


def test_identifying_makes_no_store_where_there_is_none(tmp_path: Path) -> None:
    """Whoever has a leaked value in hand does not wait for a database to be made."""
    held = loaded(run_command("identify"), tmp_path, stdin="hvs.CAESIJ-nobody-has-this-value")
    assert not held & {*SCREEN, *STORE}


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


TOOLKIT = {"sqlalchemy", "sqlmodel", "alembic", "pydantic"}


def test_what_writes_the_store_loads_no_database_toolkit(tmp_path: Path) -> None:
    writes = (
        "from pathlib import Path\n"
        "import console.worker.serving, console.graph.collect.refresh\n"
        "import console.response.run.process\n"
        "from console.store.upkeep import bring_up_to_date\n"
        f"bring_up_to_date(Path({str(tmp_path)!r}) / 'inventory.db')"
    )
    assert not loaded(writes, tmp_path) & TOOLKIT


def test_a_first_start_of_the_demo_loads_none_either(tmp_path: Path) -> None:
    start = run_command("demo", "--prepare", "--tokens", "60")
    held = loaded(f"import sys, os\nsys.stdout, told = sys.stderr, sys.stdout\n{start}\n"
                  "sys.stdout = told", tmp_path)  # fmt: skip
    assert not held & {*TOOLKIT, *SCREEN}
    assert (tmp_path / "demo" / "state" / "inventory.db").exists()


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
