"""Try a leaked value once, on a responder's word, to learn whether it still works.

A try is a use: it stands in the system's log, and may do more, which the backend declares.
So nobody can ask for one without handing back what was declared, word for word, and saying
why; and the journal has it before it is made.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from msgspec.structs import replace

from backends.contract import Backend, Verb
from backends.model import Secret, Token, TokenRef
from console.errors import ConsoleError, Exit
from console.journal import opening
from console.journal.format import scan
from console.journal.format.entry import Kind
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.sentence import Entry
from console.journal.read import fingerprint
from console.journal.write.journal import Journal
from console.response.evidence import probe
from console.response.plan import entry_parts
from console.response.state.token_life import OpenJournal
from console.settings import Paths

VERB = "try"
"""What the journal calls it, where a run's verb would stand."""
LOOKED_AT = 200
"""The newest entries about a token among which its last try is looked for."""


class TryRefused(ConsoleError):
    """The value may not be tried, or not in this way."""

    code = Exit.FAILED


class LastTry(NamedTuple):
    """A try of a value, as the journal has it. ``at`` is in unix seconds; words are raw text."""

    accepted: bool | None
    """None: no answer that tells."""
    at: float
    detail: str
    who: str
    entry: str


def effects(backend: Backend, ref: TokenRef) -> tuple[str, ...] | None:
    """What a try of the token's value does besides, as declared. None: it is not offered."""
    return backend.capabilities().of(ref.kind).tries


async def try_value(
    backend: Backend,
    token: Token,
    secret: Secret,
    paths: Paths,
    *,
    reason: str,
    agreed: tuple[str, ...],
    incident: str = "",
) -> LastTry:
    """Try the value, with the journal's word before and after it.

    ``agreed`` is what :func:`effects` said, as it was shown to the responder; where it is
    anything else, nothing is tried. The value is kept nowhere, its keyed fingerprint is.

    Raises:
        TryRefused: the backend declares no try for this kind, or something else than agreed.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        JournalError: the journal cannot take it. Before the try: then nothing was tried.
    """
    declared = effects(backend, token.ref)
    if declared is None:
        raise TryRefused(
            f"{token.ref.backend} does not declare what a try of this kind does",
            "So none is offered. Its record and its log are what can be known.",
        )
    if declared != agreed:
        raise TryRefused(
            "a try does something else than was agreed to", "Nothing was tried. Look again."
        )
    reason, incident = scan.reason(reason), scan.incident(incident)
    with await asyncio.to_thread(opening.journal, paths) as journal:
        print_ = await asyncio.to_thread(_fingerprint, journal, secret)
        act = entry_parts.act(VERB, token)
        act = replace(act, target=replace(act.target, fp=print_))

        async def record(kind: Kind, **fields: Any) -> Entry:
            return await asyncio.to_thread(journal.append, kind, incident=incident, **fields)

        tried = await probe.try_value(backend, token.ref, secret, act, record, why=reason)
    entry = tried.entry
    if entry is None:
        raise TypeError("a try that is written down has an entry")
    return _told(entry)


def last(journal: OpenJournal, ref: TokenRef, print_: str) -> LastTry | None:
    """The newest try of the value with this keyed fingerprint that got an answer that tells.

    None also where the token was given back since: what was refused may work again.

    Raises:
        JournalError: the journal cannot be read.
    """
    return _newest(journal, ref.handle, print_) if print_ else None


def last_of_any(journal: OpenJournal, handle: str) -> LastTry | None:
    """As ``last``, whatever value of the token was tried. Raises as that."""
    return _newest(journal, handle, None)


def _newest(journal: OpenJournal, handle: str, print_: str | None) -> LastTry | None:
    for entry in journal.entries(LOOKED_AT, handle=handle):
        if entry.done and entry.verb == Verb.RESTORE:
            return None
        if (
            entry.kind == Kind.OBSERVE
            and entry.how == KnownBy.PROBE
            and (print_ is None or entry.fp == print_)
            and entry.state != OutState.UNCLEAR
        ):
            return _told(entry)
    return None


def _told(entry: Entry) -> LastTry:
    accepted = {OutState.SEEN.value: False, OutState.NOT_SEEN.value: True}.get(entry.state)
    out = entry.body.out
    return LastTry(accepted, entry.t_us / 1e6, out.detail if out else "", entry.who, entry.id)


def _fingerprint(journal: Journal, secret: Secret) -> str:
    key = fingerprint.pepper(journal.files.pepper, make=True)
    return fingerprint.fingerprint(key, secret) if key else ""
