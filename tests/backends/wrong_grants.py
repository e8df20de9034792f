"""Backends that tell a token's rights wrongly, each in one way: mutants of the estate's."""

from __future__ import annotations

import msgspec

from backends.contract import Verb
from backends.estate import Estate
from backends.model import Secret, Token
from backends.permissions import (
    Answer,
    Decision,
    Elevation,
    Permission,
    PermissionEffect,
    Permissions,
)


class OpensNothing(Estate):
    """Gives an empty answer for grants that it has not opened."""

    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        return msgspec.structs.replace(found, rows=(), secrets=(), elevations=())


class NamesNoSource(Estate):
    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        rows = tuple(msgspec.structs.replace(row, source="") for row in found.rows)
        return msgspec.structs.replace(found, rows=rows)


class NamesNoWay(Estate):
    """Says "admin", and not by which row."""

    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        return msgspec.structs.replace(found, elevations=(Elevation("admin", "may do all"),))


class RightsOfAnother(Estate):
    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        return msgspec.structs.replace(
            found, ref=msgspec.structs.replace(found.ref, id=f"{found.ref.id}x")
        )


class TriesThemOut(Estate):
    """Finds out what a token may do by ending it."""

    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        self.world.change(Verb.REVOKE, self.spec.name, token.ref.id)
        self.world.travel(120)
        return found


class ValueInARow(Estate):
    """A policy holds the value, and a condition repeats it."""

    async def permissions(self, token: Token) -> Permissions:
        found = await super().permissions(token)
        value: Secret = self.world.secret(self.spec.name, token.ref.id)
        condition = (f"allowed_parameters password = {value.reveal()}",)
        rows = tuple(msgspec.structs.replace(row, conditions=condition) for row in found.rows)
        return msgspec.structs.replace(found, rows=rows)


class DeniesAll(Estate):
    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        return Answer(Decision.DENIED)


class AllowsWhatIsDenied(Estate):
    """Lets any row that bears on the question allow it, a deny too."""

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        rows: tuple[Permission, ...] = tuple(
            msgspec.structs.replace(row, effect=PermissionEffect.ALLOW) for row in permissions.rows
        )
        turned = msgspec.structs.replace(permissions, rows=rows)
        answer = super().permits(turned, action, resource)
        return msgspec.structs.replace(answer, because=())


class DeniesInTheDark(Estate):
    """Takes a grant that it could not open for one that gives nothing."""

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        return super().permits(msgspec.structs.replace(permissions, gaps=()), action, resource)


class AllowsWithoutARow(Estate):
    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        return Answer(Decision.ALLOWED)
