"""What the verdict on a journal is called, and what to do about each finding.

The command line and the screen both read it here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[int, str] = {
    0: "verified",
    1: "TAMPERED",
    2: "COULD NOT LOOK",
    3: "verified, but incomplete",
    4: "ROLLED BACK OR FORKED",
    5: "UNTRUSTED KEY",
}
"""By ``verify.Code``."""

HARMLESS: Mapping[str, str] = {"signer": "UNKNOWN SIGNER", "events": "EVENTS ALTERED"}
"""Findings that are told on every view and are no reason to stop writing, with their words.

A signature by somebody who may not sign any more, and audit events in the cache that are not
those that were sealed: the journal itself is in order.
"""

REBUILD = "token-console journal rebuild --reason 'WHY'"

NEXT: Mapping[str, str] = {
    "damage": "Copy the journal's files as evidence, then bring back a backup.",
    "chain": "Copy the journal's files as evidence. What comes before that entry is in order.",
    "cut": "Copy the journal's files as evidence; a backup has the missing entries.",
    "unsigned-tail": "Copy the journal's files as evidence: those entries were not written by us.",
    "signature": "Copy the journal's files as evidence; compare it with an export or a backup.",
    "rolled-back": "Copy the files as evidence. If a backup was brought back, bring a newer one.",
    "forked": "Copy the files as evidence: there are two histories. Compare it with an export.",
    "other-log": "Another journal was put here. Bring back the right file.",
    "not-signed": "The pin beside the journal is not of it. Bring back the right files.",
    "gone": "Bring the file back from a backup: it holds the record of what was done.",
    "untrusted": "Bring back the journal's own key, or find out who signed with this one. "
    "Compare the fingerprint with the one that was written down at the start.",
    "signer": "Find out who that is; if they may sign, name them in [journal] allowed_signers.",
    "responder": "Copy the journal's files as evidence: that signature was not made for it.",
    "unreadable": "Check the disk, and the file's owner and mode: token-console journal doctor.",
    "unwitnessed": "Ask the witnesses: token-console journal witness.",
    "open": "Find out what became of them: token-console journal recover.",
    "tree": f"Make the tree anew: {REBUILD}.",
    "no-tree": "Start once with --act: it gets its tree then.",
    "unsigned": "Start an ssh-agent with the responder's key before acting.",
    "unbound": "Ask the system's own log what became of those calls; somebody with the log's key "
    "could have written these outcomes.",
    "guard": f"Find out who changed the database; then put it right: {REBUILD}.",
    "events": "Copy inventory.db as evidence; read the events again from the system's own log.",
    "key": "Give the key file back to its owner, private: then whose journal it is can be told.",
}
"""What to do about a finding, by its word for programs."""


def next_step(what: str) -> str:
    """What to do about a finding."""
    return NEXT.get(what, "See: token-console journal verify.")
