"""The journal's view: filters, exact bytes, and whether the journal is whole, on every view."""

import hashlib
import shutil
import sqlite3

import pytest
import tui_world as world
from tui_world import drive, fill, screen, settled, until

from console.journal import advice
from console.journal.entry import Act, CallMark, Kind, Out, Target, uuid7
from console.journal.log import Journal
from console.tui import standing
from console.tui.entry_filter import FilterError, parse
from console.tui.entry_reader import PAGE, EntryReader, Question
from console.tui.pages.journal import exact
from console.tui.standing import Standing

NAME = "zażółć \u202e\x9b31m"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def record(paths, name="ci-deploy", verb="revoke", backend="vault-prod", state="applied") -> None:
    """An intent, and its outcome unless ``state`` is empty."""
    target = Target(kind="service", id="acc-1", handle="ce20dcdd48f0", name=name)
    call = CallMark(transport="http", method="POST", target="/v1/revoke", sha256="0" * 64)
    act = Act(
        verb=verb, backend=backend, target=target, step="1", call=call, plan_ref=uuid7()
    )  # fmt: skip
    with Journal(paths.journal) as journal:
        intent = journal.append(Kind.INTENT, why="leaked in a public repo", act=act)
        if state:
            out = Out(ref=intent.id, state=state, how="answer", status="204")
            journal.append(Kind.OUTCOME, act=act, out=out)


def tamper(paths) -> None:
    """Change one word of an old entry, as somebody with the file in hand would."""
    connection = sqlite3.connect(paths.journal)
    connection.execute("DROP TRIGGER entry_no_update")
    connection.execute(
        "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'public', 'secret') AS BLOB)"
        " WHERE seq = 2"
    )
    connection.commit()
    connection.close()


def lines_with(app, word: str) -> list[str]:
    return [line for line in screen(app).splitlines() if word in line]


def test_every_view_says_how_the_journal_stands(paths) -> None:
    record(paths)
    record(paths, state="")
    app = world.application(paths)

    async def steps(pilot):
        await until(pilot, lambda: "journal ok" in screen(app))
        for keys in ((), ("enter",), ("escape", "b"), ("J",), ("question_mark",)):
            await pilot.press(*keys)
            await settled(pilot)
            assert "journal ok (4), 1 OPEN, no witness" in screen(app).splitlines()[0]

    drive(app, steps)


def test_a_journal_that_was_changed_is_said_on_every_view_and_nothing_can_be_revoked(
    paths, tmp_path
) -> None:
    record(paths)
    copy = world.where(tmp_path / "copy")
    shutil.copytree(paths.state, copy.state)
    tamper(copy)
    app = world.application(copy, act=True, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: "journal NOT WHOLE" in screen(app) and app.link.up)
        for keys in ((), ("enter",), ("escape", "b"), ("J",), ("question_mark",)):
            await pilot.press(*keys)
            await settled(pilot)
            text = screen(app).splitlines()
            assert "journal NOT WHOLE" in text[0]
            assert "JOURNAL NOT WHOLE: the checkpoint at entry 2 is not that" in text[1]
        await pilot.press("escape", "i")
        await pilot.press("slash", *"ci-deploy", "enter", "K")
        await settled(pilot)
        assert "revoke: not now, the journal is not whole: the checkpoint" in screen(app)
        assert app.inventory_view.open_bar is None
        await pilot.press("J", "V")
        await until(pilot, lambda: "DO NEXT" in screen(app))
        assert "WRONG" in screen(app)
        assert "as evidence" in screen(app)

    drive(app, steps)


def test_a_change_behind_our_back_is_found_while_the_screen_is_open(paths) -> None:
    record(paths)
    app = world.application(paths)

    async def steps(pilot):
        await until(pilot, lambda: "journal ok" in screen(app))
        tamper(paths)
        await until(pilot, lambda: "journal NOT WHOLE" in screen(app))

    drive(app, steps)


def test_a_journal_that_vanished_is_no_empty_one(paths) -> None:
    record(paths)
    with Journal(paths.journal):
        pass  # Opening it remembers how far it was verified.
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (paths.state / name).unlink(missing_ok=True)
    app = world.application(paths)

    async def steps(pilot):
        await until(pilot, lambda: "journal NOT WHOLE" in screen(app))
        assert "the journal's file is gone" in screen(app)

    drive(app, steps)


def test_no_journal_yet_is_no_trouble(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: "nothing is recorded" in screen(app))
        assert "journal empty" in screen(app)

    drive(app, steps)


def test_a_check_that_was_asked_for_says_what_it_found(paths) -> None:
    record(paths, state="")
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: "whole: every entry was checked <1m ago" in screen(app))
        await pilot.press("V")
        await until(pilot, lambda: "VERIFICATION" in screen(app))
        text = " ".join(screen(app).split())
        assert "STATE whole" in text
        assert "1 call it is not known what became" in text
        assert "DO NEXT Find out what became of them: token-console journal recover." in text
        await pilot.press("escape")
        await settled(pilot)
        assert "VERIFICATION" not in screen(app)

    drive(app, steps, (100, 40))


def test_a_filter_finds_entries_and_escape_brings_all_back(paths) -> None:
    record(paths)
    record(paths, name="web-hook", verb="rotate", backend="aws-main", state="rejected")
    record(paths, name="left-open", state="")
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: "6 entries" in screen(app))
        await pilot.press("slash", *"verb:rotate", "enter")
        await until(pilot, lambda: "2 entries" in screen(app))
        assert not lines_with(app, "ci-deploy")
        await pilot.press("slash", *" state:rejected", "enter")
        await until(pilot, lambda: "1 entry" in screen(app))
        assert "STATE" in screen(app)
        assert "refused by the system" in screen(app)
        await pilot.press("escape", "slash", *"state:open", "enter")
        await until(pilot, lambda: "1 entry" in screen(app))
        assert lines_with(app, " OPEN ")
        await pilot.press("escape", "slash", *"verb:")
        await until(pilot, lambda: "not applied: verb:" in screen(app))
        await pilot.press("escape", "slash", *"colour:red")
        await settled(pilot)
        assert "there is no colour:" in screen(app)
        await pilot.press("escape", "slash", *"nothing-like-it", "enter")
        await until(pilot, lambda: "No entry matches" in screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: "6 entries" in screen(app))

    drive(app, steps, (100, 40))


def test_raw_shows_every_byte_with_its_hash_and_place(paths) -> None:
    record(paths, name=NAME)
    with Journal(paths.journal) as journal:
        entry = journal.entries(1)[0]
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J", "number_sign")
        await until(pilot, lambda: "Exactly as stored" in screen(app))
        await until(pilot, lambda: "entry 3 of a tree of 3" in screen(app))
        text = screen(app)
        assert hashlib.sha256(b"\0" + entry.raw).hexdigest() in text
        assert "\\xe2\\x80\\xae" in "".join(text.split())
        assert "\u202e" not in text

    drive(app, steps, (110, 50))


@pytest.mark.parametrize("width", [1, 2, 7, 80])
def test_the_bytes_can_be_read_back_from_what_is_shown(width: int) -> None:
    data = NAME.encode() + b'{"a":"\xff\xfe  two  blanks"}\r\n\0' + "日本e\u0301".encode()
    shown = "".join(exact(data, width))
    assert shown.isprintable()
    back = b""
    while shown:
        if shown.startswith("\\x"):
            back, shown = back + bytes.fromhex(shown[2:4]), shown[4:]
        else:
            back, shown = back + shown[0].encode(), shown[1:]
    assert back == data


def test_a_long_journal_is_read_page_by_page(paths) -> None:
    with Journal(paths.journal) as journal:
        for number in range(PAGE + 20):
            journal.append(Kind.NOTE, why=f"note number {number} {'x' if number % 10 else 'rare'}")
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: f"{PAGE} entries of 521" in screen(app))
        await pilot.press("end")
        await until(pilot, lambda: "521 entries" in screen(app))
        await pilot.press("end")
        await settled(pilot)
        assert lines_with(app, "opened this journal")

    drive(app, steps)


def test_a_page_of_found_entries_is_told_before_all_was_read(paths) -> None:
    with Journal(paths.journal) as journal:
        for number in range(PAGE + 20):
            journal.append(Kind.NOTE, why=f"note number {number}")
    app = world.application(paths)
    told = []
    reader = EntryReader(app.world.open_journal, told.append, told.append)
    reader.work(Question(parse("note"), "", want=10_000))
    app.world.close()
    assert [(len(found.entries), found.done) for found in told] == [
        (PAGE, False),
        (PAGE + 20, True),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", True), ("verb:", True), ("leaked PUBLIC", True), ("leaked private", False),
        ("verb:rev who:", True), ("verb:rotate,revoke", True), ("-verb:revoke", False),
        ('"public repo"', True), ('"repo public"', False), ("backend:vault -aws", True),
        ("state:applied", False), ("state:open", False), ("kind:intent", True), ("-nobody", True),
    ],
)  # fmt: skip
def test_what_a_filter_means(paths, text: str, shown: bool) -> None:
    record(paths)
    with Journal(paths.journal) as journal:
        entry = journal.entries(1, kind="intent")[0]
    assert parse(text).holds(entry) is shown


def test_an_unknown_key_names_the_known_ones() -> None:
    with pytest.raises(FilterError) as caught:
        parse("colour:red")
    assert "verb: who: backend: state:" in caught.value.hint


def told(width: int, **more) -> str:
    at = Standing(entries=1204, checked_at=1000)._replace(**more)
    return "".join(text for text, _ in standing.short(at, 1120, width))


def test_the_words_for_the_state() -> None:
    assert told(80) == "journal ok (1,204), no witness"
    assert told(80, open=1, witnessed=1204) == "journal ok (1,204), 1 OPEN, all witnessed"
    assert told(80, checked_at=0) == "journal checking (1,204)"
    assert told(80, word=standing.BROKEN) == "journal NOT WHOLE"
    assert told(200, open=2, witnessed=1200) == (
        "journal 1,204 entries, verified 2m ago, 2 OPEN, witnessed up to 1,200"
    )


def test_every_finding_of_a_check_has_something_to_do_next() -> None:
    import re
    from pathlib import Path

    import console.journal.trust
    import console.journal.verify
    import console.response.assess

    source = Path(console.journal.verify.__file__).read_text()
    words = set(re.findall(r'Code\.[A-Z_]+,\s*"([a-z-]+)"', source))
    source = Path(console.journal.trust.__file__).read_text()
    words |= set(re.findall(r'yield "([a-z-]+)"', source))
    assert {"chain", "cut", "open", "other-log"} <= words
    source = Path(console.response.assess.__file__).read_text()
    words |= set(re.findall(r'Code\.[A-Z_]+,\s*"([a-z-]+)"', source))
    assert words <= set(advice.NEXT)
