"""What the estate's grants let their holders do, system by system, and questions about it.

Simpler than any real system: ``*`` stands for anything wherever it is, a deny wins over every
allow, and what no row allows is denied. An estate does not hold its tokens to it: what they do
in its logs follows from the seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from backends.model import Gap, GapKind, Grant, Token
from backends.permissions import (
    Access,
    Answer,
    Decision,
    Elevation,
    Permission,
    PermissionEffect,
    Permissions,
    weighed,
)


class _Row(NamedTuple):
    action: str
    resource: str
    access: Access
    deny: bool = False
    conditions: tuple[str, ...] = ()
    secret: bool = False
    """Whether what is read there is a secret."""


READ, WRITE, ADMIN = Access.READ, Access.WRITE, Access.ADMIN
_EVERYTHING: Final = (_Row("*", "*", ADMIN, secret=True),)
_MFA: Final = ("aws:MultiFactorAuthPresent = true",)

GRANTED: Final[Mapping[str, Mapping[str, tuple[_Row, ...]]]] = {
    "vault": {
        "default": (
            _Row("read", "auth/token/lookup-self", READ),
            _Row("update", "auth/token/renew-self", WRITE),
        ),
        "ci-write": (
            _Row("create", "secret/data/ci/*", WRITE),
            _Row("update", "secret/data/ci/*", WRITE),
        ),
        "npm-publish": (_Row("update", "npm/publish/*", WRITE),),
        "kv-read": (
            _Row("read", "secret/data/*", READ, secret=True),
            _Row("list", "secret/metadata/*", READ),
            _Row("read", "secret/data/security/*", READ, deny=True),
        ),
        "kv-write": (
            _Row("create", "secret/data/*", WRITE),
            _Row("update", "secret/data/*", WRITE),
        ),
        "transit": (_Row("update", "transit/*", WRITE),),
        "pki-issue": (
            _Row("update", "pki/issue/*", WRITE, conditions=("allowed_parameters common_name",)),
        ),
        "db-creds": (_Row("read", "database/creds/*", READ, secret=True),),
        "admin": _EVERYTHING,
    },
    "cloud": {
        "s3-read": (_Row("s3:Get*", "arn:aws:s3:::*", READ),),
        "s3-write": (_Row("s3:PutObject", "arn:aws:s3:::*", WRITE),),
        "sqs-send": (_Row("sqs:SendMessage", "arn:aws:sqs:*", WRITE),),
        "kms-decrypt": (_Row("kms:Decrypt", "arn:aws:kms:*", READ, conditions=_MFA),),
        "ec2-describe": (_Row("ec2:Describe*", "*", READ),),
        "ReadOnlyAccess": (_Row("*:Get*", "*", READ), _Row("*:List*", "*", READ),
                           _Row("secretsmanager:GetSecretValue", "*", READ, deny=True)),
        "PowerUserAccess": (
            _Row("*", "*", WRITE, secret=True),
            _Row("iam:*", "*", ADMIN, deny=True),
        ),
        "AdministratorAccess": _EVERYTHING,
    },
    "database": {
        "pg_read_all_data": (_Row("SELECT", "*", READ),),
        "ledger_rw": (_Row("SELECT", "ledger.*", READ), _Row("INSERT", "ledger.*", WRITE),
                      _Row("UPDATE", "ledger.*", WRITE)),
        "ledger_ro": (_Row("SELECT", "ledger.*", READ),),
        "report_ro": (_Row("SELECT", "report.*", READ),),
        "etl_rw": (_Row("INSERT", "etl.*", WRITE), _Row("DELETE", "etl.*", WRITE)),
        "pg_monitor": (_Row("SELECT", "pg_stat_*", READ),),
        "superuser": _EVERYTHING,
    },
    "codehost": {
        "contents:read": (_Row("read", "repository contents", READ),),
        "contents:write": (_Row("write", "repository contents", WRITE),),
        "packages:write": (_Row("write", "packages", WRITE),),
        "actions:write": (_Row("write", "workflows", WRITE),),
        "metadata:read": (_Row("read", "repository metadata", READ),),
        "admin:org": _EVERYTHING,
    },
}  # fmt: skip

_WAYS: Final[Mapping[str, tuple[str, str]]] = {
    "admin": ("admin", "has every right on every path"),
    "AdministratorAccess": ("admin", "has every action on every resource"),
    "superuser": ("admin", "is a superuser: no right is asked for"),
    "admin:org": ("admin", "rules the organisation"),
    "actions:write": ("write-workflows", "may change workflows, which run with their own secrets"),
}


def opened(system: str, token: Token, as_of: datetime) -> Permissions:
    """The rows of a token's grants; one that the estate does not know is a gap."""
    rows: list[Permission] = []
    secrets: list[Permission] = []
    elevations: list[Elevation] = []
    gaps: list[Gap] = []
    for grant in token.grants.value or ():
        known = GRANTED[system].get(grant.name)
        if known is None:
            what = f"what the {grant.kind} {grant.name} gives"
            gaps.append(Gap(token.scope, GapKind.UNLISTABLE, what, "The estate does not know it."))
            continue
        made = [_permission(row, grant) for row in known]
        rows += made
        secrets += [one for one, row in zip(made, known, strict=True) if row.secret]
        if grant.name in _WAYS:
            elevations.append(Elevation(*_WAYS[grant.name], by=(made[0],)))
    return Permissions(
        ref=token.ref,
        rows=tuple(dict.fromkeys(rows)),
        elevations=tuple(elevations),
        secrets=tuple(secrets),
        gaps=tuple(gaps),
        as_of=as_of,
    )


def _permission(row: _Row, grant: Grant) -> Permission:
    return Permission(
        action=row.action,
        resource=row.resource,
        effect=PermissionEffect.DENY if row.deny else PermissionEffect.ALLOW,
        access=row.access,
        conditions=row.conditions,
        source=f"{grant.kind} {grant.name}" + (f", via {grant.via}" if grant.via else ""),
    )


@lru_cache(maxsize=512)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


_WORDS: Final = tuple(
    sorted(
        {row.action for grants in GRANTED.values() for rows in grants.values() for row in rows}
        - {"*"}
        | {"create", "read", "update", "patch", "delete", "list", "sudo"}
    )
)
"""What can be asked about: the words of its grants, and those of a vault that no grant has."""


def permits(permissions: Permissions, action: str, resource: str) -> Answer:
    """Whether the rows allow an action on a resource: a deny wins, then any allow.

    A word that no grant of the system has is no question: that nothing allows it says nothing.
    """
    resource = resource.lstrip("/")
    if action not in _WORDS:
        return Answer(Decision.UNKNOWN, detail=f"no action here is called so: {', '.join(_WORDS)}")
    bearing = [
        row
        for row in permissions.rows
        if _expression(row.action).fullmatch(action)
        and _expression(row.resource).fullmatch(resource)
    ]
    denying = tuple(row for row in bearing if row.effect is PermissionEffect.DENY)
    if denying:
        return weighed(Answer(Decision.DENIED, denying), permissions, final=True)
    free = tuple(row for row in bearing if not row.conditions)
    if free:
        return weighed(Answer(Decision.ALLOWED, free), permissions)
    if bearing:
        return weighed(Answer(Decision.CONDITIONAL, tuple(bearing)), permissions)
    return weighed(Answer(Decision.DENIED, detail="no grant allows it"), permissions)
