"""Nothing that changes AWS leaves without an intent, whichever way it is asked for."""

import asyncio
import socket
from typing import Any

import boto3
import botocore.session
import pytest
from aws_answers import KEY, PAIR, aws, config, error, form, keys, last_used, xml
from raw_server import RawServer, answer

from backends.aws_iam import AwsIam, door
from backends.aws_iam.client import Aws, KeyPair
from backends.contract import Call, OutcomeState, Step, Verb
from backends.errors import CredentialError, NoIntent
from backends.model import Secret, TokenRef
from backends.permit import Permit

REF = TokenRef("aws", "access-key", KEY)
DELETE = door.call_of("DeleteAccessKey", {"UserName": "ci", "AccessKeyId": KEY})
DONE = answer(
    200,
    b"<DeleteAccessKeyResponse><ResponseMetadata><RequestId>req-1</RequestId>"
    b"</ResponseMetadata></DeleteAccessKeyResponse>",
    "Content-Type: text/xml",
)
ACT = Secret("AKIARZPUZDIKACTOR222:actor-secret")


def step(call: Call = DELETE, verb: Verb = Verb.REVOKE) -> Step:
    return Step(id="1", verb=verb, token=REF, title="delete it", call=call)


def client_of(server: RawServer) -> Any:
    way = Aws(KeyPair(PAIR, "read"), region="us-east-1", endpoint_url=server.url, timeout=5)
    return way.client("iam", "us-east-1", 1)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("delete_access_key", {"UserName": "ci", "AccessKeyId": KEY}),
        ("update_access_key", {"UserName": "ci", "AccessKeyId": KEY, "Status": "Inactive"}),
        ("create_access_key", {"UserName": "ci"}),
        ("delete_user", {"UserName": "ci"}),
        ("get_credential_report", {}),
    ],
)
def test_a_client_sends_nothing_undeclared_without_an_intent(
    operation: str, arguments: dict[str, str]
) -> None:
    with aws() as server:
        with pytest.raises(NoIntent):
            getattr(client_of(server), operation)(**arguments)
        assert server.requests == []


def test_a_permit_does_not_open_the_door_for_what_this_backend_never_does() -> None:
    call = door.call_of("DeleteUser", {"UserName": "ci"})
    with aws() as server, Permit("intent-1", step(call)).active():
        with pytest.raises(NoIntent):
            client_of(server).delete_user(UserName="ci")
        assert server.requests == []


def test_a_permit_opens_for_the_planned_key_only_and_only_once() -> None:
    with aws(DeleteAccessKey=DONE) as server, Permit("intent-1", step()).active():
        client = client_of(server)
        with pytest.raises(NoIntent):
            client.delete_access_key(UserName="ci", AccessKeyId="AKIAOTHEROTHEROTHER2")
        assert server.requests == []
        client.delete_access_key(UserName="ci", AccessKeyId=KEY)
        with pytest.raises(NoIntent):
            client.delete_access_key(UserName="ci", AccessKeyId=KEY)
        assert len(server.requests) == 1


def test_a_reading_name_does_not_smuggle_a_change() -> None:
    """The body is judged, not what the client believes that it calls."""
    way = Aws(KeyPair(PAIR, "read"), region="us-east-1")

    def swap(params: dict[str, Any], **_: Any) -> None:
        params["body"]["Action"] = "DeleteAccessKey"

    with aws() as server:
        way._endpoint = server.url
        client = way.client("iam", "us-east-1", 1)
        client.meta.events.register("before-call.iam.ListAccessKeys", swap)
        with pytest.raises(NoIntent):
            client.list_access_keys(UserName="ci")
        assert server.requests == []


def test_clients_that_botocore_makes_for_itself_have_the_door_too() -> None:
    core = botocore.session.Session()
    door.guard(core.get_component("event_emitter"), logins=False)
    with aws() as server:
        client = boto3.Session(botocore_session=core).client(
            "sts",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="AKIAX",
            aws_secret_access_key="x",
        )
        with pytest.raises(NoIntent):
            client.assume_role(
                RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="session"
            )
        assert server.requests == []


def perform(server_url: str, planned: Step, **options: Any) -> Any:
    async def go() -> Any:
        async with AwsIam(config(server_url, act=ACT, **options)) as backend:
            with Permit("intent-7", planned).active():
                return await backend.perform(planned)

    return asyncio.run(go())


def test_the_answer_and_its_request_id_are_kept_and_the_intent_is_in_the_user_agent() -> None:
    with aws(DeleteAccessKey=DONE) as server:
        outcome = perform(server.url, step())
        assert (outcome.state, outcome.status) == (OutcomeState.APPLIED, "200")
        assert outcome.request_id == "req-1"
        (request,) = server.requests
        assert b"intent/intent-7" in request
        assert form(request)["AccessKeyId"] == KEY


def test_without_a_permit_perform_sends_nothing() -> None:
    async def go(url: str, act: Secret | None) -> None:
        async with AwsIam(config(url, act=act)) as backend:
            await backend.perform(step())

    with aws(DeleteAccessKey=DONE) as server:
        for act in (ACT, None):
            with pytest.raises(NoIntent):
                asyncio.run(go(server.url, act))
        assert server.requests == []


def test_without_a_credential_to_act_nothing_is_sent() -> None:
    async def go(url: str) -> Any:
        async with AwsIam(config(url)) as backend:
            with Permit("intent-7", step()).active():
                return await backend.perform(step())

    with aws(DeleteAccessKey=DONE) as server:
        assert asyncio.run(go(server.url)).state is OutcomeState.NOT_SENT
        assert server.requests == []


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (error("AccessDenied", 403), OutcomeState.REJECTED),
        (error("Throttling", 400), OutcomeState.REJECTED),
        (error("SignatureDoesNotMatch", 403), OutcomeState.REJECTED),
        (error("ServiceFailure", 500), OutcomeState.UNKNOWN),
        (answer(502, b"<html>bad gateway</html>"), OutcomeState.UNKNOWN),
        (error("RequestTimeout", 408), OutcomeState.UNKNOWN),
        (answer(200, b"<DeleteAccessKeyResponse><half"), OutcomeState.UNKNOWN),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<Dele", OutcomeState.UNKNOWN),
        (None, OutcomeState.UNKNOWN),
    ],
)
def test_a_change_is_sent_once_whatever_comes_back(
    reply: bytes | None, state: OutcomeState
) -> None:
    with aws(DeleteAccessKey=reply) as server:
        assert perform(server.url, step()).state is state
        assert len(server.requests) == 1


def test_a_change_without_an_answer_in_time_is_unknown() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        outcome = perform(url, step(), timeout=0.3)
    assert outcome.state is OutcomeState.UNKNOWN


def test_a_change_to_a_dead_address_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert perform(f"http://127.0.0.1:{port}", step()).state is OutcomeState.NOT_SENT


def test_a_name_that_aws_cannot_have_is_not_sent() -> None:
    call = door.call_of("DeleteAccessKey", {"UserName": "ci", "AccessKeyId": "short"})
    with aws() as server:
        assert perform(server.url, step(call)).state is OutcomeState.NOT_SENT
        assert server.requests == []


GONE = error("NoSuchEntity", 404)


def test_no_such_key_is_already_only_after_a_read_says_so_too() -> None:
    with aws(DeleteAccessKey=GONE, GetAccessKeyLastUsed=GONE) as server:
        assert perform(server.url, step()).state is OutcomeState.ALREADY
    with aws(DeleteAccessKey=GONE, GetAccessKeyLastUsed=last_used("ci")) as server:
        assert perform(server.url, step()).state is OutcomeState.REJECTED
    with aws(DeleteAccessKey=GONE) as server:
        outcome = perform(server.url, step())
        assert outcome.state is OutcomeState.REJECTED
        assert "no read confirmed it" in outcome.detail


def test_a_key_that_aws_will_not_name_is_gone_only_after_a_whole_listing() -> None:
    """AccessDenied for one key may mean "no such key"; users and keys may be listed here."""
    listing = xml("ListUsers", "<Users><member><UserName>ci</UserName></member></Users>")
    with aws(DeleteAccessKey=GONE, ListUsers=listing, ListAccessKeys=keys("ci")) as server:
        assert perform(server.url, step()).state is OutcomeState.ALREADY
    with aws(DeleteAccessKey=GONE, ListUsers=listing) as server:
        assert perform(server.url, step()).state is OutcomeState.REJECTED


@pytest.mark.parametrize("text", ["", "AKIAX", "AKIAX:", ":secret", "a:b:c:d", "a::b"])
def test_a_credential_of_another_form_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(CredentialError) as caught:
        KeyPair(Secret(text), "read")
    assert "secret" not in caught.value.message
    assert caught.value.option == "read"
