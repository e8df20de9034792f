"""The one door to AWS: what only reads may pass, what changes needs a permit.

The hook sits on botocore's ``before-send`` event, the last point before a request is
written to a connection, and judges the bytes that are about to leave. Every client
that a session makes has it, also the clients that botocore makes for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.awsrequest import AWSPreparedRequest
from botocore.hooks import BaseEventHooks

from backends import permit
from backends.contract import Call
from backends.errors import NoIntent

READS: Mapping[str, frozenset[str]] = {
    "iam": frozenset(
        {
            "GetAccessKeyLastUsed",
            "GetAccountAuthorizationDetails",
            "GetAccountSummary",
            "GetGroupPolicy",
            "GetPolicy",
            "GetPolicyVersion",
            "GetUser",
            "GetUserPolicy",
            "ListAccessKeys",
            "ListAttachedGroupPolicies",
            "ListAttachedUserPolicies",
            "ListGroupPolicies",
            "ListGroupsForUser",
            "ListServiceSpecificCredentials",
            "ListUserPolicies",
            "ListUserTags",
            "ListUsers",
        }
    ),
    "sts": frozenset({"GetCallerIdentity"}),
    "cloudtrail": frozenset({"LookupEvents"}),
}
"""The operations that change nothing, by service. Whatever is not here needs a permit."""

LOGINS: Mapping[str, frozenset[str]] = {
    "sts": frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}),
    "sso": frozenset({"GetRoleCredentials"}),
    "sso-oidc": frozenset({"CreateToken"}),
    "signin": frozenset({"CreateOAuth2Token"}),
}
"""How botocore itself logs in for a profile or an instance role. They end nobody's access,
and pass only where the configuration asks for such a login."""

FORM = "application/x-www-form-urlencoded"

MINT = "CreateAccessKey"

CHANGES: Mapping[str, frozenset[str]] = {
    "iam": frozenset({MINT, "DeleteAccessKey", "UpdateAccessKey"})
}
"""The operations that this backend may make under a permit."""


def call_of(operation: str, arguments: Mapping[str, str]) -> Call:
    """The planned form of an IAM operation. The hook builds the same from what is sent."""
    return Call("aws", operation, "iam", dict(arguments))


def guard(events: BaseEventHooks, *, logins: bool, endpoint: str = "") -> None:
    """Put the door on a session's events, before any client is made of it.

    ``endpoint`` is the configured address, empty where the region's own is meant.
    """

    def before_send(request: AWSPreparedRequest, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:3]
        form, twice = _form(request)
        # A query service does what the body says, whatever the client calls it.
        asked = form.pop("Action", operation)
        if asked == operation:
            if operation in READS.get(service, ()):
                return
            if logins and operation in LOGINS.get(service, ()):
                return
        if asked not in CHANGES.get(service, ()):
            raise NoIntent(f"{service} {asked} is no call that the console makes")
        form.pop("Version", None)
        if why := twice or astray(request, endpoint):
            raise NoIntent(f"{service} {asked} is not sent: {why}")
        intent = permit.spend(call_of(asked, form))
        # SigV4 as botocore makes it leaves the user agent out of the signature, so that
        # the intent can still be written there, where CloudTrail records it.
        agent = _text(request.headers["User-Agent"])
        del request.headers["User-Agent"]
        request.headers["User-Agent"] = f"{agent} intent/{intent}"

    events.register_first("before-send", before_send)


def astray(request: AWSPreparedRequest, endpoint: str) -> str:
    """Why a change would go elsewhere than to the service's own address; empty if it would not.

    The services that are changed take everything from the body: what stands in the path or
    behind a question mark is not in the plan.
    """
    sent = urlsplit(_text(request.url))
    meant = urlsplit(endpoint or f"{sent.scheme}://{sent.netloc}")
    if (sent.scheme, sent.netloc.lower()) != (meant.scheme, meant.netloc.lower()):
        return f"it would go to {sent.scheme}://{sent.netloc}"
    if request.method != "POST" or sent.path.strip("/") != meant.path.strip("/") or sent.query:
        return f"it would be {request.method} {sent.path}"
    return ""


def _form(request: AWSPreparedRequest) -> tuple[dict[str, str], str]:
    """The arguments of a query service's request, and why they cannot be told for certain."""
    if not _text(request.headers.get("Content-Type")).startswith(FORM):
        return {}, ""
    pairs = parse_qsl(_text(request.body), keep_blank_values=True)
    form = dict(pairs)
    return form, "an argument is given twice" if len(form) != len(pairs) else ""


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value or "")
