"""All signatures are checked, on all cores, with the verdict of one pass; what is not is said."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journal_scene import WHY, checked, grown
from test_journal_attacks import CASES, Crime, Scene
from test_journal_verdict import (
    Signed,
    edited_outcome,
    edited_reason,
    home_of,
    moved_outcome,
    other_person,
    replaced,
    swapped_signatures,
)

from console.audit import journal_verdict
from console.cli import main
from console.journal.format.entry import Kind
from console.journal.own_files import own
from console.journal.read.view import JournalView
from console.journal.verify import crew, trust, verify
from console.journal.verify.verify import Code
from console.journal.write.journal import Journal
from console.settings import Paths
from console.tlog import note
from console.tui.session.journal_state import JournalState
from console.tui.session.journal_watch import JournalWatch
from console.tui.views.journal import page

FORGERIES = [edited_reason, swapped_signatures, edited_outcome, moved_outcome, other_person]


def wrong_signature(crime: Crime, key: note.Signer) -> None:
    """The signatures of two old checkpoints, each under the text of the other."""
    one, other = (
        crime.db.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()[0]
        for size in (20, 30)
    )
    for size, text, lines in ((20, one, other), (30, other, one)):
        made = text.partition(b"\n\n")[0] + b"\n\n" + lines.partition(b"\n\n")[2]
        crime.db.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (made, size))


def no_note(crime: Crime, key: note.Signer) -> None:
    crime.db.execute(
        "UPDATE checkpoint SET note = CAST(note || 'rubbish' AS BLOB) WHERE size IN (4, 50)"
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("signatures"))


class Hands:
    """Which threads checked something."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seen: set[int] = set()
        self.checks = 0
        real = note.Verifier.verify

        def seen(self_: note.Verifier, text: bytes, signature: bytes) -> None:
            self.seen.add(threading.get_ident())
            self.checks += 1
            real(self_, text, signature)

        patch.setattr(note.Verifier, "verify", seen)


def in_one_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(crew, "cores", lambda: 1)


def on_many_cores(patch: pytest.MonkeyPatch) -> None:
    """Small pages and pieces, so that a short journal has many of them."""
    patch.setattr(crew, "cores", lambda: 3)
    patch.setattr(crew, "FEW", 0)
    for module in (verify, trust):
        patch.setattr(module, "PAGE", 7)


@pytest.mark.parametrize(
    "attack", [*(each for each, _ in CASES), replaced, wrong_signature, no_note]
)
def test_many_cores_judge_each_attack_as_one_pass_does(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attack: Callable[[Crime, note.Signer], None],
) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(scene.path, path)
    crime = Crime(path)
    attack(crime, scene.key)
    crime.done()
    given: dict[str, Any] = {"every_signature": True, "vkeys": [scene.key.vkey]}
    in_one_pass(monkeypatch)
    alone = checked(path, **given)
    on_many_cores(monkeypatch)
    hands = Hands(monkeypatch)
    assert checked(path, **given) == alone
    assert alone.checked + alone.skipped == alone.checkpoints
    if attack is wrong_signature:
        assert [(each.what, each.seq) for each in alone.findings] == [
            ("signature", 20), ("signature", 30),
        ]  # fmt: skip
    if alone.code is Code.VERIFIED:
        assert alone.skipped == 0
        assert len(hands.seen) > 1


@pytest.mark.parametrize("edit", FORGERIES)
def test_many_cores_judge_the_responders_signatures_as_one_pass_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[list[Any]], None]
) -> None:
    made = Signed(tmp_path)
    with Journal(made.paths.journal) as journal:
        for _ in range(10):
            made.alice.call(journal)
    made.forge(edit)
    crime = Crime(made.paths.journal)
    crime.db.execute("DELETE FROM entry WHERE seq = 22")
    crime.done()
    signers = made.alice.line()
    in_one_pass(monkeypatch)
    alone = checked(made.paths.journal, allowed_signers=signers)
    on_many_cores(monkeypatch)
    assert checked(made.paths.journal, allowed_signers=signers) == alone
    assert [each.what for each in alone.findings][-1] == "chain", "found before it broke"
    assert alone.findings[0].what == "responder"


def says(paths: Paths, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    home = str(paths.config.parent)
    code = main(["--home", home, "journal", "verify", *words])
    text = capsys.readouterr().out
    main(["--home", home, "journal", "verify", "--json", *words])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1]), text


def test_the_command_checks_all_and_says_what_it_was_told_to_leave_out(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    assert "signatures" not in " ".join(each.name for each in paths.journal.parent.iterdir())
    assert main(["--home", str(paths.config.parent), "journal", "verify", "--skip-checked"]) == 0
    assert "checked    every checkpoint's signature\n" in capsys.readouterr().out, (
        "none were before"
    )
    code, told, text = says(paths, capsys)
    assert (code, told["checked"], told["skipped"], told["skipped_since"]) == (0, 100, 0, None)
    assert "checked    every checkpoint's signature\n" in text
    with Journal(paths.journal) as journal:
        journal.append(Kind.NOTE, why=WHY)
    code, told, text = says(paths, capsys, "--skip-checked")
    assert (code, told["checked"], told["skipped"]) == (0, 1, 100)
    assert (
        "1 checkpoint's signature; 100 older not again, since the last check of all was on 2"
        in text
    )


def test_what_was_damaged_since_is_found_by_the_next_check_of_all(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    assert says(paths, capsys)[0] == 0
    crime = Crime(paths.journal)
    wrong_signature(crime, scene.key)
    crime.done()
    code, told, _ = says(paths, capsys, "--skip-checked")
    assert (code, told["skipped"]) == (0, 99), "as it says"
    assert says(paths, capsys)[0] == 1
    assert says(paths, capsys)[0] == 1, "and what is wrong is not noted as checked"


def test_a_note_of_what_was_checked_that_does_not_fit_is_not_believed(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    noted = paths.journal.with_suffix(".signatures")
    for rubbish in (b"", b"100", b"100 AAAA 1", b"\xff 1 2", b"-1 AAAA x", b"9" * 5000):
        noted.write_bytes(rubbish)
        assert says(paths, capsys, "--skip-checked")[1]["skipped"] in (0, 99)
        noted.write_bytes(rubbish)
        view = JournalView(paths.journal)
        report = journal_verdict.assess(view, journal_verdict.known(own(paths)), own(paths))
        view.close()
        assert (report.code, report.skipped) == (Code.VERIFIED, 0)


def test_the_screen_says_which_signatures_it_left_out_at_its_start(
    scene: Scene, tmp_path: Path
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    told: list[JournalState] = []

    def start() -> JournalWatch:
        return JournalWatch(
            lambda: JournalView(paths.journal), own(paths), lambda: 2e9, told.append
        )

    def seen() -> str:
        lines = page.verification(told[-1], 2e9, 200)
        return "\n".join("".join(text for text, _ in line) for line in lines)

    start().work(False)
    assert (told[-1].checked, told[-1].skipped) == (100, 0)
    assert "checked: every checkpoint's signature" in seen()
    start().work(False)
    assert (told[-1].checked, told[-1].skipped) == (1, 99)
    assert "1 checkpoint's signature; 99 older not again" in seen()
    watch = start()
    watch.work(True)
    assert (told[-1].checked, told[-1].skipped) == (100, 0), "V leaves none out"
    with Journal(paths.journal) as journal:
        journal.append(Kind.NOTE, why=WHY)
    watch.work(False)
    assert (told[-1].checkpoints, told[-1].checked + told[-1].skipped) == (101, 101)


def test_what_is_new_is_all_that_is_checked_when_something_was_added(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    told: list[JournalState] = []
    watch = JournalWatch(lambda: JournalView(paths.journal), own(paths), lambda: 2e9, told.append)
    watch.work(False)
    with Journal(paths.journal) as journal:
        for number in range(1, 4):
            journal.append(Kind.NOTE, why=WHY)
            hands = Hands(monkeypatch)
            watch.work(False)
            assert hands.checks < 5
            assert (told[-1].checkpoints, told[-1].skipped) == (100 + number, 99 + number)


def test_without_a_key_that_is_believed_no_signature_counts_as_checked(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    crime = Crime(paths.journal)
    replaced(crime, scene.key)
    crime.done()
    code, told, text = says(paths, capsys)
    assert (code, told["checked"], told["skipped"]) == (5, 0, 100)
    assert "0 checkpoints' signatures; 100 others were not" in text


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "state").mkdir(parents=True)
    (home / "config.toml").write_text("")
    path = grown(home / "state" / "journal.db", 2300)
    words = [sys.executable, "-m", "console", "--home", str(home), "journal", "verify"]
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, check=False)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "verifying: 2,000 of 2,302 entries" in shown
    assert "verifying: 2,000 of 2,302 signatures" in shown
    assert shown.endswith("\x1b[2K"), "the line is taken away again"
    piped = subprocess.run(words, capture_output=True, check=False)
    assert piped.stderr == b""
    assert sqlite3.connect(path).execute("SELECT count(*) FROM checkpoint").fetchone() == (2302,)
