"""Plans as the product makes them, for tests that have backends and no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from backends.contract import Backend, Verb
from backends.model import Token
from console.inventory.search.inventory import Inventory
from console.response.plan import build
from console.response.plan.model import Plan


class Known:
    """As much of an inventory as a plan for listed tokens asks: these, and nothing else.

    None of them was ever used, as far as it knows.
    """

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = {token.ref.handle: token for token in tokens}

    def detail(self, handle: str) -> Any:
        if (token := self._tokens.get(handle)) is None:
            return None
        row = SimpleNamespace(name=token.name, owner=token.owner.value or "")
        return SimpleNamespace(token=token, row=row)

    def each(self, *_: object) -> Iterator[tuple[Any, Token]]:
        for token in self._tokens.values():
            yield SimpleNamespace(backend=token.ref.backend, presence="present"), token

    def below(self, *_: object, **__: object) -> list[Any]:
        return []

    def events(self, *_: object, **__: object) -> list[Any]:
        return []

    def backends(self) -> list[Any]:
        return []


async def planned(
    backend: Backend, verb: Verb, token: Token, reason: str, incident: str = "", **more: Any
) -> Plan:
    """The product's plan for one token. What else ``build_plan`` takes is handed on.

    ``among`` are the other tokens that the inventory knows.
    """
    return await planned_all([(backend, token)], verb, reason=reason, incident=incident, **more)


async def planned_all(
    found: Sequence[tuple[Backend, Token]],
    verb: Verb,
    *,
    reason: str,
    among: Sequence[Token] = (),
    **more: Any,
) -> Plan:
    """The same for several tokens, in the product's own order and waves."""
    backends: Mapping[str, Backend] = {backend.name: backend for backend, _ in found}
    tokens = [token for _, token in found]

    async def opened(name: str) -> Backend:
        return backends[name]

    return await build.build_plan(
        opened,
        cast(Inventory, Known([*among, *tokens])),
        verb,
        handles=[token.ref.handle for token in tokens],
        reason=reason,
        **more,
    )
