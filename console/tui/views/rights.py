"""What a token may do: its grants, opened by its system, as its page and the graph say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from backends.permissions import Permissions
from console.graph.rights import Clause, Sort, clauses, not_opened
from console.inventory.search.inventory import Row
from console.tui.draw import readings
from console.tui.draw.lines import Line, Part, Role, block, count
from console.tui.session.worker_link import WorkerError

if TYPE_CHECKING:
    from console.tui.views.base import ViewHost

LABEL = "MAY DO"
ROLES: dict[Sort, Role] = {
    Sort.WAY: "bad", Sort.SECRETS: "warn", Sort.MANAGES: "warn", Sort.DENIED: "dim",
}  # fmt: skip
NAMED = 4
"""Resources that a clause names, and a way to more one; the rest of them is counted."""
LONGEST = 200
"""Signs of one right: its patterns come from outside, and none is to push out the others."""


class Rights(NamedTuple):
    """What is known of a token's rights. ``found`` None means: being read, or not told, and then
    ``trouble`` says why."""

    found: Permissions | None = None
    trouble: str = ""


async def ask(host: ViewHost, handle: str) -> Rights:
    """A token's rights as its system tells them now, or why it does not."""
    try:
        reply = await host.ask("permissions", handle=handle)
        return Rights(msgspec.convert(reply["permissions"], Permissions))
    except WorkerError as error:
        return Rights(None, error.said)
    except (msgspec.ValidationError, KeyError):
        return Rights(None, "the answer cannot be read")


def may_do(rights: Rights, row: Row, now: float, width: int, room: int) -> list[Line]:
    """The rights in at most about ``room`` lines, the worst first, with a count of the rest.

    What could not be opened is never cut.
    """
    found = rights.found
    if found is None:
        if row.presence == "gone":
            return list(block(LABEL, [("its system does not have it any more", "dim")], width))
        word = rights.trouble or f"asking {row.backend} …"
        role: Role = "warn" if rights.trouble else "dim"
        return list(block(LABEL, [(word, role)], width))
    told = clauses(found)
    lines: list[Line] = []
    shown = 0
    for clause in told:
        more = block("" if lines else LABEL, _parts(clause), width, longest=LONGEST)
        if lines and len(lines) + len(more) > room:
            break
        lines += more
        shown += 1
    if not told:
        none = "nothing that could be opened" if found.gaps else "nothing"
        lines += block(LABEL, [(none, "warn" if found.gaps else "")], width)
    if left := told[shown:]:
        ways = sum(clause.sort is Sort.WAY for clause in left)
        also = f" ({count(ways, 'way')} to more among them)" if ways else ""
        rest = f"and {len(left):,} more{also}: token-console reach {row.handle}"
        lines += block("", [(rest, "bold")], width)
    for text, hint in not_opened(found):
        lines += block("", [(f"{text}.", "warn"), (f" {hint}" if hint else "", "")], width)
    whose = f"the rights of {found.subject}, " if found.subject else ""
    read = readings.ago(found.as_of.timestamp(), now)
    lines += block("", [(f"({whose}read {read} ago; kept nowhere)", "dim")], width)
    return lines


def _parts(clause: Clause) -> list[Part]:
    most = 1 if clause.sort is Sort.WAY else NAMED
    parts: list[Part] = [(f"{clause.sort.value}: ", ROLES.get(clause.sort, ""))]
    parts.append((clause.what(most), ""))
    if clause.conditions:
        parts.append((clause.only_if, "warn"))
    if clause.source:
        parts.append((f" ({clause.source})", "dim"))
    return parts
