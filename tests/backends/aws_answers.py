"""Answers as AWS writes them, for what moto cannot produce. Not AWS, and not moto."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from raw_server import RawServer, answer

from backends.contract import BackendConfig
from backends.model import Secret

ACCOUNT = "123456789012"
KEY = "AKIARZPUZDIKJYOJD2EX"
READER = "AKIARZPUZDIKREADER22"
CANARY = "canary/SecretPart+OfTheConsole0123456789"
PAIR = Secret(f"{READER}:{CANARY}")

Reply = Callable[[dict[str, str]], bytes | None] | bytes | None


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def form(request: bytes) -> dict[str, str]:
    return dict(parse_qsl(body_of(request).decode(), keep_blank_values=True))


def xml(operation: str, inside: str, status: int = 200) -> bytes:
    text = (
        f"<{operation}Response><{operation}Result>{inside}</{operation}Result>"
        f"<ResponseMetadata><RequestId>req-{operation}</RequestId></ResponseMetadata>"
        f"</{operation}Response>"
    )
    return answer(status, text.encode(), "Content-Type: text/xml")


def error(code: str, status: int, message: str = "so it is") -> bytes:
    text = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
        f"<Message>{escape(message)}</Message></Error><RequestId>req-error</RequestId>"
        "</ErrorResponse>"
    )
    return answer(status, text.encode(), "Content-Type: text/xml")


NO_TRAIL = answer(
    400,
    b'{"__type": "AccessDeniedException", "Message": "not authorized"}',
    "Content-Type: application/x-amz-json-1.1",
)

IDENTITY = xml(
    "GetCallerIdentity",
    f"<Arn>arn:aws:iam::{ACCOUNT}:user/reader</Arn><UserId>AIDAREADER</UserId>"
    f"<Account>{ACCOUNT}</Account>",
)


def user(name: str, more: str = "") -> str:
    return (
        f"<member><Path>/</Path><UserName>{escape(name)}</UserName><UserId>AIDA{len(name)}</UserId>"
        f"<Arn>arn:aws:iam::{ACCOUNT}:user/{escape(name)}</Arn>"
        f"<CreateDate>2024-01-02T03:04:05Z</CreateDate>{more}</member>"
    )


def users(*names: str, marker: str = "") -> bytes:
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else ""
    return xml("ListUsers", f"<Users>{''.join(map(user, names))}</Users>{more}")


def keys(owner: str, *ids: str, status: str = "Active", created: str = "2024-01-02") -> bytes:
    members = "".join(
        f"<member><UserName>{escape(owner)}</UserName><AccessKeyId>{id_}</AccessKeyId>"
        f"<Status>{status}</Status><CreateDate>{created}T03:04:05Z</CreateDate></member>"
        for id_ in ids
    )
    return xml("ListAccessKeys", f"<AccessKeyMetadata>{members}</AccessKeyMetadata>")


def last_used(owner: str) -> bytes:
    return xml(
        "GetAccessKeyLastUsed",
        f"<UserName>{escape(owner)}</UserName><AccessKeyLastUsed><Region>N/A</Region>"
        "<ServiceName>N/A</ServiceName></AccessKeyLastUsed>",
    )


def events(*records: Mapping[str, Any], token: str = "") -> bytes:
    """A page of LookupEvents. Each record is CloudTrail's own, with ``eventID`` and so on."""
    listed = [
        {
            "EventId": record["eventID"],
            "EventName": record["eventName"],
            "EventSource": record["eventSource"],
            "EventTime": record["at"],
            "AccessKeyId": record.get("userIdentity", {}).get("accessKeyId", ""),
            "CloudTrailEvent": json.dumps(
                {key: value for key, value in record.items() if key != "at"}
            ),
        }
        for record in records
    ]
    page = {"Events": listed, **({"NextToken": token} if token else {})}
    return answer(200, json.dumps(page).encode(), "Content-Type: application/x-amz-json-1.1")


def aws(**replies: Reply) -> RawServer:
    """A server that answers each operation by its name. ``LookupEvents`` gets the JSON.

    What is not given is refused, so that a missing answer shows as a missing permission.
    """
    replies = {"GetCallerIdentity": IDENTITY, "LookupEvents": NO_TRAIL, **replies}

    def script(_: int, request: bytes) -> bytes | None:
        if b"LookupEvents" in request.partition(b"\r\n\r\n")[0]:
            asked, operation = json.loads(body_of(request)), "LookupEvents"
        else:
            asked = form(request)
            operation = asked.get("Action", "")
        reply = replies.get(operation, error("AccessDenied", 403, "not authorized"))
        return reply(asked) if callable(reply) else reply

    return RawServer(script)


def config(url: str, *, act: Secret | None = None, **options: Any) -> BackendConfig:
    return BackendConfig(
        name="aws",
        type="aws_iam",
        options={"endpoint_url": url, "timeout": 5.0, "parallel": 4, **options},
        read=PAIR,
        act=act,
    )
