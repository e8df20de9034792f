"""What was seen of each system of an incident, and what not."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

from backends.model import Gap
from backends.words import count
from console.incident.assess import Assessment, stored
from console.incident.papers.document import Block, Bullets, Heading, Line, Paragraph, Table
from console.incident.papers.names import Names
from console.incident.papers.story import Story
from console.incident.words import iso
from console.inventory.records import BackendState
from console.settings import Paths
from console.store import reading
from console.timeline.coverage import WORDS, LogCoverage
from console.timeline.coverage import coverage as log_coverage


def coverage(found: Assessment, paths: Paths, names: Names) -> list[dict[str, Any]]:
    """For a program: each system of the scope, when it was read, and what of it was not.

    Raises:
        StoreError: the store cannot be read.
    """
    scope = found.incident.scope
    wanted = sorted({scoped.member.backend for scoped in scope.values()})
    with stored(paths) as inventory:
        states = {each.name: each for each in inventory.backends()} if inventory else {}
    if not states:
        return [_unread(names, name, "nothing was read here") for name in wanted]
    told = []
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            for name in wanted:
                own = [handle for handle, each in scope.items() if each.member.backend == name]
                state = states.get(name)
                if state is None:
                    told.append(_unread(names, name, "it was never looked at from here"))
                    continue
                logs = log_coverage(connection, [name], own).logs
                told.append(_backend(state, logs, len(own), names))
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None
    return told


def _unread(names: Names, name: str, why: str) -> dict[str, Any]:
    return {
        "backend": names.backend(name), "result": "not read", "read": None,
        "not_seen": [why], "logs": [],
    }  # fmt: skip


def _backend(
    state: BackendState, logs: tuple[LogCoverage, ...], tokens: int, names: Names
) -> dict[str, Any]:
    gaps = [
        names.sentence(f"{gap.kind}: {gap.what}{_where(gap)}", f"{gap.kind}: a part")
        for gap in state.gaps
    ]
    if state.error:
        gaps.append(names.sentence(state.error, "its last look failed"))
    if not logs:
        gaps.append("no log of it is read, so no use of its tokens is known")
    return {
        "backend": names.backend(state.name),
        "result": state.result,
        "read": iso(state.synced_at or 0),
        "tokens_in_scope": tokens,
        "not_seen": gaps,
        "logs": [_log(number, log, names) for number, log in enumerate(logs, 1)],
    }


def _where(gap: Gap) -> str:
    return f" ({gap.scope})" if gap.scope not in (gap.what, "") else ""


def _log(number: int, log: LogCoverage, names: Names) -> dict[str, Any]:
    return {
        "log": f"log {number}" if names.redacted else log.name,
        "covers": WORDS.get(log.covers, "has every use"),
        "since": iso(log.since or 0),
        "until": iso(log.until or 0),
        "holes": [
            {
                "since": iso(hole.since or 0),
                "until": iso(hole.until or 0),
                "what": names.sentence(hole.what, hole.kind),
            }
            for hole in log.holes
        ],
        "tokens_without_a_name_in_it": log.nameless,
    }


def blocks(told: list[dict[str, Any]], story: Story, names: Names) -> Iterator[Block]:
    """The same for a page, with the stretches of time that no log tells of."""
    yield Heading(("What was seen, and what not",))
    rows: list[tuple[Line, ...]] = []
    for each in told:
        backend, logs, gaps = each["backend"], each["logs"], each["not_seen"]
        reach = [
            f"{log['log']}: {log['covers']}, {_short(log['since'])} to {_short(log['until'])}"
            for log in logs
        ]
        seen = "; ".join(reach) or "none is read"
        rows.append(
            (
                (backend,),
                (f"{each['result']}, {_short(each['read'])}",),
                (seen,),
                ("; ".join(map(str, gaps)) or "nothing that it told of",),
            )
        )
    yield Table(("system", "read", "its logs", "not seen"), tuple(rows))
    if story.unseen:
        lines = [(names.sentence(gap.words, gap.bare),) for gap in story.unseen]
        yield Paragraph((f"{count(len(lines), 'stretch', 'stretches')} that no log tells of:",))
        yield Bullets(tuple(lines))


def _short(told: str | None) -> str:
    """A time in words, from one that was told to a program."""
    return told.replace("+00:00", "Z") if told else "never"
