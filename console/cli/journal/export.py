"""``journal export``: the journal as a directory that other people's programs check."""

from __future__ import annotations

import argparse
import contextlib
import json

from backends.words import count
from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit, JournalError
from console.incident import active
from console.journal.write.journal import Journal
from console.settings import paths


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
                journal.append(
                    Kind.EXPORT,
                    why=chosen.reason,
                    incident=active.named(paths(chosen.home), journal),
                    export=about,
                )

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
