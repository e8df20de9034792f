"""A secret that was typed or pasted where text is expected: recognised, masked, and named.

What is a secret is decided by the journal's scanner alone. Here it is only given a name that
a person knows, and an exception: an id that the store has is no secret, however random.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from console.journal.format import scan

DOT = "\N{BULLET}"
MASK = DOT * 8
"""What is shown in place of a secret, however long that is."""
_KINDS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"-----BEGIN", "A private key"),
        (r"AGE-SECRET-KEY", "An age key"),
        (r"eyJ", "A signed token (JWT)"),
        (r"://", "An address with a password"),
        (r"(?i)\bpass", "A password"),
        (r"\bgh[pousr]_|github_pat_", "A GitHub token"),
        (r"\bgl[a-z]+-", "A GitLab token"),
        (r"\b(?:hv)?[sbr]\.", "A Vault token"),
        (r"\bsk-|\bABSK", "An AI service's key"),
        (r"\b[rs]k_(?:live|test|prod)_", "A Stripe key"),
        (r"\bxox|\bxapp|slack\.com", "A Slack token"),
        (r"\bnpm_", "An npm token"),
        (r"\bgl[sc]a?_", "A Grafana token"),
        (r"\bpypi-", "A PyPI token"),
    )
)
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
    what = next((name for pattern, name in _KINDS if pattern.search(told)), LIKELY)
    return hidden.replace(scan.WITHHELD, MASK), what
