"""Reads of the catalogs which roles there are, and who has which privilege on what.

Everybody may read these catalogs. An object whose privileges were never touched has none
written down; ``acldefault`` says what it has then. The system's own objects are read only where
somebody other than PUBLIC has something on them, or where they are closed to PUBLIC: what is
open to everybody says nothing of a role, and would be thousands of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString, NamedTuple

from backends.postgres import names
from backends.postgres.privileges.tree import PER_MEMBERSHIP, Membership, Role, Tree
from backends.postgres.wire import PgSession, Row

CLOSED_TABLES: Final = (
    "pg_authid",
    "pg_user_mapping",
    "pg_subscription",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_largeobject",
)
CLOSED_VIEWS: Final = (
    "pg_shadow",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_file_settings",
)
CLOSED: Final = CLOSED_TABLES + CLOSED_VIEWS
"""The system's tables and views that are not open to everybody, or not in all columns."""

MAX_OBJECTS: Final = 20_000
"""Privileges on objects that are read for one role."""

_ROLES: Final = """
    SELECT oid::bigint AS oid, namesend(rolname) AS raw, rolsuper AS superuser,
           rolinherit AS inherits,
           rolcreaterole AS createrole, rolcreatedb AS createdb, rolreplication AS replication,
           rolbypassrls AS bypassrls
    FROM pg_roles
"""

_MEMBERS: Final = """
    SELECT member::bigint AS member, roleid::bigint AS role, admin_option AS admin,
           {options} FROM pg_auth_members
"""

_WHERE: Final = """
    SELECT d.oid::bigint AS oid, d.datname::text AS name, d.datdba::bigint AS owner,
           current_setting('server_version_num')::int AS version,
           (SELECT array_agg(o.datname::text ORDER BY o.datname) FROM pg_database o
             WHERE o.oid <> d.oid AND o.datallowconn) AS others
    FROM pg_database d WHERE d.datname = current_database()
"""

_OBJECTS: Final = """
    SELECT 'database' AS kind, d.datname::text AS name, NULL::text AS schema,
           NULL::text AS part,
           NULL::text AS arguments, d.datdba::bigint AS owner, a.grantee::bigint AS grantee,
           a.privilege_type AS privilege, false AS guarded, false AS forced, false AS definer
      FROM pg_database d
      CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
     WHERE a.grantee = ANY(%(roles)s) AND (d.datallowconn OR a.privilege_type = 'CREATE')
    UNION ALL
    SELECT 'schema', n.nspname::text, NULL, NULL, NULL, n.nspowner::bigint, a.grantee::bigint,
           a.privilege_type, false, false, false
      FROM pg_namespace n
      CROSS JOIN LATERAL aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
     WHERE a.grantee = ANY(%(roles)s)
       AND substr(namesend(n.nspname), 1, 8) NOT IN ('pg_toast'::bytea, 'pg_temp_'::bytea)
    UNION ALL
    SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END, c.relname::text,
           n.nspname::text, NULL, NULL, c.relowner::bigint, a.grantee::bigint, a.privilege_type,
           c.relrowsecurity,
           c.relforcerowsecurity, false
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault(
           CASE WHEN c.relkind = 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))) a
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND a.grantee = ANY(%(roles)s)
       AND substr(namesend(n.nspname), 1, 8) NOT IN ('pg_toast'::bytea, 'pg_temp_'::bytea)
       AND (n.nspname NOT IN ('pg_catalog', 'information_schema')
            OR a.grantee <> 0 AND (c.relkind = 'v' OR n.nspname <> 'pg_catalog'
                OR a.privilege_type NOT IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE'))
            OR c.relname = ANY(%(closed)s::text[]) AND a.privilege_type = 'SELECT')
    UNION ALL
    SELECT 'column', c.relname::text, n.nspname::text, t.attname::text, NULL, c.relowner::bigint,
           a.grantee::bigint,
           a.privilege_type, c.relrowsecurity, c.relforcerowsecurity, false
      FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL aclexplode(t.attacl) a
     WHERE t.attacl IS NOT NULL AND NOT t.attisdropped AND a.grantee = ANY(%(roles)s)
       AND (n.nspname NOT IN ('pg_catalog', 'information_schema') OR a.grantee <> 0)
    UNION ALL
    SELECT 'function', p.proname::text, n.nspname::text, NULL,
           oidvectortypes(p.proargtypes),
           p.proowner::bigint, a.grantee::bigint, a.privilege_type, false, false,
           p.prosecdef AND o.rolsuper
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_roles o ON o.oid = p.proowner
      CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
     WHERE a.grantee = ANY(%(roles)s)
       AND (n.nspname NOT IN ('pg_catalog', 'information_schema')
            OR a.grantee NOT IN (0, p.proowner))
    ORDER BY 1, 3, 2, 4, 5, 7, 8
    LIMIT %(limit)s
"""

_OWNED: Final = """
    SELECT * FROM (
      SELECT 'database' AS kind, datname::text AS name, NULL::text AS schema,
             NULL::text AS arguments,
             datdba::bigint AS owner FROM pg_database
      UNION ALL
      SELECT 'schema', nspname::text, NULL, NULL, nspowner::bigint FROM pg_namespace
      UNION ALL
      SELECT CASE WHEN c.relkind = 'S' THEN 'sequence' ELSE 'table' END, c.relname::text,
             n.nspname::text, NULL, c.relowner::bigint
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      UNION ALL
      SELECT 'function', p.proname::text, n.nspname::text, oidvectortypes(p.proargtypes),
             p.proowner::bigint
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace) all_of_them
    WHERE owner = ANY(%(roles)s) ORDER BY 1, 3, 2, 4 LIMIT %(limit)s
"""

_LATER: Final = """
    SELECT CASE d.defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence'
                WHEN 'f' THEN 'function' WHEN 'n' THEN 'schema' WHEN 'T' THEN 'type'
                ELSE 'large object' END AS kind,
           n.nspname::text AS schema, d.defaclrole::bigint AS maker, a.grantee::bigint AS grantee,
           a.privilege_type AS privilege
      FROM pg_default_acl d
      LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
      CROSS JOIN LATERAL aclexplode(d.defaclacl) a
     WHERE a.grantee = ANY(%(roles)s) AND a.grantee <> d.defaclrole
     ORDER BY 1, 2, 3, 4, 5
"""

DATABASE_OWNER: Final = "pg_database_owner"
"""The role whose one member, written nowhere, is the owner of the connected database."""


class Database(NamedTuple):
    """The connected database, and the others that are open."""

    name: str
    owner: int
    version: int
    """As ``server_version_num``: 180006 is 18.6."""
    others: tuple[str, ...]


class Catalog(NamedTuple):
    """What was read for one role: objects on which it, PUBLIC or a role it can be has something."""

    database: Database
    tree: Tree
    objects: Sequence[Row]
    owned: Sequence[Row]
    later: Sequence[Row]
    cut: bool
    """Whether there was more than :data:`MAX_OBJECTS`."""


async def read(session: PgSession, oid: int) -> Catalog | None:
    """Read for one role; None where there is none of that oid.

    Raises:
        BackendError: a catalog that everybody may read could not be read.
    """
    (where,) = await session.rows("the database", _WHERE)
    database = Database(
        where["name"], where["owner"], where["version"], tuple(where["others"] or ())
    )
    tree = await _tree(session, database)
    if oid not in tree.roles:
        return None
    concerned = sorted({each for one in tree.identities(oid) for each in one.ways})
    values = {"roles": [0, *concerned], "closed": list(CLOSED), "limit": MAX_OBJECTS + 1}
    objects = await session.rows("privileges of objects", _OBJECTS, values)
    owned = await session.rows("owners of objects", _OWNED, {**values, "roles": concerned})
    later = await session.rows("default privileges", _LATER, {"roles": values["roles"]})
    cut = max(len(objects), len(owned)) > MAX_OBJECTS
    return Catalog(database, tree, objects[:MAX_OBJECTS], owned[:MAX_OBJECTS], later, cut)


async def _tree(session: PgSession, database: Database) -> Tree:
    options: LiteralString = "true AS inherit, true AS set"
    if database.version >= PER_MEMBERSHIP:
        options = "inherit_option AS inherit, set_option AS set"
    found = await session.rows("pg_auth_members", _MEMBERS.format(options=options))
    roles = [_role(dict(row)) for row in await session.rows("pg_roles", _ROLES)]
    members = [Membership(**row) for row in found]
    for role in roles:
        if role.name == DATABASE_OWNER:
            members.append(Membership(database.owner, role.oid, False, True, True))
    return Tree(roles, members, database.version)


def _role(row: dict[str, Any]) -> Role:
    """A role. One whose name is no text has its oid beside the picture, to be told from others."""
    raw = row.pop("raw")
    name = names.exact(raw)
    return Role(name=f"{names.shown(raw)}, oid {row['oid']}" if name is None else name, **row)
