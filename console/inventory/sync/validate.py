"""From a backend's token to what the store keeps of it.

Whatever a backend hands over is checked here: the rest of the inventory may rely on it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from backends.model import Grant, How, Reading, Token, TokenRef, encode
from backends.words import count
from console.store.text_fold import KEY, encodable, fold_common, grant_text, hay, name_key
from console.store.time_keys import NEVER_EXPIRES, NEVER_USED

T = TypeVar("T")
AS_OF = re.compile(rb',"as_of":"[^"]*"')
SIZE_LIMIT = 1_000_000
"""Bytes of one token's JSON; a system that says more about one token is not believed."""
_TOKEN = msgspec.json.Decoder(Token)
PLAUSIBLE = (0, NEVER_EXPIRES - 1)


class Garbage(Exception):
    """What a backend handed over is not what it promised. The text is safe to show."""


class Shaped(NamedTuple):
    """A token that passed the checks, in the form in which it is kept.

    Not the token itself: it is made from ``doc`` again where it differs from what is stored.
    """

    handle: str
    backend: str
    kind: str
    ref: str
    scope: str
    doc: bytes
    digest: bytes


def shape(found: Token, backend: str) -> Shaped:
    """Check and encode a token.

    Lone surrogates, which no encoding of Unicode can hold, become their visible escape
    (``\\udc80``); everything else is kept as it came.

    Raises:
        Garbage: it is not this backend's, or not what the model promises.
    """
    try:
        doc = encode(found)
    except UnicodeEncodeError:
        found = _without_surrogates(found)
        doc = encode(found)
    except Exception as error:  # noqa: BLE001
        # A third party's object can fail in any way when it is looked at.
        raise Garbage(f"a token cannot be written down ({type(error).__name__})") from None
    if len(doc) > SIZE_LIMIT:
        raise Garbage(f"a token's record takes {count(len(doc), 'byte')}")
    # The types are a promise that a third party's backend may not keep.
    ref: object = found.ref
    if not isinstance(ref, TokenRef) or not all(_is_text(p) for p in (ref.kind, ref.id)):
        raise Garbage("a token without a whole reference")
    if ref.backend != backend:
        raise Garbage("a token that says it belongs to another backend")
    told = AS_OF.sub(b"", doc) if b',"as_of":"' in doc else doc
    digest = hashlib.blake2b(told, digest_size=16).digest()
    return Shaped(ref.handle, backend, ref.kind, ref.id, found.scope, doc, digest)


def _is_text(part: object) -> bool:
    return isinstance(part, str) and part != ""


def checked(shaped: Shaped) -> Token:
    """The token with the types that the model promises.

    This costs more than :func:`shape`, and is only needed for what is going to be written.

    Raises:
        Garbage: a field has another type, or a time has no zone.
    """
    try:
        token = _TOKEN.decode(shaped.doc)
    except (msgspec.ValidationError, ValueError) as error:
        where = re.search(r"at `\$([\w.\[\]]*)`", str(error))
        raise Garbage(f"a token with a wrong field {where[1] if where else ''}".strip()) from None
    for name in ("created_at", "last_used_at", "expires_at"):
        reading = getattr(token, name)
        for moment in (reading.value, reading.as_of):
            if moment is not None and moment.tzinfo is None:
                raise Garbage(f"a token whose {name} has no time zone")
    return token


def seconds(moment: datetime) -> int:
    """Unix seconds, kept within what the store can sort."""
    low, high = PLAUSIBLE
    return min(max(int(moment.timestamp()), low), high)


_HOWS = {how: how.value for how in How}
"""Plain texts: an enum's own ``value`` is dear, and there are six of them in every row."""


def columns(token: Token) -> dict[str, Any]:
    """The columns of ``token`` that follow from what the backend said."""
    owner = token.owner.value
    principal = token.principal.value
    grants = token.grants.value
    used = _seconds(token.last_used_at)
    expires = _seconds(token.expires_at)
    names = tuple([grant.name for grant in grants or ()])
    state = token.state.value
    return {
        "name": token.name,
        "name_key": name_key(token.name),
        "scope": token.scope,
        "state": state,
        "status": state,
        "owner_how": _HOWS[token.owner.how],
        "owner": owner,
        "owner_key": _key(token.owner, fold_common(owner or "")[:KEY], ""),
        "principal_how": _HOWS[token.principal.how],
        "principal": principal.name if principal else None,
        "created_how": _HOWS[token.created_at.how],
        "created_at": _seconds(token.created_at),
        "used_how": _HOWS[token.last_used_at.how],
        "used_at": used,
        "used_key": _key(token.last_used_at, used, NEVER_USED),
        "used_from": token.last_used_from.value,
        "expires_how": _HOWS[token.expires_at.how],
        "expires_at": expires,
        "expires_key": _key(token.expires_at, expires, NEVER_EXPIRES),
        "grants_how": _HOWS[token.grants.how],
        "grants": _key(token.grants, len(names), 0),
        "hay": hay(
            (token.name, token.ref.id),
            (
                owner or "",
                principal.name if principal else "",
                token.ref.backend,
                token.ref.kind,
                token.scope,
            ),
        ),
        "grant_text": grant_text(names),
    }


def _seconds(reading: Reading[datetime]) -> int | None:
    return None if reading.value is None else seconds(reading.value)


def _key(reading: Reading[Any], value: T, never: T) -> T | None:
    if reading.how is How.KNOWN:
        return value
    return never if reading.how is How.NEVER else None


def _without_surrogates(token: Token) -> Token:
    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return encodable(value)
        if isinstance(value, dict):
            return {clean(key): clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner) for inner in value]
        return value

    try:
        return msgspec.convert(clean(msgspec.to_builtins(token)), Token)
    except Exception as error:  # noqa: BLE001
        # As above: whatever is wrong with it, it is one token's trouble.
        raise Garbage(f"a token cannot be written down ({type(error).__name__})") from None


def words(reading: Reading[Any]) -> str:
    """A reading as a person reads it in the history; the unknown ways keep their names."""
    if reading.how is not How.KNOWN:
        return "never" if reading.how is How.NEVER else reading.how.value.replace("_", " ")
    value = reading.value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(getattr(value, "name", value))


def grant_words(grant: Grant) -> str:
    """A grant as a person reads it."""
    on = f" on {grant.on}" if grant.on else ""
    via = f" via {grant.via}" if grant.via else ""
    return f"{grant.kind} {grant.name}{on}{via}".strip()
