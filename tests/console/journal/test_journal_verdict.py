"""One verdict: ``journal verify`` and the screen judge every case alike, whatever was done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from journal_scene import WHY, Signer, intent, outcome
from seal_scene import SealScene, event
from test_journal_attacks import CASES, Crime, Scene
from tui_world import application as app_of
from tui_world import drive, fill, screen, until

from console import settings
from console.cli import main
from console.errors import ConsoleError
from console.journal import keys
from console.journal.format.entry import Kind, parse
from console.journal.format.parts import Seal
from console.journal.own_files import own
from console.journal.read.view import JournalView
from console.journal.write import opening_check
from console.journal.write.journal import Journal
from console.settings import Paths
from console.tlog import note
from console.tui.session import journal_watch
from console.tui.session.journal_state import JournalState
from console.tui.session.journal_watch import JournalWatch


def change(path: Path, *statements: str) -> None:
    """What somebody who owns the file can do, with triggers off."""
    crime = Crime(path)
    for statement in statements:
        crime.db.execute(statement)
    crime.done()


def replaced(crime: Crime, key: note.Signer) -> None:
    """The whole journal signed anew, with a key of somebody else under the same name."""
    thief = keys.make(crime.path.with_name("thief.key"), key.name)
    opened = msgspec.to_builtins(parse(crime.leaves()[0]))
    opened["key"] = {"vkey": thief.vkey}
    crime.sign(crime.chain([rfc8785.dumps(opened), *crime.leaves()[1:]]), thief)


def no_triggers(crime: Crime, key: note.Signer) -> None:
    crime.done = crime.db.commit  # type: ignore[method-assign]


def foreign_trigger(crime: Crime, key: note.Signer) -> None:
    crime.db.execute("CREATE TRIGGER helper AFTER INSERT ON entry BEGIN DELETE FROM cosigned; END")


def other_column(crime: Crime, key: note.Signer) -> None:
    """No call is ever listed as open, since each seems to be of another kind."""
    crime.db.execute("PRAGMA writable_schema = ON")
    crime.db.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, '$.type', '$.id') WHERE name = 'entry'"
    )


def inner_node(crime: Crime, key: note.Signer) -> None:
    """Not on the way to the newest root: only proofs would come out wrong."""
    crime.db.execute("UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND idx = 3")


ATTACKS: list[Callable[[Crime, note.Signer], None]] = [
    *(attack for attack, _ in CASES),
    replaced,
    no_triggers,
    foreign_trigger,
    other_column,
    inner_node,
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("verdicts"))


def home_of(scene: Scene, place: Path, *, policy: bool, pin: bool) -> Paths:
    """A home with a copy of the scene's journal."""
    paths = settings.paths(place / "home")
    paths.make()
    shutil.copy(scene.path, paths.journal)
    shutil.copy(scene.path.with_suffix(".key"), paths.journal.with_suffix(".key"))
    lines = ["[journal]"]
    if policy:
        (paths.config.parent / "policy").write_text(scene.policy)
        lines.append('policy = "policy"')
        with Journal(paths.journal) as journal:
            journal.add_cosigned(100, scene.cosigned)
    if pin:
        paths.journal.with_suffix(".verified").write_bytes(scene.newest)
    else:
        paths.journal.with_suffix(".verified").unlink(missing_ok=True)
    paths.config.write_text("\n".join(lines) + "\n")
    return paths


def command_says(paths: Paths, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[Any]]:
    """Exit code and findings of ``journal verify``."""
    code = main(["--home", str(paths.config.parent), "journal", "verify", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, [(each["what"], each["text"]) for each in lines[:-1]]


def screen_says(paths: Paths, question: bool) -> tuple[int, list[Any], JournalState]:
    """The same from what keeps the screen's state, as ``V`` asks it or as its start does."""
    told: list[JournalState] = []
    made = JournalWatch(lambda: JournalView(paths.journal), own(paths), lambda: 1000.0, told.append)
    try:
        made.work(question)
    except ConsoleError:
        return 2, [], JournalState()
    return told[-1].code, [(each.what, each.text) for each in told[-1].found], told[-1]


def equal(paths: Paths, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[Any], JournalState]:
    """What all say, once it is known that they say the same."""
    pinned = paths.journal.with_suffix(".verified")
    before = pinned.read_bytes() if pinned.exists() else None
    code, findings = command_says(paths, capsys)
    for question in (True, False):
        # Each begins with what was known before, not with what the one before remembered.
        pinned.unlink(missing_ok=True)
        if before is not None:
            pinned.write_bytes(before)
        seen, told, standing = screen_says(paths, question)
        assert (seen, told) == (code, findings)
        grave = code in (1, 4, 5) and {what for what, _ in findings} - {"signer", "events"}
        assert bool(standing.word) == bool(grave and code != 2)
    return code, findings, standing


@pytest.mark.parametrize("attack", ATTACKS, ids=[each.__name__ for each in ATTACKS])
@pytest.mark.parametrize("known", ["key", "pin", "policy"])
def test_the_command_and_the_screen_judge_each_attack_alike(
    scene: Scene,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    attack: Callable[[Crime, note.Signer], None],
    known: str,
) -> None:
    paths = home_of(scene, tmp_path, policy=known == "policy", pin=known == "pin")
    crime = Crime(paths.journal)
    attack(crime, scene.key)
    crime.done()
    code, findings, _ = equal(paths, capsys)
    words = {what for what, _ in findings}
    if attack is replaced:
        assert (code, "untrusted" in words) == (5 if known == "key" else 4, True)
    if attack in (foreign_trigger, other_column):
        assert (code, words >= {"guard"}) == (1, True)
    if attack is no_triggers:
        assert (code, words >= {"guard"}) == (3, True)
    if attack is inner_node:
        assert (code, words >= {"tree"}) == (3, True)


def test_a_witness_that_the_configuration_names_is_missed_by_both(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    vkey = scene.policy.split("witness w ")[1].splitlines()[0]
    paths.config.write_text(f'[journal]\nwitnesses = ["http://127.0.0.1:1 {vkey}"]\n')
    assert equal(paths, capsys)[0] == 3
    paths.journal.with_suffix(".key").unlink()
    code, findings, _ = equal(paths, capsys)
    assert (code, [what for what, _ in findings]) == (3, ["unwitnessed"]), "with no key at hand too"


def test_files_that_cannot_be_used_are_no_verdict_for_both(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = home_of(scene, tmp_path, policy=True, pin=False)
    (paths.config.parent / "policy").unlink()
    assert equal(paths, capsys)[0] == 2
    paths = home_of(scene, tmp_path / "key", policy=False, pin=False)
    paths.journal.with_suffix(".key").chmod(0o644)
    code, findings, _ = equal(paths, capsys)
    assert (code, findings[0][0]) == (3, "key"), "whose journal it is was not checked"
    paths = home_of(scene, tmp_path / "gone", policy=False, pin=True)
    paths.journal.unlink()
    code, findings, standing = equal(paths, capsys)
    assert (code, findings[0][0], standing.word) == (4, "gone", "NOT WHOLE")


class Signed:
    """A journal in which a responder signed everything, and the log's key is stolen."""

    def __init__(self, place: Path) -> None:
        self.paths = settings.paths(place / "home")
        self.paths.make()
        self.alice = Signer()
        (self.paths.config.parent / "signers").write_text(self.alice.line())
        with Journal(self.paths.journal) as journal:
            self.alice.open(journal)
            for _ in range(3):
                self.alice.call(journal)
            self.key = journal.signer
        self.configure()

    def configure(self, *lines: str) -> None:
        self.paths.config.write_text("\n".join(["[journal]", *lines]) + "\n")

    def forge(self, edit: Callable[[list[dict[str, Any]]], None]) -> None:
        """Edit the entries, and sign tree and checkpoints with the stolen key."""
        crime = Crime(self.paths.journal)
        bodies = [msgspec.to_builtins(parse(leaf)) for leaf in crime.leaves()]
        edit(bodies)
        crime.sign(crime.chain([rfc8785.dumps(body) for body in bodies]), self.key)
        crime.done()
        self.paths.journal.with_suffix(".verified").unlink(missing_ok=True)


def edited_reason(bodies: list[dict[str, Any]]) -> None:
    bodies[2]["why"] = "an altogether different reason"


def swapped_signatures(bodies: list[dict[str, Any]]) -> None:
    bodies[2]["sig"], bodies[4]["sig"] = bodies[4]["sig"], bodies[2]["sig"]


def edited_outcome(bodies: list[dict[str, Any]]) -> None:
    bodies[3]["out"]["state"] = "rejected"


def moved_outcome(bodies: list[dict[str, Any]]) -> None:
    """The answer of one call is given to another, with the signature it has."""
    bodies[3], bodies[4] = bodies[4], bodies[3]
    one, other = bodies[4]["out"], bodies[5]["out"]
    one["ref"], other["ref"] = other["ref"], one["ref"]


def other_person(bodies: list[dict[str, Any]]) -> None:
    bodies[1]["sig"]["key_fp"] = "SHA256:" + "A" * 43


@pytest.mark.parametrize(
    "edit", [edited_reason, swapped_signatures, edited_outcome, moved_outcome, other_person]
)
def test_with_the_stolen_log_key_no_signed_entry_can_be_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[list[Any]], None]
) -> None:
    made = Signed(tmp_path)
    assert equal(made.paths, capsys)[0] == 0
    made.forge(edit)
    code, findings, _ = equal(made.paths, capsys)
    assert code == 1
    assert {what for what, _ in findings} == {"responder"}
    with pytest.raises(ConsoleError, match="not whole"), Journal(made.paths.journal) as journal:
        intent(journal)


def test_an_outcome_without_its_signature_is_said_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Signed(tmp_path)

    def strip(bodies: list[dict[str, Any]]) -> None:
        bodies[3]["out"]["state"] = "rejected"
        del bodies[3]["sig"]

    made.forge(strip)
    code, findings, _ = equal(made.paths, capsys)
    assert (code, [what for what, _ in findings]) == (3, ["unbound"])
    assert "entry 4" in findings[0][1]
    main(["--home", str(made.paths.config.parent), "journal", "verify"])
    text = capsys.readouterr().out
    assert "6 responders' signatures hold; whose keys they are is not told here" in text
    assert "1 answer to a signed call bears none" in text


def test_what_is_missing_is_counted_without_being_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Signed(tmp_path)
    with Journal(made.paths.journal) as journal:
        outcome(journal, intent(journal))
    code, findings, standing = equal(made.paths, capsys)
    assert (code, findings, standing.signatures, standing.unsigned) == (0, [], 7, 1)
    assert main(["--home", str(made.paths.config.parent), "journal", "verify"]) == 0
    assert "1 plan or call bears no responder's signature" in capsys.readouterr().out


def test_an_unknown_signer_stays_said_when_more_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Signed(tmp_path)
    (made.paths.config.parent / "others").write_text(Signer().line("bob"))
    made.configure('allowed_signers = "others"')
    code, findings, standing = equal(made.paths, capsys)
    assert (code, {what for what, _ in findings}) == (5, {"signer"})
    assert (standing.word, standing.remark) == ("", "UNKNOWN SIGNER")
    monkeypatch.setattr(journal_watch, "WHOLE", 0)
    told: list[JournalState] = []
    eye = JournalWatch(
        lambda: JournalView(made.paths.journal), own(made.paths), lambda: 1.0, told.append
    )
    eye.work(True)
    with Journal(made.paths.journal) as journal:
        journal.append(Kind.NOTE, why=WHY)
    eye.work(False)
    assert told[-1].entries == 9
    assert (told[-1].code, {each.what for each in told[-1].found}) == (5, {"signer"})
    assert told[-1].signatures == 7


def test_a_session_that_ended_while_a_call_waited_is_no_tampering(tmp_path: Path) -> None:
    """An intent is signed before its turn in the journal comes, and the outcome after the call."""
    made = Signed(tmp_path)
    with Journal(made.paths.journal) as journal:
        late = Signer()
        part = journal.entries(kind=Kind.SESSION_OPEN)[0].body.session
        assert part is not None
        ends = journal.entries()[0].t_us - 60 * 1_000_000
        session = msgspec.structs.replace(part, key=late.public(late.session), expires=ends)
        journal.append(Kind.SESSION_OPEN, why=WHY, session=session, sign=late.by_own)
        late.call(journal)
        assert opening_check.problem(journal.store, journal.files, journal.signer) == ""


def test_audit_events_that_were_altered_are_said_by_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = SealScene(tmp_path)
    desk.paths.config.write_text("")
    desk.take_in(event("1"), event("2"))
    assert isinstance(desk.seal(), Seal)
    assert equal(desk.paths, capsys)[0] == 0
    desk.change("UPDATE event SET actor = 'mallory' WHERE event_id = '2'")
    code, findings, standing = equal(desk.paths, capsys)
    assert (code, [what for what, _ in findings]) == (1, ["events"])
    assert (standing.word, standing.remark) == ("", "EVENTS ALTERED")


def test_the_screen_says_on_every_view_that_the_journal_was_replaced(
    scene: Scene, tmp_path: Path
) -> None:
    """Its check of the start knows this machine's key, as the command's does."""
    paths = home_of(scene, tmp_path, policy=False, pin=False)
    fill(paths)
    crime = Crime(paths.journal)
    replaced(crime, scene.key)
    crime.done()
    app = app_of(paths)

    async def steps(pilot: Any) -> None:
        await until(pilot, lambda: "journal ok" in screen(app) or "NOT WHOLE" in screen(app))
        assert "journal NOT WHOLE" in screen(app)
        await pilot.press("J", "V")
        await until(pilot, lambda: "DO NEXT" in screen(app))
        assert "signed by a key that is not trusted" in " ".join(screen(app).split())

    drive(app, steps)
