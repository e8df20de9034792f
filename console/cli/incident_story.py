"""``incident show --timeline``: what leaked, who used it, what was done, oldest first."""

from __future__ import annotations

from collections.abc import Sequence

from console.cli.shell import output
from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.incident.papers.story import StoryRow, story
from console.incident.words import iso, moment
from console.inventory import export
from console.settings import Paths


def show(found: Assessment, where: Paths, *, as_json: bool) -> None:
    """The timeline on standard output; what it does not show on standard error.

    Raises:
        StoreError: the store cannot be read.
    """
    told = story(found, where)
    names = Names(found)
    if as_json:
        print(
            export.dumps(
                {
                    "rows": [
                        row._asdict() | {"at": iso(row.at), "until": iso(row.until)}
                        for row in told.rows
                    ],
                    "folded": told.folded,
                    "unseen": [each.words for each in told.unseen],
                }
            )
        )
        return
    table: list[Sequence[str]] = []
    for row in told.rows:
        what = names.sentence(row.words, row.bare)
        if row.address:
            what = f"{what}; {names.address(row.address)}"
        whose = names.token(row.handle) if row.handle else row.backend
        table.append((moment(row.at), row.kind, names.person(row.who), whose, what))
    if table:
        output.table(("at", "kind", "who", "token", "what"), table, (20, 11, 24, 30, 400), key=1)
    for folded in told.folded:
        output.note(folded)
    for gap in told.unseen:
        output.note(f"no log tells: {gap.words}")


def _row(row: StoryRow) -> dict[str, object]:
    return row._asdict() | {"at": iso(row.at), "until": iso(row.until)}
