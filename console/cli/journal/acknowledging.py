"""``journal acknowledge``: a person settles a call of which no system can tell any more."""

from __future__ import annotations

import argparse
import contextlib
import json

from console.cli import output
from console.cli.journal import place
from console.errors import Exit, UsageError
from console.settings import paths


def acknowledge(chosen: argparse.Namespace) -> int:
    """Settle one open call, on the record."""
    from console.journal import opening
    from console.journal.acknowledge import Found
    from console.journal.acknowledge import acknowledge as settled
    from console.journal.entry import ID
    from console.journal.lock import Busy, only_one
    from console.response.locks import lock_of
    from console.response.rules import Rules
    from console.response.signing import Desk

    where = paths(chosen.home)
    with place.looking(chosen) as (_, store):
        entry = place.one(store, chosen.id)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(only_one(where.state / "recover.lock"))
            if ID.fullmatch(entry.plan) and where.plans.is_dir():
                held.enter_context(only_one(lock_of(entry.plan, where)))
        except Busy:
            raise UsageError(
                "that call's runner, or a recovery, is at work",
                "Wait for what it finds: token-console journal list --open.",
            ) from None
        journal = held.enter_context(opening.journal(where))
        found = Found(chosen.found)
        rules = Rules.now(where)
        session = Desk(rules.journal).session(journal, rules, chosen.reason, entry.incident)
        written = settled(journal, entry, chosen.reason, found, session.sign_statement)
        waiting = len(journal.open_intents())
    if chosen.json:
        told = {"seq": written.seq, "id": written.id, "ref": written.ref, "found": found.value}
        print(json.dumps({**told, "signed": written.signed, "open": waiting}))
    else:
        output.line(written.sentence)
    output.note(f"{waiting} open")
    return Exit.OK
