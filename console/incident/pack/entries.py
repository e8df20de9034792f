"""The journal's entries of an incident, each with the proof that it is in the journal."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import msgspec

from console.incident.assess import Assessment
from console.incident.pack.redacted import masked
from console.incident.papers.names import Names
from console.journal.export import ocsf
from console.journal.export.common import Snapshot, pem
from console.journal.store.base import JournalReader
from console.journal.verify.prove import prove_each
from console.tlog import policy
from console.tlog.merkle import leaf_hash
from console.tlog.proof import SUFFIX

EVERY = 500


def write(
    place: Path,
    store: JournalReader,
    found: Assessment,
    snapshot: Snapshot,
    names: Names,
    trusted: str,
    progress: Callable[[str, int, int], None],
) -> int:
    """Write ``journal/`` and ``ocsf.jsonl``; how many entries there are.

    Entries that came after the checkpoint are no part of it.

    Raises:
        JournalError: the tree is damaged.
        OSError: a file cannot be written.
    """
    folder = place / "journal"
    (folder / "proofs").mkdir(parents=True)
    signed, point, key = snapshot
    (folder / "checkpoint").write_bytes(signed)
    (folder / "checkpoint.body").write_bytes(point.body().encode())
    (folder / "checkpoint.body.sig").write_bytes(snapshot.signature)
    (folder / "log.pem").write_text(pem(key))
    (place / "policy").write_text(trusted or policy.write([policy.Log(key, "")]).decode())
    (place / "vkey").write_text(f"{key.vkey}\n")
    entries = [entry for entry in found.entries if entry.seq <= point.size]
    proofs = prove_each(store, (entry.seq for entry in entries), signed)
    encoder = msgspec.json.Encoder(enc_hook=str)  # For a ``Name``, which is text.
    with (folder / "leaves.txt").open("x") as leaves, (place / "ocsf.jsonl").open("xb") as events:
        for number, (entry, proof) in enumerate(zip(entries, proofs, strict=True), 1):
            told = base64.b64encode(leaf_hash(entry.raw)).decode("ascii")
            leaves.write(f"{entry.seq} {told}\n")
            (folder / "proofs" / f"{entry.seq}{SUFFIX}").write_bytes(proof.write())
            event = masked(entry, names) if names.redacted else ocsf.event(entry)
            events.write(encoder.encode(event) + b"\n")
            if number % EVERY == 0:
                progress("entries", number, len(entries))
    if not names.redacted:
        with (folder / "entries.jsonl").open("xb") as lines:
            for entry in entries:
                lines.write(entry.raw + b"\n")
    return len(entries)
