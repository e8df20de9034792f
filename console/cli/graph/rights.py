"""What a token may do: a part of ``reach``, and the answer to ``reach --may``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from backends.model import TokenRef
from backends.permissions import Permissions
from console import settings
from console.cli.shell import output
from console.errors import ConsoleError, Exit
from console.graph import export
from console.graph.rights import EXIT, answered, clauses, not_opened
from console.inventory.search.inventory import Row
from console.settings import Paths
from console.text import age


class Opened(NamedTuple):
    """A token's rights as its system told them, or why it did not."""

    found: Permissions | None
    trouble: str = ""
    hint: str = ""

    def document(self) -> dict[str, Any]:
        """For a program: the rights as they are, or the trouble."""
        if self.found is None:
            return {"error": self.trouble, "hint": self.hint}
        told: dict[str, Any] = msgspec.to_builtins(self.found)
        return told

    def show(self) -> None:
        """For people: what it may do, the worst first; then what could not be opened."""
        if self.found is None:
            _note([(f"not known: what it may do: {self.trouble}", self.hint)])
            return
        told = clauses(self.found)
        whose = f", as {self.found.subject}" if self.found.subject else ""
        passed = age(max(time.time() - self.found.as_of.timestamp(), 0))
        output.line(f"it may{whose}, read {passed} ago:")
        for clause in told:
            output.line(f"  {clause.sort.value}: {clause.whole}")
        if not told:
            output.line("  nothing that could be opened" if self.found.gaps else "  nothing")
        _note(not_opened(self.found))


def _note(told: Sequence[tuple[str, str]]) -> None:
    for text, hint in told:
        output.note(text)
        for line in hint.splitlines():
            output.note(f"  {line}")


def opened(where: Paths, row: Row) -> Opened:
    """A token's rights, asked for now."""
    from backends.errors import BackendError
    from console.fleet import Fleet

    async def ask() -> Permissions:
        async with Fleet(settings.load(where.config), where) as fleet:
            return await fleet.permissions(TokenRef(row.backend, row.kind, row.id))

    try:
        return Opened(asyncio.run(ask()))
    except (BackendError, ConsoleError) as error:
        return Opened(None, f"{row.backend} could not tell: {error}", error.hint)


def may(where: Paths, row: Row, action: str, resource: str, *, as_json: bool) -> int:
    """Answer one question about a token. What could not be asked is unknown, and no."""
    from backends.errors import BackendError
    from console.fleet import Fleet

    async def ask() -> tuple[Permissions, Any]:
        async with Fleet(settings.load(where.config), where) as fleet:
            ref = TokenRef(row.backend, row.kind, row.id)
            return await fleet.may(ref, action, resource)

    try:
        found, answer = asyncio.run(ask())
    except BackendError as error:
        if as_json:
            print(export.dumps({"decision": "unknown", "error": str(error), "hint": error.hint}))
        else:
            output.line(f"unknown: {action} on {resource}")
            output.error(f"{row.backend} could not tell: {error}", error.hint)
        return Exit.PARTIAL
    if any(sign in resource for sign in "*?+"):
        output.note("asked of this very name: a pattern stands for many, which may differ")
    if as_json:
        told = msgspec.to_builtins(answer) | {"as_of": found.as_of.isoformat()}
        told["not_opened"] = [text for text, _ in not_opened(found)]
        print(export.dumps(told))
    else:
        for line in answered(answer, action, resource):
            output.line(line)
        _note(not_opened(msgspec.structs.replace(found, secret_gaps=())))
    return EXIT[answer.decision]
