"""A small system in a directory, whose every moment a test can hold, kill or twist.

A token is a file; to revoke it is to remove the file. Files beside the tokens steer it:
``hold-before`` and ``hold-after`` stop a call right before and right after its effect until
``go`` appears, ``answer`` replaces the answer's state, ``raise`` makes it fail,
``no-effect`` makes it do nothing, ``children`` lists what ends along, ``sessions`` what is
connected, ``down`` makes every reading fail. ``answer-ID`` has one
answer in each line for the calls about that token, used up in order, without any effect.
With ``by-value`` its calls name a token by its value; ``probes`` has a word for each try.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from backends import permit
from backends.contract import (
    HELD_VALUE,
    Ability,
    Backend,
    BackendConfig,
    Call,
    Capabilities,
    KindCapabilities,
    Option,
    Outcome,
    OutcomeState,
    ProbeResult,
    Proposal,
    Retry,
    Step,
    Support,
    Value,
    Verb,
    WhoAmI,
)
from backends.errors import NotFound, Unreachable
from backends.model import (
    Consumer,
    Covers,
    Dependents,
    EvidenceLevel,
    Found,
    Gap,
    GapKind,
    Principal,
    Secret,
    Token,
    TokenRef,
    decode,
    encode,
    known,
)

KIND = "key"


class Scripted(Backend):
    type_name: ClassVar[str] = "scripted"
    title: ClassVar[str] = "Scripted system"
    options: ClassVar[tuple[Option, ...]] = (Option("path", "Its directory.", required=True),)
    needs_credential: ClassVar[bool] = False

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self.path = Path(config.options["path"])

    def capabilities(self) -> Capabilities:
        told = json.loads(self._file("abilities") or "{}")
        ability = Ability(Support.FULL, retry=Retry(told.get("retry", "repeat freely")))
        return Capabilities(
            kinds=(
                KindCapabilities(
                    kind=KIND,
                    title="key",
                    verbs={Verb.REVOKE: ability},
                    ceiling=EvidenceLevel(told.get("ceiling", 4)),
                    covers=Covers.BOTH,
                    propagation=timedelta(0) if told.get("at once") else None,
                    probe_effects=("none",) if "runs" in told else None,
                    probe_runs=told.get("runs", 1),
                    probe_pause=timedelta(0),
                ),
            )
        )

    def _file(self, name: str) -> str:
        try:
            return (self.path / name).read_text()
        except FileNotFoundError:
            return ""

    def _is(self, name: str) -> bool:
        return (self.path / name).exists()

    async def health(self) -> None:  # type: ignore[override]
        return None

    async def whoami(self) -> WhoAmI:
        if self._is("down"):
            raise Unreachable("no connection")
        own = tuple(TokenRef(self.name, KIND, id_) for id_ in self._file("own").split())
        above = tuple(TokenRef(self.name, KIND, id_) for id_ in self._file("ancestors").split())
        return WhoAmI(
            name="console",
            own=own,
            ancestors=above,
            principals=("console-user",),
            can_act=not self._is("read-only"),
        )

    async def inventory(self) -> AsyncIterator[Found]:
        for path in sorted((self.path / "tokens").iterdir()):
            yield decode(path.read_bytes(), Token)

    async def read(self, ref: TokenRef) -> Token:
        if self._is("down"):
            raise Unreachable("no connection")
        try:
            return decode((self.path / "tokens" / ref.id).read_bytes(), Token)
        except FileNotFoundError:
            raise NotFound("no such key") from None

    async def dependents(self, ref: TokenRef) -> Dependents:
        if self._is("hidden"):
            return Dependents(gaps=(Gap("all", GapKind.REFUSED, "sessions"),))
        return Dependents(
            tuple(Consumer(name, "session") for name in self._file("sessions").split())
        )

    def _named(self, token: Token) -> str:
        return HELD_VALUE if self._is("by-value") else token.ref.id

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        words = self._file("probes").split()
        (self.path / "probes").write_text(" ".join(words[1:]))
        word = words[0] if words else "refused"
        return ProbeResult({"taken": True, "refused": False}.get(word), word)

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        step = Step(
            id="1",
            verb=verb,
            token=token.ref,
            title="Remove the key",
            call=Call("http", "DELETE", f"/keys/{self._named(token)}"),
            value=Value.HELD if self._is("by-value") else Value.NONE,
            retry=self.capabilities().of(KIND).ability(verb).retry,
            expect="gone",
        )
        below = tuple(TokenRef(self.name, KIND, id_) for id_ in self._file("children").split())
        return Proposal(steps=(step,), also_ends=below)

    async def perform(self, step: Step) -> Outcome:
        intent = permit.spend(step.call)
        await self._hold("before")
        if self._is("by-value"):
            (self.path / "value-seen").write_text(permit.value().reveal())
        with (self.path / "calls").open("a") as log:
            log.write(f"{intent} {step.call.line}\n")
        if told := self._next_answer(step.token.id):
            return Outcome(**{**told, "state": OutcomeState(told["state"])})
        if not self._is("no-effect"):
            (self.path / "tokens" / step.token.id).unlink(missing_ok=True)
        await self._hold("after")
        if self._is("raise"):
            raise RuntimeError(self._file("raise"))
        answer = json.loads(self._file("answer") or '{"state": "applied", "status": "204"}')
        return Outcome(**{**answer, "state": OutcomeState(answer["state"])})

    def _next_answer(self, id_: str) -> Any:
        lines = self._file(f"answer-{id_}").splitlines()
        if not lines:
            return None
        (self.path / f"answer-{id_}").write_text("\n".join(lines[1:]))
        return json.loads(lines[0])

    async def _hold(self, moment: str) -> None:
        if self._is(f"hold-{moment}"):
            (self.path / f"reached-{moment}").touch()
            await asyncio.to_thread(self._wait)

    def _wait(self) -> None:
        while not self._is("go"):
            time.sleep(0.01)


def make(path: Path, *names: str, called: str = "sys") -> Scripted:
    """A new system with these tokens; each name is the id too."""
    (path / "tokens").mkdir(parents=True)
    backend = Scripted(BackendConfig(name=called, type="scripted", options={"path": str(path)}))
    for name in names:
        put(backend, name, name)
    return backend


def put(backend: Scripted, id_: str, name: str, principal: str = "ci") -> Token:
    """Let the system have a token."""
    token = Token(
        ref=TokenRef(backend.name, KIND, id_),
        name=name,
        scope="all",
        principal=known(Principal(principal, principal), "record"),
        owner=known("payments", "record"),
    )
    (backend.path / "tokens" / id_).write_bytes(encode(token))
    return token


def calls(backend: Scripted) -> list[str]:
    """The intents whose calls arrived, in order."""
    path = backend.path / "calls"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
