"""On the lab's servers: screen and command line plan, say and close alike, and say what is true."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_scene import REASON, Desk, family, known

from backends.lab.lab import Lab
from console import settings
from console.fleet import Fleet
from console.worker.acts import Acts


@pytest.fixture
def desk(tmp_path: Path, lab: Lab) -> Iterator[Desk]:
    made = Desk(tmp_path, lab)
    yield made
    made.close()


def by_the_screen(desk: Desk, verb: str, handle: str, **more: Any) -> dict[str, Any]:
    """What the screen's worker answers when it is asked for a plan."""
    paths = settings.paths(desk.home)

    async def ask() -> dict[str, Any]:
        async with Fleet(settings.load(paths.config), paths, act=True) as fleet:
            asked = {"verb": verb, "handles": [handle], "reason": REASON, **more}
            return await Acts(fleet).plan(asked)

    return asyncio.run(ask())


def by_hand(desk: Desk, verb: str, handle: str) -> dict[str, Any]:
    """The plan that the command line shows."""
    done = desk.run(verb, handle, "--reason", REASON, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_screen_and_command_line_stop_at_the_same_child(desk: Desk, lab: Lab) -> None:
    """The look that learned of the child was another process's: what it learned is kept."""
    above, below = family(desk)
    row = desk.row(above)
    line = by_hand(desk, "revoke", row["handle"])
    (item,) = line["items"]
    screen = by_the_screen(desk, "revoke", row["handle"])
    shown = [(each["code"], each["text"]) for each in screen["hazards"]]
    asked = [(each["code"], each["text"]) for each in item["proposal"]["hazards"]]
    assert shown == asked
    assert [code for code, _ in asked] == ["cascade"]
    assert below.id in asked[0][1]
    # Without a word the command goes no further, and the child lives.
    done = desk.run("revoke", row["handle"], "--reason", REASON, "--confirm", above.name)
    assert done.returncode != 0
    assert "the hazard cascade wants an answer: 1 more token would end" in done.stderr
    assert known(lab)["openbao"].accepts(below)


def test_what_cannot_be_known_of_children_is_said_in_the_plan(desk: Desk) -> None:
    """The log was readable once. What it told is still known, and that it is not read now too."""
    above, below = family(desk)
    row = desk.row(above)
    lines = desk.config.read_text().splitlines()
    desk.config.write_text("\n".join(each for each in lines if "audit_file" not in each) + "\n")
    line = by_hand(desk, "revoke", row["handle"])
    (item,) = line["items"]
    assert below.id in json.dumps(item["proposal"]["also_ends"])
    (told,) = item["proposal"]["not_known"]
    assert told.startswith("children and leases, which end with it: OpenBao keeps no record")
    text = desk.must("revoke", row["handle"], "--reason", REASON, "--dry-run")
    assert "! not known   children and leases, which end with it" in text
    screen = by_the_screen(desk, "revoke", row["handle"])
    assert list(screen["item"]["proposal"]["not_known"]) == [told]


def test_a_contain_without_a_call_is_no_contain(desk: Desk, lab: Lab) -> None:
    """An OpenBao token without an entity: not contained, why, and what can be done."""
    issued, row = desk.issue(known(lab)["openbao"], "alone")
    command = ("contain", row["handle"], "--reason", REASON, "--confirm", issued.name)
    told = desk.must(*command, code=1)
    assert told.startswith(f"NOT CONTAINED: {issued.name} on vault-lab")
    assert "OpenBao cannot hold back a token without an entity" in told
    assert f"token-console revoke {row['handle']} --reason" in told
    assert f"token-console rotate {row['handle']} --reason" in told
    for word in ("irreversible", "approved", "type "):
        assert word not in told, word
    assert all(len(line) <= 80 for line in told.splitlines())
    assert desk.told("run", "list") == []
    assert [entry for entry in desk.journal() if entry["type"] == "plan"] == []
    screen = by_the_screen(desk, "contain", row["handle"])
    assert screen["not_done"]["title"] == "NOT CONTAINED"
    assert screen["not_done"]["instead"] == ["rotate", "revoke"]
    assert " ".join(screen["not_done"]["why"].split()) in " ".join(told.split())
    assert desk.told("run", "list") == []
