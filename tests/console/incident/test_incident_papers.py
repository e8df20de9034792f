"""The timeline, the report and the hand-over of an incident: true, and harmless everywhere."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import incident_scene as scene
import pytest
from markdown_it import MarkdownIt

from console import cli
from console.incident import scoping, service
from console.incident.assess import Assessment
from console.incident.papers import document
from console.incident.papers.document import Bullets, Document, Table
from console.incident.papers.handover import handover
from console.incident.papers.names import Labels, Name, Names
from console.incident.papers.report import situation, told
from console.incident.papers.story import Story, StoryRow, story
from console.settings import Paths


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return scene.opened(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def found(paths: Paths) -> Assessment:
    return scene.assessed(paths)


@pytest.fixture(scope="module")
def line(found: Assessment, paths: Paths) -> Story:
    return story(found, paths)


def rows(line: Story, kind: str) -> list[StoryRow]:
    return [row for row in line.rows if row.kind == kind]


# The timeline


def test_the_timeline_is_oldest_first_and_has_every_source(line: Story) -> None:
    assert [row.at for row in line.rows] == sorted(row.at for row in line.rows)
    kinds = {row.kind for row in line.rows}
    assert kinds == {
        "exposed", "use", "refused use", "decision", "call", "evidence", "note", "record",
        "milestone",
    }  # fmt: skip
    assert line.rows[0].kind == "exposed"


def test_uses_since_the_leak_are_told_by_token_and_address(line: Story) -> None:
    by_thief = [row for row in rows(line, "use") if row.address == scene.THIEF]
    (row,) = by_thief
    assert row.times == 2
    assert "new after the leak" in row.words
    assert (row.until - row.at) == 4 * 3600
    (denied,) = rows(line, "refused use")
    assert denied.address == scene.THIEF
    runner = [row for row in rows(line, "use") if row.address == scene.RUNNER]
    # Uses before the leak are none of it: it was used every three hours.
    assert all(row.at >= scene.LEAK.timestamp() for row in runner)
    assert all("new after" not in row.words for row in runner)


def test_what_no_log_tells_is_said(line: Story) -> None:
    told = " ".join(gap.words for gap in line.unseen)
    assert "aws-kobold" in told
    assert "no log is read" in told
    assert "vault-granit" in told
    assert "not read yet" in told


def test_a_use_without_a_leak_time_is_not_called_one_since(tmp_path: Path) -> None:
    paths = scene.filled(tmp_path)
    service.begin(paths, service.NewIncident(title="t", reason=scene.WHY, id=scene.ID))
    scoping.widen(paths, scene.ID, query=scene.QUERY)
    line = story(scene.assessed(paths), paths)
    assert not rows(line, "use")
    assert "nobody said when the leak began" in line.unseen[0].words


def test_many_uses_and_calls_are_counted_by_hour_and_that_is_said(tmp_path: Path) -> None:
    names = tuple(f"worker-{n}" for n in range(1, 301))
    paths = scene.opened(tmp_path, names)
    scene.run_over(paths, names).end(range(1, 301))
    line = story(scene.assessed(paths), paths)
    assert len(line.rows) < 200
    uses = rows(line, "use")
    assert not any(row.handle for row in uses)
    # Every three hours from thirty before the leak's day on, six of them since the leak.
    assert sum(row.times for row in uses) == 300 * 6 + 2 + 1
    told = " ".join(line.folded)
    assert "uses of 302 tokens are counted by hour" in told
    assert "single calls and their evidence are counted by hour" in told
    calls = rows(line, "call")
    assert len(calls) < 20
    assert sum(row.times for row in calls) == 2 * 300 + 2 * 3
    # A decision is never folded away.
    assert len(rows(line, "decision")) == len({row.words for row in rows(line, "decision")})


# The report


def test_the_report_says_what_is_left_and_what_is_not_known(
    found: Assessment, capsys: pytest.CaptureFixture[str], paths: Paths
) -> None:
    assert cli.main(["--home", str(paths.config.parent), "incident", "report", scene.ID]) == 0
    told = capsys.readouterr().out
    for words in (
        "first exposed: 2026-11-23T06:40:00Z",
        "dead: not proved: 7 values were not seen refused",
        f"from {scene.THIEF} with vault-granit/payroll-sync",
        "REFUSED",
        "a call is open",
        "not seen: vault-granit: refused: accessors",
        "lead: maria[.]delacroix",
        "deadline: 2026-12-24T02:40:00Z",
        "token-console journal recover",
        "accepted by tomasz[.]wieczorek",
    ):
        assert words in told, words


def test_unknown_times_are_called_not_known(tmp_path: Path) -> None:
    paths = scene.filled(tmp_path)
    service.begin(paths, service.NewIncident(title="t", reason=scene.WHY, id=scene.ID))
    found = scene.assessed(paths)
    told = "\n".join(document.text(situation(found, Names(found))))
    assert "first exposed: not known" in told
    assert "last bad use: not known: nobody said when the leak began" in told
    assert "contained: not known" in told
    assert "dead: not known" in told
    assert "deadline: none was set" in told
    assert "nobody was named" in told


def test_many_tokens_are_counted_by_system(tmp_path: Path) -> None:
    paths = scene.opened(tmp_path, tuple(f"worker-{n}" for n in range(1, 60)))
    found = scene.assessed(paths)
    told = "\n".join(document.text(situation(found, Names(found))))
    assert "worker-40" not in told
    assert re.search(r"vault-granit: 59: still works 1, not done 55, not known 1", told)
    assert "55 tokens of vault-granit: NOT ENDED" in told
    everything = "\n".join(document.text(situation(found, Names(found), every=True)))
    assert "worker-40" in everything


def test_programs_get_what_show_says(found: Assessment) -> None:
    made = json.loads(json.dumps(told(found, Names(found))))
    assert made["state"] == "open"
    assert len(made["tokens"]) == 9
    assert made["times"]["bad_use"]["source"] == scene.THIEF
    assert made["next"]


# Chats, wikis, terminals


MENTIONS = ("@", "<", ">", "://", "www.", "`", "*", "~", "#", ":fire:")


def every_paper(found: Assessment, line: Story) -> list[Document]:
    names = Names(found)
    return [situation(found, names), handover(found, names, line)]


def test_nothing_in_a_chat_calls_links_or_formats(found: Assessment, line: Story) -> None:
    for paper in every_paper(found, line):
        told = "\n".join(document.text(paper))
        assert "evil" in told  # The names are there, and harmless.
        for sign in MENTIONS:
            assert sign not in told, sign
        assert not re.search(r"\w\.(example|com)\b", told)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", told)
        # No name has made a line of its own.
        assert not any(each.startswith("break") for each in told.splitlines())


@pytest.mark.parametrize("flavour", ["commonmark", "gfm-like"])
def test_nothing_in_markdown_is_html_a_link_or_a_picture(
    found: Assessment, line: Story, flavour: str
) -> None:
    reader = MarkdownIt(flavour, {"html": True, "linkify": flavour == "gfm-like"})
    for paper in every_paper(found, line):
        text = document.markdown(paper)
        kinds = set()
        for token in reader.parse(text):
            kinds.add(token.type)
            kinds |= {child.type for child in token.children or ()}
        assert "code_inline" in kinds
        assert not kinds & {"html_block", "html_inline", "link_open", "image", "fence", "hr"}
        shown = reader.render(text)
        assert "<script" not in shown
        assert "<img" not in shown
        # Outside of code, which is never looked at for mentions, nobody is called.
        assert "@here" not in re.sub(r"<code>.*?</code>", "", shown, flags=re.DOTALL)


def test_markdown_keeps_a_names_exact_text() -> None:
    reader = MarkdownIt("gfm-like", {"linkify": True})
    for name in ("a`b``c", "`", " x ", "**a**", "[a](b)", "a|b", r"back\slash"):
        paper = Document(("t",), (Bullets(((Name(name),),)),))
        tokens = reader.parse(document.markdown(paper))
        code = [child.content for token in tokens for child in token.children or ()
                if child.type == "code_inline"]  # fmt: skip
        assert code == [name]


def test_a_table_keeps_its_columns() -> None:
    paper = Document(("t",), (Table(("a", "b"), (((Name("x|y`|`z"),), ("p|q",)),)),))
    rendered = MarkdownIt("gfm-like").render(document.markdown(paper))
    assert rendered.count("<td>") == 2


def test_times_of_day_stay_times(found: Assessment) -> None:
    assert document.chat("last 20:31:26Z: from") == "last 20:31:26Z: from"
    assert ":" not in document.chat("a :fire: b").replace(": b", "")


# The hand-over


def test_the_hand_over_has_every_decision_and_its_reason(found: Assessment, line: Story) -> None:
    told = "\n".join(document.text(handover(found, Names(found), line)))
    for words in (
        "the bucket is frozen anyway",
        "nothing of ours lies there",
        "its consumer is switched off",
        "break glass",
        "nobody else can be reached now",
        "ALARM: vault-granit/ledger-export: OLD VALUE STILL WORKS",
        "an exception ends in 2d",
        "1 open call: what became of each is not known",
        "the deadline",
        "no log tells: aws-kobold",
        "in charge: tomasz[.]wieczorek for aws-kobold",
        f"used from an address that was new after the leak, last 2026-11-23T11:40:00Z:"
        f" {scene.THIEF}",
    ):
        assert words in told, words


def test_a_closing_and_its_reason_are_handed_over(tmp_path: Path) -> None:
    paths = scene.filled(tmp_path)
    service.begin(paths, service.NewIncident(title="t", reason=scene.WHY, id=scene.ID))
    service.close(paths, scene.ID, "a mistake of the scanner")
    service.reopen(paths, scene.ID, "the vendor found more of them")
    found = scene.assessed(paths)
    told = "\n".join(document.text(handover(found, Names(found), story(found, paths))))
    assert "the vendor found more of them" in told


def test_labels_are_the_same_each_time(paths: Paths) -> None:
    first, second = (Labels(scene.assessed(paths, time.time() + n)) for n in (0, 60))
    assert first.table == second.table
    assert len(first.table["tokens"]) == 9
