"""Opening an incident, and taking tokens into one, from where the tokens are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from console.errors import UsageError
from console.timeline.when import moment_of
from console.tui.draw.lines import count
from console.tui.session.worker_link import WorkerError
from console.tui.views.act.view import ActView
from console.tui.views.asking import Asking, said_under
from console.tui.views.handlers import does
from console.tui.widgets.decide_bar import REASON, Question


class OpensIncidents(Asking):
    """A view from which an incident can be opened, with or without tokens."""

    async def open_incident(
        self, handles: Sequence[str] = (), leak: str = "", name: str = "this token"
    ) -> None:
        """Ask what happened, when it leaked, and why it is an incident; then open it."""
        questions = [
            Question("title", "title", "What happened, in a few words.", _title),
            Question("leaked", "leaked", "When? 6h, 3d, a time in UTC; - for not known.",
                     self._leak_given),
            REASON,
        ]  # fmt: skip
        if leak:
            questions = [questions[0], questions[2]]
        says = ["What is planned from then on carries its id."]
        if handles:
            many = count(len(handles), "token") if len(handles) > 1 else name
            says.append(f"Its scope begins with {many}.")
        fields: dict[str, Any] = {"what": "open", "handles": list(handles)}
        if leak:
            fields["leaked"] = leak
        lines = said_under("OPEN AN INCIDENT", says)
        await self.ask_for("OPEN AN INCIDENT", lines, questions, "incident", fields)

    def answered(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Times as they were typed become seconds."""
        if isinstance(leaked := fields.get("leaked"), str):
            text = leaked.strip()
            fields["leaked"] = 0 if text in ("", "-") else moment_of(text, self.world.now())
        if until := fields.pop("until", ""):
            at = datetime.fromisoformat(str(until)).replace(tzinfo=UTC)
            fields["expires"] = at.timestamp()
        return fields

    def _leak_given(self, typed: str) -> None:
        if typed.strip() in ("", "-"):
            return
        if moment_of(typed, self.world.now()) > self.world.now():
            raise UsageError("that lies in the future", "Give when it began.")


def _title(typed: str) -> None:
    if not typed.strip():
        raise UsageError("an incident needs a title", "npm token in a build log")


class ScopesTokens(ActView, OpensIncidents):
    """A view whose tokens can be taken into the incident that is worked on."""

    def leaked(self) -> str:
        """When it leaked, where that was told before, as it was typed; else empty."""
        return ""

    @does("scope")
    async def do_scope(self) -> None:
        """The tokens come into the incident worked on; where there is none, one is opened."""
        row = self.target()
        handles = self.marked() or ((row.handle,) if row is not None else ())
        if not self.world.incident:
            one = f"{row.name or row.id} on {row.backend}" if row is not None else "this token"
            await self.open_incident(handles, self.leaked(), one)
            return
        try:
            reply = await self.host.ask("incident", what="scope", handles=list(handles))
        except WorkerError as error:
            self.note(error.said, bad=True)
            return
        self.note(str(reply.get("says", "")))
