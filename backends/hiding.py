"""Keeps values out of what is told of a log: a log may hold secrets, what is kept of it none.

Where a log has a token's value in the place of a name, a keyed hash stands for it: equal
values stay equal, and nobody can read one or test guesses without the key. Elsewhere in a
text what looks like a value is left out.

The formats are those that vendors publish so that scanners find them; a value without a form
of its own can only be told by where it stands, which the reader of the log knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from backends.model import Secret

HIDDEN: Final = "[withheld: looks like a secret]"
KEYED: Final = "keyed:"
"""How the hash of a value begins where it stands for a name."""
HASHED: Final = ("hmac-sha256:", KEYED)
"""How texts begin that are hashes already: OpenBao's audit devices write the first kind."""
SHORTEST: Final = 16
"""Characters of the shortest value that has a form of its own."""

_MAYBE = re.compile(rf"[A-Za-z0-9+/_-]{{{SHORTEST},}}|[pP][aA][sS][sS]|:[^/\s@]+@")
"""What every value has somewhere: a quick look, for there are millions of texts."""
_FORMS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END[A-Z ]*-----)?",
            r"AGE-SECRET-KEY-1[0-9A-Z]+",
            r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",  # A JWT.
            r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",  # user:password in an address.
            # Not where a reader has left it out already.
            r"(?i:\bpass(?:word|wd)\s*(?:[=:]\s*|(?=['\"]))(?!'\.\.\.')\S+)",
            # OpenBao, Vault: the older, short form is also how many a host's name begins.
            r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|(?<![\w.-])[sbr]\.[A-Za-z0-9_-]{20,}",
            r"\bABSK[A-Za-z0-9+/]{40,}={0,2}",
            r"\b(?:gh[pousr]_|github_pat_)[0-9A-Za-z._]{20,}",
            r"\bgl[a-z]{2,6}-[\w.-]{16,}",
            r"\bsk-[\w-]{16,}|\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}",
            r"\bxox[a-z](?:\.xox[bp])?-[\w-]{10,}|\bxapp-\d-[\w-]{10,}",
            r"\b(?:npm_|glsa_|glc_|pypi-|dop_v1_|shp[a-z]{2}_|sntry[us]_|cf[ua]t_)[\w+/=-]{20,}",
        )
    )
)


def hidden(text: str, values: Iterable[str] = ()) -> str:
    """The text without what has the form of a secret, and without ``values``."""
    for value in values:
        text = text.replace(value, HIDDEN)
    return _without(text) if _MAYBE.search(text) else text


@lru_cache(maxsize=8192)
def _without(text: str) -> str:
    return _FORMS.sub(HIDDEN, text)


def has_form(text: str) -> bool:
    """Whether a text has a secret's form somewhere."""
    return hidden(text) != text


def keyed(value: str, key: bytes) -> str:
    """What stands for a value in the place of a name; a text that is a hash stays as it is."""
    if not value or value.startswith(HASHED):
        return value
    return KEYED + Secret(value).fingerprint(key)
