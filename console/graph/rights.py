"""What a token may do, in words: the same for the command line and the screen.

Nothing of it is kept: a system's rights change without a word to us, so they are read when
somebody looks, and the moment is told with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from backends.model import Gap
from backends.permissions import (
    Access,
    Answer,
    Decision,
    Elevation,
    Permission,
    PermissionEffect,
    Permissions,
)

_WORST: Final = {Access.ADMIN: 0, Access.WRITE: 1, Access.UNKNOWN: 1, Access.READ: 2}
_DENIED: Final = 3
NAMED: Final = 3
"""How many rows a way to more is told with; the rest is counted."""

EXIT: Final = {
    Decision.ALLOWED: 0,
    Decision.DENIED: 1,
    Decision.UNKNOWN: 3,
    Decision.CONDITIONAL: 4,
}
"""What ``reach --may`` ends with."""


class Sort(StrEnum):
    """What a clause tells, in the order in which they are told."""

    WAY = "admin by way of"
    SECRETS = "reads secrets"
    MANAGES = "manages"
    WRITES = "writes"
    READS = "reads"
    DENIED = "denied"


class Clause(NamedTuple):
    """One thing that a token may do. Its texts come from outside: not yet safe to print."""

    sort: Sort
    text: str
    conditions: tuple[str, ...] = ()
    source: str = ""

    @property
    def only_if(self) -> str:
        """The conditions as half a sentence; empty where there are none."""
        return f", only if {' and '.join(self.conditions)}" if self.conditions else ""

    @property
    def whole(self) -> str:
        """All of it on one line, but for the sort."""
        source = f" ({self.source})" if self.source else ""
        return f"{self.text}{self.only_if}{source}"


def clauses(permissions: Permissions) -> list[Clause]:
    """What a token may do, the worst first: ways to more, secrets, writing, reading, denials."""
    found = [_way(way) for way in permissions.elevations]
    found += [
        Clause(Sort.SECRETS, row.resource, row.conditions, row.source)
        for row in permissions.secrets
    ]
    return found + _rights(permissions.rows)


def _way(way: Elevation) -> Clause:
    rows = [f"{row.action} on {row.resource}" for row in way.by[:NAMED]]
    if len(way.by) > NAMED:
        rows.append(f"{len(way.by) - NAMED} more")
    conditions = dict.fromkeys(text for row in way.by for text in row.conditions)
    sources = dict.fromkeys(row.source for row in way.by if row.source)
    return Clause(Sort.WAY, f"{way.text}: {', '.join(rows)}", tuple(conditions), "; ".join(sources))


def _rights(rows: Iterable[Permission]) -> list[Clause]:
    """Rows that differ in their action only as one; in the backend's order within a sort."""
    grouped: dict[tuple[object, ...], list[Permission]] = {}
    for row in rows:
        key = (row.resource, row.effect, row.conditions, row.source)
        grouped.setdefault(key, []).append(row)
    ordered = sorted(grouped.values(), key=lambda group: min(map(_rank, group)))
    return [
        Clause(
            _sort(group),
            f"{', '.join(dict.fromkeys(row.action for row in group))} on {group[0].resource}",
            group[0].conditions,
            group[0].source,
        )
        for group in ordered
    ]


def _rank(row: Permission) -> int:
    return _DENIED if row.effect is PermissionEffect.DENY else _WORST[row.access]


def _sort(group: Sequence[Permission]) -> Sort:
    sorts = (Sort.MANAGES, Sort.WRITES, Sort.READS, Sort.DENIED)
    return sorts[min(map(_rank, group))]


def not_opened(permissions: Permissions) -> list[tuple[str, str]]:
    """What could not be opened, and what would mend it: never left out of anything shown."""
    return [
        *(_gap("not opened", gap) for gap in permissions.gaps),
        *(_gap("secrets may be missing", gap) for gap in permissions.secret_gaps),
    ]


def _gap(what: str, gap: Gap) -> tuple[str, str]:
    return f"{what}: {gap.what} ({gap.kind.value})", gap.hint


def answered(answer: Answer, action: str, resource: str) -> list[str]:
    """A decision in words: the decision, then each row that makes it, then what else there is."""
    lines = [f"{answer.decision.value}: {action} on {resource}"]
    for row in answer.because:
        denied = "denied: " if row.effect is PermissionEffect.DENY else ""
        clause = Clause(Sort.READS, f"{row.action} on {row.resource}", row.conditions, row.source)
        lines.append(f"  because {denied}{clause.whole}")
    if answer.detail:
        lines.append(f"  {answer.detail}")
    return lines
