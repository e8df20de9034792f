"""CloudTrail as AWS answers it (canned, for moto has none): creators, events and consumers."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_answers import ACCOUNT, KEY, aws, config, events, keys, last_used, users
from raw_server import answer

from backends.aws_iam import AwsIam, trail
from backends.model import AuditEvent, Gap, GapKind, How, Token, TokenRef

NOW = datetime.now(UTC)
OLD_KEY = "AKIARZPUZDIKOLDOLD22"
REF = TokenRef("aws", "access-key", KEY)
ALICE = {"arn": f"arn:aws:iam::{ACCOUNT}:user/alice", "accessKeyId": "AKIAALICEALICEALICE2"}


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    asked: list[float] = []

    async def at_once(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(trail.asyncio, "sleep", at_once)
    return asked


def record(
    number: int, name: str, ago: timedelta = timedelta(hours=1), **more: Any
) -> dict[str, Any]:
    return {
        "eventID": f"event-{number}",
        "eventName": name,
        "eventSource": "iam.amazonaws.com",
        "at": (NOW - ago).timestamp(),
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.17 \x1b[31m",
        "userIdentity": ALICE,
        **more,
    }


MADE = record(1, "CreateAccessKey", responseElements={"accessKey": {"accessKeyId": KEY}})


def run(url: str, what: str, *arguments: Any) -> Any:
    async def go() -> Any:
        async with AwsIam(config(url)) as backend:
            answer = getattr(backend, what)(*arguments)
            if hasattr(answer, "__aiter__"):
                return [item async for item in answer]
            return await answer

    return asyncio.run(go())


def test_who_made_a_key_is_known_for_as_long_as_cloudtrail_keeps_it() -> None:
    today = f"{NOW:%Y-%m-%d}"
    with aws(
        ListUsers=users("ci", "batch"),
        ListAccessKeys=lambda asked: (
            keys("ci", KEY, created=today)
            if asked["UserName"] == "ci"
            else keys("batch", OLD_KEY, created="2020-01-01")
        ),
        GetAccessKeyLastUsed=last_used("ci"),
        LookupEvents=events(MADE),
    ) as server:
        tokens = {t.ref.id: t for t in run(server.url, "inventory") if isinstance(t, Token)}
    assert tokens[KEY].created_by.value == ALICE["arn"]
    assert tokens[OLD_KEY].created_by.how is How.NOT_TRACKED
    assert "90 days" in tokens[OLD_KEY].created_by.source


def test_events_come_oldest_first_with_key_actor_source_and_outcome() -> None:
    used = record(
        2,
        "ListUsers",
        timedelta(minutes=5),
        userIdentity={**ALICE, "accessKeyId": KEY},
        errorCode="AccessDenied",
    )
    session = record(3, "ListRoles", userIdentity={"accessKeyId": "ASIAQNZGKIQY56JQ7WML"})
    with aws(LookupEvents=events(used, session, MADE)) as server:
        found = run(server.url, "events", NOW - timedelta(days=1))
    assert all(isinstance(event, AuditEvent) for event in found)
    assert [event.at for event in found] == sorted(event.at for event in found)
    by_id = {event.id: event for event in found}
    assert by_id["event-1"].token == REF
    assert by_id["event-1"].actor == ALICE["arn"]
    assert "AKIAALICE" in by_id["event-1"].detail
    assert (by_id["event-2"].token, by_id["event-2"].outcome) == (REF, "denied")
    assert by_id["event-2"].action == "iam:ListUsers"
    assert by_id["event-2"].source == "198.51.100.7"
    assert by_id["event-2"].agent == "aws-cli/2.17 \x1b[31m", "outside text is kept as it is"
    assert by_id["event-3"].token is None


def test_events_of_pages_without_end_are_cut_and_said(
    monkeypatch: pytest.MonkeyPatch, sleeps: list[float]
) -> None:
    monkeypatch.setattr(trail, "EVENT_PAGES", 3)
    pages = iter(range(100))

    def page(_: dict[str, Any]) -> bytes:
        number = next(pages)
        return events(record(number, "ListUsers", timedelta(hours=number)), token=f"t{number}")

    with aws(LookupEvents=page) as server:
        found = run(server.url, "events", NOW - timedelta(days=1))
        assert len(server.requests) == 3
    (gap,) = [item for item in found if isinstance(item, Gap)]
    assert gap.kind is GapKind.LIMITED
    assert gap.what.startswith("events before ")
    assert len(found) == 4
    # Two requests a second and no more: each after the first waits for its turn.
    assert all(0.2 < pause <= trail.PAUSE for pause in sleeps[1:])


def test_a_throttled_trail_is_asked_again_later(sleeps: list[float]) -> None:
    busy = answer(400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')
    answers = iter([busy, busy, events(MADE)])
    with aws(LookupEvents=lambda _: next(answers)) as server:
        found = run(server.url, "events", NOW - timedelta(days=1))
    assert [event.id for event in found] == ["event-1", "event-1/signed"]
    assert {1.0, 2.0} <= set(sleeps)


def test_consumers_are_the_addresses_and_programs_of_the_newest_events() -> None:
    mine = {**ALICE, "accessKeyId": KEY}
    from_ci = [record(n, "GetUser", timedelta(hours=n + 1), userIdentity=mine) for n in range(3)]
    other = record(
        9,
        "PutObject",
        timedelta(days=2),
        userIdentity=mine,
        eventSource="s3.amazonaws.com",
        sourceIPAddress="203.0.113.9",
        userAgent="Boto3/1.34",
    )
    asked: list[dict[str, Any]] = []

    def page(form: dict[str, Any]) -> bytes:
        asked.append(form)
        return events(*from_ci, other)

    with aws(LookupEvents=page) as server:
        dependents = run(server.url, "dependents", REF)
    assert asked[0]["LookupAttributes"] == [{"AttributeKey": "AccessKeyId", "AttributeValue": KEY}]
    first, second = dependents.consumers
    assert (first.name, second.name) == ("198.51.100.7", "203.0.113.9")
    assert "3 events with iam" in first.detail
    assert "Boto3/1.34; 1 event with s3" in second.detail
    assert first.last_seen.value == pytest.approx(
        NOW - timedelta(hours=1), abs=timedelta(seconds=1)
    )
    assert any("data events" in gap.what for gap in dependents.gaps)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (answer(500, b"<!doctype html><title>500</title>"), GapKind.UNLISTABLE, "not available"),
        (answer(200, b'{"Events": ['), GapKind.FAILED, "has no Events"),
        (
            answer(500, json.dumps({"__type": "InternalFailure"}).encode()),
            GapKind.FAILED,
            "InternalFailure",
        ),
        (None, GapKind.FAILED, "broke off"),
    ],
)
def test_a_trail_that_does_not_answer_is_a_gap(
    reply: bytes | None, kind: GapKind, words: str
) -> None:
    with aws(LookupEvents=reply) as server:
        (gap,) = run(server.url, "events", NOW - timedelta(days=1))
        assert isinstance(gap, Gap)
        assert (gap.kind, gap.scope) == (kind, "CloudTrail us-east-1")
        assert words in gap.what


def test_a_trail_that_may_not_be_read_names_the_permission() -> None:
    with aws() as server:
        (gap,) = run(server.url, "events", NOW - timedelta(days=1))
    assert gap.kind is GapKind.REFUSED
    assert "cloudtrail:LookupEvents" in gap.what
    assert gap.hint


def test_a_missing_trail_is_asked_for_once() -> None:
    async def go(url: str) -> None:
        async with AwsIam(config(url)) as backend:
            for _ in range(3):
                assert [e async for e in backend.events(NOW - timedelta(hours=1))]
                assert (await backend.dependents(REF)).gaps

    with aws(LookupEvents=answer(500, b"<html>")) as server:
        asyncio.run(go(server.url))
        assert len(server.requests) == 1


def test_an_event_without_a_readable_record_is_still_an_event() -> None:
    page = {
        "Events": [
            {
                "EventId": "e",
                "EventName": "X",
                "EventTime": time.time(),
                "EventSource": "s3.amazonaws.com",
                "CloudTrailEvent": "{half",
            },
            {},
        ]
    }
    body = json.dumps(page).encode()
    with aws(LookupEvents=answer(200, body)) as server:
        gap, event = run(server.url, "events", NOW - timedelta(days=1))
    assert (gap.kind, gap.what) == (GapKind.FAILED, "1 event without a time that there can be")
    assert (event.id, event.action, event.token) == ("e", "s3:X", None)


def test_iams_own_events_are_read_where_their_partition_keeps_them() -> None:
    assert trail.home("eu-west-1") == "us-east-1"
    assert trail.home("cn-northwest-1") == "cn-north-1"
    assert trail.home("us-gov-east-1") == "us-gov-west-1"
