"""The invented system of backends/README.md, as an HTTP server would be, and its fixtures."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs

import httpx

from backends.conformance import Fixture, ThrowAway
from backends.contract import Backend, BackendConfig
from backends.model import Secret, TokenRef


class Latchkey:
    """The invented system of backends/README.md, as an HTTP server would be."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count()
        self.changes: list[str] = []
        self.lines: list[dict[str, str]] = []
        self.losing = False
        self.add("console")

    def add(self, name: str) -> dict[str, Any]:
        id_ = f"k{next(self.numbers)}"
        made = datetime.now(UTC).isoformat()
        self.keys[id_] = {
            "id": id_, "name": name, "owner": "ops", "created": made, "used": None,
            "scopes": ["read"], "secret": f"lk-{id_}-canary",
        }  # fmt: skip
        self.log("key.made", id_)
        return self.keys[id_]

    def log(self, what: str, key: str, outcome: str = "ok") -> None:
        at = datetime.now(UTC).isoformat()
        line = {"id": str(len(self.lines)), "at": at, "what": what, "key": key}
        self.lines.append({**line, "outcome": outcome, "from": "192.0.2.1"})

    def answer(self, request: httpx.Request) -> httpx.Response:
        caller = request.headers["authorization"].removeprefix("Bearer ")
        holders = {key["secret"]: key for key in self.keys.values()}
        if caller not in holders:
            return httpx.Response(401, json={"error": "who?"})
        path = request.url.raw_path.decode().partition("?")[0]
        if path == "/health":
            return httpx.Response(200, json={"version": "1"})
        if path == "/me":
            return httpx.Response(200, json=holders[caller])
        if path == "/audit":
            since = request.url.params["since"]
            lines = [line for line in self.lines if line["at"] >= since]
            return httpx.Response(200, json={"lines": lines})
        if path == "/keys":
            page, every = int(request.url.params["page"]), list(self.keys.values())
            more = page + 1 if len(every) > page * 2 else None
            return httpx.Response(200, json={"keys": every[page * 2 - 2 : page * 2], "next": more})
        id_ = path.removeprefix("/keys/")
        if request.method == "DELETE":
            if not holders[caller]["scopes"]:
                return httpx.Response(403, json={"error": "you may not"})
            self.changes.append(id_)
        if id_ not in self.keys:
            return httpx.Response(404, json={"error": "no such key"})
        if request.method == "GET":
            return httpx.Response(200, json=self.keys[id_])
        del self.keys[id_]
        self.log("key.deleted", id_)
        if self.losing:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(204)


class OnLatchkey(Fixture):
    def __init__(self, type_: type[Backend], system: Latchkey) -> None:
        self.type, self.system = type_, system

    def backend(self, *, act: bool = False) -> Backend:
        own = Secret(self.system.keys["k0"]["secret"])
        options = {"url": "http://latchkey.invalid"}
        return self.type(
            BackendConfig(
                name="lk", type="latchkey", options=options, read=own, act=own if act else None
            )
        )

    page: ClassVar[int] = 2

    def make(self, kind: str) -> ThrowAway:
        key = self.system.add("throw-away")
        return ThrowAway(TokenRef("lk", kind, key["id"]), Secret(key["secret"]), key["name"], "ops")

    def accepts(self, made: ThrowAway) -> bool:
        if key := self.system.keys.get(made.ref.id):
            now = datetime.now(UTC)
            key["used"] = now.replace(minute=0, second=0, microsecond=0).isoformat()
        self.system.log("key.used", made.ref.id, "denied" if key is None else "ok")
        return key is not None

    def powerless(self) -> Backend | None:
        own, weak = Secret(self.system.keys["k0"]["secret"]), self.system.add("weak")
        weak["scopes"] = []
        act, options = Secret(weak["secret"]), {"url": "http://latchkey.invalid"}
        config = BackendConfig(name="lk", type="latchkey", options=options, read=own, act=act)
        return self.type(config)

    def wait(self, seconds: float) -> None:
        pass

    def calls(self, made: ThrowAway) -> int | None:
        return self.system.changes.count(made.ref.id)

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = Secret("lk-wrong-canary")
        options = {"url": "http://latchkey.invalid"}
        return self.type(BackendConfig(name="lk", type="x", options=options, read=wrong)), wrong

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        self.system.losing = True
        yield
        self.system.losing = False


class Teams(Latchkey):
    """The same for teams: sessions, 200 where it means no, scopes opened, keys made."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[str, str] = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        if path == "/login":
            given = {name: words[0] for name, words in parse_qs(request.content.decode()).items()}
            key = self.keys.get(given["id"])
            if key is None or key["secret"] != given["secret"]:
                return httpx.Response(200, json={"error": "who?"})
            session = f"s{len(self.sessions)}-canary-session"
            self.sessions[session] = key["secret"]
            return httpx.Response(200, json={}, headers={"x-session": session})
        if (session := request.headers.get("x-session")) is not None:
            request.headers["authorization"] = f"Bearer {self.sessions.get(session)}"
        if path.startswith("/scopes/"):
            row = {"do": path.removeprefix("/scopes/"), "on": "doors/*", "how": "read"}
            return httpx.Response(200, json={"rows": [row]})
        told = self.made(request) if request.method == "POST" else super().answer(request)
        means = {401: "who?", 403: "not yours", 404: "gone"}
        if word := means.get(told.status_code):
            return httpx.Response(200, json={"error": word})
        return told

    def made(self, request: httpx.Request) -> httpx.Response:
        holders = {key["secret"]: key for key in self.keys.values()}
        caller = request.headers["authorization"].removeprefix("Bearer ")
        if caller not in holders:
            return httpx.Response(401)
        if not holders[caller]["scopes"]:
            return httpx.Response(403)
        asked = json.loads(request.content)
        key = self.add(asked["name"])
        key["scopes"] = asked["scopes"]
        if self.losing:
            raise httpx.ReadTimeout("lost")
        return httpx.Response(201, json=key)


class OnTeams(OnLatchkey):
    def opened(self, read: dict[str, Any], act: dict[str, Any] | None = None) -> Backend:
        def parts(key: dict[str, Any]) -> dict[str, Secret]:
            return {"id": Secret(key["id"]), "secret": Secret(key["secret"])}

        return self.type(
            BackendConfig(
                name="lk",
                type="latchkey_teams",
                options={"url": "http://latchkey.invalid"},
                read_parts=parts(read),
                act_parts=parts(act) if act else {},
            )
        )

    def backend(self, *, act: bool = False) -> Backend:
        own = self.system.keys["k0"]
        return self.opened(own, own if act else None)

    def powerless(self) -> Backend | None:
        weak = self.system.add("weak")
        weak["scopes"] = []
        return self.opened(self.system.keys["k0"], weak)

    def wrong_credential(self) -> tuple[Backend, Secret] | None:
        wrong = {"id": "k0", "secret": "lk-wrong-canary"}
        return self.opened(wrong), Secret(wrong["secret"])
