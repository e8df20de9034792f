"""The worker's way and the command line's way over the same cases: one verdict, one record.

Each case is done in two homes with the same configuration, over the same system: once by
requests, as the screen's worker gets them, and once by commands. What each was told and what
the journal has afterwards is compared. No runner is started here; that one would be is noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import scripted_system
import tui_run_scene
from signing_people import Key, allow

from backends import registry
from backends.contract import Verb
from backends.model import TokenRef
from console import cli, settings
from console.fleet import Fleet
from console.journal import opening
from console.response.run import process
from console.settings import Paths
from console.worker.serving import Worker

WHY = "leaked in a public repository"
GLASS = "the second responder cannot be reached"
ALICE, BOB = "alice@example.com", "bob@example.com"
SYSTEM = TokenRef("sys", scripted_system.KIND, "k")


class Home:
    """One of the two homes, and the way in which it is asked."""

    def __init__(self, root: Path, started: list[str], config: str) -> None:
        self.paths: Paths = settings.paths(root)
        self.paths.make()
        self.paths.config.write_text(config)
        self.started = started
        self.plan = ""
        self.told: list[str] = []
        self._seen = 0

    def work(self, do: Callable[[Fleet], Any]) -> Any:
        """Do something with the backends open, and act allowed."""

        async def inside() -> Any:
            async with Fleet(settings.load(self.paths.config), self.paths, act=True) as fleet:
                return await do(fleet)

        return asyncio.run(inside())

    def run_of(self, *names: str, **more: Any) -> tui_run_scene.Run:
        """A run whose entries a case writes."""
        items = [tui_run_scene.item(n, Verb.ROTATE, name, "sys") for n, name in enumerate(names, 1)]
        run = tui_run_scene.Run(self.paths, items, **more)
        self.plan = run.plan.id
        self._seen = len(self._entries())
        return run

    # What can be asked for; each way says how.

    def make(self, verb: str, *query: str, reason: str = WHY) -> None:
        raise NotImplementedError

    def approve(self, typed: str, glass: str = "", **answers: str) -> None:
        raise NotImplementedError

    def in_one_go(self, typed: str, reason: str = WHY, glass: str = "") -> None:
        raise NotImplementedError

    def second(self, typed: str, reason: str = WHY) -> None:
        raise NotImplementedError

    def glass(self, typed: str, reason: str = GLASS) -> None:
        raise NotImplementedError

    def start_after_glass(self) -> None:
        """Start what was let go, where that is another request."""

    def start(self) -> None:
        raise NotImplementedError

    def decide(self, what: str, reason: str = WHY, **more: str) -> None:
        raise NotImplementedError

    def close(self, reason: str = WHY) -> None:
        raise NotImplementedError

    # What came of it

    def refused(self, text: str) -> None:
        self.told.append(self._plain(text))

    def outcome(self) -> dict[str, Any]:
        """Refusals in words, which runs were started, and the journal's entries."""
        return {
            "told": self.told,
            "started": [self._plain(plan) for plan in self.started],
            "journal": [self._row(entry) for entry in self._entries()[self._seen :]],
        }

    def _entries(self) -> list[Any]:
        with opening.view(self.paths) as view:
            return list(reversed(view.entries(1000)))

    def _row(self, entry: Any) -> tuple[Any, ...]:
        body, run = entry.body, entry.run
        answers = dict(body.plan.answers) if body.plan is not None else None
        mark = run and (run.what, run.item, run.backend, run.owner, run.expires, run.detail)
        act = (entry.verb, entry.backend, entry.handle)
        said = (entry.kind, entry.who, self._plain(entry.why), entry.incident)
        return (*said, act, entry.signer, body.config, mark, answers)

    def _plain(self, text: str) -> str:
        """The text without what differs between two plans of the same."""
        if self.plan:
            text = text.replace(self.plan, "PLAN").replace(self.plan[-8:], "PLAN")
        return " ".join(re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "ID", text).split())


class ByRequests(Home):
    """As the screen does: requests to the worker."""

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        written: list[Any] = []

        async def ask(fleet: Fleet) -> None:
            await Worker(fleet, written.append).answer({"id": 1, "do": do, **fields})

        self.work(ask)
        (reply,) = written
        if "error" in reply:
            self.refused(f"{reply['error']} {reply['hint']}")
        return dict(reply)

    def make(self, verb: str, *query: str, reason: str = WHY) -> None:
        words = " ".join(query)
        self._planned(self.ask("plan", verb=verb, query=words, reason=reason, incident="INC-7"))

    def _planned(self, reply: dict[str, Any]) -> bool:
        self.plan = str(reply.get("plan", ""))
        return bool(self.plan) and not reply["forbidden"]

    def approve(self, typed: str, glass: str = "", **answers: str) -> None:
        self.ask("approve", plan=self.plan, typed=typed, answers=answers, break_glass=glass)

    def in_one_go(self, typed: str, reason: str = WHY, glass: str = "") -> None:
        reply = self.ask("plan", verb="revoke", handles=[SYSTEM.handle], reason=reason)
        # A plan that nobody may approve is shown, and the screen offers no approval of it.
        if self._planned(reply):
            self.approve(typed, glass)

    def second(self, typed: str, reason: str = WHY) -> None:
        self.ask("second", plan=self.plan, typed=typed, reason=reason)

    def glass(self, typed: str, reason: str = GLASS) -> None:
        self.ask("glass", plan=self.plan, typed=typed, reason=reason)

    def start(self) -> None:
        self.ask("start", plan=self.plan)

    def decide(self, what: str, reason: str = WHY, **more: str) -> None:
        self.ask("decide", plan=self.plan, what=what, reason=reason, **more)

    def close(self, reason: str = WHY) -> None:
        self.ask("decide", plan=self.plan, what="close", reason=reason)


class ByCommands(Home):
    """As a script or a person at a prompt does."""

    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> str:
        before = len(self.started)
        code = cli.main(["--home", str(self.paths.config.parent), *words])
        out, err = self.capture.readouterr()
        # Whoever stays to watch a run that has no runner here is told that it is not over.
        if code and len(self.started) == before and "token-console: " in err:
            self.refused(err[err.index("token-console: ") + len("token-console: ") :])
        return out

    def make(self, verb: str, *query: str, reason: str = WHY) -> None:
        told = ("--reason", reason, "--incident", "INC-7", "--json")
        out = self.run("plan", verb, *query, *told)
        self.plan = json.loads(out)["id"] if out else ""

    def approve(self, typed: str, glass: str = "", **answers: str) -> None:
        given = [word for code, why in answers.items() for word in ("--answer", f"{code}={why}")]
        given += ["--break-glass", glass] if glass else []
        before = len(self.told)
        self.run("approve", self.plan, "--confirm", typed, "--json", *given)
        waits = not glass and "production = true" in self.paths.config.read_text()
        if len(self.told) == before and not waits:
            # What the screen does by the same key.
            self.start()

    def in_one_go(self, typed: str, reason: str = WHY, glass: str = "") -> None:
        more = ["--break-glass", glass] if glass else []
        words = ("revoke", SYSTEM.handle, "--reason", reason, "--confirm", typed)
        self.run(*words, *more)
        plans = sorted(path.stem for path in self.paths.plans.glob("*.json"))
        self.plan = plans[-1] if plans else ""

    def second(self, typed: str, reason: str = WHY) -> None:
        self.run("approve", self.plan, "--confirm", typed, "--reason", reason)

    def glass(self, typed: str, reason: str = GLASS) -> None:
        self.run("approve", self.plan, "--confirm", typed, "--break-glass", reason)

    def start_after_glass(self) -> None:
        if not self.told:
            self.start()

    def start(self) -> None:
        self.run("run", "start", self.plan, "--no-watch")

    def decide(self, what: str, reason: str = WHY, **more: str) -> None:
        words = [more.pop(name) for name in ("backend", "item") if name in more]
        given = [word for name, value in more.items() for word in (f"--{name}", value)]
        self.run("run", what, self.plan, *words, "--reason", reason, *given)

    def close(self, reason: str = WHY) -> None:
        self.run("run", "close", self.plan, "--reason", reason)


class Case(NamedTuple):
    """What is done, and words that say what has to come of it: in a refusal, or as an entry."""

    do: Callable[[Home, People], None]
    expect: str
    """Part of the refusal; with a leading ``+`` the kind of the newest entry, where all went
    well."""
    production: bool = False


class People:
    """Two responders, and whose key is at hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alice, self.bob = Key(), Key()
        self._monkeypatch = monkeypatch

    def as_(self, key: Key) -> contextlib.AbstractContextManager[str]:
        return key.at_hand(self._monkeypatch)


def _approved(home: Home, people: People) -> None:
    """A plan for ``k`` that Alice made and approved."""
    with people.as_(people.alice):
        home.make("revoke", "id:k")
        home.approve("k")


def _second(by: str, typed: str = "k") -> Callable[[Home, People], None]:
    def do(home: Home, people: People) -> None:
        _approved(home, people)
        with people.as_(getattr(people, by)):
            home.second(typed)

    return do


def _glass(typed: str = "k", reason: str = GLASS) -> Callable[[Home, People], None]:
    def do(home: Home, people: People) -> None:
        _approved(home, people)
        with people.as_(people.alice):
            home.glass(typed, reason)
        # A process of its own would open a session of its own, if somebody could sign.
        home.start_after_glass()

    return do


def _one(typed: str = "k", reason: str = WHY, glass: str = "") -> Callable[[Home, People], None]:
    return lambda home, people: home.in_one_go(typed, reason, glass)


def _many(typed: str, **answers: str) -> Callable[[Home, People], None]:
    def do(home: Home, people: People) -> None:
        home.make("revoke", "kind:key")
        home.approve(typed, **answers)

    return do


def _alone(home: Home, people: People) -> None:
    _approved(home, people)
    home.start()


def _twice(home: Home, people: People) -> None:
    home.make("revoke", "id:k")
    home.approve("k")
    home.decide("pause")
    home.decide("pause")


def _decide(what: str, reason: str = WHY, **more: str) -> Callable[[Home, People], None]:
    def do(home: Home, people: People) -> None:
        run = home.run_of("one", "two")
        if what == "resume":
            run.decide("pause")
        if what == "unhalt":
            run.decide("halt", backend="sys", detail="3 failures")
        home.decide(what, reason, **more)

    return do


def _close(ended: tuple[int, ...], reason: str = WHY) -> Callable[[Home, People], None]:
    def do(home: Home, people: People) -> None:
        home.run_of("one", "two").end(ended)
        home.close(reason)

    return do


def _never_approved(do: Callable[[Home], None]) -> Callable[[Home, People], None]:
    def act(home: Home, people: People) -> None:
        home.run_of("one", approved=False)
        do(home)

    return act


def _changed(home: Home, people: People) -> None:
    """Somebody changes the plan's file between its making and its approval."""
    home.make("revoke", "id:k")
    file = home.paths.plans / f"{home.plan}.json"
    file.write_bytes(file.read_bytes().replace(WHY.encode(), b"another reason altogether"))
    home.approve("k")


EXCEPTION = {"item": "2", "owner": "payments", "until": "2096-10-02"}
CASES = {
    "plan": Case(lambda home, _: home.make("revoke", "id:k"), "+plan.made"),
    "plan, a short reason": Case(lambda home, _: home.make("revoke", "id:k", reason="no"),
                                 "at least 10 characters"),
    "plan, nothing found": Case(lambda home, _: home.make("revoke", "id:none"), "no token is in"),
    "plan, no such term": Case(lambda home, _: home.make("revoke", "colour:red"), "colour"),
    "one token": Case(_one(), "+plan"),
    "one token, another word": Case(_one("j"), "what was typed is not the token's name"),
    "one token, a secret as reason": Case(_one(reason="password=hunter2hunter2"), "secret"),
    "one token, waits for a second": Case(_one(), "+plan", production=True),
    "one token, no second": Case(_one(glass=GLASS), "+plan", production=True),
    "many": Case(_many("2 tokens"), "+plan"),
    "many, another word": Case(_many("3 tokens"), "what was typed is not the number of tokens"),
    "many, a changed file": Case(_changed, "not the one that was made"),
    "second": Case(_second("bob"), "+approval", production=True),
    "second, the same person": Case(_second("alice"), "a second person has to approve", True),
    "second, another word": Case(_second("bob", "j"), "what was typed is not the token's", True),
    "glass": Case(_glass(), "+breakglass", production=True),
    "glass, another word": Case(_glass("BREAK GLASS"), "what was typed is not the token's", True),
    "glass, a short reason": Case(_glass(reason="help"), "at least 10 characters", True),
    "start, never approved": Case(_never_approved(lambda home: home.start()), "no approval"),
    "start, without the second": Case(_alone, "a second person has to approve", True),
    "pause": Case(_decide("pause"), "+run"),
    "pause, twice": Case(_twice, "paused already"),
    "pause, without a reason": Case(_decide("pause", reason=""), "at least 10 characters"),
    "pause, never approved": Case(_never_approved(lambda home: home.decide("pause")), "never"),
    "resume": Case(_decide("resume"), "+run"),
    "abort": Case(_decide("abort"), "+run"),
    "abort, a short reason": Case(_decide("abort", reason="no"), "at least 10 characters"),
    "unhalt": Case(_decide("unhalt", backend="sys"), "+run"),
    "unhalt, another lane": Case(_decide("unhalt", backend="other"), "has not halted"),
    "waive": Case(_decide("waive", item="1"), "+run"),
    "waive, no such item": Case(_decide("waive", item="9"), "the plan has no item 9"),
    "waive, one consumer": Case(_decide("waive", item="1", consumer="ci"), "+run"),
    "except": Case(_decide("except", **EXCEPTION), "+run"),
    "except, no date": Case(_decide("except", **{**EXCEPTION, "until": "soon"}), "is no date"),
    "except, over": Case(_decide("except", **{**EXCEPTION, "until": "2020-01-01"}), "be over"),
    "except, nobody": Case(_decide("except", **{**EXCEPTION, "owner": " "}), "needs an owner"),
    "except, nothing": Case(_decide("except", **{**EXCEPTION, "item": "zz"}), "no late arrival"),
    "close": Case(_close((1, 2)), "+run"),
    "close, something left": Case(_close((1,)), "the run cannot be closed"),
    "close, a short reason": Case(_close((1, 2), reason="no"), "at least 10 characters"),
    "close, without a reason": Case(_close((1, 2), reason=""), "at least 10 characters"),
}  # fmt: skip


@pytest.fixture
def homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[bool, People], tuple[Home, Home]]:
    """Makes the two homes, which have seen the system once."""
    monkeypatch.setitem(registry.TYPES.built_in, "scripted", "scripted_system:Scripted")  # type: ignore[arg-type]
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    system = scripted_system.make(tmp_path / "system", "k", "other")

    def make(production: bool, people: People) -> tuple[Home, Home]:
        allow(tmp_path / "signers", (ALICE, people.alice), (BOB, people.bob))
        config = f'[backend.sys]\ntype = "scripted"\npath = "{system.path}"\n'
        config += "production = true\n" if production else ""
        config += f'[journal]\nallowed_signers = "{tmp_path / "signers"}"\n'
        found = []
        for kind in (ByRequests, ByCommands):
            started: list[str] = []
            home = kind(tmp_path / kind.__name__, started, config)
            home.capture = capsys  # type: ignore[attr-defined]
            home.work(lambda fleet: fleet.sync("sys"))
            found.append(home)
        return found[0], found[1]

    return make


@pytest.mark.parametrize("name", CASES)
def test_both_ways_say_and_write_the_same(
    name: str,
    homes: Callable[[bool, People], tuple[Home, Home]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, people = CASES[name], People(monkeypatch)
    outcomes = []
    for home in homes(case.production, people):

        def note(plan: str, *_: object, home: Home = home, **__: object) -> int:
            home.started.append(plan)
            return 0

        monkeypatch.setattr(process, "start", note)
        case.do(home, people)
        outcomes.append(home.outcome())
    requests, commands = outcomes
    assert requests == commands
    if case.expect.startswith("+"):
        assert requests["told"] == []
        assert requests["journal"][-1][0] == case.expect[1:]
    else:
        assert case.expect in requests["told"][-1]
