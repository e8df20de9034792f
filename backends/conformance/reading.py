"""Checks of what a backend tells. None of them changes anything but by ``Fixture.make``."""

from __future__ import annotations

from datetime import timedelta

from backends.conformance.checking import check
from backends.conformance.fixture import (
    CLOCK,
    NO_SUCH,
    Failure,
    Fixture,
    FixtureFault,
    Made,
    check_times,
    kinds,
    listed,
    listing,
    need,
    public,
    skip,
    steady,
)
from backends.conformance.traces import Records, shown
from backends.contract import Backend, Readable, Support, Verb
from backends.errors import BentPath, NotFound, Unsupported
from backends.model import Gap, GapKind, How, Token, TokenRef
from backends.words import count

READINGS = {
    Readable.OWNER: "owner",
    Readable.CREATED: "created_at",
    Readable.CREATOR: "created_by",
    Readable.LAST_USED: "last_used_at",
    Readable.GRANTS: "grants",
    Readable.EXPIRY: "expires_at",
    Readable.PARENT: "parent",
}


@check
async def capabilities_contact_nobody(fixture: Fixture) -> None:
    """``capabilities`` answers before ``open``, always the same, each kind once."""
    backend = fixture.backend()
    first, second = backend.capabilities(), backend.capabilities()
    need(first == second, "capabilities() gave two different answers; make it a constant")
    names = [kind.kind for kind in first.kinds]
    need(names, "capabilities() declares no kind; undeclared kinds can do nothing")
    need(len(names) == len(set(names)), f"capabilities() declares a kind twice: {names}")


@check
async def every_listed_kind_is_declared(fixture: Fixture) -> None:
    """What is not declared is not offered: each listed kind has a ``KindCapabilities``."""
    async with fixture.backend() as backend:
        declared = {kind.kind for kind in backend.capabilities().kinds}
        for token in (await listing(backend)).tokens.values():
            need(
                token.ref.kind in declared,
                f"inventory() lists the kind {token.ref.kind!r}, which capabilities() does "
                f"not declare; it declares {sorted(declared)}",
            )
            need(
                token.ref.backend == backend.name,
                f"a ref says backend {token.ref.backend!r}; it must be the configured "
                f"name, {backend.name!r}",
            )


@check
async def refs_are_unique(fixture: Fixture) -> None:
    """A ``TokenRef`` names one token: no listing has one twice."""
    async with fixture.backend() as backend:
        found = await listing(backend)
        listed_tokens = len(found.order) - len(found.gaps) - len(found.done)
        need(
            listed_tokens == len(found.tokens),
            f"{count(listed_tokens - len(found.tokens), 'ref')} listed more than once; use an id "
            "that is unique within its kind, such as the system's own accessor",
        )


@check
async def refs_are_stable(fixture: Fixture) -> None:
    """A ``TokenRef`` names its token for ever: two backends list the same ones."""
    for kind in fixture.kinds():
        fixture.make(kind)
    async with fixture.backend() as backend:
        first = set((await listing(backend)).tokens)
    async with fixture.backend() as backend:
        second = set((await listing(backend)).tokens)
    lost = first - second
    need(
        not lost,
        f"{len(lost)} of {count(len(first), 'ref')} not there in a second listing, such as "
        f"{min(lost).id if lost else ''!r}; do not number tokens by their place in a list",
    )


@check
async def every_page_is_read(fixture: Fixture) -> None:
    """A list that goes over several pages is listed to its end."""
    if not fixture.page:
        skip("the fixture does not say how many tokens a page of the list holds")
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            made = fixture.make_many(kind.kind, fixture.page + 1)
            if len(made) <= fixture.page:
                raise FixtureFault(f"Fixture.make_many() made {len(made)}, which fit on one page")
            for one in (made[0], made[-1]):
                await listed(fixture, backend, one)
            tokens = (await listing(backend)).tokens
            lost = [one for one in made if one.ref not in tokens]
            need(
                not lost,
                f"{len(lost)} of {count(len(made), 'new token')} of the kind {kind.kind} "
                f"not listed, such as {lost[0].name if lost else ''!r}; follow the list to its "
                "last page",
            )


@check
async def no_secret_is_shown(fixture: Fixture) -> None:
    """The record, never the value: no id, name, fact, plan, log or repr holds the secret.

    Neither as it is, nor reversed, encoded, or in part.
    """
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            with Records() as records:
                made = fixture.make(kind.kind)
                records.texts.clear()  # What the fixture logs is its own affair.
                told = await _told(fixture, backend, made)
            for thing in (*told, records.texts):
                need(
                    not shown(made.secret, thing, public=public(made)),
                    f"the secret of a {kind.kind}, or a part of it, stands in a "
                    f"{_where(thing)}; drop it in the transport (backends.http.without) before "
                    "anything else sees it",
                )


async def _told(fixture: Fixture, backend: Backend, made: Made) -> list[object]:
    """Everything that a backend tells of one token."""
    token = await listed(fixture, backend, made)
    told: list[object] = [token, await backend.read(made.ref), repr(backend)]
    told += await backend.identify(made.secret)
    told.append(await backend.dependents(made.ref))
    told.append(await backend.whoami())
    for verb in Verb:
        try:
            told.append(await backend.plan(verb, token))
        except Unsupported as error:
            told.append(str(error))
    return told


def _where(thing: object) -> str:
    return "log record" if isinstance(thing, list) else type(thing).__name__


@check
async def times_are_utc(fixture: Fixture) -> None:
    """All points in time are timezone-aware UTC, and what has happened is not ahead."""
    async with fixture.backend() as backend:
        for token in (await listing(backend)).tokens.values():
            check_times("a token's ", token)
            for what in ("created_at", "last_used_at"):
                at = getattr(token, what).value
                need(
                    at is None or at <= fixture.now() + CLOCK,
                    f"{what} {at} lies in the future; check the unit (ms for s?)",
                )


@check
async def scopes_are_finished_honestly(fixture: Fixture) -> None:
    """``ScopeDone`` says "what I did not list is not there": only after all, with the count."""
    async with fixture.backend() as backend:
        found = await listing(backend)
    seen: dict[str, int] = {}
    finished: set[str] = set()
    for item in found.order:
        if isinstance(item, Gap):
            need(item.what, f"a Gap in {item.scope!r} does not say what was not seen")
            continue
        need(
            item.scope not in finished,
            f"something follows the ScopeDone of {item.scope!r}; yield it last, and once",
        )
        if isinstance(item, Token):
            seen[item.scope] = seen.get(item.scope, 0) + 1
            continue
        finished.add(item.scope)
        need(
            item.seen == seen.get(item.scope, 0),
            f"ScopeDone of {item.scope!r} says {count(item.seen, 'token')}; "
            f"{seen.get(item.scope, 0)} were listed. Count what was yielded",
        )
    broken = {
        gap.scope
        for gap in found.gaps
        if gap.kind in (GapKind.FAILED, GapKind.REFUSED, GapKind.LIMITED)
    }
    both = finished & broken
    need(not both, f"{sorted(both)} have a gap and are called done; a gap leaves them open")
    open_ = set(seen) - finished - {gap.scope for gap in found.gaps}
    need(
        not open_,
        f"the scopes {sorted(open_)} ended without ScopeDone and without Gap, so that "
        "nobody can tell whether their list is whole",
    )


@check
async def a_new_token_is_listed(fixture: Fixture) -> None:
    """A token made a moment ago is listed, with its name, and what is declared as full."""
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            made = fixture.make(kind.kind)
            token = await listed(fixture, backend, made)
            need(token.name == made.name, f"it is called {token.name!r}, not {made.name!r}")
            need(token.scope, "a token has no scope")
            if made.owner is not None and kind.can_read(Readable.OWNER) is Support.FULL:
                need(
                    token.owner.value == made.owner,
                    f"its owner reads {token.owner.value!r}, not {made.owner!r}",
                )
            if kind.can_read(Readable.CREATED) is Support.FULL:
                at = token.created_at.value
                need(at, f"created_at is declared as full and reads {token.created_at.how}")
                step = token.created_at.granularity or timedelta(0)
                off = abs(fixture.now() - at) if at else timedelta(0)
                need(off <= CLOCK + step, f"created_at is {off} off for a token made just now")


@check
async def reading_one_equals_listing_it(fixture: Fixture) -> None:
    """``read`` and ``inventory`` tell the same of a token (but for its last use)."""
    async with fixture.backend() as backend:
        for kind in kinds(fixture, backend):
            made = fixture.make(kind.kind)
            one, other = await listed(fixture, backend, made), await backend.read(made.ref)
            for name in one.__struct_fields__:
                before, after = getattr(steady(one), name), getattr(steady(other), name)
                need(
                    before == after,
                    f"{name} of a {kind.kind} is {before!r} in inventory() and {after!r} in "
                    "read(); build both from the same function",
                )


@check
async def an_unknown_id_is_not_found(fixture: Fixture) -> None:
    """``read`` raises ``NotFound`` when the system has none such, whatever the id looks like."""
    async with fixture.backend() as backend:
        for kind in fixture.kinds():
            for id_ in NO_SUCH:
                try:
                    await backend.read(TokenRef(backend.name, kind, id_))
                except (NotFound, BentPath):
                    # Of an id that no address can hold, nothing can be asked or said.
                    continue
                except Exception as error:
                    raise Failure(
                        f"read() of the id {id_!r} raised {type(error).__name__}: {error}; "
                        "an id that the system cannot have is NotFound"
                    ) from error
                raise Failure(f"read() of the id {id_!r} gave a token")


@check
async def reading_changes_nothing(fixture: Fixture) -> None:
    """After every reading method the system holds what it held before."""
    async with fixture.backend() as backend:
        made = [fixture.make(kind) for kind in fixture.kinds()]
        for one in made:
            await listed(fixture, backend, one)
        before = {ref: steady(token) for ref, token in (await listing(backend)).tokens.items()}
        await backend.health()
        await backend.whoami()
        async for _ in backend.events(fixture.now() - timedelta(minutes=5)):
            pass
        for one in made:
            await backend.read(one.ref)
            await backend.dependents(one.ref)
            await backend.identify(one.secret)
        after = {ref: steady(token) for ref, token in (await listing(backend)).tokens.items()}
        need(
            before.keys() == after.keys(),
            f"after reading, {count(len(before.keys() - after.keys()), 'token')} gone and "
            f"{len(after.keys() - before.keys())} new; a reading method made or ended them",
        )
        changed = [ref.id for ref in before if before[ref] != after[ref]]
        need(not changed, f"reading changed {changed[:3]}")
        need(
            all(fixture.accepts(one) for one in made),
            "a token is refused after it was only read; a reading method used it up",
        )


@check
async def undeclared_reads_stay_honest(fixture: Fixture) -> None:
    """A reading declared NONE never claims to know; one declared FULL is never "not tracked"."""
    async with fixture.backend() as backend:
        for token in (await listing(backend)).tokens.values():
            kind = backend.capabilities().of(token.ref.kind)
            for what, field in READINGS.items():
                how = getattr(token, field).how
                if kind.can_read(what) is Support.NONE:
                    honest = how in (How.NOT_TRACKED, How.NOT_PERMITTED) or (
                        # A system that has no such thing may say so: never.
                        what in (Readable.EXPIRY, Readable.PARENT) and how is How.NEVER
                    )
                    need(
                        honest,
                        f"{field} reads {how.value!r} though capabilities() declares none; "
                        "use not_tracked(), or declare what can be read",
                    )
                if kind.can_read(what) is Support.FULL:
                    need(
                        how not in (How.NOT_TRACKED, How.NOT_READ),
                        f"{field} reads {how.value!r} though capabilities() declares it full",
                    )


CHECKS = (
    capabilities_contact_nobody,
    every_listed_kind_is_declared,
    every_page_is_read,
    refs_are_unique,
    refs_are_stable,
    no_secret_is_shown,
    times_are_utc,
    scopes_are_finished_honestly,
    a_new_token_is_listed,
    reading_one_equals_listing_it,
    an_unknown_id_is_not_found,
    reading_changes_nothing,
    undeclared_reads_stay_honest,
)
