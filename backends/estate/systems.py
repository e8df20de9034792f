"""The estate's four systems, and what each declares.

Each stands for a family of real ones, with that family's blind spots. The vault knows
the last use only from its audit log and takes the children along; the cloud remembers the
last use by the hour and has two slots; the database records neither creation nor use and
leaves sessions open; the code host answers 202 and works it off later. Its deploy tokens
and app secrets are two kinds more: a new estate holds none, ``EstateWorld.mint`` makes them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from backends.contract import (
    Ability,
    Capabilities,
    KindCapabilities,
    Readable,
    Retry,
    Rotation,
    Support,
    Verb,
)
from backends.model import Covers, EvidenceLevel

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
                    Readable.PERMISSIONS: FULL,
                },
                verbs={
                    Verb.REVOKE: Ability(
                        FULL, retry=Retry.FREE, note="takes its children and leases along"
                    ),
                    Verb.ROTATE: Ability(FULL, note="a token like it, then the old one is ended"),
                    Verb.CONTAIN: Ability(NONE, note="only a whole entity can be disabled"),
                },
                rotation=Rotation.CREATE_RETIRE,
                propagation=timedelta(0),
                probe_effects=PROBE,
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
                admin_grants=("admin",),
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
                    Readable.PERMISSIONS: FULL,
                },
                verbs={
                    Verb.CONTAIN: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.RESTORE: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.REVOKE: Ability(FULL, retry=Retry.CONFIRM),
                    Verb.ROTATE: Ability(FULL, note="needs a free slot"),
                },
                rotation=Rotation.CREATE_RETIRE,
                propagation=timedelta(seconds=10),
                admin_grants=("AdministratorAccess",),
                probe_effects=PROBE,
                slots=2,
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
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
                    Readable.PERMISSIONS: FULL,
                },
                verbs={
                    Verb.CONTAIN: Ability(
                        FULL, reversible=True, retry=Retry.FREE, note="new sessions only"
                    ),
                    Verb.RESTORE: Ability(FULL, reversible=True, retry=Retry.FREE),
                    Verb.REVOKE: Ability(FULL, retry=Retry.CONFIRM, note="open sessions live on"),
                    Verb.DISCONNECT: Ability(FULL, retry=Retry.FREE),
                    Verb.ROTATE: Ability(FULL, retry=Retry.FREE, note="open sessions live on"),
                },
                rotation=Rotation.IN_PLACE,
                propagation=timedelta(0),
                admin_grants=("superuser",),
                probe_effects=PROBE,
                slots=1,
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
                notes=("creation and last use are not recorded; open sessions are seen",),
            ),
        ),
    ),
)

DEPLOY = "deploy_token"
APP = "app_secret"

OVERLAP_SECONDS = 3_600
"""For how long a code host's app secret goes on working after a new one was made."""

_CODE_READS = {
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
    Readable.PERMISSIONS: FULL,
}
_CODE_REVOKE = Ability(FULL, retry=Retry.CONFIRM, note="answered with 202, done some seconds later")
_CODE_ADMIN = ("admin:org",)

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
                reads=_CODE_READS,
                verbs={
                    Verb.REVOKE: _CODE_REVOKE,
                    Verb.CONTAIN: Ability(NONE),
                    Verb.ROTATE: Ability(Support.MANUAL, note="only its person can mint a new one"),
                },
                rotation=Rotation.NO_API,
                propagation=timedelta(minutes=1),
                probe_effects=PROBE,
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
                admin_grants=_CODE_ADMIN,
                notes=("the last use is kept by the day", "only its person can mint a new one"),
            ),
            KindCapabilities(
                kind=DEPLOY,
                title="deploy token",
                reads=_CODE_READS,
                verbs={
                    Verb.REVOKE: _CODE_REVOKE,
                    Verb.CONTAIN: Ability(NONE),
                    Verb.ROTATE: Ability(FULL, note="asked twice, it ends the new one too"),
                },
                rotation=Rotation.REPLACE,
                propagation=timedelta(minutes=1),
                probe_effects=(*PROBE, "a replaced value ends its successor too"),
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
                admin_grants=_CODE_ADMIN,
                reuse_detection=True,
                notes=("the last use is kept by the day",),
            ),
            KindCapabilities(
                kind=APP,
                title="app secret",
                reads=_CODE_READS,
                verbs={
                    Verb.REVOKE: _CODE_REVOKE,
                    Verb.CONTAIN: Ability(NONE),
                    Verb.ROTATE: Ability(FULL, note="the old one works on for an hour"),
                },
                rotation=Rotation.OVERLAP,
                propagation=timedelta(minutes=1),
                probe_effects=PROBE,
                ceiling=EvidenceLevel.SILENT,
                covers=Covers.BOTH,
                admin_grants=_CODE_ADMIN,
                notes=("the last use is kept by the day",),
            ),
        ),
        unlistable=("classic tokens",),
    ),
)

SYSTEMS = {system.name: system for system in (VAULT, CLOUD, DATABASE, CODEHOST)}
