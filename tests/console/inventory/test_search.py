"""Finding tokens: every way of answering gives the same as going through all of them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from patience import HANG
from scripted import NOW, Clock, Desk, Scripted, listing, token

from backends.model import (
    Grant,
    Principal,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_read,
    not_tracked,
)
from console.errors import UsageError
from console.inventory.search import filtered_rows, order, resolve_name
from console.inventory.search.inventory import COLUMNS, Interrupted, Inventory, Row, Sort
from console.inventory.search.query import parse
from console.store.queries import matches

COUNT = 700


def invented(count: int, seed: int = 3) -> Iterator[Token]:
    dice = random.Random(seed)
    unknown = (never("log"), not_tracked(), not_permitted("list"), not_read())
    for number in range(count):
        team = dice.choice(["payments", "ledger", "Web", "straße"])
        used: Any = known(NOW - timedelta(days=dice.randrange(200)), "log")
        backend = dice.choice(["vault", "aws", "pg"])
        yield Token(
            ref=TokenRef(backend, dice.choice(["key", "role"]), f"id-{number}-{dice.random()}"),
            name=f"{dice.choice(['ci', 'app', 'svc'])}-{team}-{number % 50}",
            scope="root",
            state=dice.choice([TokenState.ACTIVE] * 5 + [TokenState.DISABLED]),
            owner=dice.choice([known(team, "tag"), known(team, "tag"), *unknown]),
            principal=dice.choice([known(Principal("1", f"{team}-bot"), "r"), *unknown]),
            created_at=dice.choice([known(NOW - timedelta(days=number), "r"), not_read()]),
            last_used_at=dice.choice([used, used, *unknown]),
            expires_at=dice.choice([known(NOW + timedelta(days=number), "r"), *unknown]),
            grants=dice.choice(
                [known((Grant("policy", dice.choice(["admin", "read"])),), "r"), *unknown]
            ),
        )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    desk = Desk(tmp_path_factory.mktemp("store"))
    tokens = list(invented(COUNT))
    for name in ("vault", "aws", "pg"):
        mine = [one for one in tokens if one.ref.backend == name]
        desk.sync(Scripted(listing(*mine), name=name))
        # A later look makes some of them gone, and brings new ones.
        added = token(f"added-{name}", backend=name)
        desk.sync(Scripted(listing(*mine[7:], added), name=name))
    return desk.path


@pytest.fixture
def inventory(path: Path) -> Iterator[Inventory]:
    clock = Clock()
    clock.forward(hours=1)
    with closing(Inventory(path, clock=clock)) as found:
        yield found


BY_NAME = Sort()


def everything(inventory: Inventory, sort: Sort = BY_NAME) -> list[Row]:
    return inventory.window(parse(""), sort, 0, 10_000)


def key(row: Row, column: str) -> Any:
    """What a column sorts by; None where nobody knows."""
    return {
        "name": row.name.casefold(),
        "backend": row.backend,
        "owner": "" if row.owner_how == "never" else row.owner and row.owner.casefold(),
        "age": None if row.created_at is None else -row.created_at,
        "used": 1 if row.used_how == "never" else None if row.used_at is None else -row.used_at,
        "expires": 1e18 if row.expires_how == "never" else row.expires_at,
        "state": "gone" if row.presence == "gone" else row.state,
        "grants": 0 if row.grants_how == "never" else row.grants,
        "kind": row.kind,
        "changed": -row.changed_at,
    }[column]


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("descending", [False, True])
def test_every_column_sorts_both_ways_with_unknown_last(
    inventory: Inventory, column: str, descending: bool
) -> None:
    rows = everything(inventory, Sort(column, descending))
    assert len({row.handle for row in rows}) == inventory.total() == COUNT + 3
    keys = [key(row, column) for row in rows]
    there = [one for one in keys if one is not None]
    assert keys == sorted(there, reverse=descending) + [None] * (len(keys) - len(there))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("descending", [False, True])
def test_windows_fit_together_wherever_they_begin(
    inventory: Inventory, column: str, descending: bool
) -> None:
    sort = Sort(column, descending)
    rows = everything(inventory, sort)
    dice = random.Random(1)
    for _ in range(60):
        start, size = dice.randrange(-3, COUNT + 20), dice.randrange(0, 60)
        expected = rows[max(start, 0) : max(start, 0) + size]
        assert inventory.window(parse(""), sort, start, size) == expected
    for row in rows[::97]:
        assert inventory.position(parse(""), sort, row.handle) == rows.index(row)


QUERIES: dict[str, Callable[[Row], bool]] = {
    "payments": lambda row: "payments" in words(row),
    "pa": lambda row: "pa" in words(row),
    "p": lambda row: "p" in words(row),
    "zq": lambda row: False,
    "STRASSE": lambda row: "strasse" in words(row),
    "-ci": lambda row: "ci" not in words(row),
    "-v": lambda row: "v" not in words(row),
    "-w": lambda row: "w" not in words(row),
    "-s": lambda row: "s" not in words(row),
    "-ws": lambda row: "ws" not in words(row),
    "-y": lambda row: "y" not in words(row),
    "app-web-1": lambda row: "app-web-1" in words(row),
    "owner:pay": lambda row: "pay" in (row.owner or ""),
    "owner:=payments": lambda row: row.owner == "payments",
    "owner:payments,ledger": lambda row: row.owner in ("payments", "ledger"),
    "owner:none": lambda row: row.owner_how == "never",
    "owner:none,payments": lambda row: row.owner_how == "never" or row.owner == "payments",
    "owner:unknown": lambda row: row.owner_how.startswith("not_"),
    "owner:unread": lambda row: row.owner_how == "not_read",
    "principal:web": lambda row: "web" in (row.principal or "").casefold(),
    "principal:none": lambda row: row.principal_how == "never",
    "backend:aws": lambda row: row.backend == "aws",
    "backend:a": lambda row: "a" in row.backend,
    "kind:role": lambda row: row.kind == "role",
    "id:added": lambda row: row.id.startswith("added"),
    "state:active": lambda row: row.state == "active" and row.presence == "present",
    "state:gone": lambda row: row.presence == "gone",
    "state:disabled,gone": lambda row: row.state == "disabled" or row.presence == "gone",
    "is:present": lambda row: row.presence == "present",
    "is:new": lambda row: row.change == "new",
    "is:changed": lambda row: row.change != "",
    "used:<30d": lambda row: row.used_at is not None and row.used_at > LATER - 30 * 86_400,
    "used:>90d": lambda row: row.used_at is not None and row.used_at < LATER - 90 * 86_400,
    "used:never": lambda row: row.used_how == "never",
    "used:untracked": lambda row: row.used_how == "not_tracked",
    "used:unpermitted": lambda row: row.used_how == "not_permitted",
    "used:unknown": lambda row: row.used_how.startswith("not_"),
    "used:known": lambda row: row.used_how == "known",
    "used:>90d,never": lambda row: (
        row.used_how == "never"
        or (row.used_at is not None and row.used_at < LATER - 90 * 86_400)
    ),
    "expires:never": lambda row: row.expires_how == "never",
    "expires:<30d": lambda row: (
        row.expires_at is not None and LATER <= row.expires_at < LATER + 30 * 86_400
    ),
    "expires:past": lambda row: row.expires_at is not None and row.expires_at < LATER,
    "age:>1y": lambda row: (
        row.created_at is not None and row.created_at < LATER - 365 * 86_400
    ),
    "grant:none": lambda row: row.grants_how == "never" or row.grants == 0,
    "grant:unknown": lambda row: row.grants_how.startswith("not_"),
}  # fmt: skip
LATER = int(NOW.timestamp()) + 3600


def words(row: Row) -> str:
    parts = (row.name, row.id, row.owner or "", row.principal or "", row.backend, row.kind, "root")
    # `ad` and `re` of the grants' names would do, too; no query here asks for these.
    return "\n".join(part.casefold() for part in parts)


@pytest.fixture(params=["as it is", "warm", "cold"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make small stores take the ways that large ones take."""
    chosen: str = request.param
    if chosen != "as it is":
        monkeypatch.setattr(filtered_rows, "FEW", 2)
        monkeypatch.setattr(filtered_rows, "PATIENCE", 1)
        monkeypatch.setattr(filtered_rows, "DEEP", 3)
        monkeypatch.setattr(filtered_rows, "FIRST", 5)
        monkeypatch.setattr(filtered_rows, "SLICE", 64)
    return chosen


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("column", ["name", "expires"])
def test_every_way_finds_the_same_rows(
    inventory: Inventory, way: str, text: str, column: str
) -> None:
    for sort in (Sort(column), Sort(column, True)):
        if way == "warm":
            inventory.warm(sort)
        rows = everything(inventory, sort)
        for query, wanted in (
            (parse(text), QUERIES[text]),
            (parse(f"-{text}".replace("--", "")), lambda row: not QUERIES[text](row)),
        ):
            if text.startswith("-") and wanted is not QUERIES[text]:
                continue
            expected = [row for row in rows if wanted(row)]
            assert inventory.window(query, sort, 0, 25) == expected[:25]
            assert inventory.window(query, sort, 20, 25) == expected[20:45]
            assert inventory.count(query) == len(expected)
            assert inventory.count(query, 10_000, sort) == len(expected)
            for most in (0, 5, len(expected)):
                told = inventory.count(query, most, sort)
                assert told == len(expected) or most < told <= len(expected)
            deep = max(len(expected) - 10, 0)
            assert inventory.window(query, sort, deep, 50) == expected[deep:]
            assert inventory.window(query, sort, 0, 10_000) == expected
            assert inventory.handles(query, sort, 3, 30) == [row.handle for row in expected[3:33]]
            for row in rows[::211]:
                place = expected.index(row) if row in expected else None
                assert inventory.position(query, sort, row.handle) == place


@pytest.mark.parametrize(
    "text",
    ["ci payments", "ci payments used:<90d",
     "owner:payments grant:admin", "-state:active -owner:none ci",
     "backend:aws kind:key p", "payments -payments", "grant:admin,read", "-pa -zz", "pa -pay ci",
     "-v", "-v -i", "-pg ci", "-e", "ci -we", "-r", "-text:w app", "-st", "backend:vault -s"],
)  # fmt: skip
def test_terms_together_are_the_rows_of_each(inventory: Inventory, way: str, text: str) -> None:
    sort = Sort("used")
    if way == "warm":
        inventory.warm(sort)
    expected = everything(inventory, sort)
    for term in parse(text).terms:
        found = set(inventory.window(parse(str(term)), sort, 0, 10_000))
        expected = [row for row in expected if row in found]
    query = parse(text)
    assert inventory.window(query, sort, 0, 10) == expected[:10]
    assert inventory.window(query, sort, 0, 10_000) == expected
    assert inventory.count(query) == len(expected)


@pytest.mark.parametrize(
    ("text", "column"),
    [("-svc", "-name"), ("-ci", "name"), ("-svc", "name"), ("-owner:web", "-owner"),
     ("-owner:payments,ledger", "owner"), ("-vault", "-backend"), ("-aws", "backend"),
     ("-state:active", "state"), ("-state:gone", "-state"), ("-role", "-kind"),
     ("-text:web", "-owner"), ("-name:ci", "name"), ("-kind:key", "kind"),
     ("-backend:aws,pg -ci", "backend"), ("-~", "name")],
)  # fmt: skip
def test_negations_jump_over_what_an_order_shows_and_leave_out_nothing_else(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch, text: str, column: str
) -> None:
    sort = Sort(column.lstrip("-"), column.startswith("-"))
    left = set(everything(inventory, sort))
    for term in parse(text).terms:
        left -= set(inventory.window(parse(str(term).removeprefix("-")), sort, 0, 10_000))
    expected = [row for row in everything(inventory, sort) if row in left]
    tested: list[int] = []
    look = matches.tested

    def noted(connection: Any, numbers: Any, clauses: Any) -> set[int]:
        tested.extend(numbers)
        return look(connection, numbers, clauses)

    monkeypatch.setattr(matches, "tested", noted)
    assert inventory.window(parse(text), sort, 0, 10) == expected[:10]
    first = everything(inventory, sort).index(expected[0])
    if first:
        # A small store's first piece has 128 rows: those before the first match are not in it.
        skipped = {row.rowid for row in everything(inventory, sort)[:first]}
        assert not skipped & set(tested)
    assert inventory.window(parse(text), sort, 0, 10_000) == expected


@pytest.mark.parametrize("length", [119, 120, 121, 300])
def test_a_whole_owner_is_found_however_long_the_name_is(tmp_path: Path, length: int) -> None:
    desk = Desk(tmp_path)
    owner = "payments-" + "x" * (length - 9)
    desk.sync(Scripted(listing(token("one", owner=known(owner, "tag")), token("two"))))
    with closing(Inventory(desk.path)) as inventory:
        found = inventory.window(parse(f"owner:={owner}"), BY_NAME, 0, 9)
        assert [row.id for row in found] == ["one"]


def test_a_name_that_begins_with_a_sign_is_not_left_out_for_the_sign_it_is_sorted_by(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("one", name="=sum()"), token("two", name="~tilde"))))
    with closing(Inventory(desk.path)) as inventory:
        found = inventory.window(parse("-~"), BY_NAME, 0, 9)
        assert [row.id for row in found] == ["one"]
        assert [row.id for row in inventory.window(parse("-~="), BY_NAME, 0, 9)] == ["one", "two"]


def test_an_order_is_read_into_memory_in_pieces_and_goes_on_where_it_was_left(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "PIECE", 100)
    with closing(Inventory(path)) as inventory:
        asked: list[int] = []

        def stop() -> bool:
            asked.append(1)
            return len(asked) % 3 == 0

        expected = inventory.window(parse("web"), BY_NAME, 0, 900)
        calls = 0
        while calls == 0 or len(asked) % 3 == 0:
            calls += 1
            inventory.warm(BY_NAME, stop)
        assert calls > 3, "it was left in between"
        inventory._results.clear()
        assert inventory.window(parse("web"), BY_NAME, 0, 900) == expected


def test_an_unknown_column_is_the_callers_fault(inventory: Inventory) -> None:
    with pytest.raises(UsageError, match="cannot sort") as caught:
        inventory.window(parse(""), Sort("color"), 0, 10)
    assert "expires" in caught.value.hint


def test_find_by_handle_id_backend_and_name(inventory: Inventory) -> None:
    (row,) = inventory.window(parse("id:added-vault"), Sort(), 0, 9)
    both = ("vault/added-vault", f"vault/{row.name}", f"vault/{row.handle[:8]}")
    for text in (row.handle, row.handle[:6].upper(), "added-vault", row.name, *both):
        assert inventory.find(text) == [row], text
    assert inventory.find("aws/added-vault") == []
    assert inventory.find("no such token") == []
    assert inventory.find(row.handle[:3]) == []
    assert len(inventory.find("name of added-vault")) == 1
    (again,) = inventory.find("added-aws")
    assert again.backend == "aws"


def test_a_name_that_somebody_gave_stands_for_nobody_elses_id_or_handle(tmp_path: Path) -> None:
    """Whoever may make tokens chooses names: all that a text names counts, and is listed."""
    desk = Desk(tmp_path)
    victim = token("victim-id", name="payroll", backend="vault")
    handle = victim.ref.handle
    liars = [
        token("x1", name="victim-id", backend="vault"),
        token("x2", name=handle[:6], backend="vault"),
        token("x3", name=handle, backend="vault"),
        token("x4", name="payroll", backend="vault", owner=known("ledger", "tag")),
    ]
    desk.sync(Scripted(listing(victim, *liars), name="vault"))
    texts = ("victim-id", handle[:6], "payroll", "vault/payroll", handle)
    found = desk.see(lambda inventory: {text: inventory.find(text) for text in texts})
    assert {row.id for row in found["victim-id"]} == {"victim-id", "x1"}
    assert {row.id for row in found[handle[:6]]} == {"victim-id", "x2"}
    assert {row.id for row in found["payroll"]} == {"victim-id", "x4"}
    assert {row.id for row in found["vault/payroll"]} == {"victim-id", "x4"}
    assert [row.id for row in found[handle]] == ["victim-id"], "ours to give, and whole"
    told = resolve_name.told_apart(found["payroll"], NOW.timestamp())
    assert len(set(told)) == 2
    assert all(part in "\n".join(told) for part in (handle, "victim-id", "x4", "owner ledger"))


def test_detail_has_the_whole_record(inventory: Inventory) -> None:
    row = inventory.window(parse("id:added-pg"), Sort(), 0, 1)[0]
    detail = inventory.detail(row.handle)
    assert detail is not None
    assert detail.row == row
    assert detail.token == token("added-pg", backend="pg")
    assert inventory.detail("0" * 12) is None
    assert inventory.changes("0" * 12) == []


def test_a_count_can_be_interrupted(inventory: Inventory) -> None:
    stopped: list[Exception | int] = []
    started = threading.Event()

    def slow(text: str | None) -> str:
        started.set()
        threading.Event().wait(0.002)
        return text or ""

    inventory._connection.create_function("fold", 1, slow, deterministic=True)

    def count() -> None:
        try:
            stopped.append(inventory.count(parse("-principal:q scope:root")))
        except Interrupted as error:
            stopped.append(error)

    thread = threading.Thread(target=count)
    thread.start()
    started.wait(HANG)
    inventory.interrupt()
    thread.join(HANG)
    assert len(stopped) == 1
    assert isinstance(stopped[0], Interrupted)
    # It can be asked again.
    assert inventory.count(parse("backend:aws")) > 0


def test_a_result_follows_the_store(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("a"))))
    with desk.reading() as inventory:
        query, sort = parse("name"), Sort()
        assert len(inventory.window(query, sort, 0, 10)) == 1
        inventory.warm(sort)
        desk.sync(Scripted(listing(token("a"), token("b"))))
        assert len(inventory.window(query, sort, 0, 10)) == 2
        assert inventory.count(query) == 2
