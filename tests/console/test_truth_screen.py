"""Screen and command line over the same journal: one headline, one close, and who ended what."""

from __future__ import annotations

import asyncio
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tui_world as world
from msgspec.structs import replace
from real_systems import console
from tui_run_scene import RECORDED, Run, item
from tui_world import drive, screen, settled, until

from backends.contract import Phase, Proposal, Verb
from backends.model import Token, TokenRef
from console.fleet import Fleet
from console.inventory.search import Inventory
from console.journal.entry import Kind, Out, Target
from console.response import facts, planfile
from console.response.plan import Item
from console.settings import Paths, Settings
from console.worker.acts import Acts

WAITS = "the old one is not retired: not moved: the billing cron on batch-7.example.net"
HEADLINE = f"OLD VALUE STILL WORKS: {WAITS}"
REF = TokenRef("vault-prod", "service", "acc-1")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = world.where(tmp_path)
    made.config.write_text("")
    world.fill(made)
    return made


def flat(app: Any) -> str:
    return " ".join(screen(app).split())


def cli(paths: Paths, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    done = console(paths.config.parent, *words)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def of(verb: Verb, token: Token | None = None, number: int = 1, **more: Any) -> Item:
    """An item of a plan about the inventory's own ``ci-deploy``, or another token."""
    made = item(number, verb, "ci-deploy", "vault-prod", **more)
    ref = token.ref if token is not None else REF
    steps = tuple(replace(step, token=ref) for step in made.proposal.steps)
    if verb is Verb.ROTATE:
        mint = replace(steps[0], id=f"{number}.mint", phase=Phase.MINT, expect="")
        steps = (mint, replace(steps[0], phase=Phase.RETIRE))
    proposal = Proposal(steps=steps)
    return replace(made, token=replace(made.token, ref=ref), proposal=proposal)


def rotating(paths: Paths) -> Run:
    """A rotation whose old value waits for a consumer."""
    run = Run(paths, [of(Verb.ROTATE)])
    run.end([1], level=0, state="applied")
    act = facts.act("rotate", run.plan.only.token, plan=run.plan.id)
    run.say(Kind.NOTE, why=WAITS, act=replace(act, step="1.moving"))
    return run


def test_everybody_says_the_same_of_the_old_value(paths: Paths) -> None:
    run = rotating(paths)
    short, seen = run.plan.id[-8:], []
    for words in (("run", "report", short), ("run", "show", short), ("show", REF.handle)):
        text = cli(paths, *words).stdout
        assert HEADLINE in " ".join(text.split()), text
        told = [line for line in text.splitlines() if "OLD VALUE" in line or "batch-7" in line]
        assert all(len(line) <= 80 for line in told), told
        assert "done" not in text
    assert "OLD VALUE STILL WORKS" in cli(paths, "run", "list").stdout
    (shown,) = json.loads(cli(paths, "run", "show", short, "--json").stdout)["items"]
    seen.append(shown["old_value"])
    seen.append(
        json.loads(cli(paths, "show", REF.handle, "--json").stdout)["response"]["old_value"]
    )
    for told in seen:
        assert (told["what"], told["headline"]) == ("still works", "OLD VALUE STILL WORKS")
        assert told["why"] == WAITS
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        app.watch_run(run.plan.id, "rotate ci-deploy")
        await settled(pilot)
        assert HEADLINE in flat(app), "the lines of the run below the list"
        await pilot.press("l")
        await until(pilot, lambda: "STILL WORKS" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: HEADLINE in flat(app))
        await pilot.press("enter")
        await until(pilot, lambda: "CALLS DELETE" in flat(app))
        assert HEADLINE in flat(app), "the token's part of the run"
        await pilot.press("i", "slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: f"{HEADLINE} (run {short})" in flat(app))
        assert " done" not in screen(app).lower()

    drive(app, steps, (80, 24))


def test_a_run_within_its_propagation_is_not_closed_by_either_way(paths: Paths) -> None:
    slow = replace(of(Verb.REVOKE), propagation=timedelta(hours=1))
    run = Run(paths, [slow])
    run.end([1], level=RECORDED)
    short = run.plan.id[-8:]
    expected = "propagation not over until "
    told = cli(paths, "run", "close", short, "--reason", "all of it is ended", code=1)
    assert expected in told.stderr
    assert "(1h declared): 1 value may still work" in told.stderr
    with pytest.raises(Exception, match=expected):
        decide(paths, run.plan.id, "close")
    report = cli(paths, "run", "report", short).stdout
    assert expected in " ".join(report.split())
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await pilot.press("l")
        await until(pilot, lambda: "NOT TRIED" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "NOT OVER" in screen(app))
        assert "not over yet" in screen(app)
        assert "(1h declared): 1 value may still work" in flat(app)
        await pilot.press("c")
        await settled(pilot)
        assert expected in screen(app)

    drive(app, steps)


def test_silence_ranks_over_nothing_whoever_tells_of_it(paths: Paths) -> None:
    """The board, its list, the reports, the command line and the journal say one and the same."""
    tokens = (item(n, Verb.REVOKE, f"key-{n}", "vault-prod") for n in (1, 2, 3))
    run = Run(paths, [replace(each, propagation=timedelta(0)) for each in tokens])
    run.end([1], level=RECORDED)
    run.end([2, 3])
    for number in (1, 2):
        # The log was silent for one that was refused, and for one that nobody tried.
        token = run.plan.item(number).token
        act = facts.act("revoke", token, run.plan.item(number).proposal.steps[0], run.plan.id)
        out = Out(ref=run.plan.id, state="seen", how="log", detail="no use", evidence=4)
        run.say(Kind.EVIDENCE, act=act, out=out)
    short = run.plan.id[-8:]
    silent, refused = "recorded, silent, not refused", "refused, then silent"
    sums = "asked 0, accepted 0, recorded 1, refused 2; silent in the log: 2 of 3"
    report = cli(paths, "run", "report", short).stdout
    assert f"proof: {sums}" in " ".join(report.split())
    shown = cli(paths, "run", "show", short).stdout
    for number, state, proof in (
        (1, "recorded", silent), (2, "dead", refused), (3, "dead", "refused")
    ):  # fmt: skip
        assert f"{number}. key-{number} on vault-prod: {state}; proof: {proof}\n" in shown
    told = json.loads(cli(paths, "run", "show", short, "--json").stdout)
    assert [each["says"] for each in told["items"]] == [silent, refused, "refused"]
    assert told["evidence"] == [0, 0, 0, 1, 2], "the numbers of the entries are for scripts"
    journal = cli(paths, "journal", "list").stdout
    assert "Revoke key-2 (key) in vault-prod: refused\n" in journal
    assert "Revoke key-2 (key) in vault-prod: silent in the log: no use\n" in journal
    for text in (report, shown, journal):
        assert "4 silent" not in text
        assert "3 refused" not in text
        assert "of 4" not in text
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await pilot.press("l")
        await until(pilot, lambda: "revoke" in screen(app))
        await pilot.press("enter")
        words = sums.replace(",", "").replace(";", "")
        await until(pilot, lambda: f"PROOF {words}" in flat(app))
        for number, word in ((1, "recorded"), (2, "refused"), (3, "refused")):
            (row,) = [line for line in screen(app).splitlines() if f" key-{number} " in line]
            assert row.split(" vault-prod ")[1].split()[0] == word, row
        await until(pilot, lambda: "nothing left: z closes it" in screen(app))
        await pilot.press("end", "enter")
        await until(pilot, lambda: "CALLS DELETE" in flat(app))
        assert "level" not in screen(app)
        assert f"PROOF {silent}" in flat(app) or "PROOF refused" in flat(app)

    drive(app, steps, (100, 40))


@pytest.mark.parametrize("lasting", [timedelta(0), timedelta(hours=1)])
def test_where_a_run_stands_has_the_same_words_everywhere(paths: Paths, lasting: Any) -> None:
    run = Run(paths, [replace(of(Verb.REVOKE), propagation=lasting)])
    run.end([1], level=RECORDED)
    short = run.plan.id[-8:]
    said, other = ("not over yet", "nothing left")[:: 1 if lasting else -1]
    (listed,) = json.loads(cli(paths, "run", "list", "--json").stdout)
    report = json.loads(cli(paths, "run", "report", short, "--json").stdout)
    assert (listed["standing"], report["standing"]) == (said, said)
    texts = [cli(paths, "run", "list").stdout, cli(paths, "run", "report", short).stdout]
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await pilot.press("l")
        await until(pilot, lambda: said in screen(app))
        texts.append(flat(app))
        await pilot.press("enter")
        await until(pilot, lambda: "in scope 1" in screen(app))
        texts.append(flat(app))

    drive(app, steps)
    for text in texts:
        assert said in text
        assert other not in text.replace("nothing left to do", "")
        assert "through" not in text


def decide(paths: Paths, plan: str, what: str) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with Fleet(Settings(paths.config, 30, 7, (), (), ()), paths, act=True) as fleet:
            asked = {"plan": plan, "what": what, "reason": "all of it is ended"}
            return await Acts(fleet).decide(asked)

    return asyncio.run(run())


def test_closing_is_the_same_on_the_screen_and_on_the_command_line(tmp_path: Path) -> None:
    """What was sealed for the responders is deleted by either, and what is not proved is said."""
    told = []
    for way in ("screen", "command line"):
        (tmp_path / way).mkdir()
        paths = world.where(tmp_path / way)
        paths.make()
        paths.config.write_text("")
        run = Run(paths, [of(Verb.REVOKE), of(Verb.REVOKE, number=2)])
        run.end([1])
        run.end([2], level=RECORDED)
        folder = paths.state / "escrow" / run.plan.id
        folder.mkdir(parents=True)
        (folder / "1.age").write_bytes(b"sealed")
        if way == "screen":
            also = decide(paths, run.plan.id, "close").get("also")
        else:
            words = ("run", "close", run.plan.id, "--reason", "all of it is ended", "--json")
            also = json.loads(cli(paths, *words).stdout).get("also")
        left = sorted(path.name for path in paths.state.glob("escrow/**/*.age"))
        standing = json.loads(cli(paths, "run", "list", "--json").stdout)[0]["standing"]
        told.append((also, left, standing))
    assert told[0] == told[1]
    also, left, standing = told[0]
    assert (left, standing) == ([], "closed")
    assert also == [
        "1 sealed copy of a new value was deleted",
        "not proved: ci-deploy on vault-prod: RECORDED REVOKED, NOT TRIED: how long it may work"
        " on is not declared",
    ]


def gone(paths: Paths) -> None:
    """Let a look find that ``ci-deploy`` is not there any more."""
    vault = world.vault()
    vault.found = [each for each in vault.found if getattr(each, "ref", None) != REF]
    world.fill(paths, [vault], world.NOW + timedelta(minutes=2))
    inventory = Inventory(paths.inventory)
    detail = inventory.detail(REF.handle)
    assert detail is not None
    assert detail.row.presence == "gone"
    inventory.close()


def test_a_gone_tokens_page_says_who_ended_it_and_the_runs_lines_go(paths: Paths) -> None:
    run = Run(paths, [of(Verb.REVOKE)])
    run.end([1])
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        app.watch_run(run.plan.id, "revoke ci-deploy")
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "OLD VALUE" in screen(app))
        assert "RUN  revoke ci-deploy" in screen(app)
        await asyncio.to_thread(gone, paths)
        await until(pilot, lambda: "ENDED" in screen(app))
        text = flat(app)
        assert "ENDED revoked by " in text
        assert f"run {run.plan.id[-8:]}" in text
        assert ": leaked in a public repo" in text
        assert "REFUSED at " in text
        assert "RUN  revoke" not in screen(app), "nothing goes on any more"

    drive(app, steps, (100, 40))
    shown = cli(paths, "show", REF.handle).stdout
    assert "ENDED      revoked by " in shown
    ended = json.loads(cli(paths, "show", REF.handle, "--json").stdout)["response"]["ended"]
    assert (ended["run"], ended["why"]) == (run.plan.id, "leaked in a public repo")


def test_what_took_its_place_is_named(paths: Paths) -> None:
    run = Run(paths, [of(Verb.ROTATE)])
    run.end([1], level=0)
    token = run.plan.only.token
    act = facts.act("rotate", token, plan=run.plan.id)
    new = TokenRef("vault-prod", "service", "acc-77")
    made = Target(kind=new.kind, id=new.id, handle=new.handle)
    out = Out(ref=run.plan.id, state="seen", how="read", evidence=RECORDED, made=made)
    run.say(Kind.EVIDENCE, act=replace(act, step="1.rotated"), out=out)
    gone(paths)
    ended = json.loads(cli(paths, "show", REF.handle, "--json").stdout)["response"]["ended"]
    assert ended["successor"] == new.handle
    assert "rotated by " in ended["words"]
    assert ended["words"].endswith("; replaced by acc-77")


def test_an_end_that_is_not_of_this_journal_is_not_claimed(paths: Paths) -> None:
    gone(paths)
    assert (
        "ENDED      not by a run in this journal: who ended it is not known here"
        in cli(paths, "show", REF.handle).stdout
    )


def test_a_killed_runner_is_not_called_running(paths: Paths) -> None:
    run = Run(paths, [of(Verb.REVOKE), of(Verb.REVOKE, number=2)])
    run.decide("start")
    run.end([1])
    short = run.plan.id[-8:]
    report = cli(paths, "run", "report", short).stdout
    assert "stopped (its runner is gone; run start goes on)" in report
    assert "running" not in report
    (told,) = json.loads(cli(paths, "run", "list", "--json").stdout)
    assert told["standing"] == "stopped"
    summary = json.loads(cli(paths, "run", "report", short, "--json").stdout)
    assert (summary["standing"], summary["lanes"][0]["state"]) == ("stopped", "stopped")
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await pilot.press("l")
        await until(pilot, lambda: "stopped" in screen(app))
        await pilot.press("enter", "P")
        await until(pilot, lambda: "as of " in screen(app))
        assert "stopped (its runner is gone" in flat(app)
        assert "running" not in screen(app)

    drive(app, steps)


def test_what_nobody_approved_leaves_the_list_and_is_counted(paths: Paths) -> None:
    """After an hour, or on request; everything is there again on request too."""
    run = Run(paths, [of(Verb.REVOKE)])
    run.end([1])
    fresh = Run(paths, [of(Verb.REVOKE)], approved=False)
    old = replace(
        Run(paths, [of(Verb.REVOKE)], approved=False).plan,
        id=fresh.plan.id[:-8] + "0badf00d",
        made_at=world.NOW - timedelta(hours=2),
    )
    planfile.save(old, paths)
    listed = cli(paths, "run", "list")
    assert "0badf00d" not in listed.stdout
    assert fresh.plan.id[-8:] in listed.stdout
    assert "1 plan is not shown, never approved or never begun: run list --all" in listed.stderr
    assert "0badf00d" in cli(paths, "run", "list", "--all").stdout
    only = cli(paths, "run", "list", "--approved")
    assert only.stdout.count("revoke") == 1
    assert "3 plans are not shown" in only.stderr
    app = world.application(paths)

    async def steps(pilot: Any) -> None:
        await pilot.press("l")
        await until(pilot, lambda: "1 plan is not shown" in screen(app))
        assert "0badf00d" not in screen(app)
        await pilot.press("H")
        await until(pilot, lambda: "0badf00d" in screen(app))
        await pilot.press("H")
        await until(pilot, lambda: "3 plans are not shown" in screen(app))

    drive(app, steps)
