"""An id as somebody else writes it: masked, inside a path, in other letters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.inventory.records import Row, Sort
from console.inventory.search.inventory import Inventory
from console.inventory.search.query import Query

SEEN = 8
"""Characters of a masked id that have to be seen: fewer fit too many."""
_MASK = re.compile(r"(?:\*{2,}|\u2022{2,}|\.{3,}|\u2026|x{4,}|X{4,})")


class OtherForms:
    """Finds tokens by forms of their ids that the inventory does not have."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._ids: list[Row] | None = None

    def find(self, text: str) -> tuple[tuple[Row, ...], str]:
        """The tokens that a text means, and how that is known; none, and empty."""
        for form, how in self._forms(text.strip().strip("\"'`")):
            if rows := tuple(self._inventory.find(form)):
                return rows, how
        if rows := self._masked(text.strip()):
            return rows, "by what its mask leaves to be seen"
        return (), ""

    def _forms(self, text: str) -> Iterator[tuple[str, str]]:
        if text.lower() != text:
            yield text.lower(), "in small letters"
        if text.upper() != text:
            yield text.upper(), "in capitals"
        # An ARN, a path or an address: what it ends in, and its last two parts.
        parts = [part for part in re.split(r"[/:#?=&\s]+", text) if part]
        if len(parts) > 1:
            yield parts[-1], "by the end of its path"
            yield "/".join(parts[-2:]), "by the end of its path"
        bare = re.sub(r"[\s-]+", "", text)
        if bare != text:
            yield bare, "without blanks and dashes"

    def _masked(self, text: str) -> tuple[Row, ...]:
        found = _MASK.search(text)
        if found is None:
            return ()
        start, end = text[: found.start()], text[found.end() :]
        if len(start) + len(end) < SEEN:
            return ()
        if self._ids is None:
            self._ids = [row for row, _ in self._inventory.each(Query(), Sort())]
        return tuple(
            row
            for row in self._ids
            if len(row.id) > len(start) + len(end)
            and row.id.startswith(start)
            and row.id.endswith(end)
        )
