"""What verification found: findings as data, and the exit code that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from backends.words import count
from console.journal.format.advice import HARMLESS

MOST = 100
"""Findings that are told; a journal that was destroyed has one for every entry."""


class Code(IntEnum):
    """Exit codes of verification."""

    VERIFIED = 0
    TAMPERED = 1
    """A hash, a signature, the order or the form of something is wrong."""
    UNUSABLE = 2
    """It could not be read, or what to compare it with could not."""
    INCOMPLETE = 3
    """All is genuine; something is open, unsigned or not witnessed."""
    ROLLED_BACK = 4
    """It does not continue what somebody else has seen of it: cut, or another history."""
    UNTRUSTED = 5
    """Whole in itself, but signed by a key that is not among those given."""


_GRAVEST = (Code.TAMPERED, Code.UNUSABLE, Code.ROLLED_BACK, Code.UNTRUSTED, Code.INCOMPLETE)


class Finding(NamedTuple):
    """One thing that is not as it should be. ``seq`` is 0 where no entry can be named."""

    code: Code
    what: str
    """A word for programs; ``advice.NEXT`` says what to do about it."""
    seq: int
    text: str

    @property
    def grave(self) -> bool:
        """Whether the journal takes no more entries for it: the one rule, whoever asks."""
        return self.code is not Code.INCOMPLETE and self.what not in HARMLESS


def checked_signatures(checked: int, skipped: int, last: str) -> str:
    """Of which checkpoints the signature was checked: the words of command and screen.

    ``last`` is when all those that were skipped had been checked, in words; empty where
    nobody can say.
    """
    if not skipped:
        return "every checkpoint's signature" if checked else "no checkpoint's signature"
    told = count(checked, "checkpoint's signature", "checkpoints' signatures")
    if last:
        return f"{told}; {skipped:,} older not again, since the last check of all was {last}"
    return f"{told}; {count(skipped, 'other was not', 'others were not')}"


@dataclass
class Report:
    """What verification found. ``entries`` counts those that are in order."""

    origin: str = ""
    entries: int = 0
    root: bytes = b""
    checkpoints: int = 0
    open_intents: int = 0
    unsigned: int = 0
    """Openings, plans and calls without a responder's signature."""
    signatures: int = 0
    """Responders' signatures that were checked and hold."""
    unbound: int = 0
    """What was said of signed calls, and bears no signature of a session."""
    whole: bool = True
    """Whether all of it was read, and not only what is new."""
    checked: int = 0
    """Checkpoints whose signature was checked. Each one's text is compared in any case."""
    skipped: int = 0
    """Checkpoints whose signature was not checked."""
    skipped_since: float = 0.0
    """When those had all been checked before, in unix seconds; 0: nobody can say."""
    witnessed: int = 0
    """The size up to which a quorum of the policy's witnesses has cosigned; 0 without one."""
    key: str = ""
    """The verifier key whose signature on the newest checkpoint was checked."""
    newest: bytes = b""
    """The newest signed checkpoint."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def code(self) -> Code:
        """The gravest finding's code."""
        found = {finding.code for finding in self.findings}
        return next((code for code in _GRAVEST if code in found), Code.VERIFIED)

    @property
    def gravest(self) -> Finding | None:
        """The first finding of the gravest kind, whose code is the report's."""
        return next((each for each in self.findings if each.code is self.code), None)

    def add(self, code: Code, what: str, text: str, seq: int = 0) -> None:
        """Note something wrong, up to a limit. ``seq`` is its entry; 0 is the journal itself."""
        # A graver one is kept even where a hundred lesser ones came before it.
        if len(self.findings) < MOST or all(each.code is not code for each in self.findings):
            self.findings.append(Finding(code, what, seq, text))
