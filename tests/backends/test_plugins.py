"""Sinks and log sources of others: offered as backends are, used like ours, named when broken."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from foreign_site import Site
from sink_tools import VALUE, deliver, token

from backends.contract import OutcomeState
from backends.errors import BackendError, BrokenPlugin, ConfigError, MissingLibrary
from backends.http import Http
from backends.logs import registry as logs
from backends.model import Covers, EventClass
from backends.plugins import Registry
from backends.sinks import registry as sinks
from backends.sinks.contract import Sink

README = (Path(__file__).parents[2] / "backends" / "README.md").read_text()
SINK, SOURCE = (text.partition("```")[0] for text in README.split("```python\n")[4:6])
"""The two examples of the documentation, which are what a third party would install."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path / "site", monkeypatch)


def fake_store(request: httpx.Request, kept: dict[str, str]) -> httpx.Response:
    """The invented store of the documentation's sink."""
    if request.headers.get("Authorization") != "Bearer canary-write":
        return httpx.Response(403)
    if request.method == "PUT":
        kept[request.url.path] = json.loads(request.content)["value"]
        return httpx.Response(204)
    found = kept.get(request.url.path)
    return httpx.Response(404) if found is None else httpx.Response(200, json={"value": found})


def test_the_sink_in_the_documentation_delivers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, str] = {}
    transport = httpx.MockTransport(lambda request: fake_store(request, kept))
    monkeypatch.setattr("backends.http.Http", functools.partial(Http, transport=transport))
    monkeypatch.setenv("STORE_TOKEN", "canary-write")
    site.module("doc_store", SINK)
    site.install("latchkey-store", sinks.TYPES.group, doc_store="doc_store:LatchkeyStore")
    table = {
        "type": "doc_store",
        "url": "https://store.example",
        "key": "{name}",
        "write": {"env": "STORE_TOKEN"},
    }
    step, outcome, back = deliver(table)
    assert step.title == "Deliver the new value to drop (Latchkey's store)"
    assert outcome.state is OutcomeState.APPLIED
    assert kept == {"/entries/billing": VALUE}
    assert back is not None
    assert back.reveal() == VALUE
    assert sinks.TYPES.origin_of("doc_store").name == "latchkey-store 0.3"
    assert "doc_store" in sinks.TYPES.names()


def test_the_log_source_in_the_documentation_reads(site: Site, tmp_path: Path) -> None:
    site.module("doc_log", SOURCE)
    site.install("latchkey-log", logs.TYPES.group, doc_log="doc_log:LatchkeyLog")
    entry = {"at": "2026-11-24T03:12:01Z", "did": "open", "how": "ok", "key": "k-1"}
    (tmp_path / "access.log").write_text(f"{json.dumps(entry)}\nno entry\n")
    table = {"type": "doc_log", "backend": "latch", "path": str(tmp_path / "access.log")}
    source = logs.configure("door", table)
    (batch,) = source.read({}, {})
    (event,) = batch.events
    assert (event.action, event.sort, event.outcome) == ("open", EventClass.USE, "ok")
    assert event.token is not None
    assert event.token.id == "k-1"
    assert source.covers is Covers.USES
    assert batch.bad == len(batch.holes) == 1


def test_what_is_merely_installed_is_not_imported(site: Site, tmp_path: Path) -> None:
    """Nobody is given a live value, or run at all, whom no table names."""
    site.module("sneaky", f"open({str(tmp_path / 'ran')!r}, 'w')\n{SINK}")
    site.install("sneaky-sinks", sinks.TYPES.group, sneaky="sneaky:LatchkeyStore")
    assert "sneaky" in sinks.TYPES.names()
    assert sinks.TYPES.clash("sneaky") == ""
    sinks.configure("drop", {"type": "file", "path": "/tmp/x"})
    assert not (tmp_path / "ran").exists()


BOTH = [
    pytest.param(sinks.TYPES, SINK, "LatchkeyStore", id="sink"),
    pytest.param(logs.TYPES, SOURCE, "LatchkeyLog", id="log source"),
]
BROKEN: dict[str, tuple[Callable[[str, str], str], str]] = {
    "raises": (lambda text, name: "raise ValueError('half an edit')", "ValueError: half an edit"),
    "exits": (lambda text, name: "import sys; sys.exit(3)", "cannot be imported: SystemExit"),
    "library": (lambda text, name: "import no_such_library_at_all", "'no_such_library_at_all'"),
    "other": (lambda text, name: f"class {name}: pass", "is not a backends."),
    "newer": (
        lambda text, name: f"{text}\n{name}.contract = 99",
        "was written for a newer contract: version 99, and this console takes 1 to 2",
    ),
    "unnamed": (lambda text, name: text.replace("    title = ", "    other = "), "have: title"),
    "init": (
        lambda text, name: f"{text}\n{name}.__init__ = lambda self, config: {{}}['canary']",
        "cannot be made from its table: KeyError",
    ),
    "options": (lambda text, name: f"{text}\n{name}.options = 7", "cannot say its options"),
}


def configured(types: Registry[Any], table: dict[str, Any]) -> object:
    if types is sinks.TYPES:
        return sinks.configure("x", {"url": "https://h.example", "key": "k", **table})
    return logs.configure("x", {"backend": "b", "path": "/nowhere", **table})


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize(("types", "text", "name"), BOTH)
def test_a_broken_one_is_named_and_never_fatal(
    site: Site, types: Registry[Any], text: str, name: str, how: str
) -> None:
    broken, why = BROKEN[how]
    type_ = f"t_{types.noun.replace(' ', '_')}_{how}"
    site.module(type_, broken(text, name))
    site.install("latchkey-extras", types.group, **{type_: f"{type_}:{name}"})
    with pytest.raises(MissingLibrary if how == "library" else BrokenPlugin) as caught:
        configured(types, {"type": type_})
    told = f"{caught.value} {caught.value.hint}"
    assert why in told
    assert f"the {types.noun} {type_!r} of latchkey-extras 0.3" in told
    assert "https://example.com/latchkey-extras/issues" in told
    assert "canary" not in told
    if how != "library":
        assert f"This is a fault of the {types.noun}, not of the system" in told


@pytest.mark.parametrize(("types", "text", "name"), BOTH)
def test_what_a_sound_one_misses_is_an_abstract_method(
    site: Site, types: Registry[Any], text: str, name: str
) -> None:
    type_ = f"m_{types.noun.replace(' ', '_')}"
    hook = "check" if types is sinks.TYPES else "told"
    site.module(type_, text.replace(f"def {hook}(", "def renamed("))
    site.install("latchkey-extras", types.group, **{type_: f"{type_}:{name}"})
    with pytest.raises(BrokenPlugin, match=f"misses what every {types.noun} must have: {hook}"):
        types.load(type_)


@pytest.mark.parametrize(("types", "ours"), [(sinks.TYPES, "file"), (logs.TYPES, "json_lines")])
def test_a_name_of_ours_cannot_be_taken(site: Site, types: Registry[Any], ours: str) -> None:
    site.install("grabby", types.group, **{ours: "grabby:Grab", "twice": "one:One"})
    site.install("greedy", types.group, twice="two:Two")
    assert types.load(ours).__module__.startswith("backends.")
    assert types.clash(ours) == f"grabby 0.3 calls itself {ours!r} too: the built-in one is used"
    with pytest.raises(BrokenPlugin, match="all call themselves 'twice': none of them is used"):
        types.load("twice")


@pytest.mark.parametrize("types", [sinks.TYPES, logs.TYPES])
def test_a_type_that_nobody_offers_is_a_mistake_in_the_file(types: Registry[Any]) -> None:
    with pytest.raises(ConfigError, match=f"no {types.noun} is called 'nosuch'") as caught:
        configured(types, {"type": "nosuch"})
    assert caught.value.option == "type"
    assert all(name in caught.value.hint for name in types.built_in)


@pytest.mark.parametrize("types", [sinks.TYPES, logs.TYPES])
def test_ours_are_declared_as_those_of_others_are(types: Registry[Any]) -> None:
    """A distribution of ours that is installed offers what is built in, and nothing else."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][types.group] == types.built_in


def test_a_sink_that_stumbles_over_a_token_says_so_for_that_token(site: Site) -> None:
    site.module("f_call", f"{SINK}\nLatchkeyStore.call = lambda self, token: {{}}['canary']")
    site.install("latchkey-extras", sinks.TYPES.group, f_call="f_call:LatchkeyStore")
    made = configured(sinks.TYPES, {"type": "f_call"})
    assert isinstance(made, Sink)
    with pytest.raises(ConfigError, match="the sink x failed with KeyError") as caught:
        made.plan(token())
    assert "canary" not in str(caught.value)


def test_a_fault_at_work_names_the_distribution_and_keeps_what_it_said(site: Site) -> None:
    site.module("f_read", SOURCE)
    site.install("latchkey-extras", logs.TYPES.group, f_read="f_read:LatchkeyLog")
    told = logs.TYPES.fault("f_read", KeyError("canary"))
    assert str(told) == "the log source 'f_read' of latchkey-extras 0.3 failed with KeyError"
    own = BackendError("its own words")
    assert logs.TYPES.fault("f_read", own) is own
