"""What the configuration asks for before a plan may be carried out, as it stands now.

Read anew at each approval and at each start, and never taken from a plan: a plan is a file
of its user's. Which configuration counted is in the journal: its digest in every session
and plan entry, and an entry of its own where it is another one than before.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from backends.words import count
from console.journal.entry import Config, Kind, SchemaError
from console.journal.who import host
from console.response import facts
from console.response.plan import Plan
from console.settings import JournalSettings, Paths, ResponseSettings, Settings, load

if TYPE_CHECKING:
    from console.journal.log import Journal
    from console.journal.ssh.allowed import AllowedSigners

NO_LIST = (
    "there is no list of allowed signers ([journal] allowed_signers), so nobody counts as a "
    "second person: only break-glass lets it go"
)
_LOOKED_AT = 200
"""Entries about configurations that are looked at: a shared journal has those of many people."""


class Rules:
    """The rules of one moment. ``settings`` is None where there is no configuration file."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings
        self.journal = settings.journal if settings is not None else JournalSettings()
        self.response = settings.response if settings is not None else ResponseSettings()

    @classmethod
    def now(cls, paths: Paths) -> Self:
        """The rules as the file has them at this moment.

        Raises:
            SettingsError: the file cannot be read.
        """
        return cls(load(paths.config) if paths.config.exists() else None)

    @property
    def production(self) -> frozenset[str]:
        """The backends that the configuration calls production."""
        tables = self.settings.backends if self.settings is not None else ()
        return frozenset(each.name for each in tables if each.table.get("production"))

    def second_person(self, plan: Plan) -> str:
        """Why the plan needs a second person; empty when it does not.

        Says also where nobody could be one.
        """
        why = self._why(plan)
        if why and self.journal.allowed_signers is None:
            return f"{why}; {NO_LIST}"
        return why

    def _why(self, plan: Plan) -> str:
        over = self.response.second_person_over
        if len(plan.items) > over:
            return f"{count(len(plan.items), 'token')}, more than {over:,}"
        # What the plan says of its backends is not asked: it could have been changed.
        found = sorted(self.production & {item.backend for item in plan.items})
        if self.response.second_person_production and found:
            shown = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
            return f"{shown} {'is' if len(found) == 1 else 'are'} production"
        return ""

    @cached_property
    def signers(self) -> AllowedSigners | None:
        """Who may sign; None where the configuration names no list.

        Raises:
            AllowedSignersError: the list cannot be used.
        """
        if self.journal.allowed_signers is None:
            return None
        # Here, since whoever only looks needs nothing of SSH.
        from console.journal.ssh.allowed import AllowedSigners

        return AllowedSigners.load(self.journal.allowed_signers)

    @cached_property
    def mark(self) -> Config:
        """What an entry says of the configuration in force. Raises ``AllowedSignersError``."""
        return Config(
            sha256=self.settings.sha256 if self.settings is not None else "",
            signers=self.signers.sha256 if self.signers is not None else "",
        )

    @property
    def words(self) -> str:
        """What they ask for, for people."""
        over = f"second person over {count(self.response.second_person_over, 'token')}"
        names = ", ".join(sorted(self.production)) or "none"
        asks = "needs one" if self.response.second_person_production else "needs NONE"
        if self.signers is None:
            signers = "no list of allowed signers"
        else:
            signers = count(len(self.signers.lines), "allowed signer")
        return facts.words(
            f"{over}; production ({names}) {asks}; signatures {self.journal.signatures}; {signers}"
        )

    def tell(self, journal: Journal) -> None:
        """Put it into the journal when this is another configuration than this user's last one.

        Raises:
            AllowedSignersError: the list cannot be used.
            JournalError: the journal cannot take it.
        """
        here, uid = host().machine, journal.who.kernel.uid
        for entry in journal.entries(_LOOKED_AT, kind=Kind.CONFIG):
            try:
                body = entry.body
            except SchemaError:
                continue
            if (body.host.machine, body.who.kernel.uid) == (here, uid):
                known = body.config
                if known is not None and (known.sha256, known.signers) == (
                    self.mark.sha256,
                    self.mark.signers,
                ):
                    return
                break
        journal.append(
            Kind.CONFIG,
            config=Config(sha256=self.mark.sha256, signers=self.mark.signers, rules=self.words),
        )
