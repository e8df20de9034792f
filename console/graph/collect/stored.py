"""Links that follow from what the store already holds: records, audit events, answers."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from backends.model import Dependents, How, Token, TokenRef, decode
from console.graph import model
from console.graph.collect.write_links import Fact, Nodes, add, clear, note
from console.store.classes import USE
from console.store.database import Connection
from console.store.write import links, owners

BATCH = 2_000
_UNREAD = (How.NOT_TRACKED, How.NOT_PERMITTED, How.NOT_READ)
CONSUMER_KINDS = {
    "object": "object",
    "lease": "lease",
    "address": "address",
    "session": "session",
    "workload": "workload",
    "host": "host",
    "entry": "entry",
    "store entry": "entry",
}


class Relinked(NamedTuple):
    """What came of making links of tokens' records anew."""

    links: int
    left: bool
    """Whether a principal is disabled that was not, or may be so no longer."""


def from_records(
    connection: Connection, nodes: Nodes, numbers: Collection[int] | None = None
) -> Relinked:
    """Owner, principal, creator, parent and grants of tokens whose record is different.

    With ``numbers`` only these tokens' records are looked at.
    """
    total = above = 0
    gone = owners.departed_of(connection, "principals")
    left = False
    while rows := links.unlinked(connection, BATCH, above, numbers):
        for _, handle, _, doc in rows:
            num = nodes.token(handle)
            # A parent's record makes the link that ends here, under the child's own name.
            token = decode(doc, Token)
            origin = f"record {handle}"
            before = links.held_by(connection, origin, model.SPEAKS) if gone else ()
            left = left or _left(token, before, gone)
            # Whose child it is does not change: whoever could not read it has learned nothing,
            # and must not take from the others what they know.
            if token.parent.how in _UNREAD:
                links.clear_but(connection, origin, model.PARENT, num)
            else:
                clear(connection, origin)
            total += add(connection, origin, _record(nodes, num, token))
        links.note_linked(connection, [(num, digest) for num, _, digest, _ in rows])
        above = rows[-1][0]
    return Relinked(total, left)


def _left(token: Token, before: Iterable[str], gone: Collection[str]) -> bool:
    """Whether who is disabled has to be looked for again, as a token's record is another one."""
    principal = token.principal.value
    now = model.identity(principal.name) if principal is not None and principal.name else ""
    if principal is not None and principal.disabled and now:
        return now not in gone or any(key in gone for key in before if key != now)
    return now in gone or any(key in gone for key in before)


def _record(nodes: Nodes, num: int, token: Token) -> list[Fact]:
    backend = token.ref.backend
    facts: list[Fact] = []
    if (owner := token.owner.value) is not None:
        facts.append(Fact(nodes.who(owner), num, model.OWNS, "configured", detail=backend))
    if (principal := token.principal.value) is not None:
        name = principal.name or principal.id
        person = any(word in principal.kind.casefold() for word in ("user", "person", "human"))
        kind = "person" if person else "service"
        who = nodes.who(name, kind, 1)
        facts.append(Fact(who, num, model.SPEAKS, "configured", detail=principal.kind))
    if (maker := token.created_by.value) is not None:
        who = nodes.who(maker)
        facts.append(Fact(who, num, model.MADE, "configured", confidence=60, detail=backend))
    if (parent := token.parent.value) is not None:
        above = nodes.token(parent.handle)
        facts.append(Fact(above, num, model.PARENT, "configured", detail=backend))
    for grant in token.grants.value or ():
        told = nodes.grant(backend, grant.kind, grant.name)
        detail = " ".join(filter(None, (grant.on and f"on {grant.on}", grant.via)))
        facts.append(Fact(num, told, model.CARRIES, "configured", detail=detail))
    return facts


def from_disabled(connection: Connection) -> None:
    """Accounts that their own system has disabled."""
    owners.drop_departed(connection, "principals")
    for name in owners.disabled_principals(connection):
        owners.depart(connection, model.identity(name), "principals", name, "disabled")


def from_events(
    connection: Connection, nodes: Nodes, at: int, handles: Sequence[str] | None = None
) -> int:
    """Who was seen using each token: its addresses, with how often, when and by which program.

    One use has an address and says a program: that is one consumer, and not two. A program
    stands for itself only where no address is known. What the token's system names itself,
    at that address, is the same consumer once more. With ``handles`` only of these tokens.
    """
    if handles is None:
        clear(connection, "audit log")
        told_of = links.details(connection, "asked %")
    else:
        links.clear_uses(connection, map(nodes.token, handles))
        told_of = links.details_of(connection, [f"asked {handle}" for handle in handles])
    named: dict[int, set[str]] = {}
    for num, detail in told_of:
        named.setdefault(num, set()).update(_words(detail))
    facts: list[Fact] = []
    for kind, seen_uses in (
        ("address", links.seen_addresses(connection, USE, handles)),
        ("workload", links.seen_programs(connection, USE, handles)),
    ):
        for handle, told, seen, times, origin, agents in seen_uses:
            num = nodes.token(handle)
            if told in named.get(num, ()):
                continue
            by = f"{origin}, {agents}" if agents and kind == "address" else origin
            use = nodes.use(kind, told)
            facts.append(Fact(num, use, model.USED_BY, "observed", seen, times, by))
    total = add(connection, "audit log", facts)
    all_of_them = total if handles is None else links.count_of(connection, "audit log")
    note(connection, "audit log", "events", at, all_of_them)
    return total


def _words(detail: str) -> list[str]:
    return [word.strip("(),;") for word in detail.split()]


def from_answer(
    connection: Connection, nodes: Nodes, ref: TokenRef, answer: Dependents, at: int
) -> int:
    """What a backend answered when it was asked what depends on a token."""
    name = f"asked {ref.handle}"
    clear(connection, name)
    num = nodes.token(ref.handle)
    facts: list[Fact] = []
    for one in answer.consumers:
        last = one.last_seen.value
        seen = at if last is None and one.kind == "session" else None
        seen = int(last.timestamp()) if last is not None else seen
        source = "observed" if one.last_seen.known or one.kind == "session" else "configured"
        detail = " ".join(filter(None, (one.detail, one.source)))
        if one.kind == "token":
            child = links.child(connection, ref.backend, ref.handle, one.name, one.detail)
            use = nodes.token(child) if child else nodes.use("object", one.name, ref.backend)
            kind = model.PARENT if child else model.USED_BY
        else:
            use_kind = CONSUMER_KINDS.get(one.kind, "workload")
            use = nodes.use(use_kind, one.name, ref.backend)
            kind = model.KEPT_IN if use_kind == "entry" else model.USED_BY
        facts.append(Fact(num, use, kind, source, seen, detail=detail))
    total = add(connection, name, facts)
    for word in {word for fact in facts for word in _words(fact.detail)}:
        # The same consumer as the log knew it.
        links.clear_seen(connection, num, word)
    told = "; ".join(dict.fromkeys(f"{gap.what} ({gap.kind.value})" for gap in answer.gaps))
    hints = " ".join(dict.fromkeys(gap.hint for gap in answer.gaps if gap.hint))
    note(connection, name, "asked", at, total, told, hints)
    return total


def from_fingerprints(connection: Connection, nodes: Nodes) -> int:
    """Records that hold the same value."""
    clear(connection, "fingerprints")
    facts: list[Fact] = []
    for together in links.same_prints(connection):
        nums = [nodes.token(handle) for handle in json.loads(together)]
        facts += [
            Fact(a, b, model.SIBLING, "observed", detail="equal fingerprints")
            for a in nums
            for b in nums
            if a != b
        ]
    return add(connection, "fingerprints", facts)


def from_entries(connection: Connection, nodes: Nodes) -> int:
    """Grants that are limited to a path, and the known store entries that lie on it."""
    clear(connection, "grant paths")
    entries = links.entries(connection)
    if not entries:
        return 0
    facts: list[Fact] = []
    for grant, backend, pattern in links.grant_paths(connection, model.CARRIES):
        for entry, name, place in entries:
            if place == backend and fnmatch.fnmatchcase(name, pattern.split(" ")[0]):
                facts.append(Fact(grant, entry, model.OPENS, "configured", detail=pattern))
    return add(connection, "grant paths", facts)
