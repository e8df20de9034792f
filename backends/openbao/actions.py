"""What can be done to a token: the exact calls, what else they end, and how they are judged."""

from __future__ import annotations

from typing import Any

import msgspec

from backends.contract import (
    Call,
    Hazard,
    Outcome,
    OutcomeState,
    Phase,
    Proposal,
    Retry,
    Step,
    Verb,
)
from backends.errors import BackendError, NotFound, Unsupported
from backends.model import Consumer, Dependents, Gap, GapKind, Token, TokenRef, known
from backends.openbao import contain, mapping, rotate
from backends.openbao.body import filled
from backends.openbao.client import at, role_path
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import APPROLE, SERVICE
from backends.openbao.reader import NO_AUDIT_FILE, BaoReader
from backends.words import count

MAX_CHILDREN = 200
"""Children that are looked up one by one before a plan, and named in it."""

HOLDERS = "systems that hold the token and have not used it"
"""What no log can tell of any token; it says nothing about what ends with this one."""

NOTHING_THERE = "No token found with this accessor"
"""The warning of a 200 that changed nothing."""


async def propose(reader: BaoReader, verb: Verb, token: Token) -> Proposal:
    """The steps for a verb. Reads, never changes.

    Raises:
        Unsupported: the verb is not offered, with what a person can do instead.
    """
    if token.ref.kind not in (APPROLE, SERVICE):
        raise Unsupported(f"OpenBao has no tokens of the kind {token.ref.kind}")
    if verb in (Verb.CONTAIN, Verb.RESTORE):
        return await contain.propose(reader, verb, token)
    if verb not in (Verb.REVOKE, Verb.ROTATE):
        raise Unsupported(
            f"OpenBao has nothing to {verb.value}", "There are no sessions besides tokens."
        )
    if token.ref.kind == APPROLE:
        ending = _destroy_secret_id(token)
        return await rotate.secret_id(reader, token, ending) if verb is Verb.ROTATE else ending
    ending = await _revoke_token(reader, token)
    return await rotate.service_token(reader, token, ending) if verb is Verb.ROTATE else ending


async def _revoke_token(reader: BaoReader, token: Token) -> Proposal:
    ns = await reader.namespace_of(token.ref.id)
    call = Call(
        "http",
        "POST",
        at(ns, "auth/token/revoke-accessor"),
        {"accessor": token.ref.id},
    )
    told = await dependents(reader, token.ref)
    collateral = [
        f"child token {consumer.name}" for consumer in told.consumers if consumer.kind == "token"
    ]
    collateral += [
        f"lease {consumer.name}" for consumer in told.consumers if consumer.kind == "lease"
    ]
    collateral.append("every child token and every lease of it, also those not listed here")
    children = [
        reader.ref(consumer.detail) for consumer in told.consumers if consumer.kind == "token"
    ]
    hazards = []
    if any(grant.name == "root" and not grant.via for grant in token.grants.or_else(())):
        hazards.append(
            Hazard(
                code="root-token",
                text="It is a root token: make sure that another way in exists.",
            )
        )
    return Proposal(
        steps=(
            Step(
                id="revoke",
                verb=Verb.REVOKE,
                token=token.ref,
                title="Revoke the token with its children and leases",
                call=call,
                retry=Retry.FREE,
                expect="gone",
            ),
        ),
        hazards=tuple(hazards),
        collateral=tuple(collateral),
        takes_effect="at once for the token; credentials leased through it are ended in the "
        "background, and may fail to end",
        also_ends=await _descendants(reader, children),
        log_names=reader.log_names(token.ref),
        not_known=tuple(
            f"{gap.what}: {gap.hint}" if gap.hint else gap.what
            for gap in told.gaps
            if gap.what != HOLDERS
        ),
    )


async def _descendants(reader: BaoReader, children: list[TokenRef]) -> tuple[TokenRef, ...]:
    """These children and theirs, as far as the audit log knows them, and up to a limit."""
    log = reader.usable_log
    found: dict[TokenRef, None] = dict.fromkeys(children)
    waiting = list(children)
    while waiting and log is not None and len(found) < MAX_CHILDREN:
        above = waiting.pop(0)
        await reader.join([above])
        below = [ref for ref in log.children(above)[0] if ref not in found]
        for ref, result in await concurrently(
            below[: MAX_CHILDREN - len(found)], reader.read, reader.workers
        ):
            if isinstance(result, Token) and result.parent.value == above:
                found[ref] = None
                waiting.append(ref)
    return tuple(sorted(found)[:MAX_CHILDREN])


def _destroy_secret_id(token: Token) -> Proposal:
    place, accessor = mapping.place_of(token.ref.id)
    path = at(place.ns, role_path(place.mount, place.role, "secret-id-accessor/destroy"))
    return Proposal(
        steps=(
            Step(
                id="destroy",
                verb=Verb.REVOKE,
                token=token.ref,
                title=f"Destroy the secret-id of the role {place.role}",
                call=Call("http", "POST", path, {"secret_id_accessor": accessor}),
                retry=Retry.CONFIRM,
                expect="gone",
            ),
        ),
        collateral=("Tokens that were issued by logins with it live on; revoke them too.",),
        takes_effect="at once for new logins",
    )


async def perform(reader: BaoReader, step: Step) -> Outcome:
    """Make a step's call, and tell "done" from "was gone already" by reading again."""
    said_nothing = False
    minting = step.phase is Phase.MINT

    def judge(body: Any, outcome: Outcome) -> Outcome:
        nonlocal said_nothing
        if isinstance(body, dict):
            warnings = body.get("warnings")
            said_nothing = NOTHING_THERE in mapping.texts({"warnings": warnings}, "warnings")
            request_id = mapping.text(body, "request_id")
            outcome = msgspec.structs.replace(outcome, request_id=request_id or outcome.request_id)
        return rotate.deliver(reader, step, body, outcome) if minting else outcome

    outcome = await reader.client.send(
        step.call, lambda intent: filled(step.call.arguments, intent), judge, minting=minting
    )
    # The destroying of a secret-id that is gone is answered with a fault (500).
    faulted = outcome.state is OutcomeState.UNKNOWN and (
        "failed to find accessor" in outcome.detail or "does not exist" in outcome.detail
    )
    if minting or (not said_nothing and not faulted):
        return outcome
    try:
        await reader.read(step.token)
    except NotFound:
        return msgspec.structs.replace(
            outcome, state=OutcomeState.ALREADY, detail="it was gone already"
        )
    except BackendError as error:
        return msgspec.structs.replace(
            outcome,
            state=OutcomeState.UNKNOWN,
            detail=f"the server found nothing to end, and a look did not settle it: {error}",
        )
    return msgspec.structs.replace(
        outcome,
        state=OutcomeState.REJECTED,
        detail="the server found nothing to end, and still has the token",
    )


async def dependents(reader: BaoReader, ref: TokenRef) -> Dependents:
    """Children, leases and addresses, as far as the audit log knows them."""
    gap = await reader.scan()
    log = reader.usable_log
    if log is None:
        why = gap.what if gap else NO_AUDIT_FILE
        told = "children and leases, which end with it"
        return Dependents(gaps=(Gap(ref.id, GapKind.UNLISTABLE, told, why),))
    gaps = [gap for gap in (gap, await reader.join([ref])) if gap is not None]
    gaps.append(
        Gap(
            ref.id,
            GapKind.UNLISTABLE,
            HOLDERS,
            "The audit log knows users only, by address; a proxy may stand for many.",
        )
    )
    birth = log.birth(ref)
    if birth is None or log.holes:
        gaps.append(
            Gap(
                ref.id,
                GapKind.LIMITED,
                "children, leases and addresses before the audit log begins",
                f"It begins at {log.began:%Y-%m-%d %H:%M} UTC." if log.began else "It is empty.",
            )
        )
    consumers: list[Consumer] = []
    children, unnamed = log.children(ref)
    done = await concurrently(children[:MAX_CHILDREN], reader.read, reader.workers)
    for child, result in done:
        if isinstance(result, Token):
            if result.parent.value != ref:
                continue
            consumers.append(
                Consumer(result.name, "token", child.id, "audit log", result.last_used_at)
            )
        elif not isinstance(result, NotFound):
            unnamed += 1
    unnamed += max(len(children) - len(done), 0)
    if unnamed:
        gaps.append(
            Gap(
                ref.id,
                GapKind.LIMITED,
                f"{count(unnamed, 'token')} that it asked for, which may have ended",
                "The audit log has them under names that match no token read so far; those that "
                "live end with it.",
            )
        )
    use = log.use(ref)
    if use is not None:
        for lease, at in use.leases.items():
            consumers.append(
                Consumer(lease, "lease", f"issued {at:%Y-%m-%d %H:%M} UTC", "audit log")
            )
        for address, at in use.places.items():
            seen = known(at, "audit log", log.read_at)
            consumers.append(Consumer(address, "address", "", "audit log", seen))
    return Dependents(tuple(consumers), tuple(gaps))
