"""Edges as characters: lines on a grid, each cell knowing its four neighbours. Pure."""

from __future__ import annotations

from typing import Final

from console.tui.draw.lines import Part, Role

NORTH, EAST, SOUTH, WEST = 1, 2, 4, 8
LIGHT: Final = " ╵╶└╷│┌├╴┘─┴┐┤┬┼"
HEAVY: Final = " ╹╺┗╻┃┏┣╸┛━┻┓┫┳╋"
ARROWS: Final = {True: "▶", False: "◀"}
PLAIN_ARROWS: Final = {True: ">", False: "<"}
ROLES: Final[dict[str, Role]] = {"": "dim", "own": "bold", "path": "bad"}
RANK: Final = {"": 0, "own": 1, "path": 2}


class Ink:
    """Lines drawn over each other; where they meet, the more telling one gives the role."""

    def __init__(self, ascii_only: bool) -> None:
        self._ascii = ascii_only
        self._cells: dict[tuple[int, int], tuple[int, str]] = {}
        self._arrows: dict[tuple[int, int], tuple[bool, str]] = {}

    def across(self, x: int, end: int, y: int, role: str) -> None:
        """A line from a cell to another on one row, both included."""
        first, last = min(x, end), max(x, end)
        for at in range(first, last + 1):
            self._add(at, y, (WEST if at > first else 0) | (EAST if at < last else 0), role)

    def down(self, x: int, y: int, end: int, role: str) -> None:
        """A line from a row to another in one column, both included."""
        first, last = min(y, end), max(y, end)
        for at in range(first, last + 1):
            self._add(x, at, (NORTH if at > first else 0) | (SOUTH if at < last else 0), role)

    def join(self, x: int, y: int, side: int, role: str) -> None:
        """Let a cell's line go on to one side."""
        self._add(x, y, side, role)

    def arrow(self, x: int, y: int, right: bool, role: str) -> None:
        """The head of an edge."""
        before = self._arrows.get((x, y))
        if before is None or RANK[before[1]] <= RANK[role]:
            self._arrows[x, y] = (right, role)

    def _add(self, x: int, y: int, mask: int, role: str) -> None:
        before, its = self._cells.get((x, y), (0, ""))
        if RANK[role] >= RANK[its]:
            its = role
        self._cells[x, y] = (before | mask, its)

    def span(self, x: int, end: int, y: int) -> list[Part]:
        """What is drawn on a row between two columns, the second not included."""
        parts: list[Part] = []
        for at in range(x, end):
            text, role = self._cell(at, y)
            if parts and parts[-1][1] == role:
                parts[-1] = (parts[-1][0] + text, role)
            else:
                parts.append((text, role))
        return parts

    def _cell(self, x: int, y: int) -> Part:
        if head := self._arrows.get((x, y)):
            return (PLAIN_ARROWS if self._ascii else ARROWS)[head[0]], ROLES[head[1]]
        found = self._cells.get((x, y))
        if found is None or not found[0]:
            return " ", ""
        mask, role = found
        if not self._ascii:
            return (HEAVY if role else LIGHT)[mask], ROLES[role]
        if mask & (EAST | WEST) and mask & (NORTH | SOUTH):
            return "+", ROLES[role]
        level = "=" if role else "-"
        return (level if mask & (EAST | WEST) else "|"), ROLES[role]
