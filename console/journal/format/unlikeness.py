"""How unlike writing a word is: in names letters follow each other as in words, drawn ones don't.

Counted are strange neighbours: a letter beside a digit, a small letter before a capital (half),
and two letters that hardly ever meet in English words and in the names of this trade. In
drawn base62 seven of ten neighbours are strange, in words and names one to two of ten.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

_FOLLOWS = {
    "a": "bcdfghiklmnprstuvwxy",
    "b": "aceijlorsuy",
    "c": "acdehiklmoprstuy",
    "d": "abcdefilmorstu",
    "e": "abcdefghiklmnopqrstuvwxy",
    "f": "aefilorstu",
    "g": "aeghilmnorsu",
    "h": "aeilmorstuy",
    "i": "abcdefgklmnoprstvxz",
    "j": "aeou",
    "k": "aeilosu",
    "l": "acdefilmopstuvy",
    "m": "abdeilmopstu",
    "n": "acdefghiklnoprstuvy",
    "o": "abcdefgiklmnoprstuvwx",
    "p": "acefhiloprstuy",
    "q": "lu",
    "r": "abcdefgiklmnoprstuvy",
    "s": "acdefghiklmnopqrstuwy",
    "t": "acdefhilmnoprstuwy",
    "u": "abcdefgilmnprst",
    "v": "aeio",
    "w": "aehinors",
    "x": "ceipt",
    "y": "aemnpst",
    "z": "aei",
}
"""Which letters follow a letter in nineteen of twenty places of the words that this project, its
libraries and their licences are written in; a drawn letter is one of them half the time."""


class Unlikeness(NamedTuple):
    """How many neighbours are strange, of how many."""

    strange: float
    of: int

    @property
    def rate(self) -> float:
        """The share that is strange, from 0 to 1."""
        return self.strange / self.of if self.of else 0.0


def strangeness(word: str) -> Unlikeness:
    """How strange a word of letters and digits is. Other characters count as nothing."""
    count = 0.0
    for a, b in itertools.pairwise(word):
        if a == b:
            continue  # A row of one character says nothing.
        if a.isdigit() != b.isdigit():
            count += 1
        elif a.isdigit() or not (a.isascii() and b.isascii()):
            continue
        elif b.lower() not in _FOLLOWS.get(a.lower(), ""):
            count += 1
        elif a.islower() and b.isupper():
            count += 0.5
    return Unlikeness(count, max(len(word) - 1, 0))
