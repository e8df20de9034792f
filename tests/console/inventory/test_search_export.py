"""JSON and CSV: complete, honest about what is not known, and harmless."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.model import (
    Gap,
    GapKind,
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
from console.inventory import export, json_lines
from console.inventory.search.inventory import Sort
from console.inventory.search.query import parse

EVIL = "\x1b]52;c;aGk=\x07 \x9b31m \u202e \x7f [red] \0"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    full = token(
        "a",
        name="=cmd()",
        owner=known("payments", "tag", NOW),
        principal=known(Principal("7", "bot", "user"), "record"),
        last_used_at=never("log"),
        expires_at=not_tracked("no expiry here"),
        created_by=not_permitted("cloudtrail:LookupEvents"),
        last_used_from=not_read("timeout"),
        grants=known((Grant("policy", "admin", on="db", via="group ops"),), "record"),
        facts=(("orphan", "true"),),
    )
    timed = token(
        "t",
        name="times with parts of a second, in other zones, and in steps",
        owner=known("p\xe4yments", "tag", NOW.replace(microsecond=7)),
        created_at=known(NOW.astimezone(timezone(timedelta(hours=2))), "record", NOW),
        last_used_at=known(
            NOW.replace(microsecond=123456), "log", NOW.replace(microsecond=1), timedelta(days=1)
        ),
        expires_at=never("record", NOW.replace(microsecond=999_999)),
        parent=known(TokenRef("scripted", "key", EVIL), "record"),
        state=TokenState.DISABLED,
    )
    evil = token(EVIL, name=EVIL, owner=known(EVIL, EVIL), facts=((EVIL, EVIL),))
    desk.sync(Scripted([*listing(full, timed, evil), Gap("x", GapKind.REFUSED, EVIL, "Mend it.")]))
    return desk


def as_json(desk: Desk) -> tuple[str, list[dict[str, Any]]]:
    out: list[str] = []
    desk.see(
        lambda inventory: export.write_json(
            json_lines.lines(inventory.stored(parse(""), Sort())), out.append
        )
    )
    text = "".join(out)
    return text, json.loads(text)


def as_csv(desk: Desk) -> tuple[str, list[dict[str, str]]]:
    out: list[str] = []
    count = desk.see(
        lambda inventory: export.write_csv(inventory.each(parse(""), Sort()), out.append)
    )
    text = "".join(out)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert count == len(rows)
    return text, rows


def test_json_says_how_everything_is_known(desk: Desk) -> None:
    _, found = as_json(desk)
    one = next(item for item in found if item["id"] == "a")
    assert one["owner"] == {
        "how": "known",
        "value": "payments",
        "source": "tag",
        "as_of": "2026-11-23T03:00:00Z",
    }
    assert one["last_used_at"] == {"how": "never", "source": "log"}
    assert one["expires_at"] == {"how": "not_tracked", "source": "no expiry here"}
    assert one["created_by"]["how"] == "not_permitted"
    assert one["last_used_from"]["how"] == "not_read"
    assert one["created_at"]["value"] == "2026-11-23T03:00:00Z"
    assert one["principal"]["value"]["name"] == "bot"
    assert one["grants"]["value"] == [
        {"kind": "policy", "name": "admin", "on": "db", "via": "group ops"}
    ]
    assert one["facts"] == [{"name": "orphan", "value": "true"}]


def test_a_list_says_of_a_token_what_its_own_page_says(desk: Desk) -> None:
    desk.sync(Scripted(listing(token("a", name="another name by now"))))
    _, listed = as_json(desk)
    with desk.reading() as inventory:
        each = [export.token(row, one) for row, one in inventory.each(parse(""), Sort())]
    assert {one["presence"] for one in each} == {"present", "gone"}
    assert {one["last_change"] for one in each} > {"gone"}
    assert [list(one.items()) for one in listed] == [list(one.items()) for one in each]
    assert listed[0]["handle"] != listed[-1]["handle"]


def test_a_list_knows_every_field_of_a_record() -> None:
    fields = [field.name for field in msgspec.structs.fields(Token)]
    assert [field.name for field in msgspec.structs.fields(json_lines._Record)] == fields


def test_json_is_printable_ascii_and_loses_nothing(desk: Desk) -> None:
    text, found = as_json(desk)
    assert all(" " <= character <= "~" or character == "\n" for character in text)
    assert {item["name"] for item in found} >= {"=cmd()", EVIL}


def test_csv_names_the_four_ways_of_not_knowing(desk: Desk) -> None:
    _, found = as_csv(desk)
    one = next(row for row in found if row["id"] == "a")
    assert one["last_used_at"] == "never"
    assert one["expires_at"] == "not tracked"
    assert one["created_by"] == "not permitted"
    assert one["last_used_from"] == "not read"
    assert one["principal"] == "bot"
    assert one["name"] == "'=cmd()", "a spreadsheet must not run it"


def test_csv_is_harmless(desk: Desk) -> None:
    text, _ = as_csv(desk)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_never_appears_only_where_the_system_said_never(desk: Desk) -> None:
    for row, one in desk.see(lambda inventory: list(inventory.each(parse(""), Sort()))):
        shown = export.token(row, one)
        for name, reading in shown.items():
            if isinstance(reading, dict) and "never" in json.dumps(reading):
                assert getattr(one, name).how.value == "never"


def test_detail_and_backend_are_harmless_too(desk: Desk) -> None:
    with desk.reading() as inventory:
        for row in inventory.window(parse(""), Sort(), 0, 9):
            detail = inventory.detail(row.handle)
            assert detail is not None
            shown = export.detail(detail, inventory.changes(row.handle), [])
            assert shown["history"][-1]["kind"] == "first seen"
            assert export.dumps(shown).isprintable()
        (state,) = inventory.backends()
        shown = export.backend(state)
        assert export.dumps(shown).isprintable()
        assert shown["gaps"][0]["hint"] == "Mend it."


def test_an_empty_inventory_is_an_empty_list(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert as_json(desk)[1] == []
    assert as_csv(desk)[1] == []
