"""AWS on a bad day, and with fewer permissions: each trouble is said, and hides nothing else."""

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aws_answers import (
    ACCOUNT,
    KEY,
    Reply,
    aws,
    config,
    error,
    keys,
    last_used,
    user,
    users,
    xml,
)
from raw_server import answer, serving

from backends.aws_iam import AwsIam, ids, people
from backends.contract import Verb
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
    Unsupported,
)
from backends.model import Gap, GapKind, How, ScopeDone, Token, TokenRef, TokenState

OTHER = "AKIARZPUZDIKOTHERKEY"
NO_ACCESS = error("AccessDenied", 403, "User: x is not authorized to perform: that")
NOBODY = error("NoSuchEntity", 404)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


def each(**replies: bytes) -> Callable[[dict[str, str]], bytes]:
    """A reply by the user (or key) that is asked about, "other" for the rest."""

    def reply(asked: dict[str, str]) -> bytes:
        return replies.get(asked.get("UserName", asked.get("AccessKeyId", "")), replies["other"])

    return reply


def world(**changes: Reply) -> Any:
    """Two users with a key each, and a reader who may list, but not see details."""
    replies: dict[str, Reply] = {
        "ListUsers": users("ci", "batch"),
        "ListAccessKeys": each(ci=keys("ci", KEY), other=keys("batch", OTHER)),
        "GetAccessKeyLastUsed": last_used("ci"),
    }
    return aws(**{**replies, **changes})


def listed(url: str, **options: Any) -> tuple[dict[str, Token], list[Gap], set[str]]:
    async def go() -> list[Any]:
        async with AwsIam(config(url, **options)) as backend:
            return [found async for found in backend.inventory()]

    stream = asyncio.run(go())
    return (
        {found.ref.id: found for found in stream if isinstance(found, Token)},
        [found for found in stream if isinstance(found, Gap)],
        {found.scope for found in stream if isinstance(found, ScopeDone)},
    )


def said(gaps: list[Gap], kind: GapKind) -> str:
    return "\n".join(f"{gap.scope} {gap.what} {gap.hint}" for gap in gaps if gap.kind is kind)


def test_a_reader_that_may_only_list_gets_every_key_and_is_told_what_is_missing() -> None:
    with world() as server:
        tokens, gaps, done = listed(server.url)
    assert set(tokens) == {KEY, OTHER}
    assert done == set(ids.shards(ACCOUNT))
    refused = said(gaps, GapKind.REFUSED)
    for permission in ("iam:GetUser", "iam:ListUserTags", "iam:ListAttachedUserPolicies"):
        assert permission in refused
    token = tokens[KEY]
    assert token.owner.how is How.NOT_PERMITTED
    assert "iam:ListUserTags" in token.owner.source
    assert token.grants.how is How.NOT_PERMITTED
    assert token.created_by.how is How.NOT_PERMITTED
    assert token.last_used_at.how is How.NEVER


def test_a_refused_user_does_not_spoil_the_others() -> None:
    with world(ListAccessKeys=each(ci=NO_ACCESS, other=keys("batch", OTHER))) as server:
        tokens, gaps, done = listed(server.url)
    assert set(tokens) == {OTHER}
    assert "access keys of the user ci: needs iam:ListAccessKeys" in said(gaps, GapKind.REFUSED)
    assert set(ids.shards(ACCOUNT)) - done == {ids.shard_of(ACCOUNT, "ci")}


def test_many_refused_users_are_counted_and_not_named_one_by_one() -> None:
    many = users(*(f"user-{number}" for number in range(60)))
    with world(ListUsers=many, ListAccessKeys=NO_ACCESS) as server:
        tokens, gaps, _ = listed(server.url)
    refused = [gap for gap in gaps if "access keys of" in gap.what and "user-" in gap.what]
    assert tokens == {}
    assert len(refused) == 21
    assert refused[-1].what.startswith("access keys of 40 more users")


def test_a_deleted_users_scope_is_still_enumerated_to_its_end() -> None:
    with world(ListUsers=users("batch")) as server:
        _, _, done = listed(server.url)
    assert ids.shard_of(ACCOUNT, "ci") in done


def test_a_user_who_goes_away_in_the_middle_has_no_keys_and_is_no_trouble() -> None:
    with world(ListAccessKeys=each(ci=NOBODY, other=keys("batch", OTHER))) as server:
        tokens, gaps, done = listed(server.url)
    assert set(tokens) == {OTHER}
    assert done == set(ids.shards(ACCOUNT))
    assert "the user ci" not in said(gaps, GapKind.FAILED)


def test_last_use_that_may_not_be_read_is_not_shown_as_never() -> None:
    with world(GetAccessKeyLastUsed=NO_ACCESS) as server:
        tokens, gaps, _ = listed(server.url)
    assert tokens[KEY].last_used_at.how is How.NOT_PERMITTED
    assert "iam:GetAccessKeyLastUsed (2 not read)" in said(gaps, GapKind.REFUSED)


def test_half_an_answer_about_one_user_leaves_the_others() -> None:
    half = answer(200, b"<ListAccessKeysResponse><List", "Content-Type: text/xml")
    with world(ListAccessKeys=each(ci=half, other=keys("batch", OTHER))) as server:
        tokens, gaps, done = listed(server.url)
    assert set(tokens) == {OTHER}
    assert "access keys of the user ci" in said(gaps, GapKind.FAILED)
    assert ids.shard_of(ACCOUNT, "ci") not in done


def details(inside: str) -> bytes:
    return xml("GetAccountAuthorizationDetails", inside)


def test_a_broken_detail_answer_falls_back_to_one_user_at_a_time() -> None:
    tags = "<Tags><member><Key>Owner</Key><Value>payments</Value></member></Tags>"
    with world(
        GetAccountAuthorizationDetails=details("\x1b"),
        GetUser=xml("GetUser", user("ci", tags).replace("member>", "User>", 1)[:-9] + "</User>"),
    ) as server:
        tokens, _, _ = listed(server.url)
    assert tokens[KEY].owner.value == "payments"
    assert tokens[KEY].owner.source == "user tag Owner"


def test_policies_groups_and_the_boundary_are_grants_and_the_description_is_a_fact() -> None:
    told = user(
        "ci",
        "<UserPolicyList><member><PolicyName>own</PolicyName></member></UserPolicyList>"
        "<GroupList><member>deployers</member></GroupList>"
        "<AttachedManagedPolicies><member><PolicyName>S3</PolicyName></member>"
        "</AttachedManagedPolicies><PermissionsBoundary><PermissionsBoundaryArn>"
        "arn:aws:iam::aws:policy/Limit</PermissionsBoundaryArn></PermissionsBoundary>"
        f"<Tags><member><Key>{KEY}</Key><Value>laptop</Value></member>"
        "<member><Key>owner</Key><Value> </Value></member></Tags>",
    )
    group = (
        "<member><GroupName>deployers</GroupName><GroupPolicyList><member>"
        "<PolicyName>push</PolicyName></member></GroupPolicyList></member>"
    )
    inside = f"<UserDetailList>{told}</UserDetailList><GroupDetailList>{group}</GroupDetailList>"
    with world(GetAccountAuthorizationDetails=details(inside)) as server:
        tokens, _, _ = listed(server.url)
    token = tokens[KEY]
    assert {(grant.kind, grant.name, grant.via) for grant in token.grants.value or ()} == {
        ("inline policy", "own", ""),
        ("managed policy", "S3", ""),
        ("group", "deployers", ""),
        ("inline policy", "push", "group deployers"),
        ("permissions boundary", "Limit", ""),
    }
    assert ("description", "laptop") in token.facts
    assert token.owner.how is How.NEVER


def test_an_expired_key_says_so_and_claims_no_date() -> None:
    with world(ListAccessKeys=each(other=keys("ci", KEY, status="Expired"))) as server:
        tokens, _, _ = listed(server.url)
    assert tokens[KEY].state is TokenState.EXPIRED
    assert tokens[KEY].expires_at.how is How.NOT_TRACKED


def test_pages_that_never_end_are_a_limit_and_no_scope_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(people, "MAX_PAGES", 5)
    asked: list[str] = []

    def endless(form: dict[str, str]) -> bytes:
        asked.append(form.get("Marker", ""))
        return users("ci", marker=f"m{len(asked)}")

    with world(ListUsers=endless) as server:
        tokens, gaps, done = listed(server.url)
    assert len(asked) == 5
    assert KEY in tokens
    assert "no end after 5 pages" in said(gaps, GapKind.LIMITED)
    assert done == set()


def test_a_marker_that_comes_again_is_a_limit_too() -> None:
    with world(ListUsers=users("ci", marker="again")) as server:
        _, gaps, done = listed(server.url)
    assert "same page marker" in said(gaps, GapKind.LIMITED)
    assert done == set()


def test_root_keys_and_service_credentials_are_said_to_exist() -> None:
    summary = "<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>1</value></entry>"
    one = "<member><UserName>ci</UserName><Status>Active</Status></member>"
    with world(
        GetAccountSummary=xml("GetAccountSummary", f"{summary}</SummaryMap>"),
        ListServiceSpecificCredentials=xml(
            "ListServiceSpecificCredentials",
            f"<ServiceSpecificCredentials>{one}</ServiceSpecificCredentials>",
        ),
    ) as server:
        _, gaps, _ = listed(server.url)
    assert "root user (there are)" in said(gaps, GapKind.UNLISTABLE)
    assert "1 exist, none is read" in said(gaps, GapKind.LIMITED)


@pytest.mark.parametrize(
    ("operation", "reply", "expected"),
    [
        ("GetCallerIdentity", error("InvalidClientTokenId", 403), AuthFailed),
        ("GetCallerIdentity", error("SignatureDoesNotMatch", 403, "the whole request"), AuthFailed),
        ("GetCallerIdentity", error("ExpiredToken", 400), AuthFailed),
        ("GetCallerIdentity", answer(200, b"<html><body>log in</body></html>"), BadAnswer),
        ("GetCallerIdentity", answer(403, b"<html><body>proxy</body></html>"), BadAnswer),
        ("GetCallerIdentity", None, ServerFault),
        ("ListUsers", NO_ACCESS, Forbidden),
        ("ListUsers", error("Throttling", 400, "Rate exceeded"), RateLimited),
        ("ListUsers", error("ServiceFailure", 500), ServerFault),
        ("ListUsers", error("ExpiredToken", 400), AuthFailed),
    ],
)
def test_a_trouble_with_everything_is_named(
    operation: str, reply: bytes | None, expected: type[BackendError]
) -> None:
    with world(**{operation: reply}) as server, pytest.raises(expected) as caught:
        listed(server.url)
    assert caught.value.hint
    assert "the whole request" not in caught.value.message


def test_a_refused_listing_names_both_permissions_that_would_do() -> None:
    with world(ListUsers=NO_ACCESS) as server, pytest.raises(Forbidden) as caught:
        listed(server.url)
    assert "iam:ListUsers" in caught.value.message
    assert "iam:GetAccountAuthorizationDetails" in caught.value.message


def test_an_explicit_deny_is_told_apart() -> None:
    denied = error("AccessDenied", 403, "not authorized, with an explicit deny in a policy")
    with world(ListUsers=denied) as server, pytest.raises(Forbidden, match="denies explicitly"):
        listed(server.url)


def test_a_credential_that_dies_in_the_middle_ends_the_listing() -> None:
    with (
        world(ListAccessKeys=error("InvalidClientTokenId", 403)) as server,
        pytest.raises(AuthFailed),
    ):
        listed(server.url)


def test_a_system_that_fails_for_everybody_is_not_asked_for_hours() -> None:
    many = users(*(f"user-{number}" for number in range(200)))
    fault = error("ServiceFailure", 500)
    with world(ListUsers=many, ListAccessKeys=fault) as server:
        with pytest.raises(ServerFault):
            listed(server.url)
        assert sum(b"ListAccessKeys" in request for request in server.requests) < 200


def test_a_dead_address_is_unreachable_and_a_silent_one_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TimedOut):
            listed(url, timeout=0.3)
    with pytest.raises(Unreachable):
        listed(url)


def test_throttled_reads_are_tried_again() -> None:
    answers = iter([error("Throttling", 400), users("ci")])
    with world(ListUsers=lambda _: next(answers)) as server:
        tokens, _, _ = listed(server.url)
    assert KEY in tokens


def reading(url: str, id_: str) -> Token:
    async def go() -> Token:
        async with AwsIam(config(url)) as backend:
            return await backend.read(TokenRef("aws", "access-key", id_))

    return asyncio.run(go())


def test_a_key_that_its_user_no_longer_has_is_not_found_though_its_last_use_still_answers() -> None:
    with world(ListAccessKeys=each(other=keys("ci", OTHER))) as server, pytest.raises(NotFound):
        reading(server.url, KEY)


def test_a_key_that_cannot_be_told_from_a_forbidden_one_is_never_called_gone() -> None:
    with world(GetAccessKeyLastUsed=NO_ACCESS) as server:
        assert reading(server.url, KEY).last_used_at.how is How.NOT_PERMITTED
        with pytest.raises(NotFound):
            reading(server.url, "AKIARZPUZDIKNOWHERE2")
    refused = each(ci=NO_ACCESS, other=keys("batch", OTHER))
    with (
        world(GetAccessKeyLastUsed=NO_ACCESS, ListAccessKeys=refused) as server,
        pytest.raises(Forbidden),
    ):
        reading(server.url, "AKIARZPUZDIKNOWHERE2")


def test_many_reads_of_missing_keys_share_their_listings() -> None:
    async def go(url: str) -> list[Any]:
        async with AwsIam(config(url)) as backend:
            refs = [TokenRef("aws", "access-key", f"AKIARZPUZDIKGONE{n:04d}") for n in range(30)]
            return await asyncio.gather(*map(backend.read, refs), return_exceptions=True)

    with world(GetAccessKeyLastUsed=NO_ACCESS) as server:
        results = asyncio.run(go(server.url))
        listings = sum(b"Action=ListUsers" in request for request in server.requests)
    assert all(isinstance(result, NotFound) for result in results)
    assert listings <= 3


def test_what_is_not_offered_says_so() -> None:
    async def go(url: str) -> None:
        async with AwsIam(config(url)) as backend:
            token = await backend.read(TokenRef("aws", "access-key", KEY))
            await backend.plan(Verb.DISCONNECT, token)

    with world() as server, pytest.raises(Unsupported, match="no disconnect"):
        asyncio.run(go(server.url))


def test_a_page_of_another_system_is_not_taken_for_an_empty_account() -> None:
    with serving(answer(200, b"<html/>")) as server, pytest.raises(BadAnswer):
        listed(server.url)
    empty = answer(200, b"<ListUsersResponse/>", "Content-Type: text/xml")
    with world(ListUsers=empty) as server, pytest.raises(BadAnswer):
        listed(server.url)
