"""What a system said, as the journal may keep it: short, representable, without secrets."""

from __future__ import annotations

import re

from console.journal.format.scan import withhold
from console.text import MARK

TEXT = 512
"""Characters that a system's own words may take in an entry."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def representable(text: str) -> str:
    """The text without lone surrogates, which neither JSON nor UTF-8 can carry."""
    return _SURROGATE.sub(MARK, text)


def system_words(text: str, limit: int = TEXT) -> str:
    """A system's own words for the journal, without anything that looks like a secret."""
    return withhold(representable(text[:limit]))
