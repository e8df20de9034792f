"""The filter over journal entries: free words, and ``verb:`` ``who:`` ``incident:`` ..."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from console.errors import UsageError
from console.journal.read.view import Entry

_TERM = re.compile(
    r'(?P<no>[-!]?)(?:(?P<key>[a-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>\S*))', re.IGNORECASE
)
OPEN = "open"
"""``state:open`` finds intents of which nobody knows what became."""

FIELDS: Mapping[str, Callable[[Entry], str]] = {
    "verb": lambda entry: entry.verb,
    "who": lambda entry: entry.who,
    "backend": lambda entry: entry.backend,
    "state": lambda entry: entry.state,
    "kind": lambda entry: entry.kind,
    "id": lambda entry: f"{entry.id} {entry.ref} {entry.plan}",
    "why": lambda entry: f"{entry.why} {entry.incident}",
    "incident": lambda entry: entry.incident,
}


class FilterError(UsageError):
    """The filter cannot be understood."""


class EntryTerm(NamedTuple):
    """One word or ``field:value`` of the filter."""

    key: str
    """One of ``FIELDS``, or empty for any of them."""
    wanted: tuple[str, ...]
    negated: bool


class EntryFilter(NamedTuple):
    """All terms have to hold."""

    terms: tuple[EntryTerm, ...] = ()

    def holds(self, entry: Entry, *, open_intent: bool = False) -> bool:
        """Whether an entry is shown."""
        return all(_holds(term, entry, open_intent) != term.negated for term in self.terms)


def parse(text: str) -> EntryFilter:
    """A filter as it was typed; what is unfinished lets everything through.

    Raises:
        FilterError: a key that does not exist.
    """
    terms: list[EntryTerm] = []
    for found in _TERM.finditer(text):
        key = (found["key"] or "").lower()
        if key and key not in FIELDS:
            known = " ".join(f"{name}:" for name in FIELDS)
            raise FilterError(f"there is no {key}:", f'Known: {known}; or quote it: "{key}:"')
        value = (found["quoted"] if found["quoted"] is not None else found["word"] or "").lower()
        wanted = tuple(one for one in value.split(",") if one) if key else (value,)
        if value and wanted:
            terms.append(EntryTerm(key, wanted, bool(found["no"])))
    return EntryFilter(tuple(terms))


def unapplied(text: str) -> list[tuple[int, int]]:
    """The places, from and to, of terms that say nothing yet, and so let everything through."""
    return [
        found.span()
        for found in _TERM.finditer(text)
        if found[0] and not (found["quoted"] or found["word"] or "").strip(",")
    ]


def _holds(term: EntryTerm, entry: Entry, open_intent: bool) -> bool:
    if not term.key:
        return term.wanted[0] in _everything(entry)
    held = FIELDS[term.key](entry).lower()
    return any(
        one in held or (open_intent and term.key == "state" and one == OPEN) for one in term.wanted
    )


def _everything(entry: Entry) -> str:
    fields = (
        entry.sentence, entry.who, entry.why, entry.incident, entry.verb, entry.backend,
        entry.target_kind, entry.target_name, entry.target_id, entry.handle, entry.kind,
        entry.state, entry.id, entry.ref,
    )  # fmt: skip
    return "\n".join(fields).lower()
