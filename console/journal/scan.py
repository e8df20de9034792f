"""Keeps secrets out of the journal's free text. A log cannot forget, so doubt means no.

A reason with a secret in it is refused; in what a system says, the doubtful stretch is
replaced. Ids of AWS keys (AKIA...) are no secrets and are let through: "AKIA... is in a
public repository" is what people have to be able to write.
"""

from __future__ import annotations

import itertools
import re

from console.errors import UsageError

WITHHELD = "[withheld: looks like a secret]"
MIN_REASON = 10
"""Characters. Shorter ones ("test", "leak") tell nobody anything a month later."""
MAX_REASON = 2000

_FORMATS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----END))*(?:-----END[A-Z ]*-----)?",
            r"AGE-SECRET-KEY-1[0-9A-Z]+",
            r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",  # JWT
            r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",  # user:password in an address
            r"(?i:\bpass(?:word|wd)\s*(?:[=:]\s*|(?=['\"]))\S+)",
            r"\bABSK[A-Za-z0-9+/]{40,}={0,2}",
            r"\bgh[pousr]_[0-9A-Za-z._]{20,}",
            r"\bgithub_pat_\w{20,}",
            r"\bgl(?:pat|ptt|rt|dt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}",
            r"(?<![\w.-])(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}",  # Vault, OpenBao
            r"\bsk-[\w-]{16,}",
            r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}",
            r"\bxox[a-z](?:\.xox[bp])?-[\w-]{10,}|\bxapp-\d-[\w-]{10,}",
            r"\bhooks\.slack\.com/services/\S+",
            r"\b(?:npm_|glsa_|glc_|pypi-|dop_v1_|shp[a-z]{2}_|sntry[us]_|cf[ua]t_)[\w+/=-]{20,}",
        )
    )
)
"""Formats that say what they are. What the vendors publish about each is in their documents."""

_CANDIDATE = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_HEX = re.compile(r"[0-9a-fA-F-]{32,}")


def _random_looking(word: str) -> bool:
    """Whether a long word is more likely drawn than written.

    What separates the two is how often the class of character (upper, lower, digit)
    changes: in drawn base62 at six of ten places, in names and paths at one to three.
    """
    plain = re.sub(r"[^A-Za-z0-9]", "", word)
    if len(plain) < 20:
        return False
    if _HEX.fullmatch(word) and len(set(plain)) >= 8:
        return True
    classes = [0 if char.isdigit() else 1 if char.islower() else 2 for char in plain]
    present = set(classes)
    if 0 not in present or len(present) < 2:
        return False
    changes = sum(1 for a, b in itertools.pairwise(classes) if a != b)
    return changes / (len(plain) - 1) >= (0.36 if len(present) == 3 else 0.25)


def withhold(text: str, *, formats_only: bool = False) -> str:
    """The text with everything that looks like a secret replaced.

    ``formats_only`` is for names, which may be long and random-looking by right.
    """
    text = _FORMATS.sub(WITHHELD, text)
    if formats_only:
        return text
    return _CANDIDATE.sub(
        lambda found: WITHHELD if _random_looking(found[0]) else found[0],
        text,
    )


class ReasonRefused(UsageError):
    """The reason is missing, too short or too long, or holds what looks like a secret."""


def reason(text: str) -> str:
    """The reason for an action, stripped.

    Raises:
        ReasonRefused: see there.
    """
    text = " ".join(text.split())
    if len(text) < MIN_REASON:
        raise ReasonRefused(
            f"a reason of at least {MIN_REASON} characters is needed",
            "Say why in words that another person understands next month.",
        )
    if len(text) > MAX_REASON:
        raise ReasonRefused(
            f"a reason of {len(text)} characters; {MAX_REASON} is the most",
            "Put the long story into the incident and its id here.",
        )
    return _clean(text, "reason")


def incident(text: str) -> str:
    """An incident's id or address, stripped. May be empty. Raises ``ReasonRefused``."""
    text = " ".join(text.split())
    if len(text) > 200:
        raise ReasonRefused("the incident is longer than 200 characters", "Give its id.")
    return _clean(text, "incident")


def _clean(text: str, what: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    if withhold(text) != text:
        raise ReasonRefused(
            f"the {what} holds what looks like a secret, and a journal cannot forget",
            "Write the token's name, or no more than the first 12 characters of an id or hash.",
        )
    return text
