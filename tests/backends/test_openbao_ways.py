"""Ways to more than a policy says, and the secrets that it reads, against a real OpenBao."""

from __future__ import annotations

import pytest
from openbao_fixture import call, server, with_token
from policy_tools import asked, holding, opened, write

from backends.lab.openbao import READER, OpenBaoServer
from backends.openbao.policies.opening import sentinel
from backends.openbao.policies.ways import TOO_MANY
from backends.permissions import Decision

__all__ = ["server"]
pytestmark = pytest.mark.lab

WAYS = {
    "root": "",
    "write-policies": 'path "sys/policies/acl/team-*" { capabilities = ["update"] }',
    "mount-auth": 'path "sys/auth/+" { capabilities = ["create", "sudo"] }',
    "write-auth-roles": 'path "auth/userpass/*" { capabilities = ["create"] }',
    "write-token-roles": 'path "auth/token/*" { capabilities = ["create", "update"] }',
    "take-over-users": 'path "auth/userpass/users/bob/password" { capabilities = ["update"] }',
    "mint-logins": 'path "auth/approle/role/+/secret-id" { capabilities = ["update"] }',
    "write-identity": 'path "identity/group/name/ops" { capabilities = ["update"] }',
    "create-tokens": 'path "auth/token/create" { capabilities = ["update", "sudo"] }',
    "raw-storage": 'path "sys/raw/*" { capabilities = ["read", "sudo"] }',
}


@pytest.mark.parametrize("code", WAYS)
def test_a_way_to_more_is_told_with_the_rows_that_open_it(server: OpenBaoServer, code: str) -> None:
    if WAYS[code]:
        write(server, f"way-{code}", WAYS[code])
    name = f"way-{code}" if WAYS[code] else "root"
    permissions = opened(server, holding(server, name).ref)
    ways = {way.code: way for way in permissions.elevations}
    assert code in ways
    assert all(f"policy {name}" in row.source for row in ways[code].by)


@pytest.mark.parametrize(
    "text",
    [
        'path "auth/token/create" { capabilities = ["update"] }',
        'path "sys/auth/*" { capabilities = ["update"] }',
        'path "sys/policies/acl/*" { capabilities = ["read", "list"] }',
        'path "sys/policies/*" { capabilities = ["update"] }\n'
        'path "sys/policies/acl/*" { capabilities = ["deny"] }\n'
        'path "sys/policies/acl/+" { capabilities = ["deny"] }',
        'path "secret/*" { capabilities = ["create", "update", "sudo"] }',
        'path "auth/token/roles/*" { capabilities = ["create", "update"] }',
        READER,
    ],
)
def test_no_way_is_told_where_there_is_none(server: OpenBaoServer, text: str) -> None:
    write(server, "no-way", text)
    assert opened(server, holding(server, "no-way").ref).elevations == ()


def test_the_ways_of_the_consoles_own_credential_to_act(server: OpenBaoServer) -> None:
    """As its documentation says; and no more, though a plus for a namespace covers sys too."""
    permissions = opened(server, holding(server, "console-reader", "console-responder").ref)
    ways = {way.code: way.conditional for way in permissions.elevations}
    assert ways == {"mint-logins": False, "write-identity": True, "create-tokens": False}


def test_a_policy_with_a_slash_in_its_name_is_a_way_that_a_plus_does_not_close(
    server: OpenBaoServer,
) -> None:
    write(server, "leaky", 'path "sys/policies/acl/*" { capabilities = ["update"] }'
          '\npath "sys/policies/acl/+" { capabilities = ["deny"] }')  # fmt: skip
    made = holding(server, "leaky")
    assert [way.code for way in opened(server, made.ref).elevations] == ["write-policies"]
    body = {"policy": 'path "x" { capabilities = ["read"] }'}
    assert call(server, "POST", "sys/policies/acl/one", body, token=made.value)[0] == 403
    assert call(server, "POST", "sys/policies/acl/one/two", body, token=made.value)[0] == 204


def test_a_value_in_a_policy_is_not_shown(server: OpenBaoServer) -> None:
    value = "hvs." + "A1b2C3d4" * 4
    limit = f'allowed_parameters = {{ "token" = ["{value}"] }}'
    write(server, "leaking", f'path "l/x" {{ capabilities = ["update"] {limit} }}')
    permissions = opened(server, holding(server, "leaking").ref)
    assert value not in repr(permissions)
    assert asked(server, permissions, "update", "l/x").decision is Decision.CONDITIONAL


def test_what_it_may_do_with_the_policies_it_may_write_is_as_told(server: OpenBaoServer) -> None:
    """The way is real: a token with it gives itself what it had not."""
    write(server, "climber", 'path "sys/policies/acl/climber" { capabilities = ["update"] }')
    made = holding(server, "climber")
    assert [way.code for way in opened(server, made.ref).elevations] == ["write-policies"]
    text = 'path "secret/*" { capabilities = ["read"] }'
    body = {"policy": text}
    assert call(server, "GET", "secret/data/data/api", token=made.value)[0] == 403
    assert call(server, "POST", "sys/policies/acl/climber", body, token=made.value)[0] == 204
    assert call(server, "GET", "secret/data/data/api", token=made.value)[0] == 200


def test_the_secrets_that_it_may_read_are_told_by_their_mounts(server: OpenBaoServer) -> None:
    call(server, "POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    write(
        server,
        "keeper",
        """
        path "secret/*" { capabilities = ["read"] }
        path "secret/data/payments/*" { capabilities = ["deny"] }
        path "old/+/db" { capabilities = ["read"] }
        path "sys/health" { capabilities = ["read"] }
    """,
    )
    permissions = opened(server, holding(server, "keeper").ref)
    told = {row.resource: row.conditions for row in permissions.secrets}
    assert told == {"secret/data/*": ("not secret/data/payments/*",), "old/+/db": ()}
    assert permissions.secret_gaps == ()


def test_without_the_mounts_the_list_of_secrets_is_said_not_to_be_whole(
    server: OpenBaoServer,
) -> None:
    write(server, "no-mounts", "\n".join(
        line for line in READER.splitlines() if "sys/mounts" not in line
    ))  # fmt: skip
    ref = holding(server, "default").ref
    permissions = opened(server, ref, read=with_token(server, "nomounts", ["no-mounts"]))
    assert permissions.gaps == ()
    assert permissions.secret_gaps[0].hint == 'path "sys/mounts" { capabilities = ["read"] }'


def test_of_a_policy_with_very_many_paths_what_was_not_compared_is_said(
    server: OpenBaoServer,
) -> None:
    paths = "".join(
        f'path "secret/data/{number}/*" {{ capabilities = ["read"] }}\n'
        f'path "secret/data/{number}/x" {{ capabilities = ["deny"] }}\n'
        for number in range(200)
    )
    write(server, "vast", paths)
    secrets = opened(server, holding(server, "vast").ref).secrets
    assert len(secrets) == 200
    assert all(row.conditions == (TOO_MANY,) for row in secrets)


def test_policies_of_another_sort_are_a_gap() -> None:
    """Only Vault Enterprise has them, which no lab can start; its version says so."""
    assert sentinel("2.7.2") == []
    assert sentinel("1.18.3") == []
    (gap,) = sentinel("1.18.3+ent.hsm")
    assert "Sentinel" in gap.what
