"""How an access key is contained, restored and revoked: the plans, and what to think of first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from backends.aws_iam import door
from backends.contract import Ability, Hazard, Proposal, Retry, Step, Support, Verb
from backends.errors import Unsupported
from backends.model import Token, TokenState

RECENT = timedelta(days=1)
"""A key that was used within this time is taken to have consumers who will notice."""

PROPAGATION = timedelta(seconds=10)
"""AWS promises no time ("eventually consistent"); others have measured deleted keys at work
for about 4 seconds. This leaves some room."""

SESSIONS = (
    "Temporary credentials made with this key (ASIA..., from AssumeRole or GetSessionToken) go on "
    "working until they expire, after up to 36 hours; no call ends them."
)

ABILITIES: Mapping[Verb, Ability] = {
    Verb.CONTAIN: Ability(
        Support.FULL, reversible=True, retry=Retry.FREE, note="the key is set Inactive"
    ),
    Verb.RESTORE: Ability(
        Support.FULL, reversible=True, retry=Retry.FREE, note="the key is set Active"
    ),
    Verb.REVOKE: Ability(
        Support.FULL,
        retry=Retry.CONFIRM,
        note="a key that is gone answers NoSuchEntity",
        # It names the user beside the key, whose id AWS never gives anew.
        sure=True,
    ),
    Verb.ROTATE: Ability(
        Support.FULL,
        retry=Retry.NEVER,
        note="a second key in the other slot; then the old one is set Inactive, and deleted",
    ),
    Verb.DISCONNECT: Ability(
        Support.NONE, note="sessions end by themselves; a policy can deny them by their issue time"
    ),
}


def propose(
    verb: Verb,
    token: Token,
    user: str,
    listed: Sequence[Mapping[str, Any]] | None,
    now: datetime,
) -> Proposal:
    """The one step for a verb, with the hazards that the user's keys, as listed now, show.

    ``listed`` None means that they may not be listed.

    Raises:
        Unsupported: the verb is not offered.
    """
    id_ = token.ref.id
    who = {"UserName": user, "AccessKeyId": id_}
    if verb is Verb.REVOKE:
        call, expect = door.call_of("DeleteAccessKey", who), "gone"
        title = f"Delete the access key {id_} of the user {user}"
    elif verb is Verb.CONTAIN:
        call = door.call_of("UpdateAccessKey", {**who, "Status": "Inactive"})
        expect, title = TokenState.DISABLED.value, f"Set the access key {id_} of {user} Inactive"
    elif verb is Verb.RESTORE:
        call = door.call_of("UpdateAccessKey", {**who, "Status": "Active"})
        expect, title = TokenState.ACTIVE.value, f"Set the access key {id_} of {user} Active"
    else:
        raise Unsupported(f"access keys have no {verb.value} here", ABILITIES[verb].note)
    ability = ABILITIES[verb]
    step = Step(
        id="1",
        verb=verb,
        token=token.ref,
        title=title,
        call=call,
        retry=ability.retry,
        reversible=ability.reversible,
        expect=expect,
    )
    ends = verb is not Verb.RESTORE
    return Proposal(
        steps=(step,),
        hazards=tuple(_hazards(verb, token, user, listed, now)),
        collateral=(f"whatever signs its requests with {id_}", SESSIONS) if ends else (),
        takes_effect="within seconds, at a time that AWS does not promise",
        # CloudTrail names a key by its id.
        log_names=(id_,),
        undo={
            Verb.CONTAIN: "restore: the key is set Active again, with the same secret",
            Verb.RESTORE: "contain: the key is set Inactive again",
        }.get(verb, ""),
    )


def _hazards(
    verb: Verb,
    token: Token,
    user: str,
    listed: Sequence[Mapping[str, Any]] | None,
    now: datetime,
) -> list[Hazard]:
    if listed is None:
        text = f"The keys of {user} may not be listed: whether this is the last one is not known."
        return [Hazard(code="unseen", text=text)]
    states = {str(key["AccessKeyId"]): str(key.get("Status", "")) for key in listed}
    mine = states.get(token.ref.id)
    if mine is None:
        return [Hazard(code="gone", text=f"The user {user} does not have this key any more.")]
    wanted = {Verb.CONTAIN: "Inactive", Verb.RESTORE: "Active"}.get(verb)
    if mine == wanted:
        return [Hazard(code="already", text=f"The key is {mine} as it is.")]
    if verb is Verb.RESTORE:
        return []
    hazards: list[Hazard] = []
    others = [key for key, state in states.items() if state == "Active" and key != token.ref.id]
    if mine == "Active" and not others:
        text = f"It is the last active key of {user}: nothing that runs as this user can sign."
        hazards.append(Hazard(code="last-active-key", text=text))
    used = token.last_used_at.value
    if mine == "Active" and used and now - used < RECENT:
        what = token.last_used_for.or_else("an unnamed service")
        text = f"It was used at {used:%Y-%m-%d %H:%M}Z for {what}: something will break."
        hazards.append(Hazard(code="in-use", text=text))
    return hazards
