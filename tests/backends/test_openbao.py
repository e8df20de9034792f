"""The OpenBao backend against a real OpenBao: what it lists, and what it says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

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
    with_token,
)

from backends.errors import AuthFailed, Forbidden, NotFound
from backends.lab.openbao import HOSTILE, NAMESPACE, OpenBaoServer
from backends.model import (
    Gap,
    GapKind,
    How,
    Progress,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
    TokenState,
    decode,
    encode,
)
from backends.openbao.mapping import APPROLE, SERVICE

__all__ = ["server"]
pytestmark = pytest.mark.lab


def test_the_inventory_has_exactly_what_the_server_lists(server: OpenBaoServer) -> None:
    raw = set()
    for ns in ("", f"{NAMESPACE}/"):
        _, answer = call(server, "LIST", f"{ns}auth/token/accessors")
        raw |= set(answer["data"]["keys"])
    secret_ids = set()
    _, roles = call(server, "LIST", "auth/approle/role")
    for role in roles["data"]["keys"]:
        status, answer = call(server, "LIST", f"auth/approle/role/{role}/secret-id")
        if status == 200:
            secret_ids |= {f"{role}/{accessor}" for accessor in answer["data"]["keys"]}

    found = inventory(server)
    tokens = tokens_in(found)
    assert {ref.id for ref in tokens if ref.kind == SERVICE} == raw
    assert {ref.id for ref in tokens if ref.kind == APPROLE} == secret_ids
    assert len(secret_ids) > 3
    done = {item.scope: item.seen for item in found if isinstance(item, ScopeDone)}
    for scope, seen in done.items():
        assert seen == sum(token.scope == scope for token in tokens.values())
    assert {token.scope for token in tokens.values()} <= set(done)
    gaps = [item for item in found if isinstance(item, Gap)]
    assert [gap.kind for gap in gaps] == [GapKind.UNLISTABLE]
    assert "batch" in gaps[0].what
    assert any(isinstance(item, Progress) and item.total for item in found)


def test_a_token_without_an_entity_says_who_owns_made_and_used_it(server: OpenBaoServer) -> None:
    begun = datetime.now(UTC)
    made = create(
        server,
        display_name="invoice-run",
        no_parent=True,
        policies=["payments-read"],
        meta={"Owner": "payments", "why": "invoices"},
        ttl="2h",
    )
    assert call(server, "GET", "secret/data/payments/api", token=made.value)[0] == 200
    silent = create(server, display_name="silent", no_parent=True, policies=["default"])

    tokens = tokens_in(inventory(server))
    token = tokens[made.ref]
    assert token.name == "token-invoice-run"
    assert (token.owner.value, token.owner.source) == ("payments", "token meta")
    created = token.created_at.value
    assert created is not None
    assert abs(created - begun) < timedelta(seconds=30)
    assert token.expires_at.value is not None
    assert timedelta(hours=1) < token.expires_at.value - created <= timedelta(hours=2, seconds=2)
    used = token.last_used_at.value
    assert used is not None
    assert used >= created
    assert token.last_used_at.source == "audit log"
    assert token.last_used_from.value == "127.0.0.1"
    assert token.last_used_for.value == "read secret/data/payments/api"
    assert "auth/token/create" in token.created_by.or_else("")
    assert {grant.name for grant in token.grants.or_else(())} == {"default", "payments-read"}
    assert token.parent.how is How.NEVER
    assert token.binding.value == "bearer"
    assert ("meta why", "invoices") in token.facts

    assert tokens[silent.ref].last_used_at.how is How.NEVER
    assert tokens[silent.ref].owner.how is How.NEVER


def test_a_root_token_never_ends(server: OpenBaoServer) -> None:
    root = call(server, "GET", "auth/token/lookup-self")[1]["data"]["accessor"]
    token = tokens_in(inventory(server))[TokenRef("bao", SERVICE, root)]
    assert token.expires_at.how is How.NEVER
    assert token.last_used_at.known


def test_a_log_that_begins_too_late_does_not_say_never(
    server: OpenBaoServer, tmp_path: Path
) -> None:
    made = create(server, display_name="older", no_parent=True, policies=["default"])
    quiet = tmp_path / "quiet.log"
    quiet.touch()
    token = tokens_in(inventory(server, audit_file=str(quiet)))[made.ref]
    for reading in (token.last_used_at, token.created_by):
        assert reading.how is How.NOT_READ


def test_owner_and_state_come_from_the_entity(server: OpenBaoServer) -> None:
    body = {"name": "robot", "metadata": {"team": "robotics"}, "policies": ["search-read"]}
    entity = call(server, "POST", "identity/entity", body)[1]["data"]["id"]
    mount = call(server, "GET", "sys/auth")[1]["data"]["token/"]["accessor"]
    alias = {"name": "robot-1", "canonical_id": entity, "mount_accessor": mount}
    call(server, "POST", "identity/entity-alias", alias)
    role = {"allowed_entity_aliases": ["robot-1"], "orphan": True}
    call(server, "POST", "auth/token/roles/robots", role)
    made = create(server, path="create/robots", entity_alias="robot-1", meta={"owner": "someone"})

    token = tokens_in(inventory(server))[made.ref]
    assert (token.owner.value, token.owner.source) == ("robotics", "entity metadata")
    principal = token.principal.value
    assert principal is not None
    assert (principal.id, principal.name, principal.kind) == (entity, "robot", "entity")
    vias = {grant.name: grant.via for grant in token.grants.or_else(())}
    assert vias["search-read"] == "entity robot"
    assert token.state is TokenState.ACTIVE

    call(server, "POST", f"identity/entity/id/{entity}", {"disabled": True})
    assert tokens_in(inventory(server))[made.ref].state is TokenState.DISABLED


def test_a_childs_parent_is_known_from_the_log_alone(server: OpenBaoServer) -> None:
    parent = create(server, display_name="mother", no_parent=True, policies=["ci-read"])
    child = create(server, by=parent.value, display_name="child", policies=["ci-read"])
    tokens = tokens_in(inventory(server))
    assert tokens[child.ref].parent.value == parent.ref
    assert tokens[child.ref].created_by.value == "token-mother (auth/token/create)"


def test_a_secret_id_says_when_somebody_logged_in_with_it(server: OpenBaoServer) -> None:
    role = "auth/approle/role/payments-api"
    body = {"metadata": '{"owner": "ledger", "name": "blue"}', "cidr_list": ["127.0.0.0/8"]}
    secret = call(server, "POST", f"{role}/secret-id", body)[1]["data"]
    unused = call(server, "POST", f"{role}/secret-id", {})[1]["data"]
    role_id = call(server, "GET", f"{role}/role-id")[1]["data"]["role_id"]
    login = {"role_id": role_id, "secret_id": secret["secret_id"]}
    status, answer = call(server, "POST", "auth/approle/login", login)
    assert status == 200

    tokens = tokens_in(inventory(server))
    token = tokens[TokenRef("bao", APPROLE, f"payments-api/{secret['secret_id_accessor']}")]
    assert token.name == "payments-api blue"
    assert token.owner.value == "ledger"
    assert token.principal.value is not None
    assert token.principal.value.name == "payments-api"
    assert token.last_used_for.value == "update auth/approle/login"
    assert token.binding.value == "addresses 127.0.0.0/8"
    assert [grant.name for grant in token.grants.or_else(())] == ["payments-read"]
    other = tokens[TokenRef("bao", APPROLE, f"payments-api/{unused['secret_id_accessor']}")]
    assert other.last_used_at.how is How.NEVER
    assert other.owner.how is How.NEVER

    session = TokenRef("bao", SERVICE, answer["auth"]["accessor"])
    assert tokens[session].owner.value == "payments@corp.example"
    assert tokens[session].parent.how is How.NEVER


def test_without_an_audit_file_use_is_not_tracked_and_says_why(server: OpenBaoServer) -> None:
    made = create(server, display_name="plain", policies=["default"])
    token = tokens_in(inventory(server, audit_file=None))[made.ref]
    for reading in (token.last_used_at, token.created_by):
        assert reading.how is How.NOT_TRACKED
        assert "audit_file" in reading.source
    assert token.parent.how is How.NOT_TRACKED
    assert token.created_at.known


def test_an_audit_file_that_cannot_be_read_is_a_gap(server: OpenBaoServer) -> None:
    found = inventory(server, audit_file="/nonexistent/audit.log")
    gaps = [item for item in found if isinstance(item, Gap) and item.kind is GapKind.FAILED]
    assert len(gaps) == 1
    assert "last use" in gaps[0].what
    token = next(iter(tokens_in(found).values()))
    assert token.last_used_at.how is How.NOT_READ


def test_another_nodes_log_is_joined_by_asking_for_the_hashes(
    server: OpenBaoServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = create(server, display_name="copied", no_parent=True, policies=["payments-read"])
    call(server, "GET", "secret/data/payments/api", token=made.value)
    # A copy has the use, and not the look-ups that the console is about to make.
    copy = tmp_path_factory.mktemp("copy") / "audit.log"
    copy.write_bytes(server.audit_file.read_bytes())
    found = inventory(server, audit_file=str(copy))
    token = tokens_in(found)[made.ref]
    assert token.last_used_for.value == "read secret/data/payments/api"

    narrow = 'path "auth/token/*" { capabilities = ["list", "sudo", "update", "read"] }'
    call(server, "PUT", "sys/policies/acl/no-hash", {"policy": narrow})
    read = with_token(server, "nohash.token", ["no-hash"])
    found = inventory(server, audit_file=str(copy), read=read)
    assert tokens_in(found)[made.ref].last_used_at.how is How.NOT_READ
    hints = [item.hint for item in found if isinstance(item, Gap)]
    # The log that has the console's own look-ups needs no such permission.
    joined = tokens_in(inventory(server, read=read))[made.ref]
    assert joined.last_used_for.value == "read secret/data/payments/api"
    assert 'path "sys/audit" { capabilities = ["read", "sudo"] }' in hints


def test_namespaces_are_found_and_named(server: OpenBaoServer) -> None:
    ns = f"{NAMESPACE}/"
    made = create(server, ns, display_name="abroad", meta={"owner": "branch"}, ttl="1h")
    assert "." in made.accessor
    found = inventory(server)
    token = tokens_in(found)[made.ref]
    assert token.scope == f"{ns}service-token"
    assert token.owner.value == "branch"
    assert token.created_by.known
    assert ("namespace", ns) in token.facts
    again = using(backend(server), lambda bao: bao.read(made.ref))
    assert (again.ref, again.owner) == (token.ref, token.owner)
    only = tokens_in(inventory(server, namespaces=[NAMESPACE]))
    assert {token.scope for token in only.values()} == {f"{ns}service-token"}


def test_a_missing_permission_is_a_gap_that_names_the_policy(server: OpenBaoServer) -> None:
    nothing = with_token(server, "nothing.token", ["default"])
    found = inventory(server, read=nothing, audit_file=None)
    assert not tokens_in(found)
    assert not [item for item in found if isinstance(item, ScopeDone)]
    gaps = {item.scope: item for item in found if isinstance(item, Gap)}
    assert gaps["root/service-token"].kind is GapKind.REFUSED
    assert 'path "auth/token/accessors/"' in gaps["root/service-token"].hint
    assert 'path "auth/approle/role/"' in gaps["root/approle"].hint
    assert 'path "sys/namespaces/"' in gaps["root/"].hint

    policy = 'path "auth/token/accessors/" { capabilities = ["list", "sudo"] }'
    call(server, "PUT", "sys/policies/acl/list-only", {"policy": policy})
    listing = with_token(server, "list.token", ["list-only"])
    found = inventory(server, read=listing, audit_file=None)
    gap = next(item for item in found if isinstance(item, Gap) and "look" in item.hint)
    assert gap.kind is GapKind.REFUSED
    assert gap.hint == 'path "auth/token/lookup-accessor" { capabilities = ["update"] }'
    assert not [item for item in found if isinstance(item, ScopeDone)]
    made = create(server, policies=["default"])
    with pytest.raises(Forbidden):
        using(backend(server, read=listing), lambda bao: bao.read(made.ref))


def test_refused_entities_make_the_owner_not_permitted(server: OpenBaoServer) -> None:
    policy = 'path "auth/token/*" { capabilities = ["list", "sudo", "update", "read"] }'
    call(server, "PUT", "sys/policies/acl/no-entities", {"policy": policy})
    read = with_token(server, "entities.token", ["no-entities"])
    found = inventory(server, read=read, audit_file=None)
    owners = [token.owner for token in tokens_in(found).values()]
    refused = [owner for owner in owners if owner.how is How.NOT_PERMITTED]
    assert refused
    assert "identity/entity/id/*" in refused[0].source
    gaps = [item for item in found if isinstance(item, Gap) and "owners" in item.what]
    assert len(gaps) == 1


def test_a_wrong_token_is_told_from_a_missing_permission(server: OpenBaoServer) -> None:
    read = {"file": str(server.keep("wrong.token", "s.AAAAAAAAAAAAAAAAAAAAAAAA"))}
    made = create(server, policies=["default"])
    with pytest.raises(AuthFailed):
        inventory(server, read=read)
    with pytest.raises(AuthFailed):
        using(backend(server, read=read), lambda bao: bao.whoami())
    with pytest.raises(AuthFailed):
        using(backend(server, read=read), lambda bao: bao.read(made.ref))
    with pytest.raises(AuthFailed):
        using(backend(server, read=read), lambda bao: bao.identify(Secret(made.value)))


def test_a_token_that_dies_during_the_listing_is_no_gap(
    server: OpenBaoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bao = backend(server)
    keys = bao._client.keys

    async def with_a_dead_one(ns: str, path: str) -> list[str]:
        listed = await keys(ns, path)
        dead = ["AAAAAAAAAAAAAAAAAAAAAAAA"] if not ns and "accessors" in path else []
        return [*listed, *dead]

    monkeypatch.setattr(bao._client, "keys", with_a_dead_one)
    found = using(bao, lambda bao: everything(bao.inventory()))
    assert [item.kind for item in found if isinstance(item, Gap)] == [GapKind.UNLISTABLE]
    assert "root/service-token" in {item.scope for item in found if isinstance(item, ScopeDone)}


def test_read_says_not_found_only_of_what_is_gone(server: OpenBaoServer) -> None:
    gone = [
        TokenRef("bao", SERVICE, "AAAAAAAAAAAAAAAAAAAAAAAA"),
        TokenRef("bao", SERVICE, "AAAAAAAAAAAAAAAAAAAAAAAA.zzzzzz"),
        TokenRef("bao", APPROLE, "payments-api/00000000-0000-0000-0000-000000000000"),
        TokenRef("bao", APPROLE, "no-such-role/00000000-0000-0000-0000-000000000000"),
        TokenRef("bao", APPROLE, "../../sys/seal"),
        TokenRef("bao", APPROLE, "auth/approle/../x"),
        TokenRef("bao", "nonsense", "x"),
    ]
    for ref in gone:
        with pytest.raises(NotFound):
            using(backend(server), lambda bao, ref=ref: bao.read(ref))  # type: ignore[misc]


def test_hostile_names_arrive_as_they_were_given(server: OpenBaoServer) -> None:
    tokens = list(tokens_in(inventory(server)).values())
    owners = {token.owner.value for token in tokens if token.owner.source == "token meta"}
    assert set(HOSTILE) <= owners
    for token in tokens:
        assert decode(encode(token), Token) == token
