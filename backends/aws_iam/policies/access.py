"""What an action does, told from its name: AWS names actions by a verb.

Source: Service Authorization Reference, whose access levels follow the verbs with few
exceptions. The exceptions that matter are named here; what no rule tells is unknown.
"""

from __future__ import annotations

import re
from typing import Final

from backends.aws_iam.policies import patterns
from backends.permissions import Access

READS: Final = re.compile(
    r"(?:Batch)?(?:Get|List|Describe|Head|Lookup|Search|Scan|Query|Select|View|Read|Count|Filter"
    r"|Simulate|Validate|Preview|Is)"
)
WRITES: Final = re.compile(
    r"(?:Batch)?(?:Create|Put|Delete|Update|Add|Remove|Set|Modify|Start|Stop|Run|Terminate|Tag"
    r"|Untag|Attach|Detach|Send|Publish|Invoke|Write|Restore|Cancel|Enable|Disable|Reboot|Copy"
    r"|Import|Upload|Register|Deregister|Associate|Disassociate|Execute|Reset|Rotate|Purge)"
)
RULES: Final = re.compile(r"Polic(?:y|ies)|Permission|Acl|Grant|Trust|Boundary", re.IGNORECASE)
"""What an action of any service changes when it changes who may do what."""

ADMINISTER: Final = ("iam", "organizations", "sso", "sso-directory", "identitystore", "account")
"""Services in which each change is one of who may do what."""

HANDS_OUT: Final = (
    "cognito-identity:getcredentialsforidentity",
    "cognito-identity:getopenidtoken",
    "ecr:getauthorizationtoken",
    "redshift:getclustercredentials",
    "sso:getrolecredentials",
    "sts:assumerole",
    "sts:getfederationtoken",
    "sts:getsessiontoken",
)
"""They look like reading, and make a credential."""


def access_of(action: str) -> Access:
    """What an action, or all that a pattern stands for, does at worst."""
    if action.startswith(patterns.NOT_ACTION):
        return Access.ADMIN
    service, _, name = action.partition(":")
    if service == "*" or not name:
        return Access.ADMIN
    service = service.lower()
    if name == "*":
        return Access.ADMIN
    if any(patterns.action_matches(action, known) for known in HANDS_OUT):
        return Access.WRITE
    # The letters before the first wildcard are all that is certain of a pattern.
    certain = re.split(r"[*?]", name, maxsplit=1)[0]
    found = re.match(r"(?:Batch)?[A-Za-z][a-z]*", certain)
    verb = found[0] if found else ""
    if READS.fullmatch(verb):
        return Access.READ
    if service in ADMINISTER:
        # A report on who has which rights is no change of them.
        return Access.READ if verb == "Generate" else Access.ADMIN
    if not WRITES.fullmatch(verb):
        return Access.UNKNOWN
    return Access.ADMIN if RULES.search(name) else Access.WRITE
