"""``journal doctor``: what the journal rests on, looked over."""

from __future__ import annotations

import argparse
import json

from console.cli.journal import access
from console.cli.shell import output
from console.errors import ConsoleError, Exit
from console.journal.read.view import JournalView
from console.journal.verify.doctor import Check
from console.settings import paths


def doctor(chosen: argparse.Namespace) -> int:
    """Look over the surroundings; exit 1 where something is bad."""
    checks = _checks(chosen)
    for check in checks:
        if chosen.json:
            print(json.dumps(check._asdict()))
            continue
        output.line(f"{check.state:<5} {check.what:<8} {check.text}")
        if check.hint and (check.state != "ok" or check.what == "key"):
            output.line(f"{'':<15}{check.hint}")
    return Exit.FAILED if any(check.state == "bad" for check in checks) else Exit.OK


def _checks(chosen: argparse.Namespace) -> list[Check]:
    from console.journal import opening
    from console.journal.verify.doctor import doctor as looked_over

    where = paths(chosen.home)
    checks = looked_over(opening.base(where))
    if access.configured(where).url is None:
        return checks
    # The file that a database takes the place of is not missed.
    checks = [check for check in checks if check.what not in ("sqlite", "journal")]
    try:
        view = access.view(chosen)
        try:
            return [*_server(view), *checks]
        finally:
            view.close()
    except ConsoleError as error:
        return [Check("database", "bad", str(error), error.hint), *checks]


def _server(view: JournalView) -> list[Check]:
    from console.journal.store.postgres import PostgresStore
    from console.journal.verify.doctor_postgres import doctor as looked_over

    store = view.store
    return looked_over(store) if isinstance(store, PostgresStore) else []
