"""What the PostgreSQL backend takes from the configuration, and what it declares to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from backends.contract import (
    Ability,
    Capabilities,
    KindCapabilities,
    Option,
    Readable,
    Retry,
    Rotation,
    Support,
    Verb,
)
from backends.model import Covers, EvidenceLevel
from backends.postgres.roles import ATTRIBUTES, KIND

SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

OPTIONS: Final = (
    Option("host", "The server's name or address.", required=True),
    Option("port", "The server's port.", int, 5432),
    Option("dbname", "The database to look from; roles belong to all of them.", str, "postgres"),
    Option("user", "The role whose password `read` leads to.", required=True),
    Option("act_user", "The role whose password `act` leads to, if it is another one.", str, ""),
    Option("sslmode", "How TLS is used, in libpq's words.", str, "verify-full"),
    Option("sslrootcert", "File with the CA of the server; empty for the system's own.", str, ""),
    Option("connect_timeout", "Seconds to wait for a connection.", int, 10),
    Option("statement_timeout", "Seconds that one statement may take.", int, 30),
    Option("log_file", "The server's JSON log (or a pattern, *), where it is readable.", str, ""),
)


def capabilities(has_log: bool) -> Capabilities:
    """The declaration. Last use and events need the server's log."""
    from_log = Support.FULL if has_log else Support.NONE
    kind = KindCapabilities(
        kind=KIND,
        title="Login role",
        reads={
            Readable.LIST: Support.FULL,
            Readable.OWNER: Support.PARTIAL,
            Readable.CREATED: Support.NONE,
            Readable.CREATOR: Support.NONE,
            Readable.LAST_USED: Support.PARTIAL,
            Readable.GRANTS: Support.PARTIAL,
            Readable.EXPIRY: Support.FULL,
            Readable.PARENT: Support.NONE,
            Readable.DEPENDENTS: Support.PARTIAL,
            Readable.EVENTS: from_log,
            Readable.IDENTIFY: Support.PARTIAL,
            # Of one database; types, languages and the like are left out.
            Readable.PERMISSIONS: Support.PARTIAL,
        },
        verbs={
            Verb.CONTAIN: Ability(
                Support.FULL, True, Retry.FREE, "NOLOGIN; open sessions go on until disconnected"
            ),
            Verb.RESTORE: Ability(Support.FULL, True, Retry.FREE, "LOGIN, with the old password"),
            Verb.REVOKE: Ability(
                Support.FULL,
                False,
                Retry.CONFIRM,
                "DROP ROLE where nothing depends on it, else the password is destroyed",
            ),
            Verb.DISCONNECT: Ability(Support.FULL, False, Retry.FREE, "pg_terminate_backend"),
            Verb.ROTATE: Ability(
                Support.FULL, False, Retry.FREE, "one password: the old one dies at once"
            ),
        },
        rotation=Rotation.IN_PLACE,
        propagation=timedelta(0),
        probe_effects=(
            "opens a session as the role for a moment",
            "writes a log-in, or a failed one, into the server's log",
        ),
        slots=1,
        ceiling=EvidenceLevel.SILENT if has_log else EvidenceLevel.REFUSED,
        covers=Covers.USES if has_log else Covers.PART,
        admin_grants=(ATTRIBUTES["rolsuper"],),
        notes=(
            "Owner: the role's comment, as `owner: NAME` or a name alone. It is a claim.",
            "Last use: open sessions"
            + (" and the server's log." if has_log else "; PostgreSQL stores no log-ins."),
            "Grants on schemas and tables: those of the connected database, table by schema.",
            "Permissions: those of the connected database and of the cluster; none on types, "
            "languages, foreign servers, tablespaces, parameters and large objects.",
            "VALID UNTIL binds log-ins with a password only; NOLOGIN binds all.",
            "Replicas follow after their replay lag; poolers may keep logged-in sessions.",
            "Identify needs SELECT on pg_authid.",
            "A new password is sent as a SCRAM verifier, which the server's log may keep. Nobody "
            "can log in with one, but whoever has it can pose as the server.",
        ),
    )
    return Capabilities(
        kinds=(kind,),
        unlistable=(
            "client certificates, Kerberos and LDAP log-ins that pg_hba.conf accepts",
            "passwords that a connection pooler keeps in its own file",
        ),
    )
