"""As whom a role can act: what it inherits, and whom it can become by ``SET ROLE``.

Since version 16 each membership says for itself whether it is inherited and whether it lets its
member become the role; before, a role inherits all of its memberships or none (``INHERIT``), and
can become each. Attributes such as ``SUPERUSER`` are never inherited: they come with ``SET ROLE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

PER_MEMBERSHIP = 160000
"""The version from which on a membership has options of its own."""


class Membership(NamedTuple):
    """One role granted to another, by their oids."""

    member: int
    role: int
    admin: bool
    inherit: bool
    set: bool


class Role(NamedTuple):
    """A role and its attributes."""

    oid: int
    name: str
    superuser: bool = False
    inherits: bool = True
    createrole: bool = False
    createdb: bool = False
    replication: bool = False
    bypassrls: bool = False


class Identity(NamedTuple):
    """One way to act: as the role itself, or after ``SET ROLE``.

    ``ways`` are the roles whose privileges hold then, each with the first role on the way to it
    ("" for the role itself and what it is a member of directly).
    """

    role: Role
    after: str
    """What has to be done first, in SQL; "" for the role as it logs in."""
    ways: Mapping[int, str]


class Tree:
    """The cluster's roles and memberships."""

    def __init__(
        self, roles: Iterable[Role], memberships: Iterable[Membership], version: int
    ) -> None:
        self.roles = {role.oid: role for role in roles}
        self._of: dict[int, list[Membership]] = {}
        for each in memberships:
            if version < PER_MEMBERSHIP:
                member = self.roles.get(each.member)
                each = each._replace(inherit=member is None or member.inherits, set=True)
            self._of.setdefault(each.member, []).append(each)

    def memberships(self, oid: int) -> tuple[Membership, ...]:
        """What a role is directly a member of."""
        return tuple(self._of.get(oid, ()))

    def inherited(self, oid: int) -> dict[int, str]:
        """The roles whose privileges a role has without doing anything, itself first."""
        return self._reached(oid, lambda each: each.inherit)

    def settable(self, oid: int) -> dict[int, str]:
        """The roles that a session of a role can become, other than itself."""
        reached = self._reached(oid, lambda each: each.set)
        del reached[oid]
        return reached

    def identities(self, oid: int) -> tuple[Identity, ...]:
        """All ways in which a role can act, as itself first."""
        itself = self.roles[oid]
        found = [Identity(itself, "", self.inherited(oid))]
        if itself.superuser:
            return tuple(found)
        for other in self.settable(oid):
            if role := self.roles.get(other):
                found.append(Identity(role, f"SET ROLE {role.name}", self.inherited(other)))
        return tuple(found)

    def _reached(self, oid: int, along: Callable[[Membership], bool]) -> dict[int, str]:
        ways = {oid: ""}
        queue = [oid]
        for holder in queue:
            for each in self._of.get(holder, ()):
                if along(each) and each.role not in ways:
                    passed = self.roles.get(holder)
                    first = ways[holder] or (passed.name if passed and holder != oid else "")
                    ways[each.role] = first
                    queue.append(each.role)
        return ways
