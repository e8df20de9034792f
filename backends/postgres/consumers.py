"""What would break without a role: its sessions, what it owns, who has rights through it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from backends.model import Consumer, Dependents, Gap, GapKind, Reading, known, not_permitted
from backends.postgres import roles
from backends.postgres.wire import PgSession, Row

MAX_NAMED: Final = 20
"""Objects of the connected database that are named one by one."""

_SESSIONS: Final = """
    SELECT datname, application_name, host(client_addr) AS address, backend_type,
           count(*) AS sessions, min(backend_start) AS since,
           max(coalesce(state_change, backend_start)) AS seen,
           string_agg(DISTINCT coalesce(state, '?'), ', ') AS states
    FROM pg_stat_activity WHERE usesysid = %(oid)s AND pid <> pg_backend_pid()
      AND coalesce(backend_type IN ('client backend', 'walsender'), datid IS NOT NULL)
    GROUP BY 1, 2, 3, 4 ORDER BY sessions DESC, 1, 2, 3
"""

# deptype: o owner, a named in an access list, r named in a policy, i initial access list,
# t tablespace. Any one of them makes DROP ROLE fail. Shared objects have no database.
_DEPENDENCIES: Final = """
    SELECT d.datname, s.deptype::text AS deptype, count(*) AS objects
    FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = %(oid)s
    GROUP BY 1, 2 ORDER BY 1, 2
"""

_NAMED: Final = """
    SELECT pg_describe_object(s.classid, s.objid, s.objsubid) AS name, s.deptype::text AS deptype
    FROM pg_shdepend s LEFT JOIN pg_database d ON d.oid = s.dbid
    WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = %(oid)s
      AND (s.dbid = 0 OR d.datname = current_database())
    ORDER BY s.deptype DESC, 1 LIMIT %(limit)s
"""

_MEMBERS: Final = """
    SELECT r.rolname, r.rolcanlogin, m.admin_option AS admin
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
    WHERE m.roleid = %(oid)s AND {uses} ORDER BY 1
"""

_MAPPINGS: Final = "SELECT srvname FROM pg_user_mappings WHERE umuser = %(oid)s ORDER BY 1"
_SUBSCRIPTIONS: Final = """
    SELECT s.subname, d.datname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
    WHERE s.subowner = %(oid)s ORDER BY 1
"""

MEANING: Final = {
    "o": "owner of",
    "a": "privileges on",
    "i": "privileges on",
    "r": "named in a policy of",
    "t": "tablespace of",
}


class Uses(NamedTuple):
    """The raw rows, from which both the dependents and a plan's hazards are made."""

    sessions: list[Row]
    dependencies: list[Row]
    named: list[Row]
    members: list[Row]
    mappings: list[Row]
    subscriptions: list[Row]

    @property
    def live(self) -> int:
        """Sessions that are open now."""
        return sum(row["sessions"] for row in self.sessions)

    def where(self) -> list[str]:
        """What makes ``DROP ROLE`` fail, one line for each database and manner."""
        return [
            f"{MEANING.get(row['deptype'], 'depends')} {row['objects']} object"
            f"{'s' if row['objects'] != 1 else ''} in {_database(row)}"
            for row in self.dependencies
        ]


async def uses(reader: PgSession, oid: int, version: int) -> Uses:
    """Read everything that hangs on a role."""
    values: Mapping[str, object] = {"oid": oid}
    return Uses(
        list(await reader.rows("pg_stat_activity", _SESSIONS, values)),
        list(await reader.rows("pg_shdepend", _DEPENDENCIES, values)),
        list(await reader.rows("pg_shdepend", _NAMED, {**values, "limit": MAX_NAMED})),
        list(
            await reader.rows("pg_auth_members", _MEMBERS.format(uses=roles.uses(version)), values)
        ),
        list(await reader.rows("pg_user_mappings", _MAPPINGS, values)),
        list(await reader.rows("pg_subscription", _SUBSCRIPTIONS, values)),
    )


def dependents(found: Uses, scope: str, sees_sessions: bool) -> Dependents:
    """The same for people: consumers, and what no catalog can tell."""
    consumers = [_session(row, sees_sessions) for row in found.sessions]
    consumers += [
        Consumer(
            f"{MEANING.get(row['deptype'], 'depends')} {row['name']}",
            "object",
            source="pg_shdepend",
        )
        for row in found.named
    ]
    consumers += [
        Consumer(_database(row), "object", line, "pg_shdepend")
        for row, line in zip(found.dependencies, found.where(), strict=True)
    ]
    consumers += [
        Consumer(
            row["rolname"],
            "token" if row["rolcanlogin"] else "workload",
            "has rights through this role" + (", with admin option" if row["admin"] else ""),
            "pg_auth_members",
        )
        for row in found.members
    ]
    consumers += [
        Consumer(row["srvname"], "workload", "foreign server that it maps to", "pg_user_mappings")
        for row in found.mappings
    ]
    consumers += [
        Consumer(row["subname"], "workload", f"subscription in {row['datname']}", "pg_subscription")
        for row in found.subscriptions
    ]
    gaps = [
        Gap(
            scope,
            GapKind.UNLISTABLE,
            "consumers that are not connected at this moment",
            "PostgreSQL keeps no log-ins; set log_file to read them from the server's log.",
        )
    ]
    if not sees_sessions:
        gaps.append(
            Gap(
                scope,
                GapKind.REFUSED,
                "address and state of other roles' sessions",
                "GRANT pg_read_all_stats to the reading role.",
            )
        )
    return Dependents(tuple(consumers), tuple(gaps))


def _session(row: Row, sees: bool) -> Consumer:
    seen: Reading[datetime] = not_permitted("needs membership in pg_read_all_stats")
    name = row["application_name"] or "a client without a name"
    if not sees:
        detail = f"{row['sessions']} on database {row['datname']}"
        return Consumer(name, "session", detail, "pg_stat_activity", seen)
    what = "" if row["backend_type"] == "client backend" else f"{row['backend_type']}, "
    detail = (
        f"{what}{row['sessions']} on database {row['datname']}, {row['states']},"
        f" since {row['since']:%Y-%m-%d %H:%M} UTC"
    )
    return Consumer(
        f"{name} from {row['address'] or 'local socket'}",
        "session",
        detail,
        "pg_stat_activity",
        known(row["seen"], "pg_stat_activity"),
    )


def _database(row: Row) -> str:
    return f"database {row['datname']}" if row["datname"] else "the whole cluster"
