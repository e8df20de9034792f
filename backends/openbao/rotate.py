"""A successor for a token or a secret-id, and what a lost answer has left behind.

Both are made new beside the old one, which ends in a step of its own. A secret-id's value
is ours to choose (``custom-secret-id``); a token's is the server's. The id of the intent
stands in the metadata of both, so that one whose answer was lost is found by listing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import msgspec

from backends import permit
from backends.contract import (
    Call,
    Hazard,
    Outcome,
    OutcomeState,
    Phase,
    Proposal,
    Retry,
    Step,
    Value,
    Verb,
)
from backends.errors import BackendError, BadAnswer, Forbidden, NotFound, Unsupported
from backends.model import Secret, Token, TokenRef
from backends.openbao import mapping
from backends.openbao.body import MARK, NEW_VALUE, marked, written
from backends.openbao.client import Record, at, entity_path, role_path
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import APPROLE, SecretIdPlace
from backends.openbao.reader import BaoReader

MOST_LOOKED_AT: Final = 100_000
"""Tokens of a namespace that are looked up at most to find one by its metadata."""

CLOCKS: Final = timedelta(minutes=5)
"""How far the server's clock may lie behind ours."""

MADE_BY_HAND: Final = ("auth/token/create", "auth/token/create-orphan")
PREFIX: Final = "token-"
"""What the server puts before a display name of one's own."""


async def secret_id(reader: BaoReader, token: Token, retire: Proposal) -> Proposal:
    """A second secret-id like the first, then the end of the first.

    Raises:
        Unsupported: the credential to act may not choose secret-ids.
        NotFound: the secret-id is gone.
    """
    place, accessor = mapping.place_of(token.ref.id)
    path = role_path(place.mount, place.role, "custom-secret-id")
    await _may(reader, f"{place.ns}{path}", "update")
    old = (await reader.secret_id_record(place, accessor)).data
    arguments = {
        "secret_id": NEW_VALUE,
        "metadata": marked(mapping.table(old, "metadata")),
        "ttl": str(old.get("secret_id_ttl") or 0),
        "num_uses": str(old.get("secret_id_num_uses") or 0),
    }
    for key in ("cidr_list", "token_bound_cidrs"):
        if bound := mapping.texts(old, key):
            arguments[key] = ",".join(bound)
    mint = Step(
        id="mint",
        verb=Verb.ROTATE,
        token=token.ref,
        title=f"Register a second secret-id for the role {place.role}",
        call=Call("http", "POST", at(place.ns, path), arguments),
        # The same value is refused the second time.
        retry=Retry.CONFIRM,
        phase=Phase.MINT,
        value=Value.CHOSEN,
    )
    return _then(mint, retire, "destroy the new secret-id", ())


async def service_token(reader: BaoReader, token: Token, retire: Proposal) -> Proposal:
    """A token like the old one, then the end of the old; a card where only a login gives one.

    Raises:
        Unsupported: the credential to act may not make such a token.
        NotFound: the token is gone.
    """
    ns = await reader.namespace_of(token.ref.id)
    old = (await reader.record(ns, token.ref.id)).data
    made_at = mapping.text(old, "path")
    role = made_at.removeprefix("auth/token/create/") if "/create/" in made_at else ""
    if card := _card(old, made_at, role):
        return Proposal(steps=(), manual=card)
    path = f"auth/token/create/{quote(role, safe='')}" if role else "auth/token/create-orphan"
    # Whoever is not root needs sudo to make an orphan, and to give it policies not its own.
    await _may(reader, f"{ns}{path}", *(("update",) if role else ("update", "sudo")))
    arguments = _like(old)
    hazards = []
    if role and mapping.text(old, "entity_id"):
        arguments["entity_alias"] = await _alias(reader, ns, mapping.text(old, "entity_id"))
    if old.get("orphan") is not True:
        hazards.append(
            Hazard(
                code="no-parent-any-more",
                text="The new token has no parent: it does not end with the old one's parent.",
            )
        )
    if retire.also_ends or any(line.startswith("lease ") for line in retire.collateral):
        hazards.append(
            Hazard(
                code="children-not-moved",
                text="Children and leases of the old token end with it; the new one has none.",
            )
        )
    mint = Step(
        id="mint",
        verb=Verb.ROTATE,
        token=token.ref,
        title="Make a token with the same policies and the same life",
        call=Call("http", "POST", at(ns, path), arguments),
        retry=Retry.NEVER,
        phase=Phase.MINT,
        value=Value.ISSUED,
    )
    return _then(mint, retire, "revoke the new token", tuple(hazards))


def _card(old: Mapping[str, Any], made_at: str, role: str) -> str:
    """What a person has to do where the interface cannot make a successor; "" where it can."""
    if "root" in mapping.texts(old, "policies"):
        return (
            "A root token has no successor by the interface. Make one with: bao operator "
            "generate-root; hand it over, then revoke this one."
        )
    if mapping.text(old, "type") not in ("service", ""):
        return "Only service tokens can be made anew. Ask for it again where it came from."
    if role and old.get("orphan") is not True:
        return (
            f"Its role {role} makes children of whoever asks, so a successor would end with the "
            "console's own token. Let its parent's holder make one, then revoke this one."
        )
    if role or made_at in MADE_BY_HAND:
        return ""
    return (
        f"It came from a login at {made_at or 'a place not told'}: let its holder log in there "
        "again, then revoke this one. If the login's own secret leaked, replace that first."
    )


def _like(old: Mapping[str, Any]) -> dict[str, str]:
    policies = mapping.texts(old, "policies")
    arguments = {
        "policies": written(policies),
        "no_default_policy": written("default" not in policies),
        "renewable": written(old.get("renewable") is True),
        "meta": marked(mapping.table(old, "meta")),
    }
    display = mapping.text(old, "display_name")
    if display.startswith(PREFIX):
        arguments["display_name"] = display.removeprefix(PREFIX)
    for key, sent in (
        ("period", "period"),
        ("explicit_max_ttl", "explicit_max_ttl"),
        ("num_uses", "num_uses"),
        ("creation_ttl", "ttl"),
    ):
        if isinstance(old.get(key), int) and old[key] > 0:
            arguments[sent] = str(old[key])
    if "period" in arguments:
        # A period is the life of such a token; the server takes only one of the two.
        arguments.pop("ttl", None)
    return arguments


async def _alias(reader: BaoReader, ns: str, entity: str) -> str:
    """The name by which a role of the token store gives a token its entity."""
    record = (await reader.client.get(ns, entity_path(entity))).data
    for alias in record.get("aliases") or ():
        if isinstance(alias, dict) and mapping.text(alias, "mount_type") == "token":
            return mapping.text(alias, "name")
    raise Unsupported(
        "the token's entity has no alias in the token store any more",
        "Let whoever made it make another, then revoke this one.",
    )


def _then(mint: Step, retire: Proposal, undo: str, hazards: tuple[Hazard, ...]) -> Proposal:
    steps = [
        msgspec.structs.replace(step, verb=Verb.ROTATE, phase=Phase.RETIRE) for step in retire.steps
    ]
    return msgspec.structs.replace(
        retire,
        steps=(mint, *steps),
        hazards=(*retire.hazards, *hazards),
        takes_effect=f"the new one at once; the old one in the last step: {retire.takes_effect}",
        undo=f"until the old one is retired: {undo}",
    )


async def _may(reader: BaoReader, path: str, *rights: str) -> None:
    if reader.client.can_send and await reader.client.may(path, *rights, acting=True) is False:
        raise Unsupported(
            "the credential to act may not make a successor", mapping.policy(path, *rights)
        )


def deliver(reader: BaoReader, step: Step, body: Any, outcome: Outcome) -> Outcome:
    """Hand over what the answer to a minting call holds, and with which ref."""
    name, secret, ref = "", "", None
    if isinstance(body, dict) and step.token.kind == APPROLE:
        given = mapping.table(body, "data")
        place, _ = mapping.place_of(step.token.id)
        name, secret = mapping.text(given, "secret_id_accessor"), permit.value().reveal()
        ref = TokenRef(reader.name, APPROLE, place.id_of(name))
    elif isinstance(body, dict):
        given = mapping.table(body, "auth")
        name, secret = mapping.text(given, "accessor"), mapping.text(given, "client_token")
        ref = reader.ref(name)
    if ref is None or not name or not secret:
        return msgspec.structs.replace(
            outcome, state=OutcomeState.UNKNOWN, detail="the answer does not name what was made"
        )
    permit.deliver(ref, Secret(secret))
    # Such as a life that was cut to the longest one that the mount allows.
    said = "; ".join(mapping.texts(body, "warnings"))
    return msgspec.structs.replace(outcome, detail=said[:300]) if said else outcome


async def minted(
    reader: BaoReader, step: Step, intent_id: str, since: datetime
) -> tuple[TokenRef, ...]:
    """What has the intent's id in its metadata, made since then. Empty is certain.

    Raises:
        BackendError: a part could not be looked at, so that nobody can tell.
    """
    if step.phase is not Phase.MINT:
        raise Unsupported("this step mints nothing")
    since -= CLOCKS
    if step.token.kind == APPROLE:
        place, _ = mapping.place_of(step.token.id)
        return await _secret_ids(reader, place, intent_id, since)
    ns = await reader.namespace_of(step.token.id)
    accessors = await reader.client.keys(ns, "auth/token/accessors")
    if len(accessors) > MOST_LOOKED_AT:
        raise Unsupported(
            f"{len(accessors)} tokens are too many to look for one by its metadata",
            f"Look for the metadata {MARK}={intent_id} by hand.",
        )
    records, amiss = await _all(
        reader, accessors, lambda accessor: reader.client.token(ns, accessor)
    )
    return _certain(
        amiss,
        (
            reader.ref(accessor)
            for accessor, record in records
            if mapping.table(record, "meta").get(MARK) == intent_id
            and (mapping.moment(record.get("creation_time")) or since) >= since
        ),
    )


async def _secret_ids(
    reader: BaoReader, place: SecretIdPlace, intent_id: str, since: datetime
) -> tuple[TokenRef, ...]:
    path = role_path(place.mount, place.role, "secret-id")
    try:
        accessors = await reader.client.keys(place.ns, path)
    except NotFound:
        accessors = []
    records, amiss = await _all(
        reader,
        accessors,
        lambda accessor: reader.client.secret_id(place.ns, place.mount, place.role, accessor),
    )
    return _certain(
        amiss,
        (
            TokenRef(reader.name, APPROLE, place.id_of(accessor))
            for accessor, record in records
            if mapping.table(record, "metadata").get(MARK) == intent_id
            and (mapping.moment(record.get("creation_time")) or since) >= since
        ),
    )


def _certain(amiss: BackendError | None, found: Iterable[TokenRef]) -> tuple[TokenRef, ...]:
    """What was found. "Nothing" is an answer only where every record could be looked at."""
    refs = tuple(found)
    if amiss is not None and not refs:
        raise amiss
    return refs


async def _all(
    reader: BaoReader, accessors: list[str], look_up: Callable[[str], Awaitable[Record]]
) -> tuple[list[tuple[str, dict[str, Any]]], BackendError | None]:
    """The records behind all accessors but those that ended meanwhile, and why some are missing.

    A token whose look-up is refused must not hide the one that is looked for.
    """
    done = await concurrently(accessors, look_up, reader.workers)
    amiss: BackendError | None = None
    for _, result in done:
        if isinstance(result, Forbidden):
            amiss = await reader.client.refused(result)
        elif isinstance(result, BackendError) and not isinstance(result, NotFound):
            raise result
    if amiss is None and len(done) < len(accessors):
        amiss = BadAnswer("not all tokens could be looked at")
    records = [(accessor, result.data) for accessor, result in done if isinstance(result, Record)]
    return records, amiss
