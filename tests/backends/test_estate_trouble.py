"""What an estate can be told to do wrong, as a caller of its backend meets it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contract import BackendConfig, Outcome, OutcomeState, Step, Verb
from backends.errors import (
    AuthFailed,
    ConfigError,
    Forbidden,
    NotFound,
    RateLimited,
    ServerFault,
    Unreachable,
)
from backends.estate import (
    Estate,
    EstateWorld,
    SystemTrouble,
    clear_trouble,
    create,
    get_trouble,
    set_trouble,
    settings_from,
)
from backends.model import Found, Gap, GapKind, ScopeDone, Secret, Token, TokenRef
from backends.permit import Permit

BEGAN = 1_790_000_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estate") / "estate.db"
    create(path, seed=2, tokens=900, now=BEGAN)
    with EstateWorld(path) as world:
        world.freeze(BEGAN)
    return path


@pytest.fixture
def path(template: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "estate.db"
    copy.write_bytes(template.read_bytes())
    return copy


@pytest.fixture
def world(path: Path) -> Iterator[EstateWorld]:
    with EstateWorld(path) as opened:
        yield opened


def backend(path: Path, system: str) -> Estate:
    options = {"path": str(path), "system": system, "act_allowed": True}
    return Estate(BackendConfig(name=system, type="estate", options=options))


def listed(path: Path, system: str) -> list[Found]:
    async def look() -> list[Found]:
        async with backend(path, system) as opened:
            return [found async for found in opened.inventory()]

    return asyncio.run(look())


def ids(found: list[Found]) -> set[str]:
    return {one.ref.id for one in found if isinstance(one, Token)}


def read(path: Path, system: str, id_: str) -> Token:
    async def look() -> Token:
        async with backend(path, system) as opened:
            return await opened.read(TokenRef(system, opened.spec.kind, id_))

    return asyncio.run(look())


def act(path: Path, system: str, id_: str, verb: Verb = Verb.REVOKE) -> Outcome:
    """Plan on a good day, then perform on the day that the trouble makes."""

    async def go() -> Outcome:
        async with backend(path, system) as opened:
            bad = get_trouble(path, system)
            clear_trouble(path, system)
            token = await opened.read(TokenRef(system, opened.spec.kind, id_))
            step: Step = (await opened.plan(verb, token)).steps[0]
            set_trouble(
                path, system, **{name: getattr(bad, name) for name in bad.__struct_fields__}
            )
            with Permit("intent-1", step).active():
                return await opened.perform(step)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"outage": True}, Unreachable),
        ({"auth": True}, AuthFailed),
        ({"rate_every": 1, "retry_after": 7}, RateLimited),
        ({"die_after": 3}, ServerFault),
    ],
)
def test_a_bad_day_is_told_by_its_error(
    path: Path, settings: dict[str, object], error: type[Exception]
) -> None:
    set_trouble(path, "vault", **settings)
    with pytest.raises(error) as raised:
        listed(path, "vault")
    assert getattr(raised.value, "hint", "")
    if error is RateLimited:
        assert getattr(raised.value, "retry_after", None) == 7
    assert ids(listed(path, "cloud")), "the other systems have no trouble"
    clear_trouble(path)
    assert ids(listed(path, "vault"))


def test_a_listing_that_dies_gave_its_first_tokens(path: Path) -> None:
    set_trouble(path, "vault", die_after=130)
    seen: list[Found] = []

    async def look() -> None:
        async with backend(path, "vault") as opened:
            async for found in opened.inventory():
                seen.append(found)

    with pytest.raises(ServerFault):
        asyncio.run(look())
    assert len(ids(seen)) == 130
    assert not any(isinstance(one, ScopeDone) for one in seen)


def test_a_forbidden_scope_is_a_gap_and_the_others_go_on(path: Path, world: EstateWorld) -> None:
    id_, _ = world.mint("vault", "hidden", scope="payments")
    set_trouble(path, "vault", **settings_from(["forbidden=payments,data"]))
    found = listed(path, "vault")
    refused = {one.scope for one in found if isinstance(one, Gap) and one.kind is GapKind.REFUSED}
    assert refused == {"payments", "data"}
    assert {one.scope for one in found if isinstance(one, ScopeDone)} == {"root", "platform"}
    assert id_ not in ids(found)
    with pytest.raises(Forbidden):
        read(path, "vault", id_)


def test_an_endless_page_ends_in_a_gap(path: Path) -> None:
    set_trouble(path, "vault", endless=True)
    found = listed(path, "vault")
    assert not [one for one in found if isinstance(one, ScopeDone)]
    assert {one.kind for one in found if isinstance(one, Gap) and one.scope == "root"} == {
        GapKind.LIMITED
    }


def test_a_lying_list_leaves_out_what_is_still_there(path: Path) -> None:
    whole = ids(listed(path, "vault"))
    set_trouble(path, "vault", omit_page=1)
    found = listed(path, "vault")
    missing = whole - ids(found)
    assert len(missing) == 100
    assert len([one for one in found if isinstance(one, ScopeDone)]) == 4
    assert read(path, "vault", min(missing)).ref.id in missing


def test_yes_without_effect(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("vault", "t")
    set_trouble(path, "vault", no_effect=True)
    assert act(path, "vault", id_).state is OutcomeState.APPLIED
    assert world.attempt(secret)
    assert read(path, "vault", id_).name == "t"


def test_gone_from_the_record_and_alive(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("cloud", "t")
    set_trouble(path, "cloud", undead=True)
    assert act(path, "cloud", id_).state is OutcomeState.APPLIED
    with pytest.raises(NotFound):
        read(path, "cloud", id_)
    world.travel(86_400)
    assert world.attempt(secret)


def test_an_effect_that_lags_an_hour(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("vault", "t")
    set_trouble(path, "vault", effect_lag=3600)
    act(path, "vault", id_)
    world.travel(3599)
    assert world.attempt(secret)
    world.travel(1)
    assert not world.attempt(secret)


def test_a_record_that_lags(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("vault", "t")
    set_trouble(path, "vault", record_lag=60)
    act(path, "vault", id_)
    assert not world.attempt(secret)
    assert read(path, "vault", id_).ref.id == id_
    world.travel(60)
    with pytest.raises(NotFound):
        read(path, "vault", id_)


@pytest.mark.parametrize(("lost", "alive"), [("applied", False), ("dropped", True)])
def test_a_lost_answer_is_unknown_either_way(
    path: Path, world: EstateWorld, lost: str, alive: bool
) -> None:
    id_, secret = world.mint("vault", "t")
    set_trouble(path, "vault", lose=lost)
    assert act(path, "vault", id_).state is OutcomeState.UNKNOWN
    assert world.attempt(secret) is alive


def test_lost_answers_by_turns_lose_both_ways(path: Path, world: EstateWorld) -> None:
    made = [world.mint("vault", f"t{place}") for place in range(16)]
    set_trouble(path, "vault", lose="mixed")

    async def go() -> list[OutcomeState]:
        states = []
        async with backend(path, "vault") as opened:
            for id_, _ in made:
                token = await opened.read(TokenRef("vault", "service_token", id_))
                step = (await opened.plan(Verb.REVOKE, token)).steps[0]
                with Permit("intent", step).active():
                    states.append((await opened.perform(step)).state)
        return states

    assert set(asyncio.run(go())) == {OutcomeState.UNKNOWN}
    assert {world.attempt(secret) for _, secret in made} == {True, False}


def test_siblings_left_alive(path: Path, world: EstateWorld) -> None:
    top, secret = world.mint("vault", "top")
    _, child = world.mint("vault", "child", parent=top)
    set_trouble(path, "vault", siblings_alive=True)
    act(path, "vault", top)
    assert (world.attempt(secret), world.attempt(child)) == (False, True)


def test_a_grace_value_works_on(path: Path, world: EstateWorld) -> None:
    id_, old = world.mint("database", "app")
    set_trouble(path, "database", grace=300)
    _, new = world.rotate("database", id_)
    assert world.attempt(old)
    assert world.attempt(new)
    world.travel(300)
    assert not world.attempt(old)
    assert world.attempt(new)


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"outage": True}, OutcomeState.NOT_SENT),
        ({"auth": True}, OutcomeState.REJECTED),
        ({"forbidden": ("root",)}, OutcomeState.REJECTED),
        ({"rate_every": 1}, OutcomeState.REJECTED),
    ],
)
def test_a_refused_change_changes_nothing(
    path: Path, world: EstateWorld, settings: dict[str, object], state: OutcomeState
) -> None:
    id_, secret = world.mint("vault", "t", scope="root")
    set_trouble(path, "vault", **settings)
    assert act(path, "vault", id_).state is state
    assert world.attempt(secret)


def test_a_dead_value_is_not_identified_and_a_foreign_one_neither(
    path: Path, world: EstateWorld
) -> None:
    id_, secret = world.mint("vault", "t")
    act(path, "vault", id_)

    async def look(value: Secret) -> int:
        async with backend(path, "vault") as opened:
            return len(await opened.identify(value))

    assert asyncio.run(look(secret)) == 0
    assert asyncio.run(look(world.mint("cloud", "x")[1])) == 0
    assert asyncio.run(look(world.mint("vault", "y")[1])) == 1


def test_settings_are_kept_replaced_and_checked(path: Path) -> None:
    set_trouble(path, "vault", **settings_from(["latency_ms=40", "outage", "lose=mixed"]))
    assert get_trouble(path, "vault") == SystemTrouble(latency_ms=40, outage=True, lose="mixed")
    set_trouble(path, "vault", no_effect=True)
    assert get_trouble(path, "vault") == SystemTrouble(no_effect=True)
    clear_trouble(path)
    assert get_trouble(path, "vault") == SystemTrouble()
    for system, settings in (
        ("vault", {"gremlins": True}),
        ("vault", {"lose": "all"}),
        ("mainframe", {}),
    ):
        with pytest.raises(ConfigError) as refused:
            set_trouble(path, system, **settings)
        assert refused.value.hint
