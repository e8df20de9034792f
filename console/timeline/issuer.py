"""What the issuer's own record says of a token's last use, beside what the logs show."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from backends.model import Token, decode
from console.store.queries import tokens


class LastUse(NamedTuple):
    """A last use that an issuer knows of. ``step`` is the seconds by which it may be later."""

    at: int
    step: int
    source: str

    def after(self, moment: int) -> bool | None:
        """Whether it lies after a moment; None where the issuer keeps it too coarsely to tell."""
        if self.at >= moment:
            return True
        return None if self.at + self.step > moment else False


def last_use(connection: sqlite3.Connection, handles: Sequence[str]) -> LastUse | None:
    """The latest last use of some tokens, by their own issuers' records."""
    found: LastUse | None = None
    for (doc,) in tokens.used_records(connection, handles):
        reading = decode(doc, Token).last_used_at
        if reading.value is None:
            continue
        step = int((reading.granularity or timedelta(0)).total_seconds())
        use = LastUse(int(reading.value.timestamp()), step, reading.source)
        if found is None or use.at + use.step > found.at + found.step:
            found = use
    return found
