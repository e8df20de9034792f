"""May the role do this? Answered from the rows alone.

A resource is of the database that was read (``Permissions.subject`` names it); another
database's object of the same name is another object. "Denied" means that no privilege of it was
granted to the role, to PUBLIC or to a role that it has or can become. What everybody may do with
the system's own objects is not read, and the answer to that is unknown.
"""

from __future__ import annotations

from typing import Final

from backends.permissions import Answer, Decision, Permission, Permissions, weighed
from backends.postgres.privileges import words
from backends.postgres.privileges.catalog import CLOSED, CLOSED_VIEWS
from backends.postgres.privileges.rows import EVERYTHING, OWN, READS, WRITES

ALIASES: Final = {"TEMP": "TEMPORARY", "ALL": "*"}
GRANTABLE: Final = (*READS, *WRITES, "USAGE", "EXECUTE")
SYSTEM_OBJECT: Final = "what everybody may do with the system's own objects is not read"
OWNER: Final = "it owns it, and can grant that to itself"


def permits(permissions: Permissions, action: str, resource: str) -> Answer:
    """Whether the role may do an action on a resource, both in the words of its rows."""
    wanted = action.strip().upper()
    wanted = ALIASES.get(wanted, wanted)
    found = tuple(
        row
        for row in permissions.rows
        if row.action in (EVERYTHING, wanted) and _bears(row, resource)
    )
    if sure := tuple(row for row in found if not row.conditions):
        # Nothing in PostgreSQL takes back what was granted.
        return weighed(Answer(Decision.ALLOWED, sure), permissions, final=True)
    if found:
        return weighed(Answer(Decision.CONDITIONAL, found), permissions)
    if wanted in GRANTABLE and (owned := _owned(permissions, resource)):
        return weighed(Answer(Decision.CONDITIONAL, owned, OWNER), permissions)
    kind, names, _ = words.read(resource)
    if kind == "table":
        start = f"{words.resource('column', *names)}."
        columns = tuple(
            row
            for row in permissions.rows
            if row.action == wanted and row.resource.startswith(start)
        )
        if columns:
            only = ", ".join(row.resource[len(start) :] for row in columns[:8])
            detail = f"on some of its columns only: {only}"
            return weighed(Answer(Decision.CONDITIONAL, columns, detail), permissions)
    if len(names) > 1 and names[0] in words.SYSTEM and not _closed(names):
        return Answer(Decision.UNKNOWN, detail=SYSTEM_OBJECT)
    return weighed(Answer(Decision.DENIED), permissions)


def _bears(row: Permission, resource: str) -> bool:
    """Whether a row is for a resource: the same, a part of it, or one of all of its kind."""
    if row.resource in (EVERYTHING, resource):
        return True
    kind, names, arguments = words.read(resource)
    if row.resource == words.resource(kind, *names, arguments=arguments):
        return True
    if kind == "column" and len(names) > 1:
        kind, names = "table", names[:-1]
        if row.resource == words.resource(kind, *names):
            # TRUNCATE and the like are of whole tables.
            return row.action in ("SELECT", "INSERT", "UPDATE", "REFERENCES")
    if row.resource == f"{words.resource(kind, *names[:-1])}.*":
        return True
    if row.resource != f"{kind} *":
        return False
    # Nobody but a superuser writes the system's tables; its views are like any other.
    if row.action == "SELECT" or kind != "table" or names[0] not in ("pg_catalog", "pg_toast"):
        return True
    return row.action == "MAINTAIN" or names[-1] in CLOSED_VIEWS


def _closed(names: tuple[str, ...]) -> bool:
    """Whether an object of the system is closed to everybody who was not let in."""
    if names[0] != "pg_catalog" or names[1] not in CLOSED:
        return False
    # Of this one, all columns are open but the one with passwords.
    return names[1] != "pg_subscription" or names[2:] in ((), ("subconninfo",))


def _owned(permissions: Permissions, resource: str) -> tuple[Permission, ...]:
    kind, names, arguments = words.read(resource)
    if kind == "column":
        kind, names = "table", names[:-1]
    whole = words.resource(kind, *names, arguments=arguments)
    return tuple(
        row for row in permissions.rows if row.action == OWN and row.resource in (resource, whole)
    )
