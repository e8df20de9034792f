"""A credential of several parts: each by reference, each named where it is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from backends import registry
from backends.contract import Backend, Capabilities, Health, Outcome, Proposal, Step, Verb, WhoAmI
from backends.errors import ConfigError
from backends.model import Found, ScopeDone, Token, TokenRef

READ: dict[str, Any] = {"parts": {"api": {"env": "PARTS_API"}, "app": {"env": "PARTS_APP"}}}


class TwoKeys(Backend):
    contract: ClassVar[int] = 2
    type_name: ClassVar[str] = "two_keys"
    title: ClassVar[str] = "Two keys"
    credential_parts: ClassVar[tuple[str, ...]] = ("api", "app")

    def capabilities(self) -> Capabilities:
        return Capabilities(kinds=())

    async def health(self) -> Health:
        return Health()

    async def whoami(self) -> WhoAmI:
        return WhoAmI(name="two keys")

    async def inventory(self) -> AsyncIterator[Found]:
        yield ScopeDone("all", 0)

    async def read(self, ref: TokenRef) -> Token:
        raise NotImplementedError

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        raise NotImplementedError

    async def perform(self, step: Step) -> Outcome:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.TYPES, "load", lambda type_: TwoKeys)
    monkeypatch.setattr(registry.TYPES, "names", lambda: ["two_keys"])
    monkeypatch.setenv("PARTS_API", "canary-api-key")
    monkeypatch.setenv("PARTS_APP", "canary-app-key")


def configured(table: dict[str, Any], act: bool = False) -> Backend:
    return registry.configure("dd", {"type": "two_keys", **table}, act=act)


def values(parts: Mapping[str, Any]) -> dict[str, str]:
    return {name: part.reveal() for name, part in parts.items()}


def test_each_part_is_followed_to_its_secret_and_none_is_shown() -> None:
    backend = configured({"read": READ, "act": READ})
    assert backend.config.read is None
    assert values(backend.config.read_parts) == {"api": "canary-api-key", "app": "canary-app-key"}
    assert backend.config.act_parts == {}, "nobody asked to act"
    assert "canary" not in repr(backend.config)
    assert len(backend.config.secrets) == 2


def test_the_credential_to_act_has_its_own_parts() -> None:
    backend = configured({"read": READ, "act": READ}, act=True)
    assert values(backend.config.act_parts) == {"api": "canary-api-key", "app": "canary-app-key"}


@pytest.mark.parametrize(
    ("read", "told"),
    [
        ({"env": "PARTS_API"}, "read has 2 parts here: api, app"),
        ("canary-literal", "read has 2 parts here: api, app"),
        ({"parts": {"api": {"env": "PARTS_API"}}}, "read misses its part app"),
        ({"parts": {**READ["parts"], "site": {"env": "X"}}}, "read has no part 'site'"),
        ({"parts": {**READ["parts"], "app": "canary-literal"}}, "holds a value of its own"),
        ({"parts": {**READ["parts"], "app": {"env": "GONE"}}}, "the environment has no GONE"),
    ],
)
def test_a_part_that_leads_nowhere_is_named(read: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        configured({"read": read})
    assert caught.value.option == "read"
    assert "canary" not in str(caught.value) + caught.value.hint


def test_no_credential_at_all_says_what_to_write() -> None:
    with pytest.raises(ConfigError, match="no credential to read with") as caught:
        configured({})
    assert "parts = { api = { ... }, app = { ... } }" in caught.value.hint
