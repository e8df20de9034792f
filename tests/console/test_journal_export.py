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
    "-c SHA256SUMS": "sha256sum",
    "-s SHA256SUMS.sig": "ssh-keygen",
    "vkey, log.pem": "",
    "-s checkpoint.sig": "ssh-keygen",
    "openssl pkeyutl": "openssl",
    "print(log.checkpoint_verify": "",
    "the root is": "",
    "jq -r .prev": "jq",
    'os.walk("tile")': "",
    "go run": "go",
    "checkpoint.witnessed": "",
    "check-novalidate": "ssh-keygen",
    "not what the entries say": "",
}
"""The blocks of VERIFY.md, by words that are in them, and the program that each needs."""

COVERED = {
    "entries.jsonl": ["the root is", "-c SHA256SUMS"],
    "tile/0/000": ['os.walk("tile")', "-c SHA256SUMS"],
    "tile/0/001.p/*": ['os.walk("tile")', "-c SHA256SUMS"],
    "tile/1/000.p/*": ['os.walk("tile")', "-c SHA256SUMS"],
    "tile/entries/000": ['os.walk("tile")', "-c SHA256SUMS"],
    "tile/entries/001.p/*": ['os.walk("tile")', "-c SHA256SUMS"],
    "checkpoint": ["-s checkpoint.sig", "-c SHA256SUMS"],
    "checkpoint.sig": ["-s checkpoint.sig", "-c SHA256SUMS"],
    "checkpoint.body": ["openssl pkeyutl", "-c SHA256SUMS"],
    "checkpoint.body.sig": ["openssl pkeyutl", "-c SHA256SUMS"],
    "checkpoint.witnessed": ["checkpoint.witnessed", "-c SHA256SUMS"],
    "vkey": ["vkey, log.pem", "-c SHA256SUMS"],
    "log.pem": ["vkey, log.pem", "-c SHA256SUMS"],
    "ssh.pub": ["vkey, log.pem", "-c SHA256SUMS"],
    "allowed_signers": ["-c SHA256SUMS"],
    "policy": ["-c SHA256SUMS"],
    "ocsf.jsonl": ["-c SHA256SUMS"],
    "VERIFY.md": ["-c SHA256SUMS"],
    "SHA256SUMS": ["-s SHA256SUMS.sig"],
    "SHA256SUMS.sig": ["-s SHA256SUMS.sig"],
    f"signatures/{ENTRY}/[0-9]*[0-9]": ["check-novalidate", "not what the entries say"],
    f"signatures/{ENTRY}/*.sig": ["check-novalidate", "not what the entries say"],
    f"signatures/{INTENT}/[0-9]*[0-9]": ["check-novalidate", "not what the entries say"],
    f"signatures/{INTENT}/*.sig": ["check-novalidate", "not what the entries say"],
    "signatures/sessions": ["not what the entries say", "-c SHA256SUMS"],
}
"""Each kind of file of an export, and the blocks that find one byte of it changed."""


def exported(path: Path, directory: Path, **choice: Any) -> Made:
    with Journal(path) as journal:
        return export(journal.store, directory, Choice(signer=journal.signer, **choice))


def cosign(journal: Journal, peer: Cosigner) -> None:
    """Keep the newest checkpoint with a witness's signature."""
    size, signed = journal.store.rows(
        "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"
    )[0]
    line = Signature(peer.name, peer.key_id, peer.sign(note.parse(signed)[0].encode()))
    journal.add_cosigned(size, note.add(signed, [line]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a journal of 300 entries. The last ones are hostile, or signed."""
    place = tmp_path_factory.mktemp("journal")
    path = grown(place / "journal.db", 290)
    peer = Cosigner("peer.example/witness", Ed25519PrivateKey.generate())
    with Journal(path) as journal:
        cosign(journal, peer)
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
    """Paste the block of VERIFY.md in which these words are into bash, as a reader would."""
    if TOOLS[words] and shutil.which(TOOLS[words]) is None:
        pytest.skip(f"needs {TOOLS[words]}")
    (block,) = [block for block in blocks(directory) if words in block]
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"], input=block, cwd=directory, capture_output=True, text=True,
        env={**os.environ, "PATH": python},
    )  # fmt: skip
    assert "console" not in block.replace("@token-console", ""), "nothing of ours is used"
    return done.returncode == 0


def test_every_block_is_one_of_these(made: Path) -> None:
    """None is left out of what is tried here."""
    for block in blocks(made):
        assert [words for words in TOOLS if words in block], block


def test_every_file_of_an_export_is_named_and_covered(made: Path) -> None:
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    for pattern in COVERED:
        found = {str(path.relative_to(made)) for path in made.glob(pattern) if path.is_file()}
        assert found, pattern
        files -= found
    assert files == set(), "these are kinds of file that nothing here is said to cover"
    table = (made / "VERIFY.md").read_text().split("## 1.")[0]
    for name in COVERED:
        assert f"`{name.split('/')[0]}" in table, name


@pytest.mark.parametrize("pattern", COVERED)
def test_one_byte_changed_in_any_file_is_found(copy: Path, pattern: str) -> None:
    path = min(path for path in copy.glob(pattern) if path.is_file())
    good = path.read_bytes()
    for place in sorted({0, len(good) // 2, len(good) - 1}):
        byte = bytes([good[place] ^ 1])
        path.write_bytes(good[:place] + byte + good[place + 1 :])
        words = COVERED[pattern]
        # The end of an armoured signature is no part of what it says.
        wanted = words[:1] if place == len(good) // 2 else ["-c SHA256SUMS"]
        if pattern.startswith("SHA256SUMS"):
            wanted = words if place == len(good) // 2 else []
        for each in wanted:
            assert not accepts(copy, each), f"byte {place} of {path}"
    path.write_bytes(good)
    for each in COVERED[pattern]:
        assert accepts(copy, each)


TILED = ("tile/0/000", "tile/0/001.p/*", "tile/entries/000", "tile/entries/001.p/*", "checkpoint")
"""What the checker in Go reads. It keeps the level above in mind, and does not fetch it."""


@pytest.mark.skipif(shutil.which("go") is None, reason="needs go, and the module's source")
@pytest.mark.parametrize("pattern", TILED)
def test_one_byte_changed_is_found_by_somebody_elses_checker(copy: Path, pattern: str) -> None:
    assert accepts(copy, "go run"), "or nothing is shown by its refusal"
    path = min(path for path in copy.glob(pattern) if path.is_file())
    good = path.read_bytes()
    place = len(good) // 2
    path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    assert not accepts(copy, "go run")


def test_where_there_is_no_go_its_block_says_that_it_checks_nothing(
    copy: Path, tmp_path: Path
) -> None:
    """Neither accepted nor refused: the reader is told, and what else covers it."""
    (block,) = [block for block in blocks(copy) if "go run" in block]
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [shutil.which("bash") or "bash"], input=block, cwd=copy, capture_output=True, text=True,
        env={"PATH": str(tmp_path / "bin")},
    )  # fmt: skip
    assert done.returncode == 127
    assert done.stdout == "nothing was checked: there is no go here\n"
    assert done.stderr == ""
    said = (copy / "VERIFY.md").read_text().split("## 7.")[1].split("## 8.")[0]
    assert "Where there is no `go`, this block checks nothing" in said
    assert "4 and 6 check the" in said


def test_a_file_that_was_added_or_taken_away_is_found(copy: Path) -> None:
    (copy / "tile" / "0" / "more").write_bytes(b"")
    assert not accepts(copy, "-c SHA256SUMS")
    assert not accepts(copy, 'os.walk("tile")')
    (copy / "tile" / "0" / "more").unlink()
    (copy / "signatures" / ENTRY / "999.sig").write_text("")
    assert not accepts(copy, "not what the entries say")
    (copy / "signatures" / ENTRY / "999.sig").unlink()
    next((copy / "signatures" / INTENT).glob("*.sig")).unlink()
    assert not accepts(copy, "not what the entries say")
    assert not accepts(copy, "-c SHA256SUMS")


def test_the_programs_that_are_named_can_be_had_by_their_names(made: Path) -> None:
    """Those of the test's own environment were installed by exactly these names."""
    from importlib.metadata import version

    named = re.findall(r"pip install\s+([a-z-]+)", (made / "VERIFY.md").read_text())
    assert set(named) == {"metamorphic-log", "pymerkle"}
    assert all(version(name) for name in named)


@pytest.mark.parametrize("words", TOOLS)
def test_each_program_accepts_the_export(made: Path, words: str) -> None:
    assert accepts(made, words)


def flip(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize(
    "words",
    ["-s checkpoint.sig", "openssl pkeyutl", "print(log.checkpoint_verify", "the root is"],
)
def test_each_program_refuses_a_changed_checkpoint(copy: Path, words: str) -> None:
    body = (copy / "checkpoint.body").read_bytes()
    size, root = body.split(b"\n")[1:3]
    for name in ("checkpoint", "checkpoint.body"):
        flip(copy / name, b"\n" + size + b"\n", b"\n" + str(int(size) - 1).encode() + b"\n")
        flip(copy / name, root, base64.b64encode(bytes(32)))
    assert not accepts(copy, words)


@pytest.mark.parametrize("words", ["the root is", "jq -r .prev"])
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
    with Journal(path) as journal:
        cosign(journal, peer)
        export(journal.store, tmp_path / "a", Choice(signer=journal.signer))
        journal.append(Kind.NOTE, why=WHY)
        export(journal.store, tmp_path / "b", Choice(signer=journal.signer))
    both = note.open_note((tmp_path / "a" / "checkpoint").read_bytes(), [peer.verifier])
    assert both.names == (peer.name,)
    assert accepts(tmp_path / "a", "openssl pkeyutl")
    assert accepts(tmp_path / "a", "-s checkpoint.sig")
    older = (tmp_path / "b" / "checkpoint.witnessed").read_bytes()
    assert note.open_note(older, [peer.verifier]).text == both.text


def test_after_a_rotation_the_new_key_is_the_one_that_checks(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    with Journal(path) as journal:
        journal.rotate_key("the old one was lost")
        new = journal.signer.vkey
    exported(path, tmp_path / "out")
    assert (tmp_path / "out" / "vkey").read_text() == new + "\n"
    for words in ("-s checkpoint.sig", "openssl pkeyutl", "print(log.checkpoint_verify"):
        assert accepts(tmp_path / "out", words)


def test_without_the_private_key_only_the_ssh_signature_is_missing(tmp_path: Path) -> None:
    path = grown(tmp_path / "journal.db", 6)
    with JournalView(path) as view:
        assert view.store is not None
        assert not export(view.store, tmp_path / "out", Choice()).ssh
    assert not (tmp_path / "out" / "checkpoint.sig").exists()
    assert accepts(tmp_path / "out", "openssl pkeyutl")
    assert accepts(tmp_path / "out", "-c SHA256SUMS")
    told = (tmp_path / "out" / "VERIFY.md").read_text()
    assert "nobody signed these sums" in " ".join(told.split())
    assert "checkpoint.sig <" not in told
