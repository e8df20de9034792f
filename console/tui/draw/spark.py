"""Use per hour as a row of block characters.

Zero is a blank, anything else is at least the lowest block, and all rows share one
logarithmic scale: a steady use never looks like none, and two rows can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = ".:-=+*%#"

TOP = 1_000
"""Uses in one bin that fill it. The scale is fixed, so that a row looks the same on every
page and after every sync."""


def spark(hours: Sequence[int], width: int, *, ascii_only: bool = False) -> str:
    """The counts, oldest first, summed into ``width`` bins and drawn in as many cells."""
    if not hours or width <= 0:
        return " " * max(width, 0)
    return "".join(_block(value, ascii_only) for value in bins(hours, width))


def bins(hours: Sequence[int], width: int) -> list[int]:
    """The counts summed into ``width`` bins as even as they can be."""
    size = len(hours)
    edges = [number * size // width for number in range(width + 1)]
    return [sum(hours[first:last]) for first, last in pairwise(edges)]


def _block(value: int, ascii_only: bool) -> str:
    if value <= 0:
        return " "
    blocks = ASCII if ascii_only else BLOCKS
    level = int(math.log(value, TOP) * len(blocks)) if value > 1 else 0
    return blocks[min(level, len(blocks) - 1)]
