"""What can be done with a leaked value, what speaks against it, and a try of it, when asked for."""

import asyncio
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lab_scene import ANSWERS
from real_systems import console

from backends.estate import EstateWorld
from console import settings
from console.fleet import Fleet
from console.intake import advice, words
from console.intake.card import Headline, headline_of
from console.intake.service import take_in, try_card
from console.response.service import trying

WHY = "found in a public repository"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo")
    done = console(place, "demo", "--prepare", "--tokens", "300", "--seed", "3")
    assert done.returncode == 0, done.stderr
    return place / "demo"


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "demo"
    shutil.copytree(prepared, copy)
    config = copy / "config.toml"
    config.write_text(config.read_text().replace(str(prepared), str(copy)))
    return copy


def rows(home: Path, *query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(console(home, "list", *query, "--json").stdout)
    return found


def value(home: Path, row: dict[str, Any]) -> str:
    system = {"vault-prod": "vault", "aws-main": "cloud"}[row["backend"]]
    with EstateWorld(home / "estate.db") as world:
        return world.secret(system, row["id"]).reveal()


def token(home: Path, *query: str) -> tuple[dict[str, Any], str]:
    row = rows(home, *query)[0]
    return row, value(home, row)


def card(home: Path, text: str, *words: str) -> dict[str, Any]:
    done = console(home, "intake", "--json", *words, text=text)
    (item,) = json.loads(done.stdout)["items"]
    (one,) = item["tokens"]
    assert isinstance(one, dict)
    return one


def tries(home: Path) -> list[dict[str, Any]]:
    lines = console(home, "journal", "list", "--json").stdout.splitlines()
    found = [entry for entry in map(json.loads, lines) if entry.get("act", {}).get("verb") == "try"]
    return sorted(found, key=lambda entry: entry["seq"])


def attempt(home: Path, text: str, name: str) -> "subprocess.CompletedProcess[str]":
    return console(home, "intake", "--try", "--reason", WHY, "--confirm", name, text=text)


def test_nothing_is_tried_unless_it_is_asked_for_and_confirmed(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    for given in (
        (),
        ("--try",),
        ("--try", "--reason", WHY),
        ("--try", "--reason", WHY, "--confirm", "yes"),
        ("--try", "--reason", WHY, "--confirm", row["name"], "--offline"),
    ):
        done = console(home, "intake", *given, text=secret)
        assert done.returncode == (2 if given else 0), done.stdout + done.stderr
        assert "STILL WORKS" not in done.stdout
    assert tries(home) == []


def test_the_side_effects_are_said_before_and_the_try_is_journaled_around_it(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    shown = card(home, secret)
    assert shown["try_side_effects"] == [
        "writes a line into the system's audit log",
        "an accepted one counts as a use of the token",
    ]
    done = attempt(home, secret, row["name"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "writes a line into the system's audit log" in done.stderr
    last = " ".join(done.stdout[done.stdout.rindex("LEAKED VALUE") :].split())
    assert last.startswith("LEAKED VALUE STILL WORKS: accepted when tried at ")
    before, after = tries(home)
    assert (before["type"], before["why"]) == ("observe", WHY)
    assert "out" not in before
    assert after["out"]["how"] == "probe"
    assert after["out"]["ref"] == before["id"]
    assert before["act"]["target"]["fp"] == after["act"]["target"]["fp"] != ""
    assert card(home, secret)["headline"] == "LEAKED VALUE STILL WORKS", "it is known from now on"
    verified = console(home, "journal", "verify")
    assert verified.returncode == 0, verified.stdout
    for path in (home / "state").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_after_its_end_the_try_says_refused_and_an_older_yes_counts_no_more(home: Path) -> None:
    row, secret = token(home, "backend:aws-main", "state:active", "used:<7d")
    assert attempt(home, secret, row["name"]).returncode == 0
    words = ("revoke", row["handle"], "--reason", WHY, "--leak", "--confirm", row["name"], *ANSWERS)
    ended = console(home, *words)
    assert ended.returncode in (0, 3), ended.stdout + ended.stderr
    shown = card(home, secret)
    assert "STILL WORKS" not in shown["headline"]
    assert "NOT TRIED" in shown["headline"] or "REFUSED" in shown["headline"]
    assert shown["moves"] == []
    done = attempt(home, secret, row["name"])
    assert "REFUSED at " in done.stdout, done.stdout + done.stderr
    assert card(home, secret)["headline"].startswith("REFUSED at ")


def test_a_system_that_says_revoked_and_still_takes_it_is_not_believed(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    assert console(home, "fingerprint", row["handle"], text=secret).returncode == 0
    words = ("revoke", row["handle"], "--reason", WHY, "--leak", "--confirm", row["name"], *ANSWERS)
    assert console(home, *words).returncode in (0, 3)
    assert attempt(home, secret, row["name"]).returncode == 0
    assert card(home, secret)["headline"].startswith("REFUSED at ")


def test_an_id_without_a_value_cannot_be_tried(home: Path) -> None:
    row, _ = token(home, "backend:aws-main", "state:active")
    text = f"key_id,customer\n{row['id']},acme\n"
    assert card(home, text)["not_tried_because"] == "no value came in, only an id"
    done = attempt(home, text, row["name"])
    assert done.returncode == 2
    assert "nothing was tried" in done.stderr
    assert tries(home) == []


def test_the_hazards_of_a_card_are_those_of_the_plan(home: Path) -> None:
    seen = 0
    traps = rows(home, "canary", "backend:vault-prod", "state:active")[:3]
    for row in [*traps, *rows(home, "text:token-console", "backend:vault-prod")[:2]]:
        shown = card(home, value(home, row))
        for verb in ("revoke", "rotate", "contain"):
            words = ("plan", verb, "--token", row["handle"], "--reason", WHY, "--leak", "--dry-run")
            done = console(home, *words, "--json")
            if verb not in {move["verb"] for move in shown["moves"]}:
                continue
            (item,) = json.loads(done.stdout)["items"]
            planned = {
                (hazard["code"], hazard.get("fatal", False))
                for hazard in item["proposal"].get("hazards", [])
            }
            told = {
                (hazard["code"], hazard["fatal"])
                for hazard in shown["hazards"]
                if verb in hazard["verbs"]
            }
            assert told == planned
            seen += len(planned)
    assert seen > 2


def test_own_credentials_are_never_offered_to_be_ended(home: Path) -> None:
    (me,) = [
        row
        for row in rows(home, "backend:vault-prod", "state:active")
        if row["name"].startswith("token-console")
    ][:1]
    shown = card(home, value(home, me))
    codes = {hazard["code"]: hazard for hazard in shown["hazards"]}
    assert codes["own-credential"]["fatal"]
    assert all(move["why_not"] for move in shown["moves"])


def test_whom_to_wake_is_what_the_teams_file_says(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    (home / "owners.toml").write_text(
        f'[[owner]]\nname = "payments-oncall"\nkind = "on-call"\ntokens = ["{row["handle"]}"]\n'
        'contact = "pager 7001\\u001b[2J"\n'
    )
    config = home / "config.toml"
    config.write_text(f'{config.read_text()}\n[graph]\nowners = ["{home}/owners.toml"]\n')
    assert console(home, "sync", "vault-prod").returncode == 0
    done = console(home, "intake", text=secret)
    assert "payments-oncall: pager 7001" in " ".join(done.stdout.split()), done.stdout
    assert "\x1b" not in done.stdout


def test_a_value_that_two_backends_have_is_said_on_both_cards(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    config = home / "config.toml"
    table = (
        f'[backend.vault-twin]\ntype = "estate"\npath = "{home}/estate.db"\nsystem = "vault"\n'
        "act_allowed = true\n"
    )
    config.write_text(f"{config.read_text()}\n{table}")
    assert console(home, "sync", "vault-twin").returncode in (0, 3)
    (item,) = json.loads(console(home, "intake", "--json", text=secret).stdout)["items"]
    cards = {card["backend"]: card for card in item["tokens"]}
    assert set(cards) == {"vault-prod", "vault-twin"}
    assert cards["vault-twin"]["handle"] in cards["vault-prod"]["same_value"]
    assert row["handle"] in cards["vault-twin"]["same_value"]
    done = console(home, "intake", text=secret)
    said = " ".join(done.stdout.split())
    assert f"token {row['handle']} has it too: one move is not enough" in said
    tried = attempt(home, secret, row["name"])
    assert tried.returncode == 2
    assert "of which one token can be tried" in " ".join(tried.stderr.split())


def test_a_system_that_hangs_over_a_plan_costs_the_card_its_hazards_and_no_more(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_ = rows(home, "backend:vault-prod", "state:active")[:3]
    text = "\n".join(value(home, row) for row in rows_)
    asked = 0

    class Hanging:
        def __init__(self, backend: Any) -> None:
            self._backend = backend

        def __getattr__(self, name: str) -> Any:
            return getattr(self._backend, name)

        async def whoami(self) -> Any:
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()

    async def run() -> Any:
        where = settings.paths(home)
        loaded = settings.load(where.config)
        async with Fleet(loaded, where, act=True) as fleet:

            async def hanging(name: str) -> Any:
                return Hanging(await fleet.backend(name))

            planner = advice.Planner(hanging, where, loaded, act=True)
            return await take_in(text.encode(), where, fleet, fleet.names, 0, None, planner=planner)

    monkeypatch.setattr(advice, "PATIENCE", 0.2)
    cards = [shown for one in asyncio.run(run()).answered for shown in one.cards]
    assert len(cards) == 3
    assert asked <= 3, "the others did not wait for it again"
    for shown in cards:
        assert shown.advice.moves, "what is declared is offered all the same"
        assert "gave no answer" in shown.advice.unknown
        assert shown.advice.hazards == ()
        lines = [text for label, text in words.card_lines(shown, datetime.now(UTC))]
        assert not any("none that the plans" in text for text in lines)


@pytest.mark.parametrize("agreed", [(), ("something else",)])
def test_who_was_shown_other_side_effects_has_agreed_to_nothing(
    home: Path, agreed: tuple[str, ...]
) -> None:
    _, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")

    async def run() -> None:
        where = settings.paths(home)
        async with Fleet(settings.load(where.config), where) as fleet:
            taken = await take_in(secret.encode(), where, fleet, fleet.names, 0, None)
            (handle,) = (shown.token.ref.handle for shown in taken.answered[0].cards)
            await try_card(
                taken, handle, fleet.backend, where, reason=WHY, agreed=agreed, now=lambda: 0.0
            )

    with pytest.raises(trying.TryRefused, match="something else than was agreed to"):
        asyncio.run(run())
    assert tries(home) == []


RECORDED = Headline("RECORDED REVOKED, NOT TRIED", "as read")
NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("accepted", "over", "read_at", "title"),
    [
        (None, True, NOON, "RECORDED REVOKED, NOT TRIED"),
        (True, False, NOON + 60, "LEAKED VALUE STILL WORKS"),
        # The record was read first: what it says does not count against the try.
        (True, True, NOON - 60, "LEAKED VALUE STILL WORKS"),
        # It was ended since, as is recorded: nobody has tried it again.
        (True, True, NOON + 60, "RECORDED REVOKED, NOT TRIED SINCE 08:00"),
        (False, True, NOON + 60, "REFUSED at 08:00"),
        (False, False, NOON + 60, "REFUSED at 08:00"),
    ],
)
def test_a_headline_says_no_more_than_the_last_try_shows(
    accepted: bool | None, over: bool, read_at: float, title: str
) -> None:
    tried = None if accepted is None else trying.LastTry(accepted, NOON, "said so", "ana", "1")
    told = headline_of(RECORDED, tried, None, NOON + 120, read_at, over=over)
    assert told.title == title
    if accepted is False and not over:
        assert "its system's record does not call it ended" in told.why
