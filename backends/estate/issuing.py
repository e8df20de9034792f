"""How the estate's systems issue: ids, values, and the row of a new token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from typing import Final

from backends.estate.systems import SYSTEMS, System

ALPHANUMERIC: Final = bytes.maketrans(b"+/", b"Zq")

CONSOLE: Final = "token-console"
ACTING: Final = "token-console-act"
"""The console's own tokens in every system: one to read with, one to act with."""

INSERT_ROW: Final = (
    "INSERT INTO token (n, system, kind, scope, id, name, principal_id, principal,"
    " principal_kind, principal_off, owner, owner_how, created_at, created_by, expires_at,"
    " used_at, used_from, used_for, grants, parent, disabled, blocked_from, gone_at,"
    " dead_from, binding, facts)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

INSERT_VALUE: Final = "INSERT INTO secret (digest, token, version, valid_until) VALUES (?, ?, ?, ?)"

PRINCIPAL_KIND: Final = {
    "vault": "entity", "cloud": "user", "database": "role", "codehost": "user",
}  # fmt: skip

OWNER_SOURCE: Final = {
    "vault": "entity metadata",
    "cloud": "tag owner",
    "database": "role comment",
    "codehost": "token's user",
}
"""Where a system keeps the claim of who owns a token."""


def value(key: bytes, system: str, id_: str, version: int) -> str:
    """A token's value. Only who has the estate's key can compute it."""
    raw = hmac.digest(key, f"{system}\0{id_}\0{version}".encode(), "sha256")
    return SYSTEMS[system].prefix + base64.b32encode(raw).decode().rstrip("=").lower()


def digest(secret: str) -> bytes:
    """What the estate stores of a value."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()[:16]


def identity(seed: int, system: str, n: int) -> str:
    """The id of the n-th token in the form that its system gives to ids."""
    if system == "database":
        return str(16_384 + 3 * n)
    if system == "codehost":
        return str(2_000_000 + 17 * n)
    raw = hashlib.blake2b(f"{seed}/{system}/{n}".encode(), digest_size=18).digest()
    if system == "cloud":
        return "AKIA" + base64.b32encode(raw).decode()[:16]
    return base64.b64encode(raw).translate(ALPHANUMERIC).decode()[:24]


def insert_token(
    connection: sqlite3.Connection,
    seed: int,
    key: bytes,
    spec: System,
    now: int,
    *,
    name: str,
    owner: str | None,
    principal: str,
    created_by: str,
    expires_at: int | None,
    parent: int | None,
    scope: str,
    grants: tuple[tuple[str, str], ...],
    kind: str = "",
    detail: str = "",
) -> int:
    """Issue one token within the caller's transaction, with a line in the audit trail.

    ``kind`` is the system's first one where none is given. Returns the token's number.
    """
    if spec.name == "cloud":
        expires_at = None  # Access keys have no expiry.
    n = int(connection.execute("SELECT coalesce(max(n), 0) + 1 FROM token").fetchone()[0])
    id_ = identity(seed, spec.name, n)
    connection.execute(
        INSERT_ROW,
        (
            n, spec.name, kind or spec.kind, scope, id_, name, principal, principal,
            PRINCIPAL_KIND[spec.name], 0, owner, "known" if owner else "never", now, created_by,
            expires_at, None, None, None, json.dumps([list(grant) for grant in grants]), parent,
            0, None, None, None, "bearer", "[]",
        ),
    )  # fmt: skip
    connection.execute(INSERT_VALUE, (digest(value(key, spec.name, id_, 1)), n, 1, None))
    event(connection, spec.name, now, n, "create", actor=created_by, target=name, detail=detail)
    return n


def event(
    connection: sqlite3.Connection,
    system: str,
    at: int,
    token: int | None,
    action: str,
    outcome: str = "ok",
    *,
    actor: str = "",
    target: str = "",
    source: str = "",
    agent: str = "",
    detail: str = "",
) -> None:
    """Write one line of a system's audit trail."""
    connection.execute(
        "INSERT INTO event (system, at, token, action, outcome, actor, target, source, agent,"
        " detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (system, at, token, action, outcome, actor, target, source, agent, detail),
    )
