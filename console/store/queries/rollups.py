"""How many events there were: five minutes at a time, and each token's uses hour by hour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import NamedTuple

from console.store.classes import ABOUT, OTHER, SHOWN, SLOT


def uses(
    connection: Connection, numbers: Sequence[int], first: int, last: int
) -> Iterator[tuple[int, int | None, int | None]]:
    """Uses of tokens in each hour from ``first`` to ``last``: a token's number, hour and uses.

    An hour is its unix seconds divided by 3600. A token without a use comes once, without an
    hour; one of a backend whose events are not read that far back does not come.
    """
    return connection.execute(
        "SELECT t.num, u.hour, u.uses FROM token t JOIN backend b ON b.name = t.backend"
        " LEFT JOIN use_hour u ON u.handle = t.handle AND u.hour BETWEEN ? AND ?"
        " WHERE t.num IN (SELECT value FROM json_each(?)) AND b.events_since <= ? * 3600",
        (first, last, json.dumps(list(numbers)), first),
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


class UseHour(NamedTuple):
    """How often values of a backend's tokens were shown in one hour, by how it ended."""

    backend: str
    outcome: str
    hour: int
    """Its unix seconds divided by 3600."""
    times: int
    tokens: int
    """How many names of tokens these were."""


def hours_since(connection: Connection, handles: Iterable[str], since: int) -> Iterator[UseHour]:
    """The uses of tokens since a moment, hour by hour; its five minutes count whole."""
    found = connection.execute(
        "SELECT backend, outcome, slot * ? / 3600, sum(uses), count(DISTINCT handle) FROM rollup"  # noqa: S608
        f" WHERE handle IN (SELECT value FROM json_each(?)) AND slot >= ? AND class IN {SHOWN}"
        " GROUP BY 1, 2, 3 ORDER BY 3",
        (SLOT, json.dumps(list(handles)), since // SLOT),
    )
    return map(UseHour._make, found)


def shown_since(connection: Connection, handles: Iterable[str], since: int) -> int:
    """How often values were shown, from the first whole five minutes after a moment on."""
    (times,) = connection.execute(
        "SELECT coalesce(sum(uses), 0) FROM rollup"  # noqa: S608
        f" WHERE handle IN (SELECT value FROM json_each(?)) AND slot >= ? AND class IN {SHOWN}",
        (json.dumps(list(handles)), -(-since // SLOT)),
    ).fetchone()
    return int(times)
