"""The OpenBao backend against a real OpenBao: secrets, itself, and its configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from openbao_fixture import (
    backend,
    call,
    create,
    everything,
    inventory,
    server,
    tokens_in,
    using,
)

from backends.contract import Support, Verb
from backends.errors import ConfigError, Unsupported
from backends.lab.openbao import NAMESPACE, OpenBaoServer
from backends.model import (
    Secret,
    TokenRef,
)
from backends.openbao import OpenBao
from backends.openbao.mapping import APPROLE, SERVICE, SecretIdPlace, place_of

__all__ = ["server"]
pytestmark = pytest.mark.lab


def test_identify_tells_which_token_a_secret_is(server: OpenBaoServer) -> None:
    made = create(server, display_name="leaked", policies=["default"])
    abroad = create(server, f"{NAMESPACE}/", display_name="abroad", ttl="1h")
    role = "auth/approle/role/payments-api"
    issued = call(server, "POST", f"{role}/secret-id", {})[1]["data"]

    async def work(bao: OpenBao) -> list[list[TokenRef]]:
        secrets = (made.value, abroad.value, issued["secret_id"], "hvs.nothing", "no such thing")
        return [[match.ref for match in await bao.identify(Secret(value))] for value in secrets]

    assert using(backend(server), work) == [
        [made.ref],
        [abroad.ref],
        [TokenRef("bao", APPROLE, f"payments-api/{issued['secret_id_accessor']}")],
        [],
        [],
    ]
    body = {"type": "batch", "policies": ["default"], "ttl": "1h"}
    batch = call(server, "POST", "auth/token/create", body)[1]["auth"]["client_token"]
    with pytest.raises(Unsupported, match="batch token"):
        using(backend(server), lambda bao: bao.identify(Secret(batch)))


def test_whoami_knows_both_credentials_and_whose_end_would_end_them(server: OpenBaoServer) -> None:
    me = using(backend(server), lambda bao: bao.whoami())
    assert me.name == "token-token-console-read"
    assert len(me.own) == 2
    assert me.can_act
    assert not me.ancestors
    assert me.expires_at is not None
    looking = using(backend(server, acting=False), lambda bao: bao.whoami())
    assert len(looking.own) == 1
    assert not looking.can_act

    parent = create(server, display_name="above", no_parent=True, policies=["root"])
    child = create(server, by=parent.value, display_name="console", policies=["console-reader"])
    read = {"file": str(server.keep("child.token", child.value))}

    async def after_a_look_around(bao: OpenBao) -> tuple[TokenRef, ...]:
        await everything(bao.inventory())
        return (await bao.whoami()).ancestors

    assert using(backend(server, read=read), after_a_look_around) == (parent.ref,)


def test_health_tells_version_and_clock(server: OpenBaoServer) -> None:
    health = using(backend(server), lambda bao: bao.health())
    assert health.version.startswith("2.")
    assert health.skew is not None
    assert abs(health.skew) <= timedelta(seconds=2)


def test_nothing_is_claimed_that_is_not_there(server: OpenBaoServer) -> None:
    declared = {kind.kind: kind for kind in backend(server).capabilities().kinds}
    assert declared[SERVICE].admin_grants == ("root",)
    for token in {ref.kind: token for ref, token in tokens_in(inventory(server)).items()}.values():
        kind = declared[token.ref.kind]
        assert kind.ability(Verb.REVOKE).support is Support.FULL
        assert kind.ability(Verb.DISCONNECT).support is Support.NONE
        with pytest.raises(Unsupported):
            using(backend(server), lambda bao, token=token: bao.plan(Verb.DISCONNECT, token))  # type: ignore[misc]
    # Nobody can disable one secret-id, so nothing is contained or restored there by a call.
    assert declared[APPROLE].ability(Verb.CONTAIN).support is Support.MANUAL
    assert declared[APPROLE].ability(Verb.RESTORE).support is Support.NONE


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("url", "bao.example:8200"),
        ("url", "https://user:pass@bao.example"),
        ("parallel", 0),
        ("ca_file", "/nonexistent/ca.pem"),
        ("nonsense", "x"),
    ],
)
def test_a_wrong_configuration_names_the_option(
    server: OpenBaoServer, option: str, value: Any
) -> None:
    with pytest.raises(ConfigError) as raised:
        backend(server, acting=True, **{option: value})
    assert raised.value.option == option


@pytest.mark.parametrize(
    "place",
    [
        SecretIdPlace("", "approle", "ci"),
        SecretIdPlace("a/b/", "approle", "ci"),
        SecretIdPlace("", "deep/er", "ci"),
    ],
)
def test_a_secret_ids_id_leads_back_to_its_place(place: SecretIdPlace) -> None:
    assert place_of(place.id_of("acc")) == (place, "acc")
