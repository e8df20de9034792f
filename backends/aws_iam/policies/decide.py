"""May the user do this? IAM's own order of evaluation, over rows that were read.

An explicit deny wins; then some policy has to allow; then the permissions boundary, where there
is one, has to allow as well (IAM User Guide, "Policy evaluation logic"). A row with conditions
may count or not, so an answer that hangs on one is conditional.

What is never read are the policies of others: of the organisation (SCPs, RCPs), of the resource,
of a session or an endpoint. So "allowed" means that the user's own policies allow it: the others
can only take from that, and what is assumed to be reachable is not too little. "Denied" is said
where nothing else can allow it: an explicit deny, or an action of a service whose resources have
no policies. For the services in ``OWN_POLICIES`` the resource's own policy may let the user in,
and the answer is unknown, with the user's half of it told.
"""

from __future__ import annotations

from typing import Final

from backends.aws_iam.policies import patterns
from backends.aws_iam.policies.access import access_of
from backends.aws_iam.policies.document import ASSUME, BOUNDARY, TRUSTED
from backends.aws_iam.policies.weighing import Weighing, open_to, weighing
from backends.permissions import Answer, Decision, Permission, Permissions, weighed

OWN_POLICIES: Final = frozenset(
    [
        "acm-pca",
        "agent-registry",
        "aoss",
        "apigateway",
        "appsync",
        "aps",
        "arc-region-switch",
        "aws-marketplace",
        "backup",
        "bedrock",
        "bedrock-agentcore",
        "billing",
        "cloudfront",
        "cloudhsm",
        "cloudsearch",
        "cloudtrail",
        "codeartifact",
        "codebuild",
        "codeguru-profiler",
        "comprehend",
        "dsql",
        "dynamodb",
        "ecr",
        "ecr-public",
        "elasticfilesystem",
        "es",
        "events",
        "execute-api",
        "fsx",
        "glacier",
        "glue",
        "iot",
        "kafka",
        "kinesis",
        "kms",
        "lambda",
        "lex",
        "logs",
        "lookoutequipment",
        "mediastore",
        "mpa",
        "network-firewall",
        "networkmanager",
        "odb",
        "omics",
        "organizations",
        "osis",
        "payment-cryptography",
        "qbusiness",
        "redshift",
        "redshift-serverless",
        "refactor-spaces",
        "rekognition",
        "resource-explorer-2",
        "resource-groups",
        "route53-recovery-control-config",
        "route53resolver",
        "rum",
        "s3",
        "s3-object-lambda",
        "s3-outposts",
        "s3express",
        "s3files",
        "s3tables",
        "s3vectors",
        "sagemaker",
        "schemas",
        "secretsmanager",
        "serverlessrepo",
        "servicecatalog",
        "servicediscovery",
        "ses",
        "signer",
        "sms-voice",
        "sns",
        "sqs",
        "ssm",
        "ssm-contacts",
        "ssm-incidents",
        "ssm-sap",
        "sts",
        "vpc-lattice",
        "vpc-lattice-svcs",
        "xray",
    ]
)
"""Services whose resources have policies of their own, by the prefix of their actions: those with
an action that writes such a policy (Service Authorization Reference), and those behind which
another one's policy stands. Too many here make an answer unknown, too few would make it wrong.
Not among them is ``ec2``, where such a policy only shares a resource with other accounts."""

NO_PERMISSION: Final = ("sts:GetCallerIdentity", "sts:GetSessionToken")
"""What each key of a user may do, also against an explicit deny (AWS STS API Reference; IAM User
Guide, "Permissions for GetSessionToken")."""

FREE: Final = tuple(
    Permission(
        action=action,
        resource="*",
        access=access_of(action),
        source="AWS: each key may, whatever a policy says",
    )
    for action in NO_PERMISSION
)

OTHERS: Final = "by the user's own policies; an organisation's or the resource's may still refuse"
HALF: Final = "no policy of the user allows it; the resource's own policy may, and is not read"
TRUST: Final = "if the role's trust policy, which is not read, lets the user in"
NAMED: Final = 8
"""Rows of a boundary that are named where none of them allows what was asked."""

SOME: Final = "on some resources only; ask about one by its ARN"
EXCEPT: Final = "but for some resources; ask about one by its ARN"
ROOT: Final = "root user of the account"
"""The source of the row of a root user's key, which no policy of the account binds."""


def permits(permissions: Permissions, action: str, resource: str) -> Answer:
    """Whether the user may do an action on a resource, an ARN, or ``*`` for what has none."""
    for row in FREE:
        if row.action.lower() == action.lower():
            return Answer(Decision.ALLOWED, tuple(r for r in permissions.rows if r == row))
    found = weighing(
        permissions.rows, action, lambda row: patterns.resource_matches(row.resource, resource)
    )
    if resource in ("*", "") and not found.refused and (some := _some(permissions, action, found)):
        return weighed(some, permissions)
    answer, final = _answer(found, action)
    return weighed(answer, permissions, final=final)


def _some(permissions: Permissions, action: str, found: Weighing) -> Answer | None:
    """The answer about everything at once, where it differs from one resource to another."""
    if not found.possible:
        reach = open_to(permissions.rows, action)
        if reach.allows:
            return Answer(Decision.CONDITIONAL, (*reach.allows, *reach.bounds), SOME)
        return None
    # Rows with a condition stay with the question about the resource.
    but = weighing(permissions.rows, action, lambda row: row.resource != "*").denies
    if but and found.certain:
        return Answer(Decision.CONDITIONAL, (*found.allows, *but), EXCEPT)
    return None


def _answer(found: Weighing, action: str) -> tuple[Answer, bool]:
    """What the rows say, and whether nothing that was not read could change it."""
    if root := tuple(row for row in found.allows if row.source == ROOT):
        return Answer(Decision.ALLOWED, root), True
    if found.refused:
        return Answer(Decision.DENIED, found.refused, "an explicit deny wins"), True
    rows = (*found.allows, *found.bounds, *found.denies)
    if not found.possible:
        if found.allows:
            why = "the permissions boundary does not allow it"
            # What is not in it is in none of its rows: these are what there is.
            rows = (*found.allows, *found.boundary[:NAMED])
        else:
            why = ""
        if _has_own_policies(action.lower()):
            return Answer(Decision.UNKNOWN, rows, f"{why}. {HALF}" if why else HALF), False
        return Answer(Decision.DENIED, rows, why or "no policy of the user allows it"), False
    if not found.certain:
        return Answer(Decision.CONDITIONAL, rows, _hangs(found)), False
    rows = (
        *(row for row in found.allows if not row.conditions),
        *(row for row in found.bounds if row.conditions == (BOUNDARY,)),
    )
    if action.lower() == ASSUME and not any(TRUSTED in row.conditions for row in rows):
        return Answer(Decision.CONDITIONAL, rows, TRUST), False
    return Answer(Decision.ALLOWED, rows, OTHERS), False


def _has_own_policies(action: str) -> bool:
    """Whether a resource of an action, in lower case, may have a policy of its own."""
    service, _, name = action.partition(":")
    # Of STS only a role has one: its trust policy.
    return service in OWN_POLICIES and (service != "sts" or name.startswith("assume"))


def _hangs(found: Weighing) -> str:
    """On what an answer hangs, in the conditions' own words."""
    if not found.denies:
        return "where the conditions of a row that allows it are met"
    if any(not row.conditions for row in found.allows):
        return "unless the conditions of a row that denies it are met"
    return "where a row that allows it has its conditions met, and none that denies it has"
