"""A screen's text before it is drawn: lines of parts, each a text and a role.

Whatever a page wants to show passes through :func:`fit` or through ``draw.strip``, and
both make it harmless first. A role says what a part *is*; ``draw`` knows its colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich.cells import cell_len, set_cell_size

from backends.words import count as count
from console.text import LIMIT, safe

Role = Literal[
    "", "dim", "bold", "title", "head", "good", "warn", "bad", "accent", "key", "cursor", "fresh",
    "use", "since", "late", "gap", "who", "place",
]  # fmt: skip
Part = tuple[str, Role]
Line = Sequence[Part]

ELLIPSIS = "…"
LONGEST = LIMIT
"""Characters of one part that a paragraph shows: a name of ten thousand must not push what
matters off the screen."""
_WORDS = re.compile(r" +|[^ ]+")


def plain(line: Line) -> str:
    """The text of a line without its roles."""
    return "".join(text for text, _ in line)


def width_of(line: Line) -> int:
    """The cells that a line takes, once it is safe."""
    return sum(cell_len(safe(text)) for text, _ in line)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The safe text in exactly ``width`` cells, with an ellipsis where it was cut."""
    if width <= 0:
        return ""
    # No cell needs more characters than this, and a long name must not cost time.
    text = safe(text, width * 3 + 3)
    taken = cell_len(text)
    if taken > width:
        return set_cell_size(text, width - 1) + ELLIPSIS
    blank = " " * (width - taken)
    return blank + text if right else text + blank


def middle(text: str, width: int) -> str:
    """The safe text in at most ``width`` cells, cut in its middle: names differ at their ends."""
    shown = safe(text, LONGEST)
    if cell_len(shown) <= width:
        return shown
    if not shown.isascii() or width < 6:
        return fit(shown, width).rstrip(" ")
    tail = (width - 1) // 2
    return shown[: width - 1 - tail] + ELLIPSIS + shown[-tail:]


def spread(left: Line, right: Line, width: int) -> list[Part]:
    """Left and right parts on one line of ``width`` cells; the left gives way where they meet."""
    room = width - width_of(right)
    if room <= 0:
        return clip(left, width)
    kept = clip(left, room - 1 if right else room)
    return [*kept, (" " * (room - width_of(kept)), ""), *right]


def clip(line: Line, width: int) -> list[Part]:
    """As much of a line as fits into ``width`` cells, with an ellipsis where it was cut."""
    if width_of(line) <= width:
        return list(line)
    kept: list[Part] = []
    room = width
    for text, role in line:
        shown = safe(text)
        taken = cell_len(shown)
        if taken > room - 1:
            kept.append((fit(shown + " " * width, room), role) if room > 0 else ("", ""))
            break
        kept.append((shown, role))
        room -= taken
    return kept


def wrap(text: str, width: int, longest: int = LONGEST) -> list[str]:
    """Safe text broken at blanks into pieces of at most ``width`` cells; at least one piece."""
    return [plain(line) for line in flow([(text, "")], width, longest)]


def short(text: str, width: int) -> str:
    """The safe text in at most ``width`` cells."""
    return fit(text, width).rstrip(" ")


def block(
    label: str,
    parts: Iterable[Part],
    width: int,
    indent: int = 12,
    longest: int = LONGEST,
) -> list[list[Part]]:
    """A labelled paragraph: the label in the left margin, the parts flowing beside it."""
    margin = " " + fit(label, indent)
    return [
        [(margin if number == 0 else " " * (indent + 1), "title"), *line]
        for number, line in enumerate(flow(parts, max(width - indent - 2, 10), longest))
    ]


def paragraphs(label: str, text: str, role: Role, width: int, indent: int = 12) -> list[list[Part]]:
    """A labelled text of several lines, such as the steps of a card; each begins a line."""
    lines: list[list[Part]] = []
    for part in text.splitlines():
        lines += block("" if lines else label, [(part, role)], width, indent)
    return lines


def flow(parts: Iterable[Part], width: int, longest: int = LONGEST) -> list[list[Part]]:
    """Parts as running text: broken at blanks, and inside a word only where one is too long.

    Where one part ends and the next begins is no place to break by itself.
    """
    lines: list[list[Part]] = [[]]
    used = 0
    for word in _words(parts, longest):
        taken = sum(cell_len(text) for text, _ in word)
        blank = word[0][0][0] == " "
        if used + taken > width:
            if used:
                lines.append([])
                used = 0
            if blank:
                continue
        elif blank and used == 0 and len(lines) > 1:
            continue
        for text, role in word:
            # Only a word longer than a line is left to be cut here.
            while used + cell_len(text) > width:
                head = set_cell_size(text, width - used).rstrip(" ") or text[: used == 0]
                _append(lines[-1], head, role)
                text = text[len(head) :]
                lines.append([])
                used = 0
            _append(lines[-1], text, role)
            used += cell_len(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def _words(parts: Iterable[Part], longest: int) -> Iterator[list[Part]]:
    """Blanks and words in turn; a word may have pieces of several parts."""
    word: list[Part] = []
    for text, role in parts:
        for piece in _WORDS.findall(safe(text, longest)):
            if word and (piece[0] == " " or word[0][0][0] == " "):
                yield word
                word = []
            word.append((piece, role))
    if word:
        yield word


def _append(line: list[Part], text: str, role: Role) -> None:
    if not text:
        return
    if line and line[-1][1] == role:
        line[-1] = (line[-1][0] + text, role)
    else:
        line.append((text, role))
