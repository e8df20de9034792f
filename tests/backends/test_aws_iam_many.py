"""Reading many keys one by one: what they share, and what is asked anew for each."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aws_lab import config, made, new_key, reader_with, ref, server, with_

from backends.aws_iam import AwsIam
from backends.lab.moto import READER_ACTIONS, LabKey, MotoServer
from backends.model import Grant, Token, TokenState

pytestmark = pytest.mark.lab
__all__ = ["made", "server"]

BY_NAME = ("iam:ListAttachedUserPolicies", "iam:ListUserPolicies", "iam:ListGroupsForUser")


def counted(backend: AwsIam) -> Counter[str]:
    """Counts the operations that the backend asks for from now on."""
    calls: Counter[str] = Counter()
    ask = backend._aws.ask

    async def asking(service: str, operation: str, **more: Any) -> dict[str, Any]:
        calls[operation] += 1
        return await ask(service, operation, **more)

    backend._aws.ask = asking  # type: ignore[method-assign]
    return calls


def test_many_keys_do_not_list_the_whole_account_each(server: MotoServer) -> None:
    keys = [new_key(server) for _ in range(20)]
    for key in keys[::2]:
        server.allow(key.user, "s3:ListAllMyBuckets", policy="own-buckets")

    async def work(backend: AwsIam) -> tuple[list[Token], Counter[str]]:
        calls = counted(backend)
        return await asyncio.gather(*(backend.read(ref(key)) for key in keys)), calls

    tokens, calls = with_(config(server), work)
    assert calls["GetAccountAuthorizationDetails"] <= 2
    assert calls["GetUser"] >= len(keys)
    for number, token in enumerate(tokens):
        expected = () if number % 2 else (Grant("inline policy", "own-buckets"),)
        assert token.grants.value == expected
        assert token.owner.value == "payments"


def test_state_owner_and_slots_are_as_they_are_now(server: MotoServer) -> None:
    key, other = new_key(server), new_key(server)

    async def work(backend: AwsIam) -> Token:
        await backend.read(ref(other))
        server.iam.tag_user(UserName=key.user, Tags=[{"Key": "owner", "Value": "search"}])
        server.iam.update_access_key(UserName=key.user, AccessKeyId=key.id, Status="Inactive")
        server.key(key.user)
        return await backend.read(ref(key))

    token = with_(config(server), work)
    assert token.state is TokenState.DISABLED
    assert token.owner.value == "search"
    assert dict(token.facts)["slots"] == "2 of 2"


def test_a_user_that_came_after_the_listing_has_its_grants_too(
    server: MotoServer, made: LabKey
) -> None:
    async def work(backend: AwsIam) -> Token:
        await backend.read(ref(made))
        late = new_key(server)
        server.allow(late.user, "s3:ListAllMyBuckets", policy="late")
        return await backend.read(ref(late))

    assert with_(config(server), work).grants.value == (Grant("inline policy", "late"),)


def test_where_policies_are_read_by_name_nobody_lists_everybody(server: MotoServer) -> None:
    keys = [new_key(server) for _ in range(5)]
    given = config(server, read=reader_with(server, *READER_ACTIONS, *BY_NAME))

    async def work(backend: AwsIam) -> tuple[list[Token], Counter[str]]:
        calls = counted(backend)
        return [await backend.read(ref(key)) for key in keys], calls

    tokens, calls = with_(given, work)
    assert all(token.grants.known for token in tokens)
    assert not calls["GetAccountAuthorizationDetails"]
