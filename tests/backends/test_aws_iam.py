"""What the aws_iam backend reads from moto's server with enforcement of keys and policies."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lab import (
    ACCOUNT,
    Seen,
    config,
    dead_url,
    look,
    made,
    reader_with,
    ref,
    server,
    stream_of,
    with_,
)
from botocore.exceptions import ClientError

from backends.aws_iam import AwsIam, ids
from backends.contract import BackendConfig, Readable, Support, Verb
from backends.errors import AuthFailed, Forbidden, Unreachable
from backends.lab import moto
from backends.lab.moto import LabKey, MotoServer
from backends.model import GapKind, Grant, How, Secret, TokenState
from backends.registry import configure

pytestmark = pytest.mark.lab
__all__ = ["made", "server"]


@pytest.fixture(scope="module")
def seen(server: MotoServer) -> Seen:
    return look(config(server))


def test_every_key_of_the_account_is_listed_and_nothing_else(
    server: MotoServer, seen: Seen
) -> None:
    there = set()
    for user in server.iam.list_users()["Users"]:
        if not user["UserName"].startswith(("t-", "r-")):
            keys = server.iam.list_access_keys(UserName=user["UserName"])
            there |= {key["AccessKeyId"] for key in keys["AccessKeyMetadata"]}
    assert set(seen.tokens) == there
    assert len(there) >= 30


def test_the_scopes_are_done_and_count_what_they_listed(seen: Seen) -> None:
    assert {done.scope for done in seen.done} == set(ids.shards(ACCOUNT))
    assert sum(done.seen for done in seen.done) == len(seen.tokens)
    assert seen.progress[-1].done == seen.progress[-1].total


def test_coverage_says_that_there_is_no_cloudtrail_and_what_nobody_can_list(seen: Seen) -> None:
    said = {gap.what: gap.kind for gap in seen.gaps}
    assert any("CloudTrail LookupEvents is not available here" in what for what in said)
    assert any("temporary credentials (ASIA" in what for what in said)
    assert set(said.values()) == {GapKind.UNLISTABLE}, "nothing failed and nothing was refused"
    assert all(token.created_by.how is How.NOT_TRACKED for token in seen.tokens.values())


def test_owner_is_a_users_tag_or_known_to_be_nobody(server: MotoServer, seen: Seen) -> None:
    how = {token.owner.how for token in seen.tokens.values()}
    assert how == {How.KNOWN, How.NEVER}
    for token in seen.tokens.values():
        principal = token.principal.value
        assert principal
        tags = server.iam.list_user_tags(UserName=principal.name)["Tags"]
        values = {tag["Key"].casefold(): tag["Value"] for tag in tags}
        expected = values.get("owner") or values.get("team") or values.get("contact")
        assert token.owner.value == (expected.strip() if expected else None)


def test_names_and_values_as_iam_allows_them_are_kept_as_they_are(seen: Seen) -> None:
    names = {t.principal.value.name: t for t in seen.tokens.values() if t.principal.value}
    token = names[moto.HOSTILE_USER]
    assert token.name == f"{moto.HOSTILE_USER}/{token.ref.id[-4:]}"
    assert token.owner.value == moto.HOSTILE_OWNER[:256]
    assert ("path", moto.HOSTILE_PATH) in token.facts


def test_grants_are_own_policies_and_those_of_groups(server: MotoServer, made: LabKey) -> None:
    server.iam.add_user_to_group(GroupName="developers", UserName=made.user)
    server.allow(made.user, "s3:*", policy="own")
    arn = "arn:aws:iam::aws:policy/SecurityAudit"
    server.iam.attach_user_policy(UserName=made.user, PolicyArn=arn)
    expected = {
        Grant("group", "developers"),
        Grant("inline policy", "own"),
        Grant("managed policy", "SecurityAudit"),
        Grant("inline policy", "deny-billing", via="group developers"),
        Grant("managed policy", "PowerUserAccess", via="group developers"),
        Grant("managed policy", "IAMReadOnlyAccess", via="group developers"),
    }
    for credential in ("reader", "admin"):
        # The reader sees it in the account's details, the administrator user by user.
        token = with_(config(server, credential), lambda backend: backend.read(ref(made)))
        assert set(token.grants.value or ()) == expected
        assert token.owner.value == "payments"


def test_last_use_is_real_and_never_is_never(server: MotoServer, made: LabKey) -> None:
    before = with_(config(server), lambda backend: backend.read(ref(made)))
    assert before.last_used_at.how is How.NEVER
    assert before.last_used_for.how is How.NEVER
    server.client("sts", made).get_caller_identity()
    after = with_(config(server), lambda backend: backend.read(ref(made)))
    assert after.last_used_for.value == "sts in us-east-1"
    used = after.last_used_at.value
    assert used
    assert abs(datetime.now(UTC) - used) < timedelta(minutes=1)
    assert after.last_used_at.granularity == timedelta(minutes=15)
    assert used.utcoffset() == timedelta(0)


def test_states_slots_and_lifetime(server: MotoServer, made: LabKey) -> None:
    second = server.key(made.user)
    server.iam.update_access_key(UserName=made.user, AccessKeyId=second.id, Status="Inactive")
    tokens = look(config(server)).tokens
    assert tokens[made.id].state is TokenState.ACTIVE
    assert tokens[second.id].state is TokenState.DISABLED
    assert ("slots", "2 of 2") in tokens[second.id].facts
    assert tokens[made.id].expires_at.how is How.NEVER
    assert tokens[made.id].created_at.known
    with pytest.raises(ClientError, match="LimitExceeded"):
        server.key(made.user)


@pytest.mark.parametrize(
    ("missing", "kind"),
    [
        ("iam:GetAccessKeyLastUsed", "last use of keys"),
        ("iam:ListAccessKeys", "access keys of the user"),
    ],
)
def test_a_missing_permission_is_a_gap_that_names_it(
    server: MotoServer, missing: str, kind: str
) -> None:
    actions = [action for action in moto.READER_ACTIONS if action != missing]
    found = look(config(server, reader_with(server, *actions)))
    (gap, *_) = [gap for gap in found.gaps if missing in gap.what]
    assert gap.kind is GapKind.REFUSED
    assert kind in gap.what
    assert missing in gap.hint
    users = [user["UserName"] for user in server.iam.list_users()["Users"]]
    done = {scope.scope for scope in found.done}
    refused = {ids.shard_of(ACCOUNT, user) for user in users}
    assert done.isdisjoint(refused) == (missing == "iam:ListAccessKeys"), "not seen is not done"


def test_a_reader_without_the_account_details_still_sees_everything(
    server: MotoServer, made: LabKey
) -> None:
    actions = (
        "iam:ListUsers", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:ListUserTags",
        "iam:ListAttachedUserPolicies", "iam:ListUserPolicies", "iam:ListGroupsForUser",
        "iam:ListAttachedGroupPolicies", "iam:ListGroupPolicies",
    )  # fmt: skip
    found = look(config(server, reader_with(server, *actions)))
    token = found.tokens[made.id]
    assert token.owner.value == "payments"
    assert token.grants.how is How.NOT_PERMITTED, "a boundary may limit them, and is not known"
    full = look(config(server, reader_with(server, *actions, "iam:GetUser")))
    whole = look(config(server))
    for id_, other in full.tokens.items():
        assert other.grants.value == whole.tokens[id_].grants.value
        assert other.owner.value == whole.tokens[id_].owner.value


def test_a_reader_who_may_not_list_users_is_told_so(server: MotoServer) -> None:
    with pytest.raises(Forbidden, match="iam:ListUsers"):
        look(config(server, reader_with(server, "iam:GetUser")))


def test_a_wrong_secret_and_an_unknown_key_are_not_accepted(server: MotoServer) -> None:
    id_ = (server.home / "reader").read_text().partition(":")[0]
    server.keep("wrong", f"{id_}:{'x' * 40}")
    server.keep("unknown", f"AKIARZPUZDIKNOBODY22:{'x' * 40}")
    for name in ("wrong", "unknown"):
        with pytest.raises(AuthFailed) as caught:
            with_(config(server, name), lambda backend: backend.health())
        assert caught.value.hint


def test_a_dead_server_is_unreachable(server: MotoServer) -> None:
    given = config(server)
    url = dead_url()
    dead = BackendConfig(name="aws", type="aws_iam", options={"endpoint_url": url}, read=given.read)
    for work in (stream_of, lambda backend: backend.whoami()):
        with pytest.raises(Unreachable):
            with_(dead, work)


def test_a_secret_is_recognised_by_the_key_id_beside_it(server: MotoServer, made: LabKey) -> None:
    def matches(text: str) -> Any:
        return with_(config(server), lambda backend: backend.identify(Secret(text)))

    for text in (made.id, made.text, f"aws_access_key_id = {made.id}\naws_secret = x"):
        (match,) = matches(text)
        assert match.ref == ref(made)
        assert match.token.principal.value.name == made.user
    assert matches(made.secret) == (), "the secret part alone tells nothing"
    assert matches("AKIARZPUZDIKNOWHERE2") == ()


def test_the_console_knows_its_own_keys_and_principals(server: MotoServer, seen: Seen) -> None:
    me = with_(config(server), lambda backend: backend.whoami())
    own = [(server.home / name).read_text().partition(":")[0] for name in ("reader", "responder")]
    assert [token.id for token in me.own] == own
    assert me.can_act
    assert "token-console-reader" in me.name
    for id_ in own:
        principal = seen.tokens[id_].principal.value
        assert principal
        assert principal.id in me.principals


def test_health_tells_latency_skew_and_account(server: MotoServer) -> None:
    health = with_(config(server), lambda backend: backend.health())
    assert health.latency_ms >= 0
    assert health.skew is not None
    assert abs(health.skew) <= timedelta(seconds=2)
    assert f"account {ACCOUNT}" in health.notes


def test_the_labs_table_configures_a_backend_of_this_type(server: MotoServer) -> None:
    backend = configure("aws", server.table(), act=True)
    assert isinstance(backend, AwsIam)
    (kind,) = backend.capabilities().kinds
    assert kind.can_read(Readable.LIST) is Support.FULL
    assert kind.ability(Verb.REVOKE).support is Support.FULL
    assert kind.ability(Verb.ROTATE).support is Support.FULL
    assert kind.ability(Verb.DISCONNECT).support is Support.NONE
    assert kind.slots == 2
