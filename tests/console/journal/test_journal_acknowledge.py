"""A person settles what no system can tell about, on the record, and only what is open."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from journal_scene import ACT, WHY, checked, intent, outcome
from msgspec.structs import replace
from real_systems import console

from console import settings
from console.errors import UsageError
from console.journal.export.ocsf import event
from console.journal.format.entry import Host, Kind, Out, uuid7
from console.journal.format.scan import ReasonRefused
from console.journal.verify.verify import Code
from console.journal.write.acknowledge import PersonFound, acknowledge
from console.journal.write.guard import Guard, Taken
from console.journal.write.journal import AlreadyRecorded, Journal
from console.lock import only_one
from console.response.state.runner_lock import lock_of

FOUND = "the vendor's support looked into their own log"


def test_an_acknowledged_intent_is_no_longer_open(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        id_ = intent(journal)
        outcome(journal, id_, "unknown")
        unknown = journal.entries(1)[0]
        written = acknowledge(journal, unknown, FOUND, PersonFound.NOT_APPLIED)
        assert (written.ref, written.state, written.how) == (id_, "acknowledged", "person")
        assert FOUND in written.sentence
        assert "it was not done" in written.sentence
        assert not journal.open_intents()
        assert event(written)["status_detail"] == "a person found that it was not done"
        with pytest.raises(UsageError, match="no call that is still open"):
            acknowledge(journal, unknown, FOUND)
        answer = Out(ref=id_, state="applied", how="recovery")
        with pytest.raises(AlreadyRecorded):
            journal.append(Kind.RECOVERY, act=ACT, out=answer)
    assert checked(path).code is Code.VERIFIED


def test_it_needs_a_reason_and_an_open_call(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        settled, note = intent(journal), journal.append(Kind.NOTE, why=WHY)
        outcome(journal, settled)
        for entry in (journal.get(settled), note):
            assert entry is not None
            with pytest.raises(UsageError):
                acknowledge(journal, entry, FOUND)
        waiting = journal.get(intent(journal))
        assert waiting is not None
        for reason in ("", "because", "hvs.CANARYcanary0123456789abcdefgh is gone"):
            with pytest.raises(ReasonRefused):
                acknowledge(journal, waiting, reason)
        assert [each.id for each in journal.open_intents()] == [waiting.id]


def test_another_machines_young_call_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Host(name="bastion-2", console="0", python="3", machine="other")
    with Journal(tmp_path / "journal.db") as journal:
        journal._writer._host = there
        waiting = journal.get(intent(journal))
        assert waiting is not None
        with pytest.raises(UsageError, match="bastion-2"):
            acknowledge(journal, waiting, FOUND)
        later = waiting.t_us / 1e6 + 1000
        monkeypatch.setattr("console.journal.write.acknowledge.time.time", lambda: later)
        assert acknowledge(journal, waiting, FOUND).state == "acknowledged"


@pytest.mark.parametrize(
    ("found", "stops"), [(PersonFound.APPLIED, True), (PersonFound.NOT_APPLIED, False)]
)
def test_what_the_person_found_counts_for_others_plans(
    tmp_path: Path, found: PersonFound, stops: bool
) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        waiting = journal.append(Kind.INTENT, why=WHY, act=replace(ACT, plan_ref=uuid7()))
        acknowledge(journal, waiting, FOUND, found)
        other, guard = replace(ACT, plan_ref=uuid7()), Guard(waiting.t_us)
        if stops:
            with pytest.raises(Taken):
                journal.append(Kind.INTENT, why=WHY, act=other, guard=guard)
        else:
            journal.append(Kind.INTENT, why=WHY, act=other, guard=guard)


def test_the_command_settles_and_refuses(tmp_path: Path) -> None:
    paths = settings.paths(tmp_path)
    paths.make()
    plan = uuid7()
    with Journal(paths.journal) as journal:
        waiting = journal.append(Kind.INTENT, why=WHY, act=replace(ACT, plan_ref=plan))
    words = ("journal", "acknowledge", str(waiting.seq), "--not-applied")
    assert console(tmp_path, *words).returncode == 2, "without a reason"
    with only_one(lock_of(plan, paths)):
        done = console(tmp_path, *words, "--reason", FOUND)
        assert done.returncode == 2
        assert "at work" in done.stderr
    assert console(tmp_path, "journal", "list", "--open").returncode == 3
    done = console(tmp_path, *words, "--reason", FOUND, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["ref"], told["found"], told["open"]) == (waiting.id, "not_applied", 0)
    again = console(tmp_path, *words, "--reason", FOUND)
    assert again.returncode == 2
    assert "list --open" in again.stderr
    assert console(tmp_path, "journal", "list", "--open").returncode == 0
    shown = console(tmp_path, "journal", "show", str(told["seq"])).stdout
    assert "settled it" in shown
    assert "a person found that it was not done" in shown
    assert console(tmp_path, "journal", "verify").returncode == 0
    assert console(tmp_path, "journal", "export", str(tmp_path / "out")).returncode == 0
    translated = (tmp_path / "out" / "ocsf.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in translated]
    assert [each["status"] for each in found if each["metadata"]["uid"] == told["id"]] == [
        "acknowledged"
    ]
    with sqlite3.connect(paths.journal) as db:
        assert db.execute("SELECT count(*) FROM entry WHERE kind = 'recovery'").fetchone() == (1,)
