"""The commands of the graph over an embedded estate, in processes of their own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from real_systems import console

from backends.estate import EstateWorld, create, hazard_cases

REASON = "agreed in the quarterly review"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graph")
    create(folder / "estate.db", seed=3, tokens=60, clean=True)
    with EstateWorld(folder / "estate.db") as world:
        parent, secret = world.mint("vault", "planted-parent", owner="sre", principal="ana")
        world.mint("vault", "planted-child", owner="sre", parent=parent)
        hazard_cases.employ(
            world, "vault", parent, "pod/\x1b[31mred", address="10.9.9.9", period=600
        )
        world.travel(7_200)
        (folder / "value").write_text(secret.reveal())
    (folder / "deploy").mkdir()
    (folder / "deploy" / "app.env").write_text(f"TOKEN={secret.reveal()}\n")
    (folder / "config.toml").write_text(
        f'[backend.vault]\ntype = "estate"\npath = "{folder / "estate.db"}"\nsystem = "vault"\n'
        '[graph]\nconfigs = ["deploy"]\nowners = ["owners.toml"]\n'
    )
    (folder / "owners.toml").write_text('[[owner]]\nname = "core"\ntokens = ["planted-child"]\n')
    done = console(folder, "sync")
    assert done.returncode in (0, 3), done.stderr
    return folder


def answer(home: Path, *words: str) -> Any:
    done = console(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_graph_draws_a_tree_and_its_reverse(home: Path) -> None:
    done = console(home, "graph", "planted-parent", "--ask")
    assert done.returncode == 0, done.stderr
    assert "planted-child" in done.stdout
    assert "\x1b" not in done.stdout
    assert "red" in done.stdout
    back = console(home, "graph", "planted-child", "--reverse").stdout
    assert "owns: team core" in back
    assert "parent of" in back
    for form, first in (("--dot", "digraph"), ("--mermaid", "flowchart LR")):
        assert console(home, "graph", "planted-parent", form).stdout.startswith(first)


def test_every_command_takes_the_backend_and_the_name_as_the_readme_writes_it(home: Path) -> None:
    """And a fingerprint, and the first digits of a handle."""
    named = "vault/planted-child"
    handle = answer(home, "show", named)["handle"]
    for words in (("graph", named), ("reach", named), ("owner", "show", named),
                  ("timeline", named), ("show", handle[:6]), ("timeline", handle[:6])):  # fmt: skip
        done = console(home, *words)
        assert done.returncode == 0, (words, done.stderr)
    plan = answer(home, "revoke", named, "--dry-run", "--reason", REASON)
    assert [item["token"]["name"] for item in plan["items"]] == ["planted-child"]
    plan = answer(home, "plan", "revoke", "--token", named, "--dry-run", "--reason", REASON)
    assert plan["scope"]["listed"] == [handle]
    done = console(home, "fingerprint", "vault/planted-parent", text="a-value\n")
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(home / "state" / "inventory.db")) as store:
        ((print_,),) = store.execute("SELECT print FROM fingerprint WHERE origin = 'hand'")
        store.execute("DELETE FROM fingerprint")
        store.commit()
        store.execute("INSERT INTO fingerprint VALUES (?, ?, 'hand', 1)", (print_, handle))
        store.commit()
    assert answer(home, "show", print_)["handle"] == handle
    assert answer(home, "show", print_[:12])["handle"] == handle
    with closing(sqlite3.connect(home / "state" / "inventory.db")) as store:
        store.execute("DELETE FROM fingerprint")
        store.commit()


def test_a_value_is_found_in_files_once_it_was_fingerprinted(home: Path) -> None:
    before = {one["name"] for one in answer(home, "reach", "planted-parent")["reached"]}
    assert "deploy/app.env" not in before
    value = (home / "value").read_text()
    done = console(home, "fingerprint", "planted-parent", text=value + "\n")
    assert done.returncode == 0, done.stderr
    told = answer(home, "reach", "planted-parent")
    assert "deploy/app.env" in {one["name"] for one in told["reached"]}
    for path in (home / "state").rglob("*"):
        assert path.is_dir() or value.encode() not in path.read_bytes()


def test_owner_is_assigned_on_the_record_and_the_list_says_so(home: Path) -> None:
    assert answer(home, "owner", "show", "planted-child")["owner"] == "core"
    done = answer(home, "owner", "assign", "planted-child", "ledger", "--reason", REASON)
    shown = answer(home, "owner", "show", "planted-child")
    assert (shown["owner"], shown["how"]) == ("ledger", "hand")
    assert shown["claims"][0]["entry"] == done["entry"]
    assert "planted-child" in console(home, "list", "owner:ledger").stdout
    assert REASON in console(home, "journal", "list", "--json").stdout
    assert console(home, "journal", "verify").returncode in (0, 3)
    assert console(home, "sync").returncode in (0, 3)
    assert answer(home, "owner", "show", "planted-child")["owner"] == "ledger"


def test_leaves_and_orphans_answer(home: Path) -> None:
    loss = answer(home, "owner", "leaves", "ana")
    assert {"planted-parent", "planted-child"} <= {one["name"] for one in loss["dies"]}
    assert isinstance(answer(home, "owner", "orphans"), list)
    for text in ("planted-parent", "vault/planted-parent"):
        loss = answer(home, "owner", "leaves", text)
        assert {one["name"] for one in loss["dies"]} == {"planted-parent", "planted-child"}
    (child,) = answer(home, "owner", "leaves", "planted-child")["dies"]
    assert child["name"] == "planted-child"
    assert console(home, "owner", "leaves", "nobody at all").returncode == 2


def test_what_the_screen_needs_loads_no_machinery() -> None:
    code = (
        "import sys, console.graph.view, console.graph.xray, console.graph.export,"
        " console.graph.owners, console.graph.graph\n"
        "print([m for m in ('sqlalchemy', 'sqlmodel', 'httpx', 'textual') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
