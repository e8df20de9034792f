"""A plan: what will be done to one token or to thousands, call by call, and every reason not to.

A plan is immutable. It is kept as a file (see ``plan/file``) whose SHA-256 goes into the
journal when it is approved; the runner carries out that file or none. A run is the
execution of a plan, and has its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

import msgspec

from backends.contract import Hazard, Proposal, Step, Verb
from backends.model import EvidenceLevel, Gap, Token, TokenRef, encode
from console.errors import PlanRefused
from console.text import safe

VERSION = 2
GONE_ALREADY = "nothing to do: the system has no such token any more"
"""The card of a token that was gone before the plan: no call, and proof is still looked for."""
TYPEABLE = 48
"""Characters. A longer name is confirmed by its handle, since typing it is no safeguard."""


class Mode(StrEnum):
    """Why a value is replaced or ended, which decides what may live on for a while."""

    ROUTINE = "routine"
    """The old value ends when its consumers have moved; a grace period is let run."""
    LEAK = "leak"
    """Somebody else has the value: nothing waits, and predecessors and grace values end too."""


class PlanItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What will be done to one token of a plan.

    ``proposal`` holds the exact calls and the hazards; its steps' ids begin with the item's
    number and are unique in the plan. ``wave`` 0 is the canary. ``why`` says in words why
    the item stands where it does, ``matched`` what of the token the scope's query holds for.
    ``instead`` are, where only a person can do it, the other verbs for which the system was
    seen to have a call.
    """

    number: int
    verb: Verb
    token: Token
    backend: str
    kind_title: str
    proposal: Proposal
    ceiling: EvidenceLevel
    production: bool = False
    propagation: timedelta | None = None
    probe_effects: tuple[str, ...] | None = None
    wave: int = 0
    why: str = ""
    matched: str = ""
    instead: tuple[Verb, ...] = ()

    @property
    def fatal(self) -> tuple[Hazard, ...]:
        """The hazards that nobody can answer away: the item's calls are not made."""
        return tuple(hazard for hazard in self.proposal.hazards if hazard.fatal)

    @property
    def questions(self) -> tuple[Hazard, ...]:
        """The hazards that have to be answered before the plan is approved."""
        return tuple(hazard for hazard in self.proposal.hazards if not hazard.fatal)

    @property
    def by_hand(self) -> bool:
        """Whether only a person can do it. It closes by evidence, as every other does."""
        return not self.proposal.steps

    @property
    def gone_already(self) -> bool:
        """Whether the system had no such token any more when the plan was made."""
        return self.by_hand and self.proposal.manual == GONE_ALREADY


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A token that the query finds and the plan does not have, and why."""

    ref: TokenRef
    name: str
    why: str


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the tokens of a plan were found, and what was known not to be seen at that moment.

    ``query`` finds the same again, with its free words as ``text:``; ``listed`` are handles
    that were named one by one. ``left_out`` are tokens that the query finds and that are not
    planned. ``beside`` counts those that hold its free words only in what a plan does not
    look at: backend, kind, scope and grants. ``gaps`` pairs a backend with what its last
    enumeration did not see; ``principals`` pairs a backend with the ids of whom the tokens
    speak for, so that what they mint later is noticed.
    """

    frozen_at: datetime
    total: int
    query: str = ""
    listed: tuple[str, ...] = ()
    gaps: tuple[tuple[str, Gap], ...] = ()
    principals: tuple[tuple[str, str], ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    beside: int = 0


def typed_word(token: Token) -> str:
    """What a person types to confirm something about one token: its name, or its handle."""
    name = safe(token.name)
    plain = name.isascii() and name == token.name and " ".join(name.split()) == name
    return name if plain and 0 < len(name) <= TYPEABLE else token.ref.handle


class Raised(msgspec.Struct, frozen=True):
    """A hazard of a plan, and the numbers of the items that it stands at."""

    hazard: Hazard
    items: tuple[int, ...]


class PlannedPace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How fast a backend without a rate is to be called: as it answers, within these.

    ``start`` calls at a time at first, and with ``waits`` until its canary is proved; ``most``
    at the most. ``expected`` is an estimate of calls a second, 0 for none, and ``why`` its reason.
    """

    start: int = 4
    most: int = 16
    waits: bool = False
    expected: float = 0.0
    why: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What will be done, and on whose word.

    ``sinks`` names where a rotation delivers the new values, ``escrow`` the public keys
    that each is sealed to first. ``rates`` has the most changing calls a second of each backend
    that has a rate, ``paces`` is for the others; ``budget`` so many failures halt a backend's
    lane. ``extends`` is the plan whose late arrivals this one takes in. ``probe`` says that the
    responder agreed to have the old values tried. Whether a second person is needed is not in
    here: see ``approve/requirements``.
    """

    id: str
    verb: Verb
    reason: str
    made_at: datetime
    items: tuple[PlanItem, ...]
    mode: Mode = Mode.ROUTINE
    incident: str = ""
    scope: Scope | None = None
    sinks: tuple[str, ...] = ()
    escrow: tuple[str, ...] = ()
    rates: Mapping[str, float] = {}
    paces: Mapping[str, PlannedPace] = {}
    budget: int = 3
    extends: str = ""
    probe: bool = False
    version: int = VERSION

    @property
    def only(self) -> PlanItem:
        """The item of a plan that has one. Raises ``PlanRefused`` for any other."""
        if len(self.items) != 1:
            raise PlanRefused(
                f"the plan is about {len(self.items):,} tokens, not one", "Use: token-console run."
            )
        return self.items[0]

    @property
    def typed_word(self) -> str:
        """What a person types to confirm: the one token's name as the screen shows it.

        The handle instead, where the name is too long, empty, or not plain ASCII: it could
        look like another token's name, and not everybody could type it. For several tokens,
        how many they are.
        """
        if len(self.items) != 1:
            return f"{len(self.items)} tokens"
        return typed_word(self.items[0].token)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that the plan acts on, in the order of its items."""
        return tuple(dict.fromkeys(item.backend for item in self.items))

    @property
    def steps(self) -> int:
        """How many calls the plan makes when all goes well."""
        return sum(len(item.proposal.steps) for item in self.items)

    @property
    def hazards(self) -> tuple[Raised, ...]:
        """Every hazard once, by its code, fatal ones first; the text is that of its first item."""
        first: dict[tuple[bool, str], Hazard] = {}
        where: dict[tuple[bool, str], list[int]] = {}
        for item in self.items:
            for hazard in item.proposal.hazards:
                key = (not hazard.fatal, hazard.code)
                first.setdefault(key, hazard)
                where.setdefault(key, []).append(item.number)
        return tuple(
            Raised(first[key], tuple(dict.fromkeys(where[key])))
            for key in sorted(first, key=lambda key: key[0])
        )

    @property
    def questions(self) -> tuple[Raised, ...]:
        """The hazards that have to be answered, each with a reason, before the approval."""
        return tuple(raised for raised in self.hazards if not raised.hazard.fatal)

    @cached_property
    def _numbered(self) -> dict[int, PlanItem]:
        return {item.number: item for item in self.items}

    @cached_property
    def _stepped(self) -> dict[str, tuple[PlanItem, Step]]:
        return {
            step.id: (item, step)
            for item in self.items
            for step in (*item.proposal.steps, *item.proposal.undo_steps)
        }

    def item(self, number: int) -> PlanItem | None:
        """The item with a number."""
        return self._numbered.get(number)

    def step(self, id_: str) -> tuple[PlanItem, Step] | None:
        """The item and the planned step with an id."""
        return self._stepped.get(id_)


def refuse_fatal(plan: Plan) -> None:
    """Refuse a plan of which nothing at all may be carried out.

    In a plan for many, an item with a fatal hazard is left alone and counts as failed
    until somebody excepts it: it must not keep the others from being dealt with.

    Raises:
        PlanRefused: every item has a hazard that nobody can answer away, or there is none.
    """
    if not plan.items:
        raise PlanRefused("the plan has no tokens", "Choose others: nothing was sent.")
    if all(item.fatal for item in plan.items):
        words = dict.fromkeys(hazard.text for item in plan.items for hazard in item.fatal)
        raise PlanRefused(
            " ".join(list(words)[:3]), "Nothing was sent, and no answer can change that."
        )


def digest(plan: Plan) -> str:
    """The SHA-256 of the plan's file, in hexadecimal."""
    return hashlib.sha256(encode(plan)).hexdigest()
