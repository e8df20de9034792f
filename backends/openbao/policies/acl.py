"""Stanzas merged as the server merges them, and the one that decides about a path.

Source: OpenBao's ``internal/vault/policy/acl.go`` (``NewACL``, ``AllowOperation``,
``CheckAllowedFromNonExactPaths``). An exact path wins; else the most specific pattern does, and
no other counts, so that a pattern without a capability takes away what a wider one gives.
Policies with the same path are added up, and a deny among them wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from backends.openbao.policies.pattern import covers, has_wildcards, may_cover
from backends.openbao.policies.stanza import CAPABILITIES, DENY, OF_VAULT, Limits, Stanza, merged
from backends.openbao.policies.template import templated
from backends.permissions import (
    Access,
    Answer,
    Decision,
    Permission,
    PermissionEffect,
    Permissions,
    weighed,
)

ROOT: Final = "root"
"""What the server calls the capability of its root policy."""
_READS: Final = ("read", "list", "scan")
_WITH_SUDO: Final = re.compile(
    r"(?P<ns>(?:[^/]+/)*?)(?:sys/(?:auth/.*|remount|audit|audit/.*|raw|raw/.*|rotate|"
    r"rotate/(?:keyring|root)|config/(?:cors|auditing/.*|ui/headers/.*)|plugins/catalog/.*|"
    r"revoke-(?:prefix|force)/.*|leases/(?:revoke-prefix|revoke-force|lookup)/.*|leases|"
    r"internal/inspect/.*)|auth/token/(?:revoke-orphan/.*|accessors.*))",
    re.DOTALL,
)
"""Paths on which the server asks for ``sudo`` besides the capability: ``PathsSpecial.Root`` of
its system backend and its token store."""


class Sourced(NamedTuple):
    """A stanza at its full path, and where its policy comes from."""

    path: str
    stanza: Stanza
    source: str
    doubt: tuple[str, ...] = ()
    """Conditions besides those of the policy: an address, a template that is not resolved."""


def rows_of(found: Iterable[Sourced]) -> tuple[Permission, ...]:
    """The rows of a token's stanzas, in their order, with the limits that are in force."""
    by_path: dict[str, list[Sourced]] = {}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    return tuple(row for path, all_ in by_path.items() for row in _rows(path, all_))


def _rows(path: str, found: Sequence[Sourced]) -> Iterable[Permission]:
    denying = [one for one in found if DENY in one.stanza.capabilities]
    if not denying and not any(one.stanza.capabilities for one in found):
        # A path without any capability hides what wider patterns give.
        denying = list(found)
    for one in denying:
        yield Permission(
            action=DENY, resource=path, effect=PermissionEffect.DENY, source=_source(one),
            conditions=tuple(text for text in one.doubt if templated(path)),
        )  # fmt: skip
    if denying:
        return
    limits, given = Limits(), frozenset[str]()
    for one in found:
        limits = merged(limits, one.stanza.limits)
        given |= one.stanza.capabilities
    missing = ("sudo on this path, which is not granted",) if _lacks_sudo(path, given) else ()
    for one in found:
        for action in (*CAPABILITIES, *OF_VAULT):
            if action in one.stanza.capabilities:
                yield Permission(
                    action=action,
                    resource=path,
                    access=_access(action),
                    conditions=(*limits.words(action), *missing, *one.doubt),
                    source=_source(one),
                )


def _source(one: Sourced) -> str:
    return one.source + (f", until {one.stanza.until}" if one.stanza.until else "")


def _access(action: str) -> Access:
    if action in _READS:
        return Access.READ
    return Access.ADMIN if action in ("sudo", ROOT) else Access.WRITE


def _lacks_sudo(path: str, given: Iterable[str]) -> bool:
    needs = _WITH_SUDO.fullmatch(path.removesuffix("*"))
    return needs is not None and not needs["ns"] and "sudo" not in given


class Acl:
    """The rows of a token, arranged so that the ones that decide about a path are found."""

    def __init__(self, rows: Iterable[Permission]) -> None:
        self.by_pattern: dict[str, list[Permission]] = {}
        self.root: list[Permission] = []
        self.loose: list[str] = []
        """Patterns with a template that is not resolved: each may be there or not."""
        for row in rows:
            if row.action == ROOT:
                self.root.append(row)
            else:
                self.by_pattern.setdefault(row.resource, []).append(row)
        self._exact, self._prefixes, self._wild = set[str](), set[str](), list[str]()
        for pattern in self.by_pattern:
            if templated(pattern):
                self.loose.append(pattern)
            elif has_wildcards(pattern):
                self._wild.append(pattern)
            elif pattern.endswith("*"):
                self._prefixes.add(pattern[:-1])
            else:
                self._exact.add(pattern)

    def deciding(self, path: str, *, listing: bool) -> str | None:
        """The pattern that decides about a path, without the loose ones; None where none does."""
        bare = path.removesuffix("/")
        if path in self._exact:
            return path
        if listing and bare in self._exact:
            return bare
        found = self._most_specific(path)
        if found is None and listing and bare != path:
            found = self._most_specific(bare)
        return found

    def _most_specific(self, path: str) -> str | None:
        found = [pattern for pattern in self._wild if covers(pattern, path)]
        for end in range(len(path), -1, -1):
            if path[:end] in self._prefixes:
                found.append(f"{path[:end]}*")
                break
        return max(found, key=_rank, default=None)

    def is_exact(self, pattern: str) -> bool:
        """Whether a pattern is one path, so that no other can be closer."""
        return pattern in self._exact


def _rank(pattern: str) -> tuple[int, bool, int, int, bytes]:
    """How specific a pattern is, greatest last; lengths are in bytes, as the server counts."""
    glob = pattern.endswith("*")
    bare = pattern.removesuffix("*").encode("utf-8", "surrogatepass")
    first = bare.find(b"+") if has_wildcards(pattern) else len(bare)
    plus = bare.split(b"/").count(b"+") if has_wildcards(pattern) else 0
    return first, not glob, -plus, len(bare), bare


def permits(permissions: Permissions, action: str, resource: str) -> Answer:
    """What the rows say of a capability on a path (``read`` on ``secret/data/app``)."""
    acl, path = Acl(permissions.rows), resource.lstrip("/")
    if acl.root:
        return _as_root(acl, permissions, path)
    if action in (ROOT, DENY):
        decision = Decision.DENIED if action == ROOT else Decision.UNKNOWN
        return weighed(Answer(decision), permissions)
    if action not in (*CAPABILITIES, *OF_VAULT):
        known = ", ".join(CAPABILITIES)
        return Answer(Decision.UNKNOWN, detail=f"it is none of the capabilities: {known}")
    listing = action in ("list", "scan")
    if listing and not path.endswith("/"):
        # The server adds the slash to every such request.
        path += "/"
    pattern = acl.deciding(path, listing=listing)
    answer = _by(acl, pattern, action, path)
    final = answer.decision is Decision.DENIED and pattern is not None and (
        acl.is_exact(pattern) and any(_denies(row) for row in acl.by_pattern[pattern])
    )  # fmt: skip
    if not final:
        answer = _with_loose(acl, answer, action, path)
    return weighed(answer, permissions, final=final)


def _as_root(acl: Acl, permissions: Permissions, path: str) -> Answer:
    for row in acl.root:
        if path.startswith(row.resource.removesuffix("*")):
            decision = Decision.CONDITIONAL if row.conditions else Decision.ALLOWED
            return Answer(decision, (row,))
    outside = Answer(Decision.DENIED, tuple(acl.root), "it is outside the root token's namespace")
    return weighed(outside, permissions)


def _denies(row: Permission) -> bool:
    return row.effect is PermissionEffect.DENY


def _by(acl: Acl, pattern: str | None, action: str, path: str) -> Answer:
    """What the rows of the pattern that decides say."""
    if pattern is None:
        return Answer(Decision.DENIED, detail="no policy has a path that covers it")
    rows = acl.by_pattern[pattern]
    giving = tuple(row for row in rows if row.action == action and not _denies(row))
    if not giving:
        denying = tuple(row for row in rows if _denies(row))
        why = f"{pattern} is the closest path, and it {'denies' if denying else 'does not give'} it"
        return Answer(Decision.DENIED, denying or tuple(rows), why)
    sudo = any(row.action == "sudo" for row in rows)
    needs = None if action == "sudo" else _WITH_SUDO.fullmatch(path.removesuffix("/"))
    if needs and not sudo and not needs["ns"]:
        return Answer(Decision.DENIED, giving, "the server asks for sudo here too")
    if needs and not sudo:
        why = f"if {needs['ns']} is a namespace, the server asks for sudo here too"
        return Answer(Decision.CONDITIONAL, giving, why)
    bound = all(row.conditions for row in giving)
    return Answer(Decision.CONDITIONAL if bound else Decision.ALLOWED, giving)


def _with_loose(acl: Acl, answer: Answer, action: str, path: str) -> Answer:
    """The answer, where a path whose template is not resolved might decide instead."""
    bearing = [pattern for pattern in acl.loose if may_cover(pattern, path)]
    rows = tuple(row for pattern in bearing for row in acl.by_pattern[pattern])
    giving = [any(row.action == action for row in acl.by_pattern[pattern]) for pattern in bearing]
    if answer.decision is Decision.DENIED and not any(giving):
        return answer
    if not bearing or (answer.decision is Decision.CONDITIONAL and all(giving)):
        return answer
    return Answer(
        Decision.CONDITIONAL, (*answer.because, *rows), "a path with a template may decide about it"
    )
