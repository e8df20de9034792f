"""A step's id: from text and back, byte for byte as the journal has it."""

from __future__ import annotations

import pytest

from console.response.plan.step_id import Mark, StepId, mark_of

HANDLE = "0f" * 8


@pytest.mark.parametrize(
    ("text", "item", "name", "attempt"),
    [
        ("17.revoke", 17, "revoke", 1),
        ("1.mint~2", 1, "mint", 2),
        ("3.deliver.kv", 3, "deliver.kv", 1),
        ("3.deliver.kv~12", 3, "deliver.kv", 12),
        ("2.undo-restore", 2, "undo-restore", 1),
        (f"2.rollback.{HANDLE}.gone", 2, f"rollback.{HANDLE}.gone", 1),
        ("4.what~ever", 4, "what~ever", 1),
        ("", 0, "", 1),
        ("x", 0, "x", 1),
        ("\u00b2.revoke", 0, "\u00b2.revoke", 1),
    ],
)
def test_what_is_parsed_is_written_again_as_it_was(
    text: str, item: int, name: str, attempt: int
) -> None:
    found = StepId.parse(text)
    assert found == (item, name, attempt)
    assert str(found) == text


def test_every_form_has_the_bytes_that_journals_have() -> None:
    built = [
        StepId.of_call(1, "mint").again(2), StepId.of_undo(1, "restore"),
        StepId.of_delivery(1, "kv"), StepId.of_check(1, "kv"),
        StepId.of_rollback(1, HANDLE, "gone"), StepId.of_call(1, "mint").of_item(7),
    ]  # fmt: skip
    assert [str(each) for each in built] == [
        "1.mint~2", "1.undo-restore", "1.deliver.kv", "1.check.kv",
        f"1.rollback.{HANDLE}.gone", "7.mint",
    ]  # fmt: skip
    assert [mark_of(5, mark) for mark in Mark] == [
        "5.new-value", "5.moving", "5.old", "5.rotated", "5.hand", "5.look",
        "5.pace",
    ]  # fmt: skip


def test_an_id_tells_what_it_is_about() -> None:
    assert StepId.parse("1.deliver.kv~2").is_delivery
    assert not StepId.parse("1.check.kv").is_delivery
    assert StepId.parse(f"1.rollback.{HANDLE}.disable").ends(HANDLE)
    assert not StepId.parse(f"1.rollback.{HANDLE}0.disable").ends(HANDLE)
    assert str(StepId.parse("1.mint~3").planned) == "1.mint"
