"""Looks over a PostgreSQL server that keeps the journal: what it promises, who may do what."""

from __future__ import annotations

import time
from collections.abc import Iterator

from backends.words import count
from console.errors import JournalError
from console.journal.format.advice import next_step
from console.journal.store import postgres_server as server
from console.journal.store.entries import last_number
from console.journal.store.postgres import ENCODING, PostgresStore
from console.journal.verify.doctor import Check

SUPPORTED = 14
"""The oldest major version that the project itself still mends (postgresql.org/support)."""
NOTED, FAR = 2.0, 60.0
"""Seconds by which the server's clock may be off unremarked, and before it is bad."""


def doctor(store: PostgresStore) -> list[Check]:
    """Everything that one role can see of it. Writes nothing."""
    try:
        return [
            *_server(store),
            *_commits(store),
            *_role(store),
            *_others(store),
            *_wire(store),
            *_clock(store),
        ]
    except JournalError as error:
        return [Check("database", "bad", str(error), error.hint)]


def _server(store: PostgresStore) -> Iterator[Check]:
    version, number = server.version(store)
    entries = last_number(store)
    text = f"PostgreSQL {version} answers; {count(entries, 'entry', 'entries')}"
    if number // 10_000 < SUPPORTED:
        hint = f"Move to version {SUPPORTED} or newer."
        yield Check("database", "note", f"{text}; nobody mends this version any more", hint)
    else:
        yield Check("database", "ok", text)
    encoding = server.encoding(store)
    if encoding != ENCODING:
        hint = f"Other programs may misread names there; a new journal is made in {ENCODING}."
        yield Check("encoding", "note", f"the database keeps its text in {encoding}", hint)


def _commits(store: PostgresStore) -> Iterator[Check]:
    """What an append's own transaction reads back, and whether one disk is all there is."""
    with store.exclusive():
        kept, standbys = server.commits(store)
    state = "ok" if kept == "on" else "bad"
    yield Check("commit", state, f"synchronous_commit {kept}, fsync and full_page_writes on")
    if not standbys:
        text = "no standby has to confirm a commit: the entries are as safe as one disk"
        yield Check("standby", "note", text, "Set synchronous_standby_names if there is one.")
    else:
        yield Check("standby", "ok", "a standby confirms every commit")


def _role(store: PostgresStore) -> Iterator[Check]:
    name, superuser, owner = server.own_role(store)
    hint = "Use a role that only appends: token-console journal init-postgres makes its grants."
    if superuser or owner:
        which = "is a superuser" if superuser else "owns the journal's tables"
        yield Check("role", "bad", f"{name} {which}, and could rewrite every entry", hint)
    elif store.may_change():
        yield Check("role", "bad", f"{name} may change or remove entries", hint)
    else:
        yield Check("role", "ok", f"{name} may append and read, and nothing else")
    for odd in store.guards():
        yield Check("trigger", "bad", odd.text, next_step("guard"))


def _others(store: PostgresStore) -> Iterator[Check]:
    rows = server.other_roles(store)
    change = [name for name, superuser, may, _ in rows if may and not superuser]
    write = [name for name, superuser, may, append in rows if append and not may and not superuser]
    supers = [name for name, superuser, *_ in rows if superuser]
    if change:
        told = _names(change)
        text = f"other roles may change or remove entries: {told}"
        yield Check("writers", "bad", text, "Revoke UPDATE, DELETE and TRUNCATE from them.")
    if write:
        text = f"other roles may append too: {_names(write)}"
        yield Check("writers", "note", text, "Each should be a console's; revoke the others'.")
    if supers:
        text = f"superusers could rewrite what nobody else saw: {_names(supers)}"
        yield Check("writers", "note", text, "Keep a pin elsewhere, or let a witness cosign.")
    if not change and not write:
        yield Check("writers", "ok", "no other role may append or change entries")


def _wire(store: PostgresStore) -> Iterator[Check]:
    encrypted, local = server.wire(store)
    if encrypted or local:
        yield Check("wire", "ok", "encrypted" if encrypted else "the server is on this machine")
    else:
        text = "the connection is not encrypted: who listens can read it, and change it"
        yield Check("wire", "bad", text, "Put sslmode=verify-full into the connection string.")


def _clock(store: PostgresStore) -> Iterator[Check]:
    before = time.time()
    told = server.clock(store)
    # The answer was made at some moment of the round trip: its middle is the best guess.
    after = time.time()
    off, trip = told - (before + after) / 2, (after - before) / 2
    state = "bad" if abs(off) - trip > FAR else "note" if abs(off) - trip > NOTED else "ok"
    text = f"the server's clock differs from this machine's by {off:+.3f} s"
    yield Check("clock", state, text, "" if state == "ok" else "Let both follow one time server.")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
