"""What a responder types to find tokens, and what it means.

A query is terms with blanks between them; all of them must hold. A term is free text
(a part of the name, id, owner, principal, backend, kind, scope or a grant's name) or
``key:value``. ``-`` or ``!`` in front negates it, commas in a value mean "or", quotes hold
blanks together. While somebody types, a term without its value yet holds for everything.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from backends.model import TokenState
from console.errors import UsageError
from console.inventory import terms
from console.inventory.folding import encodable
from console.inventory.terms import Clause, Term

READING_WORDS: Final = ("known", "unknown", "untracked", "unpermitted", "unread")
WORDS: Final = {
    "used": ("never", *READING_WORDS),
    "expires": ("never", "past", *READING_WORDS),
    "age": READING_WORDS,
    "changed": (),
    "state": (*TokenState, "gone"),
    "is": ("gone", "present", "new", "changed", "orphan"),
}
"""The words that the keys with a closed set of values know."""
SPANS: Final = frozenset({"used", "expires", "age", "changed"})
TEXTS: Final = frozenset(
    {"name", "id", "owner", "principal", "backend", "kind", "scope", "grant", "handle"}
)
KEYS: Final = tuple(sorted([*WORDS, *TEXTS]))

_TERM = re.compile(r"(?P<sign>[-!]?)(?:(?P<key>[A-Za-z_]+):)?(?P<rest>.*)", re.DOTALL)
_SPAN = re.compile(r"(?P<op>[<>])(?P<number>\d{1,6})(?P<unit>[a-z]?)")


class QueryError(UsageError):
    """A query that means nothing. The hint names what would."""


class Query(NamedTuple):
    """A parsed query. Equal queries find the same tokens."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def clauses(self, now: int) -> list[Clause]:
        """The terms as SQL, relative to ``now`` (unix seconds)."""
        return [terms.clause(term, now) for term in self.terms]

    def sql(self, now: int) -> tuple[str, tuple[object, ...]]:
        """A condition over the table ``token``, never NULL, and its arguments."""
        clauses = self.clauses(now)
        where = " AND ".join(clause.where for clause in clauses) or "1"
        return where, tuple(argument for clause in clauses for argument in clause.args)


def parse(text: str) -> Query:
    """The query that a text means.

    Raises:
        QueryError: an unknown key, or a value that its key does not know.
    """
    found: list[Term] = []
    for piece in _split(text):
        term = _term(piece)
        if term is not None and term not in found:
            found.append(term)
    return Query(tuple(found))


Piece = list[tuple[str, bool]]
"""The characters of one term; True marks those that stood in quotes."""


def _split(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    piece: Piece = []
    quoted = escaped = False
    for character in text:
        if escaped:
            piece.append((character, True))
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character.isspace() and not quoted:
            pieces.append(piece)
            piece = []
        else:
            piece.append((character, quoted))
    return [found for found in [*pieces, piece] if found]


def _term(piece: Piece) -> Term | None:
    # Quoted characters are masked, so that no sign, colon or comma among them counts.
    plain = "".join("\0" if quoted else character for character, quoted in piece)
    match = _TERM.fullmatch(plain)
    if match is None:
        return None
    negated = bool(match["sign"])
    key = (match["key"] or "").lower()
    start = match.start("rest")
    text = "".join(character for character, _ in piece)
    if not key:
        word = text[start:]
        return Term("", (encodable(word),), negated) if terms.usable(word) else None
    if key not in KEYS:
        raise QueryError(
            f"there is no key {key!r} to search by",
            f"Known: {', '.join(KEYS)}. To look for the text itself, quote it.",
        )
    values: list[str] = []
    begin = start
    for end in [i for i in range(start, len(plain)) if plain[i] == ","] + [len(plain)]:
        if text[begin:end]:
            values.append(text[begin:end])
        begin = end + 1
    meant = tuple(dict.fromkeys(value for raw in values if (value := _value(key, raw)) is not None))
    # One unfinished value of several would narrow "or" to what was typed before it.
    if not meant or len(meant) < len(dict.fromkeys(values)):
        return None
    return Term(key, meant, negated)


def _value(key: str, raw: str) -> str | None:
    """The value as it is kept; None while it is not finished."""
    if key in TEXTS:
        return encodable(raw) if terms.usable(raw.removeprefix("=")) else None
    word = raw.lower()
    known = WORDS[key]
    if word in known:
        return word
    if any(other.startswith(word) for other in known):
        return None
    if key in SPANS:
        if word in ("<", ">"):
            return None
        span = _SPAN.fullmatch(word)
        if span and not span["unit"]:
            return None
        if span and span["unit"] in terms.UNITS:
            return word
    examples = [f"{key}:<30d", f"{key}:>1y"] if key in SPANS else []
    options = ", ".join([*examples, *(f"{key}:{word}" for word in known)])
    raise QueryError(f"{key}: does not know {raw!r}", f"Known: {options}.")
