"""From the server's records to tokens: pure functions, which contact nobody.

Every field may be missing or of another type than the pages promise; a record is read as
far as it can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from backends.errors import NotFound
from backends.model import (
    UNBOUND,
    Binding,
    Grant,
    How,
    Principal,
    Reading,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_read,
    not_tracked,
)
from backends.openbao.audit import AuditIndex

SERVICE = "service-token"
APPROLE = "approle-secret-id"

OWNER_KEYS = ("owner", "team")
GENERATED_NAME = re.compile(r"entity_[0-9a-f]{8}(\..*)?")
"""What the server calls an entity that nobody named."""

SECOND = timedelta(seconds=1)
NO_PARENT_TOLD = "the interface leaves the parent out on purpose; an audit file would tell"


class Entity(NamedTuple):
    """An identity: a person or a workload, whichever way it logs in."""

    id: str
    name: str
    owner: str
    alias: str
    disabled: bool


class SecretIdPlace(NamedTuple):
    """Where a secret-id lives. ``ns`` is "" for root and else ends in a slash."""

    ns: str
    mount: str
    role: str

    def id_of(self, accessor: str) -> str:
        """The id of a token's ref: ``role/accessor``, in full where it is not the usual place."""
        usual = not self.ns and self.mount == "approle"
        return f"{'' if usual else f'{self.ns}auth/{self.mount}/'}{self.role}/{accessor}"


def place_of(id_: str) -> tuple[SecretIdPlace, str]:
    """The inverse of ``Place.id_of``: the place and the accessor.

    No namespace can be called ``auth``, so that the first one is the mount's.

    Raises:
        NotFound: the system cannot have such an id. It becomes part of a path, so that it
            must not lead anywhere else.
    """
    parts = id_.split("/")
    if len(parts) == 2:
        parts = ["auth", "approle", *parts]
    odd = any(part in ("", ".", "..") or not part.isprintable() for part in parts)
    if odd or "auth" not in parts[:-3]:
        raise NotFound("no secret-id has such an id")
    *above, role, accessor = parts
    here = above.index("auth")
    ns = "".join(f"{part}/" for part in above[:here])
    return SecretIdPlace(ns, "/".join(above[here + 1 :]), role), accessor


def text(record: Mapping[str, Any], key: str) -> str:
    """A text of a record, empty where there is none."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def texts(record: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts of a record, empty where there is none."""
    value = record.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


def table(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A table within a record, empty where there is none."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def moment(value: Any) -> datetime | None:
    """A point in time from Unix seconds or RFC 3339; None for none, and for Go's zero time."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC) if value > 0 else None
        if isinstance(value, str) and value:
            # Python keeps microseconds and does not read nine digits in every version.
            at = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
            return at if at.year > 1 else None
    except (ValueError, OverflowError, OSError):
        return None
    return None


def owner_in(meta: Mapping[str, Any]) -> str:
    """The owner that a table of metadata names, whatever the case of the key."""
    lower = {str(key).lower(): value for key, value in meta.items()}
    return next((str(lower[key]) for key in OWNER_KEYS if lower.get(key)), "")


def entity_from(record: Mapping[str, Any]) -> Entity:
    """An entity with its owner and its first alias, from its record."""
    aliases = [alias for alias in record.get("aliases") or () if isinstance(alias, dict)]
    owner = owner_in(table(record, "metadata"))
    return Entity(
        text(record, "id"),
        text(record, "name"),
        owner,
        next((text(alias, "name") for alias in aliases if text(alias, "name")), ""),
        record.get("disabled") is True,
    )


def _owner(entity: Reading[Entity], meta: Mapping[str, Any]) -> Reading[str]:
    of_entity = entity.value
    if of_entity is not None and of_entity.owner:
        return known(of_entity.owner, "entity metadata")
    claimed = owner_in(meta)
    if claimed:
        return known(claimed, "token meta")
    if of_entity is not None:
        if of_entity.name and not GENERATED_NAME.fullmatch(of_entity.name):
            return known(of_entity.name, "entity name")
        if of_entity.alias:
            return known(of_entity.alias, "entity alias")
    if entity.how in (How.NOT_PERMITTED, How.NOT_READ):
        return Reading(entity.how, None, entity.source)
    return never("neither an entity nor the metadata names one")


def grants(record: Mapping[str, Any], entity: Reading[Entity]) -> tuple[Grant, ...]:
    grants = [Grant("policy", name) for name in texts(record, "policies")]
    name = entity.value.name if entity.value else text(record, "entity_id")
    grants += [
        Grant("policy", policy, via=f"entity {name}")
        for policy in texts(record, "identity_policies")
    ]
    elsewhere = table(record, "external_namespace_policies")
    for namespace in elsewhere:
        grants += [
            Grant("policy", policy, on=namespace, via=f"entity {name}")
            for policy in texts(elsewhere, namespace)
        ]
    return tuple(dict.fromkeys(grants))


def _expiry(record: Mapping[str, Any], expires: datetime | None) -> Reading[datetime]:
    if expires is not None:
        return known(expires, "look-up")
    lives_on = "expire_time" in record and not record.get("ttl")
    return never("look-up") if lives_on else not_read("the record has a ttl and no end")


class _Bound(NamedTuple):
    """What ties a token to a holder, as readings: the server itself refuses other addresses."""

    binding: Reading[str]
    bound: Reading[Binding]
    enforced: Reading[bool]

    @classmethod
    def to(cls, addresses: Iterable[str], source: str) -> _Bound:
        words = ", ".join(addresses)
        kind = Binding.PLACE if words else Binding.BEARER
        return cls(
            known(f"addresses {words}" if words else "bearer", source),
            known(kind, source),
            known(True, source) if words else not_tracked(UNBOUND),
        )


def _facts(record: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, str]]:
    facts = []
    for name in names:
        value = record.get(name)
        if value in (None, "", [], {}):
            continue
        said = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else None
        facts.append((name.replace("_", " "), said or str(value)))
    return facts


class Trace(NamedTuple):
    """What the audit log says of a token, as readings."""

    used_at: Reading[datetime]
    used_from: Reading[str]
    used_for: Reading[str]
    created_by: Reading[str]
    parent: Reading[TokenRef]


def trace(log: AuditIndex | None, trouble: Reading[Any], ref: TokenRef) -> Trace:
    """The log's readings for a token; ``trouble`` where there is no log to be read."""
    if log is None:
        return Trace(trouble, trouble, trouble, trouble, trouble)
    use, birth, as_of = log.use(ref), log.birth(ref), log.read_at
    used_at: Reading[datetime]
    if use is not None and use.at is not None:
        used_at = known(use.at, "audit log", as_of, SECOND)
        used_from = known(use.address, "audit log", as_of)
        used_for = known(use.what, "audit log", as_of)
    elif not log.joined(ref):
        used_at = used_from = used_for = not_read("its name in the audit log is not known")
    elif birth is not None and not log.holes:
        # The log has its creation and everything since, so silence means "never".
        used_at = used_from = used_for = never("audit log, since its creation", as_of)
    else:
        began = f"{log.began:%Y-%m-%d %H:%M} UTC" if log.began else "just now"
        used_at = used_from = used_for = not_read(f"not used since the audit log begins, {began}")
    if birth is None:
        not_there = not_read("the audit log at hand does not have its creation")
        return Trace(used_at, used_from, used_for, not_there, not_there)
    parent = log.ref_of(birth.parent) if birth.child_of_parent else None
    by = birth.by or (f"token {parent.id}" if parent else "")
    # A login's entry names the one who logged in, who is also the one who made the token.
    created_by = known(f"{by} ({birth.how})" if by else birth.how, "audit log", birth.at)
    return Trace(
        used_at,
        used_from,
        used_for,
        created_by,
        known(parent, "audit log", birth.at) if parent else not_read("its parent is not listed"),
    )


def service_token(
    ref: TokenRef, ns: str, record: Mapping[str, Any], entity: Reading[Entity], seen: Trace
) -> Token:
    """A token from the record of ``auth/token/lookup-accessor``."""
    meta = table(record, "meta")
    display = text(record, "display_name")
    who = entity.value
    path = text(record, "path")
    orphan = record.get("orphan") is True
    expires = moment(record.get("expire_time"))
    created = moment(record.get("creation_time")) or moment(record.get("issue_time"))
    created_by = seen.created_by
    if not created_by.known and "/login" in path:
        created_by = known(f"login by {path}", "token path")
    parent = never("an orphan") if orphan else seen.parent
    if parent.how is How.NOT_TRACKED:
        parent = not_tracked(NO_PARENT_TOLD)
    principal: Reading[Principal]
    if who is not None:
        principal = known(
            Principal(who.id, who.name or who.alias, "entity", who.disabled), "entity"
        )
    elif entity.how in (How.NOT_PERMITTED, How.NOT_READ):
        principal = Reading(entity.how, None, entity.source)
    else:
        principal = known(
            Principal(display or ref.id, display or ref.id, "display name"), "look-up"
        )
    facts = [("namespace", ns or "root")]
    facts += _facts(
        record,
        (
            "type", "path", "role", "orphan", "renewable", "num_uses", "period",
            "explicit_max_ttl", "creation_ttl", "entity_id", "last_renewal",
        ),
    )  # fmt: skip
    facts += [(f"meta {key}", str(value)) for key, value in meta.items()]
    return Token(
        ref=ref,
        name=display or ref.id,
        scope=scope_of(ns, SERVICE),
        state=TokenState.DISABLED if who is not None and who.disabled else TokenState.ACTIVE,
        principal=principal,
        owner=_owner(entity, meta),
        created_at=known(created, "look-up", granularity=SECOND) if created else not_read(),
        created_by=created_by,
        last_used_at=seen.used_at,
        last_used_from=seen.used_from,
        last_used_for=seen.used_for,
        expires_at=_expiry(record, expires),
        grants=known(grants(record, entity), "look-up"),
        parent=parent,
        **_Bound.to(texts(record, "bound_cidrs"), "look-up")._asdict(),
        facts=tuple(facts),
    )


def secret_id(
    ref: TokenRef,
    place: SecretIdPlace,
    record: Mapping[str, Any],
    role: Reading[Mapping[str, Any]],
    seen: Trace,
    now: datetime,
) -> Token:
    """A token from the record of an AppRole secret-id and that of its role."""
    meta = table(record, "metadata")
    expires = moment(record.get("expiration_time"))
    created = moment(record.get("creation_time"))
    claimed = owner_in(meta)
    grants: Reading[tuple[Grant, ...]]
    if role.value is not None:
        names = texts(role.value, "token_policies")
        via = f"role {place.role}"
        grants = known(tuple(Grant("policy", name, via=via) for name in names), via)
    else:
        grants = Reading(role.how, None, role.source)
    addresses = texts(record, "cidr_list") or texts(role.or_else({}), "secret_id_bound_cidrs")
    facts = [("namespace", place.ns or "root"), ("mount", f"auth/{place.mount}")]
    facts += [("role", place.role)]
    facts += _facts(record, ("secret_id_num_uses", "secret_id_ttl", "token_bound_cidrs"))
    facts += [(f"meta {key}", str(value)) for key, value in meta.items()]
    accessor = ref.id.rpartition("/")[2]
    return Token(
        ref=ref,
        name=f"{place.role} {text(meta, 'name') or accessor[:8]}",
        scope=scope_of(place.ns, place.mount),
        state=TokenState.EXPIRED if expires and expires <= now else TokenState.ACTIVE,
        principal=known(
            Principal(
                f"{place.ns}auth/{place.mount}/role/{place.role}", place.role, "approle role"
            ),
            "listing",
        ),
        owner=known(claimed, "secret-id metadata") if claimed else never("its metadata"),
        created_at=known(created, "look-up") if created else not_read(),
        created_by=seen.created_by,
        last_used_at=seen.used_at,
        last_used_from=seen.used_from,
        last_used_for=seen.used_for,
        expires_at=known(expires, "look-up") if expires else never("look-up"),
        grants=grants,
        parent=never("a secret-id has no parent"),
        **_Bound.to(addresses, "look-up")._asdict(),
        facts=tuple(facts),
    )


def scope_of(ns: str, what: str) -> str:
    """The name of a part that is listed in one go: a namespace, and what is listed there."""
    return f"{ns or 'root/'}{what}"


def refused(path: str, rights: str = "read") -> Reading[Any]:
    """Not permitted, with the line of policy that is missing."""
    return not_permitted(policy(path, rights))


def denied(ns: str, path: str) -> str:
    """What to do about a path that is refused though the policy for all like it is there."""
    return (
        f"The right to read such paths is there, and {ns}{path} is refused all the same: a "
        "policy of the console's token denies it. Take that out, or look at it with another token."
    )


def policy(path: str, *rights: str) -> str:
    """The line of policy that grants what is missing."""
    wanted = ", ".join(f'"{right}"' for right in rights)
    return f'path "{path}" {{ capabilities = [{wanted}] }}'
