"""Ten attacks on a journal of 100 entries, against four levels of outside knowledge."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from journal_scene import checked, grown, intent, outcome, put_back

from console.errors import JournalError
from console.journal import keys, pins, tree
from console.journal.entry import Kind, link, parse, uuid7
from console.journal.log import Journal
from console.journal.read import JournalView
from console.journal.rebuild import rebuild
from console.journal.sqlite import SqliteStore
from console.journal.tlog import note
from console.journal.tlog.cosign import Cosigner
from console.journal.verify import Code

TAMPERED, ROLLED_BACK = Code.TAMPERED, Code.ROLLED_BACK
GENUINE = Code.VERIFIED


class Crime:
    """A copy of the journal's database in the hands of somebody who may change everything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path)
        for name in ("entry_in_order", "entry_no_update", "entry_no_delete"):
            self.db.execute(f"DROP TRIGGER IF EXISTS {name}")
        self.db.execute("PRAGMA ignore_check_constraints = ON")

    def leaves(self) -> list[bytes]:
        return [leaf for (leaf,) in self.db.execute("SELECT leaf FROM entry ORDER BY seq")]

    def edit(self, seq: int) -> None:
        leaf = self.leaves()[seq - 1]
        self.db.execute(
            "UPDATE entry SET leaf = ? WHERE seq = ?", (leaf.replace(b"vault", b"vaulX"), seq)
        )

    def delete(self, seq: int) -> None:
        self.db.execute("DELETE FROM entry WHERE seq = ?", (seq,))

    def cut(self, upto: int, *, checkpoints: bool) -> None:
        self.db.execute("DELETE FROM entry WHERE seq > ?", (upto,))
        if checkpoints:
            self.db.execute("DELETE FROM checkpoint WHERE size > ?", (upto,))

    def chain(self, leaves: list[bytes]) -> list[bytes]:
        """Put entries in instead of those that are there, and link them anew."""
        prev, made = "0" * 64, []
        for seq, leaf in enumerate(leaves, 1):
            body = msgspec.to_builtins(parse(leaf))
            leaf = rfc8785.dumps({**body, "seq": seq, "prev": prev})
            prev = link(leaf)
            made.append(leaf)
        self.db.execute("DELETE FROM entry")
        self.db.executemany("INSERT INTO entry (seq, leaf) VALUES (?, ?)", enumerate(made, 1))
        return made

    def sign(self, leaves: list[bytes], signer: note.Signer) -> None:
        """With the stolen key: a tree and checkpoints that fit the entries."""
        self.db.execute("DELETE FROM node")
        self.db.execute("DELETE FROM checkpoint")
        whole = tree.Frontier()
        for leaf in leaves:
            nodes = whole.push(leaf)
            self.db.executemany("INSERT INTO node VALUES (?, ?, ?)", nodes)
            signed = note.sign(tree.body_of(signer.name, whole), signer)
            self.db.execute("INSERT INTO checkpoint VALUES (?, ?)", (whole.size, signed))

    def done(self) -> None:
        """Leave no trace in the schema: who can change everything puts the triggers back too."""
        put_back(self.db)
        self.db.commit()
        self.db.close()


def edit_row(crime: Crime, key: note.Signer) -> None:
    crime.edit(50)


def delete_row(crime: Crime, key: note.Signer) -> None:
    crime.delete(50)


def edit_and_chain(crime: Crime, key: note.Signer) -> None:
    crime.edit(50)
    crime.chain(crime.leaves())


def delete_and_chain(crime: Crime, key: note.Signer) -> None:
    leaves = crime.leaves()
    crime.chain(leaves[:49] + leaves[51:])


def swap_and_chain(crime: Crime, key: note.Signer) -> None:
    leaves = crime.leaves()
    leaves[49:51], leaves[51:53] = leaves[51:53], leaves[49:51]
    crime.chain(leaves)


def cut_tail(crime: Crime, key: note.Signer) -> None:
    crime.cut(90, checkpoints=False)


def roll_back_10(crime: Crime, key: note.Signer) -> None:
    crime.cut(90, checkpoints=True)


def roll_back_31(crime: Crime, key: note.Signer) -> None:
    crime.cut(69, checkpoints=True)


def edit_and_sign(crime: Crime, key: note.Signer) -> None:
    crime.edit(50)
    crime.sign(crime.chain(crime.leaves()), key)


def fork_and_extend(crime: Crime, key: note.Signer) -> None:
    leaves = crime.leaves()[:90]
    more = msgspec.to_builtins(parse(leaves[79]))
    leaves += [rfc8785.dumps({**more, "id": uuid7()}) for _ in range(20)]
    crime.sign(crime.chain(leaves), key)


def honest(crime: Crime, key: note.Signer) -> None:
    """Not an attack: what the console itself appends has to pass everywhere."""


CASES: list[tuple[Callable[[Crime, note.Signer], None], tuple[Code, ...]]] = [
    # By: the chain alone, the log's key, a checkpoint pinned at 80, a witness at 100.
    (edit_row, (TAMPERED, TAMPERED, TAMPERED, TAMPERED)),
    (delete_row, (TAMPERED, TAMPERED, TAMPERED, TAMPERED)),
    (edit_and_chain, (GENUINE, TAMPERED, TAMPERED, TAMPERED)),
    (delete_and_chain, (GENUINE, TAMPERED, TAMPERED, TAMPERED)),
    (swap_and_chain, (GENUINE, TAMPERED, TAMPERED, TAMPERED)),
    (cut_tail, (GENUINE, TAMPERED, TAMPERED, TAMPERED)),
    (roll_back_10, (GENUINE, GENUINE, GENUINE, ROLLED_BACK)),
    (roll_back_31, (GENUINE, GENUINE, ROLLED_BACK, ROLLED_BACK)),
    (edit_and_sign, (GENUINE, GENUINE, ROLLED_BACK, ROLLED_BACK)),
    (fork_and_extend, (GENUINE, GENUINE, GENUINE, ROLLED_BACK)),
    (honest, (GENUINE, GENUINE, GENUINE, GENUINE)),
]


class Scene:
    """A journal of 100 entries; what others know of it."""

    def __init__(self, home: Path) -> None:
        self.path = home / "journal.db"
        grown(self.path, 79)
        with Journal(self.path) as journal:
            journal.append(Kind.NOTE, why="the checkpoint after this is pinned")
            self.pin = pins.newest(journal.store)
            for _ in range(10):
                outcome(journal, intent(journal))
            self.key = journal.signer
            self.newest = newest = pins.newest(journal.store)
        witness = Cosigner("witness.example", Ed25519PrivateKey.generate())
        self.cosigned = note.sign(note.parse(newest)[0], self.key, witness)
        self.policy = f"log {self.key.vkey}\nwitness w {witness.vkey}\ngroup all 1 w\nquorum all\n"
        assert checked(self.path).entries == 100


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("attacks"))


@pytest.mark.parametrize(("attack", "codes"), CASES, ids=[each.__name__ for each, _ in CASES])
def test_each_attack_is_caught_or_missed_as_the_table_says(
    scene: Scene,
    tmp_path: Path,
    attack: Callable[[Crime, note.Signer], None],
    codes: tuple[Code, ...],
) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(scene.path, path)
    if attack is honest:
        shutil.copy(scene.path.with_suffix(".key"), path.with_suffix(".key"))
        with Journal(path) as journal:
            outcome(journal, intent(journal))
    crime = Crime(path)
    attack(crime, scene.key)
    crime.done()
    alone = Code.VERIFIED if JournalView(path).check()[0] else Code.TAMPERED
    signed = checked(path, vkeys=[scene.key.vkey])
    pinned = checked(path, vkeys=[scene.key.vkey], pins=[scene.pin])
    policy = scene.policy.replace("quorum all", "quorum none") if attack is honest else scene.policy
    witnessed = checked(path, policy=policy, cosigned_notes=[scene.cosigned])
    found = (alone, signed.code, pinned.code, witnessed.code)
    assert found == codes, (signed.findings, pinned.findings, witnessed.findings)


def test_a_journal_signed_anew_with_another_key_is_untrusted(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    shutil.copy(scene.path, path)
    thief = keys.make(tmp_path / "thief.key", scene.key.name)
    crime = Crime(path)
    opened = msgspec.to_builtins(parse(crime.leaves()[0]))
    opened["key"] = {"vkey": thief.vkey}
    crime.sign(crime.chain([rfc8785.dumps(opened), *crime.leaves()[1:]]), thief)
    crime.done()
    report = checked(path, vkeys=[scene.key.vkey])
    assert report.code is Code.UNTRUSTED
    assert thief.verifier.fingerprint in report.findings[0].text
    assert checked(path).code is Code.VERIFIED, "nothing from outside, nothing to compare with"


def test_what_no_witness_has_seen_yet_is_incomplete(scene: Scene) -> None:
    path = scene.path
    whole = checked(path, policy=scene.policy, cosigned_notes=[scene.cosigned])
    assert (whole.code, whole.witnessed) == (Code.VERIFIED, 100)
    report = checked(path, policy=scene.policy)
    assert (report.code, report.witnessed) == (Code.INCOMPLETE, 0)
    assert report.findings[0].what == "unwitnessed"


def test_open_intents_and_unsigned_entries_are_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        intent(journal)
    report = checked(path, require_signed=True)
    assert report.code is Code.INCOMPLETE
    assert {each.what for each in report.findings} == {"open", "unsigned"}
    assert (report.open_intents, report.unsigned) == (1, 1)


def test_a_pin_of_another_journal_or_rubbish(scene: Scene, tmp_path: Path) -> None:
    from console.errors import UsageError

    other = grown(tmp_path / "other.db", 5)
    with Journal(other) as journal:
        foreign = pins.newest(journal.store)
    assert checked(scene.path, pins=[foreign]).code is Code.ROLLED_BACK
    for rubbish in (b"", b"not a note\n"):
        with pytest.raises(UsageError):
            checked(scene.path, pins=[rubbish])
    with pytest.raises(UsageError):
        checked(scene.path, policy="logg x\n")


def test_changed_entries_are_never_signed_over(scene: Scene, tmp_path: Path) -> None:
    """Neither by making the tree anew, nor by calling it a journal of the first version."""
    for attack, told in (
        (edit_and_chain, "this is not what was signed"),
        (roll_back_10, "signed up to entry 100, and"),
    ):
        path = tmp_path / attack.__name__ / "journal.db"
        path.parent.mkdir()
        shutil.copy(scene.path, path)
        crime = Crime(path)
        attack(crime, scene.key)
        crime.db.execute("DELETE FROM checkpoint WHERE size > 80")
        crime.done()
        store = SqliteStore(path)
        with pytest.raises(JournalError, match=told):
            rebuild(store, [scene.key.vkey], known=[scene.newest])
        store.close()
    crime = Crime(path)
    crime.db.execute("DELETE FROM checkpoint")
    crime.done()
    with pytest.raises(JournalError, match="checkpoints are gone"):
        Journal(path)


def test_an_answer_to_nothing_is_neither_written_nor_verified(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 5)
    with Journal(path) as journal:
        key = journal.signer
        for ref in (uuid7(), journal.entries(kind="log.open")[0].id):
            with pytest.raises(JournalError, match="nothing"):
                outcome(journal, ref)
    crime = Crime(path)
    leaves = crime.leaves()
    crime.sign(crime.chain([leaves[0], *leaves[2:]]), key)
    crime.done()
    report = checked(path)
    assert report.code is Code.TAMPERED
    assert "not there" in report.findings[0].text
