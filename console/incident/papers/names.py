"""How an incident's tokens, people and places are called in what is handed to others.

``Names`` calls each what it is called. ``Labels`` calls them token-1, person-2 and so on, the
same one always the same, and withholds every text that somebody typed or a system sent, since
nobody can say what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from backends.words import count
from console.incident.assess import Assessment, Block
from console.incident.record import Incident, hole_id
from console.journal.format import scan
from console.journal.format.incident_mark import Member
from console.journal.format.sentence import Entry
from console.response.state.old_value import Verdict
from console.text import safe

LONGEST = 160
"""Characters of one name."""
SAID = 1000
"""Characters of one text that somebody typed."""
WITHHELD = "[text withheld]"
ROLES = frozenset(
    (
        "lead", "commander", "deputy", "scribe", "operator", "responder", "communications",
        "comms", "liaison", "legal", "owner", "forensics", "executive", "security", "privacy",
    )
)  # fmt: skip
"""Roles that name nobody; what else is given as a role could."""
_UNSIGNED = ", unsigned"
_MANY = {"address": "addresses", "query": "queries", "person": "people"}


class Name(str):
    """A name, an id or an address: shown as it is, set apart from the words around it."""

    __slots__ = ()


Part = str | Name
"""A text, whoever wrote it, or a name. Both are raw, and made safe by what draws them."""


def clean(text: str, limit: int) -> str:
    """A text that is harmless to show, without anything that is a secret by its form.

    The journal keeps none, but what systems' logs and records say was written by others.
    """
    return safe(scan.withhold(text, formats_only=True), limit)


class Names:
    """Everything under its own name."""

    redacted = False

    def __init__(self, found: Assessment) -> None:
        self._members = {handle: scoped.member for handle, scoped in found.incident.scope.items()}

    def member(self, handle: str) -> Member | None:
        """The token of the scope with that handle."""
        return self._members.get(handle)

    def token(self, handle: str, backend: str = "", name: str = "") -> Name:
        """A token: ``backend/name``. What is not in the scope is called as it is given."""
        member = self._members.get(handle)
        if member is not None:
            backend, name = member.backend, member.name or member.id
        told = f"{backend}/{name}" if backend and name else name or handle
        return Name(clean(told, LONGEST))

    def handle(self, handle: str) -> Name:
        """A token's handle."""
        return Name(clean(handle, 64))

    def kind(self, kind: str) -> Name:
        """A kind of token, which its backend names."""
        return Name(clean(kind, 64))

    def backend(self, name: str) -> Name:
        """A system."""
        return Name(clean(name, LONGEST))

    def person(self, who: str) -> Name:
        """Somebody, or the account that wrote an entry."""
        return Name(clean(who.removesuffix(_UNSIGNED), LONGEST))

    def address(self, source: str) -> Name:
        """Where a use came from."""
        return Name(clean(source, LONGEST) or "an address that its log does not tell")

    def role(self, role: str) -> Name:
        """What somebody is in charge of."""
        return Name(clean(role or "in charge", LONGEST))

    def query(self, text: str) -> Name:
        """A query of the scope."""
        return Name(clean(text, LONGEST))

    def incident(self, incident: Incident) -> Name:
        """The incident's id."""
        return Name(clean(incident.id, 64))

    def run(self, plan: str) -> Name:
        """A run, by the end of its plan's id."""
        return Name(clean(plan[-8:], 8))

    def entry(self, entry: Entry) -> Name:
        """An entry of the journal, by its id."""
        return Name(entry.id)

    def said(self, text: str) -> str:
        """What somebody typed, or a system sent."""
        return clean(text, SAID)

    def verdict(self, verdict: Verdict) -> str:
        """What is known of a token's value."""
        return clean(verdict.line, SAID)

    def hole(self, text: str) -> str:
        """A part of a system that was not seen, with the id that one types for it."""
        return f"{clean(text, SAID)} ({hole_id(text)})"

    def block(self, block: Block) -> str:
        """What keeps the incident open."""
        return clean(block.words, SAID)

    def sentence(self, told: str, bare: str) -> str:
        """A sentence; ``bare`` is the same without a name in it."""
        return clean(told or bare, SAID)

    def node(self, side: str, key: str, name: str, place: str) -> Name:
        """A node of the graph. A token's ``key`` is its handle."""
        if side == "token":
            return self.token(key, place, name or key)
        return Name(clean(f"{name or key} ({place})" if place else name or key, LONGEST))


class Labels(Names):
    """The same with labels in place of every name. ``table`` tells which is whose."""

    redacted = True

    def __init__(self, found: Assessment) -> None:
        super().__init__(found)
        self._labels: dict[str, dict[str, str]] = {}
        self.table: dict[str, dict[str, str]] = {}
        incident = found.incident
        # In the order of the record, so that another pack of the same incident has the same.
        for handle, scoped in incident.scope.items():
            self.token(handle)
            self.backend(scoped.member.backend)
        for entry in found.entries:
            if entry.who:
                self.person(entry.who)
        for given in incident.assigned.values():
            self.person(given.person)
        for query in incident.queries:
            self.query(query)
        for hole in incident.holes:
            self.hole(hole)
        for plan in found.plans:
            self.run(plan)
        for handle, member in self._members.items():
            known = f"{member.backend}/{member.name or member.id} {member.kind} {member.id}"
            self.table["tokens"][self._label("token", handle)] = f"{handle} {known}"

    def _label(self, kind: str, value: str) -> str:
        known = self._labels.setdefault(kind, {})
        if value not in known:
            known[value] = f"{kind}-{len(known) + 1}"
            self.table.setdefault(_MANY.get(kind, f"{kind}s"), {})[known[value]] = value
        return known[value]

    def token(self, handle: str, backend: str = "", name: str = "") -> Name:
        """``token-1``."""
        return Name(self._label("token", handle or f"{backend}/{name}"))

    def handle(self, handle: str) -> Name:
        """The same label: a handle is as good as the name."""
        return self.token(handle)

    def kind(self, kind: str) -> Name:
        """``kind-1``: it tells the system by its vendor."""
        return Name(self._label("kind", kind))

    def backend(self, name: str) -> Name:
        """``backend-1``."""
        return Name(self._label("backend", name))

    def person(self, who: str) -> Name:
        """``person-1``."""
        return Name(self._label("person", who.removesuffix(_UNSIGNED)))

    def address(self, source: str) -> Name:
        """``address-1``."""
        return Name(self._label("address", source)) if source else Name("address not told")

    def role(self, role: str) -> Name:
        """A role that names nobody as it is; others as ``role-1``."""
        if not role:
            return Name("in charge")
        return Name(role.lower() if role.lower() in ROLES else self._label("role", role))

    def query(self, text: str) -> Name:
        """``query-1``."""
        return Name(self._label("query", text))

    def incident(self, incident: Incident) -> Name:
        """``incident-1``."""
        return Name(self._label("incident", incident.id))

    def run(self, plan: str) -> Name:
        """``run-1``."""
        return Name(self._label("run", plan))

    def entry(self, entry: Entry) -> Name:
        """``entry-12``, by its number in the journal."""
        return Name(f"entry-{entry.seq}")

    def said(self, text: str) -> str:
        """That there was a text."""
        return WITHHELD if text else ""

    def verdict(self, verdict: Verdict) -> str:
        """The headline alone, which is made of a closed set of words and times."""
        return verdict.title

    def hole(self, text: str) -> str:
        """``part-1``."""
        return self._label("part", text)

    def block(self, block: Block) -> str:
        """What kind of thing it is, and on which token."""
        match block.kind:
            case "token":
                return f"{self.token(block.subject)} is not dealt with"
            case "wait":
                return f"{self.token(block.subject)} may still work, as declared"
            case "difference":
                return "a difference with a vendor's list is not settled"
            case "call":
                return "a call is open: nobody knows yet what became of it"
            case "hole":
                return "a part of a system was not seen, and nobody answers for it"
            case _:
                return "whether the scope is complete is not known, or it is not"

    def sentence(self, told: str, bare: str) -> str:
        """The sentence without names."""
        return bare

    def node(self, side: str, key: str, name: str, place: str) -> Name:
        """``token-1``, or a label by the column it stands in."""
        if side == "token":
            return self.token(key, place, name or key)
        kind = {"who": "person", "grant": "grant", "use": "consumer"}.get(side, "node")
        return Name(self._label(kind, name or key if kind == "person" else f"{key} {place}"))


_LABEL = re.compile(
    r"(?:token|backend|person|address|kind|role|query|incident|run|part|grant|consumer|entry)-\d+"
    r"|\d{4}-\d\d-\d\d.*"
)
"""What a label of ours looks like, and a date."""
_RUN = re.compile(r"[0-9A-Za-z_@.-]{6,}")
_TELLING = re.compile(r"[0-9_@.-]")


def telling(text: str) -> frozenset[str]:
    """The pieces of a text that are names rather than words of any language.

    At least six characters without a blank, with a digit or a mark in them. A name that is a
    plain word can stand in any text, so nothing can be said of it.
    """
    found = (run.strip(".-") for run in _RUN.findall(text))
    return frozenset(
        run for run in found
        if len(run) >= 6 and _TELLING.search(run) and not _LABEL.fullmatch(run)
    )  # fmt: skip


def telling_names(found: Assessment, more: Iterable[str] = ()) -> frozenset[str]:
    """Such pieces of every name, id, handle, person and text of an incident, and of ``more``."""
    told: set[str] = {found.incident.id, found.incident.title, *more}
    for scoped in found.incident.scope.values():
        member = scoped.member
        told |= {member.backend, member.id, member.handle, member.name}
    for given in found.incident.assigned.values():
        told.add(given.person)
    for entry in found.entries:
        told |= {entry.id, entry.handle, entry.target_id, entry.target_name, entry.plan}
        if entry.case is not None:
            told |= {entry.case.person, entry.case.backend}
    return frozenset(piece for each in told for piece in telling(each))


def more_of(total: int, shown: int, what: str) -> str:
    """``and 4,980 more tokens``; empty where all are shown."""
    left = total - shown
    return f"and {count(left, f'more {what}')}" if left > 0 else ""
