"""What a token may do, in words: the same for the command line and the screen.

Nothing of it is kept: a system's rights change without a word to us, so they are read when
somebody looks, and the moment is told with them.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    resources: tuple[str, ...] = ()
    """On what, where rows differ in that only."""
    conditions: tuple[str, ...] = ()
    source: str = ""

    @property
    def only_if(self) -> str:
        """The conditions as half a sentence; empty where there are none."""
        return f", only if {' and '.join(self.conditions)}" if self.conditions else ""

    def what(self, most: int | None = None) -> str:
        """What it may do, on at most so many resources, with a count of the others."""
        named = self.resources[:most]
        left = len(self.resources) - len(named)
        words = [self.text, ", ".join(named), f"and {left:,} more" if left else ""]
        return " ".join(word for word in words if word)

    @property
    def whole(self) -> str:
        """All of it on one line, but for the sort."""
        source = f" ({self.source})" if self.source else ""
        return f"{self.what()}{self.only_if}{source}"


def clauses(permissions: Permissions) -> list[Clause]:
    """What a token may do, the worst first: ways to more, secrets, writing, reading, denials."""
    found = [_way(way) for way in permissions.elevations]
    secrets: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for row in permissions.secrets:
        secrets.setdefault((row.conditions, row.source), []).append(row.resource)
    for (conditions, source), resources in secrets.items():
        found.append(Clause(Sort.SECRETS, "", _once(resources), conditions, source))
    return found + _rights(permissions.rows)


def _way(way: Elevation) -> Clause:
    actions: dict[str, list[str]] = {}
    for row in way.by:
        actions.setdefault(row.resource, []).append(row.action)
    return Clause(
        Sort.WAY,
        f"{way.text}:",
        tuple(f"{', '.join(_once(words))} on {what}" for what, words in actions.items()),
        _once(text for row in way.by for text in row.conditions),
        "; ".join(_once(row.source for row in way.by if row.source)),
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


class _Kind(NamedTuple):
    rank: int
    actions: tuple[str, ...]
    conditions: tuple[str, ...]
    source: str


def _rights(rows: Iterable[Permission]) -> list[Clause]:
    """Rows as clauses: of one resource the actions together, then of the same actions the
    resources. Within a sort it is the backend's order."""
    by_resource: dict[tuple[object, ...], list[Permission]] = {}
    for row in rows:
        key = (row.resource, row.effect, row.conditions, row.source)
        by_resource.setdefault(key, []).append(row)
    kinds: dict[_Kind, list[str]] = {}
    for group in by_resource.values():
        actions = _once(row.action for row in group)
        kind = _Kind(min(map(_rank, group)), actions, group[0].conditions, group[0].source)
        kinds.setdefault(kind, []).append(group[0].resource)
    sorts = (Sort.MANAGES, Sort.WRITES, Sort.READS, Sort.DENIED)
    return [
        Clause(
            sorts[kind.rank],
            f"{', '.join(kind.actions)} on",
            tuple(resources),
            kind.conditions,
            kind.source,
        )
        for kind, resources in sorted(kinds.items(), key=lambda item: item[0].rank)
    ]


def _rank(row: Permission) -> int:
    return _DENIED if row.effect is PermissionEffect.DENY else _WORST[row.access]


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
        clause = Clause(Sort.READS, f"{row.action} on", (row.resource,), row.conditions, row.source)
        lines.append(f"  because {denied}{clause.whole}")
    if answer.detail:
        lines.append(f"  {answer.detail}")
    return lines
