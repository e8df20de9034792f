"""The kit passes on the estate's four systems, and on the backend that is documented."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from estate_fixture import OnEstate, estate, template

from backends.conformance import Check, Fixture, ThrowAway, checks, run
from backends.contract import (
    Backend,
    BackendConfig,
)
from backends.estate import SYSTEMS
from backends.estate import acting as estate_acting
from backends.http import Http
from backends.model import (
    Secret,
    TokenRef,
)

__all__ = ["estate", "template"]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)
def test_the_estate_conforms(check: Check, system: str, estate: Path) -> None:
    check(OnEstate(estate, system))


def test_only_what_is_not_declared_is_skipped(estate: Path) -> None:
    skipped = {name for name, result, _ in run(OnEstate(estate, "cloud")) if result != "pass"}
    assert skipped == {"a_use_is_seen"}


def test_every_check_says_what_it_holds_a_backend_to() -> None:
    assert all((check.__doc__ or "").strip().endswith(".") for check in checks)
    assert len({check.__name__ for check in checks}) == len(checks)
    assert estate_acting.WORDS.keys() == SYSTEMS.keys()


# -- the backend that the documentation shows


class Latchkey:
    """The invented system of backends/README.md, as an HTTP server would be."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {}
        self.changes: list[str] = []
        self.lines: list[dict[str, str]] = []
        self.losing = False
        self.add("console")

    def add(self, name: str) -> dict[str, Any]:
        id_ = f"k{len(self.keys)}"
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
            return httpx.Response(200, json=self.keys["k0"])
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


def test_the_backend_in_the_documentation_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "backends" / "README.md").read_text()
    source = readme.partition("```python\n")[2].partition("```")[0]
    system = Latchkey()
    transport = httpx.MockTransport(system.answer)
    monkeypatch.setattr("backends.http.Http", functools.partial(Http, transport=transport))
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    results = {
        name: (result, why) for name, result, why in run(OnLatchkey(namespace["Latchkey"], system))
    }
    bad = {name: why for name, (result, why) in results.items() if result not in ("pass", "skip")}
    assert bad == {}
    assert sum(result == "pass" for result, _ in results.values()) >= 32
