"""A pasted text as a password, and marks of passwords that a plan may carry."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from backends.model import Secret

SCHEMES: Final = ("redis://", "rediss://", "valkey://", "valkeys://")
MARK: Final = 16
"""Hexadecimal digits of a mark."""


class Pasted(NamedTuple):
    """A user, where the text names one, and a password."""

    user: str | None
    password: Secret


def split(secret: Secret) -> Pasted:
    """User and password of a connection URL, or the whole as a password."""
    text = secret.reveal()
    if text.startswith(SCHEMES):
        with contextlib.suppress(ValueError):
            parts = urlsplit(text)
            if parts.password:
                return Pasted(
                    unquote(parts.username or "") or None, Secret(unquote(parts.password))
                )
    return Pasted(None, secret)


def mark(digest: Secret, key: Secret) -> str:
    """What stands in a plan for a password's hash: nobody can test a guess without the key.

    The key is the console's own password at that server: it has one wherever it plans and
    wherever it acts, and a plan that is older than a new one is to be made anew.
    """
    made = hmac.new(key.reveal().encode("utf-8", "surrogatepass"), digestmod=hashlib.sha256)
    made.update(b"token-console/redis/password\0" + digest.reveal().encode())
    return made.hexdigest()[:MARK]


def marks(digests: Iterable[Secret], key: Secret) -> str:
    """The marks of several passwords on one line."""
    return " ".join(mark(digest, key) for digest in digests)
