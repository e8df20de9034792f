"""``journal verify`` and ``doctor``."""

from __future__ import annotations

import argparse
import json
from typing import Any, NamedTuple

from backends.words import count
from console.cli import output
from console.cli.journal import place
from console.errors import ConsoleError, Exit, UsageError
from console.journal import pins
from console.journal.doctor import Check
from console.journal.files import Files, beside
from console.journal.read import JournalView
from console.journal.verify import Code, Finding, Report
from console.settings import JournalSettings, paths

WORDS = {
    Code.VERIFIED: "verified",
    Code.TAMPERED: "TAMPERED",
    Code.UNUSABLE: "COULD NOT LOOK",
    Code.INCOMPLETE: "verified, but incomplete",
    Code.ROLLED_BACK: "ROLLED BACK OR FORKED",
    Code.UNTRUSTED: "UNTRUSTED KEY",
}
HINTS = {
    Code.TAMPERED: "Keep the files as evidence, act with another console, bring back a backup.",
    Code.UNUSABLE: "Check the file's owner and mode, and the disk: token-console journal doctor.",
    Code.ROLLED_BACK: "Keep the files as evidence. An old backup looks like that too.",
    Code.UNTRUSTED: "Compare the fingerprint with the one that was written down at the start.",
}


class Known(NamedTuple):
    """What is known from outside about the journal."""

    vkeys: list[str]
    policy: str
    pins: list[bytes]
    allowed_signers: str | None
    source: str
    """Where the belief in the log's key comes from, for people."""


def verify(chosen: argparse.Namespace) -> int:
    """Verify the journal. The exit code is the report's; see ``options.CODES``."""
    try:
        report, known = _verified(chosen)
    except ConsoleError as error:
        if chosen.json:
            print(json.dumps({"code": int(Code.UNUSABLE), "result": str(error)}))
        output.error(str(error), error.hint)
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


def known(chosen: argparse.Namespace) -> Known:
    """What the options, the configuration and the files beside the journal say.

    With neither key nor policy given, this machine's own key file is believed: it can be
    checked against nothing, but a journal that another key signed does not pass for ours.
    """
    where = paths(chosen.home)
    configured = place.configured(where)
    path = getattr(chosen, "policy", None)
    if path is None and place.copy_of(chosen) is None:
        path = configured.policy
    policy = place.text_of(path) if path is not None else ""
    signers = getattr(chosen, "allowed_signers", None)
    if signers is None and place.copy_of(chosen) is None:
        signers = configured.allowed_signers
    vkeys = [place.vkey_of(given) for given in getattr(chosen, "vkey", [])]
    kept = [pins.read(given) for given in getattr(chosen, "pin", [])]
    source = "given" if vkeys else "of the policy" if policy else "believed: it is its own first"
    if place.copy_of(chosen) is None:
        files = beside(_base(chosen))
        if files.verified.exists():
            kept.append(pins.read(files.verified))
        if not vkeys and not policy and (own := _own_key(files)):
            vkeys, source = [own], "of this machine's key file"
            policy = _witnesses(configured, own)
    allowed = None if signers is None else place.text_of(signers)
    return Known(vkeys, policy, kept, allowed, source)


def _verified(chosen: argparse.Namespace) -> tuple[Report, Known]:
    from console.journal import start
    from console.journal.verify import verify as verified

    known_ = known(chosen)
    view = place.view(chosen)
    try:
        store = view.store
        if store is None:
            return _gone(known_), known_
        report = verified(
            store,
            vkeys=known_.vkeys,
            policy=known_.policy,
            pins=known_.pins,
            every_signature=chosen.all_signatures,
            require_signed=chosen.require_signed,
            allowed_signers=known_.allowed_signers,
        )
        if place.copy_of(chosen) is None:
            _check_events(chosen, view, report)
    finally:
        view.close()
    if not report.entries and not report.findings:
        raise place.nothing()
    if any(finding.code is Code.UNTRUSTED for finding in report.findings):
        # Where no key is believed, that a pin bears none that is says nothing more.
        report.findings = [each for each in report.findings if each.what != "not-signed"]
    if place.copy_of(chosen) is None:
        start.remember(beside(_base(chosen)), report)
    return report, known_


def _check_events(chosen: argparse.Namespace, view: JournalView, report: Report) -> None:
    """Compare the stored audit events with their seals, where there is an inventory."""
    from console import settings
    from console.response.sealed import check_seals

    where = paths(chosen.home)
    if not where.inventory.exists() or report.code is Code.TAMPERED:
        return
    days = (
        settings.load(where.config).events if where.config.exists() else settings.DEFAULTS["events"]
    )
    for problem in check_seals(where.inventory, view, days):
        code = Code.TAMPERED if problem.altered else Code.INCOMPLETE
        text = f"audit events of {problem.backend}: {problem.text}"
        report.add(code, "events", text, problem.seq)


def _gone(known_: Known) -> Report:
    """No journal at all: nothing is wrong with that, unless somebody saw one."""
    from console.journal.tlog import note
    from console.journal.tlog.checkpoint import Checkpoint
    from console.journal.tlog.note import NoteError

    if not known_.pins:
        raise place.nothing()
    report = Report()
    for pin in known_.pins:
        try:
            point = Checkpoint.parse(note.parse(pin)[0])
        except NoteError as error:
            raise UsageError(f"a pin cannot be read: {error}") from None
        report.origin = point.origin
        size = count(point.size, "entry was", "entries were")
        text = f"{size} seen elsewhere, and there is no journal"
        report.add(Code.ROLLED_BACK, "rolled-back", text)
    return report


def _print(report: Report, known_: Known) -> None:
    output.line(f"journal    {report.origin or '(none)'}")
    output.line(
        f"entries    {report.entries:,} in order, {report.checkpoints:,} signed checkpoints"
    )
    if report.root:
        output.line(f"root       {report.root.hex()}")
    if report.key:
        output.line(f"key        {_fingerprint(report.key)} ({known_.source})")
    witnessed = f"up to entry {report.witnessed:,}" if report.witnessed else "no"
    output.line(f"witnessed  {witnessed}")
    output.line(f"open       {report.open_intents:,} calls")
    output.line(f"unsigned   {report.unsigned:,} plans and calls bear no responder's signature")
    for finding in report.findings:
        output.line(f"  ! {finding.what}: {finding.text}")
    output.line(WORDS[report.code])
    if hint := HINTS.get(report.code):
        output.note(hint)


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


def _own_key(files: Files) -> str:
    """This machine's public key, where its file can be read."""
    from console.journal import keys

    try:
        signer = keys.load(files.key)
    except ConsoleError as error:
        output.note(f"the key beside the journal is not used: {error}")
        return ""
    return signer.vkey if signer else ""


def _witnesses(configured: JournalSettings, own: str) -> str:
    """The policy that the configured witnesses make where no file has one: any is enough."""
    from console.journal.keys import verifier
    from console.journal.tlog import policy
    from console.journal.tlog.cosign import CosignatureVerifier
    from console.journal.tlog.note import NoteError

    if configured.witnessing == "off":
        return ""
    try:
        found = [CosignatureVerifier.parse(each.split()[1]) for each in configured.witnesses]
    except NoteError as error:
        raise UsageError(f"a witness in [journal]: {error}", error.hint) from None
    named = [policy.Witness(f"w{number}", each, "") for number, each in enumerate(found)]
    return policy.write([policy.Log(verifier(own), "")], named, 1).decode()


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
