"""The columns of the inventory: which there are, which fit, and what stands in a cell."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from console.inventory.search.inventory import Row
from console.text import safe
from console.tui.draw import readings
from console.tui.draw.lines import Part, Role, fit, middle
from console.tui.draw.spark import spark


class Column(NamedTuple):
    """``grow`` is a column's share of the room that is left over; ``rank`` the order in
    which columns get a place at all; ``sort`` its name for sorting, empty if it has none."""

    id: str
    title: str
    width: int
    rank: int
    grow: int = 0
    widest: int = 0
    right: bool = False
    sort: str = ""
    key: str = ""
    what: str = ""


COLUMNS: tuple[Column, ...] = (
    Column("name", "TOKEN", 17, 0, 6, 64, sort="name", key="N", what="the token's name"),
    Column("backend", "BACKEND", 10, 1, 1, 16, sort="backend", key="B", what="where it lives"),
    Column(
        "kind", "KIND", 12, 8, 1, 20, sort="kind", key="T", what="its kind, in its system's words"
    ),
    Column("owner", "OWNER", 11, 2, 2, 22, sort="owner", key="O", what="who is accountable"),
    Column("principal", "PRINCIPAL", 14, 9, 2, 28, what="whom it speaks for"),
    Column("age", "AGE", 5, 5, right=True, sort="age", key="A", what="since it was created"),
    Column("used", "USED", 9, 4, right=True, sort="used", key="U", what="since its last use"),
    Column("spark", "24H", 8, 6, what="uses in the last 24 hours"),
    Column("expires", "EXPIRES", 9, 7, right=True, sort="expires", key="E", what="time left"),
    Column("grants", "GRANTS", 6, 10, right=True, sort="grants", key="G", what="how many it has"),
    Column("created", "CREATED", 10, 11, sort="age", what="the day it was created"),
    Column("state", "STATE", 9, 3, 0, 10, sort="state", key="S", what="where it is in its life"),
)
BY_ID = {column.id: column for column in COLUMNS}
CHANGED_KEY = "C"
"""Sorts by what changed last, which has no column of its own."""

DEFAULT = tuple(column.id for column in COLUMNS)
GUTTER = 3
"""Cursor, mark or change, and a blank."""
FINDING = 2
"""A blank and the finding's letter, at the right end."""
WIDE_SPARK = 24
STATE_ROLES: dict[str, Role] = {
    "active": "",
    "restricted": "warn",
    "disabled": "warn",
    "superseded": "warn",
    "revoked": "dim",
    "expired": "dim",
    "unknown": "warn",
}


class Placed(NamedTuple):
    """A column that has a place in the list, and how many cells it takes there."""

    column: Column
    width: int


def layout(width: int, chosen: Collection[str] = DEFAULT) -> list[Placed]:
    """The chosen columns that fit into ``width`` cells, most needed first, in their order."""
    room = width - GUTTER - FINDING + 1
    kept: dict[str, int] = {}
    for column in sorted(COLUMNS, key=lambda column: column.rank):
        if column.id in chosen and column.width + 1 <= room:
            kept[column.id] = column.width
            room -= column.width + 1
    if "spark" in kept and room >= WIDE_SPARK - kept["spark"]:
        room -= WIDE_SPARK - kept["spark"]
        kept["spark"] = WIDE_SPARK
    while room > 0:
        hungry = [c for c in COLUMNS if c.id in kept and kept[c.id] < c.widest]
        if not hungry:
            break
        for column in hungry:
            step = min(column.grow or 1, column.widest - kept[column.id], room)
            kept[column.id] += step
            room -= step
    return [Placed(column, kept[column.id]) for column in COLUMNS if column.id in kept]


def heads(placed: Sequence[Placed], sort: str, descending: bool) -> list[Part]:
    """The line of titles. The sorted column carries an arrow of two ASCII characters' sense."""
    parts: list[Part] = [(" " * GUTTER, "head")]
    arrow_given = False
    for column, width in placed:
        title = column.title
        if column.sort == sort and not arrow_given:
            title += "v" if descending else "^"
            arrow_given = True
        if column.id == "spark" and width >= WIDE_SPARK:
            title = "USES, LAST 24 HOURS"
        parts.append((fit(title, width, right=column.right) + " ", "head"))
    return parts


def cell(
    row: Row, column: Column, width: int, now: float, uses: Sequence[int], ascii_only: bool
) -> Part:
    """One cell's text, exactly ``width`` cells, and its role."""
    match column.id:
        case "name":
            return fit(middle(row.name or row.id, width), width), ""
        case "backend":
            return fit(row.backend, width), ""
        case "kind":
            return fit(row.kind, width), "dim"
        case "owner":
            if row.owner_how == "known":
                return fit(row.owner or "", width), ""
            word = "(none)" if row.owner_how == "never" else readings.cell(row.owner_how, None, now)
            return fit(word, width), "warn" if row.owner_how == "never" else "dim"
        case "principal":
            known = row.principal_how == "known"
            text = row.principal or "" if known else readings.cell(row.principal_how, None, now)
            return fit(text, width), "" if known else "dim"
        case "age":
            return _time(row.created_how, row.created_at, width, now)
        case "used":
            return _time(row.used_how, row.used_at, width, now)
        case "spark":
            if not uses:
                return fit("-", width), "dim"
            return fit(spark(uses, width, ascii_only=ascii_only), width), "accent"
        case "expires":
            return _time(row.expires_how, row.expires_at, width, now, ahead=True)
        case "grants":
            known = row.grants_how == "known" and row.grants is not None
            text = f"{row.grants:,}" if known else readings.cell(row.grants_how, None, now)
            return fit(text, width, right=True), "" if known else "dim"
        case "created":
            known = row.created_how == "known" and row.created_at is not None
            day = readings.moment(row.created_at or 0)[:10]
            return fit(day if known else readings.cell(row.created_how, None, now), width), (
                "" if known else "dim"
            )
        case _:
            if row.presence == "gone":
                return fit("gone", width), "dim"
            return fit(row.state, width), STATE_ROLES.get(row.state, "warn")


def _time(how: str, value: int | None, width: int, now: float, ahead: bool = False) -> Part:
    text = readings.cell(how, value, now, ahead)
    if len(text) > width:
        text = readings.TINY.get(text, text)
    return fit(text, width, right=True), "" if how == "known" else "dim"


def row_parts(
    row: Row,
    placed: Sequence[Placed],
    *,
    now: float,
    uses: Sequence[int] = (),
    cursor: bool = False,
    mark: str = " ",
    finding: str = " ",
    fresh: bool = False,
    ascii_only: bool = False,
) -> list[Part]:
    """A whole row. On the cursor's row one role replaces all the others."""
    gone = row.presence == "gone"
    parts: list[Part] = [((">" if cursor else " ") + mark + " ", "accent")]
    for column, width in placed:
        text, role = cell(row, column, width, now, uses, ascii_only)
        if gone:
            role = "dim"
        elif fresh and column.id == "name":
            role = "fresh"
        parts.append((text, role))
        parts.append((" ", ""))
    parts.append((safe(finding), "bad" if finding == "!" else "warn"))
    if cursor:
        return [("".join(text for text, _ in parts), "cursor")]
    return _joined(parts)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Neighbours of one role as one part: fewer colour changes, fewer bytes to the terminal."""
    joined: list[Part] = []
    for text, role in parts:
        if joined and (joined[-1][1] == role or not text.strip(" ")):
            joined[-1] = (joined[-1][0] + text, joined[-1][1])
        else:
            joined.append((text, role))
    return joined
