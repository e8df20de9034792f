"""An incident over real systems: closed, and open again when somebody uses what was ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_scene import Databases
from lab_scene import ANSWERS, REASON, Desk, known

from backends.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, lab)
    yield made
    made.close()


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    """A server that flushes, as a journal wants it; the lab's own does not."""
    made = Databases(tmp_path / "journals")
    yield made
    made.end()


def test_a_use_after_its_end_opens_a_closed_incident_again(desk: Desk, lab: Lab) -> None:
    """Somebody lets the role log in again, past the console, and does: its log tells."""
    real = known(lab)["postgres"]
    issued, row = desk.issue(real, "ended")
    desk.must(
        "incident", "open", "INC-7", "--title", "password in a log", "--reason", REASON,
        "--token", row["handle"], "--leak", "1h",
    )  # fmt: skip
    probe = ("--probe", "--secret-stdin")
    words = ("--reason", REASON, "--confirm", row["name"], *ANSWERS, *probe)
    desk.must("contain", row["handle"], *words, text=issued.value)
    assert not real.accepts(issued)
    found = desk.told("incident", "show", "INC-7")
    assert found["tokens"][0]["value"]["what"] == "refused"
    holes = [hole["id"] for hole in found["scope"]["holes"]]
    if holes:
        desk.must(
            "incident", "accept", "INC-7", *holes, "--owner", "ana",
            "--reason", "no keys of ours are there",
        )  # fmt: skip
    desk.must("incident", "close", "INC-7", "--reason", "refused by the server itself")
    desk.run("sync", issued.backend)
    assert desk.told("incident", "show", "INC-7")["state"] == "closed"

    server: Any = lab.servers["postgres"]
    with server.connect() as connection:
        connection.execute(f'ALTER ROLE "{issued.name}" LOGIN')
    assert real.accepts(issued), "it works again, and this was a use"
    said = ""
    for _ in range(30):
        done = desk.run("sync", issued.backend)
        said += done.stdout + done.stderr
        if "INC-7 is open again" in said:
            break
    assert "INC-7 is open again" in said
    found = desk.told("incident", "show", "INC-7")
    assert found["state"] == "open"
    assert found["tokens"][0]["value"]["what"] in ("still works", "not known")
    assert desk.run("incident", "close", "INC-7", "--reason", "we hope so").returncode == 1
    entries = desk.must("journal", "list", "--incident", "INC-7")
    assert "opened incident INC-7 again" in entries


def test_what_a_leaked_token_can_read_comes_into_the_scope(desk: Desk, lab: Lab) -> None:
    """A token of OpenBao may read the place where a key of AWS lies."""
    key, row = desk.issue(known(lab)["aws_iam"], "lies-in-vault")
    other, _ = desk.issue(known(lab)["aws_iam"], "lies-elsewhere")
    bao: Any = lab.servers["openbao"]
    name = f"reads-{row['handle']}"
    with bao.client() as client:
        text = 'path "secret/data/team/*" { capabilities = ["read"] }'
        client.put(f"sys/policies/acl/{name}", json={"policy": text}).raise_for_status()
        wanted = {"display_name": name, "policies": [name], "meta": {"owner": "payments"}}
        made = client.post("auth/token/create", json=wanted).raise_for_status().json()["auth"]
    told = desk.home / "consumers.toml"
    told.write_text(
        f'[[entry]]\nname = "secret/team/aws"\nbackend = "vault-lab"\nholds = ["{key.id}"]\n'
        f'[[entry]]\nname = "secret/other/aws"\nbackend = "vault-lab"\nholds = ["{other.id}"]\n'
    )
    desk.config.write_text(desk.config.read_text() + f'\n[graph]\nconsumers = ["{told}"]\n')
    desk.run("sync")
    (leaked,) = desk.told("list", f"handle:{_handle(desk, made['accessor'])}")
    desk.must(
        "incident", "open", "INC-8", "--title", "token in a log", "--reason", REASON,
        "--token", leaked["handle"],
    )  # fmt: skip
    found = desk.told("incident", "further", "INC-8")
    assert "secret/data/team/*" in " ".join(each["resource"] for each in found["reads"])
    assert [(each["handle"], each["place"], each["by"]) for each in found["kept"]] == [
        (row["handle"], "secret/team/aws", leaked["handle"])
    ]
    said = desk.run("incident", "further", "INC-8", "--take-in")
    assert "lies in secret/team/aws" in said.stdout
    handles = {each["handle"] for each in desk.told("list", "incident:INC-8")}
    assert handles == {row["handle"], leaked["handle"]}


def _handle(desk: Desk, id_: str) -> str:
    handle: str = desk.told("show", id_)["handle"]
    return handle


def test_two_responders_with_one_journal_see_one_incident(
    desk: Desk, lab: Lab, databases: Databases, tmp_path: Path
) -> None:
    """Another bastion: its own inventory, no plan file of the first, and the same journal."""
    dsn = tmp_path / "dsn"
    dsn.touch(0o600)
    dsn.write_text(databases.make().reveal())
    shared = f'\n[journal]\nurl = {{ file = "{dsn}" }}\n'
    desk.config.write_text(desk.config.read_text() + shared)
    _, row = desk.issue(known(lab)["openbao"], "shared")
    desk.must(
        "incident", "open", "INC-7", "--title", "one for two", "--reason", REASON,
        "--token", row["handle"],
    )  # fmt: skip
    desk.must("incident", "assign", "INC-7", "ben", "--backend", "aws-lab")

    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other", lab)
    other.config.write_text(other.config.read_text() + shared)
    for file in (desk.home / "state").glob("journal-postgres*"):
        (other.home / "state").mkdir(mode=0o700, exist_ok=True)
        (other.home / "state" / file.name).write_bytes(file.read_bytes())
        (other.home / "state" / file.name).chmod(0o600)
    other.run("sync", "vault-lab")
    seen = other.told("incident", "show", "INC-7")
    assert [each["handle"] for each in seen["tokens"]] == [row["handle"]]
    assert seen["assigned"][0]["person"] == "ben"
    assert seen["tokens"][0]["value"]["headline"] == "NOT ENDED"

    words = ("--reason", REASON, "--confirm", row["name"], *ANSWERS)
    desk.must("revoke", row["handle"], *words)
    other.must("incident", "note", "INC-7", "seen from the other bastion")
    other.run("sync", "vault-lab")
    seen = other.told("incident", "show", "INC-7")
    assert "NOT IN ITS SYSTEM'S LIST ANY MORE" in seen["tokens"][0]["value"]["headline"]
    assert desk.told("incident", "show", "INC-7")["notes"][0]["why"] == (
        "seen from the other bastion"
    )
    kinds = other.must("journal", "list", "--incident", "INC-7")
    assert "intent" in kinds
    assert "evidence" in kinds
