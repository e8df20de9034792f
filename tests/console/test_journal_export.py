"""An export is checked by its own ``VERIFY.md``, with nothing of ours; changed ones are refused."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from journal_scene import ACT, WHY, grown
from msgspec.structs import replace
from tlog_tree import key

from console.errors import ConsoleError, UsageError
from console.journal import ocsf
from console.journal.entry import Kind, Out, Target, parse
from console.journal.export import Choice, Made, export
from console.journal.log import Journal
from console.journal.parts import Session, Sig
from console.journal.read import JournalView
from console.journal.ssh import sshsig
from console.journal.ssh.mark import ENTRY, INTENT
from console.journal.store import leaves
from console.journal.tlog import note, tiles
from console.journal.tlog.checkpoint import Checkpoint
from console.journal.tlog.cosign import Cosigner
from console.journal.tlog.note import Signature

TOOLS = {
    "ssh-keygen -Y verify": "ssh-keygen",
    "openssl pkeyutl": "openssl",
    "metamorphic_log": "",
    "pymerkle": "",
    "jq -r .prev": "jq",
    "check-novalidate": "ssh-keygen",
}
"""The blocks of VERIFY.md, by words that are in them, and the program that each needs."""


def exported(path: Path, directory: Path, **choice: Any) -> Made:
    with Journal(path) as journal:
        return export(journal.store, directory, Choice(signer=journal.signer, **choice))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a journal of 300 entries. The last ones are hostile, or signed."""
    place = tmp_path_factory.mktemp("journal")
    path = grown(place / "journal.db", 290)
    signer = key(9)

    def sign(namespace: str) -> Callable[[bytes], Sig]:
        def made(message: bytes) -> Sig:
            blob = sshsig.sign_here(signer, namespace, message)
            parsed = sshsig.parse(blob)
            return Sig(
                alg="ssh-ed25519",
                key_fp=parsed.key.fingerprint,
                sig=base64.b64encode(blob).decode(),
                namespace=namespace,
            )

        return made

    public = f"ssh-ed25519 {base64.b64encode(sshsig.public_blob(signer)).decode()}"
    with Journal(path) as journal:
        session = Session(key=public, expires=2**50)
        journal.append(Kind.SESSION_OPEN, why=WHY, session=session, sign=sign(ENTRY))
        name = '\x1b]0;x\x07 é \u202e "\\ =cmd()'
        hostile = replace(ACT, target=Target(kind="key", id="a\nb", handle="f" * 12, name=name))
        made = journal.append(Kind.INTENT, why=WHY, act=hostile, sign=sign(INTENT))
        out = Out(ref=made.id, state="rejected", status="403", detail="no\nrights")
        journal.append(Kind.OUTCOME, act=hostile, out=out)
        odd = replace(sign(ENTRY)(b""), namespace="../../escaped")
        journal.append(Kind.BREAKGLASS, why=WHY, sign=lambda message: odd)
    exported(path, place / "out", allowed_signers=f'alice namespaces="{ENTRY}" {public}\n')
    return place / "out"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def blocks(directory: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (directory / "VERIFY.md").read_text(), re.DOTALL)


def accepts(directory: Path, words: str) -> bool:
    """Run the block of VERIFY.md in which these words are, as a reader would."""
    if TOOLS[words] and shutil.which(TOOLS[words]) is None:
        pytest.skip(f"needs {TOOLS[words]}")
    block = next(block for block in blocks(directory) if words in block)
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=directory, capture_output=True, text=True, env={**os.environ, "PATH": python},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "console" not in block.replace("@token-console", ""), "nothing of ours is used"
    return done.returncode == 0


@pytest.mark.parametrize("words", TOOLS)
def test_each_program_accepts_the_export(made: Path, words: str) -> None:
    assert accepts(made, words)


def flip(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize(
    "words", ["ssh-keygen -Y verify", "openssl pkeyutl", "metamorphic_log", "pymerkle"]
)
def test_each_program_refuses_a_changed_checkpoint(copy: Path, words: str) -> None:
    body = (copy / "checkpoint.body").read_bytes()
    size, root = body.split(b"\n")[1:3]
    for name in ("checkpoint", "checkpoint.body"):
        flip(copy / name, b"\n" + size + b"\n", b"\n" + str(int(size) - 1).encode() + b"\n")
        flip(copy / name, root, base64.b64encode(bytes(32)))
    assert not accepts(copy, words)


@pytest.mark.parametrize("words", ["pymerkle", "jq -r .prev"])
def test_each_program_refuses_changed_entries(copy: Path, words: str) -> None:
    flip(copy / "entries.jsonl", b"public repository", b"secret repository")
    assert not accepts(copy, words)


def test_a_tile_that_was_changed_is_found(copy: Path) -> None:
    point = Checkpoint.parse(note.parse((copy / "checkpoint").read_bytes())[0])
    tiles.verify(copy, point)
    flip(copy / tiles.path_of("entries", 0), b"public repository", b"secret repository")
    with pytest.raises(ConsoleError):
        tiles.verify(copy, point)


def test_responders_signatures_are_refused_for_another_statement(made: Path, copy: Path) -> None:
    statements = [path for path in copy.glob("signatures/*/*") if path.suffix == ""]
    assert {path.parent.name for path in statements} == {ENTRY, INTENT}
    for path in statements:
        good = path.read_bytes()
        path.write_bytes(good.replace(b"public", b"secret"))
        assert not accepts(copy, "check-novalidate")
        path.write_bytes(good)
    assert accepts(copy, "check-novalidate")
    assert not list(made.parent.rglob("*escaped*")), "an entry cannot choose where files go"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_who_signed_is_found_in_the_files_beside(made: Path) -> None:
    def principal(sig: Path, signers: Path) -> str:
        done = subprocess.run(
            ["ssh-keygen", "-Y", "find-principals", "-s", sig, "-f", signers],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    (entry,) = (made / "signatures" / ENTRY).glob("*.sig")
    assert principal(entry, made / "allowed_signers") == "alice"
    (call,) = (made / "signatures" / INTENT).glob("*.sig")
    opened = principal(call, made / "signatures" / "sessions")
    lines = (made / "entries.jsonl").read_bytes().split(b"\n")
    assert json.loads(lines[int(entry.stem) - 1])["id"] == opened


def test_lines_and_tiles_have_the_stored_bytes(made: Path) -> None:
    with JournalView(made.parent / "journal.db") as view:
        assert view.store is not None
        stored = [leaf for _, leaf in leaves(view.store)]
    assert (made / "entries.jsonl").read_bytes() == b"".join(leaf + b"\n" for leaf in stored)
    assert list(tiles.entries(made, len(stored))) == stored


def test_events_have_what_the_class_asks_for(made: Path) -> None:
    events = [json.loads(line) for line in (made / "ocsf.jsonl").read_text().split("\n")[:-1]]
    bodies = [parse(line) for line in (made / "entries.jsonl").read_bytes().split(b"\n")[:-1]]
    assert len(events) == len(bodies)
    for event, body in zip(events, bodies, strict=True):
        assert (event["category_uid"], event["class_uid"]) == (6, 6003)
        assert event["type_uid"] == 600300 + event["activity_id"]
        assert event["activity_id"] in (2, 3, 4, 99)
        assert {"time", "severity_id", "actor", "src_endpoint", "metadata"} <= set(event)
        assert event["metadata"]["uid"] == body.id
        assert event["metadata"]["sequence"] == body.seq
        assert event["metadata"]["product"]["name"]
        assert event["api"]["operation"]
    told = {event["metadata"]["event_code"]: event for event in events}
    assert (told["intent"]["status_id"], told["intent"]["status"]) == (0, "Unknown")
    assert told["intent"]["activity_id"] == told["outcome"]["activity_id"] == ocsf.DELETE
    assert (told["outcome"]["status_id"], told["outcome"]["api"]["response"]["code"]) == (2, 403)
    assert told["outcome"]["api"]["request"] == told["intent"]["api"]["request"]
    assert told["breakglass"]["severity_id"] == ocsf.HIGH
    assert all(c.isprintable() for c in told["intent"]["message"])


def test_only_its_owner_can_read_it_and_no_private_key_is_in_it(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o700
    private = (made.parent / "journal.key").read_text().split("\n")[2]
    seed = base64.b64decode(private)[-32:]
    for path in made.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert private.encode() not in data
            assert seed not in data


def test_what_is_there_is_left_alone_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    place = tmp_path / "exports"
    place.mkdir()
    (place / "out").mkdir()
    with pytest.raises(UsageError):
        exported(path, place / "out")
    with pytest.raises(UsageError):
        exported(path, place / "none" / "out")
    told: list[int] = []

    def refuse(size: int, root: bytes) -> None:
        told.append(size)
        raise ConsoleError("the journal is full")

    with Journal(path) as journal, pytest.raises(ConsoleError, match="full"):
        export(journal.store, place / "other", Choice(), refuse)
    assert told == [8]
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER entry_no_update")
        db.execute("UPDATE entry SET leaf = CAST(replace(leaf, 'vault', 'vaulX') AS BLOB)")
    view = JournalView(path)
    assert view.store is not None
    with pytest.raises(ConsoleError):
        export(view.store, place / "other", Choice(), lambda size, root: told.append(size))
    view.close()
    assert told == [8], "an export that fails is not recorded"
    assert [each.name for each in place.iterdir()] == ["out"]


def test_witnesses_signatures_come_along(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    peer = Cosigner("peer.example/witness", Ed25519PrivateKey.generate())

    def cosign(journal: Journal) -> None:
        size, signed = journal.store.rows(
            "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"
        )[0]
        text = note.parse(signed)[0].encode()
        line = Signature(peer.name, peer.key_id, peer.sign(text))
        journal.add_cosigned(size, note.add(signed, [line]))

    with Journal(path) as journal:
        cosign(journal)
        export(journal.store, tmp_path / "a", Choice(signer=journal.signer))
        journal.append(Kind.NOTE, why=WHY)
        export(journal.store, tmp_path / "b", Choice(signer=journal.signer))
    both = note.open_note((tmp_path / "a" / "checkpoint").read_bytes(), [peer.verifier])
    assert both.names == (peer.name,)
    assert accepts(tmp_path / "a", "openssl pkeyutl")
    assert accepts(tmp_path / "a", "ssh-keygen -Y verify")
    older = (tmp_path / "b" / "checkpoint.witnessed").read_bytes()
    assert note.open_note(older, [peer.verifier]).text == both.text


def test_after_a_rotation_the_new_key_is_the_one_that_checks(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    with Journal(path) as journal:
        journal.rotate_key("the old one was lost")
        new = journal.signer.vkey
    exported(path, tmp_path / "out")
    assert (tmp_path / "out" / "vkey").read_text() == new + "\n"
    for words in ("ssh-keygen -Y verify", "openssl pkeyutl", "metamorphic_log"):
        assert accepts(tmp_path / "out", words)


def test_without_the_private_key_only_the_ssh_signature_is_missing(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    with JournalView(path) as view:
        assert view.store is not None
        assert not export(view.store, tmp_path / "out", Choice()).ssh
    assert not (tmp_path / "out" / "checkpoint.sig").exists()
    assert accepts(tmp_path / "out", "openssl pkeyutl")
