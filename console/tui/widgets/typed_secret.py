"""A secret that was typed or pasted where text is expected: recognised, masked, and named.

What is a secret is decided by the journal's scanner alone. Here it is only given a name that
a person knows, and an exception: an id that the store has is no secret, however random.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from console.journal.format import scan
from console.secret_types import types

DOT = "\N{BULLET}"
MASK = DOT * 8
"""What is shown in place of a secret, however long that is."""
_PASSWORD = re.compile(r"(?i)\bpass")
_WORD = re.compile(r"\S+")
_TERM = re.compile(r"[-!]?(?:[a-z]+:)?\"?")
"""What may stand before a word in a query."""
LIKELY = "A likely secret"


def mask(text: str, known: Callable[[str], bool]) -> tuple[str, str]:
    """The text with each secret masked, and what the first of them is; empty for none.

    ``known`` says whether a word is an id or a name that the store has.
    """
    hidden = scan.withhold(text, formats_only=True)
    doubtful: list[str] = []

    def checked(found: re.Match[str]) -> str:
        word = found[0]
        clean = scan.withhold(word)
        if clean == word or known(_TERM.sub("", word, count=1).rstrip('"')):
            return word
        doubtful.append(word)
        return clean

    if hidden != text:
        # Of what stands beside a secret, a part of it may be left.
        hidden, told = scan.withhold(hidden), text
    else:
        hidden = _WORD.sub(checked, text)
        told = " ".join(doubtful)
    if not told:
        return text, ""
    return hidden.replace(scan.WITHHELD, MASK), _what(told)


def _what(text: str) -> str:
    if name := types.named(text):
        return f"{'An' if name[0] in 'aAn' or name.startswith('AI') else 'A'} {name}"
    return "A password" if _PASSWORD.search(text) else LIKELY
