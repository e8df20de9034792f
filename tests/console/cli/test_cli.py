"""The command line over the embedded estate, as a script or a person would use it."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import demo_home
import pytest
from real_systems import console

from backends.estate import EstateWorld, set_trouble

REASON = "leaked in a public repository"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was made and read once."""
    return demo_home.prepare(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return demo_home.copy(prepared, tmp_path)


def listed(home: Path, *query: str) -> list[dict[str, Any]]:
    done = console(home, "list", *query, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def harmless(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def test_the_demo_needs_neither_configuration_nor_network(prepared: Path) -> None:
    rows = listed(prepared)
    assert len(rows) >= 300
    assert {row["backend"] for row in rows} == {"vault-prod", "aws-main", "pg-ledger", "github"}


def test_what_a_look_found_is_counted_in_its_own_number(home: Path) -> None:
    done = console(home, "sync", "aws-main")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"aws-main: ok, [1-9]\d* tokens(, \d+ \w+)*, 1 gap", done.stdout.strip())


def test_a_look_that_failed_does_not_tell_of_no_tokens(home: Path) -> None:
    (home / "estate.db").write_bytes(b"no database")
    done = console(home, "sync", "github")
    assert done.returncode == 1
    assert done.stdout.strip() == "github: failed"
    assert "token-console: github: " in done.stderr


def test_what_cannot_be_asked_is_not_called_down(home: Path) -> None:
    config = home / "config.toml"
    config.write_text(config.read_text().replace('system = "codehost"', 'system = "codehos"'))
    for words in (("backends", "--offline"), ("backends",)):
        out = console(home, *words).stdout
        (line,) = [line for line in out.splitlines() if line.startswith("github: ")]
        assert line.startswith(("github: CANNOT BE USED: ", "github: FAILED: "))
        assert "DOWN" not in out


def test_no_line_of_a_backend_ends_in_a_colon(prepared: Path) -> None:
    out = console(prepared, "backends").stdout
    assert "unlistable: the log begins at" in out
    assert not [line for line in out.splitlines() if line.rstrip().endswith(":")]


def test_a_list_that_was_cut_says_that_there_is_more(prepared: Path) -> None:
    assert "the first 5 tokens; there are more" in console(prepared, "list", "--limit", "5").stderr
    one = listed(prepared)[0]["handle"]
    assert console(prepared, "list", one, "--limit", "1").stderr.splitlines()[0] == "1 token"


def test_where_a_verb_has_no_call_the_verbs_that_have_one_are_named(prepared: Path) -> None:
    handle = listed(prepared, "backend:github", "state:active")[0]["handle"]
    told = console(prepared, "contain", handle, "--reason", REASON, "--dry-run").stdout
    assert "NOT CONTAINED" in told
    assert "Nothing else can be done" not in told
    assert f"token-console revoke {handle} --reason" in told
    told = console(prepared, "restore", handle, "--reason", REASON, "--dry-run").stdout
    assert "NOT RESTORED" in told
    assert "token-console revoke" not in told, "no other verb gives a token back"


def test_who_goes_takes_one_or_many_along(prepared: Path) -> None:
    handle = listed(prepared, "backend:aws-main", "state:active")[0]["handle"]
    lines = console(prepared, "owner", "leaves", handle).stdout.splitlines()
    assert lines[0] == "1 dies"
    owner = next(row["owner"]["value"] for row in listed(prepared, "-owner:none"))
    lines = console(prepared, "owner", "leaves", owner).stdout.splitlines()
    assert lines[0] == "0 die"
    assert any(re.fullmatch(r"([2-9]|\d\d+) have no owner then|1 has no owner then", line)
               for line in lines)  # fmt: skip


def test_a_query_finds_the_same_whatever_the_form(prepared: Path) -> None:
    words = ("owner:payments", "-state:gone")
    rows = listed(prepared, *words)
    assert rows
    assert {row["owner"]["value"] for row in rows} == {"payments"}
    table = console(prepared, "list", *words)
    assert len(table.stdout.splitlines()) == len(rows) + 1
    sheet = list(csv.DictReader(io.StringIO(console(prepared, "list", *words, "--csv").stdout)))
    assert [row["handle"] for row in sheet] == [row["handle"] for row in rows]


def test_not_knowing_has_four_names_and_none_is_never_by_mistake(prepared: Path) -> None:
    rows = listed(prepared)
    hows = {row["last_used_at"]["how"] for row in rows}
    assert {"known", "never", "not_tracked"} <= hows
    sheet = csv.DictReader(io.StringIO(console(prepared, "list", "--csv").stdout))
    words = {"never": "never", "not_tracked": "not tracked", "not_permitted": "not permitted"}
    told = {row["handle"]: row["last_used_at"] for row in sheet}
    for row in rows:
        how = row["last_used_at"]["how"]
        if how != "known":
            assert told[row["handle"]] == words[how]
    assert all(row["last_used_at"]["how"] == "never" for row in listed(prepared, "used:never"))


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_hostile_names_are_harmless_in_every_export(prepared: Path, form: tuple[str]) -> None:
    done = console(prepared, "list", *form)
    assert harmless(done.stdout), "something a terminal would act on"
    assert "owned" in done.stdout, "the hostile names are there"


def test_hostile_names_are_harmless_on_the_page_of_a_token(prepared: Path) -> None:
    hostile = [row for row in listed(prepared) if not row["name"].isprintable()]
    assert hostile
    for row in hostile[:6]:
        done = console(prepared, "show", row["handle"])
        assert done.returncode == 0
        assert harmless(done.stdout)
        assert harmless(console(prepared, "show", row["handle"], "--json").stdout)


def test_an_unknown_or_ambiguous_token_says_how_to_name_one(prepared: Path) -> None:
    nothing = console(prepared, "show", "no-such-token-anywhere")
    assert nothing.returncode == 2
    assert "token-console list" in nothing.stderr
    names = [row["name"] for row in listed(prepared)]
    twice = next(name for name in names if names.count(name) > 1 and name.isprintable())
    many = console(prepared, "show", twice)
    assert many.returncode == 2
    assert re.search(r"[0-9a-f]{12}  ", many.stderr)


def test_a_wrong_query_or_column_names_the_right_ones(prepared: Path) -> None:
    wrong = console(prepared, "list", "ownr:payments")
    assert wrong.returncode == 2
    assert "owner" in wrong.stderr
    column = console(prepared, "list", "--sort", "colour")
    assert column.returncode == 2
    assert "name" in column.stderr


def test_identify_takes_a_secret_on_standard_input_only(prepared: Path) -> None:
    with EstateWorld(prepared / "estate.db") as world:
        row = next(row for row in listed(prepared, "backend:aws-main", "state:active"))
        secret = world.secret("cloud", row["id"]).reveal()
    done = console(prepared, "identify", text=secret)
    assert done.returncode == 0, done.stdout + done.stderr
    assert row["handle"] in done.stdout
    assert secret not in done.stdout + done.stderr
    unknown = console(prepared, "identify", text="AKIANOTATOKENATALL00")
    assert unknown.returncode == 1
    empty = console(prepared, "identify", text="")
    assert empty.returncode == 2


def test_backends_tell_health_coverage_and_abilities(prepared: Path) -> None:
    done = console(prepared, "backends")
    assert done.returncode == 0, done.stderr
    for word in ("vault-prod: up", "revoke", "rotation", "cannot be listed", "batch tokens"):
        assert word in done.stdout


def test_a_backend_that_is_down_is_named_and_the_others_go_on(home: Path) -> None:
    before = len(listed(home))
    set_trouble(home / "estate.db", "cloud", outage=True)
    done = console(home, "sync")
    assert done.returncode == 3
    assert "aws-main" in done.stderr
    assert len(listed(home)) >= before
    told = {row["name"]: row for row in json.loads(console(home, "backends", "--json").stdout)}
    assert "error" in told["aws-main"]
    assert told["aws-main"]["hint"]
    assert "error" not in told["vault-prod"]
    shown = console(home, "list", "backend:aws-main", "--limit", "1")
    assert "aws-main" in shown.stderr, "a list says which part of it is stale"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ('tyype = "estate"', "there is no option"),
        ('read = "hvs.literal"', "a value of its own"),
        ('system = "mainframe"', "mainframe"),
    ],
)
def test_config_check_names_the_line_and_the_mend(home: Path, entry: str, line: str) -> None:
    config = home / "config.toml"
    text = config.read_text()
    broken = f'\n[backend.broken]\ntype = "estate"\npath = "{home}/estate.db"\n{entry}\n'
    config.write_text(text + broken)
    number = len((text + broken).splitlines())
    done = console(home, "config", "check")
    assert done.returncode == 2
    assert f"config.toml:{number}:" in done.stderr, done.stderr
    assert line in done.stderr
    assert "hvs.literal" not in done.stderr
    config.write_text(text)
    assert console(home, "config", "check").returncode == 0


def test_no_configuration_teaches_how_to_begin(tmp_path: Path) -> None:
    done = console(tmp_path, "sync")
    assert done.returncode == 2
    assert "token-console demo" in done.stderr
    assert "[backend.vault-prod]" in done.stderr


def test_the_screen_needs_a_terminal_and_says_what_scripts_use(home: Path) -> None:
    done = console(home)
    assert done.returncode == 2
    assert "token-console list --json" in done.stderr


@pytest.fixture
def target(home: Path) -> dict[str, Any]:
    return next(
        row
        for row in listed(home, "backend:vault-prod", "state:active")
        if row["name"].isascii() and row["name"].isprintable() and "console" not in row["name"]
    )


def test_revoke_asks_for_a_reason_and_the_name(home: Path, target: dict[str, Any]) -> None:
    handle = target["handle"]
    assert console(home, "revoke", handle, "--confirm", target["name"]).returncode == 2
    short = console(home, "revoke", handle, "--reason", "x", "--confirm", target["name"])
    assert short.returncode != 0
    leaky = console(
        home, "revoke", handle, "--confirm", target["name"],
        "--reason", "found 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 in a log",
    )  # fmt: skip
    assert leaky.returncode != 0
    assert "ghp_zQWB" not in leaky.stderr + leaky.stdout
    nobody = console(home, "revoke", handle, "--reason", REASON)
    assert nobody.returncode == 2
    assert "--confirm" in nobody.stderr
    with EstateWorld(home / "estate.db") as world:
        assert world.accepts(world.secret("vault", target["id"]))


def test_revoke_in_json_for_a_script(home: Path, target: dict[str, Any]) -> None:
    words = ("revoke", target["handle"], "--reason", REASON, "--json")
    plan = json.loads(console(home, *words, "--dry-run").stdout)
    assert plan["items"][0]["proposal"]["steps"]
    done = console(home, *words, "--confirm", target["name"])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["evidence"] == [0, 0, 1, 0, 0], "one at level 2, which the record shows"
    assert told["states"]["recorded"] == told["total"] == 1
    with EstateWorld(home / "estate.db") as world:
        assert not world.accepts(world.secret("vault", target["id"]))
    again = console(home, *words, "--confirm", target["name"])
    assert again.returncode == 0, again.stderr
    log = json.loads(again.stdout)["log"]
    assert "intent" not in {entry["kind"] for entry in log}, "it was gone: nothing was sent"
    assert any("nothing sent" in entry["says"] for entry in log)


def test_a_system_that_says_yes_and_does_nothing_is_not_believed(
    home: Path, target: dict[str, Any]
) -> None:
    set_trouble(home / "estate.db", "vault", no_effect=True)
    done = console(
        home, "revoke", target["handle"], "--reason", REASON, "--confirm", target["name"]
    )
    assert done.returncode == 3
    entries = [
        json.loads(x) for x in console(home, "journal", "list", "--json").stdout.splitlines()
    ]
    evidence = next(entry for entry in entries if entry["type"] == "evidence")
    assert evidence["out"]["evidence"] == 1, "accepted, and no more"


@pytest.mark.parametrize(
    "words", [(), ("list",), ("revoke",), ("demo",), ("lab",), ("identify",), ("journal",)]
)
def test_help_teaches_by_example(prepared: Path, words: tuple[str, ...]) -> None:
    done = console(prepared, *words, "--help")
    assert done.returncode == 0
    assert "token-console " in done.stdout.partition("example")[2] or not words


def test_the_demo_has_one_place_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from console.cli import main

    assert main(["--home", str(tmp_path), "demo", "--prepare", "--tokens", "40"]) == 0
    by_option = capsys.readouterr().out
    monkeypatch.setenv("TOKEN_CONSOLE_HOME", str(tmp_path))
    assert main(["demo", "--prepare"]) == 0
    again = capsys.readouterr()
    assert again.out == by_option
    assert "making an estate" not in again.err, "it is there already"
    assert main(["--home", str(tmp_path / "demo"), "list", "--limit", "1"]) == 0
