"""One look-up that is refused hides nothing else: it is counted, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openbao_fixture import (
    Made,
    backend,
    create,
    inventory,
    tokens_in,
    using,
    with_token,
)
from openbao_fixture import call as bare

from backends.errors import Forbidden
from backends.lab.openbao import OpenBaoServer
from backends.model import Gap, GapKind, How, ScopeDone, Secret
from backends.openbao.mapping import APPROLE
from console.inventory.search import Inventory
from console.inventory.sync import Syncer
from console.store.database import open_for_writing

LOOKUP = 'path "auth/token/lookup-accessor"'


def call(server: OpenBaoServer, method: str, path: str, body: Any = None) -> Any:
    """What a bare call tells, which has to work."""
    status, answer = bare(server, method, path, body)
    assert status in (200, 204), answer
    return answer.get("data")


class Raw(OpenBaoServer):
    """A server whose storage can be written to, to damage it as years of use do."""

    def spawn(
        self,
        command: list[str],
        ready: Callable[[], bool],
        *,
        env: Mapping[str, str] = {},
        user: str | None = None,
    ) -> None:
        config = self.home / "server.hcl"
        config.write_text(config.read_text() + "raw_storage_endpoint = true\n")
        super().spawn(command, ready, env=env, user=user)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    running = Raw(tmp_path_factory.mktemp("bao"))
    running.start()
    try:
        running.fill(40)
        yield running
    finally:
        running.stop()


def damaged(server: OpenBaoServer, name: str) -> Made:
    """A token whose own record is lost: its accessor is listed, and no look-up works."""

    def records() -> set[str]:
        return set(call(server, "LIST", "sys/raw/sys/token/id")["keys"])

    before = records()
    made = create(server, policies=["default"], display_name=name)
    for key in records() - before:
        call(server, "DELETE", f"sys/raw/sys/token/id/{key}")
    return made


def gaps_of(found: list[Any]) -> list[Gap]:
    return [item for item in found if isinstance(item, Gap) and item.kind is GapKind.REFUSED]


@pytest.fixture(scope="module")
def broken(server: OpenBaoServer) -> list[Made]:
    return [damaged(server, f"lost-{number}") for number in range(3)]


@pytest.mark.parametrize("reader", ["policy", "root"])
def test_an_accessor_that_is_refused_hides_no_other(
    server: OpenBaoServer, broken: list[Made], reader: str
) -> None:
    read = {"file": str(server.home / ("root.token" if reader == "root" else "read.token"))}
    listed = set(call(server, "LIST", "auth/token/accessors")["keys"])
    found = inventory(server, read=read)
    there = {ref.id for ref in tokens_in(found) if ref.kind == "service-token"}
    lost = {made.accessor for made in broken}
    assert listed - there == lost
    gaps = gaps_of(found)
    assert {gap.what for gap in gaps} == {
        f"the token with the accessor {accessor}: its look-up" for accessor in lost
    }
    for gap in gaps:
        assert LOOKUP not in gap.hint, "that policy is there already"
        assert "server's own record of it may be damaged" in gap.hint
    assert "root/service-token" in {item.scope for item in found if isinstance(item, ScopeDone)}


def test_the_end_of_another_token_is_still_seen(
    server: OpenBaoServer, broken: list[Made], tmp_path: Path
) -> None:
    """What the responder reads: the number that is unseen, and that a revoked one is gone."""
    other = create(server, policies=["default"], display_name="ends-soon")
    engine = open_for_writing(tmp_path / "inventory.db")
    syncer = Syncer(engine)

    def sync() -> Any:
        return using(backend(server), lambda bao: syncer.sync(bao))

    report = sync()
    assert (report.result, report.gaps) == ("partial", len(broken) + 1)
    call(server, "POST", "auth/token/revoke-accessor", {"accessor": other.accessor})
    assert sync().gone == 1
    view = Inventory(tmp_path / "inventory.db")
    (state,) = view.backends()
    assert sum(gap.what.endswith("its look-up") for gap in state.gaps) == len(broken)
    assert view.detail(other.ref.handle) is not None
    assert view.find(other.accessor)[0].presence == "gone"
    view.close()
    engine.dispose()


def test_without_the_policy_the_hint_names_it(server: OpenBaoServer) -> None:
    policy = 'path "auth/token/accessors/" { capabilities = ["list", "sudo"] }'
    call(server, "PUT", "sys/policies/acl/only-list", {"policy": policy})
    listing = with_token(server, "only-list.token", ["only-list", "default"])
    found = inventory(server, read=listing, audit_file=None)
    (gap,) = [gap for gap in gaps_of(found) if gap.scope == "root/service-token"]
    assert gap.hint == f'{LOOKUP} {{ capabilities = ["update"] }}'
    assert not tokens_in(found)


def reading_but(server: OpenBaoServer, name: str, denied: str) -> Any:
    """A credential to read with, that a second policy denies one path."""
    call(server, "PUT", f"sys/policies/acl/{name}", {"policy": denied})
    token = (server.home / "read.token").read_text().strip()
    record = call(server, "POST", "auth/token/lookup", {"token": token})
    return with_token(server, f"{name}.token", [*record["policies"], name])


def test_a_role_that_is_denied_hides_no_other(server: OpenBaoServer) -> None:
    roles = call(server, "LIST", "auth/approle/role")["keys"]
    role = min(roles)
    path = f"auth/approle/role/{role}/secret-id"
    deny = f'path "{path}" {{ capabilities = ["deny"] }}\n'
    deny += f'path "{path}/" {{ capabilities = ["deny"] }}'
    read = reading_but(server, "no-role", deny)
    before = {ref for ref in tokens_in(inventory(server)) if ref.kind == APPROLE}
    assert len({ref.id.partition("/")[0] for ref in before}) > 1
    # One at a time: else all are under way before the refusal comes.
    found = inventory(server, read=read, parallel=1)
    after = {ref for ref in tokens_in(found) if ref.kind == APPROLE}
    assert {ref for ref in before - after if not ref.id.startswith(f"{role}/")} == set()
    (gap,) = [gap for gap in gaps_of(found) if "secret-ids" in gap.what]
    assert gap.what == f"secret-ids of the role {role}"
    assert "+" not in gap.hint
    assert path in gap.hint
    assert "root/approle" not in {item.scope for item in found if isinstance(item, ScopeDone)}


def test_an_entity_that_is_denied_takes_no_other_owner_away(server: OpenBaoServer) -> None:
    whole = tokens_in(inventory(server))
    owned = [
        token
        for token in whole.values()
        if token.owner.source == "entity metadata" and token.principal.value
    ]
    id_ = owned[0].principal.value.id  # type: ignore[union-attr]
    read = reading_but(
        server, "no-entity", f'path "identity/entity/id/{id_}" {{ capabilities = ["deny"] }}'
    )
    # One at a time: else all are under way before the refusal comes.
    found = inventory(server, read=read, parallel=1)
    for ref, token in tokens_in(found).items():
        if ref not in whole or whole[ref].owner.source != "entity metadata":
            continue
        mine = whole[ref].principal.value
        if mine is not None and mine.id == id_ and whole[ref].owner.source == "entity metadata":
            claimed = token.owner.source == "token meta"
            assert token.owner.how is How.NOT_PERMITTED or claimed
        else:
            assert token.owner == whole[ref].owner or token.owner.value == whole[ref].owner.value
    (gap,) = [gap for gap in gaps_of(found) if gap.what.startswith("owners")]
    assert id_ in gap.what
    assert "identity/entity/id/*" not in gap.hint, "that policy is there already"


def test_whose_a_secret_is_is_told_past_a_role_that_is_denied(server: OpenBaoServer) -> None:
    roles = sorted(call(server, "LIST", "auth/approle/role")["keys"])
    made = call(server, "POST", f"auth/approle/role/{roles[-1]}/secret-id")
    deny = f'path "auth/approle/role/{roles[0]}/secret-id/lookup" {{ capabilities = ["deny"] }}'
    read = reading_but(server, "no-lookup", deny)

    def identify(value: str) -> Any:
        return using(backend(server, read=read), lambda bao: bao.identify(Secret(value)))

    (match,) = identify(made["secret_id"])
    assert match.ref.id == f"{roles[-1]}/{made['secret_id_accessor']}"
    with pytest.raises(Forbidden) as unknown:
        identify("00000000-1111-2222-3333-444444444444")
    assert roles[0] in str(unknown.value), "no match is no answer while a role was not asked"
