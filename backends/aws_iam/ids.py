"""What an AWS access key id tells by itself, without asking anybody."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

KEY_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])"
)
"""Access key ids in a text. AKIA is long-lived, ASIA belongs to a session.

New ids use the base32 alphabet only; old ones use every letter and digit.
"""

WELL_FORMED = re.compile(r"[A-Za-z0-9_]{16,128}")
"""What IAM takes as an access key id at all (its model: at least 16 word characters)."""


def account_of(key_id: str) -> str | None:
    """The twelve digits of the account that an access key id was issued in.

    The account stands in bits 7 to 46 of the 48 that the first ten characters of the
    base32 part hold; bit 47 marks the ids that have one. None for a text that is no key
    id, and for old ids, which do not hold it.
    """
    if not KEY_ID.fullmatch(key_id):
        return None
    try:
        first = base64.b32decode(key_id[4:14] + "AAAAAA")[:6]
    except binascii.Error:
        return None
    if not first[0] & 0x80:
        return None
    return f"{(int.from_bytes(first) & 0x7FFFFFFFFF80) >> 7:012d}"


def shard_of(account: str, user: str) -> str:
    """The scope that a user's keys are listed in: one of sixteen, by a hash of the user's name.

    One scope for the whole account would let a single user who is refused hide every
    deletion; one for each user could never say that a deleted user's keys are gone,
    for nobody lists that user any more. A user's hash stays the same, so the scope of a
    deleted user is still enumerated, with whoever shares it.
    """
    return f"{account}/users-{hashlib.sha256(user.encode()).hexdigest()[0]}"


def shards(account: str) -> tuple[str, ...]:
    """All the scopes of an account."""
    return tuple(f"{account}/users-{digit:x}" for digit in range(16))
