"""What is shown first, cut last and said plainly: at 80 columns and on wide terminals."""

import ast
import asyncio
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import tui_world as world
from tui_run_scene import revoke
from tui_world import drive, fill, screen, settled, until

import backends
import console
from backends.model import ScopeDone
from console.journal.format.entry import Act, CallMark, Kind, Out, Target, uuid7
from console.journal.write.journal import Journal
from console.store.database import open_for_writing
from console.tui.actions.context import Context
from console.tui.actions.registry import VIEWS
from console.tui.draw import columns, lines
from console.tui.views.help.page import help_lines

REASON = "leaked in public"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def record(paths, state: str, number: int) -> None:
    target = Target(kind="service", id=f"acc-{number}", handle="ce20dcdd48f0", name="n" * 50)
    call = CallMark(transport="http", method="POST", target="/v1/x", sha256="0" * 64)
    act = Act(verb="revoke", backend="vault-prod-of-a-long-name", target=target, step="1",
              call=call, plan_ref=uuid7())  # fmt: skip
    with Journal(paths.journal) as journal:
        intent = journal.append(Kind.INTENT, why=REASON, act=act)
        out = Out(ref=intent.id, state=state, how="answer", status="204")
        journal.append(Kind.OUTCOME, act=act, out=out)
        out = Out(ref=intent.id, state="seen", how="probe", evidence=3)
        journal.append(Kind.EVIDENCE, act=act, out=out)


def test_the_journals_list_has_the_result_before_what_is_cut_off(paths) -> None:
    for number, state in enumerate(("applied", "rejected", "not_sent", "unknown")):
        record(paths, state, number)
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: "newest first" in screen(app))
        rows = [line[:40].split() for line in screen(app).splitlines()[2:14]]
        results = [row[3] for row in rows if row and row[0].isdigit()]
        assert {"done", "DECLINED", "UNKNOWN", "refused"} <= set(results), rows
        assert "not sent" in screen(app)

    drive(app, steps, (80, 40))


def test_names_that_differ_at_their_ends_look_different_and_get_the_room(tmp_path) -> None:
    made = world.where(tmp_path)
    names = [f"payments-service-deploy-key-{end}" for end in ("dev", "int", "pre", "prod", "sbx")]
    tokens = [world.token("vault-prod", f"a{n}", name) for n, name in enumerate(names)]
    fill(made, [world.Still("vault-prod", [*tokens, ScopeDone("root/", 5)])])
    app = world.application(made)

    async def steps(pilot):
        shown = {line[3:20] for line in screen(app).splitlines()[3:8]}
        assert len(shown) == 5, shown
        assert all("…" in name for name in shown)
        await pilot.resize_terminal(200, 50)
        await settled(pilot)
        await until(pilot, lambda: all(name in screen(app) for name in names))

    drive(app, steps)
    widths = [columns.layout(width)[0].width for width in (80, 120, 160, 200, 240)]
    assert widths == sorted(set(widths)), "it grows with the terminal"


def test_every_riddle_has_its_line_in_help_in_every_view() -> None:
    for view in VIEWS:
        text = " ".join(lines.plain(line) for line in help_lines(Context(view=view), 100))
        for word in (
            "no witness", "untracked, n/a", "forbidden, deny", "not read, ?", "silent in the log",
            "not over yet",
            "2 of 5/s", "let be (except)", "skip proof (waive)", "nothing left", "why go on?",
            "2 OPEN", "witnessed up to 4", "DECLINED", "UNKNOWN",
        ):  # fmt: skip
            assert word in text, (view, word)


def test_a_board_says_its_proof_in_words_and_never_ranks_silence_over_a_refusal(paths) -> None:
    run = revoke(paths, ["one", "two"])
    run.end([1])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await pilot.press("l")
        await until(pilot, lambda: "REVOKE" in screen(app).upper())
        await pilot.press("enter")
        await until(pilot, lambda: "in scope 2" in screen(app))
        text = screen(app)
        assert "LVL" not in text
        assert "3 refused" not in text
        assert "4 silent" not in text
        assert "PROOF" in text
        run.end([2])
        await until(pilot, lambda: "nothing left: z closes it" in screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: "nothing left" in screen(app))

    drive(app, steps)


def test_a_plan_follows_the_terminals_size_and_home_goes_to_its_first_line(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        await pilot.press("K", *REASON, "enter", "enter")
        await until(pilot, lambda: "14 consumers" in screen(app))
        await pilot.resize_terminal(80, 14)
        await settled(pilot)
        await until(pilot, lambda: "why go on?" in screen(app))
        assert "esc leaves this" in screen(app).splitlines()[-1]
        assert "  reason" not in screen(app), "what has no room is below"
        await pilot.press("pagedown", "pagedown", "pagedown")
        await settled(pilot)
        assert "REVOKE 1 token" not in screen(app)
        await pilot.press("home")
        await settled(pilot)
        assert "REVOKE 1 token on vault-prod" in screen(app)
        await pilot.resize_terminal(80, 45)
        await settled(pilot)
        await until(pilot, lambda: "  reason" in screen(app))
        assert "REVOKE 1 token on vault-prod" in screen(app), "all of it has room now"

    drive(app, steps, (80, 40))


def demo(place, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "console", "--home", str(place), *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_newcomers_first_screen_has_honest_names_and_its_first_row_can_be_contained(
    tmp_path,
) -> None:
    import json

    from backends.estate import vocabulary as names

    demo(tmp_path, "demo", "--prepare", "--tokens", "800")
    home = tmp_path / "demo"
    rows = json.loads(demo(home, "list", "--json"))
    assert rows[0]["name"] == names.NEWCOMER
    assert rows[0]["state"] == "active"
    for row in rows[:46]:
        assert row["name"][0].isalnum(), row["name"]
        assert row["name"].isprintable(), row["name"]
    found = {row["name"] for row in rows}
    assert set(names.HOSTILE) <= found, "they are in the estate as before"
    assert rows[-1]["name"].startswith("=HYPERLINK")
    assert names.TRIPWIRE in found
    plan = demo(home, "contain", rows[0]["handle"], "--reason", "to see what it does", "--dry-run")
    assert "UpdateAccessKey" in plan
    assert "Status: Inactive" in plan
    assert "! " not in plan, "no hazard stands in a newcomer's way"
    # One with such a name is found by it all the same.
    assert "=HYPERLINK" in demo(home, "show", f"github/{names.HOSTILE[5]}")


def test_after_a_first_look_no_row_counts_as_changed(tmp_path) -> None:
    made = world.where(tmp_path)
    made.make()
    open_for_writing(made.inventory).dispose()
    app = world.application(made)

    async def steps(pilot):
        # The worker reads a moment after the list was opened.
        await asyncio.to_thread(fill, made, at=world.NOW + timedelta(seconds=5))
        await until(pilot, lambda: "ci-deploy" in screen(app))
        await settled(pilot)
        for line in screen(app).splitlines()[3:9]:
            assert line[1] == " ", line
        assert " changed " not in screen(app)

    drive(app, steps)


def test_what_went_is_said_to_be_gone_and_nothing_else(paths) -> None:
    from console.cli.show import change_words
    from console.inventory.search.inventory import Change

    gone = Change(0, "gone", "presence", "active", "gone", "not listed any more")
    assert change_words(gone) == "gone from the system (not listed any more)"
    back = Change(0, "back", "presence", "gone", "active", "listing")
    assert change_words(back) == "back after it was gone, active (listing)"


@pytest.mark.parametrize(("number", "said"), [(1, "1 token"), (2, "2 tokens"), (12480, "12,480")])
def test_one_is_one_and_many_are_many(number, said) -> None:
    from backends.words import count

    assert count(number, "token").startswith(said)


NOUNS = frozenset(
    [
        "accounts",
        "addresses",
        "answers",
        "approvals",
        "arrivals",
        "backends",
        "bytes",
        "calls",
        "checkpoints",
        "children",
        "consumers",
        "copies",
        "descendants",
        "entries",
        "events",
        "failures",
        "files",
        "gaps",
        "grants",
        "hashes",
        "keys",
        "lanes",
        "lines",
        "logs",
        "markers",
        "minutes",
        "names",
        "objects",
        "outcomes",
        "outputs",
        "people",
        "pieces",
        "plans",
        "records",
        "refs",
        "regions",
        "requests",
        "responders",
        "results",
        "roles",
        "rows",
        "runs",
        "secrets",
        "sessions",
        "signatures",
        "signers",
        "sinks",
        "slots",
        "sources",
        "statements",
        "steps",
        "systems",
        "tiles",
        "times",
        "tokens",
        "uses",
        "values",
        "witnesses",
        "words",
    ]
)
TOLD_APART = frozenset(
    {
        ("bar", "key('runs')"),
        ("view", "len(marked)"),
        ("view", "longest"),
        ("acknowledge", "ELSEWHERE.seconds // 60"),
        ("cascade", "number"),
        ("load", "len(found)"),
        ("old_value", "len(late)"),
        ("inventory", "many"),
        ("run_list", "hidden"),
        ("objects", "self._faults"),
        ("model", "len(self.items)"),
        ("postgres", "len(all_)"),
        ("pace", "rate"),
        ("pace", "a_second"),
        ("rotate", "len(accessors)"),
        ("since", "many"),
        ("since", "number"),
        ("since", "times"),
    }
)
"""Modules and their numbers that are more than one where they are said, a rate, or a key."""
VERB = re.compile(r"(itself|for|on|an|no|of whoever)\b|;")
"""What follows a word that is a verb here: "answers for", "names no"."""


def counted(text: str) -> list[tuple[str, str]]:
    """The lines of a program that put a number of its own before a noun that means many."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, number, after in zip(
            [None, *node.values], node.values, node.values[1:], strict=False
        ):
            if not isinstance(number, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            words = re.match(r" ((?:(?!of\b)[a-z-]+ )?)([a-z]+)\b ?", str(after.value))
            if words is None or not NOUNS & {words[1].strip(), words[2]}:
                continue
            if VERB.match(str(after.value)[words.end() :]) or VERB.match(words[2]):
                continue
            said = str(before.value) if isinstance(before, ast.Constant) else ""
            name = ast.unparse(number.value)
            fixed = name.isupper() or name.startswith("count(") or said.endswith("more than ")
            # A number is a call of something, an attribute or a name in small letters.
            if not fixed:
                found.append((name, f"{node.lineno}: {{{name}}}{after.value}"))
    return found


def test_no_sentence_of_the_program_counts_one_of_many() -> None:
    """Numbers go through the helper: ``f"{n} tokens"`` would say "1 tokens"."""
    wrong = [
        f"{path}:{said}"
        for package in (backends, console)
        for path in sorted(Path(package.__file__).parent.rglob("*.py"))
        for name, said in counted(path.read_text())
        if (path.stem, name) not in TOLD_APART
    ]
    assert wrong == []
