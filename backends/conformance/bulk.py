"""Checks of what is told of many tokens at a time, where a kind declares that it can be."""

from __future__ import annotations

from backends.conformance.checking import check
from backends.conformance.fixture import (
    CLOCK,
    NO_SUCH,
    OFFERED,
    Fixture,
    ThrowAway,
    kinds,
    listed,
    listing,
    living,
    need,
    perform,
    planned,
    revocable,
    revoke,
    shows,
    skip,
    steady,
)
from backends.contract import Backend, KindCapabilities, OutcomeState, Readable, Support, Verb
from backends.model import AuditEvent, Token, TokenRef

MANY = 10
"""Tokens of a kind that are read together."""


@check
async def many_are_read_as_one(fixture: Fixture) -> None:
    """``read_many`` tells of each token what ``read`` tells, and nothing of one that is not."""
    tested = False
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            if not kind.in_bulk:
                continue
            tested = True
            made = fixture.make_many(kind.kind, MANY)
            for one in made:
                await listed(fixture, backend, one)
            strange = TokenRef(backend.name, kind.kind, NO_SUCH[0])
            told = await backend.read_many([*(one.ref for one in made), strange])
            need(strange not in told, f"read_many() gave a {kind.kind} that no system has issued")
            for one in made:
                need(
                    one.ref in told,
                    f"{kind.kind} is declared in_bulk, and read_many() left one out that is there",
                )
                alone = await backend.read(one.ref)
                need(
                    steady(told[one.ref]) == steady(alone),
                    f"read_many() tells of a {kind.kind} what read() does not; build both "
                    "from the same function",
                )
    if not tested:
        skip("no kind is declared in_bulk")


@check
async def a_list_shows_what_is_gone(fixture: Fixture) -> None:
    """``gone`` names the tokens that ended, and never one that lives."""
    tested = False
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            if not kind.in_bulk:
                continue
            tested = True
            made, *others = (fixture.make(kind.kind) for _ in range(3))
            for one in (made, *others):
                await listed(fixture, backend, one)
            every = await _all(backend, kind)
            wrong = await backend.gone(every)
            need(not wrong, f"gone() names {len(wrong)} of the kind {kind.kind} that live")
            last = (await revoke(fixture, backend, made))[-1]
            await shows(fixture, backend, made.ref, last.expect, kind.propagation)
            told = await backend.gone(every)
            need(
                told <= {made.ref},
                f"after one {kind.kind} was revoked, gone() names others that live. It may name "
                "only what a whole list does not have",
            )
            need(told, f"{kind.kind} is declared in_bulk, and gone() told nothing of all of them")
    if not tested:
        skip("no kind is declared in_bulk")


async def _all(backend: Backend, kind: KindCapabilities) -> list[Token]:
    tokens = (await listing(backend)).tokens.values()
    return [token for token in tokens if token.ref.kind == kind.kind]


@check
async def a_sure_call_tells_what_is_gone(fixture: Fixture) -> None:
    """Where a revoke is declared ``sure``, a second one is ALREADY, and not APPLIED."""
    tested = False
    async with fixture.backend(act=True) as backend:
        for kind in revocable(fixture, backend):
            if not kind.ability(Verb.REVOKE).sure:
                continue
            tested = True
            made = fixture.make(kind.kind)
            last = (await revoke(fixture, backend, made))[-1]
            await shows(fixture, backend, made.ref, last.expect, kind.propagation)
            outcome = await perform(backend, last)
            need(
                outcome.state is OutcomeState.ALREADY,
                f"the revoke of a {kind.kind} is declared sure, and a second one came back as "
                f"{outcome.state.value}. Who relies on the call alone would not learn that "
                "nothing was there: tell it, or do not declare it",
            )
    if not tested:
        skip("no kind declares its revoke to be sure")


@check
async def a_plans_names_find_the_lines(fixture: Fixture) -> None:
    """By the names in a plan, another process finds a token's lines that has never read it."""
    tested = False
    for kind, made, names in await _named(fixture):
        tested = True
        began = fixture.now() - CLOCK
        async with fixture.backend() as backend:
            backend.recall(dict.fromkeys(names, made.ref))
            waited, refs = 0, set[TokenRef | None]()
            while made.ref not in refs and waited <= fixture.patience:
                found = [each async for each in backend.events(began)]
                refs = {each.token for each in found if isinstance(each, AuditEvent)}
                fixture.wait(1)
                waited += 1
        need(
            made.ref in refs,
            f"the plan for a {kind} has log_names, and events() of another backend that was "
            "given them has no line about the token",
        )
    if not tested:
        skip("no plan has names of the log, or no kind declares its events as full")


async def _named(fixture: Fixture) -> list[tuple[str, ThrowAway, tuple[str, ...]]]:
    """Used tokens whose plan says what the log calls them."""
    found = []
    async with fixture.backend(act=True) as backend:
        for kind in kinds(fixture, backend):
            events = kind.can_read(Readable.EVENTS) is Support.FULL
            if not events or kind.ability(Verb.REVOKE).support not in OFFERED:
                continue
            made = living(fixture, kind.kind)
            if names := (await planned(fixture, backend, made, Verb.REVOKE)).log_names:
                found.append((kind.kind, made, names))
    return found


CHECKS = (
    many_are_read_as_one,
    a_list_shows_what_is_gone,
    a_sure_call_tells_what_is_gone,
    a_plans_names_find_the_lines,
)
