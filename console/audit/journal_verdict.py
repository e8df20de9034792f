"""The one verdict on a journal: what ``journal verify``, the screen's ``V`` and its checks say.

What this machine knows from outside the journal is the same whoever asks: its own key, the
configured policy or witnesses, the checkpoint that was verified here before, who may sign,
and the audit events that were sealed. A check that left one of these out would call a
journal whole that another check calls replaced.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from backends.words import count
from console import ownership
from console.errors import ConsoleError, JournalError, UsageError
from console.journal import files, keys
from console.journal.files import Files
from console.journal.own_files import Own as Own
from console.journal.read import pins
from console.journal.read.view import JournalView
from console.journal.store.base import LAST, JournalReader
from console.journal.verify import earlier, trust
from console.journal.verify.earlier import Earlier
from console.journal.verify.verify import Code, Finding, Progress, Report, verify
from console.journal.write import opening_check
from console.tlog import note
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import NoteError

_NOT_LOOKED_AT = frozenset({"signer", "events", "unbound"})
"""Findings that a check with an earlier verdict in hand does not make again."""
_REMEMBER_EVERY = 1000
"""Entries by which the journal has to grow before it is noted again how far all was checked."""

BELIEVED = "believed: it is its own first"


class TrustedFacts(NamedTuple):
    """What is known from outside about the journal."""

    vkeys: tuple[str, ...] = ()
    policy: str = ""
    pins: tuple[bytes, ...] = ()
    allowed_signers: str | None = None
    source: str = BELIEVED
    """Where the belief in the log's key comes from, for people."""
    trouble: str = ""
    """Why the key beside the journal says nothing; empty where it does, or is not there."""


def known(own: Own, given: TrustedFacts | None = None) -> TrustedFacts:
    """What this machine knows of its own journal, besides what was ``given``.

    With neither key nor policy given, this machine's own key file is believed: it can be
    checked against nothing, but a journal that another key signed does not pass for ours.

    Raises:
        UsageError: a file that the configuration names, or a pin, cannot be read.
    """
    given, beside = given or TrustedFacts(), files.beside(own.base)
    policy, signers = given.policy, given.allowed_signers
    if not policy and own.asked.policy is not None:
        policy = files.text_of(own.asked.policy)
    if signers is None and own.asked.allowed_signers is not None:
        signers = files.text_of(own.asked.allowed_signers)
    kept = (*given.pins, pins.read(beside.verified)) if beside.verified.exists() else given.pins
    found = TrustedFacts(given.vkeys, policy, kept, signers, source_of(given.vkeys, policy))
    if found.vkeys or found.policy:
        return found
    vkey, trouble = _own_key(beside)
    if not vkey:
        return found._replace(trouble=trouble)
    return found._replace(vkeys=(vkey,), source="of this machine's key file")


def source_of(vkeys: tuple[str, ...], policy: str) -> str:
    """Where the belief in the log's key comes from."""
    return "given" if vkeys else "of the policy" if policy else BELIEVED


def assess(
    view: JournalView,
    known: TrustedFacts,
    own: Own | None = None,
    *,
    before: Report | None = None,
    whole: bool = True,
    again: bool = False,
    require_signed: bool = False,
    store: JournalReader | None = None,
    progress: Progress | None = None,
) -> Report:
    """The verdict on a journal, and a note beside it of how far everything was verified.

    ``own`` is absent for a copy, of which this console knows nothing but what is ``known``.
    With ``before``, an earlier verdict on the same journal, older signatures and audit
    events are not looked at again, and what was found about them is kept; not ``whole``
    reads only what is new. Every checkpoint's signature is checked, on all cores, but for
    those that were checked on this machine before, unless these are wanted ``again``; the
    report tells how many that are. ``store`` is read from in the view's place.

    Raises:
        UsageError: the policy, the signers, a key or a pin cannot be read.
        JournalError: the journal cannot be opened.
    """
    store = store or view.store
    if store is None:
        return _gone(known)
    noted = None
    if own is not None and not again:
        noted = earlier.read(files.beside(own.base).signatures)
    report = verify(
        store,
        vkeys=known.vkeys or ((before.key,) if before is not None and before.key else ()),
        policy=known.policy or _witnesses(own, known, store),
        # What is new is compared with what was verified before: older pins were, then.
        pins=known.pins if before is None else (before.newest,) if whole else (),
        every_signature=True,
        require_signed=require_signed,
        allowed_signers=known.allowed_signers,
        since=None if before is None or whole else _point(before),
        signed=before.entries if before is not None else 0,
        earlier=_so_far(before, noted),
        progress=progress,
    )
    if known.trouble:
        text = f"whose journal it is was not checked: {known.trouble}"
        report.add(Code.INCOMPLETE, "key", text)
    if before is not None:
        _carry_over(before, report)
    elif own is not None:
        _events(own, view, report)
    if any(
        finding.code is Code.UNTRUSTED and finding.what != "signer" for finding in report.findings
    ):
        # Where no key is believed, that a pin bears none that is says nothing more.
        report.findings = [each for each in report.findings if each.what != "not-signed"]
    if own is not None and report.entries:
        opening_check.remember(files.beside(own.base), report)
        _remember_signatures(files.beside(own.base), report, before, noted)
    return report


def _so_far(before: Report | None, noted: Earlier | None) -> Earlier | None:
    """Up to where all signatures were checked: by the check before, or as it was noted."""
    if before is None or (before.skipped and not before.skipped_since):
        return noted
    at = before.skipped_since or (noted.at if noted is not None else time.time())
    return Earlier(before.entries, before.root, at)


def _remember_signatures(
    beside: Files, report: Report, before: Report | None, noted: Earlier | None
) -> None:
    """Keep how far every signature was checked, where that is known without a gap."""
    if any(each.grave or each.what == "signature" for each in report.findings) or not report.key:
        return
    if report.skipped and not report.skipped_since:
        return
    if before is not None and before.skipped and not before.skipped_since:
        return
    if noted is not None and report.entries - noted.size < _REMEMBER_EVERY:
        return
    at = report.skipped_since or time.time()
    earlier.write(beside.signatures, Earlier(report.entries, report.root, at))


def _point(before: Report) -> Checkpoint:
    return Checkpoint.parse(note.parse(before.newest)[0])


def _carry_over(before: Report, report: Report) -> None:
    kept = _NOT_LOOKED_AT if report.whole else _NOT_LOOKED_AT | {"tree"}
    for each in before.findings:
        if each.what in kept and each not in report.findings:
            report.findings.append(each)
    report.signatures += before.signatures
    report.unbound += before.unbound
    if not report.whole:
        report.checked += before.checked
        report.skipped += before.skipped
        report.skipped_since = before.skipped_since
        report.unsigned += before.unsigned
        report.checkpoints += before.checkpoints


def _events(own: Own, view: JournalView, report: Report) -> None:
    """Compare the stored audit events with their seals, where there is an inventory."""
    from console.audit.check_seals import check_seals

    if not own.inventory.exists() or any(finding.grave for finding in report.findings):
        return
    try:
        problems = check_seals(own.inventory, view, own.days)
    except JournalError:
        raise
    except ConsoleError as error:
        report.add(Code.INCOMPLETE, "events", f"the audit events were not compared: {error}")
        return
    for problem in problems:
        code = Code.TAMPERED if problem.altered else Code.INCOMPLETE
        text = f"audit events of {problem.backend}: {problem.text}"
        report.add(code, "events", text, problem.seq)


def _gone(known: TrustedFacts) -> Report:
    """No journal at all: nothing is wrong with that, unless somebody saw one."""
    report = Report()
    for pin in known.pins:
        try:
            point = Checkpoint.parse(note.parse(pin)[0])
        except NoteError as error:
            raise UsageError(f"a pin cannot be read: {error}") from None
        report.origin = point.origin
        seen = count(point.size, "entry", "entries")
        text = f"the journal's file is gone, and {seen} of it were verified before"
        if Finding(Code.ROLLED_BACK, "gone", 0, text) not in report.findings:
            report.add(Code.ROLLED_BACK, "gone", text)
    return report


def _own_key(beside: Files) -> tuple[str, str]:
    """This machine's public key where its file can be used, or why it cannot."""
    try:
        signer = keys.load(beside.key)
    except ConsoleError as error:
        return "", ". ".join(filter(None, (str(error), ownership.hint(error))))
    return (signer.vkey, "") if signer else ("", "")


def _witnesses(own: Own | None, known: TrustedFacts, store: JournalReader) -> str:
    """The policy that the configured witnesses make where no file has one: any is enough."""
    from console.tlog import policy
    from console.tlog.cosign import CosignatureVerifier

    if own is None or own.asked.witnessing == "off":
        return ""
    named = known.vkeys or tuple(vkey for _, vkey in trust.keys_of(store, LAST))
    if not named:
        return ""
    try:
        found = [CosignatureVerifier.parse(each.split()[1]) for each in own.asked.witnesses]
        witnesses = [policy.Witness(f"w{number}", each, "") for number, each in enumerate(found)]
        log = policy.Log(keys.verifier(named[-1]), "")
        return policy.write([log], witnesses, 1).decode()
    except NoteError as error:
        raise UsageError(f"a witness in [journal]: {error}", error.hint) from None
