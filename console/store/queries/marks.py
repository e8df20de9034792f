"""Marks: numbers about the store itself, and what links have still to be made of."""

from __future__ import annotations

from sqlite3 import Connection

LINKED = "linked"
"""There since links were first made of everything; its value is what the files were then."""
LINKED_PRINTS = "linked prints"
"""What the fingerprints of values were when links were last made of them."""
LINKS = "links"
"""Grows whenever links or nodes are written."""
LOST = "linked lost"
"""There while links may be left of tokens that are not in the store any more."""
RECORD = "link record "
USED = "link used "


def value(connection: Connection, name: str) -> int | None:
    """A mark; None where it is not set."""
    row = connection.execute("SELECT value FROM mark WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def behind(connection: Connection, kind: str, most: int = -1) -> list[str]:
    """What links have to be made of anew, of a kind: tokens' numbers, or handles of used ones."""
    found = connection.execute(
        "SELECT substr(name, ?) FROM mark WHERE name > ? AND name < ? LIMIT ?",
        (len(kind) + 1, kind, beyond(kind), most),
    )
    return [name for (name,) in found]


def beyond(prefix: str) -> str:
    """The first text that comes after all those that begin with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def prints(connection: Connection) -> int:
    """How many fingerprints of values there are."""
    return int(connection.execute("SELECT count(*) FROM fingerprint").fetchone()[0])
