"""What the tests of sinks share: a token, a value, and a delivery as the runner makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from backends.contract import Outcome, Step
from backends.model import Secret, Token, TokenRef
from backends.permit import Permit
from backends.sinks import Sink, configure

INTENT = "019ab0c2-7d5e-7f00-8a01-000000000001"
VALUE = 'canary-"new" välue/+= 4711'
"""With what needs quoting in JSON, in addresses and in shells."""


def token(name: str = "billing", id_: str = "acc-1") -> Token:
    return Token(ref=TokenRef("bao", "service", id_), name=name, scope="")


def made(table: Mapping[str, Any]) -> Sink:
    return configure("drop", table, act=True)


def deliver(
    table: Mapping[str, Any], value: str = VALUE, *, intent: str = INTENT, name: str = "billing"
) -> tuple[Step, Outcome, Secret | None]:
    """Plan, perform, read back. The answer's and the plan's texts must not hold the value."""

    async def go() -> tuple[Step, Outcome, Secret | None]:
        async with made(table) as sink:
            step = sink.plan(token(name))
            with Permit(intent, step, value=Secret(value)).active():
                outcome = await sink.perform(step)
            return step, outcome, await sink.read(step) if sink.can_read else None

    step, outcome, read = asyncio.run(go())
    assert value not in repr((step, outcome))
    return step, outcome, read


def check(table: Mapping[str, Any]) -> str:
    async def go() -> str:
        async with made(table) as sink:
            return await sink.check(sink.plan(token()))

    return asyncio.run(go())


def read(table: Mapping[str, Any]) -> Secret | None:
    async def go() -> Secret | None:
        async with made(table) as sink:
            return await sink.read(sink.plan(token()))

    return asyncio.run(go())
