"""The format of an entry: closed, canonical, small, and its ids in order of time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import rfc8785

from console.journal.format.entry import (
    ID,
    VERSION,
    Act,
    Kind,
    Out,
    PlanMark,
    SchemaError,
    Target,
    parse,
    uuid7,
)
from console.journal.write.journal import Journal

TARGET = Target(kind="key", id="k1", handle="0123456789ab", name="payments")
ACT = Act(verb="revoke", backend="vault", target=TARGET)
WHY = "leaked in a public repository"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def test_ids_are_version_7_and_ordered_by_time() -> None:
    first = uuid7()
    assert ID.fullmatch(first)
    assert abs(int(first.replace("-", "")[:12], 16) - time.time() * 1000) < 60_000
    assert len({uuid7() for _ in range(1000)}) == 1000


def test_the_stored_bytes_are_canonical_json_with_the_promised_fields(journal: Journal) -> None:
    entry = journal.append(Kind.INTENT, why=WHY, incident="INC-7", act=ACT)
    fields = json.loads(entry.raw)
    assert rfc8785.dumps(fields) == entry.raw
    assert fields["type"] == "intent"
    assert fields["why"] == WHY
    assert fields["act"]["target"]["id"] == "k1"
    assert fields["who"]["kernel"]["user"]
    assert {"boot_id", "mono_us", "t", "prev", "seq", "log", "host", "v"} <= set(fields)


def test_an_unknown_member_is_refused_at_every_depth(journal: Journal) -> None:
    raw = journal.append(Kind.NOTE, why=WHY, act=ACT).raw
    for path in ((), ("who",), ("who", "kernel"), ("act",), ("act", "target"), ("host",)):
        fields = json.loads(raw)
        inner = fields
        for key in path:
            inner = inner[key]
        inner["headers"] = "Authorization: Bearer x"
        with pytest.raises(SchemaError):
            parse(rfc8785.dumps(fields))
    with pytest.raises(TypeError):
        journal.append(Kind.NOTE, why=WHY, body="x")  # type: ignore[call-arg]


def test_a_float_or_another_version_is_refused(journal: Journal) -> None:
    fields = json.loads(journal.append(Kind.NOTE, why=WHY).raw)
    with pytest.raises(SchemaError):
        parse(json.dumps({**fields, "t": 1.5}).encode())
    with pytest.raises(SchemaError, match="version 6"):
        parse(rfc8785.dumps({**fields, "v": VERSION + 1}))
    for older in range(1, VERSION):
        assert parse(rfc8785.dumps({**fields, "v": older})).v == older, "is still read"


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Kind.INTENT, {"why": WHY}),
        (Kind.INTENT, {"act": ACT}),
        (Kind.PLAN, {"why": WHY, "act": ACT}),
        (Kind.OUTCOME, {"act": ACT}),
        (Kind.NOTE, {}),
        (Kind.OUTCOME, {"act": ACT, "out": Out(ref=uuid7(), state="fine")}),
        (Kind.EVIDENCE, {"act": ACT, "out": Out(ref=uuid7(), state="applied")}),
        (Kind.NOTE, {"why": WHY, "plan": PlanMark(sha256="0", steps=1)}),
        (Kind.INTENT, {"why": WHY, "act": Act(verb=1, backend="b", target=TARGET)}),  # type: ignore[arg-type]
    ],
)
def test_an_entry_that_lacks_or_misuses_a_part_is_not_written(
    journal: Journal, kind: Kind, parts: dict[str, object]
) -> None:
    with pytest.raises(SchemaError):
        journal.append(kind, **parts)  # type: ignore[arg-type]
    assert [entry.kind for entry in journal.entries()] == ["log.open"]


def test_an_entry_beyond_the_size_limit_is_not_written(journal: Journal) -> None:
    huge = Target(kind="key", id="x" * 40_000, handle="0123456789ab")
    with pytest.raises(SchemaError, match="bytes"):
        journal.append(Kind.INTENT, why=WHY, act=Act(verb="revoke", backend="v", target=huge))
    lone = Target(kind="key", id="\ud800", handle="0123456789ab")
    with pytest.raises(SchemaError):
        journal.append(Kind.INTENT, why=WHY, act=Act(verb="revoke", backend="v", target=lone))
    assert journal.append(Kind.NOTE, why=WHY).seq == 2
