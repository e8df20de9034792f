"""What botocore's exceptions mean, in the words of ``backends.errors`` and ``Outcome``.

AWS messages are cut short, and those about signatures dropped: they repeat the request.
"""

from __future__ import annotations

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from backends.contract import OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    ServerFault,
    TimedOut,
    Unreachable,
)

MAX_REASON = 200
"""Characters of an AWS message that are kept."""

NOT_ACCEPTED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
MAY_NOT = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
BUSY = frozenset(
    {
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
MISSING = frozenset({"NoSuchEntity", "NoSuchEntityException"})
DECLINED = frozenset(
    {"DeleteConflict", "EntityTemporarilyUnmodifiable", "LimitExceeded", "UnmodifiableEntity"}
)

NEVER_LEFT = (
    aws.EndpointConnectionError,
    aws.ConnectTimeoutError,
    aws.ProxyConnectionError,
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.MetadataRetrievalError,
    aws.NoRegionError,
    aws.ProfileNotFound,
    aws.ConfigParseError,
    aws.ParamValidationError,
)
"""Raised before the first byte of a request is written."""

UNREADABLE = (
    aws.BotoCoreError,
    ResponseParserError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)
"""What botocore raises for an answer of somebody else's: its parsers check little."""


class NotByAws(BadAnswer):
    """The answer is whole, and comes from a proxy or an emulator that lacks the operation."""


class AwsFault:
    """An answer of AWS that is not a success: its status, code, reason and request id."""

    __slots__ = ("code", "reason", "request_id", "status")

    def __init__(self, error: aws.ClientError) -> None:
        told = error.response.get("Error", {})
        meta = error.response.get("ResponseMetadata", {})
        self.code = str(told.get("Code", ""))
        self.status = int(meta.get("HTTPStatusCode", 0))
        self.request_id = str(meta.get("RequestId", ""))
        reason = str(told.get("Message", ""))
        if self.code in NOT_ACCEPTED or reason.lstrip().startswith("<"):
            # A signature error repeats the request, and markup comes from a proxy.
            reason = ""
        self.reason = reason[:MAX_REASON]

    @property
    def by_aws(self) -> bool:
        """Whether AWS itself names the error, rather than a proxy or an emulator's crash."""
        return not self.code.isdigit() and self.code not in ("", "Unknown")

    @property
    def line(self) -> str:
        """Status and error code in one line, without the message, which may hold names."""
        return f"{self.status} {self.code}".strip()


def meaning(error: BaseException, service: str, operation: str) -> BackendError:
    """The error that a failed read amounts to."""
    where = f"{service} {operation}"
    if isinstance(error, aws.ClientError):
        return _answered(AwsFault(error), where, f"{service}:{operation}")
    if isinstance(error, aws.ConnectTimeoutError):
        return Unreachable(f"no connection for {where}: it timed out")
    if isinstance(error, aws.EndpointConnectionError | aws.ProxyConnectionError):
        return Unreachable(f"no connection for {where}")
    if isinstance(error, aws.SSLError):
        return Unreachable(
            f"no TLS connection for {where}",
            "The certificate is not trusted: set AWS_CA_BUNDLE to the CA of the proxy or endpoint.",
        )
    if isinstance(error, aws.ReadTimeoutError):
        return TimedOut(f"no answer to {where}")
    if isinstance(error, aws.HTTPClientError):
        return ServerFault(f"the answer to {where} broke off ({type(error).__name__})")
    if isinstance(error, aws.ParamValidationError):
        return NotFound(f"{where} cannot be asked about this name")
    if isinstance(error, NEVER_LEFT):
        return AuthFailed(
            f"there are no usable AWS credentials for {where} ({type(error).__name__})",
            "Log in again (aws sso login), or name the profile or the credential in the "
            "configuration.",
        )
    if isinstance(error, UNREADABLE):
        return BadAnswer(f"the answer to {where} is not what AWS sends ({type(error).__name__})")
    raise error


def _answered(fault: AwsFault, where: str, permission: str) -> BackendError:
    said = f"{where} was answered with {fault.line}"
    text = f"{said}: {fault.reason}" if fault.reason else said
    if fault.code in NOT_ACCEPTED:
        hint = ""
        if fault.code in ("RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException"):
            hint = "The secret part is wrong, or this machine's clock is off by over five minutes."
        return AuthFailed(text, hint)
    if fault.code in MAY_NOT:
        denied = "explicit deny" in fault.reason
        return Forbidden(
            f"needs {permission}" + (", which a policy denies explicitly" if denied else ""),
            f"Allow {permission} to the console's credential.",
        )
    if fault.code in BUSY or fault.status == 429:
        return RateLimited(text)
    if fault.code in MISSING:
        return NotFound(text)
    if fault.code == "ValidationError":
        return NotFound(text, "AWS takes no such name or id.")
    if fault.code in DECLINED:
        return Refused(text)
    if not fault.by_aws:
        return NotByAws(text)
    if fault.status >= 500:
        return ServerFault(text)
    return BackendError(text)


def ending(error: BaseException) -> tuple[OutcomeState, str]:
    """How a change ended that raised, and why, where AWS gave no readable answer.

    A change is unknown unless it is certain that nothing of it has left.
    """
    name = type(error).__name__
    if isinstance(error, NEVER_LEFT):
        return OutcomeState.NOT_SENT, f"nothing was sent ({name})"
    if isinstance(error, aws.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return OutcomeState.NOT_SENT, "nothing was sent (the certificate is not trusted)"
    return OutcomeState.UNKNOWN, f"no trustworthy answer ({name})"


def answered(fault: AwsFault) -> OutcomeState:
    """How a change ended that AWS answered with an error."""
    if fault.status >= 500 or fault.code in ("RequestTimeout", "RequestTimeoutException"):
        return OutcomeState.UNKNOWN
    return OutcomeState.REJECTED
