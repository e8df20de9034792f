"""Ways to more than the rows say, and rows that read secrets.

Source: PostgreSQL documentation, "Role Attributes", "Predefined Roles", "CREATE FUNCTION"
(SECURITY DEFINER), "pg_authid", "pg_user_mapping", "pg_subscription".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from backends.permissions import Access, Decision, Elevation, Permission, Permissions
from backends.postgres.privileges.answer import permits
from backends.postgres.privileges.catalog import Catalog
from backends.postgres.privileges.rows import EVERYTHING
from backends.postgres.privileges.tree import PER_MEMBERSHIP
from backends.postgres.privileges.words import resource

POWERS: Final = {
    "pg_execute_server_program": (
        "server-program",
        "runs programs on the server's machine as the server's account",
    ),
    "pg_write_server_files": (
        "write-server-files",
        "writes files on the server's machine, its own settings among them",
    ),
    "pg_read_server_files": ("read-server-files", "reads files on the server's machine"),
}
"""Predefined roles that lead out of the database."""

SECRETS: Final = (
    (("column", "pg_catalog", "pg_authid", "rolpassword"), "password hashes of all roles"),
    (("column", "pg_catalog", "pg_shadow", "passwd"), "password hashes of all log-ins"),
    (("column", "pg_catalog", "pg_user_mapping", "umoptions"), "passwords for other servers"),
    (("column", "pg_catalog", "pg_subscription", "subconninfo"), "passwords of subscriptions"),
    (("table", "pg_catalog", "pg_largeobject"), "large objects, of whatever is in them"),
)
"""What in the catalogs holds secrets."""


def elevations(found: Sequence[Permission], catalog: Catalog) -> tuple[Elevation, ...]:
    """The ways that a role's rows open. ``found`` are those of ``rows.rows``."""
    return tuple(_ways(found, catalog))


def _ways(found: Sequence[Permission], catalog: Catalog) -> Iterator[Elevation]:
    def those(test: Callable[[Permission], bool]) -> tuple[Permission, ...]:
        return tuple(row for row in found if test(row))

    if by := those(lambda row: row.action == EVERYTHING and bool(row.conditions)):
        yield Elevation("set-role-superuser", "becomes a superuser by SET ROLE", by)
    if by := those(lambda row: row.action == "CREATEROLE"):
        text = "makes roles, and passwords for those that it administers"
        if catalog.database.version < PER_MEMBERSHIP:
            text = "grants itself any role that is no superuser, and sets any password but theirs"
        yield Elevation("createrole", text, by)
    supers = {resource("role", role.name) for role in catalog.tree.roles.values() if role.superuser}
    if by := those(lambda row: row.action == "ADMIN" and row.resource not in supers):
        text = "grants itself the roles that it administers, with all that they may do"
        yield Elevation("admin-option", text, by)
    if by := those(lambda row: row.action == "REPLICATION"):
        text = "copies the whole cluster, password hashes included, where pg_hba.conf lets it in"
        yield Elevation("replication", text, by)
    if by := those(lambda row: row.action == "BYPASSRLS"):
        yield Elevation("bypass-row-security", "sees and writes past all row security", by)
    if by := those(lambda row: row.action == "CREATEDB"):
        yield Elevation("createdb", "makes databases, and owns them", by)
    for name, (code, text) in POWERS.items():
        if by := those(
            lambda row, name=name: (  # type: ignore[misc]
                row.resource == resource("role", name) and row.action in ("USAGE", "SET")
            )
        ):
            yield Elevation(code, text, by)
    definers = {
        resource("function", row["schema"], row["name"], arguments=row["arguments"])
        for row in catalog.objects
        if row["definer"]
    }
    if by := those(lambda row: row.action == "EXECUTE" and row.resource in definers):
        yield Elevation("security-definer", "runs functions as the superuser who owns them", by)


def secrets(permissions: Permissions) -> tuple[Permission, ...]:
    """The rows that read secrets in the catalogs, narrowed to those."""
    told: list[Permission] = []
    for (kind, *names), what in SECRETS:
        place = resource(kind, *names)
        answer = permits(permissions, "SELECT", place)
        if answer.decision in (Decision.ALLOWED, Decision.CONDITIONAL):
            told += [
                Permission(
                    action="SELECT",
                    resource=place,
                    access=Access.READ,
                    conditions=row.conditions,
                    source=f"{row.source}: {what}",
                )
                for row in answer.because
                if row.action in ("SELECT", EVERYTHING)
            ]
    return tuple(dict.fromkeys(told))
