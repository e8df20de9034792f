"""A real OpenBao with three audit devices: whose names are whose, and that no raw value is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from real_systems import console

from backends.lab.openbao import READ_POLICY_PER_NAMESPACE, OpenBaoServer

USES = 5
LISTING = (READ_POLICY_PER_NAMESPACE % {"ns": ""}) + (
    'path "sys/namespaces/" { capabilities = ["list"] }\n'
)
"""All that it takes to list tokens, and nothing that tells of audit devices."""


class Used(NamedTuple):
    """A token that was used ``USES`` times, and its value."""

    accessor: str
    value: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    running = OpenBaoServer(
        tmp_path_factory.mktemp("bao"), {"second": {}, "raw": {"log_raw": "true"}}
    )
    running.start()
    try:
        running.fill(20)
        yield running
    finally:
        running.stop()


def made(server: OpenBaoServer, name: str) -> Used:
    with server.client() as client:
        body = {"display_name": name, "policies": ["default"], "no_parent": True}
        told = client.post("auth/token/create", json=body).raise_for_status().json()["auth"]
    return Used(told["accessor"], told["client_token"])


def use(server: OpenBaoServer, token: Used) -> None:
    with server.client() as client:
        for _ in range(USES):
            headers = {"X-Vault-Token": token.value}
            client.get("auth/token/lookup-self", headers=headers).raise_for_status()


def home(server: OpenBaoServer, folder: Path, source: Path | None = None, **changes: Any) -> Path:
    """A console over the server, without a log of its own unless ``audit_file`` says which."""
    table = {**server.table(), "audit_file": None, **changes}
    text = "[backend.vault-lab]\n"
    for key, value in table.items():
        if isinstance(value, dict):
            text += f'{key} = {{ file = "{value["file"]}" }}\n'
        elif value is not None:
            text += f"{key} = {json.dumps(value)}\n"
    if source is not None:
        text += f'[source.log]\ntype = "openbao_file"\nbackend = "vault-lab"\npath = "{source}"\n'
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(text)
    return folder


def said(place: Path, *words: str) -> str:
    done = console(place, *words)
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def test_a_shipped_log_is_joined_whichever_device_wrote_it(
    server: OpenBaoServer, tmp_path: Path
) -> None:
    token = made(server, "shipped")
    use(server, token)
    place = home(server, tmp_path, source=server.file_of("second"))
    said(place, "sync")
    said(place, "ingest")
    told = said(place, "timeline", token.accessor, "--leak", "1h", "--ascii")
    assert f"Used {USES} times since the leak" in told, told


def test_a_copy_of_the_second_devices_file_is_joined(server: OpenBaoServer, tmp_path: Path) -> None:
    token = made(server, "copied")
    use(server, token)
    # The console's own look-ups, which would tell the names for nothing, are not in a copy.
    copy = tmp_path / "audit.log"
    copy.write_bytes(server.file_of("second").read_bytes())
    place = home(server, tmp_path / "home", audit_file=str(copy))
    said(place, "sync")
    shown = said(place, "show", token.accessor)
    assert "read auth/token/lookup-self" in shown, shown
    told = said(place, "timeline", token.accessor, "--leak", "1h", "--ascii")
    assert f"Used {USES} times since the leak" in told, told


def test_the_device_that_says_it_writes_the_file_is_the_one_asked(
    server: OpenBaoServer, tmp_path: Path
) -> None:
    import asyncio

    from backends import registry
    from backends.openbao import OpenBao

    async def asked(path: Path) -> list[str]:
        table = {**server.table(), "audit_file": str(path)}
        bao = registry.configure("bao", table, act=False)
        assert isinstance(bao, OpenBao)
        async with bao:
            return await bao._reader.devices(path)

    assert asyncio.run(asked(server.file_of("second"))) == ["second"]
    assert asyncio.run(asked(server.audit_file)) == ["file"]
    assert sorted(asyncio.run(asked(tmp_path / "elsewhere.log"))) == ["file", "raw", "second"]


@pytest.mark.parametrize("shipped", [False, True])
def test_without_the_right_to_ask_for_names_there_is_no_silence(
    server: OpenBaoServer, tmp_path: Path, shipped: bool
) -> None:
    token = made(server, f"unasked-{shipped}")
    with server.client() as client:
        body: dict[str, Any] = {"policy": LISTING}
        client.put("sys/policies/acl/listing", json=body).raise_for_status()
        body = {"policies": ["listing"], "no_parent": True}
        reader = client.post("auth/token/create", json=body).raise_for_status().json()["auth"]
    read = {"file": str(server.keep(f"listing-{shipped}.token", reader["client_token"]))}
    use(server, token)
    copy = tmp_path / "audit.log"
    copy.write_bytes(server.file_of("second").read_bytes())
    if shipped:
        place = home(server, tmp_path / "home", source=copy, read=read, act=None)
    else:
        place = home(server, tmp_path / "home", audit_file=str(copy), read=read, act=None)
    said(place, "sync")
    if shipped:
        said(place, "ingest")
    told = said(place, "timeline", token.accessor, "--leak", "1h", "--ascii")
    assert "Not used since the leak" not in told
    assert "this is no proof" in told, told
    why = "what it calls the token is not known" if shipped else "whose names in the audit log are"
    assert why in told, told


def test_nothing_that_a_raw_device_writes_is_kept(server: OpenBaoServer, tmp_path: Path) -> None:
    token = made(server, "raw")
    use(server, token)
    with server.client() as client:
        role = "auth/approle/role/raw-values"
        client.post(role, json={"token_policies": ["default"]}).raise_for_status()
        role_id = client.get(f"{role}/role-id").json()["data"]["role_id"]
        secret_id = client.post(f"{role}/secret-id").json()["data"]["secret_id"]
        body = {"role_id": role_id, "secret_id": secret_id}
        login = client.post("auth/approle/login", json=body).raise_for_status().json()["auth"]
        # Somebody asks about a token in the way that puts it into the path, and is refused.
        client.get(f"auth/token/lookup/{token.value}")
        client.post("auth/token/revoke", json={"token": login["client_token"]}).raise_for_status()
        # A dead token is named by its value alone.
        client.get("auth/token/lookup-self", headers={"X-Vault-Token": login["client_token"]})
    raw = server.file_of("raw")
    values = [token.value, secret_id, login["client_token"]]
    assert all(value in raw.read_text() for value in values), "the device writes no raw values"
    for number, place in enumerate(
        (
            home(server, tmp_path / "shipped", source=raw),
            home(server, tmp_path / "own", audit_file=str(raw)),
        )
    ):
        said(place, "sync")
        if number == 0:
            said(place, "ingest")
        told = said(place, "timeline", token.accessor, "--leak", "1h", "--ascii")
        assert f"Used {USES} times since the leak" in told, told
        for path in place.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            for value in values:
                assert value.encode() not in data, f"{path.name} keeps a raw value"
