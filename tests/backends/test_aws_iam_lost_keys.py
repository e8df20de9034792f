"""What is known of a key whose answer was lost: on answers that moto cannot give."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aws_answers
import pytest
from aws_answers import ACCOUNT, KEY, PAIR, aws, events, keys, last_used, users, xml
from aws_lab import with_
from patience import HANG

from backends.aws_iam import AwsIam, rotation
from backends.contract import (
    BackendConfig,
    Outcome,
    OutcomeState,
    Step,
    Verb,
)
from backends.model import Secret, TokenRef
from backends.permit import Permit

SECOND = "AKIARZPUZDIKSECOND22"
INTENT = "01JROTATE"


async def minted(backend: AwsIam, step: Step) -> tuple[Outcome, Permit]:
    permit = Permit(INTENT, step)
    with permit.active():
        return await backend.perform(step), permit


CREATED = xml(
    "CreateAccessKey",
    f"<AccessKey><UserName>api</UserName><AccessKeyId>{SECOND}</AccessKeyId>"
    "<Status>Active</Status><SecretAccessKey>canary-secret</SecretAccessKey></AccessKey>",
)


def create() -> Step:
    found = rotation.propose(
        aws_token(), "api", [rotation.Slot({"AccessKeyId": KEY, "Status": "Active"})], AT
    )
    return found.steps[0]


AT = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def aws_token() -> Any:
    from backends.model import Token

    return Token(ref=TokenRef("aws", "access-key", KEY), name="api/2EX", scope=ACCOUNT)


def on_answers(url: str, act: Secret | None = None) -> BackendConfig:
    return aws_answers.config(url, act=act)


def test_an_answer_without_a_key_is_unknown() -> None:
    broken = xml("CreateAccessKey", "<AccessKey><UserName>api</UserName></AccessKey>")
    with aws(CreateAccessKey=broken) as line:
        outcome, permit = with_(on_answers(line.url, PAIR), lambda b: minted(b, create()))
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    with aws(CreateAccessKey=CREATED[:-40]) as line:
        outcome, permit = with_(on_answers(line.url, PAIR), lambda b: minted(b, create()))
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    assert "canary" not in repr(outcome)


def test_a_secret_is_kept_though_nobody_waits_for_it_any_more() -> None:
    """Whoever aborts a run while the answer is on its way must not lose the only copy."""
    arrived, go_on = threading.Event(), threading.Event()

    def slow(_: dict[str, str]) -> bytes:
        arrived.set()
        go_on.wait(HANG)
        return CREATED

    async def abandon(backend: AwsIam) -> Permit:
        step = create()
        permit = Permit(INTENT, step)
        with permit.active():
            task = asyncio.ensure_future(backend.perform(step))
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert permit.minted == []
        go_on.set()
        pool = backend._act and backend._act._pool
        assert pool
        await asyncio.to_thread(pool.shutdown)
        return permit

    with aws(CreateAccessKey=slow) as line:
        permit = with_(on_answers(line.url, PAIR), abandon)
    ((found, secret),) = permit.minted
    assert (found.id, secret.reveal()) == (SECOND, f"{SECOND}:canary-secret")


def listed(*made: tuple[str, datetime]) -> bytes:
    members = "".join(
        f"<member><UserName>api</UserName><AccessKeyId>{id_}</AccessKeyId>"
        f"<Status>Active</Status><CreateDate>{at:%Y-%m-%dT%H:%M:%SZ}</CreateDate></member>"
        for id_, at in made
    )
    return xml("ListAccessKeys", f"<AccessKeyMetadata>{members}</AccessKeyMetadata>")


def trail_of(id_: str, agent: str) -> bytes:
    return events(
        {
            "eventID": "e-1",
            "eventName": "CreateAccessKey",
            "eventSource": "iam.amazonaws.com",
            "at": AT.timestamp(),
            "userAgent": agent,
            "userIdentity": {"arn": "arn:aws:iam::1:user/someone"},
            "responseElements": {"accessKey": {"accessKeyId": id_}},
        }
    )


def found(since: datetime, **replies: Any) -> tuple[str, ...]:
    with aws(**replies) as line:
        refs = with_(on_answers(line.url), lambda b: b.minted(create(), INTENT, since))
    return tuple(ref.id for ref in refs)


def test_only_a_key_made_since_the_intent_counts() -> None:
    old = AT - timedelta(days=9)
    same = {"ListAccessKeys": listed((KEY, old), (SECOND, AT))}
    assert found(AT + timedelta(seconds=1), **same) == (SECOND,)
    assert found(AT + timedelta(seconds=10), **same) == ()
    # The old key is never the new one, whatever its date is.
    assert found(AT, ListAccessKeys=listed((KEY, AT))) == ()


def by_a_clock_at(moment: datetime) -> bytes:
    head, _, body = aws_answers.IDENTITY.partition(b"\r\n\r\n")
    date = f"Date: {format_datetime(moment, usegmt=True)}".encode()
    return head + b"\r\n" + date + b"\r\n\r\n" + body


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_that_differs_does_not_hide_a_key(minutes: int) -> None:
    """CreateDate is by the clock of AWS, which may be minutes off this machine's."""
    now = datetime.now(UTC)
    theirs = now + timedelta(minutes=minutes)
    replies = {
        "GetCallerIdentity": by_a_clock_at(theirs),
        "ListAccessKeys": listed((KEY, now - timedelta(days=9)), (SECOND, theirs)),
    }
    assert found(now, **replies) == (SECOND,)
    earlier = {**replies, "ListAccessKeys": listed((SECOND, theirs - timedelta(seconds=40)))}
    assert found(now - timedelta(seconds=20), **earlier) == ()


def test_where_the_trail_names_the_program_the_intent_decides() -> None:
    two = {"ListAccessKeys": listed((KEY, AT - timedelta(days=9)), (SECOND, AT))}
    ours = trail_of(SECOND, f"Boto3/1 token-console/0.1 intent/{INTENT}")
    assert found(AT, LookupEvents=ours, **two) == (SECOND,)
    assert found(AT, LookupEvents=trail_of(SECOND, "aws-cli/2.1"), **two) == ()
    assert found(AT, LookupEvents=events(), **two) == (SECOND,)


def test_a_listing_that_lags_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "SETTLED", timedelta(seconds=3))
    asked: list[int] = []
    now = datetime.now(UTC)
    theirs = now - timedelta(minutes=4)

    def later(_: dict[str, str]) -> bytes:
        asked.append(1)
        return listed((KEY, AT), *([(SECOND, theirs)] if len(asked) > 1 else []))

    replies = {"ListAccessKeys": later, "GetCallerIdentity": by_a_clock_at(theirs)}
    assert found(now, **replies) == (SECOND,)
    assert len(asked) == 2


def test_keys_that_may_not_be_listed_leave_the_slot_unknown() -> None:
    replies = {"GetAccessKeyLastUsed": last_used("api"), "ListUsers": users("api")}
    with aws(**replies) as line:
        proposal = with_(on_answers(line.url), lambda b: b.plan(Verb.ROTATE, aws_token()))
    assert [hazard.code for hazard in proposal.hazards] == ["unseen"]
    assert len(proposal.steps) == 3


def test_a_full_slot_is_told_also_where_the_last_use_is_not() -> None:
    two = keys("api", KEY, SECOND)

    def use(asked: dict[str, str]) -> bytes:
        denied = aws_answers.error("AccessDenied", 403)
        return last_used("api") if asked["AccessKeyId"] == KEY else denied

    with aws(GetAccessKeyLastUsed=use, ListAccessKeys=two) as line:
        proposal = with_(on_answers(line.url), lambda b: b.plan(Verb.ROTATE, aws_token()))
    assert "days old, last use not known" in proposal.hazards[-1].text
    assert proposal.hazards[-1].fatal
