"""What is sent is what was planned: the address is compared before the permit is spent."""

import asyncio
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from raw_server import RawServer, answer, serving

from backends.contract import Call, OutcomeState, Proposal, Step, Verb
from backends.errors import BentPath, ConfigError, NoIntent
from backends.http import Http
from backends.model import Secret, TokenRef
from backends.paths import bent, segment
from backends.permit import Permit
from backends.sinks import registry as sinks
from console.response.plan.hazards import misdirected

BENT = (
    ".", "..", "", "%2e", "%2E%2e", "a/../b", "/", "a/", "/a", "a//b", "..;x", "\\..\\", "%252e",
)  # fmt: skip
"""Ids of which an address makes another path, or may to the server behind it."""

SOUND = ("a", "a.b", "...", "a/b", "50%", "ü ö", "a;b", "?", "#", "a:b@c", "%", "~", "\x1b[31m")


def planned(target: str, method: str = "DELETE") -> Step:
    call = Call("http", method, target)
    return Step(
        id="1", verb=Verb.REVOKE, token=TokenRef("b", "key", "x"), title="Delete it", call=call
    )


@pytest.fixture
def server() -> Iterator[RawServer]:
    with serving(answer(204, b"")) as running:
        yield running


def send(server: RawServer, step: Step, base: str = "", slash: bool = False) -> OutcomeState:
    async def run() -> OutcomeState:
        async with Http(server.url + base, dict, slash=slash) as client:
            permit = Permit("intent-1", step)
            with permit.active():
                try:
                    return (await client.change(step.call)).state
                except NoIntent:
                    assert not permit._spent, "what was not sent must not use the permit up"
                    raise

    return asyncio.run(run())


def lines(server: RawServer) -> list[str]:
    return [request.split(b" HTTP/")[0].decode() for request in server.requests]


@pytest.mark.parametrize("id_", BENT)
def test_an_id_that_would_reach_the_collection_is_not_sent(server: RawServer, id_: str) -> None:
    for target in (f"/keys/{id_}", f"/keys/{quote(id_, safe='')}", f"/keys/{id_}/rotate"):
        with pytest.raises(NoIntent) as refused:
            send(server, planned(target))
        assert target in str(refused.value), "the responder reads which call it was"
    assert lines(server) == []


@pytest.mark.parametrize("id_", SOUND)
def test_any_other_id_arrives_to_the_letter(server: RawServer, id_: str) -> None:
    target = f"/keys/{segment(id_)}?force=true&by=a%2Fb"
    assert send(server, planned(target), "/api/v1/") is OutcomeState.APPLIED
    assert lines(server) == [f"DELETE /api/v1{target}"]


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/keys/a",
        "http://evil.example/keys/a",
        "keys/a",
        "/keys/a#b",
        "/keys/a b",
        "/keys/ä",
        "/keys/a\r\nX-Evil: 1",
        "/keys/\x00",
        "",
    ],
)
def test_an_address_of_another_place_is_not_sent(server: RawServer, target: str) -> None:
    with pytest.raises(NoIntent):
        send(server, planned(target))
    assert lines(server) == []


def test_a_method_in_small_letters_is_not_what_would_be_sent(server: RawServer) -> None:
    with pytest.raises(NoIntent, match="DELETE /keys/a would be sent, and delete /keys/a"):
        send(server, planned("/keys/a", "delete"))
    assert lines(server) == []


def test_a_system_whose_paths_end_in_a_slash_says_so(server: RawServer) -> None:
    with pytest.raises(NoIntent, match="empty id"):
        send(server, planned("/keys/a/"))
    assert send(server, planned("/keys/a/"), slash=True) is OutcomeState.APPLIED
    with pytest.raises(NoIntent):
        send(server, planned(f"/keys/{''}/"), slash=True)
    assert lines(server) == ["DELETE /keys/a/"]


@pytest.mark.parametrize("id_", [".", "..", "%2e", "a/../b"])
def test_a_read_of_such_an_id_asks_for_nothing_else(server: RawServer, id_: str) -> None:
    async def read() -> None:
        async with Http(server.url, dict) as client:
            await client.get(f"/keys/{quote(id_, safe='')}")

    with pytest.raises(BentPath) as told:
        asyncio.run(read())
    assert told.value.hint
    assert lines(server) == []
    with pytest.raises(BentPath):
        segment(id_)


def test_the_plan_itself_is_forbidden_and_says_why() -> None:
    proposal = Proposal(steps=(planned("/keys/."),), undo_steps=(planned("/keys/%2e%2e/on"),))
    found = misdirected(proposal)
    assert [hazard.fatal for hazard in found] == [True, True]
    assert found[0].text == (
        'DELETE /keys/. would go elsewhere: one of its parts is "." or "..", '
        "which an address leaves out."
    )
    assert misdirected(Proposal(steps=(planned("/keys/a"),))) == []


@pytest.mark.parametrize("option", ["path", "mount", "namespace"])
def test_a_sink_that_would_leave_its_mount_is_refused_in_the_file(option: str) -> None:
    table = {
        "type": "openbao_kv",
        "url": "https://bao.example",
        "path": "ci/{name}",
        option: "a/..",
    }
    with pytest.raises(ConfigError) as wrong:
        sinks.configure("kv", table)
    assert wrong.value.option == option


def test_a_query_bends_no_path() -> None:
    assert not bent("/keys/a?path=../..")


def test_aws_takes_nothing_from_the_address_and_nothing_twice() -> None:
    from botocore.awsrequest import AWSRequest
    from botocore.hooks import HierarchicalEmitter

    from backends.aws_iam import door

    arguments = {"UserName": "ann", "AccessKeyId": "AKIA1"}
    body = "Action=DeleteAccessKey&Version=2010-05-08&UserName=ann&AccessKeyId=AKIA1"
    step = Step(
        id="1",
        verb=Verb.REVOKE,
        token=TokenRef("b", "key", "AKIA1"),
        title="Delete it",
        call=door.call_of("DeleteAccessKey", arguments),
    )

    def leave(url: str, body: str = body, method: str = "POST") -> None:
        emitter = HierarchicalEmitter()
        door.guard(emitter, logins=False, endpoint="https://iam.example")
        headers = {"Content-Type": door.FORM, "User-Agent": "x"}
        request = AWSRequest(method, url, headers, data=body).prepare()
        permit = Permit("intent-1", step, value=Secret("unused"))
        with permit.active():
            try:
                emitter.emit("before-send.iam.DeleteAccessKey", request=request)
            except NoIntent:
                assert not permit._spent
                raise

    leave("https://iam.example/")
    for url in (
        "https://evil.example/",
        "http://iam.example/",
        "https://iam.example/?UserName=bob",
        "https://iam.example/other",
    ):
        with pytest.raises(NoIntent):
            leave(url)
    with pytest.raises(NoIntent, match="twice"):
        leave("https://iam.example/", body.replace("&UserName=ann", "&UserName=bob&UserName=ann"))
