"""What appeared after the scope was frozen: who holds a leaked token may mint another with it.

When every call is made the backends are listed again, and in a run that lasts, between two
waves as well. What is found is written down once and
never acted on: a responder takes it into the run by a plan that extends it, or excepts it.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from backends.model import EvidenceLevel, Token, TokenRef
from backends.words import count
from console.inventory.records import Sort
from console.inventory.search import query as queries
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query
from console.inventory.search.terms import Term
from console.journal.case_scope import scopes
from console.journal.format.entry import Kind, RunMark
from console.journal.format.parts import RunEvent
from console.journal.format.words import system_words
from console.journal.write.journal import Journal
from console.response.plan import entry_parts
from console.response.plan.model import Plan, Scope
from console.response.step.context import StepContext
from console.response.step.read_back import GONE
from console.settings import Paths

TIMEOUT = 600.0
"""Seconds that listing one backend again may take."""
MOST = 10_000
"""Late arrivals that one look writes down. More of them are the next look's."""


class LateToken(NamedTuple):
    """A token that belongs to the scope, and that the plan does not have."""

    backend: str
    handle: str
    name: str
    words: str


class _Listed(NamedTuple):
    """How listing one backend again ended; empty where it was whole."""

    backend: str
    trouble: str


async def relist(
    tools_by_backend: Mapping[str, StepContext], plan: Plan, journal: Journal, paths: Paths
) -> list[LateToken]:
    """List the run's backends again, and write down what is new in its scope.

    The inventory is brought up to date by it. A backend that could not be listed whole is
    noted in the journal, since nobody can say then that nothing came. Empty for a plan
    without a scope.

    Raises:
        JournalError: what was found could not be written down.
    """
    if plan.scope is None or not tools_by_backend:
        return []
    listed = await _list(tools_by_backend, paths)
    for trouble in listed:
        if trouble.trouble:
            await _note(tools_by_backend[trouble.backend], trouble)
    told = {
        entry.handle
        for entry in journal.entries(1_000_000, kind=Kind.RUN, plan=plan.id)
        if entry.run is not None and entry.run.what == RunEvent.LATE
    }
    known = told | _known(tools_by_backend, plan)
    found = await asyncio.to_thread(_find, plan, plan.scope, sorted(tools_by_backend), known, paths)
    late = []
    for token, words in found[:MOST]:
        tools = tools_by_backend[token.ref.backend]
        mark = RunMark(plan=plan.id, what=RunEvent.LATE, backend=token.ref.backend, detail=words)
        act = entry_parts.act(plan.verb.value, token, plan=plan.id)
        await tools.record(Kind.RUN, run=mark, act=act)
        late.append(LateToken(token.ref.backend, token.ref.handle, token.name, words))
    return late


async def _list(tools_by_backend: Mapping[str, StepContext], paths: Paths) -> list[_Listed]:
    # Imported here because the store brings machinery that a single revocation does not need.
    database: Any = importlib.import_module("console.store.database")
    sync: Any = importlib.import_module("console.inventory.sync.sync")
    engine = await asyncio.to_thread(database.open_for_writing, paths.inventory)
    syncer = sync.Syncer(engine)

    async def one(name: str, tools: StepContext) -> _Listed:
        try:
            async with asyncio.timeout(TIMEOUT):
                report = await syncer.sync(tools.backend, wait=True, gone=_gone(tools))
        except TimeoutError:
            return _Listed(name, f"not through in {TIMEOUT:.0f} s")
        except Exception as error:  # noqa: BLE001
            # The inventory is a cache: its trouble must not end the run, only be told.
            return _Listed(name, f"the inventory failed with {type(error).__name__}")
        if report.result == "ok":
            return _Listed(name, "")
        return _Listed(name, report.message or f"{report.result}, with {count(report.gaps, 'gap')}")

    try:
        return await asyncio.gather(*(one(*each) for each in tools_by_backend.items()))
    finally:
        engine.dispose()


def _gone(tools: StepContext) -> set[TokenRef]:
    """The run's tokens that the system itself has shown to be gone, when they were looked at."""
    return {
        item.token.ref
        for item in tools.plan.items
        if item.backend == tools.backend.name
        and any(
            step.token == item.token.ref and step.expect == GONE for step in item.proposal.steps
        )
        and (row := tools.board.row(tools.plan.id, item.number)) is not None
        and row.level >= EvidenceLevel.RECORDED
        and not row.alarm
    }


async def _note(tools: StepContext, listed: _Listed) -> None:
    told = f"{listed.backend} could not be listed whole again: {listed.trouble}"
    first = tools.plan.items[0].token
    await tools.record(
        Kind.NOTE,
        why=system_words(told, 600),
        act=entry_parts.act(tools.plan.verb.value, first, plan=tools.plan.id),
    )


def _known(tools_by_backend: Mapping[str, StepContext], plan: Plan) -> set[str]:
    """The handles that the run has to do with: its items, their children, what it minted.

    What the plan left out by name did not come late.
    """
    found = {item.token.ref.handle for item in plan.items}
    if plan.scope is not None:
        found.update(one.ref.handle for one in plan.scope.left_out)
    for item in plan.items:
        found.update(ref.handle for ref in item.proposal.also_ends)
        if (tools := tools_by_backend.get(item.backend)) is not None:
            found.update(entry.handle for entry in tools.board.entries(item.number))
    return found


def _find(
    plan: Plan, scope: Scope, backends: list[str], known: set[str], paths: Paths
) -> list[tuple[Token, str]]:
    """The tokens in scope that are not known, with why they belong to it."""
    inventory = Inventory(paths.inventory, scopes=scopes(paths))
    try:
        found: dict[str, tuple[Token, str]] = {}
        for name in backends:
            for token in _fresh(inventory, name, scope):
                if token.ref.handle not in known and not _ours(token, plan):
                    principal = token.principal.value
                    who = "" if principal is None else principal.name
                    words = system_words(f"appeared since the scope was frozen, for {who}", 256)
                    found[token.ref.handle] = token, words
        if scope.query:
            wanted = queries.parse(scope.query)
            for row, token in _matches(inventory, wanted, known | set(found)):
                if row in backends and not _ours(token, plan):
                    words = "matches the scope's query, and was not there when it was frozen"
                    found[token.ref.handle] = token, words
        return list(found.values())
    finally:
        inventory.close()


def _fresh(inventory: Inventory, backend: str, scope: Scope) -> list[Token]:
    """Tokens that were first seen since then, of principals that the scope's tokens speak for."""
    principals = {id_ for name, id_ in scope.principals if name == backend}
    if not principals:
        return []
    frozen = int(scope.frozen_at.timestamp())
    span = max(1, int(time.time()) - frozen + 2)
    wanted = Query((Term("backend", (f"={backend}",)), Term("changed", (f"<{span}s",))))
    return [
        token
        for row, token in inventory.each(wanted, Sort())
        if row.presence == "present"
        and row.backend == backend
        and row.first_seen >= frozen
        and (principal := token.principal.value) is not None
        and principal.id in principals
    ]


def _matches(inventory: Inventory, wanted: Query, known: set[str]) -> list[tuple[str, Token]]:
    """Present tokens that a query finds and that are not known, with their backends."""
    handles = inventory.handles(wanted, Sort(), 0, inventory.total())
    details = (inventory.detail(handle) for handle in handles if handle not in known)
    return [
        (detail.row.backend, detail.token)
        for detail in details
        if detail is not None and detail.row.presence == "present"
    ]


def _ours(token: Token, plan: Plan) -> bool:
    """Whether a rotation of this run made it: the label names the intent, or the plan."""
    return plan.id in token.name or any(plan.id in value for _, value in token.facts)
