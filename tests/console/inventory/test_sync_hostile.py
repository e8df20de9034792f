"""Names that an attacker chose: kept, found again, and harmless to the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Desk, Scripted, listing, token

from backends.model import known
from console.inventory.search.inventory import Row, Sort
from console.inventory.search.query import parse


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def rows(desk: Desk, text: str = "") -> dict[str, Row]:
    found = desk.see(lambda inventory: inventory.window(parse(text), Sort(), 0, 100))
    return {row.id: row for row in found}


HOSTILE = (
    "\x1b]52;c;aGk=\x07",
    "[/foo] [b",
    "a\0b",
    "\u202eevil",
    "x" * 10_000,
    "lone \udc80 surrogate",
    "'; DROP TABLE token; --",
    '"quoted" AND OR NEAR(',
    "new\nline",
    "\ud800",
)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_are_kept_and_found(desk: Desk, name: str) -> None:
    one = token(name, name=name, owner=known(name, "tag"), scope=name)
    assert desk.sync(Scripted(listing(one, token("b"), scopes=(name, "root")))).result == "ok"
    assert desk.sync(Scripted(listing(one, token("b"), scopes=(name, "root")))).changed == 0
    kept = name.encode("utf-8", "backslashreplace").decode()
    assert {row.name for row in rows(desk).values()} == {kept, "name of b"}
    quoted = '"' + name[:400].replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert [row.name for row in rows(desk, quoted).values()] == [kept]
    assert [row.name for row in rows(desk, f"owner:{quoted}").values()] == [kept]
    assert [row.name for row in desk.see(lambda inventory: inventory.find(name))] == [kept]
    report = desk.sync(Scripted(listing(token("b"), scopes=(name, "root"))))
    assert report.gone == 1
