"""Whose password is it: compared with the stored verifiers, or by the role that a URL names."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from backends.errors import BackendError, Forbidden
from backends.model import Secret
from backends.postgres import scram
from backends.postgres.roles import Powers
from backends.postgres.wire import PgSession

MAX_TRIED: Final = 2000
"""Verifiers that one identification computes, at some milliseconds each."""


class Parts(NamedTuple):
    """A pasted text: a connection URL taken apart, or the whole as a password."""

    role: str | None
    host: str | None
    password: Secret


class Identified(NamedTuple):
    """The roles by oid, and how that is known."""

    oids: list[int]
    how: str


def split(secret: Secret) -> Parts:
    """Role, host and password of a connection URL, or the whole as a password."""
    text = secret.reveal()
    if text.startswith(("postgres://", "postgresql://")):
        with contextlib.suppress(ValueError):
            parts = urlsplit(text)
            if parts.password:
                role = unquote(parts.username or "") or None
                return Parts(role, parts.hostname, Secret(unquote(parts.password)))
    return Parts(None, None, secret)


async def oids(reader: PgSession, rights: Powers, server: str, secret: Secret) -> Identified:
    """The roles that a secret is the password of. ``server`` is the host that is read.

    Raises:
        Forbidden: the verifiers may not be read, so nothing was compared.
        BackendError: there are more than can be compared with, and none so far matched.
    """
    role, host, password = split(secret)
    if not rights.verifiers:
        return await _by_name(reader, role, server if host in (None, "", server) else "")
    rows = await reader.rows(
        "pg_authid",
        "SELECT oid::bigint AS oid, namesend(rolname) AS raw, rolpassword FROM pg_authid"
        " WHERE rolpassword IS NOT NULL AND (%(role)s::text IS NULL OR rolname = %(role)s)"
        " ORDER BY oid LIMIT %(limit)s",
        {"role": role, "limit": MAX_TRIED + 1},
    )

    def compare() -> list[int]:
        return [
            row["oid"]
            for row in rows[:MAX_TRIED]
            if scram.matches(row["rolpassword"], row["raw"], password)
        ]

    found = await asyncio.to_thread(compare)
    if not found and len(rows) > MAX_TRIED:
        raise BackendError(
            f"compared with the first {MAX_TRIED} roles only; none has this password",
            "Give the role too: postgresql://ROLE:PASSWORD@HOST.",
        )
    return Identified(found, "its stored verifier was made from this password")


async def _by_name(reader: PgSession, role: str | None, server: str) -> Identified:
    """The role that a URL for this very server names. ``server`` empty: for another one."""
    if role is None or not server:
        raise Forbidden(
            "the password cannot be compared: the reading role may not read pg_authid",
            "Identify with a superuser's credential, or give the role too: "
            "postgresql://ROLE:PASSWORD@HOST.",
        )
    rows = await reader.rows(
        "pg_roles",
        "SELECT oid::bigint AS oid FROM pg_roles WHERE rolname = %(role)s",
        {"role": role},
    )
    how = "the address that was given names this role; its password was not compared"
    return Identified([row["oid"] for row in rows], how)
