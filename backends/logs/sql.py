"""Takes the text of a query apart: its statements, without remarks and without values.

A client may send several statements at once, put remarks in front of them, and quote in four
ways. What stands in quotes may be a password, so none of it is kept. Source: PostgreSQL
documentation, "Lexical Structure".
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HIDDEN: Final = "'...'"
"""What stands in the place of every value in quotes."""

_TOKEN = re.compile(
    r"""(?P<remark>--[^\n]*) | (?P<open>/\*) | (?P<escaped>(?<![\w$])[eE]') | (?P<plain>')
      | (?P<name>"[^"]*(?:""[^"]*)*(?:"|\Z)) | (?P<dollar>(?<![\w$])\$(?:[^\W\d]\w*)?\$)
      | (?P<end>;)""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^']*(?:''[^']*)*(?:'|\Z)")
_ESCAPED = re.compile(r"[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\\?\Z)", re.DOTALL)
_NESTED = re.compile(r"/\*|\*/")


class Statement(NamedTuple):
    """One statement, on one line. What is not ``certain`` may hold parts of a value."""

    text: str
    certain: bool


def statements(text: str) -> list[Statement]:
    """The statements of a query. Takes time in proportion to the text."""
    found: list[Statement] = []
    made: list[str] = []
    at = 0
    certain = True

    def end() -> None:
        if line := " ".join("".join(made).split()):
            found.append(Statement(line, certain))
        made.clear()

    while token := _TOKEN.search(text, at):
        made.append(text[at : token.start()])
        at = token.end()
        kind = token.lastgroup
        if kind == "end":
            end()
        elif kind == "name":
            made.append(token[0])
        elif kind == "remark":
            made.append(" ")
        elif kind == "open":
            made.append(" ")
            at = _remark(text, at)
        else:
            made.append(HIDDEN)
            at, clear = _value(text, at, kind or "", token[0])
            # From there on nobody knows what is value and what is not.
            certain = certain and clear
    made.append(text[at:])
    end()
    return found


def _remark(text: str, at: int) -> int:
    """Where a remark ends that begins before ``at``. Remarks may stand within remarks."""
    depth = 1
    while found := _NESTED.search(text, at):
        at = found.end()
        depth += 1 if found[0] == "/*" else -1
        if not depth:
            return at
    return len(text)


def _value(text: str, at: int, kind: str, opening: str) -> tuple[int, bool]:
    """Where a value ends that begins at ``at``, and whether that is certain."""
    if kind == "dollar":
        end = text.find(opening, at)
        return (len(text) if end < 0 else end + len(opening)), True
    found = (_ESCAPED if kind == "escaped" else _PLAIN).match(text, at)
    end = found.end() if found else len(text)
    # With standard_conforming_strings off, a backslash would keep this quote in the value.
    return end, kind == "escaped" or not text.endswith("\\'", at, end)
