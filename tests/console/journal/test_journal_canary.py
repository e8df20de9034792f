"""A canary secret put through every path of the journal is found nowhere on the disk."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_scene import ACT, FORK, WHY, forms, outcome
from msgspec.structs import replace
from patience import HANG
from real_systems import console

from backends.contract import Outcome, OutcomeState
from backends.model import Secret
from console import crash, settings
from console.errors import ConsoleError
from console.journal.format.entry import Kind, Out, RunMark, uuid7
from console.journal.format.parts import Witnessing
from console.journal.format.words import system_words
from console.journal.read.fingerprint import fingerprint, pepper
from console.journal.write.acknowledge import acknowledge
from console.journal.write.group import GroupCommit
from console.journal.write.guard import Guard
from console.journal.write.journal import Journal
from console.response.plan import entry_parts
from console.settings import Paths

CANARY = "hvs.CAESICanaryZq81mVnC4yXs07RtBwKd"
PASSWORD = "Wm3kCanaryPw82Lx"


def found_in(*places: Path) -> list[Path]:
    wanted = [*forms(CANARY), *forms(PASSWORD)]
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    assert files
    return [file for file in files if any(form in file.read_bytes() for form in wanted)]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = settings.paths(tmp_path / "home")
    made.make()
    return made


def refused(paths: Paths, *calls: Callable[[], object]) -> None:
    """Each call ends in an error whose words, and whose crash report, hold no secret."""
    for number, call in enumerate(calls):
        with pytest.raises(ConsoleError) as refusal:
            call()
        said = f"{refusal.value!r} {refusal.value} {refusal.value.hint}"
        assert CANARY not in said, number
        assert PASSWORD not in said, number
        assert crash.report(refusal.value, paths.state / f"crash{number}")


def test_reasons_and_answers_of_systems(paths: Paths) -> None:
    said = f"403 permission denied for {CANARY} at https://u:{PASSWORD}@vault/v1"
    told = Outcome(state=OutcomeState.UNKNOWN, status=said, request_id=said, detail=said)
    with Journal(paths.journal) as journal:
        intent = journal.append(Kind.INTENT, why=WHY, act=ACT)
        refused(
            paths,
            lambda: journal.append(Kind.NOTE, why=f"leaked: {CANARY}"),
            lambda: journal.append(Kind.NOTE, why=WHY, incident=CANARY),
            lambda: journal.append(Kind.BREAKGLASS, why=f"password={PASSWORD} was used"),
            lambda: journal.rotate_key(f"leaked: {CANARY}"),
            lambda: acknowledge(journal, intent, f"leaked: {CANARY}"),
            lambda: journal.append(Kind.RUN, why=CANARY, run=RunMark(plan="p", what="waive")),
            lambda: journal.append(Kind.INTENT, why=WHY),
            lambda: journal.append(Kind.INTENT, why=WHY, act=replace(ACT, backend=CANARY * 2000)),
            lambda: journal.append(Kind.OUTCOME, act=ACT, out=Out(ref=CANARY, state="applied")),
            lambda: journal.append(Kind.NOTE, why=WHY, id=CANARY),
            lambda: journal.append(Kind.OUTCOME, act=ACT, out=Out(ref=intent.id, state=CANARY)),
        )
        journal.append(Kind.OUTCOME, act=ACT, out=entry_parts.out(intent.id, told))
        mark = RunMark(plan=uuid7(), what="alarm", detail=said, owner=CANARY)
        journal.append(Kind.RUN, run=mark)
        journal.append(Kind.WITNESS_STATUS, witness=Witnessing(size=1, detail=said))
        shown = " ".join(each.sentence for each in journal.entries())
    assert CANARY not in shown
    assert PASSWORD not in shown
    assert not found_in(paths.state.parent)


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"host=127.0.0.1 port=1 password={PASSWORD} {CANARY}",
        f"postgresql://u:{PASSWORD}%zz@127.0.0.1/d",
        f"host=127.0.0.1 port=1 user=u password={PASSWORD}",
    ],
)
def test_connection_strings_that_do_not_work(paths: Paths, text: str) -> None:
    pytest.importorskip("psycopg")
    from console.journal.store.postgres import PostgresStore, init

    refused(paths, lambda: PostgresStore(Secret(text)), lambda: init(Secret(text), "writer"))
    done = console(paths.state.parent, "journal", "init-postgres", "writer", text=text)
    assert done.returncode == 1
    assert not any(form.decode() in done.stdout + done.stderr for form in forms(PASSWORD))
    assert CANARY not in done.stdout + done.stderr
    assert not found_in(paths.state.parent)


def test_a_group_and_its_refused_neighbours(paths: Paths) -> None:
    async def main(journal: Journal) -> list[Any]:
        def sign(_: bytes) -> None:
            raise ConsoleError("the agent did not sign", "Touch the key.")

        guard = Guard(0)
        async with GroupCommit(journal) as group:
            act, other = replace(ACT, plan_ref=uuid7()), replace(ACT, plan_ref=uuid7())
            return await asyncio.gather(
                group.append(Kind.INTENT, why=WHY, act=act, guard=guard),
                group.append(Kind.INTENT, why=WHY, act=other, guard=guard),
                group.append(Kind.INTENT, why=f"leaked: {CANARY}", act=act),
                group.append(Kind.INTENT, why=WHY, act=act, sign=sign),
                group.append(Kind.OUTCOME, act=act, out=Out(ref=CANARY, state="applied")),
                return_exceptions=True,
            )

    with Journal(paths.journal) as journal:
        told = asyncio.run(main(journal))
    errors = [each for each in told if isinstance(each, Exception)]
    assert len(errors) == 4
    for number, error in enumerate(errors):
        assert CANARY not in f"{error!r} {error}"
        crash.report(error, paths.state / f"crash{number}")
    assert not found_in(paths.state.parent)


def hold_and_append(paths: Paths, ready: Any) -> None:
    secret = Secret(CANARY)
    with Journal(paths.journal) as journal:
        key = pepper(journal.files.pepper, make=True)
        assert key is not None
        target = replace(ACT.target, fp=fingerprint(key, secret))

        async def main() -> None:
            async with GroupCommit(journal) as group:
                while True:
                    intent = await group.append(
                        Kind.INTENT, why=WHY, act=replace(ACT, target=target)
                    )
                    said = system_words(f"{secret.reveal()} is unknown here")
                    out = Out(ref=intent.id, state="unknown", detail=said)
                    await group.append(Kind.OUTCOME, act=ACT, out=out)
                    ready.set()

        asyncio.run(main())


def test_a_process_that_holds_it_and_is_killed(paths: Paths) -> None:
    for _ in range(5):
        ready = FORK.Event()
        holder = FORK.Process(target=hold_and_append, args=(paths, ready))
        holder.start()
        assert ready.wait(HANG)
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join()
    assert not found_in(paths.state.parent)


def test_every_command_over_a_journal_that_knows_its_fingerprint(
    paths: Paths, tmp_path: Path
) -> None:
    home = paths.state.parent
    with Journal(paths.journal) as journal:
        key = pepper(journal.files.pepper, make=True)
        assert key is not None
        target = replace(ACT.target, fp=fingerprint(key, Secret(CANARY)))
        intent = journal.append(Kind.INTENT, why=WHY, act=replace(ACT, target=target))
        outcome(journal, intent.id, "unknown")
    said = ""
    for words, code, text in (
        (("find-secret",), 0, CANARY),
        (("find-secret", "--json"), 0, CANARY),
        (("find-secret", CANARY), 2, None),
        (("acknowledge", "2", "--reason", f"it was {CANARY}"), 2, None),
        (("acknowledge", "2", "--reason", "the vendor has no record of it"), 0, None),
        (("key", "rotate", "--reason", f"it was {CANARY}"), 2, None),
        (("export", str(tmp_path / "no"), "--reason", f"for {CANARY}"), 2, None),
        (("export", str(tmp_path / "out")), 0, None),
        (("prove", "2", "-o", str(tmp_path / "out" / "it.tlog-proof")), 0, None),
        (("pin", str(tmp_path / "out" / "pin")), 0, None),
        (("doctor",), 0, None),
        (("verify",), 0, None),
        (("list", "--json"), 0, None),
        (("show", "2"), 0, None),
    ):
        done = console(home, "journal", *words, text=text)
        assert done.returncode == code, f"{words}: {done.stderr}"
        # What was typed as an argument stands in that shell's history already.
        said += done.stdout + ("" if CANARY in words else done.stderr)
    assert not any(form.decode() in said for form in [*forms(CANARY), *forms(PASSWORD)])
    assert not found_in(home, tmp_path / "out")
