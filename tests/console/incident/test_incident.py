"""An incident by the command line, on the embedded estate."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from demo_home import Responder, copy, prepare

from console import settings
from console.incident import scoping, service
from console.journal import opening

WHY = "it stood in a build log"
OWNER = ("--owner", "ana")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("incident"))


@pytest.fixture
def ana(prepared: Path, tmp_path: Path) -> Responder:
    """A responder with a home of their own."""
    return Responder(copy(prepared, tmp_path))


def flat(text: str) -> str:
    return " ".join(text.split())


def begin(ana: Responder, *more: str, id_: str = "INC-7") -> dict[str, Any]:
    words = ("incident", "open", id_, "--title", "npm token in a log", "--reason", WHY, *more)
    found: dict[str, Any] = ana.told(*words)
    return found


def revoke(ana: Responder, row: dict[str, Any]) -> None:
    """End a token, whatever speaks against it."""
    answers = [
        word
        for code in ("in-use", "last-active-key", "children", "consumers", "shared", "parent")
        for word in ("--answer", f"{code}=it has to stop")
    ]
    ana.must(
        "revoke", row["handle"], "--reason", WHY, "--confirm", row["name"], *answers,
    )  # fmt: skip


def accept_all(ana: Responder) -> None:
    """Have somebody answer for everything that was not seen."""
    found = ana.told("incident", "show", ".")
    ids = [hole["id"] for hole in found["scope"]["holes"]]
    if ids:
        ana.must("incident", "accept", ".", *ids, *OWNER, "--reason", "no keys of ours are there")


def test_an_incident_is_opened_with_its_scope_and_says_that_nothing_was_done(
    ana: Responder,
) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    found = begin(ana, "--token", row["handle"], "--leak", "2d", "--deadline", "72h")
    assert (found["id"], found["state"], found["severity"]) == ("INC-7", "open", "high")
    (token,) = found["tokens"]
    assert token["handle"] == row["handle"]
    assert token["value"]["headline"] == "NOT ENDED"
    assert found["times"]["exposed"] is not None
    assert found["times"]["contained"] is None
    assert found["times"]["dead"] is None
    said = ana.must("incident", "show", "inc-7", code=3)
    assert "INC-7 OPEN high: npm token in a log" in said
    assert "OPEN: vault-prod/" in said
    assert f"token-console revoke {row['handle']}" in said
    assert "INC-7" in ana.must("incident", "list")


def test_what_is_planned_from_then_on_carries_it_and_lists_filter_by_it(ana: Responder) -> None:
    one, other = ana.told("list", "backend:vault-prod", "state:active", "--limit", "2")
    begin(ana, "--token", one["handle"])
    revoke(ana, one)
    # Another responder's work, on another matter, under no incident.
    ana.must("incident", "use", ".", "--none")
    revoke(ana, other)
    entries = every_entry(ana)
    plans = {entry["id"] for entry in entries if entry["type"] == "plan" and "incident" in entry}
    assert len(plans) == 1
    wanted = [
        entry["seq"]
        for entry in entries
        if entry.get("incident") == "INC-7"
        or {entry["id"], entry.get("act", {}).get("plan_ref"), entry.get("run", {}).get("plan")}
        & plans
    ]
    shown = ana.must("journal", "list", "--incident", "INC-7", "--json", "--limit", "1000")
    listed = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
    assert sorted(entry["seq"] for entry in listed) == wanted
    assert all(entry.get("incident") == "INC-7" for entry in listed), (
        "every plan, call, outcome and evidence of it carries it"
    )
    kinds = {entry["type"] for entry in listed}
    assert kinds >= {"incident", "plan.made", "plan", "intent", "outcome", "evidence"}
    assert len(ana.told("run", "list")) == 2
    (run,) = ana.told("run", "list", "--incident", "inc-7")
    assert run["incident"] == "INC-7"
    (row,) = ana.told("list", "incident:INC-7")
    assert row["handle"] == one["handle"]
    assert ana.must("list", "incident:INC-8", code=2).startswith(
        "token-console: no incident is called INC-8"
    )


def every_entry(ana: Responder) -> list[dict[str, Any]]:
    """The whole journal, past the console's own ways of finding."""
    where = f"file:{ana.home}/state/journal.db?mode=ro"
    with sqlite3.connect(where, uri=True) as db:
        return [json.loads(leaf) for (leaf,) in db.execute("SELECT leaf FROM entry ORDER BY seq")]


def test_it_is_not_closed_while_a_value_works_or_a_hole_is_nobodys(ana: Responder) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    begin(ana, "--token", row["handle"])
    said = flat(ana.must("incident", "close", ".", "--reason", "all is well", code=1))
    assert "INC-7 stays open" in said
    assert "NOT ENDED" in said
    assert "not seen: vault-prod" in said
    accept_all(ana)
    said = flat(ana.must("incident", "close", ".", "--reason", "all is well", code=1))
    assert "not seen" not in said
    assert "stays open: 1 thing is left" in said
    revoke(ana, row)
    shown = ana.told("incident", "show", "INC-7")
    assert shown["tokens"][0]["value"]["what"] in ("recorded, not tried", "refused")
    wait_until_over(shown)
    assert shown["times"]["ended"] is not None
    assert shown["times"]["dead"] is None, "recorded is not refused"
    assert "INC-7 closed" in ana.must("incident", "close", ".", "--reason", "it is dead, see run")
    assert ana.told("incident", "show", "INC-7", code=0)["state"] == "closed"
    assert "no incident is open" in ana.must("incident", "list")
    assert "INC-7" in ana.must("incident", "list", "--all")
    # Who closes it is at work on it no more, and it takes notes and no tokens.
    assert "at work on no incident" in ana.must("incident", "show", ".", code=2)
    ana.must("incident", "note", "INC-7", "the vendor thanks us")
    assert "is closed" in ana.must("incident", "scope", "INC-7", "owner:payments", code=1)


def wait_until_over(shown: dict[str, Any]) -> None:
    assert all(token["value"]["propagation_until"] is None for token in shown["tokens"])


def test_what_is_said_to_do_about_a_token_can_be_typed_as_it_is_said(ana: Responder) -> None:
    handle = ana.first("backend:vault-prod", "state:active")["handle"]
    begin(ana, "--token", handle)
    said = flat(ana.must("incident", "show", ".", code=3))
    assert f"token-console revoke {handle} --reason WHY" in said
    typed = f"incident except INC-7 {handle} --owner NAME --until DATE --reason WHY"
    assert f"token-console {typed}" in said
    ana.must(
        *(WHY if word == "WHY" else word for word in typed.replace("DATE", "2099-01-31").split())
    )
    assert typed not in flat(ana.must("incident", "show", ".", code=3)), "holes are left"


def test_a_query_that_finds_more_by_now_keeps_it_open(ana: Responder) -> None:
    row = ana.first("backend:aws-main", "state:active")
    begin(ana, "--query", f"handle:{row['handle']}")
    other = ana.told("list", f"-handle:{row['handle']}", "state:active", "--limit", "1")[0]
    # The query is made wider than the scope that it was frozen with: as if a key came since.
    wide = f"handle:{row['handle']},{other['handle']}"
    ana.must("incident", "scope", ".", wide)
    assert len(ana.told("incident", "show", ".")["tokens"]) == 2
    with opening.journal(settings.paths(ana.home)) as journal:
        from console.journal.format.entry import Kind
        from console.journal.format.incident_mark import IncidentEvent, IncidentMark

        mark = IncidentMark(what=IncidentEvent.SCOPE, query="backend:github state:active")
        journal.append(Kind.INCIDENT, why="an empty look", incident="INC-7", case=mark)
    late = [each for each in ana.told("incident", "show", ".")["blocks"] if each["kind"] == "query"]
    assert len(late) == 1
    assert (
        "match backend:github state:active and are not in the scope: github/" in (late[0]["words"])
    )
    ana.must("incident", "scope", ".", "--again")
    blocks = ana.told("incident", "show", ".")["blocks"]
    assert not [each for each in blocks if each["kind"] == "query"]


def test_an_exception_holds_until_its_date_and_then_opens_it_again(
    ana: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    begin(ana, "--token", row["handle"])
    accept_all(ana)
    ana.must(
        "incident", "except", ".", row["handle"], *OWNER, "--until", "1h", "--reason",
        "the system is frozen",
    )  # fmt: skip
    shown = ana.told("incident", "show", ".", code=0)
    assert shown["excepted"] == 1
    assert shown["tokens"][0]["exception"]["owner"] == "ana"
    ana.must("incident", "close", ".", "--reason", "excepted until the move")
    paths = settings.paths(ana.home)
    assert service.watch(paths) == ()
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)
    ((id_, why),) = service.watch(paths)
    assert id_ == "INC-7"
    assert "the exception for ana has expired" in why
    monkeypatch.undo()
    shown = ana.told("incident", "show", "INC-7")
    assert shown["state"] == "open"
    assert "has expired" in shown["reopened"][0]["why"]
    assert service.watch(paths) == (), "it is said once"


def test_a_use_after_its_end_opens_it_again(ana: Responder) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    begin(ana, "--token", row["handle"])
    accept_all(ana)
    revoke(ana, row)
    ana.must("incident", "close", ".", "--reason", "recorded revoked")
    paths = settings.paths(ana.home)
    assert service.watch(paths) == ()
    used(paths.inventory, row["handle"], int(time.time()) + 60, "denied")
    assert service.watch(paths) == (), "a refusal is no use"
    used(paths.inventory, row["handle"], int(time.time()) + 60, "ok")
    shown = ana.told("incident", "show", "INC-7")
    assert shown["state"] == "open again", "said before anybody wrote it down"
    assert "USED AFTER ITS END" in shown["not_over"][0]
    ((_, why),) = service.watch(paths)
    assert "USED AFTER ITS END" in why
    shown = ana.told("incident", "show", "INC-7")
    assert shown["state"] == "open"
    assert shown["tokens"][0]["value"]["what"] == "still works"
    again = ("incident", "close", "INC-7", "--reason", "it was used again")
    assert "stays open" in ana.must(*again, code=1)


def used(store: Path, handle: str, at: int, outcome: str) -> None:
    """Put a use into the store, as a log tells of it."""
    with sqlite3.connect(store) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(event)")]
        (row,) = db.execute("SELECT * FROM event WHERE class = 'use' LIMIT 1")
        told = dict(zip(columns, row, strict=True))
        told |= {
            "key": None, "event_id": f"use-{at}-{outcome}", "handle": handle, "at": at,
            "outcome": outcome, "class": "use" if outcome == "ok" else "denied",
        }  # fmt: skip
        marks = ", ".join("?" * len(columns))
        db.execute(f"INSERT INTO event VALUES ({marks})", [told[name] for name in columns])


def test_an_open_call_keeps_it_open(ana: Responder) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    begin(ana, "--token", row["handle"])
    accept_all(ana)
    revoke(ana, row)
    assert ana.told("incident", "show", ".", code=0)["blocks"] == []
    paths = settings.paths(ana.home)
    with opening.journal(paths) as journal:
        intent = next(entry for entry in journal.entries(100, kind="intent"))
        act = intent.body.act
        assert act is not None
        from console.journal.format.entry import Kind

        journal.append(Kind.INTENT, why=WHY, incident="INC-7", act=act)
    said = flat(ana.must("incident", "close", ".", "--reason", "all of it is dead", code=1))
    assert "a call is open" in said
    assert "token-console journal recover" in said


def test_roles_notes_and_changes_are_on_the_record(ana: Responder) -> None:
    begin(ana)
    ana.must("incident", "assign", ".", "ana", "--role", "lead")
    ana.must("incident", "assign", ".", "ben", "--backend", "aws-main")
    ana.must("incident", "note", ".", "the vendor was called")
    ana.must("incident", "amend", ".", "--severity", "critical", "--reason", "it is in use")
    said = ana.must("incident", "show", ".")
    assert "INC-7 OPEN critical" in said
    assert "lead       ana" in said
    assert "in charge  ben for aws-main" in said
    assert "the vendor was called" in said
    assert "Nothing keeps it open." in said
    shown = flat(ana.must("journal", "list", "--incident", "."))
    assert "made ana lead in incident INC-7" in shown
    assert "verified" in ana.must("journal", "verify")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("open", "INC 7", "--title", "x", "--reason", WHY), "cannot be an incident's id"),
        (("open", "../x", "--title", "x", "--reason", WHY), "cannot be an incident's id"),
        (("open", "--title", "x", "--reason", "no"), "a reason of at least"),
        (
            ("open", "--title", "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", "--reason", WHY),
            "looks like a secret",
        ),
        (("open", "--title", "x", "--leak", "2999-01-01", "--reason", WHY), "in the future"),
        (("show", "INC-9"), "no incident is called"),
        (("show", "."), "you are at work on no incident"),
    ],
)
def test_what_cannot_be_is_refused_with_a_word_on_what_would(
    ana: Responder, words: tuple[str, ...], says: str
) -> None:
    assert says in ana.must("incident", *words, code=2)


def test_two_cannot_have_one_id(ana: Responder) -> None:
    begin(ana)
    said = ana.must("incident", "open", "inc-7", "--title", "x", "--reason", WHY, code=1)
    assert "INC-7 is there already" in said
    named = ana.told("incident", "open", "--title", "another", "--reason", WHY)
    assert named["id"].startswith("INC-20")


def set_disabled(ana: Responder, id_: str, disabled: int) -> None:
    """As if somebody did it past this console; a sync reads it."""
    with contextlib.closing(sqlite3.connect(ana.home / "estate.db")) as estate, estate:
        changed = estate.execute(
            "UPDATE token SET disabled = ?, blocked_from = ? WHERE id = ?",
            (disabled, 1 if disabled else None, id_),
        )
        assert changed.rowcount == 1


def test_a_token_that_its_record_calls_active_after_the_closing_opens_it_again(
    ana: Responder,
) -> None:
    row = ana.first("backend:aws-main", "state:active")
    set_disabled(ana, row["id"], 1)
    ana.must("sync", "aws-main")
    begin(ana, "--token", row["handle"])
    accept_all(ana)
    ana.must("incident", "close", ".", "--reason", "it was disabled already")
    set_disabled(ana, row["id"], 0)
    assert service.watch(settings.paths(ana.home)) == (), "nobody has read it"
    closed = ana.told("incident", "show", "INC-7")["closed"]["at"]
    while time.time() < datetime.fromisoformat(closed).timestamp() + 3:
        time.sleep(0.1)
    assert "INC-7 is open again" in flat(ana.must("sync", "aws-main"))
    shown = ana.told("incident", "show", "INC-7")
    assert shown["state"] == "open"
    assert "its record calls it active" in shown["reopened"][0]["why"]


def test_no_use_is_not_called_none_where_no_log_was_read(ana: Responder) -> None:
    row = ana.first("backend:vault-prod", "state:active")
    begin(ana, "--token", row["handle"], "--leak", "1h")
    said = flat(ana.must("incident", "show", ".", code=3))
    assert "none seen" in said
    assert "no log was read" not in said
    ana.must("incident", "amend", ".", "--leak", "2020-01-01", "--reason", "it is far older")
    blind = "not known for vault-prod: no log was read for all that time"
    assert blind in flat(ana.must("incident", "show", ".", code=3))
    assert blind in flat(ana.must("incident", "report", "."))
    for file in (ana.home / "state").glob("inventory.db*"):
        file.unlink()
    said = flat(ana.must("incident", "show", ".", code=3))
    assert blind in said
    assert "Read its system (token-console sync)" in said, "what is not there cannot be ended"


def test_what_a_record_calls_disabled_is_contained_and_not_ended(ana: Responder) -> None:
    row = ana.first("backend:aws-main", "state:active")
    set_disabled(ana, row["id"], 1)
    ana.must("sync", "aws-main")
    begin(ana, "--token", row["handle"])
    accept_all(ana)
    said = flat(ana.must("incident", "show", "."))
    assert "Nothing keeps it open." in said
    assert "RECORDED DISABLED, NOT TRIED: as read at " in said
    assert "contained by their records, which do not say since when" in said
    assert "ended not yet: 1 token left" in said, "it can be enabled again"
    assert "dead not proved: 1 value was not seen refused" in said


def test_what_somebody_else_does_at_the_same_moment_is_not_closed_over(
    ana: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = ana.first("backend:vault-prod", "state:active")["handle"]
    begin(ana)
    paths = settings.paths(ana.home)
    looked = service.assess

    def and_then(*about: Any) -> Any:
        found = looked(*about)
        monkeypatch.undo()
        scoping.widen(paths, "INC-7", handles=[handle])
        return found

    monkeypatch.setattr(service, "assess", and_then)
    with pytest.raises(service.IncidentRefused, match="somebody changed it"):
        service.close(paths, "INC-7", "nothing is left")
    assert ana.told("incident", "show", "INC-7")["state"] == "open"


def test_a_token_that_came_in_just_after_the_closing_opens_it_again(
    ana: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = ana.first("backend:vault-prod", "state:active")["handle"]
    begin(ana)
    paths = settings.paths(ana.home)
    is_open = scoping.open_one

    def and_then(*about: Any) -> Any:
        found = is_open(*about)
        monkeypatch.undo()
        ana.must("incident", "close", "INC-7", "--reason", "nothing is left")
        return found

    monkeypatch.setattr(scoping, "open_one", and_then)
    scoping.widen(paths, "INC-7", handles=[handle])
    assert ana.told("incident", "show", "INC-7")["state"] == "open again"
    ((id_, why),) = service.watch(paths)
    assert id_ == "INC-7"
    assert "NOT ENDED" in why


def test_our_own_try_of_a_value_is_nobodys_bad_use(ana: Responder) -> None:
    from backends.estate import EstateWorld

    row = ana.first("backend:vault-prod", "state:active", "used:>30d")
    with EstateWorld(ana.home / "estate.db") as world:
        value = world.secret("vault", row["id"]).reveal()
    begin(ana, "--token", row["handle"], "--leak", "1h")
    words = ("intake", "--try", "--reason", "does the leaked value work?",
             "--confirm", row["name"])  # fmt: skip
    ana.must(*words, text=value)
    ana.must("sync", "vault-prod")
    shown = ana.told("incident", "show", ".")
    assert shown["tokens"][0]["value"]["what"] == "still works", "it was accepted"
    assert shown["times"]["bad_use"] is None
    used(settings.paths(ana.home).inventory, row["handle"], int(time.time()) - 600, "ok")
    assert ana.told("incident", "show", ".")["times"]["bad_use"] is not None
