"""From the role catalogs to tokens: who may log in, whose it is, and what it may do.

A token here is a role's password, and the role's ``oid`` is its id: names change with
``ALTER ROLE ... RENAME``, and a dropped role's name may be taken by another one.
Sources: PostgreSQL documentation, "Database Roles" and "System Catalogs" (pg_roles,
pg_auth_members, pg_shdepend, pg_stat_activity).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, LiteralString, NamedTuple

from backends.model import (
    Grant,
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
from backends.postgres import names
from backends.postgres.wire import PgSession, Row

KIND: Final = "login-role"
SCOPE: Final = "roles"
PAGE: Final = 2000
"""Roles that are asked for at a time."""
MAX_GRANTS: Final = 200
"""Grants that one token's record carries; its facts say how many there are."""

ATTRIBUTES: Final = {
    "rolsuper": "SUPERUSER",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}

HBA: Final = "pg_hba.conf says from where and by which method"
_OWNER = re.compile(r"\bowner\s*[:=]\s*(?:\"([^\"]+)\"|([^\s,;|]+))", re.IGNORECASE)
MAX_CLAIM: Final = 64
"""Characters of a one-line comment without ``owner:`` that still passes for a name."""

_COLUMNS: Final = """
    SELECT r.oid::bigint AS oid, r.rolname, namesend(r.rolname) AS raw, r.rolcanlogin, r.rolsuper,
           r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls,
           r.rolconnlimit, r.rolconfig, extract(epoch FROM r.rolvaliduntil)::float8 AS until,
           shobj_description(r.oid, 'pg_authid') AS comment, now() AS now
    FROM pg_roles r
"""

# Names are looked into as bytes: functions on text refuse what is no text in this database.
# A role that cannot log in is a token only if it once was one: a date on its password
# says so, and so does that no other role gets anything through it (a group has members).
# A role that holds a contained login's rights for others is thus the one case not listed.
_LISTED: Final = """
    WHERE r.oid > %(after)s AND substr(namesend(r.rolname), 1, 3) <> 'pg_'::bytea
      AND (r.rolcanlogin OR r.rolvaliduntil IS NOT NULL OR NOT EXISTS
           (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND {uses}))
    ORDER BY r.oid LIMIT %(page)s
"""

_POWERS: Final = """
    SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS replica,
           has_column_privilege('pg_authid', 'rolpassword', 'SELECT')
             AND has_column_privilege('pg_authid', 'oid', 'SELECT')
             AND has_column_privilege('pg_authid', 'rolname', 'SELECT') AS verifiers,
           pg_has_role('pg_read_all_stats', 'USAGE') AS stats
"""

# Which roles a verifier exists for is asked of the server, so that none comes over the wire.
_PASSWORDS: Final = """
    SELECT oid::bigint AS oid,
           CASE WHEN rolpassword IS NULL THEN 'none'
                WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram-sha-256'
                WHEN rolpassword LIKE 'md5%' THEN 'md5' ELSE 'other' END AS scheme
    FROM pg_authid
"""

_MEMBERSHIPS: Final = """
    SELECT m.member::bigint AS oid, m.roleid::bigint AS role, g.rolname AS name,
           m.admin_option AS admin, {uses} AS uses
    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid ORDER BY 1, 3
"""

_SESSIONS: Final = """
    SELECT DISTINCT ON (usesysid) usesysid::bigint AS oid, host(client_addr) AS address,
           application_name, datname, backend_start, now() AS now
    FROM pg_stat_activity WHERE usesysid IS NOT NULL AND pid <> pg_backend_pid()
      AND coalesce(backend_type IN ('client backend', 'walsender'), datid IS NOT NULL)
    ORDER BY usesysid, backend_start DESC NULLS LAST
"""

_OWNED: Final = """
    SELECT s.refobjid::bigint AS oid, d.datname, count(*) AS objects
    FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
    WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
    GROUP BY 1, 2 ORDER BY 1, 2
"""

# An owner's privileges on its own objects are implied; PUBLIC (grantee 0) is everybody's.
_PRIVILEGES: Final = """
    SELECT a.grantee::bigint AS oid, 'database' AS kind, d.datname AS target, a.privilege_type
      FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a
     WHERE a.grantee NOT IN (0, d.datdba)
    UNION
    SELECT a.grantee::bigint, 'schema', n.nspname, a.privilege_type
      FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
     WHERE a.grantee NOT IN (0, n.nspowner)
    UNION
    SELECT a.grantee::bigint, 'table', n.nspname, a.privilege_type
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL aclexplode(c.relacl) a
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND a.grantee NOT IN (0, c.relowner)
    ORDER BY 1, 2, 3, 4
"""


class Powers(NamedTuple):
    """What the reading credential may see, and of which server."""

    version: int
    """As ``server_version_num``: 180006 is 18.6."""
    replica: bool
    verifiers: bool
    stats: bool


class Login(NamedTuple):
    """The last successful log-in of a role that the server's log shows."""

    at: datetime
    source: str
    purpose: str


class Surroundings(NamedTuple):
    """What is read once for all roles, by oid."""

    powers: Powers
    memberships: Mapping[int, Sequence[Row]]
    sessions: Mapping[int, Row]
    owned: Mapping[int, Sequence[Row]]
    privileges: Mapping[int, Sequence[Row]]
    passwords: Mapping[int, str]
    logins: Mapping[bytes, Login]
    """By the bytes of the role's name."""
    log_begins: datetime | None


async def powers(reader: PgSession) -> Powers:
    """Ask what the reading credential may see."""
    (row,) = await reader.rows("the credential's rights", _POWERS)
    return Powers(row["version"], row["replica"], row["verifiers"], row["stats"])


async def surroundings(
    reader: PgSession, logins: Mapping[bytes, Login] = {}, log_begins: datetime | None = None
) -> Surroundings:
    """Read everything that roles have in common.

    Raises:
        BackendError: a catalog that everybody may read could not be read.
    """
    rights = await powers(reader)
    passwords = await reader.rows("pg_authid", _PASSWORDS) if rights.verifiers else []
    members = await reader.rows("pg_auth_members", _MEMBERSHIPS.format(uses=uses(rights.version)))
    return Surroundings(
        rights,
        _by_oid(members),
        {row["oid"]: row for row in await reader.rows("pg_stat_activity", _SESSIONS)},
        _by_oid(await reader.rows("pg_shdepend", _OWNED)),
        _by_oid(await reader.rows("privileges", _PRIVILEGES)),
        {row["oid"]: row["scheme"] for row in passwords},
        logins,
        log_begins,
    )


async def page(reader: PgSession, after: int, version: int) -> list[Mapping[str, Any]]:
    """The next roles that are tokens, in the order of their oids."""
    query = _COLUMNS + _LISTED.format(uses=uses(version))
    rows = await reader.rows("pg_roles", query, {"after": after, "page": PAGE})
    return list(rows)


async def one(reader: PgSession, oid: int) -> Mapping[str, Any] | None:
    """One role by its oid, whether it would be listed or not."""
    query = _COLUMNS + " WHERE r.oid = %(oid)s"
    rows = await reader.rows("pg_roles", query, {"oid": oid})
    return rows[0] if rows else None


def uses(version: int) -> LiteralString:
    """Whether a membership gives its member anything. Version 16 grants bare administration."""
    return "(m.inherit_option OR m.set_option)" if version >= 160000 else "true"


def _by_oid(rows: Iterable[Row]) -> Mapping[int, Sequence[Row]]:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["oid"]].append(row)
    return grouped


def token(backend: str, row: Row, around: Surroundings) -> Token:
    """One role's record as a token."""
    oid: int = row["oid"]
    all_grants = grants(row, around)
    last_used, last_from, last_for = _last_use(row, around)
    return Token(
        ref=TokenRef(backend, KIND, str(oid)),
        name=row["rolname"],
        scope=SCOPE,
        state=state(row),
        principal=known(Principal(str(oid), row["rolname"], "role"), "pg_roles"),
        owner=owner(row["comment"]),
        created_at=not_tracked("PostgreSQL keeps no date of creation"),
        created_by=not_tracked("PostgreSQL keeps no creator"),
        last_used_at=last_used,
        last_used_from=last_from,
        last_used_for=last_for,
        expires_at=expiry(row["until"]),
        grants=known(tuple(all_grants[:MAX_GRANTS]), "pg_roles, pg_auth_members, aclexplode"),
        parent=not_tracked("a role has no parent"),
        binding=not_read(HBA),
        bound=not_read(HBA),
        enforced=not_read(HBA),
        facts=_facts(row, around, len(all_grants)),
    )


def state(row: Row) -> TokenState:
    """Where the role stands. A password's end counts as the token's: see the facts."""
    if not row["rolcanlogin"] or (row["rolconnlimit"] == 0 and not row["rolsuper"]):
        return TokenState.DISABLED
    until, now = row["until"], row["now"].timestamp()
    return TokenState.EXPIRED if until is not None and until <= now else TokenState.ACTIVE


def expiry(until: float | None) -> Reading[datetime]:
    """``VALID UNTIL``, which may be infinite either way or beyond what a calendar holds."""
    source = "VALID UNTIL"
    if until is None:
        return never("no VALID UNTIL")
    try:
        return known(datetime.fromtimestamp(max(until, 0.0), UTC), source)
    except (OverflowError, ValueError):
        return never("VALID UNTIL infinity, or after the year 9999")


def owner(comment: str | None) -> Reading[str]:
    """The owner that the role's comment claims: ``owner: payments``, or a name and no more."""
    text = (comment or "").strip()
    if not text:
        return never("no comment on the role")
    if found := _OWNER.search(text):
        return known(found[1] or found[2], "role comment")
    if "\n" not in text and len(text) <= MAX_CLAIM:
        return known(text, "role comment, as it stands")
    return not_tracked("the role's comment names no owner")


def grants(row: Row, around: Surroundings) -> list[Grant]:
    """Attributes, memberships and object privileges, the inherited ones with their way."""
    found = [Grant("attribute", word) for column, word in ATTRIBUTES.items() if row[column]]
    administered: list[Grant] = []
    ways: dict[int, str] = {row["oid"]: ""}
    queue = [row["oid"]]
    while queue:
        holder = queue.pop(0)
        for membership in around.memberships.get(holder, ()):
            if membership["uses"]:
                found.append(Grant("role", membership["name"], via=ways[holder]))
            if membership["admin"] and holder == row["oid"]:
                administered.append(Grant("role admin", membership["name"]))
            if membership["uses"] and membership["role"] not in ways:
                ways[membership["role"]] = f"role {membership['name']}"
                queue.append(membership["role"])
    for holder, via in ways.items():
        found += [
            Grant("owner", "owner", f"objects in database {entry['datname']}", via)
            if entry["datname"]
            else Grant("owner", "owner", "a database or another shared object", via)
            for entry in around.owned.get(holder, ())
        ]
        found += [
            Grant(
                entry["kind"],
                entry["privilege_type"],
                f"tables in schema {entry['target']}"
                if entry["kind"] == "table"
                else f"{entry['kind']} {entry['target']}",
                via,
            )
            for entry in around.privileges.get(holder, ())
        ]
    # Last, because a role that makes others administers every one of them.
    return list(dict.fromkeys(found + administered))


def _last_use(
    row: Row, around: Surroundings
) -> tuple[Reading[datetime], Reading[str], Reading[str]]:
    if session := around.sessions.get(row["oid"]):
        hidden = not_permitted("needs membership in pg_read_all_stats")
        sees = around.powers.stats
        source = "pg_stat_activity, a session is open"
        where = session["address"] or "local socket"
        purpose = f"{session['application_name'] or 'no name'} on {session['datname']}"
        return (
            known(session["now"], source, session["now"]),
            known(where, source, session["now"]) if sees else hidden,
            known(purpose, source, session["now"]) if sees else hidden,
        )
    if login := around.logins.get(row["raw"]):
        source = "server log"
        return (
            known(login.at, source),
            known(login.source, source) if login.source else not_tracked("not in the log"),
            known(login.purpose, source) if login.purpose else not_tracked("not in the log"),
        )
    why = "PostgreSQL stores no last log-in; no session is open"
    if around.log_begins is not None:
        why = f"no session is open, and no log-in in the log since {around.log_begins:%Y-%m-%d}"
    return not_tracked(why), not_tracked(why), not_tracked(why)


def _facts(row: Row, around: Surroundings, total: int) -> tuple[tuple[str, str], ...]:
    facts = [("login", "yes" if row["rolcanlogin"] else "no")]
    if names.exact(row["raw"]) is None:
        facts.insert(0, ("name", f"no UTF-8: shown with escapes; its bytes are {row['raw'].hex()}"))
    scheme = "needs SELECT on pg_authid to be known"
    if around.powers.verifiers:
        scheme = around.passwords.get(row["oid"], "none")
    facts.append(("password", scheme))
    if row["until"] is not None:
        facts.append(("valid until", "holds for log-ins with a password only"))
    if row["rolconnlimit"] >= 0:
        facts.append(("connection limit", str(row["rolconnlimit"])))
    if not row["rolinherit"]:
        facts.append(("inherits", "no"))
    if row["comment"]:
        facts.append(("comment", row["comment"][:500]))
    if row["rolconfig"]:
        facts.append(("settings", ", ".join(_setting(entry) for entry in row["rolconfig"])))
    objects = sum(entry["objects"] for entry in around.owned.get(row["oid"], ()))
    if objects:
        facts.append(("owned objects", str(objects)))
    if total > MAX_GRANTS:
        facts.append(("grants", f"the first {MAX_GRANTS} of {total}"))
    return tuple(facts)


def _setting(entry: str) -> str:
    """A role's setting. Names with a dot are an application's own and may hold its secrets."""
    name, _, value = entry.partition("=")
    return f"{name} (not shown)" if "." in name else f"{name}={value}"
