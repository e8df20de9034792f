"""Whatever a name holds, the terminal sees only printable characters."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text import LIMIT, age, ascii_only, cell, safe

HOSTILE = [
    "\x1b]52;c;cm0gLXJm\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "a\x00b",
    "line\nline\r\tend",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\u200b\u200d\ufeff",
    "\ud800",
    "[/foo] [b",
    "Z" + "\u0301" * 200,
    "x" * 10_000,
    "\N{NO-BREAK SPACE}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_is_harmless(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert len(shown) <= LIMIT
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in shown)


def test_an_honest_name_stays_as_it_is() -> None:
    for text in ("ci-deploy", "Zahlungen/Münze", "支払い", "naïve", "billing rw [prod]"):
        assert safe(text) == text


@given(st.text(max_size=600))
def test_any_text_is_harmless(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(safe(text)) == safe(text)
    assert ascii_only(text).isascii()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_spreadsheet_takes_no_name_for_a_formula(text: str) -> None:
    assert cell(text)[0] == "'"


def test_a_csv_row_stays_one_row() -> None:
    out = io.StringIO()
    csv.writer(out).writerow([cell(text) for text in HOSTILE])
    assert len(out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (59, "59s"),
        (61, "1m"),
        (3 * 3600, "3h"),
        (47 * 3600, "47h"),
        (49 * 3600, "2d"),
        (700 * 86400, "700d"),
        (2 * 365 * 86400, "2y"),
        ((2 * 365 + 250) * 86400, "2y8m"),
        (-90, "in 1m"),
    ],
)
def test_ages_are_short(seconds: float, shown: str) -> None:
    assert age(seconds) == shown
