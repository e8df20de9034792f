"""Reading many keys one by one: what they share, and what is asked anew for each."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from aws_lab import config, made, new_key, reader_with, ref, server, with_

from backends.aws_iam import AwsIam
from backends.contract import Verb
from backends.errors import BackendError
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


def test_many_read_together_take_two_calls_a_key_and_one_listing_of_users(
    server: MotoServer,
) -> None:
    keys = [new_key(server) for _ in range(12)]
    for key in keys[::2]:
        server.allow(key.user, "s3:ListAllMyBuckets", policy="own-buckets")
    lost = keys[-1]
    server.iam.delete_access_key(UserName=lost.user, AccessKeyId=lost.id)

    async def work(backend: AwsIam) -> Counter[str]:
        calls = counted(backend)
        told = await backend.read_many([ref(key) for key in keys])
        asked = Counter(calls)
        assert set(told) == {ref(key) for key in keys[:-1]}
        for key in keys[:-1]:
            alone = await backend.read(ref(key))
            assert told[ref(key)].grants.value == alone.grants.value
            assert (told[ref(key)].facts, told[ref(key)].owner) == (alone.facts, alone.owner)
        calls.clear()
        for key in keys[:-1]:
            (step,) = (await backend.plan(Verb.REVOKE, told[ref(key)])).steps
            assert step.call.arguments == {"UserName": key.user, "AccessKeyId": key.id}
        assert not calls, "what was read for the plans serves them"
        await backend.plan(Verb.REVOKE, told[ref(keys[0])])
        assert calls["ListAccessKeys"] == 1, "and serves them once"
        return asked

    asked = with_(config(server), work)
    assert asked["GetAccountAuthorizationDetails"] == 1
    assert asked["GetAccessKeyLastUsed"] == len(keys)
    assert asked["ListAccessKeys"] == len(keys) - 1
    assert asked["GetUser"] == 0


def test_where_users_may_not_be_listed_each_key_is_read_by_itself(server: MotoServer) -> None:
    keys = [new_key(server) for _ in range(10)]
    most = [action for action in READER_ACTIONS if "AuthorizationDetails" not in action]
    name = reader_with(server, *most)

    async def work(backend: AwsIam) -> None:
        with pytest.raises(BackendError):
            await backend.read_many([ref(key) for key in keys])
        assert (await backend.read(ref(keys[0]))).owner.value == "payments"

    with_(config(server, read=name), work)


def test_keys_are_gone_where_their_users_list_does_not_have_them(server: MotoServer) -> None:
    keys = [new_key(server) for _ in range(4)]
    second = server.key(keys[0].user)

    async def work(backend: AwsIam) -> None:
        tokens = [await backend.read(ref(key)) for key in (*keys, second)]
        assert await backend.gone(tokens) == frozenset()
        for key in keys[:2]:
            server.iam.delete_access_key(UserName=key.user, AccessKeyId=key.id)
        # A user that is not there by its name may be there by another one, with its key.
        server.iam.update_user(UserName=keys[2].user, NewUserName=f"{keys[2].user}-new")
        calls = counted(backend)
        assert await backend.gone(tokens) == {ref(key) for key in keys[:2]}
        assert calls == {"ListAccessKeys": 4}

    with_(config(server), work)
