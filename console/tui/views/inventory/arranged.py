"""How the list of tokens is arranged: its order and its columns, remembered for next time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from console.inventory.search.inventory import Row
from console.tui.actions.registry import ACTIONS
from console.tui.draw.columns import COLUMNS, DEFAULT
from console.tui.session import remembered
from console.tui.views.act.view import ActView
from console.tui.views.handlers import does, does_each
from console.tui.views.inventory.table import TokenTable
from console.tui.widgets.picker import PickerRow

if TYPE_CHECKING:
    from console.tui.session.session import ConsoleSession

SORT_IDS = tuple(action.id for action in ACTIONS if action.id.startswith("sort_"))
SORTS = (*dict.fromkeys(c.sort for c in COLUMNS if c.sort), "changed")
DESCENDING_FIRST = ("grants",)
"""Columns of which one wants the largest value first."""


class ArrangedList(ActView):
    """A view with the table of tokens, in the order and with the columns of last time."""

    def __init__(self, world: ConsoleSession) -> None:
        super().__init__(world)
        self._file = world.paths.state / "screen.json"
        saved = remembered.load(self._file)
        self.table = TokenTable(
            self.fetch, world.now, ascii_only=world.ascii, seen=saved.seen or int(world.now())
        )
        self.table.chosen = saved.columns
        self.table.sort = saved.sort if saved.sort in SORTS else "name"
        self.table.descending = saved.descending

    def fetch(self, start: int, size: int) -> tuple[Sequence[Row], Mapping[int, Sequence[int]]]:
        """Rows for the table at once, and the uses of each. Raises ``ConsoleError``."""
        raise NotImplementedError

    def arranged(self) -> None:
        """The order is another one, so other rows are to be shown."""
        raise NotImplementedError

    def remember(self) -> None:
        """Keep the order and the columns for next time, and when the list was seen last."""
        table = self.table
        remembered.save(
            self._file,
            remembered.Remembered(
                tuple(table.chosen), table.sort, table.descending, int(self.world.now())
            ),
        )

    @does("sort")
    async def do_sort(self) -> None:
        """Choose the column to sort by."""

        def items(text: str) -> list[PickerRow]:
            return [
                PickerRow(name, name, "sorted by now" if name == self.table.sort else "")
                for name in SORTS
                if text.strip().lower() in name
            ]

        async def chosen(id_: str) -> None:
            self._sort_by(id_)

        await self.pick("sort by", items, chosen)

    @does("columns")
    async def do_columns(self) -> None:
        """Switch columns on and off, as long as the list of them is open."""

        def items(text: str) -> list[PickerRow]:
            fits = {placed.column.id for placed in self.table._placed()}
            return [
                PickerRow(
                    column.id,
                    column.title.lower(),
                    column.what if column.id in fits or column.id not in self.table.chosen
                    else f"{column.what} (no room at this width)",
                    column.id in self.table.chosen,
                )
                for column in COLUMNS
                if column.id != "name" and text.strip().lower() in column.title.lower()
            ]  # fmt: skip

        async def chosen(id_: str) -> None:
            """Nothing is left to do: each switch has had its effect."""

        await self.pick("columns", items, chosen, switch=self._switch_column, rows=11)

    def _switch_column(self, chosen: str) -> None:
        kept = set(self.table.chosen) ^ {chosen}
        self.table.chosen = tuple(name for name in DEFAULT if name in kept)
        self.table.redraw()
        self.remember()

    @does_each(*SORT_IDS)
    def do_sort_by(self, name: str) -> None:
        """Sort by the column of a key; the same key again turns the order round."""
        self._sort_by(name.removeprefix("sort_"))

    def _sort_by(self, column: str) -> None:
        table = self.table
        again = column == table.sort
        table.descending = not table.descending if again else column in DESCENDING_FIRST
        table.sort = column
        self.arranged()
        self.note(f"sorted by {column}{', largest first' if table.descending else ''}")
        self.remember()
