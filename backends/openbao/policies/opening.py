"""The policies of one token, read from the server and opened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from backends.errors import BackendError, Forbidden, NotFound
from backends.model import Gap, GapKind, Grant, Token, not_read
from backends.openbao import mapping
from backends.openbao.client import entity_path
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import APPROLE, SERVICE
from backends.openbao.policies.acl import ROOT, Sourced, rows_of
from backends.openbao.policies.hcl import NotReadable
from backends.openbao.policies.stanza import Stanza, stanzas
from backends.openbao.policies.template import (
    Absent,
    Barred,
    Caller,
    Unresolved,
    resolved,
    templated,
)
from backends.openbao.policies.ways import elevations, places, secrets
from backends.openbao.reader import BaoReader
from backends.permissions import Access, Permission, Permissions

BARRED: Final = (
    "No value may have that sign. Some versions leave the path out, others refuse the token all."
)
NOT_ASKED: Final = BackendError("not asked, since those before it were not answered")
DEFAULT: Final = "default"
BY_HAND: Final = "Read it with `bao policy read`, and judge it by hand."
DISABLED: Final = "its entity, which is disabled, is enabled again"
LOGIN: Final = "a token that a log-in with it gets"


class Holder(NamedTuple):
    """What a token's record says of its rights: its policies, and whom it speaks for."""

    ns: str
    grants: tuple[Grant, ...]
    entity_id: str = ""
    subject: str = ""
    conditions: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()


class Policy(NamedTuple):
    """A policy as it was read."""

    ns: str
    name: str
    paths: tuple[Stanza, ...]
    blocked: tuple[str, ...]


async def opened(reader: BaoReader, token: Token) -> Permissions:
    """The rows of a token's policies, with what could not be opened.

    Raises:
        NotFound: the server has no such token.
        BackendError: the token's own record cannot be read.
    """
    now = datetime.now(UTC)
    holder = await _holder(reader, token)
    if any(grant.name == ROOT and not grant.via for grant in holder.grants):
        row = Permission(
            action=ROOT, resource=f"{holder.ns}*", access=Access.ADMIN, source="policy root",
            conditions=holder.conditions,
        )  # fmt: skip
        rows: tuple[Permission, ...] = (row,)
        gaps: list[Gap] = list(holder.gaps)
    else:
        caller, via, lost = await _caller(reader, holder)
        if caller.entity is not None and caller.entity.get("disabled") is True:
            holder = holder._replace(conditions=(*holder.conditions, DISABLED))
        policies, gaps = await _policies(reader, holder, now)
        found: list[Sourced] = []
        barred: list[Gap] = []
        for one in _sourced(holder, policies, caller, via):
            if isinstance(one, Gap):
                barred.append(one)
            else:
                found.append(one)
        gaps = [*holder.gaps, *gaps, *barred]
        rows = rows_of(found)
        if lost is not None and any(templated(row.resource) for row in rows):
            gaps.append(lost)
    gaps += sentinel(str((await reader.client.health()).get("version", "")))
    spaces = list(dict.fromkeys((holder.ns, *(_space(holder, grant) for grant in holder.grants))))
    where, secret_gaps = await _places(reader, spaces)
    # Thousands of paths take a second, in which others are to be served.
    ways, kept = await asyncio.to_thread(lambda: (elevations(rows, spaces), secrets(rows, where)))
    return Permissions(
        ref=token.ref,
        rows=rows,
        elevations=ways,
        secrets=kept,
        gaps=tuple(gaps),
        secret_gaps=secret_gaps,
        subject=holder.subject,
        as_of=now,
    )


def sentinel(version: str) -> list[Gap]:
    """That an edition of Vault has policies of another sort, which are not read here.

    Sentinel policies can only deny, and only Vault Enterprise has them; its version says "+ent".
    """
    if "+ent" not in version:
        return []
    what = "Sentinel policies (RGP, EGP), which may deny what these allow"
    return [Gap("sys/policies", GapKind.UNLISTABLE, what, "Look at them by hand.")]


async def _holder(reader: BaoReader, token: Token) -> Holder:
    ref = token.ref
    if ref.kind == APPROLE:
        return await _role(reader, ref.id)
    if ref.kind != SERVICE:
        raise NotFound(f"OpenBao has no tokens of the kind {ref.kind}")
    try:
        ns = await reader.namespace_of(ref.id)
        record = (await reader.record(ns, ref.id)).data
    except Forbidden as error:
        raise await reader.client.refused(error) from None
    id_ = mapping.text(record, "entity_id")
    grants = mapping.grants(record, not_read())
    return Holder(ns, grants, id_, "", _addresses(mapping.texts(record, "bound_cidrs")))


async def _role(reader: BaoReader, id_: str) -> Holder:
    """What a log-in with a secret-id gets: the policies of its role, and more by its entity."""
    place, _ = mapping.place_of(id_)
    try:
        role = await reader.client.role(place.ns, place.mount, place.role)
    except Forbidden:
        missing = mapping.policy(f"{place.ns}auth/{place.mount}/role/+", "read")
        gap = Gap(id_, GapKind.REFUSED, f"the policies of the role {place.role}", missing)
        return Holder(place.ns, (), subject=LOGIN, gaps=(gap,))
    names = mapping.texts(role, "token_policies")
    if not role.get("token_no_default_policy"):
        names.append(DEFAULT)
    grants = tuple(Grant("policy", name, via=f"role {place.role}") for name in dict.fromkeys(names))
    unseen = Gap(
        id_,
        GapKind.UNLISTABLE,
        "policies that the log-in gets by its entity and its groups",
        "Look at a token from a log-in with it: its record names them.",
    )
    bound = _addresses(mapping.texts(role, "token_bound_cidrs"))
    return Holder(place.ns, grants, "", LOGIN, bound, (unseen,))


def _addresses(bound: Sequence[str]) -> tuple[str, ...]:
    return (f"from the addresses {', '.join(bound)}",) if bound else ()


def _space(holder: Holder, grant: Grant) -> str:
    """The namespace of a grant's policy, with a slash at its end; empty for root."""
    named = grant.on.strip("/")
    if not grant.on:
        return holder.ns
    return "" if named in ("", "root") else f"{named}/"


async def _caller(reader: BaoReader, holder: Holder) -> tuple[Caller, dict[str, str], Gap | None]:
    """The token's entity and groups, which group gives which policy, and what was not read."""
    if holder.subject:
        return Caller(None, None), {}, None
    if not holder.entity_id:
        return Caller({}, ()), {}, None
    ns = holder.ns
    try:
        entity = (await reader.client.get(ns, entity_path(holder.entity_id))).data
    except BackendError as error:
        hint = mapping.policy(f"{ns}identity/entity/id/*", "read")
        return Caller(None, None), {}, _gap(ns, "its entity, for templates in paths", error, hint)
    via = {name: f"entity {_named(entity)}" for name in mapping.texts(entity, "policies")}
    ids = dict.fromkeys(
        id_
        for key in ("direct_group_ids", "inherited_group_ids", "group_ids")
        for id_ in mapping.texts(entity, key)
    )

    async def read(id_: str) -> Mapping[str, Any]:
        return (await reader.client.get(ns, f"identity/group/id/{quote(id_, safe='')}")).data

    groups: list[Mapping[str, Any]] = []
    lost: Gap | None = None
    done = dict(await concurrently(list(ids), read, reader.workers))
    for id_ in ids:
        group = done.get(id_, NOT_ASKED)
        if isinstance(group, BackendError):
            hint = mapping.policy(f"{ns}identity/group/id/*", "read")
            lost = _gap(ns, f"its group {id_}, for templates in paths", group, hint)
        else:
            groups.append(group)
            for name in mapping.texts(group, "policies"):
                via.setdefault(name, f"group {_named(group)}")
    return Caller(entity, None if lost is not None else groups), via, lost


def _named(record: Mapping[str, Any]) -> str:
    return mapping.text(record, "name") or mapping.text(record, "id")


def _gap(scope: str, what: str, error: BackendError, hint: str) -> Gap:
    refused = isinstance(error, Forbidden)
    kind = GapKind.REFUSED if refused else GapKind.FAILED
    return Gap(scope or "root/", kind, what if refused else f"{what}: {error}",
               hint if refused else error.hint)  # fmt: skip


async def _policies(
    reader: BaoReader, holder: Holder, now: datetime
) -> tuple[list[Policy], list[Gap]]:
    """The policies of a holder; a gap for each that could not be read or understood."""
    wanted = list(dict.fromkeys((_space(holder, grant), grant.name) for grant in holder.grants))

    async def read(key: tuple[str, str]) -> Policy | None:
        ns, name = key
        try:
            data = (await reader.client.get(ns, f"sys/policies/acl/{quote(name, safe='')}")).data
        except NotFound:
            # A policy that does not exist gives nothing, and the server takes it for none.
            return None
        text = data.get("policy")
        if not isinstance(text, str):
            raise BackendError(f"the answer for the policy {name} has no text")
        try:
            paths = stanzas(text, name, now)
        except NotReadable as error:
            raise BackendError(f"it is not understood: {error}", BY_HAND) from None
        # Vault and older versions do not tell of slashes, and let them through.
        slashes = data.get("allow_slashes_in_identity_templates", True)
        wild = data.get("allow_wildcards_in_identity_templates", False)
        blocked = ("/",) * (not slashes) + ("*", "+") * (not wild)
        return Policy(ns, name, paths, blocked)

    done = dict(await concurrently(wanted, read, reader.workers))
    granted = {key[0] for key, result in done.items() if not isinstance(result, BackendError)}
    found, gaps = [], []
    for ns, name in wanted:
        result = done.get((ns, name), NOT_ASKED)
        if isinstance(result, BackendError):
            hint = mapping.policy(f"{ns}sys/policies/acl/*", "read")
            if ns in granted:
                hint = mapping.denied(ns, f"sys/policies/acl/{name}")
            gaps.append(_gap(ns, f"the policy {name}", result, hint))
        elif isinstance(result, Policy):
            found.append(result)
    return found, gaps


def _sourced(
    holder: Holder, policies: Sequence[Policy], caller: Caller, via: Mapping[str, str]
) -> Iterator[Sourced | Gap]:
    """The paths of all policies with the caller put in; those of the default policy last."""
    for policy in sorted(policies, key=lambda one: one.name == DEFAULT):
        source = _source(holder, policy, via)
        for stanza in policy.paths:
            path, doubt = stanza.path, holder.conditions
            if templated(path):
                try:
                    path = resolved(path, caller, policy.blocked)
                except Absent:
                    continue
                except Barred as why:
                    what = f"the path {path} of the policy {policy.name}: {why}"
                    yield Gap(policy.ns or "root/", GapKind.FAILED, what, BARRED)
                    continue
                except Unresolved as why:
                    doubt = (*doubt, f"a template in the path is not resolved: {why}")
            yield Sourced(f"{policy.ns}{path.removeprefix('/')}", stanza, source, doubt)


def _source(holder: Holder, policy: Policy, via: Mapping[str, str]) -> str:
    """Where a policy comes from: the token itself, its role, its entity, or a group."""
    grants = [
        grant
        for grant in holder.grants
        if grant.name == policy.name and _space(holder, grant) == policy.ns
    ]
    where = f" in {policy.ns}" if policy.ns else ""
    for grant in grants:
        if not grant.via:
            return f"policy {policy.name}{where}"
    first = grants[0].via if grants else ""
    if not first.startswith("entity"):
        return f"policy {policy.name}{where}, via {first}"
    # The record does not tell a group's policies from the entity's own; their records do.
    either = f"{first} or a group of it"
    return f"policy {policy.name}{where}, via {via.get(policy.name, either)}"


async def _places(reader: BaoReader, spaces: Sequence[str]) -> tuple[list[str], tuple[Gap, ...]]:
    """Where secrets are kept in the namespaces, as far as their mounts can be read."""
    found: list[str] = []
    gaps = []
    for ns in spaces:
        try:
            found += places((await reader.client.get(ns, "sys/mounts")).data, ns)
        except BackendError as error:
            hint = mapping.policy(f"{ns}sys/mounts", "read")
            gaps.append(_gap(ns, "which paths hold secrets: the mounts", error, hint))
    return found, tuple(gaps)
