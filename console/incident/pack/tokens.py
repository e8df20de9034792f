"""What is known of each token of an incident, a file each, and from which entries."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from backends.words import count
from console.incident.assess import Assessment
from console.incident.papers.names import Names
from console.incident.papers.story import bare
from console.incident.standing import TokenStanding, known_as
from console.incident.words import iso
from console.journal import proof
from console.journal.format.sentence import Entry
from console.settings import Paths
from console.store import reading
from console.store.queries import events

EVERY = 200
MOST_SPANS = 200
"""Addresses of one token that are told one by one."""


def write(
    place: Path,
    found: Assessment,
    paths: Paths,
    names: Names,
    progress: Callable[[str, int, int], None],
) -> None:
    """Write ``tokens/``, a file for each token of the scope, numbered as they came in.

    Raises:
        StoreError: the store cannot be read.
        OSError: a file cannot be written.
    """
    folder = place / "tokens"
    if not found.tokens:
        return
    folder.mkdir()
    about: dict[str, list[Entry]] = {}
    for entry in found.entries:
        for handle in {entry.handle, entry.case.subject if entry.case is not None else ""}:
            about.setdefault(handle, []).append(entry)
    numbers = {handle: number for number, handle in enumerate(found.incident.scope, 1)}
    width = max(4, len(str(len(numbers))))
    with contextlib.ExitStack() as stack:
        connection = None
        if found.inventory:
            connection = stack.enter_context(contextlib.closing(reading.connect(paths.inventory)))
        for done, each in enumerate(found.tokens, 1):
            handle = each.scoped.member.handle
            told = _token(each, about.get(handle, []), names)
            told["uses_since_the_leak"] = _uses(connection, found, paths, handle, names)
            name = f"{numbers[handle]:0{width}}.json"
            (folder / name).write_text(json.dumps(told, indent=1) + "\n")
            if done % EVERY == 0:
                progress("tokens", done, len(found.tokens))


def _token(each: TokenStanding, entries: list[Entry], names: Names) -> dict[str, object]:
    member, detail = each.scoped.member, each.detail
    word = each.exception
    told: dict[str, object] = {
        "token": names.token(member.handle),
        "backend": names.backend(member.backend),
        "kind": names.kind(member.kind),
    }
    if not names.redacted:
        told |= {"handle": member.handle, "id": member.id, "name": member.name}
    return told | {
        "in_scope_since": iso(each.scoped.at),
        "value": {
            "what": each.verdict.what.value,
            "told": names.verdict(each.verdict),
            "at": iso(each.verdict.at),
            "propagation_until": iso(each.verdict.until),
        },
        "contained": iso(each.contained),
        "ended": iso(each.ended),
        "used_after_end": iso(each.used_after),
        "record": {
            "state": detail.token.state.value,
            "presence": detail.row.presence,
            "first_seen": iso(detail.first_seen),
            "last_seen": iso(detail.last_seen),
            "gone": iso(detail.gone_at or 0),
        }
        if detail is not None
        else None,
        "exception": {
            "owner": names.person(word.person),
            "why": names.said(word.why),
            "until": iso(word.expires),
        }
        if word is not None
        else None,
        "entries": [
            {
                "entry": entry.seq,
                "at": iso(entry.t),
                "what": names.sentence(entry.sentence, bare(entry)),
                "evidence": proof.word(entry.evidence) if entry.evidence is not None else None,
                "how": entry.how or None,
                "run": names.run(entry.plan) if entry.plan else None,
            }
            for entry in entries
        ],
    }


def _uses(
    connection: sqlite3.Connection | None,
    found: Assessment,
    paths: Paths,
    handle: str,
    names: Names,
) -> object:
    """By address and outcome; in words where they cannot be told."""
    if connection is None:
        return "not known: there is no inventory here"
    if not found.incident.leaked:
        return "not known: nobody said when the leak began"
    leak = int(found.incident.leaked)
    try:
        spans = list(events.spans_since(connection, known_as(connection, handle), leak))
    except sqlite3.Error as error:
        raise reading.unusable(paths.inventory, error) from None
    told: list[object] = [
        {
            "address": names.address(span.source),
            "outcome": span.outcome,
            "times": span.times,
            "first": iso(span.first),
            "last": iso(span.last),
        }
        for span in sorted(spans, key=lambda span: -span.times)[:MOST_SPANS]
    ]
    if len(spans) > MOST_SPANS:
        told.append(f"and {count(len(spans) - MOST_SPANS, 'more address', 'more addresses')}")
    return told
