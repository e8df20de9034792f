"""``journal verify``: the verdict on a journal, this console's own or a copy."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from backends.words import count
from console import ownership
from console.cli.journal import access
from console.cli.shell import output
from console.errors import ConsoleError
from console.journal.format.advice import WORDS, next_step
from console.journal.own_files import Own
from console.journal.own_files import own as own_journal
from console.journal.read import pins
from console.journal.verify.report import checked_signatures
from console.journal.verify.verify import UNBOUND, Code, Finding, Report
from console.settings import paths
from console.text import safe, stamp

if TYPE_CHECKING:
    from console.audit.journal_verdict import TrustedFacts


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


def _verified(chosen: argparse.Namespace) -> tuple[Report, TrustedFacts]:
    from console.audit import journal_verdict

    signers, policy = getattr(chosen, "allowed_signers", None), getattr(chosen, "policy", None)
    given = journal_verdict.TrustedFacts(
        tuple(access.vkey_of(each) for each in getattr(chosen, "vkey", [])),
        access.text_of(policy) if policy is not None else "",
        tuple(pins.read(each) for each in getattr(chosen, "pin", [])),
        access.text_of(signers) if signers is not None else None,
    )
    own: Own | None = None
    if access.copy_of(chosen) is None:
        own = own_journal(paths(chosen.home))
        known = journal_verdict.known(own, given)
    else:
        # Of a copy this console knows nothing but what it is given.
        known = given._replace(source=journal_verdict.source_of(given.vkeys, given.policy))
    with access.view(chosen) as view:
        report = journal_verdict.assess(
            view,
            known,
            own,
            again=not chosen.skip_checked,
            require_signed=chosen.require_signed,
            progress=_progress,
        )
    output.progress_done()
    if not report.entries and not report.findings:
        raise access.nothing()
    return report, known


def _print(report: Report, known_: TrustedFacts) -> None:
    output.line(f"journal    {report.origin or '(none)'}")
    output.line(
        f"entries    {report.entries:,} in order, {count(report.checkpoints, 'signed checkpoint')}"
    )
    output.line(f"checked    {_signatures(report)}")
    if report.root:
        output.line(f"root       {report.root.hex()}")
    if report.key:
        output.line(f"key        {_fingerprint(report.key)} ({known_.source})")
    witnessed = f"up to entry {report.witnessed:,}" if report.witnessed else "no"
    output.line(f"witnessed  {witnessed}")
    if report.root:
        _print_counts(report, known_)
    for finding in report.findings:
        output.line(f"  ! {finding.what}: {safe(finding.text, 400)}")
    output.line(WORDS[report.code])
    if (gravest := report.gravest) is not None:
        output.note(next_step(gravest.what))


def _progress(what: str, done: int, of: int) -> None:
    output.progress(f"verifying: {done:,} of {of:,} {what}")


def _signatures(report: Report) -> str:
    at = report.skipped_since
    last = f"on {stamp(datetime.fromtimestamp(at, UTC))}" if at else ""
    return checked_signatures(report.checked, report.skipped, last)


def _print_counts(report: Report, known_: TrustedFacts) -> None:
    """What is open and signed: counted only where the journal could be read to its end."""
    output.line(f"open       {count(report.open_intents, 'call')}")
    whose = "" if known_.allowed_signers is not None else "; whose keys they are is not told here"
    hold = count(report.signatures, "responder's signature holds", "responders' signatures hold")
    output.line(f"signed     {hold}{whose}")
    bear = count(report.unsigned, "plan or call bears", "plans and calls bear")
    output.line(f"unsigned   {bear} no responder's signature")
    if report.unbound:
        bear = count(report.unbound, "answer to a signed call bears", UNBOUND)
        output.line(f"           {bear} none")


def _print_json(report: Report, known_: TrustedFacts) -> None:
    for finding in report.findings:
        print(json.dumps(_finding(finding)))
    told = {
        "code": int(report.code),
        "result": WORDS[report.code].lower(),
        "origin": report.origin,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "checked": report.checked,
        "skipped": report.skipped,
        "skipped_since": int(report.skipped_since) or None,
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
