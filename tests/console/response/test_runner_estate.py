"""Revoking in the embedded estate, when it is honest and when it lags, loses and lies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import HANG
from planned import planned

from backends import registry
from backends.contract import Backend, Verb
from backends.estate import SYSTEMS, EstateWorld, create, set_trouble
from backends.model import Token, TokenState
from console import settings
from console.errors import PlanRefused
from console.journal.format.sentence import Entry
from console.journal.write.journal import Journal
from console.response.approve.approval import approve
from console.response.plan.model import Plan
from console.response.run import process
from console.response.run.recovery import recover
from console.response.run.run import Result, Run
from console.response.step.attempt import End


class Estate:
    """One estate with its four systems, and a console's home over them."""

    def __init__(self, tmp: Path) -> None:
        self.file = tmp / "estate.db"
        create(self.file, seed=5, tokens=200)
        self.paths = settings.paths(tmp / "home")
        self.paths.make()
        self.tables = {
            system: {
                "type": "estate",
                "path": str(self.file),
                "system": system,
                "act_allowed": True,
            }
            for system in SYSTEMS
        }
        self.paths.config.write_text(
            "\n".join(
                f'[backend.{system}]\ntype = "estate"\npath = "{self.file}"\n'
                f'system = "{system}"\nact_allowed = true\n'
                for system in SYSTEMS
            )
        )
        self.journal = Journal(self.paths.journal)

    def open(self, system: str) -> Backend:
        return registry.configure(system, self.tables[system], act=True)

    def tokens(self, system: str) -> list[Token]:
        async def listed() -> list[Token]:
            async with self.open(system) as backend:
                return [found async for found in backend.inventory() if isinstance(found, Token)]

        return asyncio.run(listed())

    def one(self, system: str) -> Token:
        """An active token that is none of the console's own."""
        own = self.own(system)
        return next(
            token
            for token in self.tokens(system)
            if token.state is TokenState.ACTIVE and token.ref.id not in own
        )

    def own(self, system: str) -> set[str]:
        """The ids of the console's own tokens, and of those whose end would end them."""

        async def ask() -> set[str]:
            async with self.open(system) as backend:
                me = await backend.whoami()
                return {ref.id for ref in (*me.own, *me.ancestors)}

        return asyncio.run(ask())

    def approve(self, token: Token) -> Plan:
        why, among = "vendor breach, drill", self.tokens(token.ref.backend)

        async def make() -> Plan:
            async with self.open(token.ref.backend) as backend:
                return await planned(backend, Verb.REVOKE, token, why, among=among)

        plan = asyncio.run(make())
        approve(plan, self.journal, self.paths, plan.typed_word)
        return plan

    def run(self, plan: Plan) -> Result:
        async def execute() -> Result:
            async with self.open(plan.only.backend) as backend:

                async def opened(_: str) -> Backend:
                    return backend

                return await Run(plan, self.journal, self.paths, opened, patience=0, climb=0).run()

        return asyncio.run(execute())

    def recover(self, system: str) -> list[str]:
        async def ask() -> list[str]:
            async with self.open(system) as backend:
                found = await recover([backend], self.journal, self.paths, settle=0)
                return [each.state for each in found]

        return asyncio.run(ask())

    def told(self, plan: Plan) -> list[Entry]:
        return list(reversed(self.journal.entries(plan=plan.id)))[1:]

    def works(self, token: Token) -> bool:
        """Whether the system itself still accepts the token's value."""
        with EstateWorld(self.file) as world:
            return world.accepts(world.secret(token.ref.backend, token.ref.id))


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    made = Estate(tmp_path)
    yield made
    made.journal.close()


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_a_runner_process_revokes_in_each_system_and_the_value_is_refused(
    estate: Estate, system: str
) -> None:
    token = estate.one(system)
    assert estate.works(token)
    plan = estate.approve(token)
    process.start(plan.id, estate.paths, climb=0)
    deadline = time.monotonic() + HANG
    while process.alive(plan.id, estate.paths):
        assert time.monotonic() < deadline, "the runner did not end"
        time.sleep(0.02)
    intent, outcome, evidence, *_ = estate.told(plan)
    assert (intent.kind, outcome.state, evidence.evidence) == ("intent", "applied", 2)
    assert intent.why == "vendor breach, drill"
    with EstateWorld(estate.file) as world:
        propagation = SYSTEMS[system].capabilities.of(token.ref.kind).propagation
        world.travel(int(propagation.total_seconds()) + 1 if propagation else 1)
    assert not estate.works(token)


def test_yes_without_effect_is_not_believed(estate: Estate) -> None:
    token = estate.one("vault")
    plan = estate.approve(token)
    set_trouble(estate.file, "vault", no_effect=True)
    assert estate.run(plan).end is End.DONE
    assert estate.told(plan)[-1].evidence == 1
    assert estate.works(token)


def test_an_answer_lost_after_the_deed_is_found_by_looking(estate: Estate) -> None:
    plan = estate.approve(estate.one("vault"))
    set_trouble(estate.file, "vault", lose="applied")
    assert estate.run(plan).end is End.DONE
    assert [entry.state for entry in estate.told(plan)][:3] == ["", "unknown", "applied"]


def test_an_answer_lost_before_the_deed_stays_open_and_is_recovered_as_not_done(
    estate: Estate,
) -> None:
    token = estate.one("vault")
    plan = estate.approve(token)
    set_trouble(estate.file, "vault", lose="dropped")
    assert estate.run(plan).end is End.UNKNOWN
    assert len(estate.journal.open_intents()) == 1
    assert estate.recover("vault") == ["not_applied"]
    assert estate.works(token)
    assert estate.journal.open_intents() == []


def test_an_outage_sends_nothing(estate: Estate) -> None:
    plan = estate.approve(estate.one("cloud"))
    set_trouble(estate.file, "cloud", outage=True)
    assert estate.run(plan).end is End.STOPPED
    assert [entry.kind for entry in estate.told(plan)] == ["note"]


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_the_consoles_own_tokens_are_refused_in_each_system(estate: Estate, system: str) -> None:
    own = estate.own(system)
    mine = [token for token in estate.tokens(system) if token.ref.id in own]
    assert mine
    for token in mine:
        with pytest.raises(PlanRefused):
            estate.approve(token)
