"""A null in CloudTrail is nothing that was said: it never becomes the text "None"."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_answers import ACCOUNT, KEY, aws, config
from raw_server import answer

from backends.aws_iam import AwsIam, cloudtrail, trail
from backends.model import AuditEvent, Consumer, How, TokenRef, encode

NOW = datetime.now(UTC).replace(microsecond=0)
REF = TokenRef("aws", "access-key", KEY)
RECORD: dict[str, Any] = {
    "eventVersion": "1.11",
    "eventID": "e1",
    "eventTime": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
    "eventName": "CreateAccessKey",
    "eventSource": "iam.amazonaws.com",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "198.51.100.7",
    "userAgent": "aws-cli/2.17",
    "errorCode": "AccessDenied",
    "errorMessage": "no",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAALICE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/alice",
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAALICEALICEALICE2",
        "userName": "alice",
        "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::1:role/x", "userName": "x"}},
    },
    "requestParameters": {"userName": "ci", "accessKeyId": KEY, "status": "Inactive"},
    "responseElements": {"accessKey": {"accessKeyId": KEY, "userName": "ci", "status": "Active"}},
    "resources": [
        {"ARN": "arn:aws:iam::1:user/ci", "accountId": ACCOUNT, "type": "AWS::IAM::User"}
    ],
    "requestID": "r1",
    "recipientAccountId": ACCOUNT,
}
EVENT: dict[str, Any] = {
    "EventId": "e1",
    "EventName": "CreateAccessKey",
    "EventSource": "iam.amazonaws.com",
    "EventTime": (NOW - timedelta(hours=1)).timestamp(),
    "AccessKeyId": "AKIAALICEALICEALICE2",
    "Username": "alice",
    "ReadOnly": "false",
    "Resources": [{"ResourceName": "ci", "ResourceType": "AWS::IAM::User"}],
    "CloudTrailEvent": "",
}
Path = tuple[str | int, ...]


def paths(value: Any, above: Path = ()) -> Iterator[Path]:
    """Every member of a document, the members of its members among them."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        yield (*above, name)
        if isinstance(member, dict | list):
            yield from paths(member, (*above, name))


def without(document: dict[str, Any], path: Path, *, null: bool) -> dict[str, Any]:
    """The document with null in one place, or without that place."""
    made = copy.deepcopy(document)
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    if null:
        at[path[-1]] = None
    else:
        del at[path[-1]]
    return made


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


NAMES = ("CreateAccessKey", "UpdateAccessKey", "ListUsers")
IN_RECORD = list(paths(RECORD))
IN_EVENT = list(paths(EVENT))
NEEDED = {("eventID",), ("eventTime",), ("EventTime",)}
"""Without an id or a time there is no event."""


def of_file(record: dict[str, Any]) -> tuple[AuditEvent, ...]:
    """What a record of a log file becomes."""
    known = cloudtrail.known_of(record)
    if known is None:
        return ()
    given = {"backend": "aws", "kind": "access-key", "region": "", "origin": "file"}
    return cloudtrail.events_of(record, known, **given)


def said(found: object) -> str:
    text = encode(found).decode()
    # A field that the model has not filled is null there; a text would be in quotes.
    return text.replace('"none"', "")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", IN_RECORD, ids=dotted)
def test_a_null_in_a_record_of_a_log_file_says_nothing(path: Path, name: str) -> None:
    record = {**RECORD, "eventName": name}
    with_null = of_file(without(record, path, null=True))
    assert "None" not in said(with_null)
    assert with_null == of_file(without(record, path, null=False))
    assert bool(with_null) == (path not in NEEDED)


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr(trail.asyncio, "sleep", at_once)


def page(event: dict[str, Any], record: dict[str, Any]) -> bytes:
    # A null in place of the whole record stays one.
    told = {**event, "CloudTrailEvent": json.dumps(record)} if "" in event.values() else event
    body = json.dumps({"Events": [told]}).encode()
    return answer(200, body, "Content-Type: application/x-amz-json-1.1")


def looked_up(event: dict[str, Any], record: dict[str, Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """What one page of the event history becomes: events, and consumers of the key."""

    async def go() -> tuple[list[Any], tuple[Any, ...]]:
        with aws(LookupEvents=page(event, record)) as server:
            async with AwsIam(config(server.url)) as backend:
                told = [item async for item in backend.events(NOW - timedelta(days=1))]
                users = await backend.dependents(REF)
        events = [item for item in told if isinstance(item, AuditEvent)]
        return events, tuple(one for one in users.consumers if isinstance(one, Consumer))

    return asyncio.run(go())


@pytest.mark.parametrize("path", IN_EVENT, ids=dotted)
def test_a_null_in_the_event_history_says_nothing(path: Path) -> None:
    record = {**RECORD, "errorCode": None}
    events, consumers = looked_up(without(EVENT, path, null=True), record)
    assert "None" not in said(events) + said(consumers)
    assert bool(events) == (path not in NEEDED)


@pytest.mark.parametrize("path", IN_RECORD, ids=dotted)
def test_a_null_in_a_record_of_the_event_history_says_nothing(path: Path) -> None:
    """The key that signed it is the one that is asked about, so that it has a consumer."""
    event = {**EVENT, "EventName": "ListUsers", "AccessKeyId": KEY, "Username": None}
    record = {**RECORD, "eventName": "ListUsers", "errorCode": None}
    events, consumers = looked_up(event, without(record, path, null=True))
    assert "None" not in said(events) + said(consumers)
    (consumer,) = consumers
    if path == ("userAgent",):
        assert consumer.detail == "1 event with iam"
    if path == ("sourceIPAddress",):
        assert consumer.name == "an address that CloudTrail does not name"


@pytest.mark.parametrize("path", [("userIdentity",), ("userIdentity", "arn")], ids=dotted)
def test_a_maker_that_is_null_is_nobody_and_not_none(path: Path) -> None:
    record = without({**RECORD, "errorCode": None}, path, null=True)

    async def go() -> Any:
        with aws(LookupEvents=page({**EVENT, "Username": None}, record)) as server:
            async with AwsIam(config(server.url)) as backend:
                found, gap = await backend._trail.creators(NOW)
                assert gap is None
                return found.of(KEY, NOW)

    reading = asyncio.run(go())
    assert reading.value is None
    assert reading.how is not How.KNOWN
