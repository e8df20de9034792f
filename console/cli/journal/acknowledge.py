"""``journal acknowledge``: a person settles a call of which no system can tell any more."""

from __future__ import annotations

import argparse
import contextlib
import json

from console.cli.journal import access
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.settings import paths


def acknowledge(chosen: argparse.Namespace) -> int:
    """Settle one open call, on the record."""
    from console.journal import opening
    from console.journal.format.entry import ID
    from console.journal.write.acknowledge import PersonFound
    from console.journal.write.acknowledge import acknowledge as settled
    from console.lock import LockHeld, only_one
    from console.response.approve.requirements import Requirements
    from console.response.approve.signing import Responder
    from console.response.state.runner_lock import lock_of

    where = paths(chosen.home)
    with access.looking(chosen) as (_, store):
        entry = access.one(store, chosen.id)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(only_one(where.state / "recover.lock"))
            if ID.fullmatch(entry.plan) and where.plans.is_dir():
                held.enter_context(only_one(lock_of(entry.plan, where)))
        except LockHeld:
            raise UsageError(
                "that call's runner, or a recovery, is at work",
                "Wait for what it finds: token-console journal list --open.",
            ) from None
        journal = held.enter_context(opening.journal(where))
        found = PersonFound(chosen.found)
        rules = Requirements.now(where)
        session = Responder(rules.journal).session(journal, rules, chosen.reason, entry.incident)
        written = settled(journal, entry, chosen.reason, found, session.sign_statement)
        waiting = len(journal.open_intents())
    if chosen.json:
        told = {"seq": written.seq, "id": written.id, "ref": written.ref, "found": found.value}
        print(json.dumps({**told, "signed": written.signed, "open": waiting}))
    else:
        output.line(written.sentence)
    output.note(f"{waiting} open")
    return Exit.OK
