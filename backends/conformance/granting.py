"""Checks of what a backend says its tokens may do. None of them changes anything."""

from __future__ import annotations

import msgspec

from backends.conformance.checking import check
from backends.conformance.fixture import (
    Fixture,
    ThrowAway,
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
from backends.contract import Backend, KindCapabilities, Readable, Support
from backends.model import Gap, GapKind, decode, encode
from backends.permissions import Decision, Permission, PermissionEffect, Permissions

NO_ACTION = "conformance-no-such-action"
NO_RESOURCE = "conformance-no-such-resource"


def _declaring(fixture: Fixture, backend: Backend) -> list[KindCapabilities]:
    """The kinds that declare that their grants can be opened; skips where none does."""
    found = [
        kind
        for kind in kinds(fixture, backend)
        if kind.can_read(Readable.PERMISSIONS) in (Support.FULL, Support.PARTIAL)
    ]
    if not found:
        skip("no kind declares that its grants can be opened")
    return found


async def _opened(
    fixture: Fixture, backend: Backend
) -> list[tuple[KindCapabilities, ThrowAway, Permissions]]:
    """The permissions of a new token of each kind that declares them."""
    found = []
    for kind in _declaring(fixture, backend):
        made = fixture.make(kind.kind)
        token = await listed(fixture, backend, made)
        found.append((kind, made, await backend.permissions(token)))
    return found


@check
async def permissions_are_typed(fixture: Fixture) -> None:
    """``permissions`` gives rows, or gaps that say what was not opened; never silence."""
    async with fixture.backend() as backend:
        for kind, made, opened in await _opened(fixture, backend):
            need(opened.ref == made.ref, f"permissions() of {made.ref} are those of {opened.ref}")
            check_times("permissions' ", opened)
            again = decode(encode(opened), Permissions)
            need(again == opened, "permissions() do not survive encode and decode")
            token = await backend.read(made.ref)
            need(
                opened.rows or opened.gaps or token.grants.value == (),
                f"permissions() of a {kind.kind} gave neither rows nor gaps, and it has grants; "
                "one that cannot be opened is a Gap",
            )
            for gap in (*opened.gaps, *opened.secret_gaps):
                need(gap.what, "a Gap of permissions() does not say what was not opened")
            for row in opened.rows:
                need(row.action and row.resource, f"a row without action or resource: {row}")
                need(row.source, f"a row does not say where it comes from: {row}")
            for way in opened.elevations:
                need(way.code and way.text, f"an elevation without code or text: {way}")
                need(way.by, f"the elevation {way.code} does not name the rows that open it")


@check
async def permissions_are_only_read(fixture: Fixture) -> None:
    """``permissions`` changes nothing, and uses up no token."""
    async with fixture.backend() as backend:
        made = [fixture.make(kind.kind) for kind in _declaring(fixture, backend)]
        tokens = [await listed(fixture, backend, one) for one in made]
        before = {ref: steady(token) for ref, token in (await listing(backend)).tokens.items()}
        for token in tokens:
            await backend.permissions(token)
        after = {ref: steady(token) for ref, token in (await listing(backend)).tokens.items()}
        need(before == after, "permissions() made, changed or ended tokens; it only reads")
        need(
            all(fixture.accepts(one) for one in made),
            "a token is refused after its permissions were read",
        )


@check
async def permissions_show_no_secret(fixture: Fixture) -> None:
    """No row, condition, elevation, gap or log record of ``permissions`` holds the secret."""
    async with fixture.backend() as backend:
        with Records() as records:
            for kind, made, opened in await _opened(fixture, backend):
                for what, thing in (("permissions", opened), ("a log record", records.texts)):
                    need(
                        not shown(made.secret, thing, public=public(made)),
                        f"the secret of a {kind.kind}, or a part of it, stands in {what}",
                    )


@check
async def permits_agrees_with_the_rows(fixture: Fixture) -> None:
    """``permits`` goes by the rows: one that is asked for in its own words is answered by it.

    An unconditional row that allows is allowed, unless the answer names other rows that win; a
    row that denies is never allowed by itself; what no row has is not allowed.
    """
    async with fixture.backend() as backend:
        all_opened = await _opened(fixture, backend)
    # Another one, which was never opened: it contacts nobody, and goes by the rows alone.
    other = fixture.backend()
    for _, _, opened in all_opened:
        for row in opened.rows:
            _agrees(backend, other, opened, row)


def _agrees(backend: Backend, other: Backend, opened: Permissions, row: Permission) -> None:
    answer = backend.permits(opened, row.action, row.resource)
    again = other.permits(opened, row.action, row.resource)
    need(
        answer == again,
        f"permits() gave two answers to {row.action} on {row.resource}; go by the rows alone",
    )
    strangers = [one for one in answer.because if one not in opened.rows]
    need(not strangers, f"permits() names a row that permissions() does not have: {strangers[:1]}")
    others = [one for one in answer.because if one != row]
    said = f"{row.action} on {row.resource} is {answer.decision.value}"
    if row.effect is PermissionEffect.DENY:
        need(
            others or row.conditions or answer.decision is not Decision.ALLOWED,
            f"{said} though a row denies it and no other is named",
        )
        return
    if row.conditions:
        # Met or not met, they may be judged; but never taken for met.
        need(others or answer.decision is not Decision.ALLOWED, f"{said}, with conditions")
        return
    wanted = {Decision.ALLOWED}
    if opened.gaps:
        wanted |= {Decision.CONDITIONAL, Decision.UNKNOWN}
    need(
        others or answer.decision in wanted,
        f"{said} though a row allows it without conditions and no other is named that wins",
    )


@check
async def what_was_not_read_is_not_denied(fixture: Fixture) -> None:
    """Without a row nothing is allowed; with a gap and without a row it is unknown, not denied."""
    async with fixture.backend() as backend:
        for _, _, opened in await _opened(fixture, backend):
            none = Permissions(ref=opened.ref, as_of=opened.as_of)
            answer = backend.permits(none, NO_ACTION, NO_RESOURCE)
            need(
                answer.decision in (Decision.DENIED, Decision.UNKNOWN),
                f"permits() of no rows at all is {answer.decision.value}; go by the rows given",
            )
            gap = Gap(opened.ref.id, GapKind.REFUSED, "a grant that was not opened")
            holed = msgspec.structs.replace(none, gaps=(gap,))
            answer = backend.permits(holed, NO_ACTION, NO_RESOURCE)
            need(
                answer.decision is Decision.UNKNOWN,
                f"permits() is {answer.decision.value} though a grant was not opened, and might "
                "allow it; pass the answer through permissions.weighed()",
            )
            for row in opened.rows:
                only = msgspec.structs.replace(holed, rows=(row,))
                answer = backend.permits(only, row.action, NO_RESOURCE)
                need(
                    answer.decision is not Decision.DENIED or row.effect is PermissionEffect.DENY,
                    f"{row.action} on {NO_RESOURCE} is denied though a grant was not opened",
                )


CHECKS = (
    permissions_are_typed,
    permissions_are_only_read,
    permissions_show_no_secret,
    permits_agrees_with_the_rows,
    what_was_not_read_is_not_denied,
)
