"""The estate: the same for a seed, alive by the clock, and true to its own refusals."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from patience import HANG

from backends.contract import BackendConfig, Verb
from backends.errors import AuthFailed, ConfigError, Refused
from backends.estate import SYSTEMS, Estate, EstateWorld, create
from backends.estate.vocabulary import HOSTILE, TRIPWIRE
from backends.model import AuditEvent, Gap, GapKind, How, ScopeDone, Token

BEGAN = 1_790_000_000


def backend(path: Path, system: str, **more: bool) -> Estate:
    options = {"path": str(path), "system": system, **more}
    return Estate(BackendConfig(name=system, type="estate", options=options))


async def tokens_of(path: Path, system: str) -> list[Token]:
    async with backend(path, system) as opened:
        return [found async for found in opened.inventory() if isinstance(found, Token)]


async def events_of(path: Path, system: str, hours: int = 48) -> list[AuditEvent | Gap]:
    async with backend(path, system) as opened:
        since = datetime.fromtimestamp(opened.world.now(), UTC) - timedelta(hours=hours)
        return [found async for found in opened.events(since)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("estate") / "estate.db"
    create(path, seed=11, tokens=400, now=BEGAN)
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


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


EVERYTHING = (
    "SELECT * FROM token ORDER BY n",
    "SELECT * FROM secret ORDER BY digest",
    "SELECT * FROM consumer ORDER BY id",
    "SELECT * FROM event ORDER BY id",
)


def test_one_seed_makes_one_estate_and_another_makes_another(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        create(tmp_path / name, seed=seed, tokens=120, now=BEGAN)
    for query in EVERYTHING:
        assert rows(tmp_path / "a", query) == rows(tmp_path / "b", query)
    assert rows(tmp_path / "a", EVERYTHING[0]) != rows(tmp_path / "c", EVERYTHING[0])


def test_it_is_private_and_never_written_over(path: Path, tmp_path: Path) -> None:
    create(tmp_path / "fresh", tokens=80, now=BEGAN)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(ConfigError) as refused:
        create(path, tokens=80)
    assert refused.value.hint
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_new_estate_is_populated_and_two_days_old(path: Path, system: str) -> None:
    tokens = asyncio.run(tokens_of(path, system))
    events = [
        found for found in asyncio.run(events_of(path, system)) if isinstance(found, AuditEvent)
    ]
    assert len(tokens) > 30
    hours = {event.at.replace(minute=0, second=0) for event in events}
    assert len(hours) > 40
    used = {event.token for event in events if event.outcome == "ok"}
    assert len(used & {token.ref for token in tokens}) > len(tokens) // 4
    assert any(event.outcome == "denied" for event in events)


def test_each_system_has_its_own_blind_spots(path: Path) -> None:
    by = {system: asyncio.run(tokens_of(path, system)) for system in SYSTEMS}
    assert {token.created_at.how for token in by["database"]} == {How.NOT_TRACKED}
    assert {token.last_used_at.how for token in by["database"]} == {How.NOT_TRACKED, How.KNOWN}
    assert {token.last_used_at.how for token in by["vault"]} == {How.NEVER, How.KNOWN}
    assert {token.owner.how for token in by["vault"]} == {How.KNOWN, How.NEVER, How.NOT_PERMITTED}
    assert {token.last_used_from.how for token in by["cloud"]} <= {How.NOT_TRACKED, How.NEVER}
    hourly = [token.last_used_at for token in by["cloud"] if token.last_used_at.value]
    assert all(at.value and at.value.minute == 0 for at in hourly)
    daily = [token.last_used_at for token in by["codehost"] if token.last_used_at.value]
    assert {at.granularity for at in daily} == {timedelta(days=1)}
    assert any(token.parent.known for token in by["vault"])
    assert any(token.principal.value and token.principal.value.disabled for token in by["codehost"])
    assert any(token.state == "expired" for token in by["codehost"])
    assert any(token.state == "disabled" for token in by["cloud"])


def test_hostile_names_are_kept_as_they_came(path: Path) -> None:
    names = {token.name for token in asyncio.run(tokens_of(path, "vault"))}
    assert set(HOSTILE) <= names
    assert TRIPWIRE in {token.name for token in asyncio.run(tokens_of(path, "codehost"))}


def test_what_cannot_be_listed_is_said(path: Path) -> None:
    async def gaps() -> list[Gap]:
        async with backend(path, "codehost") as opened:
            return [found async for found in opened.inventory() if isinstance(found, Gap)]

    assert [(gap.what, gap.kind) for gap in asyncio.run(gaps())] == [
        ("classic tokens", GapKind.UNLISTABLE)
    ]


def happened(path: Path) -> list[tuple[object, ...]]:
    return rows(
        path,
        "SELECT at, system, token, action, outcome, source FROM event"
        " ORDER BY at, token, action, source",
    )


def test_it_does_not_matter_how_often_one_looks(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(path.read_bytes())
    with EstateWorld(path) as often, EstateWorld(other) as once:
        for _ in range(60):
            often.travel(120)
            often.advance()
        once.travel(7200)
        once.advance()
    assert int(str(happened(path)[-1][0])) > BEGAN + 7000
    assert happened(path) == happened(other)
    listing = "SELECT id, name, owner, grants, used_at, gone_at FROM token ORDER BY n"
    assert rows(path, listing) == rows(other, listing)


def test_it_lives(path: Path, world: EstateWorld) -> None:
    before = {token.ref: token for token in asyncio.run(tokens_of(path, "vault"))}
    world.travel(6 * 3600)
    after = {token.ref: token for token in asyncio.run(tokens_of(path, "vault"))}
    assert after.keys() - before.keys()
    kept = before.keys() & after.keys()
    assert any(before[ref].grants != after[ref].grants for ref in kept)
    assert any(before[ref].owner != after[ref].owner for ref in kept)
    assert any(before[ref].last_used_at.value != after[ref].last_used_at.value for ref in kept)


def test_a_long_sleep_leaves_a_gap_in_the_log_and_not_silence(
    path: Path, world: EstateWorld
) -> None:
    world.travel(5 * 86_400)
    found = asyncio.run(events_of(path, "vault", hours=5 * 24))
    assert any(isinstance(gap, Gap) and "no log was kept" in gap.what for gap in found)
    events = [event for event in found if isinstance(event, AuditEvent)]
    end = datetime.fromtimestamp(world.now(), UTC)
    assert all(event.at <= end for event in events)
    assert {event.at.date() for event in events} >= {end.date(), (end - timedelta(1)).date()}


def test_a_revoked_token_takes_its_children_along(world: EstateWorld) -> None:
    top, secret = world.mint("vault", "top")
    child, child_secret = world.mint("vault", "child", parent=top)
    _, grandchild = world.mint("vault", "grandchild", parent=child)
    _, bystander = world.mint("vault", "bystander")
    assert all(world.attempt(one) for one in (secret, child_secret, grandchild, bystander))
    world.change(Verb.REVOKE, "vault", top)
    assert [world.attempt(one) for one in (secret, child_secret, grandchild, bystander)] == [
        False,
        False,
        False,
        True,
    ]


def test_a_cloud_key_works_on_for_seconds_and_a_user_has_two(world: EstateWorld) -> None:
    id_, secret = world.mint("cloud", "one", principal="svc")
    second, _ = world.rotate("cloud", id_)
    assert second != id_
    with pytest.raises(Refused, match="LimitExceeded"):
        world.mint("cloud", "three", principal="svc")
    world.change(Verb.CONTAIN, "cloud", id_)
    assert world.attempt(secret)
    world.travel(10)
    assert not world.attempt(secret)
    world.change(Verb.RESTORE, "cloud", id_)
    assert world.attempt(secret)


def test_a_database_value_is_replaced_in_place_and_sessions_outlive_the_role(
    path: Path, world: EstateWorld
) -> None:
    id_, old = world.mint("database", "app")
    same, new = world.rotate("database", id_)
    assert same == id_
    assert (world.attempt(old), world.attempt(new)) == (False, True)

    token, role = rows(
        path,
        "SELECT session.token, token.id FROM session JOIN token ON n = session.token"
        " JOIN consumer ON consumer.id = session.consumer"
        " WHERE ended_at IS NULL AND dead_from IS NULL AND expires_at IS NULL"
        " ORDER BY period LIMIT 1",
    )[0]
    began = world.now()
    world.change(Verb.REVOKE, "database", str(role))
    uses = f"SELECT outcome FROM event WHERE token = {token} AND actor NOT LIKE 'token-console%'"
    world.travel(12 * 3600)
    world.advance()
    lived_on = rows(path, f"{uses} AND at > {began}")
    assert ("ok",) in lived_on
    cut = world.now()
    world.change(Verb.DISCONNECT, "database", str(role))
    world.travel(12 * 3600)
    world.advance()
    assert ("ok",) not in rows(path, f"{uses} AND at > {cut}")


def test_the_code_host_says_202_and_does_it_later(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("codehost", "bot")

    def listed() -> bool:
        return id_ in {token.ref.id for token in asyncio.run(tokens_of(path, "codehost"))}

    world.change(Verb.REVOKE, "codehost", id_)
    assert listed()
    assert world.attempt(secret)
    world.travel(5)
    assert not listed()
    assert not world.attempt(secret)


def test_consumers_of_a_dead_token_are_refused_in_the_log(path: Path, world: EstateWorld) -> None:
    n, id_ = rows(
        path,
        "SELECT token.n, token.id FROM token JOIN consumer ON consumer.token = token.n"
        " WHERE system = 'vault' AND gone_at IS NULL AND expires_at IS NULL"
        " ORDER BY period LIMIT 1",
    )[0]
    began = world.now()
    world.change(Verb.REVOKE, "vault", str(id_))
    world.travel(12 * 3600)
    world.advance()
    after = f"SELECT DISTINCT outcome FROM event WHERE token = {n} AND at > {began}"
    assert rows(path, after) == [("denied",)]


def test_an_expired_token_is_refused_and_a_vault_forgets_it(path: Path, world: EstateWorld) -> None:
    id_, secret = world.mint("vault", "short", expires_in=60)
    assert world.attempt(secret)
    world.travel(61)
    assert not world.attempt(secret)
    assert id_ not in {token.ref.id for token in asyncio.run(tokens_of(path, "vault"))}


def test_no_value_is_in_the_file(path: Path, world: EstateWorld) -> None:
    ids = rows(path, "SELECT system, id FROM token")
    held = path.read_bytes()
    for system, id_ in ids:
        value = world.secret(str(system), str(id_)).reveal()
        assert value.encode() not in held


def test_the_console_can_saw_off_its_own_branch(path: Path, world: EstateWorld) -> None:
    async def own() -> str:
        async with backend(path, "vault") as opened:
            return (await opened.whoami()).ancestors[0].id

    world.change(Verb.REVOKE, "vault", asyncio.run(own()))
    with pytest.raises(AuthFailed):
        asyncio.run(tokens_of(path, "vault"))


def test_the_acting_credential_is_checked_by_the_estate(path: Path, world: EstateWorld) -> None:
    async def may(secret: str) -> bool:
        row = world.db.execute(
            "SELECT id FROM token WHERE system = 'cloud' AND name = ?", (secret,)
        ).fetchone()
        act = world.secret("cloud", row["id"])
        options = {"path": str(path), "system": "cloud"}
        config = BackendConfig(name="cloud", type="estate", options=options, act=act)
        async with Estate(config) as opened:
            return (await opened.whoami()).can_act

    assert asyncio.run(may("token-console-act"))
    assert not asyncio.run(may("token-console"))


def test_scopes_count_what_they_listed_in_a_small_estate_too(tmp_path: Path) -> None:
    create(tmp_path / "e", tokens=40, systems=("vault",), now=BEGAN)

    async def look() -> None:
        async with backend(tmp_path / "e", "vault") as opened:
            found = [one async for one in opened.inventory()]
            listed = [one for one in found if isinstance(one, Token)]
            done = [one for one in found if isinstance(one, ScopeDone)]
            assert sum(one.seen for one in done) == len(listed) > 20

    asyncio.run(look())


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"system": "mainframe", "path": "x"}, "system"),
        ({"system": "vault", "path": "nowhere"}, "path"),
    ],
)
def test_a_wrong_configuration_names_the_entry(options: dict[str, str], option: str) -> None:
    async def use() -> None:
        async with Estate(BackendConfig(name="e", type="estate", options=options)) as opened:
            await opened.health()

    with pytest.raises(ConfigError) as refused:
        asyncio.run(use())
    assert refused.value.option == option
    assert refused.value.hint


def test_a_file_that_is_no_estate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello " * 400)
    with pytest.raises(ConfigError):
        EstateWorld(tmp_path / "notes")


BUSY = """
import sys
from pathlib import Path
from backends.contract import Verb
from backends.estate import EstateWorld
with EstateWorld(Path(sys.argv[1])) as world:
    for turn in range(25):
        world.travel(30)
        world.advance()
        id_, secret = world.mint("vault", f"busy-{sys.argv[2]}-{turn}")
        assert world.attempt(secret)
        world.change(Verb.REVOKE, "vault", id_)
        assert not world.attempt(secret)
print("done")
"""


def test_several_processes_share_it(path: Path) -> None:
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY, str(path), str(place)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
            env=dict(os.environ),
        )
        for place in range(3)
    ]
    assert [process.communicate(timeout=HANG)[0] for process in running] == ["done\n"] * 3
    with EstateWorld(path) as world:
        assert world.now() == BEGAN + 3 * 25 * 30
    twice = rows(
        path,
        "SELECT at, token, source, target FROM event WHERE agent <> 'curl'"
        " GROUP BY at, token, source, action, target HAVING count(*) > 1",
    )
    assert twice == []
    late = f"SELECT count(*) FROM event WHERE at > {BEGAN} AND source LIKE '10.%'"
    assert int(str(rows(path, late)[0][0])) > 20
