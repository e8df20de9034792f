"""``journal rebuild``: make anew what follows from the entries, where it was damaged."""

from __future__ import annotations

import argparse
import json

from backends.words import count
from console.cli import output
from console.cli.journal import founding, place
from console.errors import ConsoleError, Exit, JournalError
from console.journal import files, keys, pins, scan, trust
from console.journal.store import LAST, Store
from console.settings import Paths, paths
from console.text import safe


def rebuild(chosen: argparse.Namespace) -> int:
    """Make the tree, the checkpoints, the indexes and the guards anew, on the record."""
    from console.journal import opening
    from console.journal.entry import Kind
    from console.journal.rebuild import rebuild as made_anew

    where = paths(chosen.home)
    reason = scan.reason(chosen.reason)
    with place.looking(chosen):
        pass
    beside = files.beside(opening.base(where))
    store = _store(where)
    try:
        own = [vkey for _, vkey in trust.keys_of(store, LAST)]
        own += [signer.vkey] if (signer := keys.load(beside.key)) else []
        known = [pins.read(each) for each in chosen.pin]
        known += [pins.read(beside.verified)] if beside.verified.exists() else []
        done = made_anew(store, list(dict.fromkeys(own)), known)
    finally:
        store.close()
    mended = [odd.text for odd in done.mended]
    told = f"The journal was rebuilt: {reason}"
    with opening.journal(where) as journal:
        if journal.problem:
            raise JournalError(
                f"it was rebuilt, and is still not whole: {journal.problem}",
                "See: token-console journal verify.",
            )
        about = f"{told} Put right: {'; '.join(mended)}." if mended else told
        journal.append(Kind.NOTE, why=scan.withhold(about)[: scan.MAX_REASON])
    if chosen.json:
        print(json.dumps({"entries": done.entries, "dropped": done.dropped, "mended": mended}))
        return Exit.OK
    output.line(f"tree and indexes of {count(done.entries, 'entry', 'entries')}: made anew")
    output.line(f"checkpoints that were none of this journal: {done.dropped:,} dropped")
    for each in mended:
        output.line(f"put right: {safe(each, 300)}")
    output.note("Check it: token-console journal verify.")
    return Exit.OK


def _store(where: Paths) -> Store:
    """The journal for mending; on PostgreSQL only the owner of the tables may."""
    if place.configured(where).url is None:
        from console.journal.sqlite import SqliteStore

        return SqliteStore(where.journal)
    from console.journal.postgres import PostgresStore

    output.note("The console's own role may only append: the owner of the tables has to do it.")
    try:
        return PostgresStore(founding.administrator("token-console journal rebuild"))
    except ConsoleError as error:
        raise JournalError(f"cannot mend the journal: {error}", error.hint) from None
