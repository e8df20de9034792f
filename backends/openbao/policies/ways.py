"""Ways to more than the rows say, and the rows that read what holds secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from backends.openbao.policies.acl import ROOT, Acl
from backends.openbao.policies.pattern import HERE, example, meet
from backends.openbao.policies.template import templated
from backends.permissions import Access, Elevation, Permission, PermissionEffect
from backends.words import count

WRITES: Final = ("create", "update", "patch")
MOST_EXCEPTIONS: Final = 4
"""How many exceptions of a wide row are named; the rest is counted."""


MOST_COMPARED: Final = 50_000
"""How many pairs of paths are compared for exceptions; about a second of work."""
TOO_MANY: Final = "no closer path says otherwise (there are too many to compare)"


class _Way(NamedTuple):
    code: str
    text: str
    targets: tuple[str, ...]
    sudo: bool = False
    actions: tuple[str, ...] = WRITES
    needs: str = ""
    """Where it has to be able to write as well; empty where the way needs no more."""
    never: str = ""
    """Paths below this one are among the targets, and open nothing by themselves."""


_WAYS: Final = (
    # The surest first: a screen may have room for few.
    _Way("write-policies", "may write policies, and so give itself any right",
         ("sys/policies/acl/*", "sys/policy/*")),
    _Way("create-tokens", "may create tokens with any policy but root's",
         ("auth/token/create", "auth/token/create-orphan"), sudo=True),
    _Way("raw-storage", "may read or write the storage below the server's own rights",
         ("sys/raw/*",), sudo=True, actions=("read", *WRITES)),
    _Way("mount-auth", "may enable auth methods, and let itself in where it may set one up too",
         # There is always something at token/, so that nothing can be enabled below it.
         ("sys/auth/*",), sudo=True, never="sys/auth/token/"),
    _Way("write-auth-roles", "may write roles or users of an auth method, with any policy",
         ("auth/+/role/+", "auth/+/roles/+", "auth/+/users/+", "auth/+/groups/+", "auth/+/certs/+",
          "auth/+/map/*", "auth/+/role/+/policies", "auth/+/role/+/token-policies",
          "auth/+/users/+/policies"), never="auth/token/"),
    _Way("write-token-roles", "may write token roles, and create tokens by them with any policy",
         ("auth/token/roles/+",), needs="auth/token/create/+"),
    _Way("write-identity", "may give policies to entities or groups, its own too",
         ("identity/entity", "identity/entity/+", "identity/entity/id/+", "identity/entity/name/+",
          "identity/group", "identity/group/+", "identity/group/id/+", "identity/group/name/+",
          "identity/entity-alias", "identity/entity-alias/*", "identity/entity/merge")),
    _Way("take-over-users", "may set the passwords of users, and log in as them",
         ("auth/+/users/+/password",)),
    _Way("mint-logins",
         "may mint secret-ids of AppRole roles, and log in as those whose role-id it knows",
         ("auth/+/role/+/secret-id", "auth/+/role/+/custom-secret-id")),
)  # fmt: skip

_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "kv": ("*",),
    "kv-v2": ("data/*",),
    "generic": ("*",),
    "database": ("creds/*", "static-creds/*"),
    "aws": ("creds/*", "sts/*"),
    "ldap": ("creds/*", "static-cred/*"),
    "openldap": ("creds/*", "static-cred/*"),
    "rabbitmq": ("creds/*",),
    "consul": ("creds/*",),
    "nomad": ("creds/*",),
    "transit": ("export/*",),
}
"""Where an engine gives secrets to whoever reads."""


def elevations(rows: Sequence[Permission], namespaces: Iterable[str]) -> tuple[Elevation, ...]:
    """The ways that a token's rows open, in the namespaces that its policies are of."""
    acl = Acl(rows)
    found = []
    if acl.root:
        found.append(Elevation(ROOT, "has the root policy: everything", tuple(acl.root)))
    for way in _WAYS:
        by = tuple(dict.fromkeys(row for ns in namespaces for row in _opening(acl, way, ns)))
        if by:
            found.append(Elevation(way.code, way.text, by))
    return tuple(found)


def _opening(acl: Acl, way: _Way, ns: str) -> Iterator[Permission]:
    """The rows by which a way is open in a namespace, or in those below that a ``+`` names."""
    for pattern, rows in acl.by_pattern.items():
        below = [f"{ns}+/"] if pattern.startswith(f"{ns}+/") else []
        for start in (ns, *below):
            reached = [_decided(acl, pattern, f"{start}{target}") for target in way.targets]
            if way.never:
                never = f"{start}{way.never}"
                reached = ["" if one.startswith(never) else one for one in reached]
            if not any(reached):
                continue
            giving = [row for row in rows if row.action in way.actions]
            sudo = [row for row in rows if row.action == "sudo"]
            also = list(_writing(acl, f"{start}{way.needs}")) if way.needs else []
            if giving and (sudo or not way.sudo) and (also or not way.needs):
                yield from (*giving, *(sudo if way.sudo else ()), *also)
                break


def _writing(acl: Acl, target: str) -> Iterator[Permission]:
    """The rows that write somewhere in a target."""
    for pattern, rows in acl.by_pattern.items():
        if _decided(acl, pattern, target):
            yield from (row for row in rows if row.action in WRITES)


def _decided(acl: Acl, pattern: str, target: str) -> str:
    """What the target and a pattern both cover, if the pattern decides about some of it."""
    common = meet(_opened(pattern), target)
    if not common or templated(pattern):
        return common
    # What is open at its end covers paths of one segment more, too, and another rule may not.
    paths = [example(common), f"{example(common)}/{HERE}"][: 1 + common.endswith("*")]
    decides = any(acl.deciding(path, listing=False) == pattern for path in paths)
    return common if decides else ""


def _opened(pattern: str) -> str:
    """A pattern with a plus for each template that is not resolved."""
    return re.sub(r"\{\{.*?\}\}", "+", pattern, flags=re.DOTALL)


def places(mounts: Mapping[str, Any], ns: str) -> list[str]:
    """Where a namespace's mounts give secrets: patterns of paths, by ``sys/mounts``."""
    found = []
    for path, mount in mounts.items():
        if not isinstance(mount, dict) or not isinstance(mount.get("type"), str):
            continue
        options = mount.get("options")
        version = options.get("version") if isinstance(options, dict) else None
        sort = "kv-v2" if mount["type"] == "kv" and version == "2" else mount["type"]
        found += [f"{ns}{path.strip('/')}/{end}" for end in _PLACES.get(sort, ())]
    return found


def secrets(rows: Sequence[Permission], where: Sequence[str]) -> tuple[Permission, ...]:
    """The rows that read what is in those places, each narrowed to its place."""
    acl = Acl(rows)
    if acl.root:
        return tuple(
            Permission(action="read", resource=place, access=Access.READ, source=row.source,
                       conditions=row.conditions)
            for place in where for row in acl.root
            if place.startswith(row.resource.removesuffix("*"))
        )  # fmt: skip
    found: dict[str, Permission] = {}
    taking = [
        pattern
        for pattern, all_ in acl.by_pattern.items()
        if not templated(pattern) and _takes(all_)
    ]
    many = len(acl.by_pattern) * len(taking) > MOST_COMPARED
    for pattern, all_ in acl.by_pattern.items():
        reading = [row for row in all_ if row.action == "read"]
        for place in where if reading else ():
            common = _decided(acl, pattern, place)
            if not common:
                continue
            shown = pattern if templated(pattern) else common
            first = reading[0]
            # A path without a wildcard has nothing within that is closer.
            whole = "*" not in common and "+" not in common
            taken: tuple[str, ...] = ()
            if not whole:
                taken = (TOO_MANY,) if many else _exceptions(acl, taking, common)
            found[shown] = Permission(
                action="read",
                resource=shown,
                access=Access.READ,
                conditions=(*first.conditions, *taken),
                source="; ".join(dict.fromkeys(row.source for row in reading)),
            )
    return tuple(found.values())


def _takes(rows: Sequence[Permission]) -> bool:
    """Whether the rows of a pattern do not let anybody read."""
    denies = any(row.effect is PermissionEffect.DENY for row in rows)
    return denies or not any(row.action == "read" for row in rows)


def _exceptions(acl: Acl, taking: Sequence[str], common: str) -> tuple[str, ...]:
    """What closer patterns take out of a wide one."""
    within = [(other, meet(other, common)) for other in taking]
    found = [f"not {inside}" for other, inside in within if inside and _decided(acl, other, common)]
    left = len(found) - MOST_EXCEPTIONS
    more = (f"not {count(left, 'path')} more",) if left > 0 else ()
    return (*found[:MOST_EXCEPTIONS], *more)
