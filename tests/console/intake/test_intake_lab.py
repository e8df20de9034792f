"""``intake`` over real servers: the value of a token that each of them issued."""

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from real_systems import RealSystem, console, systems

from backends.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def home(lab: Lab, tmp_path: Path) -> Path:
    """A console of its own over the shared servers, which has not read them yet."""
    shutil.copy(lab.config, tmp_path / "config.toml")
    return tmp_path


def cards(home: Path, text: str, *words: str) -> tuple[dict[str, Any], str]:
    """The one item of an intake, and all that was printed."""
    done = console(home, "intake", "--json", *words, text=text)
    (item,) = json.loads(done.stdout)["items"]
    return item, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["openbao", "aws_iam"])
def test_a_value_is_found_by_its_own_system_and_asked_of_no_other(
    home: Path, lab: Lab, kind: str
) -> None:
    real: RealSystem = systems(lab)[kind]
    issued = real.issue(f"leaked-{secrets.token_hex(3)}")
    item, printed = cards(home, issued.value)
    (card,) = item["tokens"]
    assert (card["backend"], card["id"]) == (issued.backend, issued.id)
    assert card["headline"] == "TAKE IT AS LIVE: RECORDED ACTIVE, NOT TRIED"
    assert item["type"] in ("vault-token", "aws-key")
    assert item["not_asked"] == {}
    assert "no backend was read yet" in printed
    assert issued.value not in printed
    assert real.accepts(issued), "it was looked up, and neither used up nor ended"


def test_a_password_is_compared_where_the_verifiers_may_be_read(home: Path, lab: Lab) -> None:
    issued = systems(lab)["postgres"].issue(f"leaked-{secrets.token_hex(3)}")
    item, printed = cards(home, issued.value)
    if issued.backend in item["not_asked"]:
        assert "cannot be compared" in item["not_asked"][issued.backend]
    else:
        assert [card["id"] for card in item["tokens"]] == [issued.id]
    assert issued.value not in printed


def test_a_dead_value_is_not_called_anybodys_and_not_called_harmless(home: Path, lab: Lab) -> None:
    real = systems(lab)["openbao"]
    issued = real.issue(f"dead-{secrets.token_hex(3)}")
    with lab.servers["openbao"].client() as client:  # type: ignore[attr-defined]
        client.post("auth/token/revoke", json={"token": issued.value}).raise_for_status()
    item, _ = cards(home, issued.value)
    assert item["tokens"] == []
    said = " ".join(item["no_match"])
    assert "vault-lab was asked and has no living token with it" in said
    assert "does not say that it is not ours" in said


def test_a_system_that_cannot_know_a_value_does_not_say_that_it_has_none(
    home: Path, lab: Lab
) -> None:
    issued = systems(lab)["aws_iam"].issue(f"half-{secrets.token_hex(3)}")
    # The secret part alone, of a living key: AWS knows keys by their ids.
    item, printed = cards(home, issued.value.partition(":")[2])
    said = " ".join(item["no_match"])
    assert "aws-lab was asked and found none, but cannot know each value that it issued" in said
    assert "aws-lab was asked and has no living token" not in printed
