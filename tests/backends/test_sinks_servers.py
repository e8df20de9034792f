"""Sinks behind a network: a real OpenBao, a real moto, and what Kubernetes publishes."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aws_lab import dead_url
from openbao_fixture import call as bao_call
from openbao_fixture import create
from raw_server import RawServer
from sink_tools import INTENT, VALUE, check, deliver, made, read, token

from backends.contract import Outcome, OutcomeState, Retry, Step
from backends.errors import BadAnswer, ConfigError, Forbidden, NoIntent, NotFound, Refused
from backends.lab.moto import REGION, MotoServer
from backends.lab.openbao import OpenBaoServer
from backends.model import Secret
from backends.permit import Permit

numbers = count(1)

PATCHER = """
path "kv/data/*" {{ capabilities = ["read", "{right}"] }}
path "kv/subkeys/*" {{ capabilities = ["read"] }}
"""


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    running = OpenBaoServer(tmp_path_factory.mktemp("bao"))
    running.start()
    try:
        status, _ = bao_call(running, "POST", "sys/mounts/kv", {"type": "kv-v2"})
        assert status == 204
        for right in ("patch", "update", "create"):
            body = {"policy": PATCHER.format(right=right)}
            assert bao_call(running, "PUT", f"sys/policies/acl/{right}", body)[0] == 204
        # The engine upgrades itself in the background after it is mounted.
        for _ in range(600):
            if bao_call(running, "POST", "kv/data/ready", {"data": {"x": "y"}})[0] == 200:
                break
            time.sleep(0.05)
        yield running
    finally:
        running.stop()


def kv(bao: OpenBaoServer, path: str, right: str = "patch", **more: Any) -> dict[str, Any]:
    made = create(bao, policies=[right], no_parent=True)
    file = bao.keep(f"sink-{next(numbers)}", made.value)
    table = {"type": "openbao_kv", "url": bao.url, "mount": "kv", "path": path}
    return {**table, "field": "api_key", "write": {"file": str(file)}, **more}


def put(bao: OpenBaoServer, path: str, **fields: Any) -> None:
    assert bao_call(bao, "POST", f"kv/data/{path}", {"data": fields})[0] == 200


def fields(bao: OpenBaoServer, path: str, version: int = 0) -> Any:
    status, answer = bao_call(bao, "GET", f"kv/data/{path}?version={version}")
    assert status == 200
    return answer["data"]["data"]


OTHERS = {"user": "billing", "port": 5432, "nested": {"a": [1, None]}}


@pytest.mark.parametrize(
    ("right", "options"),
    [("patch", {}), ("update", {"patch": False})],
)
def test_one_field_of_a_kv_secret_changes_and_the_version_before_stays(
    bao: OpenBaoServer, right: str, options: dict[str, Any]
) -> None:
    path = f"payments/{right}"
    put(bao, path, api_key="old", **OTHERS)
    table = kv(bao, path, right, **options)
    assert "version 1" in check(table)
    assert read(table) == Secret("old")
    step, outcome, back = deliver(table)
    assert outcome.state is OutcomeState.APPLIED
    assert "version 2" in outcome.detail
    assert "version 1 is kept" in outcome.detail
    assert outcome.request_id
    assert back == Secret(VALUE)
    assert fields(bao, path) == {"api_key": VALUE, **OTHERS}
    assert fields(bao, path, 1)["api_key"] == "old"
    assert step.call.target == f"/v1/kv/data/{path}"
    assert step.call.arguments["value"] == "<new value>"
    assert step.reversible


@pytest.mark.parametrize(("right", "options"), [("patch", {}), ("update", {"patch": False})])
def test_a_change_in_between_is_refused_and_not_overwritten(
    bao: OpenBaoServer, right: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"raced/{right}"
    put(bao, path, api_key="old", user="before")
    table = kv(bao, path, right, **options)
    sink = made(table)
    present = sink._present  # type: ignore[attr-defined]

    async def racing(call: Any) -> Any:
        found = await present(call)
        await asyncio.to_thread(put, bao, path, api_key="old", user="somebody else's")
        return found

    monkeypatch.setattr(sink, "_present", racing)

    async def go() -> Outcome:
        async with sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret(VALUE)).active():
                return await sink.perform(step)

    outcome = asyncio.run(go())
    assert outcome.state is OutcomeState.REJECTED
    assert "check-and-set" in outcome.detail
    assert fields(bao, path) == {"api_key": "old", "user": "somebody else's"}
    # Nothing was changed, so the delivery may simply be made again.
    assert deliver(table)[1].state is OutcomeState.APPLIED
    assert fields(bao, path) == {"api_key": VALUE, "user": "somebody else's"}


def test_a_kv_secret_is_created_only_where_that_is_asked_for(bao: OpenBaoServer) -> None:
    with pytest.raises(NotFound) as caught:
        check(kv(bao, "new/one"))
    assert "patch = false" in caught.value.hint
    assert deliver(kv(bao, "new/one"))[1].state is OutcomeState.NOT_SENT
    table = kv(bao, "new/{name}", "create", patch=False)
    assert "created" in check(table)
    assert deliver(table)[1].state is OutcomeState.APPLIED
    assert fields(bao, "new/billing") == {"api_key": VALUE}


def test_a_missing_right_is_told_before_anything_is_minted(bao: OpenBaoServer) -> None:
    put(bao, "denied", api_key="old")
    with pytest.raises(Forbidden) as caught:
        check(kv(bao, "denied", "update"))
    assert "patch" in str(caught.value)
    assert "patch = false" in caught.value.hint
    _, outcome, _ = deliver(kv(bao, "denied", "update"))
    assert outcome.state is OutcomeState.REJECTED
    assert fields(bao, "denied") == {"api_key": "old"}


def test_a_planned_delivery_does_not_follow_a_sink_that_moved(bao: OpenBaoServer) -> None:
    put(bao, "moved", api_key="old")
    here = kv(bao, "moved")
    step = made({**here, "url": "https://bao.example"}).plan(token())

    async def go() -> Outcome:
        async with made(here) as sink:
            with Permit(INTENT, step, value=Secret(VALUE)).active():
                return await sink.perform(step)

    assert asyncio.run(go()).state is OutcomeState.NOT_SENT
    assert fields(bao, "moved") == {"api_key": "old"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    running = MotoServer(tmp_path_factory.mktemp("aws"))
    running.start()
    try:
        running.iam.create_user(UserName="sink")
        running.allow(
            "sink",
            "secretsmanager:PutSecretValue",
            "secretsmanager:GetSecretValue",
            "secretsmanager:DescribeSecret",
        )
        running.keep("sink", running.key("sink").text)
        yield running
    finally:
        running.stop()


def secret(aws: MotoServer, name: str, value: str = "old", **more: Any) -> dict[str, Any]:
    aws.client("secretsmanager").create_secret(Name=name, SecretString=value)
    table = {"type": "aws_secret", "region": REGION, "endpoint_url": aws.endpoint}
    return {**table, "secret": name, "write": {"file": str(aws.home / "sink")}, **more}


def held(aws: MotoServer, name: str, stage: str = "AWSCURRENT") -> tuple[str, str]:
    client = aws.client("secretsmanager")
    answer = client.get_secret_value(SecretId=name, VersionStage=stage)
    return answer["SecretString"], answer["VersionId"]


def test_a_secret_gets_a_version_that_is_named_by_the_intent(aws: MotoServer) -> None:
    table = secret(aws, "payments/billing", secret="payments/{name}")
    assert check(table) == ""
    step, outcome, back = deliver(table)
    assert outcome.state is OutcomeState.APPLIED
    assert held(aws, "payments/billing") == (VALUE, INTENT)
    assert held(aws, "payments/billing", "AWSPREVIOUS")[0] == "old"
    assert back == Secret(VALUE)
    assert step.call.arguments["SecretString"] == "<new value>"
    assert step.call.arguments["ClientRequestToken"] == "<intent id>"
    # The same intent again makes no second version.
    assert deliver(table)[1].state is OutcomeState.APPLIED
    versions = aws.client("secretsmanager").describe_secret(SecretId="payments/billing")
    assert len(versions["VersionIdsToStages"]) == 2


def test_one_key_of_a_json_secret_changes(aws: MotoServer) -> None:
    table = secret(aws, "doc", json.dumps({"password": "old", **OTHERS}), key="password")
    step, outcome, back = deliver(table)
    assert outcome.state is OutcomeState.APPLIED
    assert "meanwhile" not in outcome.detail
    assert json.loads(held(aws, "doc")[0]) == {"password": VALUE, **OTHERS}
    assert back == Secret(VALUE)
    assert step.call.arguments["SecretString.password"] == "<new value>"


def test_a_document_that_was_changed_meanwhile_is_pointed_to(
    aws: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = secret(aws, "raced", json.dumps({"password": "old", "user": "before"}), key="password")
    sink = made(table)
    document = sink._document  # type: ignore[attr-defined]
    theirs = json.dumps({"password": "old", "user": "theirs"})

    async def racing(name: str) -> Any:
        found = await document(name)
        client = aws.client("secretsmanager")
        await asyncio.to_thread(client.put_secret_value, SecretId=name, SecretString=theirs)
        return found

    monkeypatch.setattr(sink, "_document", racing)

    async def go() -> Outcome:
        async with sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret(VALUE)).active():
                return await sink.perform(step)

    outcome = asyncio.run(go())
    assert outcome.state is OutcomeState.APPLIED
    text, version = held(aws, "raced", "AWSPREVIOUS")
    assert text == theirs
    assert version in outcome.detail


def test_a_secret_without_keys_or_of_another_kind_is_refused_before(aws: MotoServer) -> None:
    table = secret(aws, "text", "just text", key="password")
    with pytest.raises(Refused):
        check(table)
    assert deliver_only(table).state is OutcomeState.NOT_SENT
    assert held(aws, "text")[0] == "just text"
    gone = {**table, "secret": "no-such-secret"}
    with pytest.raises(NotFound) as caught:
        check(gone)
    assert "create" in caught.value.hint
    assert deliver_only({**gone, "key": ""}).state is OutcomeState.REJECTED
    assert read(gone) is None


def deliver_only(table: dict[str, Any]) -> Outcome:
    async def go() -> Outcome:
        async with made(table) as sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret(VALUE)).active():
                return await sink.perform(step)

    return asyncio.run(go())


def test_aws_gets_no_change_that_no_permit_covers(aws: MotoServer) -> None:
    table = secret(aws, "guarded")

    async def go() -> None:
        async with made(table) as sink:
            client = await asyncio.to_thread(sink._client, 1)  # type: ignore[attr-defined]
            for work in (
                lambda: client.put_secret_value(SecretId="guarded", SecretString=VALUE),
                lambda: client.delete_secret(SecretId="guarded"),
            ):
                with pytest.raises(NoIntent):
                    await asyncio.to_thread(work)
            with pytest.raises(NoIntent):
                await sink.perform(sink.plan(token()))

    asyncio.run(go())
    assert held(aws, "guarded")[0] == "old"


def all_at_once(sinks: list[dict[str, Any]], values: list[str]) -> list[Outcome]:
    """Several sinks of one process deliver at the same moment, as the lanes of a run do."""

    async def one(table: dict[str, Any], number: int, value: str) -> Outcome:
        async with made(table) as sink:
            step = sink.plan(token())
            with Permit(f"{INTENT[:-2]}{number:02}", step, value=Secret(value)).active():
                return await sink.perform(step)

    async def go() -> list[Outcome]:
        work = (
            one(table, n, value) for n, (table, value) in enumerate(zip(sinks, values, strict=True))
        )
        return await asyncio.gather(*work)

    return asyncio.run(go())


def test_deliveries_into_one_document_at_once_all_arrive(
    bao: OpenBaoServer, aws: MotoServer
) -> None:
    wanted = {f"key{number}": f"value-{number}" for number in range(8)}
    put(bao, "shared", user="billing")
    for right, options in (("patch", {}), ("update", {"patch": False})):
        table = kv(bao, "shared", right, **options)
        done = all_at_once([{**table, "field": key} for key in wanted], list(wanted.values()))
        assert {outcome.state for outcome in done} == {OutcomeState.APPLIED}
        assert fields(bao, "shared") == {"user": "billing", **wanted}
        put(bao, "shared", user="billing")
    table = secret(aws, "shared", json.dumps({"user": "billing"}))
    done = all_at_once([{**table, "key": key} for key in wanted], list(wanted.values()))
    assert {outcome.state for outcome in done} == {OutcomeState.APPLIED}
    assert not [outcome for outcome in done if "meanwhile" in outcome.detail]
    assert json.loads(held(aws, "shared")[0]) == {"user": "billing", **wanted}


def tables(url: str, folder: Path) -> list[dict[str, Any]]:
    """The three kinds, with credentials of no worth, at an address."""
    key = folder / "key"
    key.write_text("AKIAXXXXXXXXXXXXXXXX:canary-credential")
    key.chmod(0o600)
    write = {"file": str(key)}
    kube = {"namespace": "shop", "secret": "payments", "key": "api-key"}
    return [
        {"type": "openbao_kv", "url": url, "path": "a", "write": write, "timeout": 5.0},
        {"type": "aws_secret", "region": REGION, "endpoint_url": url, "secret": "a"}
        | {"write": write, "timeout": 5.0},
        {"type": "kubernetes_secret", "url": url, "write": write, "timeout": 5.0, **kube},
    ]


@pytest.mark.parametrize("kind", range(3))
def test_a_server_that_is_not_there_got_nothing(tmp_path: Path, kind: int) -> None:
    assert deliver_only(tables(dead_url(), tmp_path)[kind]).state is OutcomeState.NOT_SENT


@pytest.mark.parametrize("kind", range(3))
def test_a_lost_answer_is_unknown_and_an_error_repeats_no_value(tmp_path: Path, kind: int) -> None:
    """Reads are answered well, so that the change itself is what gets lost or refused."""

    def answers(status: str) -> Any:
        def script(number: int, request: bytes) -> bytes | None:
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"GET"):
                return response("200 OK", {"data": {"metadata": {"version": 3}}})
            if not status:
                return None
            value = json.loads(body)
            return response(status, {"errors": [json.dumps(value)], "message": json.dumps(value)})

        return script

    for status, state in (("", OutcomeState.UNKNOWN), ("400 Bad", OutcomeState.REJECTED)):
        with RawServer(answers(status)) as server:
            _, outcome = plain(tables(server.url, tmp_path)[kind])
        assert outcome.state is state
        assert "canary" not in outcome.detail + outcome.status
        assert base64.b64encode(b"canary4711").decode() not in outcome.detail


def plain(table: dict[str, Any]) -> tuple[Step, Outcome]:
    async def go() -> tuple[Step, Outcome]:
        async with made(table) as sink:
            step = sink.plan(token())
            with Permit(INTENT, step, value=Secret("canary4711")).active():
                return step, await sink.perform(step)

    return asyncio.run(go())


def response(status: str, body: Any) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


PATH = "/api/v1/namespaces/{namespace}/secrets/{name}"
QUERY = {"pretty", "dryRun", "fieldManager", "fieldValidation", "force"}
CONSUMES = {
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
}
FIELDS = {"apiVersion", "data", "immutable", "kind", "metadata", "stringData", "type"}
"""What the OpenAPI description of Kubernetes says of patchCoreV1NamespacedSecret."""


class Kube:
    """One Secret behind the published shape; what does not keep to it is answered with 400."""

    def __init__(self, **more: Any) -> None:
        data = {"user": base64.b64encode(b"billing").decode()}
        meta = {"name": "payments", "namespace": "shop", "resourceVersion": "7"}
        base = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque"}
        self.object: dict[str, Any] = {**base, "data": data, **more}

    def __call__(self, number: int, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in rest)}
        method, target, _ = first.split()
        path, _, query = target.partition("?")
        if headers.get("authorization") != "Bearer kube-canary":
            return response("401 Unauthorized", {"kind": "Status", "message": "Unauthorized"})
        if path != PATH.format(namespace="shop", name="payments"):
            return response("404 Not Found", {"kind": "Status", "message": "not found"})
        if method == "PATCH":
            asked = {word.partition("=")[0] for word in query.split("&") if word}
            given = json.loads(body)
            if (
                not asked <= QUERY
                or headers["content-type"] not in CONSUMES
                or not set(given) <= FIELDS
            ):
                return response("400 Bad Request", {"kind": "Status", "message": "strict"})
            for key, value in given["data"].items():
                base64.b64decode(value, validate=True)
                self.object["data"][key] = value
            self.object["metadata"]["resourceVersion"] = "8"
        elif method != "GET":
            return response("405 Method Not Allowed", {})
        return response("200 OK", self.object)


def kube(url: str, folder: Path, **more: Any) -> dict[str, Any]:
    key = folder / "token"
    key.write_text("kube-canary")
    key.chmod(0o600)
    table = {"type": "kubernetes_secret", "url": url, "namespace": "shop", "secret": "payments"}
    return {**table, "key": "api-key", "write": {"file": str(key)}, **more}


def test_one_key_of_a_kubernetes_secret_changes(tmp_path: Path) -> None:
    cluster = Kube()
    with RawServer(cluster) as server:
        table = kube(server.url, tmp_path)
        assert "no such key" in check(table)
        assert read(table) is None
        step, outcome, back = deliver(table)
        assert outcome.state is OutcomeState.APPLIED
        assert outcome.detail == "resourceVersion 8"
        assert back == Secret(VALUE)
        assert step.retry is Retry.FREE
    data = {key: base64.b64decode(coded).decode() for key, coded in cluster.object["data"].items()}
    assert data == {"user": "billing", "api-key": VALUE}


def test_a_kubernetes_secret_that_cannot_change_is_refused_before(tmp_path: Path) -> None:
    with RawServer(Kube(immutable=True)) as server, pytest.raises(Refused):
        check(kube(server.url, tmp_path))
    with RawServer(Kube()) as server:
        with pytest.raises(NotFound):
            check(kube(server.url, tmp_path, secret="other"))
        assert deliver_only(kube(server.url, tmp_path, secret="other")).state is (
            OutcomeState.REJECTED
        )
    with RawServer(Kube(kind="Status")) as server, pytest.raises(BadAnswer):
        check(kube(server.url, tmp_path))
    with pytest.raises(ConfigError):
        made(kube("https://k8s.example", tmp_path, key="{name}/x")).plan(token())
