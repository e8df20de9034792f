"""Kingfisher names what our own types do not, where it is there; and is never needed.

Most of this needs the package (``pip install '.[kingfisher]'``) and is skipped without it.
"""

import ast
import inspect
import sys
from pathlib import Path

import pytest

from console.intake import kingfisher, words
from console.intake.items import of_value

LINEAR = "lin_api_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4fG6hJ8k"
GITHUB = "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"


def test_without_it_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kingfisher, "MODULE", "no_such_package")
    items = [of_value(LINEAR), of_value(GITHUB)]
    told = kingfisher.named(items, tmp_path / "rules")
    assert told == kingfisher.Named(tuple(items), ())
    assert words.label(told.items[0]) == "a value, not shown: its form does not tell its type"


def test_nothing_of_it_that_asks_or_ends_is_ever_named_in_our_code() -> None:
    names = {
        node.attr
        for node in ast.walk(ast.parse(inspect.getsource(kingfisher)))
        if isinstance(node, ast.Attribute)
    }
    assert {"Scanner", "Rules"} <= names
    assert not names & {"Validator", "Revoker", "validate", "revoke", "ValidationSession"}


def test_one_that_fails_is_said_by_its_kind_and_quotes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_sdk.py").write_text(
        "def Rules(**more): raise OSError('lin_api_')\nScanner = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(kingfisher, "MODULE", "broken_sdk")
    told = kingfisher.named([of_value(LINEAR)], tmp_path / "rules")
    assert "cannot be used (OSError)" in told.problems[0]
    assert "lin_api_" not in told.problems[0]
    assert told.items[0].rule == ""
    sys.modules.pop("broken_sdk")


def test_a_value_of_no_type_here_gets_the_rule_that_fits_the_whole_of_it(tmp_path: Path) -> None:
    pytest.importorskip("kingfisher_sdk")
    items = [of_value(LINEAR), of_value(GITHUB), of_value(f"x{LINEAR}"), of_value("correct-horse")]
    told = kingfisher.named(items, tmp_path / "rules")
    assert [item.rule for item in told.items] == [
        "betterleaks.linear-api-key, high confidence", "", "", "",
    ]  # fmt: skip
    assert words.label(told.items[0]).endswith(
        "Kingfisher's rule betterleaks.linear-api-key, high confidence fits it"
    )
    for path in (tmp_path / "rules").rglob("*"):
        assert not path.is_file() or LINEAR.encode() not in path.read_bytes(), path
