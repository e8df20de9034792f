"""Who is connected: CLIENT LIST, which is all that Redis knows of a user's use.

A line has ``key=value`` fields; ``age`` and ``idle`` are in seconds (Redis documentation,
"CLIENT LIST"). With which of a user's passwords a client logged in stands nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from backends.model import Consumer, Dependents, Gap, GapKind, known
from backends.redis_acl.users import Seen, text
from backends.words import count

SECOND: Final = timedelta(seconds=1)


class Client(NamedTuple):
    """One connection that is open now."""

    user: bytes
    address: str
    """With its port."""
    name: str
    library: str
    flags: str
    command: str
    age: int
    idle: int

    @property
    def host(self) -> str:
        """Its address without the port; a socket in the file system has none."""
        return self.address.rpartition(":")[0].strip("[]") or "local socket"

    @property
    def replica(self) -> bool:
        """Whether a replica is fed through it."""
        return "S" in self.flags

    @property
    def label(self) -> str:
        """What it calls itself."""
        return self.name or self.library or "a client without a name"


def parse(answer: bytes, ours: str = "") -> list[Client]:
    """The clients in an answer to CLIENT LIST, without the one whose address is ``ours``."""
    found = []
    for line in answer.splitlines():
        fields = fields_of(line)
        if b"user" not in fields or (ours and text(fields.get(b"addr", b"")) == ours):
            continue
        found.append(
            Client(
                user=fields[b"user"],
                address=text(fields.get(b"addr", b"")),
                name=text(fields.get(b"name", b"")),
                library=text(fields.get(b"lib-name", b"")),
                flags=text(fields.get(b"flags", b"")),
                command=text(fields.get(b"cmd", b"")).replace("|", " "),
                age=_number(fields.get(b"age", b"")),
                idle=_number(fields.get(b"idle", b"")),
            )
        )
    return found


def fields_of(line: bytes) -> dict[bytes, bytes]:
    """The fields of one client. No value has a space: Redis refuses such names."""
    pairs = (word.partition(b"=") for word in line.split(b" "))
    return {key: value for key, _, value in pairs}


def _number(digits: bytes) -> int:
    return int(digits) if digits.isdigit() else 0


def by_user(clients: Iterable[Client]) -> Mapping[bytes, Sequence[Client]]:
    """The clients of each user."""
    grouped: dict[bytes, list[Client]] = defaultdict(list)
    for client in clients:
        grouped[client.user].append(client)
    return grouped


def newest(clients: Sequence[Client], now: datetime) -> Seen:
    """The last command of any of these clients. ``now`` is the server's time."""
    if not clients:
        return Seen()
    last = min(clients, key=lambda client: client.idle)
    at = (now - timedelta(seconds=last.idle)).replace(microsecond=0)
    by = f"{last.label}: {last.command}" if last.command else last.label
    return Seen(at, last.host, by, "CLIENT LIST, a client is connected")


def dependents(
    clients: Mapping[str, Sequence[Client]], times: Mapping[str, datetime], gaps: Sequence[Gap]
) -> Dependents:
    """The connected clients by server, name and address, and what nobody can tell."""
    groups: dict[tuple[str, str, str], list[Client]] = defaultdict(list)
    for label, found in clients.items():
        for client in found:
            groups[label, client.label, client.host].append(client)
    consumers = []
    for (label, name, host), found in sorted(groups.items()):
        now = times[label]
        seen = newest(found, now).at
        since = now - timedelta(seconds=max(client.age for client in found))
        lib = found[0].library
        detail = f"{count(len(found), 'connection')} at {label} from {host}"
        detail += f", {lib}" if lib and lib != name else ""
        detail += ", a replica is fed through it" if any(c.replica for c in found) else ""
        detail += f", since {since:%Y-%m-%d %H:%M} UTC"
        consumers.append(
            Consumer(
                f"{name} from {host}",
                "session",
                detail,
                "CLIENT LIST",
                known(seen, "CLIENT LIST", granularity=SECOND) if seen else known(now, label),
            )
        )
    absent = Gap(
        "clients",
        GapKind.UNLISTABLE,
        "consumers that are not connected at this moment",
        "Redis keeps no log-ins; ask whoever holds the password.",
    )
    return Dependents(tuple(consumers), (absent, *gaps))
