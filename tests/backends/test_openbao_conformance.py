"""The conformance kit against a real OpenBao."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from openbao_fixture import backend, call, create, server, with_token

from backends.conformance import Check, Relay, Relayed, ThrowAway, checks
from backends.conformance.relay import Request
from backends.contract import Backend, Verb
from backends.lab.openbao import OpenBaoServer
from backends.lab.server import free_port
from backends.model import Secret, TokenRef
from backends.openbao.mapping import APPROLE, SERVICE

__all__ = ["server"]
pytestmark = [pytest.mark.lab, pytest.mark.long]

ROLE = "auth/approle/role/scanner"
NUMBERS = itertools.count()


def changing(request: Request) -> bool:
    """Only a changing request carries the intent's id: here look-ups are POST too."""
    return b"intent/" in request.raw


class OnOpenBao(Relayed):
    """A lab server behind the kit's relay; its own means are calls as root."""

    def __init__(self, server: OpenBaoServer, relay: Relay) -> None:
        self.server = server
        self.relay = relay

    def backend(self, *, act: bool = False) -> Backend:
        return backend(self.server, acting=act, url=self.relay.url)

    def make(self, kind: str) -> ThrowAway:
        name = f"throw-away-{next(NUMBERS)}"
        if kind == SERVICE:
            body: dict[str, Any] = {"display_name": name, "meta": {"owner": "qa"}, "ttl": "1h"}
            made = create(self.server, policies=["security-read"], **body)
            return ThrowAway(made.ref, Secret(made.value), f"token-{name}", "qa")
        metadata = json.dumps({"name": name, "owner": "qa"})
        issued = call(self.server, "POST", f"{ROLE}/secret-id", {"metadata": metadata})[1]["data"]
        ref = TokenRef("bao", APPROLE, f"scanner/{issued['secret_id_accessor']}")
        return ThrowAway(ref, Secret(issued["secret_id"]), f"scanner {name}", "qa")

    def make_for(self, verb: Verb, kind: str) -> ThrowAway:
        """What can be contained has an entity; here it comes by a role of the token store."""
        if kind != SERVICE or verb not in (Verb.CONTAIN, Verb.RESTORE):
            return self.make(kind)
        name = f"throw-away-{next(NUMBERS)}"
        body = {"display_name": name, "entity_alias": "scanner", "ttl": "1h"}
        made = create(self.server, path="create/security", **body)
        return ThrowAway(made.ref, Secret(made.value), f"token-{name}", "security-operations")

    def accepts(self, made: ThrowAway) -> bool:
        if made.ref.kind == SERVICE:
            path = "auth/token/lookup-self"
            return call(self.server, "GET", path, token=made.secret.reveal())[0] == 200
        role_id = call(self.server, "GET", f"{ROLE}/role-id")[1]["data"]["role_id"]
        login = {"role_id": role_id, "secret_id": made.secret.reveal()}
        return call(self.server, "POST", "auth/approle/login", login)[0] == 200

    def calls(self, made: ThrowAway) -> int | None:
        body = {"input": made.ref.id.rpartition("/")[2]}
        name = call(self.server, "POST", "sys/audit-hash/file", body)[1]["data"]["hash"]
        changing = ("/revoke-accessor", "/destroy")
        count = 0
        for line in self.server.audit_file.read_text().splitlines():
            entry = json.loads(line)
            if entry["type"] == "request" and entry["request"]["path"].endswith(changing):
                count += name in entry["request"].get("data", {}).values()
        return count

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("s.ZZZZZZZZZZZZZZZZZZZZZZZZ")
        read = {"file": str(self.server.keep("conformance.token", wrong.reveal()))}
        return backend(self.server, acting=False, read=read), wrong

    def unreachable(self) -> Backend | None:
        return backend(self.server, url=f"http://127.0.0.1:{free_port()}")

    def powerless(self) -> Backend | None:
        weak = with_token(self.server, "powerless.token", ["security-read"])
        return backend(self.server, url=self.relay.url, act=weak)


@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_conformance(server: OpenBaoServer, check: Check) -> None:
    with Relay("127.0.0.1", server.port, changing) as relay:
        check(OnOpenBao(server, relay))
