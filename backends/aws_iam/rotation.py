"""How an access key is rotated: a second key first, and the old one ends when it is moved.

A user has two slots, and AWS makes the secret and tells it once. A key has no name and no
label, so that nothing of the intent can be put into it; :func:`left_behind` says how a key
is found whose answer was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from backends.aws_iam import door
from backends.aws_iam.actions import PROPAGATION, SESSIONS
from backends.aws_iam.client import utc
from backends.aws_iam.keys import SLOTS, Keys, Use
from backends.aws_iam.people import PERSONAL
from backends.aws_iam.trail import Trail
from backends.contract import Hazard, Phase, Proposal, Retry, Step, Value, Verb
from backends.errors import BackendError
from backends.model import How, Token, TokenState
from backends.words import count

SLACK = timedelta(seconds=3)
"""CreateDate is in whole seconds, and so is the Date by which the clocks are compared: a
difference of one may be there or not."""

SETTLED = PROPAGATION
"""When a listing of IAM shows for certain what was made before."""


class Slot(NamedTuple):
    """A key of the user, as listed, and its last use where it was asked for."""

    key: Mapping[str, Any]
    use: Use | None = None


def propose(token: Token, user: str, taken: Sequence[Slot] | None, now: datetime) -> Proposal:
    """The steps of a rotation. ``taken`` None means that the user's keys may not be listed."""
    id_ = token.ref.id
    who = {"UserName": user, "AccessKeyId": id_}
    states = {str(slot.key["AccessKeyId"]): str(slot.key.get("Status")) for slot in taken or ()}
    mint = Step(
        id="create",
        verb=Verb.ROTATE,
        token=token.ref,
        title=f"Create a second access key for the user {user}",
        call=door.call_of(door.MINT, {"UserName": user}),
        phase=Phase.MINT,
        value=Value.ISSUED,
    )
    disable = Step(
        id="disable",
        verb=Verb.ROTATE,
        token=token.ref,
        title=f"Set the old access key {id_} of {user} Inactive",
        call=door.call_of("UpdateAccessKey", {**who, "Status": "Inactive"}),
        retry=Retry.FREE,
        reversible=True,
        expect=TokenState.DISABLED.value,
        phase=Phase.RETIRE,
    )
    delete = Step(
        id="delete",
        verb=Verb.ROTATE,
        token=token.ref,
        title=f"Delete the old access key {id_} of {user}",
        call=door.call_of("DeleteAccessKey", who),
        retry=Retry.CONFIRM,
        expect="gone",
        phase=Phase.RETIRE,
    )
    idle = states.get(id_) == "Inactive"
    return Proposal(
        steps=(mint, delete) if idle else (mint, disable, delete),
        hazards=tuple(_hazards(token, user, taken, states, now)),
        collateral=(f"whatever still signs its requests with {id_} when it is retired", SESSIONS),
        takes_effect="within seconds for the new key and the old, at a time AWS does not promise",
        undo=f"until the deletion: {id_} is set Active again, and the new key is deleted",
    )


def _hazards(
    token: Token,
    user: str,
    taken: Sequence[Slot] | None,
    states: Mapping[str, str],
    now: datetime,
) -> list[Hazard]:
    if taken is None:
        text = f"The keys of {user} may not be listed: whether a slot is free is not known."
        return [Hazard(code="unseen", text=text)]
    if token.ref.id not in states:
        text = f"The user {user} does not have this key any more: there is nothing to replace."
        return [Hazard(code="gone", text=text, fatal=True)]
    hazards: list[Hazard] = []
    if len(taken) >= SLOTS:
        others = [slot for slot in taken if slot.key["AccessKeyId"] != token.ref.id]
        told = " and ".join(_told(slot, now) for slot in others)
        keys = count(len(taken), "key")
        text = (
            f"The user {user} has {keys}, and AWS allows {SLOTS}: no new one can be "
            f"made. The other is {told}. If nothing needs it, revoke it first; if it is the "
            "successor already, move the consumers to it and revoke this one instead."
        )
        hazards.append(Hazard(code="slot-full", text=text, fatal=True))
    if states[token.ref.id] == "Inactive":
        text = "The key is Inactive, so that nothing signs with it: to revoke it may be enough."
        hazards.append(Hazard(code="inactive", text=text))
    return hazards


async def slots(
    keys: Keys, listed: Sequence[Mapping[str, Any]] | None, old: str, now: datetime
) -> list[Slot] | None:
    """The listed keys; where all slots are taken, with the last use of those beside ``old``."""
    if listed is None:
        return None
    full = len(listed) >= SLOTS
    return [
        Slot(key, await _use(keys, key, now) if full and key["AccessKeyId"] != old else None)
        for key in listed
    ]


async def _use(keys: Keys, key: Mapping[str, Any], now: datetime) -> Use | None:
    try:
        return (await keys.use(str(key["AccessKeyId"]), now))[1]
    except PERSONAL:
        return None


def _told(slot: Slot, now: datetime) -> str:
    key, use = slot.key, slot.use
    words = [str(key["AccessKeyId"]), str(key.get("Status") or "of an unknown state")]
    created = key.get("CreateDate")
    days = (now - utc(created)).days if created else None
    words.append("of an unknown age" if days is None else f"{days} day{'s' * (days != 1)} old")
    if use is None or use.at.how not in (How.KNOWN, How.NEVER):
        words.append("last use not known")
    elif use.at.value is None:
        words.append("never used")
    else:
        what = use.service.or_else("an unnamed service")
        words.append(f"last used at {use.at.value:%Y-%m-%d %H:%M}Z for {what}")
    return ", ".join(words)


async def left_behind(
    keys: Keys, trail: Trail, step: Step, intent_id: str, since: datetime, skew: timedelta
) -> list[str]:
    """The ids of keys that a ``CreateAccessKey`` without an answer made. Empty is certain.

    The plan saw a free slot, so that of the user's two keys the one that is not the old one,
    and was made since the intent (``since``; AWS's clock is ahead by ``skew``), came of it. Where
    CloudTrail already tells by which program, only the one whose user agent names the
    intent counts; until it does (some minutes) the time alone decides.

    A listing may be some seconds behind, so an empty one is waited out.

    Raises:
        BackendError: the keys cannot be listed.
    """
    user = step.call.arguments["UserName"]
    settled = min(since, datetime.now(UTC)) + SETTLED
    begin = since + skew - SLACK
    while True:
        asked = datetime.now(UTC)
        found = [
            str(key["AccessKeyId"])
            for key in await keys.of_user(user)
            if key["AccessKeyId"] != step.token.id
            and ("CreateDate" not in key or utc(key["CreateDate"]) >= begin)
        ]
        if found or asked >= settled:
            break
        await asyncio.sleep(1.0)
    if not found:
        return []
    try:
        agents = await trail.makers(begin)
    except BackendError:
        return found
    return [id_ for id_ in found if f"intent/{intent_id}" in agents.get(id_, f"intent/{intent_id}")]
