"""One plan for tokens of all three real servers, which takes two people.

They are told apart by the keys that they sign with, each from an ssh-agent of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from lab_scene import ANSWERS, REASON, Desk, known
from ssh_tools import keygen, must, needs_openssh, public, ssh_agent

from backends.contract import Call
from backends.lab.lab import Lab
from backends.model import encode

pytestmark = [pytest.mark.lab, needs_openssh]

INCIDENT = ("--reason", REASON, "--incident", "INC-2291")


@pytest.fixture
def desk(lab: Lab, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, lab, second_person_over=2)
    with (made.home / "config.toml").open("a") as file:
        file.write(f'\n[journal]\nallowed_signers = "{tmp_path / "signers"}"\n')
    yield made
    made.close()


@pytest.fixture
def people(tmp_path: Path) -> Iterator[dict[str, dict[str, str]]]:
    """What stands in the environment of each."""
    with ExitStack() as stack:
        found = {}
        for name in ("ana", "bo"):
            agent = stack.enter_context(ssh_agent())
            must("ssh-add", keygen(tmp_path / name), sock=str(agent.path))
            found[name] = {"SSH_AUTH_SOCK": str(agent.path)}
        lines = [f"{name}@example.com {public(tmp_path / name)}\n" for name in found]
        (tmp_path / "signers").write_text("".join(lines))
        yield found


def planned(desk: Desk, plan: str) -> dict[str, Call]:
    """Every call of a kept plan, by its step."""
    told = json.loads((desk.home / "state" / "plans" / f"{plan}.json").read_text())
    steps = [step for item in told["items"] for step in item["proposal"]["steps"]]
    return {step["id"]: msgspec.convert(step["call"], Call) for step in steps}


def test_a_plan_for_many_takes_two_people_and_makes_the_calls_that_it_showed(
    desk: Desk, lab: Lab, people: dict[str, dict[str, str]]
) -> None:
    systems = known(lab)
    issued = []
    for kind in ("openbao", "openbao", "secret-id", "aws_iam", "postgres"):
        real = systems[kind]
        issued.append((real, *desk.issue(real, "vendor-breach")))
    listed = [word for _, old, row in issued[2:] for word in ("--token", row["handle"])]
    query = ("vendor-breach", "backend:vault-lab", "kind:service-token")
    wanted = ("plan", "revoke", *query, *listed, *INCIDENT, "--calls")

    desk.environ = people["ana"]
    dry = desk.run(*wanted, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert desk.told("run", "list") == []
    kept = desk.run(*wanted)
    assert kept.stdout == dry.stdout
    assert len(kept.stdout.splitlines()) == len(issued)
    plan = desk.plan()

    confirm = ("approve", plan, "--confirm", "5 tokens", *ANSWERS)
    assert "second person is needed" in desk.must(*confirm)
    start = ("run", "start", plan)
    assert "a second person has to approve" in desk.must(*start, code=1)
    assert "the same key signed both" in desk.must(*confirm, code=1)
    assert "a second person has to approve" in desk.must(*start, code=1)
    assert all(real.accepts(old) for real, old, _ in issued), "nothing was sent"
    desk.environ = people["bo"]
    desk.must(*confirm, "--reason", "looked at all five with ana")

    assert "nothing left" in desk.must(*start)
    assert not any(real.accepts(old) for real, old, _ in issued)
    shown = desk.told("run", "show", plan)
    assert shown["states"] == {**dict.fromkeys(shown["states"], 0), "recorded": 5}
    assert {item["evidence"] for item in shown["items"]} <= {2, 4}, "nobody tried a value"
    entries = desk.journal(plan)
    calls = planned(desk, plan)
    assert [f"{step} {call.line}" for step, call in calls.items()] == dry.stdout.splitlines()
    intents = [entry["act"] for entry in entries if entry["type"] == "intent"]
    assert len(intents) == len(calls), "each once"
    digests = {step: sha256(encode(call)).hexdigest() for step, call in calls.items()}
    assert {act["step"]: act["call"]["sha256"] for act in intents} == digests

    desk.must("run", "close", plan, "--reason", "all five are recorded")
    assert " · closed · " in desk.must("run", "report", plan)
    assert desk.leaks(*(old.value for _, old, _ in issued)) == []
