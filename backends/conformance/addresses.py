"""The check that no planned call goes elsewhere than its path says."""

from __future__ import annotations

import msgspec

from backends import paths
from backends.conformance.checking import check
from backends.conformance.fixture import OFFERED, Failure, Fixture, kinds, listed, skip
from backends.contract import Backend, Call, Verb
from backends.errors import BackendError
from backends.model import Token

BENT = (".", "..", "%2e%2e", "%252e", "a/../b", "./", "..;a", "", "a#b", "a?b=1", "a b")
"""Ids that an address bends into another path, or cuts."""


@check
async def no_id_bends_a_path(fixture: Fixture) -> None:
    """An id that an address would bend (``.``, ``..``, ``%2e``, none) is refused by ``plan``."""
    tried = False
    async with fixture.backend(act=True) as backend:
        for kind in kinds(fixture, backend):
            for verb in Verb:
                if kind.ability(verb).support in OFFERED:
                    tried = True
                    await _straight(fixture, backend, verb, kind.kind)
    if not tried:
        skip("no verb is offered, so that no call is planned")


async def _straight(fixture: Fixture, backend: Backend, verb: Verb, kind: str) -> None:
    token = await listed(fixture, backend, fixture.make_for(verb, kind))
    good = await _calls(backend, verb, token)
    slash = any(call.target.partition("?")[0].endswith("/") for call in good)
    asks = any("?" in call.target for call in good)
    for id_ in BENT:
        bad = msgspec.structs.replace(token, ref=msgspec.structs.replace(token.ref, id=id_))
        for call in await _calls(backend, verb, bad):
            why = paths.bent(call.target, slash=slash)
            if not why and "?" in call.target and not asks:
                why = "what stands behind its ? is no part of the path"
            if why:
                raise Failure(
                    f"the plan to {verb.value} a {kind} with the id {id_!r} is "
                    f"{call.method} {call.target}, which asks for something else: {why}. "
                    "Quote the id, and refuse it (NotFound) where backends.paths.bent says why"
                )


async def _calls(backend: Backend, verb: Verb, token: Token) -> list[Call]:
    """The calls over HTTP that would be made; none where the plan is refused."""
    try:
        proposal = await backend.plan(verb, token)
    except BackendError:
        return []
    steps = (*proposal.steps, *proposal.undo_steps)
    return [step.call for step in steps if step.call.transport == "http"]


CHECKS = (no_id_bends_a_path,)
