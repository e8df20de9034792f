"""Writes who owns what: assignments by hand, and the inventory's own owner column.

The inventory's list, search and sorting read that column, so that "owner:none" and
``owner:payments`` find what holds after all claims, not only what a backend says.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from backends.model import Token, decode
from console.errors import UsageError
from console.graph import model, owners
from console.graph.collect.write_links import Fact, Nodes, add, clear
from console.inventory.sync.validate import columns
from console.journal.format.entry import Act, Kind, Target
from console.journal.format.scan import withhold
from console.journal.write.journal import Journal
from console.store.database import Connection, Engine, touch
from console.store.queries import owners as queries
from console.store.queries.marks import LINKS
from console.store.text_fold import KEY, encodable, fold, hay
from console.store.write import marks, tokens
from console.store.write import owners as rows


def assign(
    engine: Engine,
    journal: Journal,
    handle: str,
    owner: str,
    reason: str,
    kind: str = "",
    incident: str = "",
) -> str:
    """Make somebody answer for a token; returns the journal entry's id.

    ``incident`` is the one that is worked on; empty for none.

    The entry is durable before the claim is written: a claim without one cannot be.

    Raises:
        UsageError: there is no such token, or no owner is named.
        JournalError: it could not be journaled; nothing is different then.
    """
    owner = encodable(owner.strip())
    if not owner or len(owner) > 200:
        raise UsageError("an owner needs a name of at most 200 characters")
    with engine.connect() as connection:
        doc = tokens.document(connection, handle)
    if doc is None:
        raise UsageError(f"no token has the handle {handle}")
    token = decode(doc, Token)
    target = Target(
        kind=token.ref.kind,
        id=token.ref.id,
        handle=handle,
        name=withhold(token.name[:200], formats_only=True),
        owner=withhold(owner, formats_only=True),
    )
    act = Act(verb="assign owner", backend=token.ref.backend, target=target)
    entry = journal.append(Kind.NOTE, why=reason, incident=incident, act=act)
    with engine.begin() as connection:
        nodes = Nodes(connection)
        rows.claim(
            connection, handle, owner, kind or model.guess(owner),
            how="hand", origin="journal", at=int(time.time()), entry=entry.id, reason=reason,
        )  # fmt: skip
        write_back(connection, nodes)
        marks.bump(connection, LINKS)
        touch(connection)
    return entry.id


def write_back(connection: Connection, nodes: Nodes, numbers: Collection[int] | None = None) -> int:
    """Put the resolved owner into the inventory's rows. Returns how many are different now.

    With ``numbers`` only into those of these tokens, where no claim and nobody who left is new.
    """
    if numbers is None:
        clear(connection, "hand")
    gone = owners.gone(connection)
    hows = dict(queries.departed(connection))
    named = rows.shown_owners(connection, numbers) if gone else ()
    departed = [name for name in named if model.identity(name) in gone]
    changed = 0
    for row in rows.to_resolve(connection, departed, numbers):
        token = decode(row.doc, Token)
        found = owners.resolve(owners.claims(connection, row.handle), gone)
        if found.how == owners.HAND:
            fact = Fact(
                nodes.who(found.owner, found.kind, 2),
                nodes.token(row.handle),
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
        if (owner, origin, why) == (row.owner, row.owner_from, row.owner_gone):
            continue
        principal = token.principal.value
        new_hay = hay(
            (token.name, token.ref.id),
            (owner or "", principal.name if principal else "", token.ref.backend, token.ref.kind,
             token.scope),
        )  # fmt: skip
        how = "known" if origin else values["owner_how"]
        key = fold(owner, KEY) if origin and owner else values["owner_key"]
        rows.set_owner(
            connection, row.num,
            owner=owner, key=key, how=how, origin=origin, gone=why, hay=new_hay,
        )  # fmt: skip
        if new_hay != row.hay:
            tokens.unindex(connection, [(row.num, row.hay, row.grant_text)])
            tokens.index(connection, [(row.num, new_hay, row.grant_text)])
        changed += 1
    return changed
