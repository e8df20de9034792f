"""``incident show --timeline``: what leaked, who used it, what was done, oldest first."""

from __future__ import annotations

from console.cli.shell import output
from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.incident.papers.story import rows, story
from console.incident.words import iso
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
    table = list(rows(told, names))
    if table:
        output.table(("at", "kind", "who", "token", "what"), table, (20, 11, 24, 30, 400), key=1)
    for folded in told.folded:
        output.note(folded)
    for gap in told.unseen:
        output.note(f"no log tells: {gap.words}")
