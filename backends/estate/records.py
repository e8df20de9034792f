"""From the estate's rows to what each system would tell: its readings, with its blind spots."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from backends.estate.issuing import OWNER_SOURCE
from backends.estate.systems import SYSTEMS, System
from backends.model import (
    AuditEvent,
    Effect,
    EventClass,
    Grant,
    Principal,
    Reading,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_tracked,
    use,
)

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)

NO_PARENT: Final = never("audit log")
NO_PARENTS: Final = not_tracked("tokens have no parents here")
NO_CREATION: Final = not_tracked("the database does not record when a role was created")
NO_CREATOR: Final = not_tracked("not recorded")
NO_ADDRESS: Final = not_tracked("the system does not keep the address of the last use")
NO_PURPOSE: Final = not_tracked("the system does not keep what the last use was for")
NO_USE: Final = not_tracked("the database does not record logins; open sessions are seen")
NO_EXPIRY: Final = never("the system has no expiry for these")
NEVER_ENDS: Final = never("expiry")
HIDDEN: Final = not_permitted("the credential may not read identity/entity/id/*")


LIFE: Final = {
    "created": Effect.CREATED,
    "contain": Effect.CONTAINED,
    "restore": Effect.RESTORED,
    "rotate": Effect.ROTATED,
    "revoke": Effect.REVOKED,
    "disconnect": Effect.DISCONNECTED,
    "owner": Effect.OWNER,
}
"""What the estate's own words do to a token; whatever else is in its logs is a use of one."""
PERMISSION: Final = frozenset({"grant", "ungrant"})


def moment(seconds: int) -> datetime:
    """A point in time from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def is_listed(row: sqlite3.Row, now: int) -> bool:
    """Whether the system's own record still has the token."""
    if row["gone_at"] is not None and row["gone_at"] <= now:
        return False
    # A vault forgets what has expired; the others go on showing it.
    expired = row["expires_at"] is not None and row["expires_at"] <= now
    return not (expired and row["system"] == "vault")


def token(row: sqlite3.Row, backend: str, now: int, parent: str | None, session: int) -> Token:
    """A token as its system tells it. ``session`` counts a role's open sessions."""
    spec = SYSTEMS[row["system"]]
    use, source, purpose = _use(spec, row, now, session)
    as_of = _now(now)
    created: Reading[datetime] = NO_CREATION
    creator: Reading[str] = NO_CREATOR
    if spec.name != "database":
        created = known(moment(row["created_at"]), "issuer's record")
        if spec.name != "cloud":
            origin = "audit log" if spec.name == "vault" else "issuer's record"
            creator = _known(row["created_by"], origin)
    above: Reading[TokenRef] = NO_PARENTS
    if spec.name == "vault":
        above = (
            NO_PARENT
            if parent is None
            else known(TokenRef(backend, spec.kind, parent), "audit log", as_of)
        )
    expires: Reading[datetime] = NO_EXPIRY if spec.name == "cloud" else NEVER_ENDS
    if row["expires_at"] is not None:
        expires = known(moment(row["expires_at"]), "issuer's record")
    return Token(
        ref=TokenRef(backend, row["kind"], row["id"]),
        name=row["name"],
        scope=row["scope"],
        state=_state(row, now),
        principal=known(
            Principal(
                row["principal_id"],
                row["principal"],
                row["principal_kind"],
                bool(row["principal_off"]),
            ),
            "issuer's record",
        ),
        owner=_owner(row["owner_how"], row["owner"], spec.name),
        created_at=created,
        created_by=creator,
        last_used_at=use,
        last_used_from=source,
        last_used_for=purpose,
        expires_at=expires,
        grants=_grants(row["grants"]),
        parent=above,
        binding=_known(row["binding"], "issuer's record"),
        facts=_facts(row["facts"]),
    )


def _state(row: sqlite3.Row, now: int) -> TokenState:
    if row["expires_at"] is not None and row["expires_at"] <= now:
        return TokenState.EXPIRED
    if row["disabled"]:
        return TokenState.DISABLED
    return TokenState.SUPERSEDED if row["superseded"] else TokenState.ACTIVE


def _use(
    spec: System, row: sqlite3.Row, now: int, session: int
) -> tuple[Reading[datetime], Reading[str], Reading[str]]:
    used, as_of = row["used_at"], _now(now)
    if spec.name == "database":
        if not session:
            return NO_USE, NO_USE, NO_USE
        live = known(as_of, "open sessions", as_of)
        return live, known(row["used_from"] or "local", "open sessions", as_of), NO_USE
    if used is None:
        return (nothing := never(spec.origin, as_of)), nothing, nothing
    if spec.name == "vault":
        return (
            known(moment(used), spec.origin, as_of),
            known(row["used_from"], spec.origin, as_of),
            known(row["used_for"], spec.origin, as_of),
        )
    step = HOUR if spec.name == "cloud" else DAY
    coarse = moment(used - used % int(step.total_seconds()))
    service = str(row["used_for"]).partition(":")[0]
    return (
        known(coarse, "issuer's record", as_of, step),
        NO_ADDRESS,
        known(service, "issuer's record", as_of) if spec.name == "cloud" else NO_PURPOSE,
    )


@lru_cache(maxsize=4096)
def _owner(how: str, name: str | None, system: str) -> Reading[str]:
    if how == "known" and name is not None:
        return known(name, OWNER_SOURCE[system])
    return HIDDEN if how == "not_permitted" else never(OWNER_SOURCE[system])


@lru_cache(maxsize=4096)
def _grants(text: str) -> Reading[tuple[Grant, ...]]:
    return known(tuple(Grant(*grant) for grant in json.loads(text)), "issuer's record")


@lru_cache(maxsize=1024)
def _facts(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), str(value)) for key, value in json.loads(text))


@lru_cache(maxsize=8192)
def _known(value: str, source: str) -> Reading[str]:
    """For what many tokens have alike."""
    return known(value, source)


@lru_cache(maxsize=64)
def _now(seconds: int) -> datetime:
    """The moment of a listing, which is asked for with every token of it."""
    return moment(seconds)


@lru_cache(maxsize=4096)
def _ref(backend: str, kind: str, id_: str) -> TokenRef:
    return TokenRef(backend, kind, id_)


def audit_event(row: tuple[Any, ...], backend: str, spec: System) -> AuditEvent:
    """One line of a system's audit trail.

    ``row`` has its id, at, action, outcome, actor, target, source, agent and detail, and its
    token's kind and id.
    """
    id_, at, action, outcome, actor, target, source, agent, detail, kind, token_id = row
    if action == "create":
        # In the other systems' logs "create" is something that a token does.
        action = "created"
    effect = LIFE.get(action, Effect.UNSAID)
    if action in LIFE:
        sort = EventClass.LIFE
    else:
        sort = EventClass.PERMISSION if action in PERMISSION else use(outcome)
    return AuditEvent(
        id=f"{spec.name}-{id_}",
        at=moment(at),
        action=action,
        sort=sort,
        effect=effect,
        outcome=outcome,
        token=None if token_id is None else _ref(backend, kind, token_id),
        actor=actor,
        target=target,
        source=source,
        agent=agent,
        origin=spec.origin,
        detail=detail,
    )
