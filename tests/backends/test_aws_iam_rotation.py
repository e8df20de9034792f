"""A second key first, then the end of the old one, on moto."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aws_answers import form
from aws_lab import config, dead_url, made, new_key, reader_with, ref, server, with_
from botocore.exceptions import ClientError
from raw_server import RawServer, forward

from backends.aws_iam import AwsIam, rotation
from backends.contract import (
    BackendConfig,
    Outcome,
    OutcomeState,
    Phase,
    Proposal,
    Step,
    Value,
    Verb,
)
from backends.errors import NoIntent, NotFound
from backends.lab.moto import LabKey, MotoServer
from backends.model import Secret, TokenState, encode
from backends.permit import Permit

__all__ = ["made", "server"]

INTENT = "01JROTATE"


def works(server: MotoServer, text: str) -> bool:
    id_, _, secret = text.partition(":")
    try:
        server.client("sts", LabKey("", id_, secret)).get_caller_identity()
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidClientTokenId":
            raise
        return False
    return True


async def minted(backend: AwsIam, step: Step) -> tuple[Outcome, Permit]:
    permit = Permit(INTENT, step)
    with permit.active():
        return await backend.perform(step), permit


def planned(given: BackendConfig, key: LabKey) -> Proposal:
    async def go(backend: AwsIam) -> Proposal:
        return await backend.plan(Verb.ROTATE, await backend.read(ref(key)))

    return with_(given, go)


@contextmanager
def between(server: MotoServer, lost: str = "") -> Iterator[RawServer]:
    """A line to the server that keeps the answers to one operation for itself."""

    def pass_on(_: int, request: bytes) -> bytes | None:
        told = forward(server.port, request)
        return None if form(request).get("Action") == lost else told

    with RawServer(pass_on) as line:
        yield line


def through(given: BackendConfig, url: str) -> BackendConfig:
    options = {**given.options, "endpoint_url": url}
    return BackendConfig(
        name="aws", type="aws_iam", options=options, read=given.read, act=given.act
    )


@pytest.mark.lab
def test_a_key_is_rotated_and_aws_refuses_the_old_one_when_it_is_deleted(
    server: MotoServer, made: LabKey
) -> None:
    async def go(backend: AwsIam) -> str:
        proposal = await backend.plan(Verb.ROTATE, await backend.read(ref(made)))
        assert [step.call.line for step in proposal.steps] == [
            f"CreateAccessKey iam {{UserName: {made.user}}}",
            f"UpdateAccessKey iam {{UserName: {made.user}, AccessKeyId: {made.id}, "
            "Status: Inactive}",
            f"DeleteAccessKey iam {{UserName: {made.user}, AccessKeyId: {made.id}}}",
        ]
        assert [step.phase for step in proposal.steps] == [Phase.MINT, Phase.RETIRE, Phase.RETIRE]
        assert [step.value for step in proposal.steps] == [Value.ISSUED, Value.NONE, Value.NONE]
        assert [hazard.code for hazard in proposal.hazards] == []
        create, disable, delete = proposal.steps

        outcome, permit = await minted(backend, create)
        assert outcome.state is OutcomeState.APPLIED
        ((successor, secret),) = permit.minted
        text = secret.reveal()
        assert text.startswith(f"{successor.id}:")
        assert (await backend.read(successor)).state is TokenState.ACTIVE
        assert (await backend.probe(successor, secret)).accepted is True
        assert [match.ref for match in await backend.identify(secret)] == [successor]
        assert works(server, text)
        assert works(server, made.text)

        outcome, _ = await minted(backend, disable)
        assert outcome.state is OutcomeState.APPLIED
        assert (await backend.read(ref(made))).state.value == disable.expect

        outcome, _ = await minted(backend, delete)
        assert outcome.state is OutcomeState.APPLIED
        assert delete.expect == "gone"
        with pytest.raises(NotFound):
            await backend.read(ref(made))
        assert (await backend.probe(ref(made), Secret(made.text))).accepted is False
        again, _ = await minted(backend, delete)
        assert again.state is OutcomeState.ALREADY
        return text

    new = with_(config(server), go)
    assert works(server, new)
    assert not works(server, made.text)


@pytest.mark.lab
def test_this_server_goes_on_accepting_an_inactive_key(server: MotoServer, made: LabKey) -> None:
    """So that a console must say "recorded, not refused": the record and the probe differ."""

    async def go(backend: AwsIam) -> None:
        (step,) = (await backend.plan(Verb.CONTAIN, await backend.read(ref(made)))).steps
        await minted(backend, step)
        assert (await backend.read(ref(made))).state is TokenState.DISABLED
        assert (await backend.probe(ref(made), Secret(made.text))).accepted is True

    with_(config(server), go)
    assert works(server, made.text)


@pytest.mark.lab
def test_a_full_slot_stops_the_plan_and_names_the_other_key(
    server: MotoServer, made: LabKey
) -> None:
    other = server.key(made.user)
    server.client("sts", other).get_caller_identity()

    async def go(backend: AwsIam) -> None:
        proposal = await backend.plan(Verb.ROTATE, await backend.read(ref(made)))
        (full,) = [hazard for hazard in proposal.hazards if hazard.code == "slot-full"]
        assert full.fatal
        assert f"{other.id}, Active, 0 days old, last used at 2" in full.text
        assert "for sts in us-east-1" in full.text
        assert "revoke it first" in full.text
        assert made.id not in full.text
        unused = await backend.plan(Verb.ROTATE, await backend.read(ref(other)))
        assert f"{made.id}, Active, 0 days old, never used" in unused.hazards[0].text

        outcome, permit = await minted(backend, proposal.steps[0])
        assert (outcome.state, outcome.status) == (OutcomeState.REJECTED, "409 LimitExceeded")
        assert permit.minted == []

    with_(config(server), go)


@pytest.mark.lab
def test_an_inactive_key_is_not_disabled_again_and_a_key_that_is_gone_not_replaced(
    server: MotoServer, made: LabKey
) -> None:
    async def go(backend: AwsIam) -> None:
        server.iam.update_access_key(UserName=made.user, AccessKeyId=made.id, Status="Inactive")
        token = await backend.read(ref(made))
        proposal = await backend.plan(Verb.ROTATE, token)
        assert [step.id for step in proposal.steps] == ["create", "delete"]
        assert {hazard.code for hazard in proposal.hazards} == {"inactive"}
        server.iam.delete_access_key(UserName=made.user, AccessKeyId=made.id)
        (gone,) = (await backend.plan(Verb.ROTATE, token)).hazards
        assert (gone.code, gone.fatal) == ("gone", True)

    with_(config(server), go)


@pytest.mark.lab
def test_a_key_whose_answer_was_lost_is_found_and_can_be_ended(
    server: MotoServer, made: LabKey
) -> None:
    (create, *_) = planned(config(server), made).steps
    bystander = new_key(server)
    since = datetime.now(UTC)

    async def lose(backend: AwsIam) -> tuple[Outcome, Permit]:
        return await minted(backend, create)

    with between(server, "CreateAccessKey") as line:
        outcome, permit = with_(through(config(server), line.url), lose)
        sent = [form(request).get("Action") for request in line.requests]
    assert (outcome.state, permit.minted) == (OutcomeState.UNKNOWN, [])
    assert sent == ["CreateAccessKey"]

    async def find(backend: AwsIam) -> None:
        (orphan,) = await backend.minted(create, INTENT, since)
        assert orphan.id not in (made.id, bystander.id)
        (end,) = (await backend.plan(Verb.REVOKE, await backend.read(orphan))).steps
        assert (await minted(backend, end))[0].state is OutcomeState.APPLIED
        assert (await backend.read(ref(made))).state is TokenState.ACTIVE

    with_(config(server), find)


@pytest.mark.lab
def test_a_call_that_never_left_has_made_nothing(
    server: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "SETTLED", timedelta())
    key = new_key(server)
    (create, *_) = planned(config(server), key).steps
    since = datetime.now(UTC) + timedelta(seconds=30)

    async def lose(backend: AwsIam) -> tuple[Outcome, Permit]:
        return await minted(backend, create)

    outcome, permit = with_(through(config(server), dead_url()), lose)
    assert (outcome.state, permit.minted) == (OutcomeState.NOT_SENT, [])
    assert with_(config(server), lambda backend: backend.minted(create, INTENT, since)) == ()


@pytest.mark.lab
def test_a_responder_without_the_right_to_create_keys_makes_none(
    server: MotoServer, made: LabKey
) -> None:
    weak = reader_with(server, "iam:UpdateAccessKey", "iam:DeleteAccessKey")

    async def go(backend: AwsIam) -> None:
        (create, *_) = (await backend.plan(Verb.ROTATE, await backend.read(ref(made)))).steps
        outcome, permit = await minted(backend, create)
        assert outcome.state is OutcomeState.REJECTED
        assert "AccessDenied" in outcome.status
        assert permit.minted == []
        with pytest.raises(NoIntent):
            await backend.perform(create)

    with_(config(server, act=weak), go)
    listed = server.iam.list_access_keys(UserName=made.user)["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == [made.id]


@pytest.mark.lab
def test_the_new_secret_is_nowhere_but_on_the_permit(
    server: MotoServer, made: LabKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def go(backend: AwsIam) -> None:
        proposal = await backend.plan(Verb.ROTATE, await backend.read(ref(made)))
        outcome, permit = await minted(backend, proposal.steps[0])
        ((successor, secret),) = permit.minted
        probed = await backend.probe(successor, secret)
        told = (proposal, outcome, probed, await backend.read(successor))
        _, _, hidden = secret.reveal().partition(":")
        assert len(hidden) == 40
        shown = repr((told, vars(permit), vars(backend), caplog.records)) + caplog.text
        assert successor.id in shown
        assert hidden not in shown
        assert hidden.encode() not in encode(told[:3])

    with_(config(server), go)


@pytest.mark.lab
def test_the_grants_that_rule_an_account_are_named_as_the_inventory_names_them(
    server: MotoServer, made: LabKey
) -> None:
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    server.iam.attach_user_policy(UserName=made.user, PolicyArn=arn)

    async def go(backend: AwsIam) -> set[str]:
        names = {grant.name for grant in (await backend.read(ref(made))).grants.value or ()}
        return names & set(backend.capabilities().of("access-key").admin_grants)

    assert with_(config(server), go) == {"AdministratorAccess"}
