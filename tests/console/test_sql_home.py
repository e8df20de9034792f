"""SQL is in the two stores and nowhere above them: what is asked there has a name and a docstring.

Above them a statement would be read, and broken, by nobody who knows the tables.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOMES = ("console/store/", "console/journal/store/")
STATEMENT = re.compile(
    r"\bselect\s.+\bfrom\b|\binsert\s+(or\s+\w+\s+)?into\b|\bupdate\s+\w+\s+set\b|\bdelete\s+from\b"
    r"|\bwith\s+recursive\b|\b(create|alter|drop)\s+(virtual\s+)?(table|index|trigger|view)\b"
    r"|\bpragma\s+\w",
    re.IGNORECASE | re.DOTALL,
)
FRAGMENT = re.compile(
    r"\bSELECT\b|\bFROM \w|\bWHERE\b|\bJOIN\b|\b(ORDER|GROUP|INDEXED) BY\b|\bIS (NOT )?NULL\b"
    r"|\b(LIMIT|MATCH|BETWEEN) \?|\bIN \(|[<>=] \?|\b(coalesce|instr|json_each|group_concat)\("
)
"""Pieces that a statement is put together of, as the search once did from six modules."""
BUILDERS = {"select", "insert", "update", "delete", "text"}
"""What statements are made with by SQLAlchemy, and by SQLModel."""


def spoken(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every text of a module that is no docstring; of an f-string, the parts between braces."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node


def whole(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The texts, and each f-string in one piece as well."""
    for node in spoken(tree):
        yield node.lineno, str(node.value)
    for joined in ast.walk(tree):
        if isinstance(joined, ast.JoinedStr):
            parts = [
                part.value if isinstance(part, ast.Constant) else "x" for part in joined.values
            ]
            yield joined.lineno, "".join(map(str, parts))


def sql_in(source: str) -> list[str]:
    """Where a module says SQL, a line for each place."""
    tree = ast.parse(source)
    found = {
        f"{line}: {text.strip()[:60]!r}"
        for line, text in whole(tree)
        if STATEMENT.search(text) or FRAGMENT.search(text)
    }
    found |= {
        f"{node.lineno}: {node.module} import {name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("sqlalchemy", "sqlmodel")
        for name in node.names
        if name.name in BUILDERS
    }
    return sorted(found)


def test_no_sql_stands_outside_of_the_stores() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{place}"
        for path in (ROOT / "console").rglob("*.py")
        if not str(path.relative_to(ROOT)).startswith(HOMES)
        for place in sql_in(path.read_text(encoding="utf-8"))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        'rows = connection.execute("SELECT num FROM token")',
        'rows = connection.execute(f"SELECT {columns} FROM token WHERE {where}")',
        'rows = connection.execute("select handle from token")',
        'store.insert("INSERT INTO node (level) VALUES (?)", made)',
        'store.insert("DELETE FROM node", [()])',
        'connection.execute("UPDATE mark SET value = 0")',
        'where += " AND owner_key IS NOT NULL"',
        'condition = f"coalesce({column} = ?, 0)"',
        'by = f"{statement} ORDER BY {order}"',
        "from sqlalchemy import select",
    ],
)
def test_sql_is_seen_in_whatever_way_it_is_said(source: str) -> None:
    assert sql_in(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""SELECT num FROM token is what the store asks."""',
        'hint = "Revoke UPDATE, DELETE and TRUNCATE from them."',
        'head = fit("FROM", 22)',
        'said = "Select a token, and read what is below it."',
        'connection.execute("BEGIN")',
        "from sqlalchemy import Connection",
    ],
)
def test_words_that_only_look_like_it_are_none(source: str) -> None:
    assert not sql_in(source)
