"""From a table in the configuration to a backend, or to an error that names the entry."""

from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from backends import plugins, registry
from backends.contract import (
    Backend,
    Capabilities,
    Health,
    Option,
    Outcome,
    Proposal,
    Step,
    Verb,
    WhoAmI,
)
from backends.errors import BackendError, ConfigError, MissingLibrary
from backends.model import Found, Token, TokenRef


class Tiny(Backend):
    """The smallest backend; a third party's, as far as the registry can tell."""

    type_name = "tiny"
    title = "Tiny"
    options = (
        Option("url", "Where it is.", required=True),
        Option("timeout", "Seconds.", float, 5.0),
        Option("names", "A list.", list, ()),
    )

    def capabilities(self) -> Capabilities:
        return Capabilities(kinds=())

    async def health(self) -> Health:
        return Health()

    async def whoami(self) -> WhoAmI:
        return WhoAmI(name="x")

    async def inventory(self) -> AsyncIterator[Found]:
        for nothing in ():
            yield nothing

    async def read(self, ref: TokenRef) -> Token:
        raise NotImplementedError

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        raise NotImplementedError

    async def perform(self, step: Step) -> Outcome:
        raise NotImplementedError


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    offered = [
        EntryPoint("tiny", f"{__name__}:Tiny", registry.TYPES.group),
        EntryPoint("lost", "no_such_module_at_all:X", registry.TYPES.group),
        EntryPoint("wrong", "json:dumps", registry.TYPES.group),
    ]

    def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == registry.TYPES.group
        return [point for point in offered if name in (None, point.name)]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    return offered


GOOD: dict[str, Any] = {"type": "tiny", "url": "http://x", "read": {"env": "TINY"}}


def test_a_good_table_becomes_a_backend(
    points: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "s")
    backend = registry.configure("mine", {**GOOD, "timeout": 3, "production": True})
    assert backend.name == "mine"
    assert backend.config.options == {"url": "http://x", "timeout": 3.0, "names": ()}
    assert backend.config.production
    assert backend.config.act is None


def test_the_credential_to_act_with_is_only_looked_up_to_act(
    points: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY", "s")
    table = {**GOOD, "act": {"env": "NOT_SET_ANYWHERE"}}
    registry.configure("mine", table)
    with pytest.raises(ConfigError) as caught:
        registry.configure("mine", table, act=True)
    assert caught.value.option == "act"


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"type": "nosuch"}, "type"),
        ({"type": None}, "type"),
        ({"urll": "x"}, "urll"),
        ({"url": 7}, "url"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"names": ["a", 1]}, "names"),
        ({"read": "literal"}, "read"),
    ],
)
def test_a_wrong_entry_is_named(
    points: list[EntryPoint],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    option: str,
) -> None:
    monkeypatch.setenv("TINY", "s")
    with pytest.raises(ConfigError) as caught:
        registry.configure("mine", {**GOOD, **change})
    assert caught.value.option == option
    assert caught.value.hint


def test_a_missing_credential_is_named(points: list[EntryPoint]) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.configure("mine", {"type": "tiny", "url": "x"})
    assert caught.value.option == "read"


def test_a_broken_one_says_which_kind_of_broken(points: list[EntryPoint]) -> None:
    with pytest.raises(MissingLibrary):
        registry.TYPES.load("lost")
    with pytest.raises(BackendError):
        registry.TYPES.load("wrong")
    assert registry.TYPES.load("tiny") is Tiny


def test_our_own_backends_are_found_the_same_way() -> None:
    assert {"openbao", "aws_iam", "postgres", "redis", "estate"} <= set(registry.TYPES.names())
