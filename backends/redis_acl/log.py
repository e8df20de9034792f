"""ACL LOG: what the server refused. What it let in, it does not write down.

Entries of one kind within a minute are one entry with a count, the newest 128 are kept
(``acllog-max-len``), and a restart forgets them all. From 7.2 on an entry has an id and its
times; before, only its age in seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from backends.errors import BadAnswer
from backends.hiding import hidden
from backends.model import AuditEvent, EventClass, TokenRef
from backends.redis_acl.clients import fields_of
from backends.redis_acl.users import text
from backends.words import count

MOST: Final = 1000
"""Entries that are asked for at a time."""
LOGIN: Final = "auth"
"""The reason of an entry about a refused log-in. All others are of somebody who is in."""
ROUND: Final = 10
"""Seconds to which an entry's time is rounded for its id, where the server keeps only an age."""


class Line(NamedTuple):
    """One entry: somebody was refused ``times`` times, the last time at ``at`` (UTC)."""

    id: str
    at: datetime
    times: int
    reason: str
    object: str
    user: bytes
    source: str
    agent: str
    context: str

    @property
    def login(self) -> bool:
        """Whether a log-in was refused, as against a command of somebody who is in."""
        return self.reason == LOGIN


def parse(answer: Sequence[Any], now: datetime) -> list[Line]:
    """The entries, oldest first. ``now`` is the server's time.

    Raises:
        BadAnswer: the entries have a form that is not known.
    """
    try:
        found = [_line(dict(zip(one[::2], one[1::2], strict=True)), now) for one in answer]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise BadAnswer("ACL LOG answers in a form that is not known") from None
    return sorted(found, key=lambda line: line.at)


def _line(entry: Mapping[bytes, Any], now: datetime) -> Line:
    client = fields_of(entry.get(b"client-info", b""))
    times = int(entry[b"count"])
    if b"timestamp-last-updated" in entry:
        at = datetime.fromtimestamp(int(entry[b"timestamp-last-updated"]) / 1000, UTC)
        told = (entry[b"entry-id"], entry[b"timestamp-created"], times)
    else:
        at = now - timedelta(seconds=float(entry[b"age-seconds"]))
        told = (round(at.timestamp() / ROUND), client.get(b"id"), times)
    kind = tuple(entry[each] for each in (b"reason", b"context", b"object", b"username"))
    # A refusal that comes again within the minute is told again, with another count.
    digest = hashlib.sha256(repr((*told, *kind)).encode()).hexdigest()[:32]
    host = text(client.get(b"addr", b"")).rpartition(":")[0].strip("[]")
    return Line(
        id=digest,
        at=at,
        times=times,
        reason=text(entry[b"reason"]),
        object=hidden(text(entry[b"object"])),
        user=entry[b"username"],
        source=host,
        agent=hidden(text(client.get(b"name") or client.get(b"lib-name") or b"")),
        context=text(entry[b"context"]),
    )


def events(
    lines: Iterable[Line], origin: str, whose: Callable[[bytes], TokenRef | None]
) -> Iterable[AuditEvent]:
    """The entries as events. ``whose`` gives the token of a name that some user has or had."""
    for line in lines:
        ref = whose(line.user)
        often = f", {count(line.times, 'time')}" if line.times > 1 else ""
        if line.login:
            # Somebody may have typed the password where the name goes.
            name = "" if ref is not None else "; no user has the name that was given"
            yield AuditEvent(
                id=f"{origin}:{line.id}",
                at=line.at,
                action=f"log-in refused ({line.object})",
                sort=EventClass.DENIED,
                outcome="denied",
                token=ref,
                actor=ref.id if ref is not None else "",
                source=line.source,
                agent=line.agent,
                origin=origin,
                detail=f"wrong password, or the user is off{often}{name}",
            )
            continue
        # Its value was let in: a refused command shows that a client of it is alive.
        yield AuditEvent(
            id=f"{origin}:{line.id}",
            at=line.at,
            action=f"{line.reason} refused: {line.object}",
            sort=EventClass.USE,
            outcome="error",
            token=ref,
            actor=ref.id if ref is not None else "",
            source=line.source,
            agent=line.agent,
            origin=origin,
            detail=f"in a session: its rules refuse this {line.reason}{often} ({line.context})",
        )
