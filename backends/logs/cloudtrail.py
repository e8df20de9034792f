"""CloudTrail's records, as its log files and its event history give them.

Source: AWS CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail log file
examples": a log file is gzipped JSON, an object with a list ``Records``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backends.model import AuditEvent, TokenRef

KIND = "access-key"
ABOUT_KEYS = frozenset({"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"})
DENIED = ("AccessDenied", "Unauthorized", "Client.Unauthorized")


class Known(NamedTuple):
    """What ``LookupEvents`` tells beside the record, and what a record tells by itself."""

    id: str
    at: datetime
    name: str
    service: str
    key: str = ""
    user: str = ""
    resources: tuple[str, ...] = ()


def event_of(
    record: Mapping[str, Any], known: Known, *, backend: str, kind: str, region: str, origin: str
) -> AuditEvent:
    """One record as an event of the key that signed it, or that it is about."""
    identity = table(record, "userIdentity")
    used = known.key or str(identity.get("accessKeyId") or "")
    about = _key_in(record) if known.name in ABOUT_KEYS else ""
    key = about or used
    error = str(record.get("errorCode") or "")
    details = (
        str(record.get("awsRegion", region)),
        error,
        f"signed with {used}" if used and used != key else "",
    )
    return AuditEvent(
        id=known.id,
        at=known.at,
        action=f"{known.service.removesuffix('.amazonaws.com')}:{known.name}",
        outcome="ok" if not error else "denied" if error.startswith(DENIED) else "error",
        # A session's id (ASIA) names no token that anybody can list.
        token=TokenRef(backend, kind, key) if key.startswith("AKIA") else None,
        actor=str(identity.get("arn") or known.user),
        target=about or ", ".join(known.resources),
        source=str(record.get("sourceIPAddress", "")),
        agent=str(record.get("userAgent", "")),
        origin=origin,
        detail=" ".join(detail for detail in details if detail),
    )


def known_of(record: Mapping[str, Any]) -> Known | None:
    """What a record of a log file tells by itself; None where it has no id or no time."""
    id_, at = record.get("eventID"), moment(record.get("eventTime"))
    if not isinstance(id_, str) or not id_ or at is None:
        return None
    resources = record.get("resources")
    named = resources if isinstance(resources, list) else []
    arns = [str(item.get("ARN", "")) for item in named if isinstance(item, dict)]
    return Known(
        id_,
        at,
        str(record.get("eventName", "")),
        str(record.get("eventSource", "")),
        resources=tuple(arn for arn in arns if arn)[:5],
    )


def moment(text: Any) -> datetime | None:
    """A time as CloudTrail writes it (``2026-11-24T03:12:00Z``)."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def records(data: bytes) -> list[Any]:
    """The records of one log file.

    Raises:
        ValueError: it is no CloudTrail log file.
    """
    told = json.loads(data)
    found = told.get("Records") if isinstance(told, dict) else None
    if not isinstance(found, list):
        raise ValueError("no Records")
    return found


class Digest(NamedTuple):
    """What a digest file says was delivered: each file's key and the SHA-256 of its text.

    Source: the same guide, "CloudTrail digest file structure".
    """

    since: datetime | None
    until: datetime | None
    files: tuple[tuple[str, str], ...]


def digest(data: bytes) -> Digest:
    """A digest file taken apart.

    Raises:
        ValueError: it is none.
    """
    told = json.loads(data)
    if not isinstance(told, dict) or not isinstance(told.get("logFiles"), list):
        raise ValueError("no logFiles")
    files = tuple(
        (str(item.get("s3Object", "")), str(item.get("hashValue", "")).lower())
        for item in told["logFiles"]
        if isinstance(item, dict)
    )
    since, until = moment(told.get("digestStartTime")), moment(told.get("digestEndTime"))
    return Digest(since, until, files)


def table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that should be an object, and is empty where it is not."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _key_in(record: Mapping[str, Any]) -> str:
    """The key that an event is about, from what was asked or what was answered."""
    answered = table(table(record, "responseElements"), "accessKey")
    asked = table(record, "requestParameters")
    return str(answered.get("accessKeyId") or asked.get("accessKeyId") or "")
