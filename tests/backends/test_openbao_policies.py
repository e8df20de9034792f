"""Policies of a real OpenBao, opened: texts, conditions, sources, gaps, names."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openbao_fixture import backend, call, create, server, using, with_token
from policy_tools import asked, bare, holding, opened, write

from backends.lab.openbao import NAMESPACE, READER, OpenBaoServer
from backends.model import GapKind, TokenRef
from backends.openbao import OpenBao
from backends.openbao.mapping import APPROLE, SERVICE
from backends.openbao.policies.hcl import NotReadable
from backends.openbao.policies.stanza import CAPABILITIES, stanzas
from backends.permissions import Access, Decision, PermissionEffect

__all__ = ["server"]
pytestmark = pytest.mark.lab

NOW = datetime(2026, 11, 30, tzinfo=UTC)


ODD_TEXTS = [
    'path "x" { capabilities = ["read"] }',
    'path "x" { capabilities = ["read",], }',
    'path "x" { policy = "write" }',
    'path "x" { policy = "deny" capabilities = ["read"] }',
    'path "x" { policy = "read" capabilities = ["sudo"] }',
    '"path" "x" { "capabilities" = ["read"] }',
    "path x { capabilities = [\"list\"] }",
    '# c\n// d\n/* e\n f */ path "x" { capabilities = ["read"] # g\n }',
    'path "x" { capabilities = ["read"] } path "x" { capabilities = ["list"] }',
    'path "x" { capabilities = ["read"] capabilities = ["list"] }',
    'name = "n" path "x" { capabilities = ["read"] }',
    'path "x" { comment = "why } \\" not" capabilities = ["read"] }',
    'path "\\u0078" { capabilities = ["read"] }',
    'path "\\170" { capabilities = ["read"] }',
    'path "\\x78" { capabilities = ["read"] }',
    'path "/x" { capabilities = ["read"] }',
    'path "x" { comment = <<EOT\npath "y" {}\nEOT\n capabilities = ["read"] }',
    'path "x" { comment = <<-EOT\n  two\n  EOT\n capabilities = ["read"] }',
    'path "x" { capabilities = ["read"] expiration = "2001-01-01T00:00:00Z" }',
    'path "x" { capabilities = ["read"] expiration = "2101-01-01T00:00:00Z" }',
    'path "x" { capabilities = ["update"] min_wrapping_ttl = "1m" max_wrapping_ttl = 90 }',
    'path "x" { capabilities = ["update"] allowed_parameters = { "a" = ["b", 1], "*" = [] } }',
    'path "x" { capabilities = ["update"] denied_parameters { "a" = [] } }',
    'path "x" { capabilities = ["update"] required_parameters = ["a"] }',
    'path "x" { capabilities = ["list"] pagination_limit = 5 }',
    '{"path": {"x": {"capabilities": ["read"]}, "y": {"policy": "write"}}}',
    '{"path": [{"x": {"capabilities": ["read"]}}, {"x": {"capabilities": ["list"]}}]}',
    '{"path": {"x": {"capabilities": ["update"], "allowed_parameters": {"a": ["b"]}}}}',
    "# nothing but words",
    'path "x" {}',
    'path "x" { capabilities = [] }',
    # What the server does not take:
    'path "x" { capabilities = ["fly"] }',
    'path "x" { capabilities = "read" }',
    'path "x" { policy = "admin" }',
    'path "x" { powers = ["read"] }',
    'path "+*" { capabilities = ["read"] }',
    'path = { "x" = { capabilities = ["read"] } }',
    'path "x" { capabilities = ["read"]',
    'paths "x" { capabilities = ["read"] }',
    'path "x" { comment = "\\q" }',
    'path "x" { capabilities = ["read" "list"] }',
    "path 'x' { capabilities = [\"read\"] }",
    'path "a{{identity.entity.id" { capabilities = ["read"] }',
]  # fmt: skip


def test_the_reader_understands_the_texts_that_the_server_takes_and_no_others(
    server: OpenBaoServer,
) -> None:
    wrong: list[str] = []

    async def compare(bao: OpenBao) -> None:
        with server.client() as root:
            for number, text in enumerate(ODD_TEXTS):
                name = f"odd-{number}"
                put = root.put(f"sys/policies/acl/{name}", json={"policy": text})
                taken = put.status_code in (200, 204)
                understood = True
                try:
                    stanzas(text, "odd", NOW)
                except NotReadable:
                    understood = False
                if taken != understood:
                    wrong.append(f"{text!r}: taken {taken}, understood {understood}")
                if not taken:
                    continue
                body = {"policies": [name], "no_default_policy": True}
                auth = root.post("auth/token/create-orphan", json=body).json()["auth"]
                body = {"accessor": auth["accessor"], "paths": ["x"]}
                told = root.post("sys/capabilities-accessor", json=body).json()["data"]["x"]
                ref = TokenRef("bao", SERVICE, auth["accessor"])
                permissions = await bao.permissions(bare(ref))
                given = {
                    action
                    for action in CAPABILITIES
                    if bao.permits(permissions, action, "x").decision
                    in (Decision.ALLOWED, Decision.CONDITIONAL)
                }
                if given != set(told) - {"deny"}:
                    wrong.append(f"{text!r}: {told} and {given}")

    using(backend(server), compare)
    assert not wrong, "\n".join(wrong)


def test_a_text_that_the_server_takes_by_its_leniency_is_a_gap(server: OpenBaoServer) -> None:
    """It takes JSON without its end. What that means is not guessed at here."""
    assert write(server, "torn", '{"path": {"t": {"capabilities": ["read"]}}') == 204
    permissions = opened(server, holding(server, "torn").ref)
    assert permissions.gaps[0].kind is GapKind.FAILED
    assert "the policy torn: it is not understood" in permissions.gaps[0].what
    assert asked(server, permissions, "read", "t").decision is Decision.UNKNOWN


@given(st.text(alphabet='{}[]"\\/*#=,<-\nEOTpath x1.$+', max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(NotReadable):
        stanzas(text, "any", NOW)


@pytest.mark.parametrize("text", ["[" * 5_000, "a=" + "[" * 5_000, "a {" * 5_000, '{"a":' * 50_000])
def test_a_text_that_is_nested_without_end_is_not_readable(text: str) -> None:
    with pytest.raises(NotReadable):
        stanzas(text, "deep", NOW)


def test_a_limit_is_a_condition_and_of_two_policies_for_a_path_both_bind(
    server: OpenBaoServer,
) -> None:
    limited = 'path "c/x" { capabilities = ["update"] allowed_parameters = { "a" = ["1", "2"] } }'
    write(server, "limited", limited)
    write(server, "plain", 'path "c/x" { capabilities = ["update", "read", "list"] }')
    permissions = opened(server, holding(server, "limited", "plain").ref)
    answer = asked(server, permissions, "update", "c/x")
    assert answer.decision is Decision.CONDITIONAL
    assert {row.source for row in answer.because} == {"policy limited", "policy plain"}
    for row in answer.because:
        assert row.conditions == ("allowed_parameters a = 1 | 2",)
    assert asked(server, permissions, "list", "c/x").decision is Decision.ALLOWED
    assert asked(server, permissions, "delete", "c/x").decision is Decision.DENIED
    # The server itself lets the allowed value pass the rules, and refuses another.
    made = holding(server, "limited", "plain")
    assert call(server, "POST", "c/x", {"a": "1"}, token=made.value)[0] == 404
    assert call(server, "POST", "c/x", {"a": "3"}, token=made.value)[0] == 403


def test_a_plain_read_is_let_in_whatever_parameters_are_allowed(server: OpenBaoServer) -> None:
    limits = 'allowed_parameters = { "a" = [] } denied_parameters = { "*" = [] }'
    write(server, "read-limited", f'path "secret/data/*" {{ capabilities = ["read"] {limits} }}')
    made = holding(server, "read-limited")
    answer = asked(server, opened(server, made.ref), "read", "secret/data/data/api")
    assert answer.decision is Decision.ALLOWED
    assert call(server, "GET", "secret/data/data/api", token=made.value)[0] == 200


def test_a_policy_that_may_not_be_read_is_a_gap_with_the_line_that_is_missing(
    server: OpenBaoServer,
) -> None:
    write(server, "half", 'path "h/*" { capabilities = ["read"] }')
    write(server, "blind-reader", "\n".join(
        line for line in READER.splitlines() if "policies/acl" not in line
    ))  # fmt: skip
    ref = holding(server, "half", no_default_policy=True).ref
    permissions = opened(server, ref, read=with_token(server, "blind", ["blind-reader"]))
    assert permissions.rows == ()
    (gap,) = permissions.gaps
    assert gap.kind is GapKind.REFUSED
    assert gap.what == "the policy half"
    assert gap.hint == 'path "sys/policies/acl/*" { capabilities = ["read"] }'
    assert asked(server, permissions, "read", "h/x").decision is Decision.UNKNOWN
    # With the line added, nothing is missing.
    assert opened(server, ref).gaps == ()


def test_one_policy_that_is_denied_leaves_the_others_open(server: OpenBaoServer) -> None:
    write(server, "open-one", 'path "o/*" { capabilities = ["read"] }'
          '\npath "o/shut" { capabilities = ["deny"] }')  # fmt: skip
    write(server, "shut-one", 'path "o/*" { capabilities = ["deny"] }')
    write(server, "reader-but-one", READER + 'path "sys/policies/acl/shut-one" '
          '{ capabilities = ["deny"] }')  # fmt: skip
    ref = holding(server, "open-one", "shut-one").ref
    permissions = opened(server, ref, read=with_token(server, "butone", ["reader-but-one"]))
    assert [gap.what for gap in permissions.gaps] == ["the policy shut-one"]
    assert "denies it" in permissions.gaps[0].hint
    answer = asked(server, permissions, "read", "o/x")
    assert answer.decision is Decision.CONDITIONAL, "the unread policy does deny it"
    assert "the policy shut-one" in answer.detail
    assert asked(server, permissions, "update", "o/x").decision is Decision.UNKNOWN
    # Nothing can win over a deny of the very path.
    assert asked(server, permissions, "read", "o/shut").decision is Decision.DENIED
    assert asked(server, opened(server, ref), "read", "o/x").decision is Decision.DENIED


def test_a_row_says_by_which_policy_and_which_group_it_came(server: OpenBaoServer) -> None:
    write(server, "by-group", 'path "g/*" { capabilities = ["read"] }')
    write(server, "by-entity", 'path "e/{{identity.entity.name}}" { capabilities = ["read"] }')
    entity = call(server, "POST", "identity/entity",
                  {"name": "etienne", "policies": ["by-entity"]})[1]["data"]["id"]  # fmt: skip
    mounts = call(server, "GET", "sys/auth")[1]["data"]
    call(server, "POST", "identity/entity-alias", {
        "name": "etienne", "canonical_id": entity, "mount_accessor": mounts["token/"]["accessor"],
    })  # fmt: skip
    call(server, "POST", "identity/group",
         {"name": "ops", "member_entity_ids": [entity], "policies": ["by-group"]})  # fmt: skip
    call(server, "POST", "auth/token/roles/etienne",
         {"allowed_entity_aliases": ["etienne"], "allowed_policies": ["default"]})  # fmt: skip
    made = create(server, path="create/etienne", entity_alias="etienne")
    permissions = opened(server, made.ref)
    sources = {row.resource: row.source for row in permissions.rows}
    assert sources["g/*"] == "policy by-group, via group ops"
    assert sources["e/etienne"] == "policy by-entity, via entity etienne"
    assert sources["auth/token/lookup-self"] == "policy default"
    # A console that may not see entities keeps the template, and says that it cannot tell.
    write(server, "no-entities", "\n".join(
        line for line in READER.splitlines() if "identity/entity" not in line
    ))  # fmt: skip
    read = with_token(server, "noentities", ["no-entities"])
    blind = opened(server, made.ref, read=read)
    answer = asked(server, blind, "read", "e/etienne")
    assert answer.decision is Decision.CONDITIONAL
    assert "template" in answer.detail
    assert any("its entity" in gap.what for gap in blind.gaps)


def test_a_value_that_no_template_may_have_is_a_gap(server: OpenBaoServer) -> None:
    write(
        server, "slashed", 'path "s/{{identity.entity.metadata.where}}" { capabilities = ["read"] }'
    )
    entity = call(server, "POST", "identity/entity",
                  {"name": "slasher", "metadata": {"where": "a/b"}})[1]["data"]["id"]  # fmt: skip
    mounts = call(server, "GET", "sys/auth")[1]["data"]
    call(server, "POST", "identity/entity-alias", {
        "name": "slasher", "canonical_id": entity, "mount_accessor": mounts["token/"]["accessor"],
    })  # fmt: skip
    call(server, "POST", "auth/token/roles/slasher",
         {"allowed_entity_aliases": ["slasher"], "allowed_policies": ["slashed"]})  # fmt: skip
    made = create(server, path="create/slasher", entity_alias="slasher", policies=["slashed"])
    (gap,) = opened(server, made.ref).gaps
    assert "identity.entity.metadata.where has a /" in gap.what


def test_root_may_do_everything(server: OpenBaoServer) -> None:
    permissions = opened(server, holding(server, "root").ref)
    (row,) = permissions.rows
    assert (row.action, row.resource, row.access) == ("root", "*", Access.ADMIN)
    assert asked(server, permissions, "delete", "sys/audit/x").decision is Decision.ALLOWED


def test_rights_in_a_namespace_are_told_with_its_name(server: OpenBaoServer) -> None:
    ns = f"{NAMESPACE}/"
    write(server, "branch", 'path "kv/*" { capabilities = ["read"] }', ns)
    made = holding(server, "branch", ns=ns)
    permissions = opened(server, made.ref)
    assert permissions.gaps == ()
    row = permissions.rows[0]
    assert (row.resource, row.source) == (f"{ns}kv/*", f"policy branch in {ns}")
    assert asked(server, permissions, "read", f"{ns}kv/x").decision is Decision.ALLOWED
    assert asked(server, permissions, "read", "kv/x").decision is Decision.DENIED


def test_sudo_paths_ask_for_sudo_too(server: OpenBaoServer) -> None:
    write(server, "half-root", 'path "sys/*" { capabilities = ["read", "list"] }'
          '\npath "sys/audit" { capabilities = ["read"] }')  # fmt: skip
    made = holding(server, "half-root")
    permissions = opened(server, made.ref)
    for path in ("sys/audit", "sys/leases"):
        assert asked(server, permissions, "read", path).decision is Decision.DENIED
        assert call(server, "GET", path, token=made.value)[0] == 403
    assert asked(server, permissions, "read", "sys/mounts").decision is Decision.ALLOWED
    assert call(server, "GET", "sys/mounts", token=made.value)[0] == 200


def test_addresses_are_a_condition_of_every_row(server: OpenBaoServer) -> None:
    call(server, "POST", "auth/token/roles/bound",
         {"token_bound_cidrs": ["10.0.0.0/8"], "allowed_policies": ["default"]})  # fmt: skip
    permissions = opened(server, create(server, path="create/bound").ref)
    assert permissions.rows
    assert all("from the addresses 10.0.0.0/8" in row.conditions for row in permissions.rows)


def test_a_disabled_entity_is_a_condition_of_every_row(server: OpenBaoServer) -> None:
    made = create(server, path="create/search", entity_alias="search-indexer")
    path = "secret/data/search/x"
    assert asked(server, opened(server, made.ref), "read", path).decision is Decision.ALLOWED
    entity = "identity/entity/name/search-indexer"
    assert call(server, "POST", entity, {"disabled": True})[0] in (200, 204)
    try:
        answer = asked(server, opened(server, made.ref), "read", path)
        assert answer.decision is Decision.CONDITIONAL
        assert "its entity, which is disabled, is enabled again" in answer.because[0].conditions
        assert call(server, "GET", path, token=made.value)[0] == 403
    finally:
        call(server, "POST", entity, {"disabled": False})


def test_what_only_vault_knows_is_read_too() -> None:
    """No server of the lab takes it, so this is after its documentation."""
    text = 'path "e/*" { capabilities = ["subscribe"] subscribe_event_types = ["kv*"] }'
    (stanza,) = stanzas(text, "vault's", NOW)
    assert stanza.capabilities == {"subscribe"}
    assert stanza.limits.words("subscribe") == ("subscribe_event_types kv*",)


def test_a_secret_id_is_told_by_what_a_log_in_gets_and_its_entity_is_a_gap(
    server: OpenBaoServer,
) -> None:
    issued = call(server, "POST", "auth/approle/role/scanner/secret-id", {})[1]["data"]
    ref = TokenRef("bao", APPROLE, f"scanner/{issued['secret_id_accessor']}")
    permissions = opened(server, ref)
    assert permissions.subject == "a token that a log-in with it gets"
    assert any(
        row.source == "policy security-read, via role scanner"
        and row.resource == "secret/data/security/*"
        for row in permissions.rows
    )
    assert permissions.gaps[0].what == "policies that the log-in gets by its entity and its groups"


@pytest.mark.parametrize(
    "name",
    ["../../sys/mounts", "..", "a/../b", "\x1b[31mred\x07", "[bold]x[/]", "\u202egnp", "x" * 300,
     "ghost", "a b?c#d%2e", "'; drop table x; --"],
)  # fmt: skip
def test_a_policy_with_a_hostile_name_bends_no_path(server: OpenBaoServer, name: str) -> None:
    """It does not exist, so it gives nothing; or it cannot be asked for, and is a gap."""
    status, answer = call(
        server, "POST", "auth/token/create", {"policies": [name], "no_default_policy": True}
    )
    if status != 200:
        pytest.skip("the server takes no such name")
    ref = TokenRef("bao", "service-token", answer["auth"]["accessor"])
    permissions = opened(server, ref)
    assert permissions.rows == ()
    decision = asked(server, permissions, "read", "secret/data/x").decision
    assert decision is (Decision.UNKNOWN if permissions.gaps else Decision.DENIED)


def test_a_policy_with_signs_in_its_name_is_opened_as_any_other(server: OpenBaoServer) -> None:
    text = 'path "odd/*" { capabilities = ["read"] }'
    assert write(server, "team%2Fa%20b%3Fc", text) == 204
    permissions = opened(server, holding(server, "team/a b?c", no_default_policy=True).ref)
    assert [(row.resource, row.source) for row in permissions.rows] == [
        ("odd/*", "policy team/a b?c")
    ]


def test_a_deny_and_a_path_without_capabilities_are_rows(server: OpenBaoServer) -> None:
    write(server, "denying", 'path "d/a" { capabilities = ["deny"] }\npath "d/b" {}')
    permissions = opened(server, holding(server, "denying", no_default_policy=True).ref)
    assert {row.resource: row.effect for row in permissions.rows} == {
        "d/a": PermissionEffect.DENY, "d/b": PermissionEffect.DENY,
    }  # fmt: skip
