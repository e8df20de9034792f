"""What a look at a backend does to the store, and what it never does."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.errors import AuthFailed, BadAnswer, Forbidden, NotFound, RateLimited, Unreachable
from backends.model import (
    Gap,
    GapKind,
    Grant,
    Principal,
    Progress,
    Token,
    TokenState,
    known,
    never,
    not_permitted,
    not_read,
    not_tracked,
)
from console.inventory.search.inventory import BackendState, Change, Row, Sort
from console.inventory.search.query import parse


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def rows(desk: Desk, text: str = "") -> dict[str, Row]:
    found = desk.see(lambda inventory: inventory.window(parse(text), Sort(), 0, 10_000))
    return {row.id: row for row in found}


def history(desk: Desk, one: Token) -> list[Change]:
    found: list[Change] = desk.see(lambda inventory: inventory.changes(one.ref.handle))
    return found


def state(desk: Desk, name: str = "vault") -> BackendState:
    found = desk.see(lambda inventory: inventory.backends())
    return next(one for one in found if one.name == name)


def test_the_first_look_is_history_but_no_news(desk: Desk) -> None:
    one = token("a")
    report = desk.sync(Scripted(listing(one, token("b"))))
    assert (report.result, report.tokens, report.new) == ("ok", 2, 0)
    assert {row.change for row in rows(desk).values()} == {""}
    assert [change.kind for change in history(desk, one)] == ["first seen"]
    assert rows(desk, "is:new") == {}
    now = state(desk)
    assert (now.result, now.tokens) == ("ok", 2)
    assert now.capabilities is not None
    assert now.synced_at == now.tried_at


def test_a_later_token_is_new(desk: Desk) -> None:
    desk.sync(Scripted(listing(token("a"))))
    report = desk.sync(Scripted(listing(token("a"), token("b"))))
    assert report.new == 1
    assert list(rows(desk, "is:new")) == ["b"]
    assert rows(desk)["b"].change == "new"
    assert [change.kind for change in history(desk, token("b"))] == ["new"]
    desk.clock.forward(days=2)
    assert rows(desk, "is:new") == {}


def test_tokens_of_a_scope_that_was_refused_before_are_not_new(desk: Desk) -> None:
    gap = Gap("team-b", GapKind.REFUSED, "listing", "Grant list on team-b.")
    assert desk.sync(Scripted([*listing(token("a")), gap])).result == "partial"
    late = token("b", scope="team-b")
    report = desk.sync(Scripted(listing(token("a"), late, scopes=("root", "team-b"))))
    assert (report.result, report.new) == ("ok", 0)
    assert state(desk).gaps == []


@pytest.mark.parametrize(
    ("fields", "kind", "before", "after"),
    [
        ({"name": "other"}, "name", "name of a", "other"),
        ({"state": TokenState.DISABLED}, "state", "active", "disabled"),
        ({"owner": known("ledger", "tag")}, "owner", "payments", "ledger"),
        ({"owner": never("no tag")}, "owner", "payments", "never"),
        ({"owner": not_tracked()}, "owner", "payments", "not tracked"),
        ({"principal": known(Principal("2", "bob"), "r")}, "principal", "alice", "bob"),
        ({"expires_at": never()}, "expiry", "2026-11-23T03:00:00Z", "never"),
    ],
)
def test_what_became_different_is_history(
    desk: Desk, fields: dict[str, Any], kind: str, before: str, after: str
) -> None:
    base: dict[str, Any] = {
        "principal": known(Principal("1", "alice"), "r"),
        "expires_at": known(NOW, "r"),
    }
    one = token("a", **base)
    desk.sync(Scripted(listing(one)))
    report = desk.sync(Scripted(listing(token("a", **(base | fields)))))
    assert report.changed == 1
    change = history(desk, one)[0]
    assert (change.kind, change.before, change.after) == (kind, before, after)
    row = rows(desk, "is:changed")["a"]
    assert row.change == kind
    assert row.changed_at == change.at


def test_each_grant_is_a_change_of_its_own(desk: Desk) -> None:
    one = token("a")
    desk.sync(Scripted(listing(one)))
    grants = (Grant("policy", "admin"), Grant("policy", "root", via="group ops"))
    desk.sync(Scripted(listing(token("a", grants=known(grants, "r")))))
    found = [(change.kind, change.before, change.after) for change in history(desk, one)]
    assert sorted(found[:-1]) == [
        ("grant+", "", "policy admin"),
        ("grant+", "", "policy root via group ops"),
        ("grant-", "policy read", ""),
    ]
    assert rows(desk)["a"].grants == 2
    assert list(rows(desk, "grant:root")) == ["a"]
    assert rows(desk, "grant:read") == {}


def test_a_use_and_a_fact_are_no_history(desk: Desk) -> None:
    one = token("a", last_used_at=never("log"), facts=(("ttl", "9"),))
    desk.sync(Scripted(listing(one)))
    used = token("a", last_used_at=known(NOW, "log"), facts=(("ttl", "8"),))
    assert desk.sync(Scripted(listing(used))).changed == 0
    assert rows(desk)["a"].used_at == int(NOW.timestamp())
    assert [change.kind for change in history(desk, one)] == ["first seen"]
    detail = desk.see(lambda inventory: inventory.detail(one.ref.handle))
    assert detail.token.facts == (("ttl", "8"),)


def test_a_new_as_of_alone_writes_nothing(desk: Desk) -> None:
    desk.sync(Scripted(listing(token("a", owner=known("x", "tag", NOW)))))
    before = desk.see(lambda inventory: inventory.generation())
    later = token("a", owner=known("x", "tag", NOW + timedelta(hours=1)))
    desk.sync(Scripted(listing(later)))
    detail = desk.see(lambda inventory: inventory.detail(later.ref.handle))
    assert detail.token.owner.as_of == NOW
    assert detail.last_seen == int(desk.clock())
    # The beginning and the end of the look are written, the token is not.
    assert desk.see(lambda inventory: inventory.generation()) == before + 2


@pytest.mark.parametrize("unread", [not_read("timeout"), not_permitted("list")])
def test_what_cannot_be_read_any_more_is_no_change_and_loses_no_history(
    desk: Desk, unread: Any
) -> None:
    one = token("a")
    desk.sync(Scripted(listing(one)))
    blind = token("a", owner=unread, grants=unread)
    assert desk.sync(Scripted(listing(blind))).changed == 0
    row = rows(desk)["a"]
    assert (row.owner_how, row.owner, row.grants) == (unread.how.value, None, None)
    assert desk.sync(Scripted(listing(blind, token("b")))).changed == 0
    seen = token(
        "a",
        owner=known("ledger", "tag"),
        grants=known((Grant("policy", "read"), Grant("policy", "admin")), "r"),
    )
    desk.sync(Scripted(listing(seen)))
    found = [(change.kind, change.before, change.after) for change in history(desk, one)]
    assert sorted(found[:-1]) == [
        ("grant+", "", "policy admin"),
        ("owner", "payments", "ledger"),
    ]


def test_a_missing_token_is_gone_only_when_its_system_says_so(desk: Desk) -> None:
    gone, there, unclear = token("gone"), token("there"), token("unclear")
    desk.sync(Scripted(listing(token("a"), gone, there, unclear)))
    later = Scripted(listing(token("a")))
    later.readable = {there.ref: there, unclear.ref: Forbidden("no", "Grant read.")}
    report = desk.sync(later)
    assert (report.gone, report.result) == (1, "partial")
    presence = {id_: row.presence for id_, row in rows(desk).items()}
    assert presence == {"a": "present", "gone": "gone", "there": "present", "unclear": "present"}
    assert list(rows(desk, "state:gone")) == ["gone"]
    assert "gone" not in rows(desk, "state:active")
    assert history(desk, gone)[0].kind == "gone"
    assert [change.kind for change in history(desk, gone)] == ["gone", "first seen"]
    assert state(desk).tokens == 3
    assert state(desk).gone == 1
    texts = " ".join(f"{gap.what} {gap.hint}" for gap in state(desk).gaps)
    assert "1 token was not listed, and exists" in texts
    assert "could not be asked for: no" in texts
    assert desk.see(lambda inventory: inventory.total()) == 4


def test_a_token_that_comes_back_is_back(desk: Desk) -> None:
    one = token("a")
    desk.sync(Scripted(listing(one)))
    desk.sync(Scripted(listing()))
    assert rows(desk)["a"].presence == "gone"
    report = desk.sync(Scripted(listing(token("a", owner=known("ledger", "tag")))))
    assert report.back == 1
    assert rows(desk)["a"].presence == "present"
    assert rows(desk)["a"].change == "back"
    kinds = {change.kind for change in history(desk, one)}
    assert kinds == {"back", "owner", "gone", "first seen"}
    assert (state(desk).tokens, state(desk).gone) == (1, 0)


def test_without_scope_done_nothing_is_gone(desk: Desk) -> None:
    one, other = token("a"), token("b", scope="team-b")
    desk.sync(Scripted(listing(one, other, scopes=("root", "team-b"))))
    later = Scripted([one, Gap("team-b", GapKind.FAILED, "listing", "Try again.")])
    report = desk.sync(later)
    assert (report.gone, report.result, later.reads) == (0, "partial", [])
    assert rows(desk)["b"].presence == "present"
    first = state(desk)
    detail = desk.see(lambda inventory: inventory.detail(other.ref.handle))
    assert detail.last_seen < first.synced_at


def test_a_scope_of_which_nothing_is_said_shows_as_a_gap(desk: Desk) -> None:
    desk.sync(Scripted(listing(token("a"), token("b", scope="team-b"), scopes=("root", "team-b"))))
    desk.sync(Scripted(listing(token("a"))))
    (gap,) = state(desk).gaps
    assert (gap.scope, gap.kind) == ("team-b", GapKind.FAILED)
    assert "1 known token of" in gap.what


@pytest.mark.parametrize(
    "error",
    [
        Unreachable("cannot connect"),
        AuthFailed("403"),
        BadAnswer("half a JSON"),
        RateLimited("slow down"),
    ],
)
def test_a_failed_look_leaves_everything_as_it_was(desk: Desk, error: Exception) -> None:
    both = [token("a"), token("b")]
    gap = Gap("x", GapKind.REFUSED, "listing", "Mend it.")
    desk.sync(Scripted([*listing(*both), gap]))
    synced = state(desk).synced_at
    # It dies after it has listed a part, and even after a scope was called done.
    report = desk.sync(Scripted([*listing(token("a")), error]))
    assert report.result == "failed"
    assert (report.message, report.hint) == (str(error), error.hint)  # type: ignore[attr-defined]
    now = state(desk)
    assert (now.result, now.error, now.synced_at) == ("failed", str(error), synced)
    assert now.hint
    assert now.gaps == [gap]
    assert {row.presence for row in rows(desk).values()} == {"present"}
    assert set(rows(desk)) == {"a", "b"}
    assert desk.sync(Scripted(listing(*both))).result == "ok"
    assert state(desk).error == ""


def test_a_dead_system_fails_at_the_first_call(desk: Desk) -> None:
    backend = Scripted(listing(token("a")))
    backend.health_error = Unreachable("cannot connect to 127.0.0.1", "Start it.")
    report = desk.sync(backend)
    assert (report.result, report.hint) == ("failed", "Start it.")
    assert rows(desk) == {}


def test_a_forbidden_health_is_a_gap_and_no_failure(desk: Desk) -> None:
    backend = Scripted(listing(token("a")))
    backend.health_error = Forbidden("sys/health", "Grant it.")
    assert desk.sync(backend).result == "partial"
    assert set(rows(desk)) == {"a"}
    assert state(desk).gaps[0].hint == "Grant it."


def test_a_fault_in_a_backend_tells_its_type_and_no_secret(desk: Desk) -> None:
    report = desk.sync(Scripted([token("a"), ValueError("hunter2")]))
    assert report.result == "failed"
    assert "ValueError" in report.message
    assert b"hunter2" not in b"".join(file.read_bytes() for file in desk.path.parent.iterdir())


def test_garbage_is_reported_and_the_rest_goes_on(desk: Desk) -> None:
    naive = token("naive", expires_at=known(datetime(2026, 1, 1), "r"))  # noqa: DTZ001
    foreign = token("foreign", backend="other")
    nameless = token("nameless", name=None)
    listed = listing(token("a"), naive, foreign, nameless, token("a"), token("z"))
    report = desk.sync(Scripted(["text", None, *listed]))
    assert report.result == "partial"
    assert set(rows(desk)) == {"a", "z"}
    texts = " ".join(gap.what for gap in state(desk).gaps)
    for said in ("type str", "NoneType", "time zone", "another backend", "name", "listed twice"):
        assert said in texts, said


def test_a_known_token_that_turns_into_garbage_is_kept(desk: Desk) -> None:
    desk.sync(Scripted(listing(token("a"))))
    report = desk.sync(Scripted(listing(token("a", name=7))))
    assert (report.result, report.gone) == ("partial", 0)
    assert rows(desk)["a"].name == "name of a"


def test_a_listing_that_does_not_end_is_cut(tmp_path: Path) -> None:
    desk = Desk(tmp_path, token_limit=50, batch=20)
    desk.sync(Scripted(listing(token("old"))))
    report = desk.sync(Scripted(listing(*(token(f"t{i}") for i in range(500)))))
    assert (report.result, report.gone) == ("partial", 0)
    assert len(rows(desk)) == 51
    assert any(gap.kind is GapKind.LIMITED for gap in state(desk).gaps)


def test_many_missing_tokens_are_confirmed_up_to_a_limit(tmp_path: Path) -> None:
    desk = Desk(tmp_path, confirm_limit=10)
    desk.sync(Scripted(listing(*(token(f"t{i}") for i in range(25)))))
    assert desk.sync(Scripted(listing())).gone == 10
    assert any(gap.kind is GapKind.LIMITED for gap in state(desk).gaps)
    assert desk.sync(Scripted(listing())).gone == 10
    report = desk.sync(Scripted(listing()))
    assert (report.gone, report.result) == (5, "ok")


def test_a_listing_that_leaves_out_everything_is_not_believed(desk: Desk) -> None:
    many = [token(f"t{i}") for i in range(200)]
    desk.sync(Scripted(listing(*many)))
    liar = Scripted(listing())
    liar.readable = {one.ref: one for one in many}
    report = desk.sync(liar)
    assert (report.gone, report.result) == (0, "partial")
    assert len(liar.reads) < 100
    assert state(desk).tokens == 200


def test_confirming_ends_at_a_rate_limit(desk: Desk) -> None:
    many = [token(f"t{i}") for i in range(100)]
    desk.sync(Scripted(listing(*many)))
    slow = Scripted(listing())
    slow.readable = {one.ref: RateLimited("patience") for one in many}
    assert desk.sync(slow).gone == 0
    assert len(slow.reads) < 20


def test_reading_one_token_again(desk: Desk) -> None:
    import asyncio

    one = token("a")
    backend = Scripted(listing(one))
    desk.sync(backend)
    backend.readable = {one.ref: token("a", state=TokenState.DISABLED)}
    desk.clock.forward(hours=1)
    found = asyncio.run(desk.syncer.refresh(backend, one.ref))
    assert found is not None
    assert rows(desk)["a"].state == "disabled"
    detail = desk.see(lambda inventory: inventory.detail(one.ref.handle))
    assert detail.last_seen == int(desk.clock())
    backend.readable = {one.ref: Unreachable("gone away")}
    with pytest.raises(Unreachable):
        asyncio.run(desk.syncer.refresh(backend, one.ref))
    assert rows(desk)["a"].presence == "present"
    backend.readable = {one.ref: NotFound("none such")}
    assert asyncio.run(desk.syncer.refresh(backend, one.ref)) is None
    assert rows(desk)["a"].presence == "gone"
    assert history(desk, one)[0].source == "not found when read"


def test_a_backend_that_cannot_even_be_opened_has_a_row(desk: Desk) -> None:
    import asyncio

    error = AuthFailed("no such variable", "Set VAULT_TOKEN.")
    asyncio.run(desk.syncer.record_failure("vault", "openbao", error))
    now = state(desk)
    assert (now.result, now.error, now.hint) == ("failed", "no such variable", "Set VAULT_TOKEN.")
    assert now.synced_at is None


def test_forgetting_a_backend_leaves_the_others(desk: Desk) -> None:
    import asyncio

    desk.sync(Scripted(listing(token("a"))))
    desk.sync(Scripted(listing(token("a", backend="aws")), name="aws"))
    assert desk.see(lambda inventory: inventory.unconfigured(["aws"])) == ["vault"]
    assert asyncio.run(desk.syncer.remove_backend("vault")) == 1
    assert [row.backend for row in rows(desk).values()] == ["aws"]
    found = desk.see(lambda inventory: inventory.window(parse("vault"), Sort(), 0, 9))
    assert found == []


def test_progress_is_told(desk: Desk) -> None:
    told: list[Progress] = []
    desk.sync(Scripted([Progress(0, 2), *listing(token("a"), token("b"))]), on_progress=told.append)
    assert told[-1] == Progress(2, 2)
