"""What the ``aws_iam`` backend declares: its options, and what can be done with access keys."""

from __future__ import annotations

from typing import Final

from backends.aws_iam import actions
from backends.aws_iam.keys import KIND, OWNER_TAGS, SLOTS
from backends.contract import (
    Capabilities,
    KindCapabilities,
    Option,
    Readable,
    Rotation,
    Support,
)
from backends.model import EvidenceLevel

OPTIONS: Final = (
    Option("region", "The region to sign for and to read CloudTrail in", default="us-east-1"),
    Option("endpoint_url", "Another address than AWS's own, for an emulator", default=""),
    Option("profile", "A profile of ~/.aws/config to read with, instead of `read`", default=""),
    Option(
        "use_default_chain",
        "Read with what boto3 finds (environment, SSO, instance role), instead of `read`",
        bool,
        False,
    ),
    Option("owner_tags", "User tags that name the owner, best first", list, list(OWNER_TAGS)),
    Option("trail_regions", "Regions to read CloudTrail in, besides `region`", list, []),
    Option("timeout", "Seconds to wait for one answer", float, 20.0),
    Option("parallel", "Requests under way at one time", int, 8),
)


def capabilities() -> Capabilities:
    """What can be done with access keys, and what of AWS cannot be listed at all."""
    full, partial = Support.FULL, Support.PARTIAL
    return Capabilities(
        kinds=(
            KindCapabilities(
                kind=KIND,
                title="IAM access key",
                reads={
                    Readable.LIST: full,
                    Readable.OWNER: partial,
                    Readable.CREATED: full,
                    Readable.CREATOR: partial,
                    Readable.LAST_USED: full,
                    Readable.GRANTS: full,
                    Readable.EXPIRY: partial,
                    Readable.PARENT: Support.NONE,
                    Readable.DEPENDENTS: partial,
                    Readable.EVENTS: partial,
                    Readable.IDENTIFY: partial,
                    # SCPs and resources' own policies are others' to give and to read.
                    Readable.PERMISSIONS: partial,
                },
                verbs=actions.ABILITIES,
                rotation=Rotation.CREATE_RETIRE,
                propagation=actions.PROPAGATION,
                probe_effects=(
                    "writes a GetCallerIdentity event to CloudTrail",
                    "makes STS the service that the key was last used for",
                ),
                slots=SLOTS,
                in_bulk=True,
                ceiling=EvidenceLevel.REFUSED,
                # A policy of one's own may give as much under any name.
                admin_grants=("AdministratorAccess", "IAMFullAccess"),
                notes=(
                    "AWS promises no propagation time; deleted keys were seen to work for "
                    "about 4 seconds.",
                    "The last use is exact to 15 minutes, and has no address.",
                    "Creators, events and consumers come from CloudTrail: 90 days of "
                    "management events.",
                    "Permissions are those of the user's own policies: an organisation's "
                    "(SCP) may take from them, a resource's may take and give.",
                    "A secret is recognised by the access key id beside it; the secret part "
                    "alone tells nothing.",
                ),
            ),
        ),
        unlistable=(
            "temporary credentials (ASIA...) of roles and sessions",
            "access keys of the root user",
        ),
    )
