"""Reading the journal: filters, paging, and sentences that are safe to show."""

from __future__ import annotations

import json
from pathlib import Path

from console.journal.format.entry import Act, Claimed, Kernel, Kind, Out, Target, Who, uuid7
from console.journal.format.who import summary, who
from console.journal.read.view import JournalView
from console.journal.write.journal import Journal

WHY = "leaked in a public repository"
HOSTILE = "\x1b[2J\x00[bold]‮evil\n" + "x" * 10_000


def act(name: str, plan: str = "", handle: str = "0123456789ab") -> Act:
    target = Target(kind="key", id="k1", handle=handle, name=name[:200])
    return Act(verb="revoke", backend="vault", target=target, plan_ref=plan)


def test_a_journal_that_does_not_exist_yet_is_empty_and_then_it_is_not(tmp_path: Path) -> None:
    view = JournalView(tmp_path / "journal.db")
    assert (view.stamp(), view.count(), view.entries(), view.open_intents()) == (0, 0, [], [])
    assert view.check() == (True, "")
    with Journal(tmp_path / "journal.db") as journal:
        assert view.stamp() == 1
        journal.append(Kind.NOTE, why=WHY)
        assert view.stamp() == 2
        assert view.entries(1)[0].why == WHY
        assert view.get(view.entries(1)[0].id) == view.entries(1)[0]


def test_entries_are_found_by_kind_by_what_they_answer_by_plan_and_by_token(
    tmp_path: Path,
) -> None:
    plan = uuid7()
    with Journal(tmp_path / "journal.db") as journal:
        other = journal.append(Kind.INTENT, why=WHY, act=act("a", handle="ffffffffffff"))
        mine = journal.append(Kind.INTENT, why=WHY, act=act("b", plan))
        answer = journal.append(
            Kind.OUTCOME, act=act("b", plan), out=Out(ref=mine.id, state="applied")
        )
    view = JournalView(tmp_path / "journal.db")
    assert [entry.seq for entry in view.entries()] == [4, 3, 2, 1]
    assert [entry.seq for entry in view.entries(2, before=4)] == [3, 2]
    assert [entry.id for entry in view.entries(kind="intent")] == [mine.id, other.id]
    assert [entry.id for entry in view.entries(ref=mine.id)] == [answer.id]
    assert [entry.id for entry in view.entries(ref=plan)] == [mine.id]
    assert [entry.id for entry in view.entries(plan=plan)] == [answer.id, mine.id]
    assert [entry.id for entry in view.entries(handle="f" * 12)] == [other.id]
    assert [entry.id for entry in view.open_intents()] == [other.id]


def test_hostile_names_are_stored_raw_and_told_safely(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        entry = journal.append(Kind.INTENT, why=WHY, act=act(HOSTILE))
        answer = journal.append(
            Kind.OUTCOME,
            act=act(HOSTILE),
            out=Out(ref=entry.id, state="rejected", status="403", detail=HOSTILE[:300]),
        )
    assert entry.target_name.startswith("\x1b[2J\x00")
    for shown in (entry.sentence, answer.sentence, entry.who):
        assert shown.isprintable()
        assert len(shown) < 500
    assert json.loads(entry.raw)["act"]["target"]["name"].startswith("\x1b[2J\x00")


def test_who_says_what_the_kernel_knows_and_what_is_only_claimed() -> None:
    me = who({"SUDO_USER": "alice", "SSH_CONNECTION": "10.0.0.5 51000 10.0.0.1 22"})
    assert me.kernel.pid > 0
    assert me.claimed.sudo_user == "alice"
    assert (
        summary(
            Who(
                kernel=Kernel(uid=0, user="root", pid=1, loginuid=1000, login="alice"),
                claimed=me.claimed,
            )
        )
        == "root (login alice; claimed: sudo alice, ssh 10.0.0.5)"
    )
    assert summary(Who(kernel=Kernel(uid=0, user="root", pid=1), claimed=Claimed())) == "root"


def test_an_unset_login_uid_is_no_user(tmp_path: Path) -> None:
    (tmp_path / "loginuid").write_text("4294967295")
    (tmp_path / "stat").write_text("1 (a) b) S 1 1 1 34817 0")
    kernel = who({}, tmp_path).kernel
    assert kernel.loginuid is None
    assert kernel.tty == "pts/1"
    (tmp_path / "loginuid").write_text("0")
    assert who({}, tmp_path).kernel.loginuid == 0
