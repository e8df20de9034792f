"""What a responder types to find tokens, and what it means.

A query is terms with blanks between them; all of them must hold. A term is free text
(a part of the name, id, owner, principal, backend, kind, scope or a grant's name; also a
whole handle, or ``BACKEND/NAME``) or ``key:value``. ``-`` or ``!`` in front negates it,
commas in a value mean "or", quotes hold blanks together.

One reader yields the terms and the faults, which are terms that say nothing, or not yet.
Whoever acts on a query, or answers by one, takes it from :func:`parse` or :func:`scope`,
which refuse any fault: a dropped term is a wider scope. Only the screen, while somebody
types, takes what :func:`read` understood, and marks what it did not.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from backends.model import TokenState
from console.errors import UsageError
from console.inventory.search import terms
from console.inventory.search.terms import Term
from console.store.queries.conditions import Clause
from console.store.text_fold import encodable
from console.text import safe

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
    {
        "name",
        "id",
        "owner",
        "principal",
        "backend",
        "kind",
        "scope",
        "grant",
        "handle",
        "text",
        "incident",
    }
)
KEYS: Final = tuple(sorted([*WORDS, *TEXTS]))
SHOWN = 60
"""Characters of a term that an error quotes."""

_TERM = re.compile(r"(?P<sign>[-!]?)(?:(?P<key>[A-Za-z_]+):)?(?P<rest>.*)", re.DOTALL)
_SPAN = re.compile(r"(?P<op>[<>]?)(?P<number>\d*)(?P<unit>[a-z]*)")
_DIGITS = 6
"""Digits of a span at most: more would not be a time that anybody means."""


class QueryError(UsageError):
    """A query that means nothing, or not yet. The hint names what would."""


class Query(NamedTuple):
    """A parsed query. Equal queries find the same tokens."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)

    def clauses(self, now: int) -> list[Clause]:
        """The terms as conditions over the store, relative to ``now`` (unix seconds)."""
        return [terms.clause(term, now) for term in self.terms]


class TermFault(NamedTuple):
    """A term that is not applied, and why. ``start`` and ``end`` are its place in the text.

    ``unfinished`` says that what comes next may still make it whole.
    """

    start: int
    end: int
    text: str
    says: str
    hint: str
    unfinished: bool

    def __str__(self) -> str:
        return f"{safe(self.text, SHOWN)}: {self.says}"


class Understood(NamedTuple):
    """What a text means so far. The faults are no part of the query."""

    query: Query
    faults: tuple[TermFault, ...] = ()


def read(text: str) -> Understood:
    """The terms of a text and its faults, for somebody who is still typing."""
    found: list[Term] = []
    faults: list[TermFault] = []
    for piece in _split(text):
        try:
            term = _term(piece)
        except _Wrong as wrong:
            whole = text[piece.start : piece.end]
            faults.append(
                TermFault(piece.start, piece.end, whole, wrong.says, wrong.hint, wrong.unfinished)
            )
        else:
            if term not in found:
                found.append(term)
    return Understood(Query(tuple(found)), tuple(faults))


def parse(text: str) -> Query:
    """The query that a whole text means. An empty one finds everything.

    Raises:
        QueryError: a term that is not finished, an unknown key, or a value that its key
            does not know. Nothing of the text may be used then.
    """
    understood = read(text)
    if understood.faults:
        raise QueryError(
            "; ".join(map(str, understood.faults[:3])),
            "\n".join(dict.fromkeys(fault.hint for fault in understood.faults[:3] if fault.hint)),
        )
    return understood.query


def scope(text: str) -> Query:
    """The query that a text means where something is to be *done* to what it finds.

    A free word is narrowed to ``text:``, so that a plan for a team's name does not take in
    whoever may administer that team. One that leaves out stays as wide as it was: to narrow
    it would take more tokens in. The result is parsed to the same query again.

    Raises: as ``parse``.
    """
    return Query(
        tuple(
            term if term.key or term.negated else term._replace(key="text")
            for term in parse(text).terms
        )
    )


class _Wrong(Exception):
    def __init__(self, says: str, hint: str = "", *, unfinished: bool = False) -> None:
        super().__init__(says)
        self.says, self.hint, self.unfinished = says, hint, unfinished


class _Piece(NamedTuple):
    """The characters of one term; True marks those that stood in quotes."""

    start: int
    end: int
    letters: Sequence[tuple[str, bool]]
    is_open: bool
    """A quote that was not closed."""


def _split(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    letters: list[tuple[str, bool]] = []
    start: int | None = None
    quoted = escaped = False
    for at, character in enumerate(text):
        if not quoted and character.isspace():
            if start is not None:
                pieces.append(_Piece(start, at, letters, False))
                letters, start = [], None
            continue
        start = at if start is None else start
        if escaped:
            letters.append((character, True))
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        else:
            letters.append((character, quoted))
    if start is not None:
        pieces.append(_Piece(start, len(text), letters, quoted))
    return pieces


def _term(piece: _Piece) -> Term:
    """Raises ``_Wrong`` for a piece that is no term."""
    if piece.is_open:
        raise _Wrong("the quote is not closed", unfinished=True)
    # Quoted characters are masked, so that no sign, colon or comma among them counts.
    plain = "".join("\0" if quoted else character for character, quoted in piece.letters)
    match = _TERM.fullmatch(plain)
    if match is None:  # The pattern takes any text.
        raise _Wrong("it is no term")
    negated = bool(match["sign"])
    key = (match["key"] or "").lower()
    start = match.start("rest")
    text = "".join(character for character, _ in piece.letters)
    if not key:
        word = text[start:]
        if not terms.usable(word):
            raise _Wrong("there is nothing to look for", unfinished=True)
        if negated and (again := _TERM.fullmatch(plain[start:])) and again["sign"] and again["key"]:
            raise _Wrong("one - or ! is enough", "To look for the text itself, quote it.")
        return Term("", (encodable(word),), negated)
    if key not in KEYS:
        raise _Wrong(
            f"there is no key {key!r}{_perhaps(key, [f'{known}:' for known in KEYS])}",
            f"Known: {', '.join(KEYS)}. To look for the text itself, quote it.",
        )
    values: list[str] = []
    begin = start
    for end in [i for i in range(start, len(plain)) if plain[i] == ","] + [len(plain)]:
        values.append(text[begin:end])
        begin = end + 1
    if not all(values):
        # One unfinished value of several would narrow "or" to what was typed before it.
        says = "a value is missing at a comma" if any(values) else f"say what: {_example(key)}"
        raise _Wrong(says, _known(key), unfinished=True)
    return Term(key, tuple(dict.fromkeys(_value(key, raw) for raw in values)), negated)


def _value(key: str, raw: str) -> str:
    """The value as it is kept. Raises ``_Wrong`` for one that its key does not know."""
    if key in TEXTS:
        # Of a free word every sign counts; elsewhere a leading = asks for the whole text.
        if not terms.usable(raw if key == "text" else raw.removeprefix("=")):
            raise _Wrong("there is nothing to look for", unfinished=True)
        return encodable(raw)
    word = raw.lower()
    known = WORDS[key]
    if word in known:
        return word
    begun = [f"{key}:{other}" for other in known if other.startswith(word)]
    if begun:
        raise _Wrong(f"did you mean {_either(begun)}?", _known(key), unfinished=True)
    if key in SPANS and (span := _SPAN.fullmatch(word)) and (span["op"] or span["number"]):
        return _span(key, span)
    raise _Wrong(
        f"there is no {key} {safe(raw, SHOWN)!r}{_perhaps(word, list(known), f'{key}:')}",
        _known(key),
    )


def _span(key: str, span: re.Match[str]) -> str:
    op, number, unit = span["op"], span["number"], span["unit"]
    if not number:
        if unit:
            raise _Wrong(f"say how long: {key}:{op}90d", _known(key))
        raise _Wrong(f"say how long: {key}:{op}90d", _known(key), unfinished=True)
    if len(number) > _DIGITS:
        raise _Wrong(f"{number[:12]}… is longer than any time that is kept", _known(key))
    if not op:
        told = f"{number}{unit if unit in terms.UNITS else 'd'}"
        raise _Wrong(f"say < or >: {key}:<{told} or {key}:>{told}", _known(key))
    if not unit:
        raise _Wrong(f"say the unit: {key}:{op}{number}d", _known(key), unfinished=True)
    if unit not in terms.UNITS:
        units = ", ".join(terms.UNITS)
        raise _Wrong(f"there is no unit {safe(unit, 12)!r}; there are {units}", _known(key))
    return f"{op}{number}{unit}"


def _known(key: str) -> str:
    if key in TEXTS:
        return f"Write a part of it, or {key}:=WHOLE."
    examples = [f"{key}:<30d", f"{key}:>1y"] if key in SPANS else []
    return f"Known: {', '.join([*examples, *(f'{key}:{word}' for word in WORDS[key])])}."


def _example(key: str) -> str:
    return f"{key}:{'>90d' if key in SPANS else WORDS.get(key, ('WORD',))[0]}"


def _perhaps(word: str, known: Sequence[str], before: str = "") -> str:
    """A question with what was probably meant; empty where nothing is like it."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {before}{near[0]}?" if near else ""


def _either(words: Sequence[str]) -> str:
    return " or ".join(words[:3])
