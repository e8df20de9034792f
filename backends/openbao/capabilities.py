"""What is declared for OpenBao and Vault, and why."""

from __future__ import annotations

from datetime import timedelta

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
from backends.openbao.mapping import APPROLE, SERVICE


def declare(*, audited: bool) -> Capabilities:
    """The declaration. ``audited`` says whether an audit file is configured."""
    by_log = Support.PARTIAL if audited else Support.NONE
    events = Support.FULL if audited else Support.NONE
    ceiling = EvidenceLevel.SILENT if audited else EvidenceLevel.REFUSED
    # A device has every request, or the server refuses it.
    covers = Covers.BOTH if audited else Covers.PART
    token = KindCapabilities(
        kind=SERVICE,
        title="service token",
        reads={
            Readable.LIST: Support.FULL,
            Readable.OWNER: Support.PARTIAL,
            Readable.CREATED: Support.FULL,
            Readable.CREATOR: by_log,
            Readable.LAST_USED: by_log,
            Readable.GRANTS: Support.FULL,
            Readable.EXPIRY: Support.FULL,
            Readable.PARENT: by_log,
            Readable.DEPENDENTS: by_log,
            Readable.EVENTS: events,
            Readable.IDENTIFY: Support.FULL,
            Readable.PERMISSIONS: Support.FULL,
        },
        verbs={
            # An accessor is random and never used again, and one that is not there is warned of.
            Verb.REVOKE: Ability(
                Support.FULL, retry=Retry.FREE, note="ends its children and leases too", sure=True
            ),
            Verb.CONTAIN: Ability(
                Support.PARTIAL,
                reversible=True,
                retry=Retry.FREE,
                note="disables its entity, with all the entity's tokens; none without an entity",
            ),
            Verb.RESTORE: Ability(
                Support.PARTIAL,
                reversible=True,
                retry=Retry.FREE,
                note="enables its entity, with all the entity's tokens",
            ),
            Verb.ROTATE: Ability(
                Support.PARTIAL,
                retry=Retry.NEVER,
                note="those made by auth/token/create; after a login its holder logs in again",
            ),
            Verb.DISCONNECT: Ability(Support.NONE, note="there are no sessions besides tokens"),
        },
        rotation=Rotation.CREATE_RETIRE,
        # The server marks the token as unusable before it answers.
        propagation=timedelta(0),
        probe_effects=(
            "costs one use of a token whose uses are counted",
            "writes audit entries that name the token as the caller",
        ),
        ceiling=ceiling,
        covers=covers,
        admin_grants=("root",),
        in_bulk=True,
        notes=("owner comes from the entity, else from the token's meta",),
    )
    secret_id = KindCapabilities(
        kind=APPROLE,
        title="AppRole secret-id",
        reads={
            Readable.LIST: Support.FULL,
            Readable.OWNER: Support.PARTIAL,
            Readable.CREATED: Support.FULL,
            Readable.CREATOR: by_log,
            Readable.LAST_USED: by_log,
            Readable.GRANTS: Support.FULL,
            Readable.EXPIRY: Support.FULL,
            Readable.PARENT: Support.NONE,
            Readable.DEPENDENTS: by_log,
            Readable.EVENTS: by_log,
            Readable.IDENTIFY: Support.FULL,
            # A log-in also gets what its entity has, which a secret-id does not tell.
            Readable.PERMISSIONS: Support.PARTIAL,
        },
        verbs={
            Verb.REVOKE: Ability(
                Support.FULL,
                retry=Retry.CONFIRM,
                note="tokens from earlier logins live on; a repeat is answered with a fault",
            ),
            Verb.CONTAIN: Ability(
                Support.MANUAL, note="no secret-id can be disabled alone; its role's entity can"
            ),
            Verb.RESTORE: Ability(Support.NONE, note="nothing is contained, so nothing to restore"),
            Verb.ROTATE: Ability(
                Support.FULL,
                retry=Retry.CONFIRM,
                note="two are valid at once; tokens from earlier logins live on",
            ),
            Verb.DISCONNECT: Ability(
                Support.NONE, note="revoke the tokens that logins with it were given"
            ),
        },
        rotation=Rotation.CREATE_RETIRE,
        propagation=timedelta(0),
        # A login would make a token. The look-up by value asks the same store instead.
        probe_effects=("writes audit entries that name the console as the caller",),
        ceiling=ceiling,
        covers=covers,
        notes=("a probe looks the value up and does not log in",),
    )
    return Capabilities(
        kinds=(token, secret_id),
        watch=Support.NONE,
        unlistable=("batch tokens", "recovery tokens"),
    )
