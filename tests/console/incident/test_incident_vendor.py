"""A vendor's list against what is here: two sets, and each difference settled by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from demo_home import Responder, copy, prepare

WHY = "the vendor was breached"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("vendor"), tokens=600)


@pytest.fixture
def ana(prepared: Path, tmp_path: Path) -> Responder:
    return Responder(copy(prepared, tmp_path))


def test_three_hundred_lines_of_theirs_against_ours(ana: Responder, tmp_path: Path) -> None:
    """12 that we do not have, 9 that we have and they do not list, 5 in another form."""
    held = ana.told("list", "backend:aws-main,vault-prod", "-state:gone")
    assert len(held) >= 297
    ours = held[:297]
    listed, missing = ours[:288], ours[288:]
    assert len(missing) == 9
    lines = [row["id"] for row in listed]
    aws = [n for n, row in enumerate(listed) if row["backend"] == "aws-main"]
    # In another form: masked, in an ARN, by its handle, as BACKEND/NAME, in small letters.
    key = lines[aws[0]]
    lines[aws[0]] = f"{key[:6]}****{key[-6:]}"
    lines[aws[1]] = f"arn:aws:iam::123456789012:access-key/{lines[aws[1]]}"
    lines[aws[2]] = listed[aws[2]]["handle"]
    lines[aws[3]] = lines[aws[3]].lower()
    lines[aws[4]] = f"console.example/keys/{lines[aws[4]]}"
    lines += [f"AKIAIOSFODNN7STRNG{n:02d}" for n in range(12)]
    assert len(lines) == 300
    sent = tmp_path / "theirs.csv"
    sent.write_text("name,key id\n" + "".join(f"x,{line}\n" for line in lines))
    handles = ",".join(row["handle"] for row in ours)
    ana.must("incident", "open", "INC-7", "--title", "partner breached", "--reason", WHY)
    told = vendor(ana, sent, handles)
    found = told["list"]
    assert found["lines"] == 300
    assert len(found["both"]) == 288
    assert len(found["other_form"]) == 5
    assert len(found["not_here"]) == 12
    assert sorted(found["not_listed"]) == sorted(row["handle"] for row in missing)
    assert len(told["unsettled"]) == 12 + 9
    ids = [each["id"] for each in told["unsettled"]]
    # They keep the incident open, by name.
    shown = ana.told("incident", "show", "INC-7")
    kept = [block for block in shown["blocks"] if block["kind"] == "difference"]
    assert sorted(block["subject"] for block in kept) == sorted(ids)
    assert "AKIAIOSFODNN7STRNG00" in kept[0]["words"]
    why = ("--reason", "keys of a tenant that ended in May")
    assert "9 differences left" in ana.must("incident", "settle", "INC-7", *ids[:12], *why)
    assert "has no difference" in ana.must("incident", "settle", "INC-7", "00000000", *why, code=2)
    # Compared again: what was settled stays settled, and what is left is left.
    again = vendor(ana, sent, handles)
    assert len(again["unsettled"]) == 9
    ana.must("incident", "settle", "INC-7", *ids[12:], *why)
    assert vendor(ana, sent, handles, code=0)["unsettled"] == []
    assert [
        block
        for block in ana.told("incident", "show", "INC-7")["blocks"]
        if block["kind"] == "difference"
    ] == []
    # Everything of either set comes into the scope at once.
    ana.must(
        "incident", "vendor", "INC-7", "partner", "--query", f"handle:{handles}",
        "--list", str(sent), "--take-in",
    )  # fmt: skip
    assert len(ana.told("list", "incident:INC-7")) == 297


def vendor(ana: Responder, sent: Path, handles: str, code: int = 3) -> dict[str, Any]:
    words = ("vendor", "INC-7", "partner", "--query", f"handle:{handles}", "--list", str(sent))
    told: dict[str, Any] = ana.told("incident", *words, code=code)
    return told


def test_what_it_used_is_told_by_address_and_program(ana: Responder) -> None:
    shown = ana.told("show", ana.first("used:<1d", "backend:vault-prod")["handle"])
    used = next(event for event in shown["events"] if event["sort"] == "use" and event["source"])
    ana.must("incident", "open", "INC-7", "--title", "partner breached", "--reason", WHY)
    told = ana.told(
        "incident", "vendor", "INC-7", "nobody-calls-it-so", "--address", used["source"]
    )
    assert shown["handle"] in [each["handle"] for each in told["ours"]]
    assert {way["way"] for each in told["ours"] for way in each["ways"]} == {"used"}
    said = ana.must("incident", "vendor", "INC-7", "partner")
    assert "Use was not looked at" in said
    assert "matches" in said
    assert "No list of theirs was given" in said
    refused = ana.must("incident", "vendor", "INC-7", "partner", "--address", "here", code=2)
    assert "is no address or range" in refused


@pytest.mark.parametrize("form", ["one a line", "one column"])
def test_a_list_of_nothing_but_ids_is_matched(ana: Responder, tmp_path: Path, form: str) -> None:
    rows = ana.told("list", "backend:vault-prod,pg-ledger", "-state:gone", "--limit", "6")
    words = [row["id"] for row in rows[:3]] + [rows[3]["handle"], rows[4]["name"]]
    sent = tmp_path / "theirs.txt"
    head = "key id\n" if form == "one column" else ""
    sent.write_text(head + "\n".join([*words, "nobody-knows-this-id"]) + "\n")
    ana.must("incident", "open", "INC-7", "--title", "partner breached", "--reason", WHY)
    handles = ",".join(row["handle"] for row in rows[:5])
    found = vendor(ana, sent, handles)["list"]
    assert (found["lines"], len(found["both"]), len(found["not_here"])) == (6, 5, 1)
    assert found["not_listed"] == []


def test_a_value_in_their_list_is_compared_and_never_shown(ana: Responder, tmp_path: Path) -> None:
    value = "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"
    sent = tmp_path / "theirs.txt"
    sent.write_text(f"{value}\n\x1b]0;owned\x07evil\n")
    ana.must("incident", "open", "INC-7", "--title", "partner breached", "--reason", WHY)
    said = ana.must("incident", "vendor", "INC-7", "partner", "--list", str(sent), code=3)
    assert "line 1, a value" in said
    assert value not in said
    assert "\x1b" not in said
    entries = ana.must("journal", "list", "--incident", "INC-7", "--json")
    assert value not in entries
    assert any("not here: line 1" in str(json.loads(line)) for line in entries.splitlines()
               if line.startswith("{"))  # fmt: skip


@pytest.mark.parametrize(
    "lists",
    [
        ("tiger-orange-one\n", "lion-purple-two\n"),
        ("key id\nPFtNt7OzABqEgY3WMTex421d\n", "key id\nxQdNw9OzKBqEgZ3WMTex4b1e\n"),
    ],
    ids=["values", "ids that look like secrets"],
)
def test_what_was_settled_settles_no_line_of_another_list(
    ana: Responder, tmp_path: Path, lists: tuple[str, str]
) -> None:
    """The same line number in two lists is not the same key."""
    ana.must("incident", "open", "INC-7", "--title", "partner breached", "--reason", WHY)
    sent = tmp_path / "theirs.csv"
    words = ("incident", "vendor", "INC-7", "nobody-here", "--list", str(sent))
    sent.write_text(lists[0])
    ids = [each["id"] for each in ana.told(*words, code=3)["unsettled"]]
    ana.must("incident", "settle", "INC-7", *ids, "--reason", "keys of the old tenant")
    assert ana.told(*words, code=0)["unsettled"] == []
    sent.write_text(lists[1])
    found = ana.told(*words, code=3)["unsettled"]
    assert found, "another key on the same line is another difference"
    last = lists[1].split()[-1]
    assert last not in str(found)
    assert "withheld" not in str(found), "what is settled has a name"
