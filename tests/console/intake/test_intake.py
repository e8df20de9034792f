"""The command ``intake`` on the embedded estate: from what came in to the answer cards."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

import demo_home
import pytest
from lab_scene import ANSWERS
from patience import HANG
from pty_screen import Terminal
from real_systems import console

from backends.contract import Backend, Match
from backends.estate import EstateWorld
from backends.model import Secret
from console import settings
from console.fleet import Fleet

GITHUB = "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"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that was made and read once."""
    return demo_home.prepare(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return demo_home.copy(prepared, tmp_path)


def token(home: Path, *query: str) -> tuple[dict[str, Any], str]:
    """A token of the estate, as it is listed, and its value."""
    done = console(home, "list", *query, "--json")
    row: dict[str, Any] = json.loads(done.stdout)[0]
    system = {"vault-prod": "vault", "aws-main": "cloud"}[row["backend"]]
    with EstateWorld(home / "estate.db") as world:
        return row, world.secret(system, row["id"]).reveal()


def flat(text: str) -> str:
    """The words on one line, wherever they were wrapped."""
    return " ".join(text.split())


def test_a_value_becomes_a_card_with_the_answers_and_is_never_shown(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "used:<7d")
    done = console(home, "intake", "--leak", "2d", text=secret + "\n")
    assert done.returncode == 0, done.stdout + done.stderr
    said = flat(done.stdout)
    assert f"vault-prod/{row['name']}" in said
    assert row["handle"] in said
    assert "TAKE IT AS LIVE: RECORDED ACTIVE, NOT TRIED" in said
    assert "since the leak" in said
    assert "log: vault-prod" in said, "how far the logs reach"
    for label in (
        "CREATED",
        "BY",
        "OWNER",
        "LAST USED",
        "MAY",
        "MAY DO",
        "BOUND",
        "ANSWERS",
        "BREAKS",
    ):
        assert f"\n{label}" in done.stdout, label
    assert f"revoke {row['handle']}" in said
    assert "cannot be contained here" in said, "said before anybody plans it"
    assert secret not in done.stdout + done.stderr


def test_what_it_may_do_is_opened_and_not_asked_of_a_system_that_may_not_be(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active", "grant:kv-read")
    (item,) = json.loads(console(home, "intake", "--json", text=secret).stdout)["items"]
    (card,) = item["tokens"]
    assert card["handle"] == row["handle"]
    assert "reads secrets: secret/data/*" in " ".join(card["may_do"]["told"])
    assert console(home, "fingerprint", row["handle"], text=secret).returncode == 0
    told = json.loads(console(home, "intake", "--offline", "--json", text=secret).stdout)
    (card,) = told["items"][0]["tokens"]
    assert card["may_do"]["told"] == []
    assert "was not asked" in card["may_do"]["unknown"][0]


def test_a_word_that_is_an_id_is_taken_for_one_and_for_no_value(home: Path) -> None:
    row, _ = token(home, "backend:vault-prod", "state:active")
    for word in (row["id"], row["handle"]):
        done = console(home, "intake", "--offline", text=f"{word}\n")
        assert done.returncode == 0, done.stdout
        said = flat(done.stdout)
        assert row["handle"] in said
        assert "it is its id in the inventory, and no value" in said
    one_column = f"id\n{row['id']}\nAKIAIOSFODNN7STRNG00\n"
    told = json.loads(console(home, "intake", "--offline", "--json", text=one_column).stdout)
    assert [len(item["tokens"]) for item in told["items"]] == [1, 0]


def test_where_contain_can_be_undone_it_is_the_first_move(home: Path) -> None:
    row, secret = token(home, "backend:aws-main", "state:active")
    (item,) = json.loads(console(home, "intake", "--json", text=secret).stdout)["items"]
    (card,) = item["tokens"]
    assert card["handle"] == row["handle"]
    assert card["moves"][0]["verb"] == "contain"
    assert card["cannot_be_undone"] is None


def test_no_match_says_who_was_asked_and_never_that_it_is_not_ours(home: Path) -> None:
    done = console(home, "intake", text=GITHUB)
    assert done.returncode == 1
    said = flat(done.stdout)
    assert "a GitHub token, its checksum holds" in said
    assert "NO MATCH" in said
    assert "github was asked and has no living token with it, and its last look has" in said
    assert "That does not say that it is not ours." in said
    assert GITHUB not in done.stdout + done.stderr


def test_a_type_that_no_configured_backend_issues_is_asked_of_none(home: Path) -> None:
    config = home / "config.toml"
    config.write_text('[backend.db]\ntype = "postgres"\nurl = "postgresql://127.0.0.1:1/x"\n')
    done = console(home, "intake", "--json", text=GITHUB)
    (item,) = json.loads(done.stdout)["items"]
    assert item["not_asked"] == {}, "it was sent to nobody"
    assert "No configured backend issues these (github)." in item["no_match"]


def test_a_system_that_is_down_is_said_and_the_fingerprint_still_finds_it(home: Path) -> None:
    row, secret = token(home, "backend:vault-prod", "state:active")
    assert console(home, "fingerprint", row["handle"], text=secret).returncode == 0
    (home / "estate.db").unlink()
    done = console(home, "intake", text=secret)
    said = flat(done.stdout)
    assert row["handle"] in said
    assert "MATCHED BY a fingerprint that was kept here" in said
    assert "NOT KNOWN: TAKE IT AS LIVE" in said
    assert "vault-prod could not be asked" in said


def test_offline_asks_nobody(home: Path) -> None:
    _, secret = token(home, "backend:vault-prod", "state:active")
    (item,) = json.loads(console(home, "intake", "--offline", "--json", text=secret).stdout)[
        "items"
    ]
    assert item["tokens"] == []
    assert item["not_asked"] == {}


def test_an_id_that_a_run_ended_shows_what_is_known_of_its_value(home: Path) -> None:
    row, _ = token(home, "backend:aws-main", "state:active", "used:<7d")
    words = ("revoke", row["handle"], "--reason", "found in a public repository")
    ended = console(home, *words, "--confirm", row["name"], *ANSWERS)
    assert ended.returncode in (0, 3), ended.stdout + ended.stderr
    done = console(home, "intake", "--json", text=f"key_id,customer\n{row['id']},acme\n")
    (item,) = json.loads(done.stdout)["items"]
    (card,) = item["tokens"]
    assert "LIVE" not in card["headline"]
    assert card["moves"] == [], "what has ended is not offered again"


def test_a_report_of_many_gives_a_line_for_each_and_counts_what_was_left_out(home: Path) -> None:
    done = console(home, "list", "backend:aws-main", "--json")
    ids = [row["id"] for row in json.loads(done.stdout)][:12]
    lines = [json.dumps({"RuleID": "aws", "Secret": id_, "File": "a.env"}) for id_ in ids]
    done = console(home, "intake", text="\n".join([*lines, "scanning..."]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"gitleaks: {len(ids)} values or ids" in done.stdout
    assert done.stdout.count("aws-main/") == len(ids)
    assert "left out: line 13 is no JSON" in done.stderr


def test_hostile_words_of_a_report_reach_the_terminal_harmless(home: Path) -> None:
    finding = {"RuleID": "\x1b[2J\u202eevil", "File": "a\x1b]0;x\x07b", "Secret": GITHUB}
    done = console(home, "intake", text=json.dumps([finding]))
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


@pytest.mark.parametrize(
    ("words", "text", "says"),
    [
        ((), "", "nothing came in"),
        (("/nowhere/at/all",), None, "cannot read"),
        (("--leak", "yesterday"), "x" * 20, "is no time"),
        (("--backend", "nobody"), "x" * 20, "no backend is called"),
        ((), '[{"a": 1}]', "no report that is known"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(home, words, text, says) -> None:
    done = console(home, "intake", *words, text=text)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_value_is_nowhere_on_the_disk_afterwards(home: Path) -> None:
    _, secret = token(home, "backend:vault-prod", "state:active")
    (home / "estate.db").rename(home.parent / "estate.db")
    config = home / "config.toml"
    inside, outside = str(home / "estate.db"), str(home.parent / "estate.db")
    config.write_text(config.read_text().replace(inside, outside))
    assert console(home, "intake", "--leak", "1d", text=secret).returncode == 0
    for path in home.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("times", [1, 2])
def test_a_backend_that_is_closed_under_the_question_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    paths = settings.paths(tmp_path)
    paths.config.write_text('[backend.v]\ntype = "openbao"\n')
    fleet = Fleet(settings.load(paths.config), paths)
    asked = 0

    class Closing:
        async def identify(self, secret: Secret) -> tuple[Match, ...]:
            nonlocal asked
            asked += 1
            if asked <= times:
                # As a look does that found nobody there.
                fleet._opened.clear()
                raise RuntimeError("the client has been closed")
            return ()

    async def backend(name: str) -> Any:
        return fleet._opened.setdefault(name, cast(Backend, Closing()))

    monkeypatch.setattr(fleet, "backend", backend)
    matches, silent = asyncio.run(fleet.identify(Secret("x" * 20)))
    assert matches == []
    said = "v was closed while it was asked"
    assert [(name, why.partition(".")[0]) for name, why in silent] == [("v", said)][: times - 1]


class Intake(Terminal):
    """``token-console intake`` in a terminal."""

    program = (sys.executable, "-I", "-m", "console", "intake", "--home")


@pytest.mark.pty
@pytest.mark.parametrize("paste", [b"\x1b[200~%s\x1b[201~", b"%s"], ids=["bracketed", "plain"])
def test_a_paste_at_the_terminal_is_taken_whole_and_not_shown(home: Path, paste: bytes) -> None:
    # Longer than a line that a terminal edits, and of several lines.
    secret = "\n".join([GITHUB, "s." + "A" * 6000, "hunter2-and-more"])
    with Intake(home) as terminal:
        terminal.shown("nothing is shown")
        terminal.press(paste.replace(b"%s", secret.encode()))
        terminal.quiet(0.5)
        terminal.press(b"\r")
        terminal.until(lambda: terminal.process.poll() is not None or b"#3" in terminal.out)
        terminal.process.wait(HANG)
        terminal.quiet()
        told = terminal.out.decode()
    assert "3 values or ids" in told
    for value in (GITHUB, "AAAAAAAA", "hunter2"):
        assert value not in told
