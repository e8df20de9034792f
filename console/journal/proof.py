"""How well a token's end is known, in the words of everybody who shows it.

The board, the reports, the command line and the journal's sentences all take them from here.
An entry keeps a number from 0 to 4, but the numbers are no ranking of what is known of a
token: a log that is silent says only that nobody came by, while a refusal says that whoever
comes is turned away. So silence is told beside what else is known, and never in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from backends.model import EvidenceLevel

WORDS: Final[Mapping[int, str]] = {
    EvidenceLevel.ASKED: "asked",
    EvidenceLevel.ACCEPTED: "accepted",
    EvidenceLevel.RECORDED: "recorded",
    EvidenceLevel.REFUSED: "refused",
    EvidenceLevel.SILENT: "silent in the log",
}
"""What a single entry shows, by its number."""
MEANT: Final[Mapping[int, str]] = {
    EvidenceLevel.ASKED: "asked for, and no more is known",
    EvidenceLevel.ACCEPTED: "accepted: the system said yes",
    EvidenceLevel.RECORDED: "recorded by the issuer",
    EvidenceLevel.REFUSED: "the old value is refused",
    EvidenceLevel.SILENT: "silent in the log for as long as a change may take; no refusal",
}
"""The same where there is room for what it means."""


class Sums(NamedTuple):
    """How many tokens are known how well; each is in one of the first four."""

    asked: int = 0
    accepted: int = 0
    recorded: int = 0
    refused: int = 0
    silent: int = 0
    """How many of these were not used either, for as long as a change may take."""

    @property
    def ranked(self) -> list[tuple[str, int]]:
        """Each kind of knowledge with its number, the best last; silence is none of them."""
        return [
            (WORDS[EvidenceLevel.ASKED], self.asked),
            (WORDS[EvidenceLevel.ACCEPTED], self.accepted),
            (WORDS[EvidenceLevel.RECORDED], self.recorded),
            (WORDS[EvidenceLevel.REFUSED], self.refused),
        ]

    @property
    def beside(self) -> str:
        """How many of them all are silent: ``silent in the log: 4 of 7``."""
        total = sum(number for _, number in self.ranked)
        return f"{WORDS[EvidenceLevel.SILENT]}: {self.silent:,} of {total:,}"

    @property
    def line(self) -> str:
        """All of it on one line."""
        told = ", ".join(f"{word} {number:,}" for word, number in self.ranked)
        return f"{told}; {self.beside}"


def word(level: int) -> str:
    """What an entry of that number shows; ``?`` for a number that this version does not know."""
    return WORDS.get(level, "?")


def meaning(level: int | None) -> str:
    """The same in a few words more."""
    return "not known" if level is None else MEANT.get(level, "not known")


def known(level: int, *, refused: bool) -> str:
    """The best that is known of a token's end, in a word: never its silence."""
    return WORDS[_best(level, refused=refused)]


def whole(level: int, *, refused: bool) -> str:
    """All that is known of a token's end: ``recorded, silent, not refused``."""
    best, silent = _best(level, refused=refused), level >= EvidenceLevel.SILENT
    if best is EvidenceLevel.REFUSED:
        return "refused, then silent" if silent else "refused"
    if best is EvidenceLevel.RECORDED:
        return "recorded, silent, not refused" if silent else "recorded, not refused"
    return WORDS[best]


def reach(ceiling: int) -> str:
    """How far the end of a kind of token can be shown at all, by its ceiling."""
    if ceiling < EvidenceLevel.SILENT:
        return word(ceiling)
    return f"{WORDS[EvidenceLevel.REFUSED]}, and {WORDS[EvidenceLevel.SILENT]}"


def _best(level: int, *, refused: bool) -> EvidenceLevel:
    """Of silence the issuer's record is left, which a silence is only looked for after."""
    return EvidenceLevel.REFUSED if refused else EvidenceLevel(min(level, EvidenceLevel.RECORDED))
