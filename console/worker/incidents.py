"""What the screen decides about incidents: each is one call of the service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backends.words import count
from console.errors import UsageError
from console.fleet import Fleet
from console.incident import active, further, scoping, service
from console.incident.record import Incident, find, fold
from console.incident.service import NewIncident
from console.journal import opening
from console.worker.acts import Answer

LEAST_REST, RESTRAINT = 20.0, 20
"""Seconds between two looks at closed incidents, and how many times as long as one took."""

Decide = Callable[[Mapping[str, Any]], str]
"""Carries out what a request says, and says what came of it."""


class Incidents:
    """Serves the requests of one screen about incidents."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._paths = fleet.paths
        self._watch_after = 0.0
        self.requests: dict[str, Callable[[Mapping[str, Any]], Awaitable[Answer]]] = {
            "incident": self.decide
        }
        self._kinds: dict[str, Decide] = {
            "open": self._open,
            "scope": self._scope,
            "again": self._again,
            "note": self._note,
            "assign": self._assign,
            "except": self._except,
            "accept": self._accept,
            "settle": self._settle,
            "close": self._close,
            "reopen": self._reopen,
            "use": self._use,
        }

    async def decide(self, request: Mapping[str, Any]) -> Answer:
        """Carry out one decision, in a thread: it waits for the disk.

        Raises:
            UsageError: it is none that is known, or the service refuses it.
        """
        what = str(request.get("what", ""))
        if what == "further":
            return await self._further(self._which(request))
        if what == "pack":
            return await asyncio.to_thread(self._pack, request)
        if what not in self._kinds:
            raise UsageError(f"nothing about an incident is called {what!r}")
        return {"says": await asyncio.to_thread(self._kinds[what], request)}

    async def _further(self, id_: str) -> Answer:
        """What the tokens of its scope can read; whose values lie there comes into it."""
        with opening.view(self._paths) as view:
            incident = find(id_, fold(view.cases()).values())
        found = await further.further(incident, self._paths, self._fleet)
        says = "Nothing comes into the scope."
        if found.handles:
            reason = further.REASON
            told = await asyncio.to_thread(
                scoping.widen, self._paths, id_, handles=found.handles, reason=reason
            )
            says = f"{id_}: {_scoped(told)}."
        return {"says": says, "lines": [*further.lines(found), *found.not_known]}

    async def watch(self) -> list[str]:
        """Open again what is not over: a sentence for each, for whoever has just read logs.

        Rests in between: to look at every closed incident is work, and more with each year.
        """
        began = time.monotonic()
        if began < self._watch_after:
            return []
        told = await asyncio.to_thread(service.watch, self._paths)
        ended = time.monotonic()
        self._watch_after = ended + max(LEAST_REST, RESTRAINT * (ended - began))
        return [f"{id_} is open again: {why}" for id_, why in told]

    def _open(self, request: Mapping[str, Any]) -> str:
        incident = service.begin(
            self._paths,
            NewIncident(
                title=str(request.get("title", "")),
                reason=str(request.get("reason", "")),
                severity=str(request.get("severity") or "high"),
                leaked=float(request.get("leaked") or 0),
            ),
        )
        handles = [str(handle) for handle in request.get("handles", ())]
        if not handles:
            return f"{incident.id} is open; what is planned from here on carries it."
        told = scoping.widen(self._paths, incident.id, handles=handles)
        return f"{incident.id} is open with {_scoped(told)}."

    def _scope(self, request: Mapping[str, Any]) -> str:
        told = scoping.widen(
            self._paths,
            self._which(request),
            query=str(request.get("query", "")),
            handles=[str(handle) for handle in request.get("handles", ())],
        )
        return f"{self._which(request)}: {_scoped(told)}."

    def _again(self, request: Mapping[str, Any]) -> str:
        return (
            f"{self._which(request)}: {_scoped(scoping.again(self._paths, self._which(request)))}."
        )

    def _note(self, request: Mapping[str, Any]) -> str:
        found = service.note(self._paths, self._which(request), str(request.get("reason", "")))
        return f"It is on the record of {found.id}."

    def _assign(self, request: Mapping[str, Any]) -> str:
        person, role = str(request.get("person", "")), str(request.get("role", ""))
        found = service.assign(self._paths, self._which(request), person, role=role)
        return f"{person} is {role} in {found.id}."

    def _except(self, request: Mapping[str, Any]) -> str:
        found = service.let_be(
            self._paths,
            self._which(request),
            str(request.get("handle", "")),
            person=str(request.get("owner", "")),
            expires=float(request.get("expires") or 0),
            reason=str(request.get("reason", "")),
        )
        return f"It is let be in {found.id}."

    def _accept(self, request: Mapping[str, Any]) -> str:
        found = service.accept(
            self._paths,
            self._which(request),
            [str(hole) for hole in request.get("holes", ())],
            person=str(request.get("owner", "")),
            reason=str(request.get("reason", "")),
        )
        return f"That it was not seen is accepted in {found.id}."

    def _settle(self, request: Mapping[str, Any]) -> str:
        found = service.settle(
            self._paths,
            self._which(request),
            [str(each) for each in request.get("differences", ())],
            str(request.get("reason", "")),
        )
        return f"{count(len(found.unsettled), 'difference')} left to settle in {found.id}."

    def _close(self, request: Mapping[str, Any]) -> str:
        reason = str(request.get("reason", ""))
        return f"{service.close(self._paths, self._which(request), reason).incident.id} is closed."

    def _reopen(self, request: Mapping[str, Any]) -> str:
        reason = str(request.get("reason", ""))
        return f"{service.reopen(self._paths, self._which(request), reason).id} is open again."

    def _use(self, request: Mapping[str, Any]) -> str:
        id_ = str(request.get("incident", ""))
        if id_:
            active.choose(self._paths, id_)
            return f"What is planned from here on carries {id_}."
        active.choose(self._paths, "")
        return "You are at work on no incident."

    def _pack(self, request: Mapping[str, Any]) -> Answer:
        """Write the evidence pack; the answer has all that its reader needs, to copy."""
        from console.incident.pack.write import Wish, write  # Most never write one.

        id_ = self._which(request)
        given = str(request.get("directory", "")).strip()
        if given in ("", "-"):
            given = f"{id_}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        redacted = str(request.get("redacted", "")).strip().lower() == "y"
        wish = Wish(directory=Path(given).expanduser().absolute(), redacted=redacted)
        made = write(self._paths, id_, wish)
        labels = (
            [f"What each label stands for, for nobody else: {made.labels}"] if made.labels else []
        )
        return {
            "says": f"{count(made.files, 'file')} in {made.directory.name}",
            "lines": [
                f"The evidence pack: {made.directory}",
                f"The same, packed: {made.archive}",
                *labels,
                "Check it without this program; VERIFY.md in it says more:",
                f"cd {made.directory}",
                f"sh verify.sh '{made.vkey}'",
            ],
            "command": f"incident pack {id_} DIR",
        }

    def _which(self, request: Mapping[str, Any]) -> str:
        """The incident that is meant: the one worked on, where none is named."""
        if given := str(request.get("incident", "")):
            return given
        found: Incident | None = active.current(self._paths)
        if found is None:
            raise UsageError("you are at work on no incident", "Open one, or choose one: key M.")
        return found.id


def _scoped(told: scoping.Scoped) -> str:
    unseen = f", {count(len(told.holes), 'part')} of their systems not seen" if told.holes else ""
    return f"{told.added:,} of {count(told.found, 'token')} new in the scope{unseen}"
