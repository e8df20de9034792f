"""``intake`` over real servers: the value of a token that each of them issued."""

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_systems import Issued, RealSystem, console, systems

from backends.lab.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def home(lab: Lab, tmp_path: Path) -> Path:
    """A console of its own over the shared servers, which has not read them yet."""
    shutil.copy(lab.config, tmp_path / "config.toml")
    return tmp_path


@pytest.fixture
def verifiers(lab: Lab) -> Iterator[None]:
    """The reading role may compare passwords with what the server keeps of them."""
    with lab.servers["postgres"].connect() as connection:  # type: ignore[attr-defined]
        connection.execute("GRANT SELECT ON pg_authid TO console_reader")
    yield
    with lab.servers["postgres"].connect() as connection:  # type: ignore[attr-defined]
        connection.execute("REVOKE SELECT ON pg_authid FROM console_reader")


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


def end(lab: Lab, kind: str, issued: Issued) -> None:
    """End a value by its system's own means, past the console."""
    server: Any = lab.servers[kind]
    if kind == "openbao":
        with server.client() as client:
            client.post("auth/token/revoke", json={"token": issued.value}).raise_for_status()
    elif kind == "aws_iam":
        user = issued.name.partition("/")[0]
        server.iam.delete_access_key(UserName=user, AccessKeyId=issued.id)
    else:
        with server.connect() as connection:
            connection.execute(f'ALTER ROLE "{issued.name}" PASSWORD NULL')


@pytest.mark.usefixtures("verifiers")
@pytest.mark.parametrize("kind", ["openbao", "aws_iam", "postgres"])
def test_a_try_says_what_the_system_itself_says_and_names_its_side_effects(
    home: Path, lab: Lab, kind: str
) -> None:
    real: RealSystem = systems(lab)[kind]
    issued = real.issue(f"tried-{secrets.token_hex(3)}")
    assert console(home, "sync", issued.backend).returncode in (0, 3)
    item, _ = cards(home, issued.value)
    assert item["tokens"], item
    (card,) = item["tokens"]
    assert card["headline"] == "TAKE IT AS LIVE: RECORDED ACTIVE, NOT TRIED"
    assert card["try_side_effects"]
    assert [move["verb"] for move in card["moves"] if not move["why_not"]]
    words = (
        "intake",
        "--try",
        "--reason",
        "found in a public repository",
        "--confirm",
        card["name"],
    )
    done = console(home, *words, text=issued.value)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LEAKED VALUE STILL WORKS" in done.stdout
    assert all(effect in done.stderr for effect in card["try_side_effects"])
    assert real.accepts(issued), "a try ends nothing"
    end(lab, kind, issued)
    assert not real.accepts(issued)
    done = console(home, *words, text=issued.value)
    assert "REFUSED at " in done.stdout, done.stdout + done.stderr
    assert "NOT REFUSED" not in done.stdout
    item, printed = cards(home, issued.value)
    assert item["tokens"][0]["headline"].startswith("REFUSED at ")
    assert console(home, "journal", "verify").returncode == 0
    assert issued.value not in printed + done.stdout + done.stderr
    for path in home.rglob("*"):
        assert not path.is_file() or issued.value.encode() not in path.read_bytes(), path


@pytest.mark.usefixtures("verifiers")
def test_a_value_that_two_roles_have_is_found_for_both(home: Path, lab: Lab) -> None:
    known = systems(lab)
    issued = known["postgres"].issue(f"shared-{secrets.token_hex(3)}")
    with lab.servers["postgres"].connect() as connection:  # type: ignore[attr-defined]
        name = f"shared-{secrets.token_hex(3)}"
        connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{issued.value}'")
        connection.execute(f'GRANT "{name}" TO console_responder WITH ADMIN OPTION')
    assert console(home, "sync", issued.backend).returncode in (0, 3)
    item, _ = cards(home, issued.value)
    assert item["tokens"], item
    assert {card["name"] for card in item["tokens"]} == {issued.name, name}
    for card in item["tokens"]:
        assert "shared-value" in {hazard["code"] for hazard in card["hazards"]}
