"""Many questions to the server at a time, given up where all the answers would be the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from backends.errors import (
    AuthFailed,
    BackendError,
    Forbidden,
    ServerFault,
    TimedOut,
    Unreachable,
)

Item = TypeVar("Item")
Result = TypeVar("Result")

FAULTS_IN_A_ROW = 8
"""So many faults of the server with no answer in between, and it is taken to be down."""

REFUSALS_IN_A_ROW = 32
"""So many refusals with no answer at all, and the right itself is taken to be missing."""


async def concurrently(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    workers: int,
    allowed: Callable[[], Awaitable[bool | None]] | None = None,
) -> list[tuple[Item, Result | BackendError]]:
    """The results for all items, in the order in which they came.

    Hands out no more items after an error that would only repeat itself (no connection, a
    dead credential, a missing policy, fault upon fault); the rest is then missing. A refusal
    is of one item, unless ``allowed`` says that the right is missing, or, where it cannot
    say, nothing but refusals came.
    """
    results: list[tuple[Item, Result | BackendError]] = []
    waiting = iter(items)
    faults = refusals = answers = 0
    stopped = False

    async def hopeless() -> bool:
        may = await allowed() if allowed is not None else None
        return may is False or (may is None and not answers and refusals >= REFUSALS_IN_A_ROW)

    async def worker() -> None:
        nonlocal faults, refusals, answers, stopped
        for item in waiting:
            try:
                results.append((item, await work(item)))
                answers += 1
                faults = 0
            except BackendError as error:
                results.append((item, error))
                faults += isinstance(error, ServerFault | TimedOut)
                lasting = isinstance(error, Unreachable | AuthFailed)
                if isinstance(error, Forbidden):
                    refusals += 1
                    lasting = await hopeless()
                stopped = stopped or lasting or faults >= FAULTS_IN_A_ROW
            if stopped:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(min(workers, len(items))):
            group.create_task(worker())
    return results
