"""How many events there were: five minutes at a time, and each token's uses hour by hour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

from console.store.classes import ABOUT, OTHER, SHOWN, SLOT


def uses(
    connection: Connection, numbers: Sequence[int], first: int, last: int
) -> Iterator[tuple[int, int | None, int | None]]:
    """Uses of tokens in each hour from ``first`` to ``last``: a token's number, hour and uses.

    An hour is its unix seconds divided by 3600. A token without a use comes once, without an
    hour; one of a backend whose events are not read does not come.
    """
    return connection.execute(
        "SELECT t.num, u.hour, u.uses FROM token t JOIN backend b ON b.name = t.backend"
        " LEFT JOIN use_hour u ON u.handle = t.handle AND u.hour BETWEEN ? AND ?"
        " WHERE t.num IN (SELECT value FROM json_each(?)) AND b.events_until IS NOT NULL",
        (first, last, json.dumps(list(numbers))),
    )


def shown(
    connection: Connection, handles: Iterable[str], backends: Iterable[str]
) -> list[tuple[int, int, int]]:
    """How often a value was shown: the unix seconds at which a slot begins, in all, and refused."""
    return connection.execute(
        "SELECT slot * ?, sum(uses), sum(uses * (outcome = 'denied')) FROM rollup"  # noqa: S608
        " WHERE handle IN (SELECT value FROM json_each(?))"
        f" AND backend IN (SELECT value FROM json_each(?)) AND class IN {SHOWN}"
        " GROUP BY slot ORDER BY slot",
        (SLOT, json.dumps(list(handles)), json.dumps(list(backends))),
    ).fetchall()


def unclear(connection: Connection, handles: Iterable[str]) -> Iterator[tuple[int, int]]:
    """The slots with entries of which nobody told what they are, and how many there are."""
    return connection.execute(
        "SELECT slot, sum(uses) FROM rollup WHERE class = ?"
        " AND handle IN (SELECT value FROM json_each(?)) GROUP BY slot ORDER BY slot",
        (OTHER, json.dumps(list(handles))),
    )


def slots_about(
    connection: Connection, handles: Iterable[str], limit: int
) -> list[tuple[str, int]]:
    """The slots in which something was done to tokens, with the token's handle; the newest."""
    return connection.execute(
        f"SELECT DISTINCT handle, slot FROM rollup WHERE class IN {ABOUT}"  # noqa: S608
        " AND handle IN (SELECT value FROM json_each(?)) ORDER BY slot DESC LIMIT ?",
        (json.dumps(list(handles)), limit),
    ).fetchall()
