"""There is one planner: what the tests show of plans, they show of the product's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLANNER = "console/response/plan/build.py"
MODEL = "console.response.plan.model"
PARTS = re.compile(
    r"\b(items|making)\.(assembled|guarded|scored)\b|\bpriority\.arrange\b"
    r"|from console\.response\.plan\.items import"
    r"|from console\.response\.plan\.priority import[^\n]*arrange"
)
"""What ``build_plan`` puts a plan together with: who uses these has begun a second planner."""
DRAWN = {
    "tests/console/response/test_board.py": "the state of runs is folded, for plans of any shape",
    "tests/scenes/tui_run_scene.py": "the screen is given runs to draw that no lab could make",
}
"""Tests that write a plan's fields themselves, and why that shows nothing of planning."""
SHARED = "tests/scenes/planned.py"


@cache
def texts(folder: str) -> dict[str, str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files}


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """The modules that name a plan at all; no other can make one."""
    for folder in folders:
        for path, text in texts(folder).items():
            if re.search(r"\bPlan\b", text) and "response" in text:
                yield path, ast.parse(text)


def names_of_the_plan(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What a module calls the class, and what it calls the module that has it."""
    classes, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                if node.module == MODEL and each.name == "Plan":
                    classes.add(each.asname or each.name)
                if f"{node.module}.{each.name}" == MODEL:
                    modules.add(each.asname or each.name)
        elif isinstance(node, ast.Import):
            modules |= {each.asname or each.name for each in node.names if each.name == MODEL}
    return classes, modules


def called(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Each call: the function around it, what it is an attribute of, and the name called."""

    def walk(node: ast.AST, within: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            within = within or node.name
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield within, ast.unparse(node.func.value), node.func.attr
            elif isinstance(node.func, ast.Name):
                yield within, "", node.func.id
        for child in ast.iter_child_nodes(node):
            yield from walk(child, within)

    return walk(tree, "")


def makes_a_plan(tree: ast.Module) -> set[str]:
    """The outermost functions that call the class of a plan."""
    classes, modules = names_of_the_plan(tree)
    return {
        within
        for within, of, name in called(tree)
        if (not of and name in classes) or (of in modules and name == "Plan")
    }


def test_the_product_makes_a_plan_in_one_function() -> None:
    found = {
        (path, function)
        for path, tree in sources("console", "backends")
        for function in makes_a_plan(tree)
    }
    assert found == {(PLANNER, "build_plan")}


def test_the_parts_of_the_planner_are_used_by_nobody_else() -> None:
    users = {
        path
        for folder in ("console", "backends", "tests")
        for path, text in texts(folder).items()
        if PARTS.search(text)
    }
    assert users - {str(Path(__file__).relative_to(ROOT))} == {PLANNER}


def test_no_test_makes_a_plan_by_itself() -> None:
    by_hand = {path for path, tree in sources("tests") if makes_a_plan(tree)}
    assert by_hand == DRAWN.keys()


def test_the_tests_planner_calls_the_products() -> None:
    tree = ast.parse(texts("tests")[SHARED])
    calls = [call for call in called(tree) if call[2] == "build_plan"]
    assert calls == [("planned_all", "build", "build_plan")]
    imported = {
        f"{node.module}.{each.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for each in node.names
    }
    assert "console.response.plan.build" in imported
    # Both faces of the product plan by the service, and that by the very same name.
    users = {path for path, text in texts("console").items() if "build.build_plan(" in text}
    assert users == {"console/response/service/planning.py"}


@pytest.mark.parametrize(
    "second",
    [
        "from console.response.plan.model import Plan\ndef make():\n    return Plan(id='x')\n",
        "from console.response.plan.model import Plan as P\ndef make():\n    return P(id='x')\n",
        "from console.response.plan import model\ndef make():\n    return model.Plan(id='x')\n",
        "import console.response.plan.model\n"
        "def make():\n    return console.response.plan.model.Plan(id='x')\n",
    ],
)
def test_a_second_planner_is_seen_however_it_names_the_class(second: str) -> None:
    assert makes_a_plan(ast.parse(second)) == {"make"}
