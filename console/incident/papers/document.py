"""A short paper in parts, and the same as text for a chat and as Markdown.

Every text in it is taken for hostile, our own too, so that no place has to remember which
is which. A ``Name`` is set apart; Markdown shows it as code, where nothing in it has a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from console.incident.papers.names import Name, Part
from console.text import safe

Line = tuple[Part, ...]
"""What stands on one line, in pieces that belong together without a blank between."""
WIDEST = 4000
"""Characters of one piece."""


class Heading(NamedTuple):
    """The title of a part."""

    text: Line


class Paragraph(NamedTuple):
    """One line by itself."""

    text: Line


class Bullets(NamedTuple):
    """Lines of one kind."""

    lines: tuple[Line, ...]


class Facts(NamedTuple):
    """Labels, and what is to be said under each."""

    rows: tuple[tuple[str, Line], ...]


class Table(NamedTuple):
    """Columns with a title each."""

    header: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]


Block = Heading | Paragraph | Bullets | Facts | Table


class Document(NamedTuple):
    """A title and what follows it."""

    title: Line
    blocks: tuple[Block, ...]


# Text for a chat.

_LINKS = (
    (re.compile(r"://"), "[:]//"),
    # A dot before letters makes a host's name, which chats turn into a link.
    (re.compile(r"(?<=\w)[.\u3002\uff0e\uff61](?=[^\W\d_]{2})"), "[.]"),
    (re.compile(r"@"), "[at]"),
)
_CHAT = str.maketrans(
    {
        "<": "\u2039",
        ">": "\u203a",
        "*": "\u2217",
        "`": "'",
        "~": "\u223c",
        "#": "\uff03",
        "|": "\u2223",
        "\\": "\u2216",
    }
)
_EDGE = re.compile(r"(?<!\w)_|_(?!\w)")
_ENTITY = re.compile(r"&(?=#?\w)")
_EMOJI = re.compile(r":(?!\d\d(?::\d\d|Z))(?=[\w+-]+:)")
"""What begins an emoji, and no time of day."""


def defanged(text: str) -> str:
    """The text with nothing left that becomes a link or calls somebody: ``evil[.]example``.

    That is how responders write addresses for each other.
    """
    for pattern, instead in _LINKS:
        text = pattern.sub(instead, text)
    return text


def chat(text: str) -> str:
    """One piece of text for Slack, Teams or a ticket: no mention, no link, no markup.

    Slack reads mentions as ``<!channel>`` and as ``@here``, Teams reads Markdown.
    """
    text = defanged(safe(text, WIDEST))
    text = _EMOJI.sub("\ua789", _ENTITY.sub("\uff06", text))
    return _EDGE.sub("\uff3f", text).translate(_CHAT)


def text(document: Document) -> list[str]:
    """The paper as plain lines, safe in a chat and on a terminal."""
    lines = [_chat(document.title)]
    for block in document.blocks:
        match block:
            case Heading(title):
                lines += ["", _chat(title).upper()]
            case Paragraph(line):
                lines.append(_chat(line))
            case Bullets(told):
                lines += [f"- {_chat(line)}" for line in told]
            case Facts(rows):
                lines += [f"{chat(label)}: {_chat(line)}" for label, line in rows]
            case Table(_, rows):
                lines += [f"- {': '.join(_cells(row))}" for row in rows]
    return lines


def _cells(row: Sequence[Line]) -> list[str]:
    return [told for line in row if (told := _chat(line))]


def _chat(line: Line) -> str:
    return "".join(map(chat, line))


# Markdown.

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>&|~#$!^])")
_LIST = re.compile(r"^(\s*)([-+=]|\d+[.)])")


def markdown(document: Document) -> str:
    """The paper as Markdown: hostile text is no HTML, no link, no picture and no mention."""
    return "\n".join([f"# {_inline(document.title)}", *_blocks(document.blocks), ""])


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        yield ""
        match block:
            case Heading(title):
                yield f"## {_inline(title)}"
            case Paragraph(line):
                yield _inline(line)
            case Bullets(lines):
                yield from (f"- {_inline(line)}" for line in lines)
            case Facts(rows):
                yield from (f"- **{_plain(label)}**: {_inline(line)}" for label, line in rows)
            case Table(header, rows):
                yield f"| {' | '.join(map(_plain, header))} |"
                yield f"|{' --- |' * len(header)}"
                yield from (f"| {' | '.join(_inline(cell, table=True) for cell in row)} |"
                            for row in rows)  # fmt: skip


def _inline(line: Line, *, table: bool = False) -> str:
    told = "".join(
        _code(part, table=table) if isinstance(part, Name) else _plain(part) for part in line
    )
    # What begins a line would make a list or a heading of it.
    return _LIST.sub(r"\1\\\2", told)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", defanged(safe(text, WIDEST)))


def _code(text: str, *, table: bool) -> str:
    """A span of code, which has a longer fence than any run of backticks within."""
    told = safe(text, WIDEST)
    if not told.strip():
        return ""
    if table:
        # A table is cut at its bars before code is looked for; the bar's look-alike is not.
        told = told.replace("|", "\u2223")
    fence = "`" * (max(map(len, re.findall("`+", told)), default=0) + 1)
    pad = " " if told[0] in "` " or told[-1] in "` " else ""
    return f"{fence}{pad}{told}{pad}{fence}"
