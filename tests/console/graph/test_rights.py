"""What a token may do: told by ``reach``, asked by ``reach --may``, over an embedded estate."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from real_systems import console

from backends.estate import EstateWorld, create, set_trouble
from backends.model import Gap, GapKind, TokenRef
from backends.permissions import (
    Access,
    Answer,
    Decision,
    Elevation,
    Permission,
    PermissionEffect,
    Permissions,
)
from console.graph.rights import EXIT, Sort, answered, clauses, not_opened

HOSTILE = "\x1b]0;owned\x07[bold]x[/]\u202e"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rights")
    create(folder / "estate.db", seed=3, tokens=40, clean=True)
    with EstateWorld(folder / "estate.db") as world:
        for name, grants in (
            ("reader", ["kv-read", "pki-issue"]),
            ("ruler", ["admin"]),
            ("stranger", ["kv-read", HOSTILE]),
        ):
            world.mint("vault", name, owner="sre", grants=[("policy", grant) for grant in grants])
    (folder / "config.toml").write_text(
        f'[backend.vault]\ntype = "estate"\npath = "{folder / "estate.db"}"\nsystem = "vault"\n'
    )
    done = console(folder, "sync")
    assert done.returncode in (0, 3), done.stderr
    return folder


def test_reach_says_what_it_may_do_the_worst_first_with_its_sources(home: Path) -> None:
    done = console(home, "reach", "reader")
    assert done.returncode == 0, done.stderr
    told = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    rights = told[told.index("reads secrets: secret/data/* (policy kv-read)") :]
    assert rights == [
        "reads secrets: secret/data/* (policy kv-read)",
        "writes: update on pki/issue/*, only if allowed_parameters common_name (policy pki-issue)",
        "reads: read on secret/data/* (policy kv-read)",
        "reads: list on secret/metadata/* (policy kv-read)",
        "denied: read on secret/data/security/* (policy kv-read)",
    ]
    assert "read 0s ago" in done.stdout or "read 1s ago" in done.stdout
    ruler = console(home, "reach", "ruler").stdout
    assert "admin by way of: has every right on every path: * on * (policy admin)" in ruler


def test_a_grant_that_was_not_opened_is_said_and_no_name_reaches_the_terminal(home: Path) -> None:
    done = console(home, "reach", "stranger")
    assert done.returncode == 0
    assert "not opened: what the policy" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr
    told = json.loads(console(home, "reach", "stranger", "--json").stdout)["may"]
    assert [gap["kind"] for gap in told["gaps"]] == ["unlistable"]
    assert told["rows"][0]["source"] == "policy kv-read"


@pytest.mark.parametrize(
    ("token", "action", "resource", "decision", "code"),
    [
        ("reader", "read", "secret/data/app", "allowed", 0),
        ("reader", "read", "secret/data/security/app", "denied", 1),
        ("reader", "delete", "secret/data/app", "denied", 1),
        ("reader", "update", "pki/issue/web", "conditional", 4),
        ("stranger", "read", "secret/data/app", "conditional", 4),
        ("stranger", "read", "secret/data/security/app", "denied", 1),
        ("stranger", "delete", "secret/data/app", "unknown", 3),
        ("ruler", "delete", "secret/data/security/app", "allowed", 0),
    ],
)
def test_one_question_is_answered_with_the_rows_that_decide_it(
    home: Path, token: str, action: str, resource: str, decision: str, code: int
) -> None:
    done = console(home, "reach", token, "--may", action, resource)
    assert done.returncode == code, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{decision}: {action} on {resource}"
    if code in (0, 4):
        assert lines[1].startswith("  because ")
        assert "(policy " in lines[1]
    told: dict[str, Any] = json.loads(
        console(home, "reach", token, "--may", action, resource, "--json").stdout
    )
    assert told["decision"] == decision
    assert datetime.fromisoformat(told["as_of"]).tzinfo is not None


def test_a_system_that_is_away_leaves_it_unknown_and_the_rest_told(home: Path) -> None:
    set_trouble(home / "estate.db", "vault", forbidden=["root", "payments", "platform", "data"])
    try:
        done = console(home, "reach", "reader")
        assert done.returncode == 0
        assert "a leak of vault/reader reaches" in done.stdout
        assert "not known: what it may do: vault could not tell: reading in" in done.stderr
        asked = console(home, "reach", "reader", "--may", "read", "secret/data/app")
        assert (asked.returncode, asked.stdout) == (3, "unknown: read on secret/data/app\n")
        assert "could not tell" in asked.stderr
        stored = console(home, "reach", "reader", "--stored")
        assert "what it may do" not in stored.stderr
    finally:
        set_trouble(home / "estate.db", "vault", forbidden=[])


def test_what_is_read_is_kept_nowhere(home: Path) -> None:
    assert console(home, "reach", "reader").returncode == 0
    for path in (home / "state").rglob("*"):
        assert path.is_dir() or b"secret/metadata/*" not in path.read_bytes()


def test_rows_are_told_together_where_they_differ_in_the_action_only() -> None:
    def row(action: str, access: Access, **more: Any) -> Permission:
        return Permission(action=action, resource="kv/x", access=access, source="policy p", **more)

    way = Elevation("root", "may do all", (row("sudo", Access.ADMIN, conditions=("mfa",)),))
    found = Permissions(
        ref=TokenRef("b", "k", "i"),
        rows=(
            row("deny", Access.UNKNOWN, effect=PermissionEffect.DENY),
            row("read", Access.READ),
            row("update", Access.WRITE),
            row("fly", Access.UNKNOWN),
            row("list", Access.READ, conditions=("page",)),
        ),
        elevations=(way,),
        gaps=(Gap("b", GapKind.REFUSED, "the policy q", "Grant read."),),
        secret_gaps=(Gap("b", GapKind.FAILED, "the mounts"),),
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert [(one.sort, one.whole) for one in clauses(found)] == [
        (Sort.WAY, "may do all: sudo on kv/x, only if mfa (policy p)"),
        (Sort.WRITES, "read, update, fly on kv/x (policy p)"),
        (Sort.READS, "list on kv/x, only if page (policy p)"),
        (Sort.DENIED, "deny on kv/x (policy p)"),
    ]
    many = [msgspec.structs.replace(row("read", Access.READ), resource=f"r/{n}") for n in range(9)]
    (one,) = clauses(Permissions(ref=found.ref, rows=tuple(many), as_of=found.as_of))
    assert one.what(2) == "read on r/0, r/1 and 7 more"
    assert one.what().endswith("r/7, r/8")
    assert not_opened(found) == [
        ("not opened: the policy q (refused)", "Grant read."),
        ("secrets may be missing: the mounts (failed)", ""),
    ]


def test_every_decision_has_an_end_of_its_own() -> None:
    assert set(EXIT) == set(Decision)
    assert len(set(EXIT.values())) == len(Decision)
    assert 2 not in EXIT.values(), "that is a wrong command"
    assert answered(Answer(Decision.UNKNOWN, detail="why"), "read", "x") == [
        "unknown: read on x",
        "  why",
    ]
