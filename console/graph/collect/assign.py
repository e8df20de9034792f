"""Writes who owns what: assignments by hand, and the inventory's own owner column.

The inventory's list, search and sorting read that column, so that "owner:none" and
``owner:payments`` find what holds after all claims, not only what a backend says.
"""

from __future__ import annotations

import json
import sqlite3
import time

from sqlalchemy import Connection, Engine

from backends.model import Token, decode
from console.errors import UsageError
from console.graph import model, owners
from console.graph.collect.write_links import Fact, Nodes, add
from console.inventory.sync.validate import columns
from console.inventory.sync.write_tokens import FTS_DELETE, FTS_INSERT
from console.journal.format.entry import Act, Kind, Target
from console.journal.format.scan import withhold
from console.journal.write.journal import Journal
from console.store.database import touch
from console.store.text_fold import KEY, encodable, fold, hay


def assign(
    engine: Engine, journal: Journal, handle: str, owner: str, reason: str, kind: str = ""
) -> str:
    """Make somebody answer for a token; returns the journal entry's id.

    The entry is durable before the claim is written: a claim without one cannot be.

    Raises:
        UsageError: there is no such token, or no owner is named.
        JournalError: it could not be journaled; nothing is different then.
    """
    owner = encodable(owner.strip())
    if not owner or len(owner) > 200:
        raise UsageError("an owner needs a name of at most 200 characters")
    with engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT d.doc FROM token t JOIN document d USING (num) WHERE t.handle = ?", (handle,)
        ).first()
    if row is None:
        raise UsageError(f"no token has the handle {handle}")
    token = decode(row[0], Token)
    target = Target(
        kind=token.ref.kind,
        id=token.ref.id,
        handle=handle,
        name=withhold(token.name[:200], formats_only=True),
        owner=withhold(owner, formats_only=True),
    )
    act = Act(verb="assign owner", backend=token.ref.backend, target=target)
    entry = journal.append(Kind.NOTE, why=reason, act=act)
    with engine.begin() as connection:
        nodes = Nodes(connection)
        connection.exec_driver_sql(
            "INSERT INTO claim (handle, owner, kind, how, origin, at, entry, reason)"
            " VALUES (?, ?, ?, 'hand', 'journal', ?, ?, ?)",
            (handle, owner, kind or model.guess(owner), int(time.time()), entry.id, reason),
        )
        write_back(connection, nodes)
        touch(connection)
    return entry.id


def write_back(connection: Connection, nodes: Nodes) -> int:
    """Put the resolved owner into the inventory's rows. Returns how many are different now."""
    connection.exec_driver_sql("DELETE FROM link WHERE origin = 'hand'")
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError("the inventory needs SQLite")
    gone = owners.gone(raw)
    hows = dict(raw.execute("SELECT key, how FROM departed"))
    named = raw.execute("SELECT DISTINCT owner FROM token WHERE owner IS NOT NULL") if gone else ()
    departed = [name for (name,) in named if model.identity(name) in gone]
    rows = connection.exec_driver_sql(
        "SELECT t.num, t.handle, t.owner, t.owner_from, t.owner_gone, t.hay, t.grant_text, d.doc"
        " FROM token t JOIN document d USING (num) WHERE t.owner_from <> '' OR t.owner_gone <> ''"
        " OR t.handle IN (SELECT handle FROM claim)"
        " OR t.owner IN (SELECT value FROM json_each(?))",
        (json.dumps(departed),),
    ).fetchall()
    changed = 0
    for num, handle, before, before_from, before_gone, old_hay, grants, doc in rows:
        token = decode(doc, Token)
        found = owners.resolve(owners.claims(raw, handle), gone)
        if found.how == owners.HAND:
            fact = Fact(
                nodes.who(found.owner, found.kind, 2),
                nodes.token(handle),
                model.OWNS,
                "declared",
                confidence=100,
                detail="assigned by hand",
            )
            add(connection, "hand", [fact])
        values = columns(token)
        owner, origin = values["owner"], ""
        if found.how in (owners.HAND, owners.DECLARED):
            owner, origin = found.owner, found.how
        why = hows.get(model.identity(owner), "") if owner and found.orphan else ""
        if (owner, origin, why) == (before, before_from, before_gone):
            continue
        principal = token.principal.value
        new_hay = hay(
            (token.name, token.ref.id, owner or "", principal.name if principal else "",
             token.ref.backend, token.ref.kind, token.scope)
        )  # fmt: skip
        how = "known" if origin else values["owner_how"]
        key = fold(owner, KEY) if origin and owner else values["owner_key"]
        connection.exec_driver_sql(
            "UPDATE token SET owner = ?, owner_key = ?, owner_how = ?, owner_from = ?,"
            " owner_gone = ?, hay = ? WHERE num = ?",
            (owner, key, how, origin, why, new_hay, num),
        )
        if new_hay != old_hay:
            connection.exec_driver_sql(FTS_DELETE, (num, old_hay, grants))
            connection.exec_driver_sql(FTS_INSERT, (num, new_hay, grants))
        changed += 1
    return changed
