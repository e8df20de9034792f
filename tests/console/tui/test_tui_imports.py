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
    views = ", ".join(f"console.tui.screens.{name}" for name in (
        "inventory", "token", "backends", "journal", "runs", "run", "text", "help",
        "graph", "graph_text", "timeline", "events"))  # fmt: skip
    assert loaded(f"import console.tui.shell.application, {views}", HEAVY) == "[]"
