"""A log is read word by word, and what is known here is found in it, wherever it stands."""

import gzip
import hashlib
import hmac
import io
import json
import secrets
from pathlib import Path
from typing import Any

import demo_home
import pytest
from real_systems import console

from backends.estate import EstateWorld
from backends.model import Secret
from console.intake import log_words
from console.intake.matching import Fingerprints
from console.journal.read import fingerprint

PEPPER = secrets.token_bytes(32)
VALUES = {
    "bare": "s.Kd83jfLkq93kdLskf83Lskd",
    "aws": "AKIAQYLPMN5HFIQR7XYA:ab/cdEF+ghij0123456789klmnopqrstuvwxyzAB",
    "base64": "c2VjcmV0/dmFsdWU+Zm9yIHlvdQ==",
    "symbols": "Tr0ub4dor&3!xyz",
    "words": "correct-horse-battery",
    "uuid": "619699cf-e198-8ad9-f06c-144a025b413f",
    "long": "eyJ" + "a1B2" * 600,
}


def known(**values: str) -> Fingerprints:
    handles = {
        fingerprint.fingerprint(PEPPER, Secret(value)): {name} for name, value in values.items()
    }
    return Fingerprints(PEPPER, handles)


def found(text: str, ids: dict[str, str] | None = None) -> dict[str, tuple[str, int, int]]:
    told = log_words.search(io.BytesIO(text.encode()), known(**VALUES), ids or {})
    assert told.problems == ()
    return {one.handle: (one.how, one.lines, one.first) for one in told.found}


def test_a_fingerprint_is_the_hmac_that_the_standard_library_makes() -> None:
    made = hmac.new(PEPPER, b"x" * 40, hashlib.sha256).digest()
    assert fingerprint.digests(PEPPER)(b"x" * 40) == made
    assert fingerprint.fingerprint(PEPPER, Secret("x" * 40)) == made.hex()


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "2026-11-03T00:00:02Z host app[12]: token={} accepted",
        'Authorization: "Bearer {}"',
        '{{"level":"info","token":"{}","n":1}}',
        "values ({}), and more",
        "got {}.",
    ],
)
def test_it_is_found_wherever_it_stands(line: str, name: str) -> None:
    text = "nothing here\n" + line.format(VALUES[name]) + "\nnothing there\n"
    assert found(text) == {name: ("value", 1, 2)}


def test_it_is_found_in_addresses_and_percent_encoded() -> None:
    assert set(found(f"GET https://x.example/a?b=1&access_token={VALUES['bare']}&c=2 200")) == {
        "bare"
    }
    assert set(found(f"postgresql://app:{VALUES['words']}@db.example/shop")) == {"words"}
    assert set(found("?k=Tr0ub4dor%263%21xyz&x=1")) == {"symbols"}
    assert set(found("?k=c2VjcmV0%2FdmFsdWU%2BZm9yIHlvdQ%3D%3D")) == {"base64"}


def test_lines_are_counted_once_and_an_id_is_no_value() -> None:
    bare = VALUES["bare"]
    text = f"{bare} {bare} x={bare}\nnothing\n{bare}\nkey AKIAQYLPMN5HFIQR7XYA used\n"
    assert found(text, {"AKIAQYLPMN5HFIQR7XYA": "aws-key"}) == {
        "bare": ("value", 2, 1),
        "aws-key": ("id", 1, 4),
    }


def test_what_is_left_out_is_what_is_said_to_be(tmp_path: Path) -> None:
    short, number, blank = "s3cr3t!", "20261103000002", "two words of it"
    told = log_words.search(
        io.BytesIO(f"{short}\n{number}\n{blank}\n".encode()),
        known(short=short, number=number, blank=blank),
        {},
    )
    assert told.found == ()
    assert told.prints == 3


def test_memory_stays_bounded_however_many_words_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_words, "REMEMBERED", 100)
    lines = [f"{n:08x}-word token={VALUES['bare']}&n={n:08x}" for n in range(2000)]
    search = log_words._Search(
        io.BytesIO("\n".join(lines).encode()), known(**VALUES), {}, lambda *_: None
    )
    told = search.run()
    assert len(search.seen) <= 100
    assert len(search.hits) <= 100
    assert [(one.handle, one.lines) for one in told.found] == [("bare", 2000)]


def test_a_line_without_end_is_cut_and_said_and_the_rest_is_read() -> None:
    text = b"x" * (3 * log_words.LINE) + b" " + VALUES["bare"].encode() + b"\nend\n"
    told = log_words.search(io.BytesIO(text), known(**VALUES), {})
    assert told.lines == 2
    assert [one.handle for one in told.found] == ["bare"]
    assert "3 pieces of lines end at" in told.problems[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_home.prepare(tmp_path_factory.mktemp("demo"), tokens=200)


def test_the_command_tells_what_it_found_what_it_could_find_and_keeps_nothing(
    home: Path, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = json.loads(
        console(home, "list", "backend:vault-prod", "state:active", "--json").stdout
    )
    # An accessor may happen to have no digit in it.
    row = min(rows, key=lambda each: sum(letter.isdigit() for letter in each["id"]))
    with EstateWorld(home / "estate.db") as world:
        value = world.secret("vault", row["id"]).reveal()
    log = tmp_path / "access.log.gz"
    log.write_bytes(gzip.compress(f"first\n\x1b[2J token={value}\n{row['id']}\n".encode()))
    before = console(home, "intake", "--log", str(log))
    assert "No value was ever fingerprinted here" in " ".join(before.stdout.split())
    assert "named by its id: line 3" in " ".join(before.stdout.split())
    assert "ITS VALUE" not in before.stdout
    assert console(home, "fingerprint", row["handle"], text=value).returncode == 0
    # No system is there to be asked.
    (home / "estate.db").rename(home / "elsewhere.db")
    done = console(home, "intake", "--log", str(log))
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"vault-prod/{row['name']} {row['handle']} ITS VALUE STANDS IN THE LOG: line 2" in said
    assert "3 lines of" in said
    assert "Of 1 token a value is known by its fingerprint, of" in said
    assert "never was in hand here cannot be found" in said
    assert value not in done.stdout + done.stderr
    told = json.loads(console(home, "intake", "--log", str(log), "--json").stdout)
    assert {(one["handle"], one["how"]) for one in told["found"]} == {
        (row["handle"], "value"),
        (row["handle"], "id"),
    }
    for path in (home / "state").rglob("*"):
        assert not path.is_file() or value.encode() not in path.read_bytes(), path
    none = console(home, "intake", "--log", "-", text="nothing of ours\n")
    assert none.returncode == 1
    assert "That does not say that no value of ours is in it." in none.stdout
    cut = tmp_path / "cut.log.gz"
    cut.write_bytes(log.read_bytes()[:-6])
    broken = console(home, "intake", "--log", str(cut))
    assert broken.returncode == 3
    assert "it breaks off" in broken.stderr
