"""What the screen's process loads, and when."""

import subprocess
import sys

HEAVY = ("sqlmodel", "sqlalchemy", "httpx", "boto3", "psycopg", "alembic", "pydantic")


def loaded(code: str, wanted: tuple[str, ...]) -> str:
    check = (
        f"\nimport sys\nprint(sorted({{m.split('.')[0] for m in sys.modules}} & set({wanted!r})))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, check=True
    )
    return out.stdout.strip()


def test_nothing_of_textual_before_the_environment_is_scrubbed() -> None:
    assert loaded("import console.tui.shell.entry", ("textual", "rich")) == "[]"


def test_the_screen_loads_no_client_and_no_database_toolkit() -> None:
    every = (
        "import importlib, pkgutil, console.tui.shell.application, console.tui.views as views\n"
        "for each in pkgutil.walk_packages(views.__path__, 'console.tui.views.'):\n"
        "    importlib.import_module(each.name)"
    )
    assert loaded(every, HEAVY) == "[]"
    assert "textual" in loaded(every, ("textual",)), "the views were loaded"
