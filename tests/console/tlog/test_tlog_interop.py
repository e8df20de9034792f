"""Other people's programs accept what this one writes, and refuse it once it is changed.

``metamorphic-log`` is a verifier in Rust. ``aics-tlog`` and ``aics-witness`` are a verifier
and a witness in Python; they need Python 3.12. Where one is not installed, its tests are
skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tlog_tree import LOG, ORIGIN, Tree, key, leaves

from console.tlog import checkpoint as checkpoints
from console.tlog import merkle, note, tiles
from console.tlog.cosign import Cosigner
from console.tlog.witness import WitnessServer, WitnessService

SIZE = 700
TREE = Tree(leaves(SIZE))
PEER = Cosigner("peer.example/witness", key(7))
SIGNED = checkpoints.sign(TREE.checkpoint(), LOG, PEER)
CHANGED = SIGNED.replace(b"\n700\n", b"\n701\n")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    directory = tmp_path / "export"
    directory.mkdir()
    tiles.write(directory, leaves(SIZE), TREE.checkpoint(), SIGNED)
    (tmp_path / "log.vkey").write_text(LOG.vkey + "\n")
    (tmp_path / "old").write_bytes(TREE.signed(300))
    return directory


def test_a_rust_verifier_opens_the_checkpoint_and_refuses_a_changed_one() -> None:
    rust: Any = pytest.importorskip("metamorphic_log")
    head = rust.checkpoint_verify(SIGNED.decode(), [LOG.vkey])
    assert (head.origin, head.size, head.root) == (ORIGIN, SIZE, TREE.root(SIZE))
    assert rust.verify_signed_note(SIGNED.decode(), [LOG.vkey]) == 1
    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify(CHANGED.decode(), [LOG.vkey])


def test_a_rust_verifier_accepts_the_proofs_and_refuses_changed_ones() -> None:
    rust: Any = pytest.importorskip("metamorphic_log")
    signed, vkeys = SIGNED.decode(), [LOG.vkey]
    for index in (0, 1, 255, 256, 511, 512, 698, 699):
        proof = merkle.inclusion(index, SIZE, TREE.get)
        hashed = merkle.leaf_hash(b"entry %d" % index)
        rust.checkpoint_verify_inclusion(signed, vkeys, index, hashed, proof)
        for bad in (
            (index, merkle.leaf_hash(b"forged"), proof),
            (index ^ 1, hashed, proof),
            (index, hashed, proof[1:]),
        ):
            with pytest.raises(rust.VerifyError):
                rust.checkpoint_verify_inclusion(signed, vkeys, *bad)
    for old in (1, 2, 255, 256, 300, 512, 699):
        proof = TREE.proof(old, SIZE)
        rust.checkpoint_verify_consistency(TREE.signed(old).decode(), signed, vkeys, proof)
        forged = Tree([b"forged", *leaves(SIZE - 1)]).signed(old).decode()
        with pytest.raises(rust.VerifyError):
            rust.checkpoint_verify_consistency(forged, signed, vkeys, proof)


def aics(directory: Path, *words: str) -> dict[str, Any]:
    """Run the command line of ``aics-tlog`` beside the export; what it prints."""
    pytest.importorskip("aics_tlog")
    done = subprocess.run(
        [sys.executable, "-m", "aics_tlog", *words, "--vkey-file", "log.vkey"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["ok"] is (done.returncode == 0)
    return report


def test_another_command_line_checks_the_exported_directory(export: Path) -> None:
    witnessed = ["--witness-key", PEER.vkey, "--quorum", "1"]
    report = aics(export.parent, "verify-checkpoint", "--tiles", "export", *witnessed)
    assert report["ok"]
    assert report["witnesses"] == [PEER.name]
    assert base64.b64decode(report["root"]) == TREE.root(SIZE)
    for index in ("0", "42", "699"):
        assert aics(export.parent, "verify-inclusion", "--tiles", "export", "--index", index)["ok"]
    consistency = ("verify-consistency", "--tiles", "export", "--old-checkpoint")
    assert aics(export.parent, *consistency, "old")["ok"]
    (export.parent / "forged").write_bytes(Tree([b"forged", *leaves(299)]).signed(300))
    assert not aics(export.parent, *consistency, "forged")["ok"]


def test_another_command_line_refuses_a_changed_directory(export: Path) -> None:
    for name, index in ((tiles.path_of("entries", 0), 42), (tiles.path_of(0, 1), 300)):
        bad = export.parent / "bad"
        shutil.copytree(export, bad)
        data = bytearray((bad / name).read_bytes())
        data[500] ^= 1
        (bad / name).write_bytes(data)
        words = ("verify-inclusion", "--tiles", "bad", "--index", str(index))
        assert not aics(export.parent, *words)["ok"]
        shutil.rmtree(bad)
    (export / "checkpoint").write_bytes(CHANGED)
    assert not aics(export.parent, "verify-checkpoint", "--tiles", "export")["ok"]


def test_another_client_gets_its_cosignature_from_this_witness(tmp_path: Path) -> None:
    feeder: Any = pytest.importorskip("aics_witness.feeder")
    other: Any = pytest.importorskip("aics_tlog")
    forked = Tree([b"forged", *leaves(49)])
    with WitnessServer(WitnessService(tmp_path, PEER, {ORIGIN: [LOG.verifier]})) as server:
        client = feeder.WitnessClient(server.url, other.parse_vkey(PEER.vkey))
        for size in (10, 40):
            line = client.submit(TREE.signed(size), TREE.proof)
        both = feeder.merge_cosignatures(TREE.signed(40), line)
        opened = note.open_note(
            both if isinstance(both, bytes) else both.encode(), [LOG.verifier, PEER.verifier]
        )
        assert set(opened.names) == {LOG.name, PEER.name}
        with pytest.raises(feeder.WitnessAhead):
            client.submit(TREE.signed(30), TREE.proof)
        with pytest.raises(feeder.WitnessRejected):
            client.submit(forked.signed(50), forked.proof)
