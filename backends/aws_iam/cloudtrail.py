"""CloudTrail's records, as its log files and its event history give them.

Source: AWS CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail log file
examples": a log file is gzipped JSON, an object with a list ``Records``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from backends.model import AuditEvent, Effect, EventClass, TokenRef, use

KIND = "access-key"
ABOUT_KEYS = {
    "CreateAccessKey": Effect.CREATED,
    "UpdateAccessKey": Effect.UNSAID,
    "DeleteAccessKey": Effect.REVOKED,
}
STATUS = {"Active": Effect.RESTORED, "Inactive": Effect.CONTAINED}
"""What UpdateAccessKey asked for."""
DENIED = ("AccessDenied", "Unauthorized", "Client.Unauthorized")


class LookedUp(NamedTuple):
    """What ``LookupEvents`` tells beside the record, and what a record tells by itself."""

    id: str
    at: datetime
    name: str
    service: str
    key: str = ""
    user: str = ""
    resources: tuple[str, ...] = ()


def events_of(
    record: Mapping[str, Any], known: LookedUp, *, backend: str, kind: str, region: str, origin: str
) -> tuple[AuditEvent, ...]:
    """What a record tells: of the key that signed it, and of the one that it is about.

    Whoever makes a key with a leaked one has used the leaked one, so such a record is two.
    """
    identity = table(record, "userIdentity")
    used = known.key or text(identity.get("accessKeyId"))
    about = _key_in(record) if known.name in ABOUT_KEYS else ""
    error = text(record.get("errorCode"))
    outcome = "ok" if not error else "denied" if error.startswith(DENIED) else "error"
    where = " ".join(word for word in (text(record.get("awsRegion")) or region, error) if word)
    asked = text(table(record, "requestParameters").get("status"))

    def event(id_: str, key: str, sort: EventClass, effect: Effect, detail: str) -> AuditEvent:
        return AuditEvent(
            id=id_,
            at=known.at,
            action=f"{known.service.removesuffix('.amazonaws.com')}:{known.name}",
            sort=sort,
            effect=effect,
            outcome=outcome,
            # A session's id (ASIA) names no token that anybody can list.
            token=TokenRef(backend, kind, key) if key.startswith("AKIA") else None,
            actor=text(identity.get("arn")) or known.user,
            target=about or ", ".join(known.resources),
            source=text(record.get("sourceIPAddress")),
            agent=text(record.get("userAgent")),
            origin=origin,
            detail=detail,
        )

    if not about:
        return (event(known.id, used, use(outcome), Effect.UNSAID, where),)
    detail = f"{where} signed with {used}".strip() if used and used != about else where
    effect = ABOUT_KEYS[known.name] or STATUS.get(asked, Effect.UNSAID)
    told = event(known.id, about, EventClass.LIFE, effect, detail)
    signed = event(f"{known.id}/signed", used, use(outcome), Effect.UNSAID, where)
    return (told, signed) if signed.token is not None else (told,)


def known_of(record: Mapping[str, Any]) -> LookedUp | None:
    """What a record of a log file tells by itself; None where it has no id or no time."""
    id_, at = record.get("eventID"), moment(record.get("eventTime"))
    if not isinstance(id_, str) or not id_ or at is None:
        return None
    resources = record.get("resources")
    named = resources if isinstance(resources, list) else []
    arns = [text(item.get("ARN")) for item in named if isinstance(item, dict)]
    return LookedUp(
        id_,
        at,
        text(record.get("eventName")),
        text(record.get("eventSource")),
        resources=tuple(arn for arn in arns if arn)[:5],
    )


def moment(value: Any) -> datetime | None:
    """A time as CloudTrail writes it (``2026-11-24T03:12:00Z``)."""
    try:
        at = datetime.fromisoformat(value)
        # A date at either end of the calendar has no moment in UTC.
        return at.astimezone(UTC) if at.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


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
        (text(item.get("s3Object")), text(item.get("hashValue")).lower())
        for item in told["logFiles"]
        if isinstance(item, dict)
    )
    since, until = moment(told.get("digestStartTime")), moment(told.get("digestEndTime"))
    return Digest(since, until, files)


def table(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that should be an object, and is empty where it is not."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A value as text. What AWS leaves out it writes as null, and that is no text at all."""
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _key_in(record: Mapping[str, Any]) -> str:
    """The key that an event is about, from what was asked or what was answered."""
    answered = table(table(record, "responseElements"), "accessKey")
    asked = table(record, "requestParameters")
    return text(answered.get("accessKeyId")) or text(asked.get("accessKeyId"))
