"""``journal key``: the public half of the key that signs the journal, and its replacement."""

from __future__ import annotations

import argparse
import json
from typing import Any

from console.cli.journal import access
from console.cli.shell import output
from console.errors import ConsoleError, Exit, JournalError, UsageError
from console.journal import files
from console.journal.read import pins
from console.journal.store.base import JournalReader
from console.settings import paths


def key(chosen: argparse.Namespace) -> int:
    """Show the log key's public half, or replace the key."""
    if chosen.what == "rotate":
        if not chosen.reason:
            raise UsageError(
                "a rotation needs a reason", "token-console journal key rotate --reason 'WHY'"
            )
        from console.journal import opening

        # A journal is not begun by replacing its key.
        with access.looking(chosen), opening.journal(paths(chosen.home)) as journal:
            journal.rotate_key(chosen.reason)
        output.note(
            "Old and new key signed the change. Give the new key to those who check this "
            "journal, put it into policies and witnesses, then destroy copies of the old one."
        )
    with access.looking(chosen) as (_, store):
        told = _keys(chosen, store)
    if chosen.json:
        print(json.dumps(told))
        return Exit.OK
    output.line(f"vkey         {told['vkey']}")
    output.line(f"fingerprint  {told['fingerprint']}")
    output.line(f"private key  {told['file'] if told['here'] else 'not on this machine'}")
    for old in told["before"]:
        output.line(f"before       {old['fingerprint']}, from entry {old['from']:,}")
    return Exit.OK


def _keys(chosen: argparse.Namespace, store: JournalReader) -> dict[str, Any]:
    from console.journal import keys, opening
    from console.journal.verify import trust

    size = access.size_of(pins.newest(store))
    own = [(seq, keys.verifier(vkey)) for seq, vkey in trust.keys_of(store, size)]
    if not own:
        raise JournalError("the journal names no key", "See: token-console journal verify.")
    now = own[-1][1]
    path = files.beside(opening.base(paths(chosen.home))).key
    try:
        signer = keys.load(path)
    except ConsoleError as error:
        output.note(str(error))
        signer = None
    return {
        "origin": now.name,
        "vkey": now.vkey,
        "fingerprint": now.fingerprint,
        "file": str(path),
        "here": signer is not None and signer.vkey == now.vkey,
        "before": [
            {"from": seq, "vkey": each.vkey, "fingerprint": each.fingerprint}
            for seq, each in own[:-1]
        ],
    }
