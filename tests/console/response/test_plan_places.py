"""What a rotation needs is known before anybody approves: a place for each value, and a key."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from gate_scene import Scene, codes
from real_systems import console

from backends.contract import Verb
from console import settings
from console.errors import PlanRefused
from console.inventory.search.inventory import Inventory
from console.response import escrow
from console.response.state import report

WHY = "quarterly rotation"
AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kdhxg4hdsv9yttq"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    done = console(place, "demo", "--prepare", "--tokens", "300", "--seed", "3")
    assert done.returncode == 0, done.stderr
    home = place / "demo"
    folder = home / "handed-over"
    config = home / "config.toml"
    config.write_text(
        config.read_text()
        + f'[sink.by-name]\ntype = "file"\npath = "{folder}/{{name}}"\n'
        + f'[sink.one-file]\ntype = "file"\npath = "{folder}/value"\n'
    )
    return home


def hostile(home: Path) -> str:
    rows = json.loads(console(home, "list", "backend:aws-main", "state:active", "--json").stdout)
    return next(row["handle"] for row in rows if "/" in row["name"] or "=" in row["name"])


def test_a_place_that_a_name_cannot_make_is_in_the_plan_and_in_the_check(home: Path) -> None:
    handle = hostile(home)
    done = console(home, "rotate", handle, "--reason", WHY, "--to", "by-name", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "! NO          no-place: The new value cannot be delivered to by-name" in done.stdout
    assert "{handle}" in done.stdout
    refused = console(home, "rotate", handle, "--reason", WHY, "--to", "by-name", "--confirm", "x")
    assert refused.returncode == 1
    assert "cannot be delivered to by-name" in refused.stderr, "before anybody approves"
    fine = console(home, "rotate", handle, "--reason", WHY, "--to", "handed-over", "--dry-run")
    assert "no-place" not in fine.stdout
    check = console(home, "config", "check")
    assert re.search(r"sink by-name: file; \d+ of \d+ tokens have no place there", check.stdout)
    assert "sink handed-over: file\n" in check.stdout
    assert check.returncode == 0, check.stderr


def test_an_unknown_sink_is_refused_before_the_plan(home: Path) -> None:
    done = console(home, "rotate", hostile(home), "--reason", WHY, "--to", "nowhere", "--dry-run")
    assert done.returncode == 1
    assert "no sink 'nowhere'" in done.stderr
    assert "handed-over" in done.stderr


def test_the_check_says_when_it_is_not_known_and_when_no_token_fits(
    home: Path, tmp_path: Path
) -> None:
    text = (home / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text)
    done = console(tmp_path, "config", "check")
    assert "sink by-name: file; not known yet whether every token has a place" in done.stdout


def test_two_values_for_one_place_stop_the_plan(tmp_path: Path) -> None:
    scene = Scene(tmp_path, tokens=160)
    config = tmp_path / "config.toml"
    config.write_text(
        '[backend.cloud-1]\ntype = "estate"\npath = "x"\nsystem = "cloud"\n'
        f'[response]\nescrow = ["{AGE}"]\n'
        f'[sink.one]\ntype = "file"\npath = "{tmp_path}/value"\n'
        f'[sink.each]\ntype = "file"\npath = "{tmp_path}/{{handle}}"\n'
    )
    loaded = settings.load(config)
    scene.run(scene.sync)
    inventory = Inventory(scene.paths.inventory)
    rows = [row for row in inventory.find("ci-deploy") if row.backend in ("cloud-1", "vault-1")]
    inventory.close()
    handles = [row.handle for row in rows]
    assert len(handles) == 2
    given = {"handles": handles, "settings": loaded, "sync": False}
    plan = scene.plan(Verb.ROTATE, sinks=("one",), **given)
    assert sorted("same-place" in codes(item) for item in plan.items) == [False, True]
    assert "of the two new values the second replaces" in "\n".join(report.plan_lines(plan))
    each = scene.plan(Verb.ROTATE, sinks=("each",), **given)
    assert not any("same-place" in codes(item) for item in each.items)
    with pytest.raises(PlanRefused, match="no sink 'other'"):
        scene.plan(Verb.ROTATE, sinks=("other",), **given)


def test_a_missing_key_is_said_by_the_check_and_by_backends(home: Path, tmp_path: Path) -> None:
    """Not at the first rotation, at three in the morning."""
    bare = tmp_path / "bare"
    bare.mkdir()
    text = (home / "config.toml").read_text()
    keyed = re.search(r"^escrow = .*$", text, re.MULTILINE)
    assert keyed is not None
    (bare / "config.toml").write_text(text.replace(keyed[0], ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(bare))
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        for words in (("config", "check"), ("backends", "--offline")):
            done = console(bare, *words)
            assert done.returncode == 0, done.stderr
            assert "no rotation can be planned: there is no key" in done.stdout
            assert "ssh-keygen -t ed25519" in done.stdout
    (bare / "config.toml").write_text(text.replace(keyed[0], 'escrow = ["age1nonsense"]'))
    wrong = console(bare, "config", "check")
    assert wrong.returncode == 2
    line = 1 + (bare / "config.toml").read_text().splitlines().index('escrow = ["age1nonsense"]')
    assert f"config.toml:{line}: escrow: age1nonsense" in wrong.stderr
    assert "no rotation can be planned" in wrong.stdout
    kept = console(home, "config", "check")
    assert "a rotation seals its new values to 1 public key, from the configuration" in kept.stdout


def test_readiness_never_raises(tmp_path: Path) -> None:
    assert escrow.readiness([AGE]).keys == 1
    lost = escrow.readiness([tmp_path / os.urandom(4).hex()])
    assert not lost.keys
    assert "cannot read" in lost.words
