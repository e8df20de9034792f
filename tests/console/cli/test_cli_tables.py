"""Tables of the command line: never broken by the terminal, and whole where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.shell import tables
from console.text import cells, middle, safe

HEADER = ("ITEM", "TOKEN", "BACKEND", "STATE", "SAYS")
LIMITS = (6, 32, 16, 10, 100)
WHY = "it is refused by the system, since " + "and ".join(["one consumer has not moved "] * 6)
ROWS = [
    ("1", "campaigns-writer-of-the-vendor-eu-1", "vault-prod", "failed", WHY),
    ("2", "campaigns-writer-of-the-vendor-eu-2", "pg-ledger", "left", "日本語" * 30),
]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 400])
def test_no_line_is_wider_than_the_terminal_and_no_reason_is_cut(width: int) -> None:
    assert max(map(cells, tables.lines(HEADER, ROWS, LIMITS, width))) <= width
    drawn = list(tables.lines(HEADER, ROWS[:1], LIMITS, width))
    assert WHY.split() == [word for word in " ".join(drawn).split() if word in WHY.split()]
    assert "eu-1" in "\n".join(drawn), "names that begin alike differ at their end"


def test_what_is_piped_is_whole_and_one_line_a_row() -> None:
    drawn = list(tables.lines(HEADER, ROWS, LIMITS, None))
    assert len(drawn) == 3
    assert drawn[1].endswith(WHY.strip())
    assert "campaigns-writer-of-the-vendor-eu-1" in drawn[1]


def test_a_matrix_comes_in_parts_that_each_have_their_labels() -> None:
    header = ["", *(f"kind-of-credential-{number}" for number in range(6))]
    rows = [["  revoke", *["yes (undo)"] * 6], ["  rotate", *["no"] * 6]]
    drawn = list(tables.lines(header, rows, [22] + [28] * 6, 80, key=1))
    assert max(map(cells, drawn)) <= 80
    assert [line[:8] for line in drawn].count("  revoke") == len(drawn) / 3 > 1
    assert all(f"kind-of-credential-{number}" in "\n".join(drawn) for number in range(6))


@given(st.text(max_size=40).map(safe), st.integers(0, 40))
def test_a_text_is_cut_in_its_middle_to_at_most_so_many_cells(text: str, width: int) -> None:
    cut = middle(text, width)
    assert cells(cut) <= width
    assert cut == text or "…" in cut or width == 0
