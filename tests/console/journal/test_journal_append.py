"""What one append costs in statements, and that it goes on from what is really there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from journal_scene import WHY, checked, intent, outcome

from console.errors import JournalError
from console.journal.format import scan
from console.journal.format.entry import canonical
from console.journal.verify.verify import Code
from console.journal.write.journal import Journal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBER = st.integers(-(2**53) + 1, 2**53 - 1)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT | st.sampled_from([":1.5", ",9007199254740993"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUE)
def test_an_entry_is_written_as_rfc_8785_says(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e22, [2.0], {"\U0001f600": 1, "\ufb33": 2}])
def test_what_the_quick_way_would_write_otherwise_is_written_by_the_long_one(value: Any) -> None:
    assert canonical({"it": value}) == rfc8785.dumps({"it": value})


@pytest.mark.parametrize("value", [2**53, -(2**53), [2**60], {"it": 2**63}, "\ud800"])
def test_what_json_cannot_carry_safely_is_refused(value: Any) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical({"it": value})


class Counted:
    """A connection that keeps the statements that were run on it."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real
        self.ran: list[str] = []

    def execute(self, statement: str, *values: Any) -> Any:
        self.ran.append(statement)
        return self._real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_who_writes_alone_does_not_read_the_journal_at_each_entry(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        intent(journal)
        journal.store.connection = seen = Counted(journal.store.connection)
        intent(journal)
        assert not [each for each in seen.ran if "SELECT" in each]
        assert len(seen.ran) <= 6, seen.ran


def test_two_that_write_in_turn_go_on_from_each_others_entries(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as one, Journal(path) as other:
        for _ in range(5):
            outcome(other, intent(one))
            outcome(one, intent(other))
        one.rotate_key("the old one may have been seen")
        made = intent(other)
        outcome(one, made)
        assert other.signer.vkey == one.signer.vkey
    report = checked(path, every_signature=True)
    assert (report.code, report.entries, report.checkpoints) == (Code.VERIFIED, 24, 24)


def test_a_tree_that_somebody_damaged_meanwhile_is_not_grown(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        intent(journal)
        outcome(journal, intent(journal))
        somebody = sqlite3.connect(path)
        somebody.execute("UPDATE node SET hash = zeroblob(32)")
        somebody.commit()
        somebody.close()
        with pytest.raises(JournalError, match="tree does not fit"):
            intent(journal)
        assert journal.store.connection.in_transaction is False


def test_after_an_entry_that_was_taken_back_the_next_one_follows_the_one_before(
    tmp_path: Path,
) -> None:
    class Refusing(Counted):
        def execute(self, statement: str, *values: Any) -> Any:
            if "INTO checkpoint" in statement:
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(statement, *values)

    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        intent(journal)
        journal.store.connection = Refusing(journal.store.connection)
        with pytest.raises(JournalError, match="disk I/O"):
            intent(journal)
        outcome(journal, intent(journal))
    assert checked(path).code is Code.INCOMPLETE, "only the first intent is open"
    assert checked(path).entries == 4


def test_a_reason_that_was_refused_once_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(scan.ReasonRefused):
            scan.reason("the key is ghp_16C7e42F292c6912E7710c838347Ae178B4a")
        assert scan.reason(WHY) == WHY
