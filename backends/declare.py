"""What a backend says of itself before it does anything, kind of token by kind of token.

The defaults are the careful ones: what is not declared is not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

import msgspec

from backends.model import Covers, EvidenceLevel


class Support(StrEnum):
    """How well a backend can do something, for one kind of token."""

    FULL = "full"
    PARTIAL = "partial"
    MANUAL = "manual"
    """Only a person can, outside the system's API."""
    NONE = "none"
    UNKNOWN = "unknown"


class Verb(StrEnum):
    """What can be done to a token."""

    CONTAIN = "contain"
    RESTORE = "restore"
    """The exact undo of contain."""
    ROTATE = "rotate"
    REVOKE = "revoke"
    DISCONNECT = "disconnect"


class Rotation(StrEnum):
    """The five ways in which systems replace a value, and "not known"."""

    IN_PLACE = "in place"
    """One call, same id, the old value dies at once."""
    REPLACE = "native replace"
    """One call, new id, the old token dies at once."""
    OVERLAP = "native overlap"
    """The old value stays valid for a while, by the system's own doing."""
    CREATE_RETIRE = "create, then retire"
    """Two tokens for a while; the console owns the order."""
    NO_API = "no API"
    """Only a person can mint the successor."""
    UNKNOWN = "not known"


class Retry(StrEnum):
    """What may be done when the answer to a call is lost."""

    FREE = "repeat freely"
    CONFIRM = "confirm, then repeat"
    """Read first: the repeat fails, or does harm, when the first call worked."""
    NEVER = "never"
    """A repeat mints, kills or burns something. Only reading may follow."""


class Readable(StrEnum):
    """What may be asked about a kind of token."""

    LIST = "list"
    OWNER = "owner"
    CREATED = "created"
    CREATOR = "creator"
    LAST_USED = "last used"
    GRANTS = "grants"
    EXPIRY = "expiry"
    PARENT = "parent"
    DEPENDENTS = "dependents"
    EVENTS = "events"
    IDENTIFY = "identify"
    PERMISSIONS = "permissions"
    """Its grants can be opened: what they let it do, row by row."""


class Ability(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a verb works on one kind of token. The defaults are the careful ones."""

    support: Support = Support.UNKNOWN
    reversible: bool = False
    retry: Retry = Retry.NEVER
    note: str = ""


class KindCapabilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Everything that a backend declares about one kind of token.

    ``propagation`` is how long the old value may go on working after the system said
    yes, at most; None means that nobody knows. ``propagation_least`` is how long it was always
    seen to go on: the least of the range. ``probe_effects`` lists what trying the secret
    does besides answering (writes an audit line, renews an idle timer); None means
    undeclared, and such a probe is not offered. ``probe_runs`` is how often in a row a value
    has to be refused until it counts as refused, ``probe_pause`` apart: some systems flicker
    while a change spreads, and one refusal shows nothing. One that is taken ends the run.
    ``slots`` is how many tokens of the kind
    one principal may have. ``ceiling`` is the highest evidence level that the system
    lets anyone reach. ``admin_grants`` names the grants with which one rules the system
    (the last token with one is not ended lightly). ``reuse_detection`` says that the system
    takes the second use of a replaced value for theft, and ends the successor too.
    ``covers`` is what ``events`` tells of such tokens: undeclared, its silence shows nothing.
    ``ends_children`` says whether the tokens that have one of the kind as parent end with
    it; undeclared, they are taken to.
    """

    kind: str
    title: str
    reads: Mapping[Readable, Support] = {}
    verbs: Mapping[Verb, Ability] = {}
    rotation: Rotation = Rotation.UNKNOWN
    propagation: timedelta | None = None
    propagation_least: timedelta = timedelta(0)
    probe_effects: tuple[str, ...] | None = None
    probe_runs: int = 1
    probe_pause: timedelta = timedelta(seconds=2)
    slots: int | None = None
    ceiling: EvidenceLevel = EvidenceLevel.ACCEPTED
    admin_grants: tuple[str, ...] = ()
    reuse_detection: bool = False
    covers: Covers = Covers.PART
    ends_children: bool = True
    notes: tuple[str, ...] = ()

    @property
    def tries(self) -> tuple[str, ...] | None:
        """What a try of the value does besides answering, the number of tries included.

        None: it is not declared, and no try is offered.
        """
        if self.probe_effects is None or self.probe_runs <= 1:
            return self.probe_effects
        apart = f"{self.probe_pause.total_seconds():g} s apart"
        return (*self.probe_effects, f"up to {self.probe_runs} tries, {apart}, until one is taken")

    @property
    def reach(self) -> EvidenceLevel:
        """The highest level that can be reached: no silence where no log has every use."""
        if self.covers.all_uses:
            return self.ceiling
        return min(self.ceiling, EvidenceLevel.REFUSED)

    def can_read(self, what: Readable) -> Support:
        """How well a property can be read; not known where nothing is declared."""
        return self.reads.get(what, Support.UNKNOWN)

    def ability(self, verb: Verb) -> Ability:
        """What is declared of a verb; an undeclared one is not offered and counts as dangerous."""
        return self.verbs.get(verb, Ability())


class Capabilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a backend can do, kind by kind. ``unlistable`` names what nobody can list.

    ``rate`` is how many changing calls a second the system takes; None where it is not
    known, and a careful number of the console's own is used.
    """

    kinds: tuple[KindCapabilities, ...]
    watch: Support = Support.NONE
    rate: float | None = None
    unlistable: tuple[str, ...] = ()

    def of(self, kind: str) -> KindCapabilities:
        """The declaration for a kind; an undeclared kind can do nothing."""
        for declared in self.kinds:
            if declared.kind == kind:
                return declared
        return KindCapabilities(kind=kind, title=kind)
