"""``journal verify`` and ``doctor``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from backends.words import count
from console import ownership
from console.cli import output
from console.cli.journal import place
from console.errors import ConsoleError, Exit
from console.journal import pins
from console.journal.advice import WORDS, next_step
from console.journal.doctor import Check
from console.journal.own import Own
from console.journal.own import own as own_journal
from console.journal.read import JournalView
from console.journal.verify import UNBOUND, Code, Finding, Report
from console.settings import paths
from console.text import safe

if TYPE_CHECKING:
    from console.response.assess import Known


def verify(chosen: argparse.Namespace) -> int:
    """Verify the journal. The exit code is the report's; see ``options.CODES``."""
    try:
        report, known = _verified(chosen)
    except ConsoleError as error:
        if chosen.json:
            print(json.dumps({"code": int(Code.UNUSABLE), "result": str(error)}))
        where = paths(chosen.home)
        output.error(str(error), ownership.hint(error, where.places) or error.hint)
        return int(Code.UNUSABLE)
    if chosen.json:
        _print_json(report, known)
    else:
        _print(report, known)
    return int(report.code)


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


def _verified(chosen: argparse.Namespace) -> tuple[Report, Known]:
    from console.response import assess

    signers, policy = getattr(chosen, "allowed_signers", None), getattr(chosen, "policy", None)
    given = assess.Known(
        tuple(place.vkey_of(each) for each in getattr(chosen, "vkey", [])),
        place.text_of(policy) if policy is not None else "",
        tuple(pins.read(each) for each in getattr(chosen, "pin", [])),
        place.text_of(signers) if signers is not None else None,
    )
    own: Own | None = None
    if place.copy_of(chosen) is None:
        own = own_journal(paths(chosen.home))
        known = assess.known(own, given)
    else:
        # Of a copy this console knows nothing but what it is given.
        known = given._replace(source=assess.source_of(given.vkeys, given.policy))
    with place.view(chosen) as view:
        report = assess.assess(
            view,
            known,
            own,
            every_signature=chosen.all_signatures,
            require_signed=chosen.require_signed,
        )
    if not report.entries and not report.findings:
        raise place.nothing()
    return report, known


def _print(report: Report, known_: Known) -> None:
    output.line(f"journal    {report.origin or '(none)'}")
    output.line(
        f"entries    {report.entries:,} in order, {count(report.checkpoints, 'signed checkpoint')}"
    )
    if report.root:
        output.line(f"root       {report.root.hex()}")
    if report.key:
        output.line(f"key        {_fingerprint(report.key)} ({known_.source})")
    witnessed = f"up to entry {report.witnessed:,}" if report.witnessed else "no"
    output.line(f"witnessed  {witnessed}")
    output.line(f"open       {count(report.open_intents, 'call')}")
    whose = "" if known_.allowed_signers is not None else "; whose keys they are is not told here"
    hold = count(report.signatures, "responder's signature holds", "responders' signatures hold")
    output.line(f"signed     {hold}{whose}")
    bear = count(report.unsigned, "plan or call bears", "plans and calls bear")
    output.line(f"unsigned   {bear} no responder's signature")
    if report.unbound:
        bear = count(report.unbound, "answer to a signed call bears", UNBOUND)
        output.line(f"           {bear} none")
    for finding in report.findings:
        output.line(f"  ! {finding.what}: {safe(finding.text, 400)}")
    output.line(WORDS[report.code])
    if (gravest := report.gravest) is not None:
        output.note(next_step(gravest.what))


def _print_json(report: Report, known_: Known) -> None:
    for finding in report.findings:
        print(json.dumps(_finding(finding)))
    told = {
        "code": int(report.code),
        "result": WORDS[report.code].lower(),
        "origin": report.origin,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "root": report.root.hex(),
        "open_intents": report.open_intents,
        "unsigned": report.unsigned,
        "signatures": report.signatures,
        "unbound": report.unbound,
        "witnessed": report.witnessed,
        "key": report.key,
        "key_is": known_.source,
    }
    print(json.dumps(told))


def _finding(finding: Finding) -> dict[str, Any]:
    return {**finding._asdict(), "code": int(finding.code)}


def _fingerprint(vkey: str) -> str:
    from console.journal.keys import verifier

    return verifier(vkey).fingerprint


def _base(chosen: argparse.Namespace) -> Any:
    from console.journal import opening

    return opening.base(paths(chosen.home))


def _checks(chosen: argparse.Namespace) -> list[Check]:
    from console.journal.doctor import doctor as looked_over

    where = paths(chosen.home)
    checks = looked_over(_base(chosen))
    if place.configured(where).url is None:
        return checks
    # The file that a database takes the place of is not missed.
    checks = [check for check in checks if check.what not in ("sqlite", "journal")]
    try:
        view = place.view(chosen)
        try:
            return [*_server(view), *checks]
        finally:
            view.close()
    except ConsoleError as error:
        return [Check("database", "bad", str(error), error.hint), *checks]


def _server(view: JournalView) -> list[Check]:
    from console.journal.doctor_postgres import doctor as looked_over
    from console.journal.postgres import PostgresStore

    store = view.store
    return looked_over(store) if isinstance(store, PostgresStore) else []
