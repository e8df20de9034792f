"""How text is folded before it is searched, the same on the writing and the reading side."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

FIELD = 512
"""Characters of one value that can be searched: as many as a screen ever shows of it."""
KEY = 120
"""Characters of a value that take part in sorting."""
GRAMS = 3
"""Letters that the index needs at least to find a word by itself."""


def fold(text: str, limit: int = FIELD) -> str:
    """The text for comparing without case. NUL would end it for SQLite's tokenizer."""
    if len(text) > limit:
        text = text[:limit]
    # The same for ASCII, and much quicker.
    text = text.lower() if text.isascii() else text.casefold()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


@lru_cache(maxsize=4096)
def fold_common(text: str) -> str:
    """The same for what many tokens have alike: a backend, a kind, a scope, an owner."""
    return fold(text)


def name_key(name: str) -> str:
    """What a name is sorted and looked up by.

    Whoever may make a token chooses its name, and names like ``=HYPERLINK(...)`` or one that
    begins with a blank would stand above all honest ones. So what begins with neither a
    letter nor a digit goes after them.
    """
    key = fold(name, KEY)
    return key if key[:1].isalnum() else f"~{key}"[:KEY]


def hay(values: Iterable[str], common: Iterable[str] = ()) -> str:
    """What free text is searched in: the folded values, one a line; the ``common`` ones last.

    Two newlines end it, so that every letter begins a group of three: that is how a word
    of one or two letters is found in the index.
    """
    return "\n".join([*map(fold, values), *map(fold_common, common), "", ""])


@lru_cache(maxsize=4096)
def grant_text(names: tuple[str, ...]) -> str:
    """The folded names, each between newlines, so that a whole name can be looked for."""
    folded = [fold(name).replace("\n", " ") for name in names]
    return "\n".join(["", *folded, "", ""]) if folded else ""


def phrase(text: str) -> str:
    """A folded text as a phrase of FTS5's query language."""
    return '"' + text.replace('"', '""') + '"'


def encodable(text: str) -> str:
    """The text with lone surrogates, which cannot be encoded, as visible escapes."""
    # Nearly every text; it saves encoding it and back.
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def near(text: str) -> str:
    """A quick expression of FTS5 that finds all that :func:`phrase` finds, and some more.

    It wants a few of the word's groups of three anywhere, instead of all of them in a row;
    what it finds has to be tested. On words with many matches that saves most of the time.
    """
    last = len(text) - GRAMS
    return " AND ".join(
        phrase(text[start : start + GRAMS]) for start in sorted({0, last // 2, last})
    )
