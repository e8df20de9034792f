"""The backends that backends/README.md shows keep the contract, as they are printed there."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx
import pytest
from latchkey import Latchkey, OnLatchkey, OnTeams, Teams

from backends.conformance import run
from backends.http import Http

behind = Latchkey()


def shown(system: Latchkey, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's classes are, with the invented system behind their HTTP client."""
    readme = (Path(__file__).parents[2] / "backends" / "README.md").read_text()
    first, _, rest = readme.partition("```python\n")[2].partition("```")
    second = rest.partition("```python\n")[2].partition("```")[0]
    # By way of the module: the kit looks for values in all that a backend can reach.
    global behind
    behind = system
    transport = httpx.MockTransport(lambda request: behind.answer(request))
    monkeypatch.setattr("backends.http.Http", functools.partial(Http, transport=transport))
    namespace: dict[str, Any] = {}
    exec(first + second, namespace)
    return namespace


def test_the_backend_in_the_documentation_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Latchkey()
    type_ = shown(system, monkeypatch)["Latchkey"]
    results = {name: (result, why) for name, result, why in run(OnLatchkey(type_, system))}
    bad = {name: why for name, (result, why) in results.items() if result not in ("pass", "skip")}
    assert bad == {}
    assert sum(result == "pass" for result, _ in results.values()) >= 32


def test_the_rest_of_it_conforms_too(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Teams()
    type_ = shown(system, monkeypatch)["LatchkeyTeams"]
    results = {name: (result, why) for name, result, why in run(OnTeams(type_, system))}
    bad = {name: why for name, (result, why) in results.items() if result not in ("pass", "skip")}
    assert bad == {}
    passed = {name for name, (result, _) in results.items() if result == "pass"}
    assert len(passed) >= 42
    wanted = {"a_rotation_delivers_one_value", "an_orphan_is_found", "a_probe_tells_the_truth"}
    assert wanted <= passed
    assert system.sessions, "it logged in"
