"""From the catalogs to rows: who may do what on which object, and as whom.

A privilege that needs another one to be of use (a table's needs ``USAGE`` on its schema, and
everything in a database ``CONNECT`` on that) has a condition where that other one is missing. So
has what comes only after ``SET ROLE``, and what row security policies may hide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from backends.permissions import Access, Permission
from backends.postgres.privileges.catalog import Catalog
from backends.postgres.privileges.tree import Identity, Membership, Role
from backends.postgres.privileges.words import quoted, resource
from backends.postgres.wire import Row

OWN: Final = "OWN"
"""The action of an owner: to alter and drop the object, and to grant what it has on it."""

PUBLIC: Final = "PUBLIC"
EVERYTHING: Final = "*"

ATTRIBUTES: Final = ("createrole", "createdb", "replication", "bypassrls")
CLUSTER: Final = "cluster"
"""The resource of an attribute, which is of no object."""

PREDEFINED: Final = {
    "pg_read_all_data": (("SELECT", "table *"), ("SELECT", "sequence *"), ("USAGE", "schema *")),
    "pg_write_all_data": (
        ("INSERT", "table *"),
        ("UPDATE", "table *"),
        ("DELETE", "table *"),
        ("UPDATE", "sequence *"),
        ("USAGE", "schema *"),
    ),
    "pg_maintain": (("MAINTAIN", "table *"),),
}
"""What these roles may do on every object, which is written at none of them."""

GUARDED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""Privileges that row security policies narrow."""

AFTER: Final = "done after SET ROLE "
POLICIES: Final = "its row security policies let the rows through"

READS: Final = ("SELECT", "CONNECT")
WRITES: Final = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "TRIGGER",
    "REFERENCES",
    "MAINTAIN",
    "CREATE",
    "TEMPORARY",
)


class Reach(NamedTuple):
    """What an identity has that others of its rows hang on."""

    schemas: frozenset[str]
    """Those that it may look into; :data:`EVERYTHING` for all."""
    sees_all_rows: bool

    def into(self, schema: str) -> bool:
        """Whether it may look into a schema."""
        return schema in self.schemas or EVERYTHING in self.schemas or schema == "pg_catalog"


def rows(catalog: Catalog, oid: int) -> Iterator[Permission]:
    """All rows of one role: as itself first, then after each ``SET ROLE`` that adds to it."""
    identities = catalog.tree.identities(oid)
    itself = identities[0]
    if itself.role.superuser:
        yield _superuser(itself)
        return
    connects = _connects(catalog, itself)
    base = _reach(catalog, itself)
    for identity in identities:
        yield from _attributes(identity)
        yield from _memberships(catalog, identity)
        if identity.role.superuser:
            yield _superuser(identity)
        elif identity is itself:
            yield from _objects(catalog, identity, base, base, connects)
        elif identity.role.oid not in itself.ways:
            yield from _objects(catalog, identity, _reach(catalog, identity), base, connects)
    yield from _later(catalog, itself)


def _conditions(identity: Identity) -> tuple[str, ...]:
    if not identity.after:
        return ()
    return (f"{AFTER}{quoted(identity.role.name)}",)


def _superuser(identity: Identity) -> Permission:
    return Permission(
        action=EVERYTHING,
        resource=EVERYTHING,
        access=Access.ADMIN,
        conditions=_conditions(identity),
        source="attribute SUPERUSER",
    )


def _attributes(identity: Identity) -> Iterator[Permission]:
    for name in ATTRIBUTES:
        if getattr(identity.role, name):
            yield Permission(
                action=name.upper(),
                resource=CLUSTER,
                access=Access.ADMIN,
                conditions=_conditions(identity),
                source=f"attribute {name.upper()}",
            )


def _memberships(catalog: Catalog, identity: Identity) -> Iterator[Permission]:
    """What the role has of other roles: their privileges, the power to become or to give them."""
    tree = catalog.tree
    conditions = _conditions(identity)
    if not identity.after:
        for other, via in tree.settable(identity.role.oid).items():
            if role := tree.roles.get(other):
                yield _of_role("SET", role, via, ())
        for other, via in identity.ways.items():
            if other != identity.role.oid and (role := tree.roles.get(other)):
                yield _of_role("USAGE", role, via, ())
    given: set[int] = set()
    for holder in identity.ways:
        for each in tree.memberships(holder):
            role = tree.roles.get(each.role)
            if _administered(each, identity) and role is not None and each.role not in given:
                given.add(each.role)
                via = "" if holder == identity.role.oid else tree.roles[holder].name
                yield _of_role("ADMIN", role, via, conditions)


def _administered(membership: Membership, identity: Identity) -> bool:
    return membership.admin and membership.role != identity.role.oid


def _of_role(action: str, role: Role, via: str, conditions: tuple[str, ...]) -> Permission:
    return Permission(
        action=action,
        resource=resource("role", role.name),
        access=Access.ADMIN if action == "ADMIN" else Access.UNKNOWN,
        conditions=conditions,
        source=f"membership, via role {via}" if via else "membership",
    )


def _connects(catalog: Catalog, itself: Identity) -> bool:
    """Whether the role may log in to the connected database at all."""
    return any(
        row["kind"] == "database"
        and row["privilege"] == "CONNECT"
        and row["name"] == catalog.database.name
        and (row["grantee"] == 0 or row["grantee"] in itself.ways)
        for row in catalog.objects
    )


def _reach(catalog: Catalog, identity: Identity) -> Reach:
    named = {role.name for oid in identity.ways if (role := catalog.tree.roles.get(oid))}
    schemas = {
        row["name"]
        for row in catalog.objects
        if row["kind"] == "schema"
        and row["privilege"] == "USAGE"
        and (row["grantee"] == 0 or row["grantee"] in identity.ways)
    }
    if named & {"pg_read_all_data", "pg_write_all_data"}:
        schemas.add(EVERYTHING)
    return Reach(frozenset(schemas), identity.role.bypassrls)


def _objects(
    catalog: Catalog, identity: Identity, reach: Reach, base: Reach, connects: bool
) -> Iterator[Permission]:
    """The rows of objects for an identity."""
    inside = (*_conditions(identity), *_missing(catalog, connects))
    yield from _predefined(catalog, identity, reach, inside)
    for found in catalog.objects:
        if _concerns(found, identity, reach, base):
            outside = found["kind"] == "database"
            conditions = _conditions(identity) if outside else inside
            yield Permission(
                action=found["privilege"],
                resource=_resource(found),
                access=_access(found["privilege"], found["kind"]),
                conditions=(*conditions, *_hangs(found, identity, reach)),
                source=_from(catalog, identity, found["grantee"]),
            )
    for found in catalog.owned:
        if found["owner"] in identity.ways:
            yield Permission(
                action=OWN,
                resource=_resource(found),
                access=Access.ADMIN,
                conditions=_conditions(identity) if found["kind"] == "database" else inside,
                source=f"owner, {_source(catalog, identity, found['owner'])}",
            )


def _predefined(
    catalog: Catalog, identity: Identity, reach: Reach, conditions: tuple[str, ...]
) -> Iterator[Permission]:
    for oid in identity.ways:
        role = catalog.tree.roles.get(oid)
        for action, place in PREDEFINED.get(role.name, ()) if role else ():
            row = Permission(
                action=action,
                resource=place,
                access=_access(action, place),
                conditions=conditions,
                source=_source(catalog, identity, oid),
            )
            if action == "MAINTAIN" and not reach.into(EVERYTHING):
                # The others let one into each schema; this one does not.
                for schema in sorted(reach.schemas):
                    yield replace(row, resource=f"{resource('table', schema)}.*")
                row = replace(row, conditions=(*conditions, "it has USAGE on the table's schema"))
            yield row


def _concerns(found: Row, identity: Identity, reach: Reach, base: Reach) -> bool:
    """Whether a grant is the identity's. PUBLIC's are told once, unless it reaches further."""
    if found["grantee"] != 0:
        return found["grantee"] in identity.ways
    schema = found["schema"]
    return not identity.after or (
        schema is not None and reach.into(schema) and not base.into(schema)
    )


def _hangs(found: Row, identity: Identity, reach: Reach) -> Iterator[str]:
    """What else a privilege needs, or is narrowed by."""
    schema = found["schema"]
    if schema is not None and not reach.into(schema):
        yield f"it is given USAGE on {resource('schema', schema)} (it has none)"
    if found["guarded"] and found["privilege"] in GUARDED and not reach.sees_all_rows:
        owner = found["owner"] in identity.ways
        if found["forced"] or not owner:
            yield POLICIES


def _missing(catalog: Catalog, connects: bool) -> tuple[str, ...]:
    if connects:
        return ()
    return (f"it is given CONNECT on {resource('database', catalog.database.name)} (it has none)",)


def _resource(row: Row) -> str:
    kind = row["kind"]
    names = [row["name"]] if row["schema"] is None else [row["schema"], row["name"]]
    if kind == "column":
        names.append(row["part"])
    return resource(kind, *names, arguments=row["arguments"] if kind == "function" else None)


def _source(catalog: Catalog, identity: Identity, oid: int) -> str:
    role = catalog.tree.roles.get(oid)
    name = quoted(role.name) if role else f"oid {oid}"
    if oid == identity.role.oid or oid not in identity.ways:
        return f"role {name}"
    via = identity.ways[oid] or (identity.role.name if identity.after else "")
    return f"role {name}, via role {quoted(via)}" if via else f"role {name}"


def _access(privilege: str, kind: str) -> Access:
    if privilege == "USAGE" and kind.startswith("schema"):
        return Access.READ
    if privilege == "USAGE" and kind.startswith("sequence"):
        return Access.WRITE
    if privilege in READS:
        return Access.READ
    return Access.WRITE if privilege in WRITES else Access.UNKNOWN


def _later(catalog: Catalog, itself: Identity) -> Iterator[Permission]:
    """What default privileges will give on objects that are not there yet."""
    for row in catalog.later:
        if row["grantee"] != 0 and row["grantee"] not in itself.ways:
            continue
        place = f" in {resource('schema', row['schema'])}" if row["schema"] else ""
        yield Permission(
            action=row["privilege"],
            resource=f"each later {row['kind']}{place}",
            access=_access(row["privilege"], row["kind"]),
            conditions=(f"made by {_source(catalog, itself, row['maker'])}",),
            source=f"default privileges, {_from(catalog, itself, row['grantee'])}",
        )


def _from(catalog: Catalog, identity: Identity, grantee: int) -> str:
    return PUBLIC if grantee == 0 else _source(catalog, identity, grantee)
