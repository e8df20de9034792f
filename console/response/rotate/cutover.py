"""Who still uses an old value: consumer by consumer, by the system's own log.

A consumer has moved when it was seen with the new value and the old one is silent since.
The console's own probes are no use. What nobody can see, a responder has to vouch for: by a
waiver, with a reason.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import NamedTuple

from backends.errors import BackendError
from backends.model import Consumer, TokenRef
from backends.words import count
from console.journal.format.entry import Kind
from console.journal.format.parts import RunEvent, RunMark
from console.journal.format.sentence import Entry
from console.journal.format.words import system_words
from console.response.evidence.audit_log import NEAR
from console.response.evidence.context import EvidenceContext
from console.response.evidence.logged_use import USERS, Newest, TokenUser
from console.response.plan import entry_parts
from console.response.plan.model import PlanItem
from console.response.plan.step_id import Mark, mark_of

QUIET = (60.0, 3600.0)
"""Seconds that the old value has to be silent, at least and at most: as long as the longest
pause between two uses of that consumer."""
READ_TIMEOUT = 120.0
NO = -math.inf
"""The time of what never was."""
IN_SESSION = "in a session"
"""How the detail of an event begins that needed no value: the session was open before."""
CARRIES = frozenset({"session", "address", "workload"})
"""The kinds of consumers that hold the value. Objects, leases and children do not move."""


class ConsumerState(NamedTuple):
    """One consumer. ``moved`` is what the log shows, ``waived`` what a responder answers for."""

    name: str
    moved: bool
    waived: bool
    words: str


class Cutover(NamedTuple):
    """Every known consumer, and why more of them cannot be seen (empty where they can)."""

    consumers: tuple[ConsumerState, ...]
    blind: str = ""

    @property
    def staying(self) -> tuple[ConsumerState, ...]:
        """Those that have not moved, waived or not."""
        return tuple(each for each in self.consumers if not each.moved)

    @property
    def holding(self) -> tuple[ConsumerState, ...]:
        """Those for which a routine rotation waits."""
        return tuple(each for each in self.staying if not each.waived)

    @property
    def waiting(self) -> str:
        """For whom a routine rotation waits, in words that change only with that. Raw text."""
        names = [each.name for each in self.holding]
        told = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        parts = [f"not moved: {told}" if told else "", self.blind]
        return f"the old one is not retired: {'; '.join(part for part in parts if part)}"

    @property
    def words(self) -> str:
        """How far it is, on one line. Raw text."""
        moved = sum(each.moved for each in self.consumers)
        told = f"{moved} of {count(len(self.consumers), 'consumer')} seen with the new value"
        if self.staying:
            told += "; not: " + ", ".join(f"{e.name} ({e.words})" for e in self.staying[:5])
        if len(self.staying) > 5:
            told += f" and {len(self.staying) - 5} more"
        return f"{told}; {self.blind}" if self.blind else told


async def follow(
    tools: EvidenceContext,
    item: PlanItem,
    new: TokenRef,
    changed: Entry,
    limit: float | None = None,
) -> Cutover:
    """Ask who has moved to the token ``new``, and journal each consumer's move once.

    ``changed`` is the intent of the call that made the new value. Where it has the old
    token's id, a use after it was one with the new value, for the old one was refused.
    ``limit`` is for how many seconds at most the system is asked.

    Raises:
        JournalError: the journal cannot be written.
    """
    try:
        async with asyncio.timeout(limit):
            seen = await survey(tools, item, new, changed)
    except TimeoutError:
        return Cutover((), f"who uses it was not told within {limit:.0f} s")
    entries = tools.board.entries(item.number)
    known = {e.run.detail for e in entries if e.run is not None and e.run.what == RunEvent.MOVED}
    for each in seen.consumers:
        detail = entry_parts.name(each.name, 160)
        if each.moved and detail not in known:
            known.add(detail)
            mark = RunMark(
                plan=tools.plan.id,
                what=RunEvent.MOVED,
                item=item.number,
                backend=item.backend,
                detail=detail,
            )
            await tools.record(Kind.RUN, run=mark)
    return seen


async def survey(tools: EvidenceContext, item: PlanItem, new: TokenRef, changed: Entry) -> Cutover:
    """Who has moved, as far as the system tells. Writes nothing. Raises nothing."""
    old, log = item.token.ref, tools.log
    log.watch(new, changed.t_us / 1e6)
    skew, trouble = await _clock(tools)
    if not trouble:
        await log.read(tools.now(), skew=skew)
    now = tools.now() + skew
    holders, gaps = await _dependents(tools, old)
    after = holders if new == old else (await _dependents(tools, new))[0]
    # Where the log keeps agents, our own tries are told by theirs, whatever a clock says.
    tried = 0.0 if log.of(new).names_programs else _tried(tools, item, changed, skew)
    if new != old:
        after = tuple(each for each in after if not _by(each, tried))
    # Who has moved is told of with the new token, and was called so with the old one.
    everybody = (*holders, *after)
    users = _by_name(log.of(old).users, everybody)
    fresh = [user for user in log.of(new).users if user.agent or user.last > tried]
    later = users if new == old else _by_name(fresh, everybody)
    noted = log.of(old).naming(changed.id)
    # When the value changed, by the system's clock: as its own log says, where it does.
    began = min(noted) if noted else changed.t_us / 1e6 + skew
    found: list[tuple[str, bool, str]] = []
    if new == old:
        before = {who for who, each in users.items() if min(one.first for one in each) <= began}
        for who in sorted(before):
            found.append((who, *_in_place(users[who], began)))
    else:
        for who, each in sorted(users.items()):
            found.append((who, *_apart(each, later.get(who, []), tried, now)))
    named = {who for who, _, _ in found}
    for consumer in holders:
        newest = (max(each, key=lambda user: user.last) for each in users.values())
        told = any(_names(user, consumer) for user in newest)
        if consumer.name not in named and not told:
            found.append((consumer.name, *_by_record(consumer, new == old, began, after, later)))
            named.add(consumer.name)
    waived = _waivers(tools.board.entries(item.number))
    blind = trouble or log.trouble
    if not blind and not found and not log.names_tokens and (log.gap or gaps):
        blind = f"who uses it cannot be seen ({log.gap or gaps})"
    if not blind and log.of(old).rest is not None:
        blind = f"more than {USERS} use it, and not all of them can be told apart"
    return Cutover(
        tuple(
            ConsumerState(who, moved, bool({who, None} & waived), words)
            for who, moved, words in found
        ),
        "" if None in waived else blind,
    )


def _apart(
    old: list[TokenUser], new: list[TokenUser], tried: float, now: float
) -> tuple[bool, str]:
    """Whether a consumer has gone over from one token to the other.

    Until ``tried`` a use of the new one without a program's name was our own.
    """
    worked = max(user.let.last for user in old)
    fresh = max((user.let.last for user in new if user.agent or user.let.last > tried), default=NO)
    if fresh == NO:
        return False, "not seen with the new one yet"
    if worked == NO:
        return True, "seen with the new one"
    if worked >= fresh:
        return False, "used the old one again"
    quiet = min(max(QUIET[0], Newest.longest_pause(user.let for user in old)), QUIET[1])
    if now - worked < quiet:
        return False, f"the old one is silent for {max(0.0, now - worked):.0f} s only"
    return True, "seen with the new one, the old one is silent since"


def _in_place(users: list[TokenUser], began: float) -> tuple[bool, str]:
    """Whether a consumer was let in after the value was changed."""
    after = [use for user in users for use in user if use.at > began]
    fresh = [use.at for use in after if use.ok and not use.detail.startswith(IN_SESSION)]
    refused = [use.at for use in after if use.outcome == "denied"]
    if fresh and max(fresh) >= max(refused, default=0.0):
        return True, "let in since the change"
    return False, "refused since the change" if refused else "not seen since the change"


def _by_record(
    consumer: Consumer,
    in_place: bool,
    began: float,
    after: tuple[Consumer, ...],
    later: dict[str, list[TokenUser]],
) -> tuple[bool, str]:
    """The same for a consumer that only the system's record names."""
    if in_place:
        seen = consumer.last_seen.value
        # A session that was open before goes on with the old value's rights.
        if consumer.kind != "session" and seen is not None and seen.timestamp() > began:
            return True, "seen since the change"
        return False, "a session from before" if consumer.kind == "session" else "not seen since"
    if consumer.name in later or any(each.name == consumer.name for each in after):
        return True, "seen with the new one"
    return False, "not seen with the new one yet"


def _waivers(entries: Iterable[Entry]) -> set[str | None]:
    """Whom a responder answers for, by name; None is everybody."""
    waived = [e.run for e in entries if e.run is not None and e.run.what == RunEvent.WAIVE]
    return {mark.detail or None for mark in waived}


def _by_name(users: Iterable[TokenUser], holders: Iterable[Consumer]) -> dict[str, list[TokenUser]]:
    """The users by the consumer's name. We, and who is not named at all, are left out."""
    found: dict[str, list[TokenUser]] = {}
    # A session's name is not the same the next time, so the use itself gives the name.
    known = [each for each in holders if each.kind != "session"]
    for user in users:
        if user.ours or not user.named:
            continue
        who = next(
            (each.name for each in known if _names(user, each)),
            f"{user.agent or 'somebody'} from {user.source or 'an unknown address'}",
        )
        found.setdefault(who, []).append(user)
    return found


def _names(user: TokenUser, consumer: Consumer) -> bool:
    """Whether a user is that consumer, by its address and its program."""
    return all(word in consumer.detail for word in (user.source, user.agent) if word)


def _tried(tools: EvidenceContext, item: PlanItem, changed: Entry, skew: float) -> float:
    """Until when, by the system's clock, only the console can have used the new value.

    It tries the value before it delivers it. A log that keeps no agent has that as anybody's
    use, from an address at which a consumer may be at home too.
    """
    tries = [
        entry.t_us / 1e6
        for entry in tools.board.entries(item.number)
        if entry.step == mark_of(item.number, Mark.NEW_VALUE) and entry.ref == changed.id
    ]
    return max(tries) + skew + NEAR if tries else 0.0


def _by(consumer: Consumer, moment: float) -> bool:
    seen = consumer.last_seen.value
    return seen is not None and seen.timestamp() <= moment


async def _dependents(tools: EvidenceContext, ref: TokenRef) -> tuple[tuple[Consumer, ...], str]:
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            told = await tools.backend.dependents(ref)
    except TimeoutError:
        return (), "no answer"
    except BackendError as error:
        return (), system_words(error.message, 160)
    except Exception as error:  # noqa: BLE001
        # A backend's defect must leave the old value alive, and the run going.
        return (), f"the backend failed with {type(error).__name__}"
    carries = tuple(each for each in told.consumers if each.kind in CARRIES)
    return carries, "; ".join(system_words(gap.what, 80) for gap in told.gaps[:2])


async def _clock(tools: EvidenceContext) -> tuple[float, str]:
    """How many seconds the system's clock is ahead of ours, or why that cannot be asked."""
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            told = (await tools.backend.health()).skew
    except TimeoutError:
        return 0.0, "the log gave no answer"
    except BackendError as error:
        return 0.0, f"the log cannot be read: {system_words(error.message, 160)}"
    except Exception as error:  # noqa: BLE001
        # A backend's defect must leave the old value alive, and the run going.
        return 0.0, f"the backend failed with {type(error).__name__}"
    return (told.total_seconds() if told is not None else 0.0), ""


async def used(tools: EvidenceContext, ref: TokenRef, since: float) -> bool:
    """Whether anybody but us was seen to use a token that was made at ``since``.

    That is in unix seconds. Raises nothing.
    """
    tools.log.watch(ref, since)
    skew, _ = await _clock(tools)
    await tools.log.read(tools.now(), skew=skew, anew=True)
    users = tools.log.of(ref).everybody
    return any(user.named and not user.ours and len(user.let) for user in users)
