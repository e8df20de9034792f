"""Keeps secrets out of the journal's free text. A log cannot forget, so doubt means no.

A reason with a secret in it is refused; in what a system says, the doubtful stretch is
replaced. In this order: what says by its form that it is a secret (a prefix, a checksum, the
word "password" before it); what is known to be an identifier (a UUID, a commit, a
fingerprint, an ARN, the id of an AWS key), since people have to be able to write which key
leaked; then the rest, word by word, by how unlike writing it is. The shorter words of a text
have a budget together, so that a value cut into pieces does not pass piece by piece.

What passes all the same: a password that is made of words, and what was spelt out. The
figures are printed by ``tests/bench/bench_scan.py``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from console.errors import UsageError
from console.journal.format.unlikeness import strangeness
from console.secret_types import checksums

WITHHELD = "[withheld: looks like a secret]"
MIN_REASON = 10
"""Characters. Shorter ones ("test", "leak") tell nobody anything a month later."""
MAX_REASON = 2000

_PREFIXED = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----END))*(?:-----END[A-Z ]*-----)?",
            r"AGE-SECRET-KEY-1[0-9A-Z]+",
            r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",  # JWT
            r"(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",  # user:password in an address
            r"\bABSK[A-Za-z0-9+/]{40,}={0,2}",
            r"\bgh[pousr]_[0-9A-Za-z._]{20,}",
            r"\bgithub_pat_\w{20,}",
            r"\bgl(?:pat|ptt|rt|dt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{16,}",
            r"(?<![\w.-])(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}",  # Vault, OpenBao
            r"\bsk-[\w-]{16,}",
            r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{10,}",
            r"\bxox[a-z](?:\.xox[bp])?-[\w-]{10,}|\bxapp-\d-[\w-]{10,}",
            r"\bhooks\.slack\.com/services/\S+",
            r"\b(?:npm_|glsa_|glc_|pypi-|dop_v1_|shp[a-z]{2}_|sntry[us]_|cf[kua]t?_)[\w+/=-]{20,}",
            r"\bAIza[\w-]{35}",  # Google
            r"\bSG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
        )
    )
)
"""Formats that say what they are. What the vendors publish about each is in their documents."""

_CALLED = re.compile(
    r"(?i:\b(?P<what>pass(?:word|wd|phrase|code)|pwd|(?:client[ _-]?)?secret|api[ _-]?key"
    r"|access[ _-]?key|token|bearer|credentials?)"
    r"(?P<how>\s*(?:=|:(?!\S*:)|->)\s*|\s+(?:is|was)\s+|\s*(?=['\"])|(?<=bearer)\s+))"
    r"(?P<value>\"[^\"]{4,}\"|'[^']{4,}'|\S{4,})"
)
"""A value that is called a secret: ``password=...``, ``the token is ...``."""
_PASSWORD = re.compile(r"(?i:pass|pwd)")
_SECRET = re.compile(r"(?i:pass|pwd|secret)")

_HEX = r"[0-9a-fA-F]"
_UUID = rf"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}"
_POD = "[bcdfghjklmnpqrstvwxz2456789]"
_KNOWN = re.compile(
    "|".join(
        (
            # A UUID, or the head of one.
            rf"(?<![\w-]){_HEX}{{8}}(?:-{_HEX}{{4}}){{1,3}}(?:-{_HEX}{{1,12}})?(?![\w-])",
            rf"(?<![\w-]){_HEX}{{40}}(?![\w-])",  # a commit, a SHA-1
            r"\bSHA256:[A-Za-z0-9+/]{43}=?(?![A-Za-z0-9+/])",  # an SSH key's fingerprint
            rf"\b(?:hmac-)?sha(?:1|256|512)[:-]{_HEX}{{40,128}}\b",  # a digest that says so
            rf"\b(?:{_HEX}{{2}}:){{15,31}}{_HEX}{{2}}\b",  # a certificate's fingerprint
            r"\barn:aws[\w-]*:[a-z0-9-]*:[a-z0-9-]*:\d{0,12}:[\w+=,.@:/*-]+",
            # Ids of AWS keys, users, roles, groups, policies and certificates.
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA|AGPA|ANPA|ANVA|AIPA|APKA|ASCA)"
            r"[A-Z0-9]{16,17}(?![A-Za-z0-9])",
            rf"\b[a-z]{{1,9}}-{_HEX}{{8}}(?:{_HEX}{{9}})?\b",  # AWS: i-0abc..., sg-...
            rf"-{_POD}{{8,10}}-{_POD}{{5}}\b",  # a pod of a deployment
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
            r"(?<![\w.-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # a mail address
        )
    )
)
"""Identifiers: they name something, and nobody gets in with them."""

_WORD = re.compile(r"[^\s,;\"'`<>()\[\]{}|\x00]+")
_PIECE = re.compile(r"[A-Za-z0-9]+")
_DRAWN_HEX = re.compile(r"(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{13,}")
_SHORT_HEX = re.compile(r"[0-9a-fA-F]{1,12}")
"""The first twelve characters of an id or hash are what people are told to write."""
_DIGITS = re.compile(r"\d{20}")
"""Longer than any account, card, snowflake or time in nanoseconds."""
_ALONE = 12
"""Characters from which one word alone can be a secret."""
_RATE, _LEAST = 0.38, 4.5
"""The share of strange neighbours, and their number, from which a word is rather drawn."""
_PIECE_RATE, _BUDGET = 0.5, 8.0
"""The same for a shorter word, and how many of these neighbours one text may have in such
words together: a key of 24 characters cut into four has some 14."""
_SYMBOL = re.compile(r"[A-Za-z0-9][!#$%^&]+(?=[A-Za-z0-9])")
_NUMBERED = re.compile(r"[\w.-]+#\d+|.*%[0-9A-Fa-f]{2}.*")
"""An issue's number, and what a URL escapes."""
_LEET = re.compile(r"[A-Za-z][0134578$@!](?=[A-Za-z])")


def withhold(text: str, *, formats_only: bool = False) -> str:
    """The text with everything that looks like a secret replaced.

    ``formats_only`` is for names, which may be long and random-looking by right.
    """
    spans = sorted(_formats(text) if formats_only else _doubtful(text))
    kept, at = [], 0
    for start, end in spans:
        if start >= at:
            kept += [text[at:start], WITHHELD]
        at = max(at, end)
    return "".join([*kept, text[at:]])


def holds_secret(text: str) -> bool:
    """Whether something in a text says by its form, or by what it is called, that it is one."""
    return next(_formats(text), None) is not None


def _formats(text: str) -> Iterator[tuple[int, int]]:
    """What says by its form, or by what it is called, that it is a secret."""
    for found in _PREFIXED.finditer(text):
        if not _placeholder(found[0]):
            yield found.span()
    for found in _CALLED.finditer(text):
        start, end = found.span("value")
        value = found["value"].strip("\"'").rstrip(".,;:!?)")
        if _called_so(found["what"], found["how"], value):
            yield start, end


def _doubtful(text: str) -> list[tuple[int, int]]:
    """Everything that may be a secret: places in the text."""
    spans = list(_formats(text))
    blank = list(text)
    for start, end in [*spans, *(found.span() for found in _KNOWN.finditer(text))]:
        blank[start:end] = "\x00" * (end - start)
    budget, pieces = 0.0, []
    for found in _WORD.finditer("".join(blank)):
        word = found[0].strip(".:!?")
        if _drawn(word) or _made_up(word):
            spans.append(found.span())
            continue
        for piece in _PIECE.finditer(found[0]):
            told = strangeness(piece[0])
            if told.rate >= _PIECE_RATE and told.of >= 4 and not _SHORT_HEX.fullmatch(piece[0]):
                budget += told.strange
                pieces.append((found.start() + piece.start(), found.start() + piece.end()))
    return spans + pieces if budget > _BUDGET else spans


def _drawn(word: str) -> bool:
    """Whether a word, or a piece of it, is more likely drawn than written."""
    pieces = _PIECE.findall(word)
    # Base64 has other characters in between; a path or a name with dashes stays unsuspicious,
    # since its pieces are words.
    for piece in [*pieces, "".join(pieces)] if len(pieces) > 1 else pieces:
        if _DIGITS.search(piece) or _DRAWN_HEX.fullmatch(piece):
            return True
        told = strangeness(piece)
        if len(piece) >= _ALONE and told.rate >= _RATE and told.strange >= _LEAST:
            return not _SHORT_HEX.fullmatch(piece)
    return False


def _made_up(word: str) -> bool:
    """Whether a word is made as people make up passwords: ``xK9#mP2``, ``Tr0ub4dor``."""
    if not 7 <= len(word) <= 64 or "/" in word or _NUMBERED.fullmatch(word):
        return False
    pieces = re.split(r"[^A-Za-z0-9$@!]", word)
    if any(len(_LEET.findall(each)) > 1 and not _SHORT_HEX.fullmatch(each) for each in pieces):
        return True
    mixed = any(each.isdigit() for each in word) and any(each.isalpha() for each in word)
    return mixed and _SYMBOL.search(word) is not None


def _called_so(what: str, how: str, value: str) -> bool:
    """Whether what follows the word for a secret is one, and not the rest of a sentence."""
    plain = not any(each.isdigit() or each in "!#$%^&*" for each in value)
    if _PASSWORD.search(what):
        # After "is" or "was" a sentence may go on: the password was changed.
        return not (plain and how.strip() in ("is", "was"))
    if re.fullmatch(_UUID, value):
        return _SECRET.search(what) is not None
    if _KNOWN.fullmatch(value) or _SHORT_HEX.fullmatch(value):
        return False
    return any(
        len(piece) >= 6 and strangeness(piece).rate >= 0.3 for piece in _PIECE.findall(value)
    )


def _placeholder(text: str) -> bool:
    """Whether it has a format's prefix and is visibly no value: ``ghp_xxxxxxxxxxxx...``.

    Where the format has a checksum, one that fits says that it is a value.
    """
    prefix, _, value = text.partition("_")
    checked = prefix in ("ghp", "gho", "ghu", "ghs", "ghr", "npm")
    if checked and checksums.crc_base62(value):
        return False
    # The last part alone would tell nothing: a key's frame ends in dashes, a value may too.
    return len(set(max(re.split(r"[-_.]", text), key=len))) < 4


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


def words(text: str, what: str) -> str:
    """A short text that somebody typed, stripped; ``what`` it is. Raises ``ReasonRefused``."""
    return _clean(" ".join(text.split()), what)


@functools.lru_cache(maxsize=256)  # Every intent of a run has the same reason.
def _clean(text: str, what: str) -> str:
    text = text.encode("utf-8", "replace").decode()
    if withhold(text) != text:
        raise ReasonRefused(
            f"the {what} holds what looks like a secret, and a journal cannot forget",
            "Write the token's name or id, its fingerprint, or no more than the first 12 "
            "characters of a hash.",
        )
    return text
