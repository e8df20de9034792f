"""``journal prove``, ``pin``, ``export``, ``key`` and ``recover``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from backends.words import count
from console import settings
from console.cli.journal import access
from console.cli.shell import output
from console.errors import ConsoleError, Exit, JournalError, UsageError
from console.journal import files
from console.journal.read import pins
from console.journal.store.base import JournalReader
from console.journal.verify.verify import Code
from console.journal.write.journal import Journal
from console.settings import paths
from console.text import safe

LEAF = ".json"
"""What the name of the entry beside its proof ends in."""


def prove(chosen: argparse.Namespace) -> int:
    """Write a proof that one entry is in the journal, and that entry."""
    from console.journal.verify import prove as proofs
    from console.tlog.proof import SUFFIX

    trusted = access.text_of(chosen.policy) if chosen.policy else ""
    with access.looking(chosen) as (_, store):
        entry = access.one(store, chosen.id)
        leaf, proof = proofs.prove(store, entry.id, trusted)
    target = chosen.output or Path(f"{entry.id}{SUFFIX}")
    beside = target.with_suffix(LEAF)
    if beside == target:
        raise UsageError(f"the proof cannot be called {target.name}", f"-o NAME{SUFFIX}")
    _write(beside, leaf)
    _write(target, proof)
    if chosen.json:
        print(json.dumps({"id": entry.id, "proof": str(target), "leaf": str(beside)}))
    else:
        output.line(f"{target}: entry {entry.seq}, {entry.sentence}")
        output.line(f"{beside}: the entry, byte for byte")
        output.note("Whoever checks it needs both, and the key: token-console journal key")
    return Exit.OK


def pin(chosen: argparse.Namespace) -> int:
    """Write the newest checkpoint, unless the one that is there tells of another history."""
    with access.looking(chosen) as (_, store):
        signed = pins.newest(store)
        if chosen.file.exists():
            _must_continue(store, pins.read(chosen.file), chosen.file)
        pins.write(chosen.file, signed)
        size = _size(signed)
    if chosen.json:
        print(json.dumps({"file": str(chosen.file), "entries": size}))
    else:
        output.line(f"{chosen.file}: {count(size, 'entry is', 'entries are')} pinned")
        output.note(f"Check against it: token-console journal verify --pin {chosen.file}")
    return Exit.OK


def export(chosen: argparse.Namespace) -> int:
    """Write the export, and an entry about it where the journal takes one."""
    from console.journal.export import export as exports
    from console.journal.format.entry import Kind
    from console.journal.format.parts import Export

    where = paths(chosen.home)
    configured = access.configured(where)
    policy = chosen.policy or configured.policy
    signers = configured.allowed_signers

    with access.looking(chosen) as (_, store), contextlib.ExitStack() as stack:
        journal = _writable(chosen)
        if journal is not None:
            stack.enter_context(journal)

        def record(size: int, root: bytes) -> None:
            if journal is not None:
                about = Export(form=exports.FORM, size=size, root=root.hex())
                journal.append(Kind.EXPORT, why=chosen.reason, export=about)

        made = exports.export(
            store,
            chosen.directory,
            exports.Choice(
                signer=journal.signer if journal is not None else None,
                policy=access.text_of(policy) if policy else "",
                allowed_signers=access.text_of(signers) if signers else "",
            ),
            record,
            lambda done, total: output.progress(f"exporting {done:,} of {total:,}"),
        )
    output.progress_done()
    if chosen.json:
        told = {"directory": str(made.directory), "entries": made.size, "root": made.root.hex()}
        print(json.dumps({**told, "recorded": journal is not None, "ssh_signature": made.ssh}))
    else:
        size = count(made.size, "entry", "entries")
        output.line(f"{made.directory}: {size}, root {made.root.hex()}")
        output.note(f"How to check it without us: {made.directory / 'VERIFY.md'}")
        if not made.ssh:
            output.note("without checkpoint.sig, which needs the log's private key")
    return Exit.OK


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


def recover(chosen: argparse.Namespace) -> int:
    """Ask the systems what became of the calls whose runner died; send nothing else."""
    from backends.errors import BackendError
    from console.fleet import Fleet
    from console.journal import opening
    from console.response.run.recovery import recover as settled

    where = paths(chosen.home)

    async def settle() -> list[str]:
        async with Fleet(settings.load(where.config), where) as fleet:
            opened = []
            for name in fleet.names:
                with contextlib.suppress(BackendError):
                    opened.append(await fleet.backend(name))
            with opening.journal(where) as journal:
                return [found.sentence for found in await settled(opened, journal, where)]

    with access.looking(chosen):
        pass
    sentences = asyncio.run(settle())
    with access.looking(chosen) as (view, _):
        waiting = [entry.id for entry in view.open_intents()]
    if chosen.json:
        print(json.dumps({"settled": [safe(each, 4000) for each in sentences], "open": waiting}))
    else:
        for sentence in sentences:
            output.line(sentence)
    output.note(f"{len(waiting)} open")
    return Exit.PARTIAL if waiting else Exit.OK


def _writable(chosen: argparse.Namespace) -> Journal | None:
    """The journal for appending; None, and a note, where it takes no entry."""
    from console.journal import opening

    try:
        journal = opening.journal(paths(chosen.home))
    except JournalError as error:
        output.note(f"this export is not on the record: {error}")
        return None
    if journal.problem:
        output.note(f"this export is not on the record: {journal.problem}")
        journal.close()
        return None
    return journal


def _must_continue(store: JournalReader, before: bytes, path: Path) -> None:
    """A pin that shows a rollback is evidence, and is not written over."""
    from console.journal.verify.verify import verify

    report = verify(store, pins=[before])
    grave = [each for each in report.findings if each.code is not Code.INCOMPLETE]
    if grave:
        raise JournalError(
            f"{path} is kept as it is: {grave[0].text}",
            f"See: token-console journal verify --pin {path}",
        )


def _size(signed: bytes) -> int:
    from console.tlog import note
    from console.tlog.checkpoint import Checkpoint

    return Checkpoint.parse(note.parse(signed)[0]).size


def _keys(chosen: argparse.Namespace, store: JournalReader) -> dict[str, Any]:
    from console.journal import keys, opening
    from console.journal.verify import trust

    size = _size(pins.newest(store))
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


def _write(path: Path, data: bytes) -> None:
    try:
        files.write(path, data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
