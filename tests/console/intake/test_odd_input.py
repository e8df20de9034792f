"""What no scanner writes on purpose: other encodings, cut reports, far too much, nonsense."""

import codecs
import json

import pytest

from console.errors import UsageError
from console.intake import reports
from console.intake.items import Intake

GITHUB = "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"
KEY_ID = "AKIAQYLPMN5HFIQR7XYA"


def values(told: Intake) -> list[str]:
    return [item.value.reveal() if item.value is not None else item.id for item in told.items]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: text.encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-32"),
    ],
    ids=["utf-8", "utf-8 with a mark", "utf-16", "utf-16 big", "utf-16 without a mark", "utf-32"],
)
def test_the_same_words_in_any_encoding_are_the_same_values(encoded, end: str) -> None:
    lines = reports.read(encoded(f"{GITHUB}{end}s3cr3tpassw0rd{end}"))
    assert values(lines) == [GITHUB, "s3cr3tpassw0rd"]
    table = reports.read(encoded(f"key_id,customer{end}{KEY_ID},acme{end}"))
    assert values(table) == [KEY_ID]
    report = json.dumps([{"RuleID": "x", "Secret": GITHUB, "File": "a.env"}], indent=1)
    assert values(reports.read(encoded(report.replace("\n", end)))) == [GITHUB]


@pytest.mark.parametrize("data", [b"", b" \r\n\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_nothing_is_said_to_be_nothing(data: bytes) -> None:
    with pytest.raises(UsageError, match="nothing came in"):
        reports.read(data)


def test_what_is_no_text_is_refused_and_a_byte_that_is_none_is_said() -> None:
    with pytest.raises(UsageError, match="NUL bytes"):
        reports.read(b"abc\0def")
    told = reports.read(b"passw\xf6rd123\n" + GITHUB.encode())
    assert "no UTF-8" in told.problems[0]
    assert GITHUB in values(told)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 50_000, b"[" * 50_000 + b"]" * 50_000 + b"\n{}"]
)
def test_nesting_without_end_is_refused_by_that_name(data: bytes) -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        reports.read(data)


def test_of_a_report_that_was_cut_no_word_is_taken_for_a_value() -> None:
    whole = json.dumps([{"RuleID": "x", "Secret": GITHUB, "File": "very/long/path.env"}], indent=1)
    told = reports.read(whole[:-20].encode())
    assert values(told) == [GITHUB]
    assert "cannot be read as such" in told.problems[0]
    assert "only values of known types" in told.problems[0]
    assert GITHUB not in " ".join(told.problems)


def test_a_password_that_begins_like_json_is_a_password() -> None:
    assert values(reports.read(b"{Tr0ub4dor&3xyz\n")) == ["{Tr0ub4dor&3xyz"]


def test_too_much_is_refused_and_a_line_too_long_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="more than 256 MB came in"):
        reports.read(bytes(reports.MOST_BYTES + 1))
    told = reports.read(b"x" * (1 << 20))
    assert values(told) == []
    assert "1,048,576 characters, which is no credential" in told.problems[0]
    told = reports.read(GITHUB.encode() + b"\nsome words " + b"x" * (17 << 20) + b"\n")
    assert values(told) == [GITHUB]
    assert "line 2 has 17,825,803 characters" in told.problems[0]
    assert "not looked through" in told.problems[0]
