"""What is read of each server: its users, its clients, its log, and which others there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from backends.errors import BackendError, BadAnswer, Forbidden
from backends.model import Gap, GapKind
from backends.redis_acl import clients, log, users
from backends.redis_acl.clients import Client
from backends.redis_acl.users import Seen, User, text
from backends.redis_acl.wire import Session

CLIENTS: Final = "needs +client|list"
LOG: Final = "needs +acl|log"


class Around(NamedTuple):
    """What one server says besides its users. ``gaps`` is what it does not tell us."""

    now: datetime
    clients: Sequence[Client] | None
    log: Sequence[log.Line] | None
    gaps: tuple[Gap, ...]


async def all_users(session: Session) -> dict[bytes, User]:
    """Every user of a server, in one answer."""
    answer = await session.ask("ACL LIST")
    if not isinstance(answer, list):
        raise BadAnswer("ACL LIST gives no list")
    return {user.raw: user for user in map(users.from_line, answer)}


async def one_user(session: Session, raw: bytes) -> User | None:
    """One user of a server, None where there is none such."""
    answer = await session.ask("ACL GETUSER", raw)
    return None if answer is None else users.from_record(raw, answer)


async def time_of(session: Session) -> datetime | None:
    """The server's clock, None where this user may not ask."""
    try:
        seconds, micro = await session.ask("TIME")
    except Forbidden:
        return None
    return datetime.fromtimestamp(int(seconds) + int(micro) / 1e6, UTC)


async def around(session: Session) -> Around:
    """What a server tells besides its users.

    Raises:
        BackendError: but for a refusal, which is a gap.
    """
    label = session.node.label
    now = await time_of(session) or datetime.now(UTC)
    gaps: list[Gap] = []
    connected: Sequence[Client] | None = None
    lines: Sequence[log.Line] | None = None
    try:
        answer = await session.ask("CLIENT LIST")
        line = session.line
        connected = clients.parse(answer, line.here if line else "")
    except Forbidden as error:
        what = f"who is connected to {label}"
        gaps.append(Gap(f"clients of {label}", GapKind.REFUSED, what, error.hint))
    try:
        lines = log.parse(await session.ask("ACL LOG", log.MOST), now)
    except Forbidden as error:
        what = f"the ACL log of {label}"
        gaps.append(Gap(f"log of {label}", GapKind.REFUSED, what, error.hint))
    return Around(now, connected, lines, tuple(gaps))


def use(raw: bytes, seen: Iterable[Around]) -> Seen:
    """The last use of a user that any server knows of."""
    best, hidden = Seen(), ""
    for each in seen:
        if each.clients is None:
            hidden = CLIENTS
        mine = [client for client in each.clients or () if client.user == raw]
        found = [clients.newest(mine, each.now)]
        # Whoever is refused a command is in: a refused log-in is no use.
        found += [
            Seen(one.at.replace(microsecond=0), one.source, one.agent, "ACL log, a refused command")
            for one in each.log or ()
            if one.user == raw and not one.login
        ]
        for one in found:
            if one.at is not None and (best.at is None or one.at > best.at):
                best = one
    return best if best.at is not None else Seen(hidden=hidden)


async def others(sessions: Sequence[Session]) -> tuple[Gap, ...]:
    """Servers that these name and that were not asked: each keeps users of its own."""
    asked: set[tuple[str, int]] = set()
    named: dict[tuple[str, int], str] = {}
    gaps: list[Gap] = []
    for session in sessions:
        label = session.node.label
        try:
            role = await session.ask("ROLE")
            cluster = b"cluster_enabled:1" in await session.ask("INFO", "cluster")
        except Forbidden as error:
            what = f"whether {label} has replicas"
            gaps.append(Gap(f"servers beside {label}", GapKind.REFUSED, what, error.hint))
            continue
        asked |= {(session.node.host, session.node.port)}
        if session.line is not None:
            asked.add((session.line.there, session.node.port))
        named |= {place: f"{kind} of {label}" for place, kind in _named(role)}
        if cluster and len(sessions) == 1:
            gaps.append(
                Gap(
                    f"servers beside {label}",
                    GapKind.UNLISTABLE,
                    f"the other nodes of the cluster that {label} belongs to",
                    "Name them in `nodes`: each keeps users of its own.",
                )
            )
    for (host, port), kind in sorted(named.items()):
        if (host, port) not in asked:
            gaps.append(
                Gap(
                    f"server {host}:{port}",
                    GapKind.UNLISTABLE,
                    f"{host}:{port} ({kind}) keeps users of its own and was not asked",
                    f'Add it: nodes = ["{host}:{port}"].',
                )
            )
    return tuple(gaps)


def _named(role: Sequence[Any]) -> Iterable[tuple[tuple[str, int], str]]:
    """The servers in an answer to ROLE: a master's replicas, or a replica's master."""
    try:
        if role[0] == b"master":
            for host, port, *_ in role[2]:
                yield (text(host), int(port)), "a replica"
        elif role[0] == b"slave":
            yield (text(role[1]), int(role[2])), "the master"
    except (IndexError, TypeError, ValueError):
        raise BadAnswer("ROLE answers in a form that is not known") from None


async def persist(session: Session, configured: str) -> str:
    """How a server keeps its users: a word of ``PERSIST``, or why that is not known."""
    if configured != "ask":
        return configured
    try:
        answer = await session.ask("CONFIG GET", "aclfile")
        if any(answer[1::2]):
            return "aclfile"
        told = info(await session.ask("INFO", "server"))
    except Forbidden as error:
        return error.message
    return "config" if told.get("config_file") else "none"


def info(answer: bytes) -> Mapping[str, str]:
    """The fields of an answer to INFO."""
    pairs = (line.partition(":") for line in text(answer).splitlines())
    return {key: value for key, colon, value in pairs if colon}


async def each(sessions: Sequence[Session], work: Any) -> list[Any]:
    """The result of ``work`` for every server, or the error that it ended with."""

    async def guarded(session: Session) -> Any:
        try:
            return await work(session)
        except BackendError as error:
            return error

    return await asyncio.gather(*[guarded(session) for session in sessions])
