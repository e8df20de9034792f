"""What drills need of the estate: planted hazards, the truth, limits, a bot, and a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from estate_fixture import BEGAN, estate, template

from backends.contract import NO_SESSIONS, BackendConfig, Match, Outcome, OutcomeState, Verb
from backends.errors import ConfigError
from backends.estate import HAZARDS, SYSTEMS, Estate, EstateWorld, create, hazard_cases, set_trouble
from backends.estate.vocabulary import TRIPWIRE
from backends.model import AuditEvent, Dependents, Secret, Token, TokenRef
from backends.permit import Permit

__all__ = ["estate", "template"]


@pytest.fixture
def world(estate: Path) -> Iterator[EstateWorld]:
    with EstateWorld(estate) as opened:
        yield opened


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clean") / "estate.db"
    create(path, seed=4, tokens=600, now=BEGAN, clean=True)
    with EstateWorld(path) as world:
        world.freeze(BEGAN)
    return path


def backend(path: Path, system: str) -> Estate:
    options = {"path": str(path), "system": system, "act_allowed": True}
    return Estate(BackendConfig(name=system, type="estate", options=options))


def tokens(path: Path, system: str) -> list[Token]:
    async def go() -> list[Token]:
        async with backend(path, system) as opened:
            return [found async for found in opened.inventory() if isinstance(found, Token)]

    return asyncio.run(go())


def events(path: Path, system: str, seconds: int = 48 * 3_600) -> list[AuditEvent]:
    async def go() -> list[AuditEvent]:
        async with backend(path, system) as opened:
            since = datetime.fromtimestamp(opened.world.now() - seconds, UTC)
            return [one async for one in opened.events(since) if isinstance(one, AuditEvent)]

    return asyncio.run(go())


def identify(path: Path, system: str, secret: Secret) -> tuple[Match, ...]:
    async def go() -> tuple[Match, ...]:
        async with backend(path, system) as opened:
            return await opened.identify(secret)

    return asyncio.run(go())


def dependents(path: Path, ref: TokenRef) -> Dependents:
    async def go() -> Dependents:
        async with backend(path, ref.backend) as opened:
            return await opened.dependents(ref)

    return asyncio.run(go())


def rulers(path: Path, system: str) -> set[str]:
    return {
        token.ref.id
        for token in tokens(path, system)
        for grant in token.grants.or_else(())
        if grant.name in SYSTEMS[system].capabilities.of(token.ref.kind).admin_grants
    }


def steady(path: Path, system: str) -> set[TokenRef]:
    """The tokens that one address uses once a minute, to a few seconds, for half an hour."""
    uses: dict[TokenRef, list[AuditEvent]] = {}
    for event in events(path, system, 3_600):
        if event.token is not None and event.source:
            uses.setdefault(event.token, []).append(event)
    found = set()
    for ref, one in uses.items():
        gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(one)]
        alone = len({event.source for event in one}) == 1
        if alone and len(gaps) >= 30 and all(55 <= gap <= 65 for gap in gaps):
            found.add(ref)
    return found


def test_each_hazard_can_be_planted_and_shows(world: EstateWorld, estate: Path) -> None:
    shown = set()

    def planted(hazard: str, **more: str) -> tuple[TokenRef, Secret]:
        shown.add(hazard)
        made = hazard_cases.plant(world, hazard, **more)
        return TokenRef(made.system, made.kind, made.id), made.secret

    tripwire, _ = planted("tripwire")
    assert {one.ref: one.name for one in tokens(estate, "codehost")}[tripwire] == TRIPWIRE
    heart, _ = planted("heartbeat")
    assert heart in steady(estate, "vault")
    only, _ = planted("last-admin", system="cloud")
    assert rulers(estate, "cloud") == {only.id}
    reuse, _ = planted("reuse-detection")
    assert SYSTEMS["codehost"].capabilities.of(reuse.kind).reuse_detection
    _, secret = planted("shared-value")
    assert len(identify(estate, "database", secret)) == 2
    here, _ = planted("this-host", address="192.0.2.44")
    seen = {one.ref: one.last_used_from.value for one in tokens(estate, "vault")}
    assert seen[here] == "192.0.2.44"
    cascade, _ = planted("cascade")
    assert [one.kind for one in dependents(estate, cascade).consumers] == ["token", "token"]
    full, _ = planted("slot-full")
    who = Counter(one.principal.or_else(None) for one in tokens(estate, "cloud"))
    [of] = [one.principal.value for one in tokens(estate, "cloud") if one.ref == full]
    assert who[of] == 2
    assert shown == set(HAZARDS)
    with pytest.raises(ConfigError):
        hazard_cases.plant(world, "gremlin")


def test_a_clean_estate_has_none_of_them(clean: Path) -> None:
    for system in SYSTEMS:
        listed = tokens(clean, system)
        assert TRIPWIRE not in {one.name for one in listed}
        assert steady(clean, system) == set()
        assert len(rulers(clean, system)) >= 3
        assert not any(one.parent.known for one in listed if one.created_by.value != "setup")
        if system == "cloud":
            assert max(Counter(one.principal.value for one in listed).values()) == 1

        async def rotations(system: str = system, listed: list[Token] = listed) -> set[str]:
            async with backend(clean, system) as opened:
                me = await opened.whoami()
                theirs = [one for one in listed if one.ref not in (*me.own, *me.ancestors)]
                return {
                    hazard.code
                    for one in theirs
                    for verb in (Verb.ROTATE, Verb.REVOKE)
                    for hazard in (await opened.plan(verb, one)).hazards
                }

        assert asyncio.run(rotations()) == set()


def test_a_new_estate_holds_the_usual_kinds_only(estate: Path) -> None:
    for name, system in SYSTEMS.items():
        assert {one.ref.kind for one in tokens(estate, name)} == {system.kind}


def test_the_truth_of_thousands_is_told_at_once(world: EstateWorld) -> None:
    id_, secret = world.mint("vault", "one")
    role, _ = world.mint("database", "app")
    before = world.truth()
    assert before[("vault", id_)]
    for (system, token), alive in list(before.items())[::7]:
        assert world.accepts(world.secret(system, token)) is alive
    world.change(Verb.REVOKE, "vault", id_)
    world.rotate("database", role)
    assert not world.truth("vault")[("vault", id_)]
    assert world.truth()[("database", role)]
    assert not world.truth(version=1)[("database", role)]
    assert not world.accepts(secret)
    assert world.all_changes() == {("vault", id_): {"revoke": 1}, ("database", role): {"rotate": 1}}


def revoke(path: Path, system: str, ids: list[str]) -> list[Outcome]:
    async def go() -> list[Outcome]:
        found = []
        async with backend(path, system) as opened:
            for id_ in ids:
                token = await opened.read(TokenRef(system, opened.spec.kind, id_))
                step = (await opened.plan(Verb.REVOKE, token)).steps[0]
                with Permit(f"intent-{id_}", step).active():
                    found.append(await opened.perform(step))
        return found

    return asyncio.run(go())


def test_a_limit_bites_before_any_effect_and_is_counted(world: EstateWorld, estate: Path) -> None:
    made = [world.mint("vault", f"t{place}")[0] for place in range(9)]
    set_trouble(estate, "vault", rate_limit=3)
    states = [one.status for one in revoke(estate, "vault", made[:5])]
    assert states == ["204", "204", "204", "429", "429"]
    assert world.breaches("vault") == 2
    assert [world.changes("vault", one) for one in made[:5]] == [1, 1, 1, 0, 0]
    assert [world.truth("vault")[("vault", one)] for one in made[:5]] == [False] * 3 + [True] * 2
    world.travel(1)
    assert [one.status for one in revoke(estate, "vault", made[5:8])] == ["204"] * 3
    assert world.breaches("vault") == 2
    assert revoke(estate, "vault", made[8:])[0].state is OutcomeState.REJECTED
    set_trouble(estate, "vault")
    assert world.breaches("vault") == 0


def test_a_bot_makes_another_token_when_its_own_is_ended(world: EstateWorld, estate: Path) -> None:
    id_, _ = world.mint("cloud", "stolen", principal="svc-stolen")
    world.remint("cloud", id_, after=3)
    world.travel(60)

    def theirs() -> list[Token]:
        return [
            one
            for one in tokens(estate, "cloud")
            if one.principal.value is not None and one.principal.value.id == "svc-stolen"
        ]

    assert [one.ref.id for one in theirs()] == [id_]
    revoke(estate, "cloud", [id_])
    world.travel(2)
    assert theirs() == []
    world.travel(1)
    [late] = theirs()
    assert late.created_at.value == datetime.fromtimestamp(world.now(), UTC)
    assert world.truth()[("cloud", late.ref.id)]
    revoke(estate, "cloud", [late.ref.id])
    world.travel(60)
    assert theirs() == [], "it acts once"
    other, _ = world.mint("vault", "stolen")
    assert world.remint("vault", other) is not None


def test_sessions_end_and_are_seen_to_have_ended(world: EstateWorld, estate: Path) -> None:
    id_, _ = world.mint("database", "app")
    hazard_cases.employ(world, "database", id_, "etl-01", kind="session", period=3_600)
    world.travel(3_600)
    world.advance()
    role = TokenRef("database", "role", id_)
    assert [one.kind for one in dependents(estate, role).consumers] == ["session"]

    async def disconnect() -> str:
        async with backend(estate, "database") as opened:
            step = (await opened.plan(Verb.DISCONNECT, await opened.read(role))).steps[0]
            with Permit("intent", step).active():
                assert (await opened.perform(step)).state is OutcomeState.APPLIED
            return step.expect

    assert asyncio.run(disconnect()) == NO_SESSIONS
    assert "session" not in {one.kind for one in dependents(estate, role).consumers}


def test_our_own_calls_are_told_by_their_agent(world: EstateWorld, estate: Path) -> None:
    id_, secret = world.mint("vault", "probed")
    role = TokenRef("vault", "service_token", id_)

    async def probe() -> bool | None:
        async with backend(estate, "vault") as opened:
            return (await opened.probe(role, secret)).accepted

    assert asyncio.run(probe()) is True
    revoke(estate, "vault", [id_])
    assert asyncio.run(probe()) is False
    ours = [one for one in events(estate, "vault", 60) if one.token == role]
    told = [(one.action, one.outcome, one.agent) for one in ours]
    assert told[1:] == [
        ("probe", "ok", "token-console/probe"),
        ("revoke", "ok", "token-console/act"),
        ("probe", "denied", "token-console/probe"),
    ]


def test_an_hour_of_lag_passes_on_a_clock_that_stands(world: EstateWorld, estate: Path) -> None:
    id_, secret = world.mint("vault", "slow")
    hazard_cases.employ(world, "vault", id_, "pod/a", period=600)
    role = TokenRef("vault", "service_token", id_)
    set_trouble(estate, "vault", effect_lag=3_600)
    revoke(estate, "vault", [id_])

    async def probe() -> bool | None:
        async with backend(estate, "vault") as opened:
            return (await opened.probe(role, secret)).accepted

    answers = []
    for _ in range(7):
        answers.append(asyncio.run(probe()))
        world.travel(600)
    answers.append(asyncio.run(probe()))
    assert answers == [True] * 6 + [False] * 2
    pods = [one for one in events(estate, "vault", 5_000) if one.token == role and not one.detail]
    assert {one.outcome for one in pods if one.source == "10.21.4.4"} == {"ok", "denied"}
    end = datetime.fromtimestamp(world.now(), UTC)
    assert all(end - one.at <= timedelta(seconds=5_000) for one in pods)


def test_two_files_make_eight_backends(tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    for place in ("a", "b"):
        create(tmp_path / place, seed=ord(place), tokens=400, now=BEGAN)
        for system in SYSTEMS:
            seen |= {(f"{place}-{system}", one.ref.id) for one in tokens(tmp_path / place, system)}
    assert len({name for name, _ in seen}) == 8
    assert len(seen) > 700
