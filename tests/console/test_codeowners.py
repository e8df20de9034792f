"""CODEOWNERS as people write it and as whoever names tokens may try it."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import pytest
from patience import HANG
from scripted import Scripted, listing, token
from test_owner import Desk, owned

from backends.credentials import resolve
from console import settings
from console.cli.journal.place import text_of
from console.graph import codeowners, graph
from console.graph.collect import collect
from console.graph_settings import GraphSettings
from console.journal.ssh.allowed import AllowedSigners
from console.journal.ssh.errors import AllowedSignersError
from console.store import reading

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@contextmanager
def ends() -> Iterator[None]:
    """The time only bounds a failure: what backtracks would go on for years."""

    def late(*_: object) -> None:
        raise AssertionError("it does not end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(HANG))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("mark", ["", BOM])
def test_the_first_rule_holds_whatever_an_editor_put_before_it(tmp_path: Path, mark: str) -> None:
    desk = Desk(tmp_path)
    one = token("a", name="checkout")
    desk.sync(Scripted(listing(one)))
    path = tmp_path / "CODEOWNERS"
    path.write_text(f"{mark}* @org/all\n", encoding="utf-8")
    collect(desk.engine, GraphSettings(owners=(path,)))
    assert owned(desk, one.ref.handle).owner == "@org/all"
    with closing(reading.connect(desk.path)) as connection:
        assert not [line for line in graph.unknowns(connection) if "CODEOWNERS" in line]


def test_files_that_people_write_may_begin_with_a_mark(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("a", name="checkout")
    desk.sync(Scripted(listing(one)))
    owners = tmp_path / "owners.toml"
    owners.write_text(f'{BOM}[[owner]]\nname = "payments"\ntokens = ["checkout"]\n')
    consumers = tmp_path / "consumers.toml"
    consumers.write_text(f'{BOM}[[consumer]]\nname = "shop"\ntokens = ["checkout"]\n')
    collect(desk.engine, GraphSettings(owners=(owners,), consumers=(consumers,)))
    assert owned(desk, one.ref.handle).owner == "payments"
    with closing(reading.connect(desk.path)) as connection:
        whole = graph.load(connection)
    assert "shop" in [node.name for node in whole.nodes.values()]

    config = tmp_path / "config.toml"
    config.write_text(f'{BOM}[backend.x]\ntype = "estate"\npath = "y"\nread = {{ env = "PATH" }}\n')
    assert [each.name for each in settings.load(config).backends] == ["x"]

    secret = tmp_path / "secret"
    secret.write_text(f"{BOM}s.value\n")
    secret.chmod(0o600)
    assert resolve({"file": str(secret)}, "read").reveal() == "s.value"

    vkey = tmp_path / "vkey"
    vkey.write_text(f"{BOM}name+hash+key\n")
    assert text_of(vkey) == "name+hash+key\n"


def test_signers_are_read_as_ssh_keygen_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    path.write_text(f"{BOM}ana@example.com ssh-ed25519 AAAA\n")
    with pytest.raises(AllowedSignersError, match="byte-order mark"):
        AllowedSigners.load(path)


SECTIONS = """\
[a-z]*_prod @prod
[!a-c]x? @other
svc\\*1 @star
[Audit Team][2] @audit @audit2
*
^[Optional] @maybe
/vault/[x @bracket
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pg/checkout_prod", ["@prod", "@audit", "@audit2"]),
        ("pg/Checkout_prod", ["@audit", "@audit2"]),
        ("pg/dxy", ["@other", "@audit", "@audit2"]),
        ("pg/axy", ["@audit", "@audit2"]),
        ("pg/svc*1", ["@star", "@audit", "@audit2"]),
        ("pg/svc-1", ["@audit", "@audit2"]),
        ("vault/[x", ["@audit", "@audit2", "@bracket"]),
    ],
)
def test_a_pattern_with_a_choice_of_characters_is_no_section(
    path: str, expected: list[str]
) -> None:
    rules, wrong = codeowners.parse(SECTIONS)
    assert not wrong
    assert [owner for owner, _ in codeowners.owners(rules, path)] == expected


HOSTILE = [
    ("*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-*-x @a", "-" * 20_000),
    ("**/*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b @a", "a" * 20_000),
    ("**/-/**/-/**/-/**/-/**/-/**/-/**/-/**/-/**/x @a", "-/" * 10_000),
    ("?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*!/ @a", "?" * 20_000),
    ("**/-*-*-*-*-*-*-*-*-*/* @a", "-" * 10_000 + "/-" * 5_000 + "/x/y"),
]


@pytest.mark.parametrize(("line", "name"), HOSTILE)
def test_no_name_of_a_token_keeps_the_matching_busy(line: str, name: str) -> None:
    rules, _ = codeowners.parse(line)
    with ends():
        codeowners.owners(rules, f"pg/{name}")


def test_matching_agrees_with_the_rules_written_down_plainly() -> None:
    """Against a slow matcher that tries everything."""
    chance = random.Random(20)
    pieces = ("a", "b", "-", "*", "*", "?", "/", "/", "**/", "/**", "[ab]")
    matched = 0
    for _ in range(20_000):
        pattern = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 7)))
        path = "".join(chance.choice("ab-/") for _ in range(chance.randint(1, 8))).strip("/")
        if not pattern.strip("/") or "//" in pattern or "//" in path or not path:
            continue
        rules, _ = codeowners.parse(f"{pattern} @x")
        if not rules:
            continue
        told = bool(codeowners.owners(rules, path))
        assert told == plainly(pattern, path), (pattern, path)
        matched += told
    assert matched > 500


def plainly(pattern: str, path: str) -> bool:
    """What gitignore's documentation says, without a thought of speed."""
    anchored = "/" in pattern.rstrip("/")
    segments = tuple(pattern.strip("/").split("/"))
    if not anchored:
        segments = ("**", *segments)
    parts = tuple(path.split("/"))

    @cache
    def segment(want: str, have: str) -> bool:
        if not want:
            return not have
        if want[0] == "*":
            return segment(want[1:], have) or (bool(have) and segment(want, have[1:]))
        if not have:
            return False
        if want.startswith("[ab]"):
            return have[0] in "ab" and segment(want[4:], have[1:])
        return (want[0] == "?" or want[0] == have[0]) and segment(want[1:], have[1:])

    @cache
    def fits(i: int, j: int) -> bool:
        if i == len(segments):
            if pattern.endswith("/"):
                return j < len(parts)
            return j == len(parts) or not pattern.endswith("/*")
        if segments[i] == "**":
            if i + 1 == len(segments):
                return j < len(parts) or i == 0
            return fits(i + 1, j) or (j < len(parts) and fits(i, j + 1))
        return j < len(parts) and segment(segments[i], parts[j]) and fits(i + 1, j + 1)

    return fits(0, 0)
