"""The estate's four systems: what each declares, and the exact calls that change it.

Each stands for a family of real ones, with that family's blind spots. The vault knows
the last use only from its audit log and takes the children along; the cloud remembers the
last use by the hour and has two slots; the database records neither creation nor use and
leaves sessions open; the code host answers 202 and works it off later.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import NamedTuple

from backends.contract import (
    Ability,
    Call,
    Capabilities,
    KindCapabilities,
    Readable,
    Retry,
    Rotation,
    Support,
    Verb,
)
from backends.model import EvidenceLevel

FULL, PARTIAL, NONE = Support.FULL, Support.PARTIAL, Support.NONE

PROBE = (
    "writes a line into the system's audit log",
    "an accepted one counts as a use of the token",
)


class System(NamedTuple):
    """One of the four. ``lag`` is for how many seconds a value outlives a change here, by
    nature; ``record_lag`` for how many the record does."""

    name: str
    title: str
    kind: str
    scopes: tuple[str, ...]
    prefix: str
    origin: str
    capabilities: Capabilities
    lag: int = 0
    record_lag: int = 0


VAULT = System(
    name="vault",
    title="vault",
    kind="service_token",
    scopes=("root", "payments", "platform", "data"),
    prefix="est_vlt_",
    origin="vault audit log",
    capabilities=Capabilities(
        kinds=(
            KindCapabilities(
                kind="service_token",
                title="service token",
                reads={
                    Readable.LIST: FULL,
                    Readable.OWNER: PARTIAL,
                    Readable.CREATED: FULL,
                    Readable.CREATOR: FULL,
                    Readable.LAST_USED: FULL,
                    Readable.GRANTS: FULL,
                    Readable.EXPIRY: FULL,
                    Readable.PARENT: PARTIAL,
                    Readable.DEPENDENTS: PARTIAL,
                    Readable.EVENTS: FULL,
                    Readable.IDENTIFY: FULL,
                },
                verbs={
                    Verb.REVOKE: Ability(
                        FULL, retry=Retry.FREE, note="takes its children and leases along"
                    ),
                    Verb.CONTAIN: Ability(NONE, note="only a whole entity can be disabled"),
                },
                rotation=Rotation.NO_API,
                propagation=timedelta(0),
                probe_effects=PROBE,
                ceiling=EvidenceLevel.SILENT,
                notes=("last use and parent come from the audit log",),
            ),
        ),
        unlistable=("batch tokens",),
    ),
)

CLOUD = System(
    name="cloud",
    title="cloud IAM",
    kind="access_key",
    scopes=("481203957716", "730964418205"),
    prefix="est_cld_",
    origin="cloud trail",
    lag=4,
    capabilities=Capabilities(
        kinds=(
            KindCapabilities(
                kind="access_key",
                title="access key",
                reads={
                    Readable.LIST: FULL,
                    Readable.OWNER: PARTIAL,
                    Readable.CREATED: FULL,
                    Readable.CREATOR: NONE,
                    Readable.LAST_USED: PARTIAL,
                    Readable.GRANTS: FULL,
                    Readable.EXPIRY: NONE,
                    Readable.PARENT: NONE,
                    Readable.DEPENDENTS: PARTIAL,
                    Readable.EVENTS: FULL,
                    Readable.IDENTIFY: FULL,
                },
                verbs={
                    Verb.CONTAIN: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.RESTORE: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.REVOKE: Ability(FULL, retry=Retry.CONFIRM),
                },
                rotation=Rotation.CREATE_RETIRE,
                propagation=timedelta(seconds=10),
                probe_effects=PROBE,
                slots=2,
                ceiling=EvidenceLevel.SILENT,
                notes=("the last use is kept by the hour, without an address",),
            ),
        ),
        unlistable=("temporary sessions",),
    ),
)

DATABASE = System(
    name="database",
    title="database",
    kind="role",
    scopes=("ledger",),
    prefix="est_dbs_",
    origin="server log",
    capabilities=Capabilities(
        kinds=(
            KindCapabilities(
                kind="role",
                title="login role",
                reads={
                    Readable.LIST: FULL,
                    Readable.OWNER: PARTIAL,
                    Readable.CREATED: NONE,
                    Readable.CREATOR: NONE,
                    Readable.LAST_USED: PARTIAL,
                    Readable.GRANTS: FULL,
                    Readable.EXPIRY: FULL,
                    Readable.PARENT: NONE,
                    Readable.DEPENDENTS: FULL,
                    Readable.EVENTS: PARTIAL,
                    Readable.IDENTIFY: PARTIAL,
                },
                verbs={
                    Verb.CONTAIN: Ability(
                        FULL, reversible=True, retry=Retry.FREE, note="new sessions only"
                    ),
                    Verb.RESTORE: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.REVOKE: Ability(FULL, retry=Retry.CONFIRM, note="open sessions live on"),
                    Verb.DISCONNECT: Ability(FULL, retry=Retry.FREE),
                },
                rotation=Rotation.IN_PLACE,
                propagation=timedelta(0),
                probe_effects=PROBE,
                slots=1,
                ceiling=EvidenceLevel.SILENT,
                notes=("creation and last use are not recorded; open sessions are seen",),
            ),
        ),
    ),
)

CODEHOST = System(
    name="codehost",
    title="code host",
    kind="access_token",
    scopes=("acme", "acme-labs"),
    prefix="est_cod_",
    origin="organisation audit log",
    lag=3,
    record_lag=3,
    capabilities=Capabilities(
        kinds=(
            KindCapabilities(
                kind="access_token",
                title="fine-grained token",
                reads={
                    Readable.LIST: FULL,
                    Readable.OWNER: FULL,
                    Readable.CREATED: FULL,
                    Readable.CREATOR: FULL,
                    Readable.LAST_USED: PARTIAL,
                    Readable.GRANTS: FULL,
                    Readable.EXPIRY: FULL,
                    Readable.PARENT: NONE,
                    Readable.DEPENDENTS: PARTIAL,
                    Readable.EVENTS: FULL,
                    Readable.IDENTIFY: FULL,
                },
                verbs={
                    Verb.REVOKE: Ability(
                        FULL, retry=Retry.CONFIRM, note="answered with 202, done some seconds later"
                    ),
                    Verb.CONTAIN: Ability(NONE),
                },
                rotation=Rotation.NO_API,
                propagation=timedelta(minutes=1),
                probe_effects=PROBE,
                ceiling=EvidenceLevel.SILENT,
                notes=("the last use is kept by the day", "only its person can mint a new one"),
            ),
        ),
        unlistable=("classic tokens",),
    ),
)

SYSTEMS = {system.name: system for system in (VAULT, CLOUD, DATABASE, CODEHOST)}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def call_for(system: System, verb: Verb, row: sqlite3.Row) -> Call | None:
    """The exact call for a verb on a token's row; None where the system has no such thing."""
    id_, scope = str(row["id"]), str(row["scope"])
    if system is VAULT and verb is Verb.REVOKE:
        return Call(
            "estate",
            "POST",
            "/v1/auth/token/revoke-accessor",
            {"namespace": scope, "accessor": id_},
        )
    if system is CLOUD:
        who = {"account": scope, "UserName": str(row["principal"]), "AccessKeyId": id_}
        if verb is Verb.REVOKE:
            return Call("estate", "DeleteAccessKey", "iam", who)
        if verb in (Verb.CONTAIN, Verb.RESTORE):
            status = "Inactive" if verb is Verb.CONTAIN else "Active"
            return Call("estate", "UpdateAccessKey", "iam", {**who, "Status": status})
    if system is DATABASE:
        role = _quoted(str(row["name"]))
        statement = {
            Verb.REVOKE: ("DROP", f"ROLE {role}"),
            Verb.CONTAIN: ("ALTER", f"ROLE {role} NOLOGIN"),
            Verb.RESTORE: ("ALTER", f"ROLE {role} LOGIN"),
            Verb.DISCONNECT: ("SELECT", "pg_terminate_backend(pid) FROM sessions"),
        }.get(verb)
        if statement:
            return Call("estate", *statement, {"cluster": scope, "oid": id_})
    if system is CODEHOST and verb is Verb.REVOKE:
        target = f"/orgs/{scope}/personal-access-tokens/{id_}"
        return Call("estate", "POST", target, {"action": "revoke"})
    return None
