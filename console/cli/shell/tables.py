"""Tables for a terminal of any width, and whole for whatever is not one.

A line that the terminal breaks by itself loses its columns, and one that is cut loses what
stood at its end. So a table that is too wide first gives up the middle of long names, then
puts its last columns on lines of their own.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence

from console.text import cells, middle, safe

WHOLE = 4000
"""Characters of a value where nobody's screen is to be spared."""
GAP = 2
SHORTEST = 16
"""Cells below which no column is cut: of less, nobody knows the name again."""
PROSE = 24
"""Cells that the last column needs at least to be read beside the others."""
INDENT = 4


def room() -> int | None:
    """The columns of the terminal that standard output is; None where it is none."""
    if not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size(fallback=(80, 24)).columns


def lines(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    limits: Sequence[int],
    width: int | None,
    *,
    key: int = 0,
) -> Iterator[str]:
    """The lines of a table, at most ``width`` cells each; whole values where that is None.

    ``limits`` are the cells that a column takes at most on a terminal; the last one is not
    cut but goes on below. ``key`` columns at the left stand before every part of a table
    that is too wide, which then comes part by part.
    """
    clean = [[safe(value, WHOLE) for value in row] for row in rows]
    table = [list(header), *clean]
    if width is None:
        # One endless name must not push everybody's next column out of sight.
        yield from _drawn(table, [min(most, limit) for most, limit in _both(table, limits)])
        return
    natural = [min(most, limit) for most, limit in _both(table, limits)]
    natural[-1] = max(map(cells, (row[-1] for row in table)))
    fitted = _fitted(natural, width)
    if fitted is not None:
        yield from _wrapped(table, fitted, [range(len(header))], 0)
    elif key:
        for part in _parts(natural, width, key):
            chosen = [*range(key), *part]
            short = [[row[at] for at in chosen] for row in table]
            sizes = [min(natural[at], max(width - GAP - natural[0], 1)) for at in chosen]
            yield from _wrapped(short, sizes, [range(len(chosen))], 0)
    else:
        sizes = [min(size, width - INDENT) for size in natural]
        yield from _wrapped(table, sizes, _broken(sizes, width), INDENT)


def _both(table: Sequence[Sequence[str]], limits: Sequence[int]) -> Iterator[tuple[int, int]]:
    columns = zip(*table, strict=True)
    return ((max(map(cells, column)), limit) for column, limit in zip(columns, limits, strict=True))


def _fitted(natural: Sequence[int], width: int) -> list[int] | None:
    """The columns' sizes on one line; None where they do not fit."""
    sizes = list(natural)
    room = width - GAP * (len(sizes) - 1)
    sizes[-1] = min(sizes[-1], max(room - sum(sizes[:-1]), min(sizes[-1], PROSE)))
    while (over := sum(sizes) - room) > 0:
        at = max(range(len(sizes) - 1), key=lambda at: sizes[at], default=0)
        if len(sizes) == 1 or sizes[at] <= SHORTEST:
            return None
        sizes[at] -= min(over, max(1, (sizes[at] - SHORTEST) // 4))
    return sizes


def _broken(sizes: Sequence[int], width: int) -> list[range]:
    """Which columns stand on which line of a row."""
    found: list[range] = []
    first, used = 0, 0
    for at, size in enumerate(sizes):
        taken = size + (GAP if at > first else INDENT if found else 0)
        if at > first and used + taken > width:
            found.append(range(first, at))
            first, used, taken = at, 0, size + INDENT
        used += taken
    return [*found, range(first, len(sizes))]


def _parts(natural: Sequence[int], width: int, key: int) -> Iterator[range]:
    first = key
    while first < len(natural):
        last, used = first, sum(size + GAP for size in natural[:key])
        while last < len(natural) and (last == first or used + natural[last] <= width):
            used += natural[last] + GAP
            last += 1
        yield range(first, last)
        first = last


def _drawn(table: Sequence[Sequence[str]], sizes: Sequence[int]) -> Iterator[str]:
    for row in table:
        yield _line(row, sizes)


def _wrapped(
    table: Sequence[Sequence[str]], sizes: Sequence[int], breaks: Sequence[range], indent: int
) -> Iterator[str]:
    last = len(sizes) - 1
    for row in table:
        for number, part in enumerate(breaks):
            before = " " * (indent if number else 0)
            shown = [middle(row[at], sizes[at]) for at in part if at != last]
            widths = [sizes[at] for at in part if at != last]
            if last not in part:
                yield before + _line(shown, widths)
                continue
            left = len(before) + sum(size + GAP for size in widths)
            prose = _flow(row[last], max(sizes[last], 2))
            yield before + _line([*shown, prose[0]], [*widths, 0])
            for more in prose[1:]:
                yield " " * left + more


def _flow(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` cells, broken at blanks where it has some."""
    found = [""]
    for word in text.split():
        if found[-1] and cells(found[-1]) + 1 + cells(word) <= width:
            found[-1] += f" {word}"
            continue
        if found[-1]:
            found.append("")
        for letter in word:
            if cells(found[-1] + letter) > width:
                found.append("")
            found[-1] += letter
    return found


def _line(row: Sequence[str], sizes: Sequence[int]) -> str:
    padded = (
        value + " " * max(size - cells(value), 0) for value, size in zip(row, sizes, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()
