"""Backends that tell of many tokens at a time what is not so: mutants of one that is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from bulk_estate import TellsOfMany

from backends.contract import Outcome, OutcomeState, Step
from backends.model import Token, TokenRef, never


class ReadsManyLoosely(TellsOfMany):
    """Reads many from another place than one, which knows of no owner."""

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        found = await super().read_many(refs)
        return {
            ref: msgspec.structs.replace(token, owner=never("list")) for ref, token in found.items()
        }


class OnePageIsTheList(TellsOfMany):
    """Takes what is not on the first page of its list for gone."""

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        there: set[TokenRef] = set()
        async for found in self.inventory():
            if not isinstance(found, Token):
                break
            there.add(found.ref)
        return frozenset(token.ref for token in tokens if token.ref not in there)


class TellsNothing(TellsOfMany):
    """Declares that it tells of many, and does not."""

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        return frozenset()


class SureOfNothing(TellsOfMany):
    """Declares its call to be sure, and says yes to a second one."""

    async def perform(self, step: Step) -> Outcome:
        outcome: Any = await super().perform(step)
        if outcome.state is OutcomeState.ALREADY:
            return msgspec.structs.replace(outcome, state=OutcomeState.APPLIED)
        return outcome


class NamesNoLine(TellsOfMany):
    """Finds its log's lines by what it has read itself alone, whatever names a plan has."""

    async def read(self, ref: TokenRef) -> Token:
        token = await super().read(ref)
        self.__dict__.setdefault("known", set()).add(ref)
        return token

    async def events(self, since: Any, until: Any = None) -> Any:
        async for found in super().events(since, until):
            known = self.__dict__.get("known", set())
            if getattr(found, "token", None) in known or not hasattr(found, "token"):
                yield found
