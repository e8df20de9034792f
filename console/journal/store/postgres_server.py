"""What a PostgreSQL server says of itself and of the roles that may touch the journal."""

from __future__ import annotations

from typing import NamedTuple

from console.journal.store.base import JournalReader

_ROLE = """
SELECT current_user::text, rolsuper,
  pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = 'entry'::regclass), 'MEMBER')
FROM pg_roles WHERE rolname = current_user
"""
_OTHERS = """
SELECT rolname::text, rolsuper, has_table_privilege(oid, 'entry', 'UPDATE, DELETE, TRUNCATE'),
  has_table_privilege(oid, 'entry', 'INSERT')
FROM pg_roles WHERE rolcanlogin AND rolname <> current_user ORDER BY rolname
"""
_WIRE = """
SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
  inet_client_addr() IS NULL OR inet_client_addr() = inet_server_addr()
"""


class OwnRole(NamedTuple):
    """The role that is connected, and whether it stands above the journal's tables."""

    name: str
    superuser: bool
    owner: bool
    """Of the tables, itself or as a member."""


class OtherRole(NamedTuple):
    """Another role that can log in, and what it may do to entries."""

    name: str
    superuser: bool
    may_change: bool
    may_append: bool


def version(store: JournalReader) -> tuple[str, int]:
    """The server's version in words, and as a number such as 160004."""
    return store.rows(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int"
    )[0]


def encoding(store: JournalReader) -> str:
    """What the database keeps its text in."""
    return str(store.rows("SELECT getdatabaseencoding()")[0][0])


def commits(store: JournalReader) -> tuple[str, str]:
    """How a commit is kept (``synchronous_commit``), and the standbys that confirm it."""
    return store.rows(
        "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names')"
    )[0]


def own_role(store: JournalReader) -> OwnRole:
    """Who is connected."""
    return OwnRole(*store.rows(_ROLE)[0])


def other_roles(store: JournalReader) -> list[OtherRole]:
    """Who else can log in, by name."""
    return [OtherRole(*row) for row in store.rows(_OTHERS)]


def wire(store: JournalReader) -> tuple[bool, bool]:
    """Whether the connection is encrypted, and whether it stays on this machine."""
    encrypted, local = store.rows(_WIRE)[0]
    return encrypted, local


def clock(store: JournalReader) -> float:
    """The server's time in unix seconds."""
    return float(store.rows("SELECT extract(epoch FROM clock_timestamp())::float8")[0][0])
