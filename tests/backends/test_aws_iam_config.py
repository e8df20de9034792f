"""Which credential and which settings the aws_iam backend goes by."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aws_answers import ACCOUNT, PAIR, READER, aws, config

from backends.aws_iam import AwsIam
from backends.contract import BackendConfig, WhoAmI
from backends.errors import AuthFailed, ConfigError, CredentialError
from backends.model import Secret
from backends.registry import configure


def me(given: BackendConfig) -> WhoAmI:
    async def go() -> WhoAmI:
        async with AwsIam(given) as backend:
            return await backend.whoami()

    return asyncio.run(go())


def without_read(url: str, **options: Any) -> BackendConfig:
    given: Mapping[str, Any] = {"endpoint_url": url, "timeout": 5.0, **options}
    return BackendConfig(name="aws", type="aws_iam", options=given)


def test_the_environment_does_not_change_whose_credential_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE2222")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with aws() as server:
        assert [ref.id for ref in me(config(server.url)).own] == [READER]
        assert READER.encode() in server.requests[0]


def test_the_default_chain_is_used_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAQNZGKIQY56JQ7WML")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    with aws() as server:
        (own,) = me(without_read(server.url, use_default_chain=True)).own
        assert (own.kind, own.id) == ("session", "ASIAQNZGKIQY56JQ7WML")
        assert b"X-Amz-Security-Token: token" in server.requests[0]
        with pytest.raises(CredentialError) as caught:
            AwsIam(without_read(server.url))
    assert caught.value.option == "read"


def test_a_chain_without_a_credential_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with aws() as server:
        with pytest.raises(AuthFailed, match="NoCredentials") as caught:
            me(without_read(server.url, use_default_chain=True))
        assert server.requests == []
    assert "aws sso login" in caught.value.hint


def test_a_session_token_is_sent_with_its_pair() -> None:
    pair = Secret(f"{PAIR.reveal()}:session-token")
    with aws() as server:
        given = config(server.url)
        me(BackendConfig(name="aws", type="aws_iam", options=given.options, read=pair))
        assert b"X-Amz-Security-Token: session-token" in server.requests[0]


def test_the_account_is_in_the_name_of_who_we_are() -> None:
    with aws() as server:
        assert ACCOUNT in me(config(server.url)).name


def test_an_unknown_entry_of_the_table_is_named() -> None:
    with pytest.raises(ConfigError, match="endpoint"):
        configure("aws", {"type": "aws_iam", "endpoint": "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"endpoint_url": "localhost:5000"}, "endpoint_url"),
        ({"region": "Frankfurt"}, "region"),
        ({"trail_regions": ["eu-west-1", "x"]}, "trail_regions"),
        ({"timeout": 0.0}, "timeout"),
        ({"parallel": 0}, "parallel"),
        ({"profile": "prod"}, "profile"),
        ({"use_default_chain": True}, "use_default_chain"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], option: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AwsIam(config("http://127.0.0.1:1", **options))
    assert caught.value.option == option


def test_a_profile_that_is_not_there_is_a_matter_of_the_configuration() -> None:
    given = config("http://127.0.0.1:1", profile="no-such-profile")
    given = type(given)(name="aws", type="aws_iam", options=given.options)

    async def go() -> None:
        async with AwsIam(given) as backend:
            await backend.health()

    with pytest.raises(ConfigError, match="no-such-profile"):
        asyncio.run(go())
