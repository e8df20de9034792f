"""Reads what is no report: a table of ids, values one a line, or a text with values in it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from backends.words import count
from console.intake.items import ONE, FoundAt, Intake, Item, of_value
from console.intake.report_reader import MOST_VALUE, ReportReader
from console.journal.format import scan
from console.secret_types import types

_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,80})[=:](?P<value>[^=].{7,})")
"""A line of a shell's or a program's settings: ``VAULT_TOKEN=...``."""
LONGEST_LINE = 16 << 20
"""Characters of a line that is looked through for values."""
_ID_HEADS = ("id", "key_id", "access_key_id", "accessor", "token_id", "credential_id", "handle")
_VALUE_HEADS = ("secret", "token", "value", "key", "api_key", "password", "fingerprint", "hash")


def table(text: str) -> Intake | None:
    """A table with a column of ids or values, as vendors send it; None where it is none."""
    first, ended, _ = text[:MOST_VALUE].partition("\n")
    if not ended and len(text) > MOST_VALUE:
        return None
    try:
        head = next(csv.reader([first]))
        alone = len(head) == 1 and _head(head[0]) in (*_VALUE_HEADS, *_ID_HEADS)
        wide = len(head) > 1 or alone
        dialect = csv.excel if wide else csv.Sniffer().sniff(text[:4096], ",;\t")
    except (csv.Error, StopIteration):
        return None
    # Not io.StringIO, which takes four bytes for each character.
    rows = csv.reader((f"{line}\n" for line in _each(text)), dialect)
    heads = list(map(_head, next(rows, [])))
    if len(heads) < 2 and not alone:
        return None
    at = next((heads.index(each) for each in (*_VALUE_HEADS, *_ID_HEADS) if each in heads), None)
    if at is None:
        return None
    reading = ReportReader()
    is_id = heads[at] in (*_ID_HEADS, "fingerprint", "hash")
    try:
        for number, row in enumerate(rows, 2):
            value = row[at].strip() if at < len(row) else ""
            if not value:
                if any(row):
                    reading.problem(f"line {number} has nothing in column {heads[at]!r}")
                continue
            place = FoundAt(f"column {heads[at]}", line=number)
            # A column of ids with a secret in it is shown to nobody.
            if is_id and not scan.holds_secret(value):
                reading.items.append(
                    Item(None, value[:MOST_VALUE], types.recognise(value), (place,))
                )
            else:
                reading.value(value, place, f"line {number}")
    except csv.Error as error:
        reading.problem(f"the table breaks off: {error}")
    return reading.end(f"a table, by its column {heads[at]!r}")


def _head(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def lines(text: str, reading: ReportReader) -> Intake:
    """Values one a line, or a text with values of known types in it."""
    stripped = text.strip()
    if len(stripped) > MOST_VALUE and not _has_blank(stripped):
        reading.value(stripped, FoundAt(), "what came in")
        return reading.end(ONE)
    if len(stripped) <= MOST_VALUE and (types.recognise(stripped) is not None or _alone(stripped)):
        # It may have line breaks in it, as a private key has.
        reading.value(stripped, FoundAt(), "what came in")
        return reading.end(ONE)
    nothing, words_on_a_line = 0, 0
    text, keys = types.without_keys(text)
    reading.items += [of_value(value) for value in keys]
    for number, line in enumerate(_each(text), 1):
        if len(line) > LONGEST_LINE:
            size = f"{len(line):,} characters, more than {LONGEST_LINE:,}"
            reading.problem(f"line {number} has {size}: it was not looked through")
            continue
        words = line.removeprefix("export ").split()
        words_on_a_line = max(words_on_a_line, len(words))
        if len(words) == 1:
            _word(words[0], number, reading)
        elif words:
            found = types.find(line)
            nothing += not found
            reading.items += [of_value(value, FoundAt(line=number)) for value, _ in found]
    if nothing:
        lines = count(nothing, "line holds", "lines hold")
        reading.problem(f"{lines} no value of a known type; give a value alone on its line")
    return reading.end("a text" if words_on_a_line > 1 else "values, one a line")


def _each(text: str) -> Iterator[str]:
    """The lines of a text, one at a time: a list of all would be several times its size."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _has_blank(text: str) -> bool:
    return re.search(r"\s", text) is not None


def _alone(text: str) -> bool:
    """Whether a text is one word and no setting: then its line's number says nothing."""
    return (
        len(text.split(maxsplit=1)) == 1 and not types.find(text) and not _ASSIGNED.fullmatch(text)
    )


def _word(word: str, number: int, reading: ReportReader) -> None:
    """One word alone on its line: a value, or a name and a value."""
    if types.recognise(word) is None:
        if found := types.find(word):
            reading.items += [of_value(value, FoundAt(line=number)) for value, _ in found]
            return
        if assigned := _ASSIGNED.fullmatch(word):
            value = assigned["value"].strip("\"'")
            reading.value(value, FoundAt(assigned["name"], line=number), f"line {number}")
            return
    reading.value(word, FoundAt(line=number), f"line {number}")
