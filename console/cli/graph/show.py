"""``graph``, ``reach`` and ``fingerprint``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator

from console import settings
from console.cli.graph import rights
from console.cli.inventory import one, opened
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.graph import export
from console.graph import graph as graphs
from console.graph.graph import Graph
from console.graph.model import HUB, SHOWN, TITLES, Evidence, many
from console.graph.part import part
from console.graph.reach import Reach, by_side
from console.graph.stored import StoredGraph
from console.graph.upkeep import bring_up
from console.graph.xray import tree
from console.inventory.search.inventory import Row
from console.settings import Paths, paths
from console.store import reading
from console.text import age, safe


@contextlib.contextmanager
def looking(where: Paths) -> Iterator[tuple[sqlite3.Connection, StoredGraph]]:
    """The store and its graph, up to date; of the graph is read what is looked at."""
    if not where.inventory.exists():
        raise UsageError("there is no inventory yet", "Read the backends first: token-console sync")
    bring_up(where)
    with contextlib.closing(reading.connect(where.inventory)) as connection:
        yield connection, StoredGraph(connection)


def wanted(where: Paths, word: str) -> Row:
    """The one token that a word means."""
    with opened(where) as inventory:
        return one(inventory, word)


def run(chosen: argparse.Namespace) -> int:
    """Print a token's surroundings as a tree, or for a program."""
    where = paths(chosen.home)
    row = wanted(where, chosen.token)
    if chosen.ask:
        _ask(where, row)
    with looking(where) as (connection, graph):
        num = graphs.node_of(connection, "token", row.handle)
        if num is None:
            raise UsageError("nothing is known of that token", "token-console sync")
        if chosen.form is not None:
            whole = part(graph, [num], folded=False)
            nums = whole.nodes.keys()
            if chosen.form == "json":
                told = export.document(connection, whole, nums)
                told |= {"token": num, "not_known": graphs.unknowns(connection, row.handle)}
                print(export.dumps(told))
            else:
                draw = export.dot if chosen.form == "dot" else export.mermaid
                print(draw(whole, nums), end="")
            return Exit.OK
        _tree(connection, graph, num, chosen)
        for text in graphs.unknowns(connection, row.handle):
            output.note(f"not known: {text}")
    return Exit.OK


def _tree(
    connection: sqlite3.Connection, graph: Graph, num: int, chosen: argparse.Namespace
) -> None:
    now = time.time()
    above: list[int] = []
    given = 0
    for branch in tree(graph, num, reverse=chosen.reverse, rows=chosen.limit + 1):
        given += 1
        if given > chosen.limit:
            output.line(f"… there is more than {chosen.limit:,} lines: --limit N")
            break
        del above[branch.depth :]
        if branch.more:
            output.line("  " * branch.depth + f"and {many(branch.more)} more {TITLES[branch.kind]}")
            continue
        text = export.label(graph.nodes[branch.num])
        if above:
            pair = (branch.num, above[-1]) if chosen.reverse else (above[-1], branch.num)
            found = graphs.evidence(connection, *pair)
            why = _why(found[0], now) if found else "worked out from the entry that holds it"
            text = f"{branch.kind}: {text}  <{why}>"
        if branch.again:
            text += "  (shown above)"
        elif branch.also:
            text += f"  (also by {many(branch.also)} more)"
        output.line("  " * branch.depth + text)
        above.append(branch.num)


def _why(one: Evidence, now: float) -> str:
    seen = f", {age(now - one.seen)} ago" if one.seen else ""
    return f"{one.source}{seen}, {one.times}x" if one.times > 1 else f"{one.source}{seen}"


def reach(chosen: argparse.Namespace) -> int:
    """Print what a leak of a token gets to, each with its proof, and what the token may do."""
    where = paths(chosen.home)
    row = wanted(where, chosen.token)
    if chosen.may:
        return rights.may(where, row, *chosen.may, as_json=chosen.json)
    with looking(where) as (connection, graph):
        num = graphs.node_of(connection, "token", row.handle)
        if num is None:
            raise UsageError("nothing is known of that token", "token-console sync")
        may = None if chosen.stored else rights.opened(where, row)
        reached = graph.reach(num)
        sides = by_side(reached, graph.side_of)
        totals = graph.totals()
        unknown = graphs.unknowns(connection, row.handle)
        if chosen.json:
            graph.fetch(reached)
            told = {
                "token": row.handle,
                "counts": {side: [len(sides[side]), totals[side]] for side in sides},
                "reached": [
                    graph.nodes[one]._asdict()
                    | {"path": [[kind, n.num] for kind, n in graph.proof(reached, one)]}
                    for one in reached
                ],
                "siblings": [graph.nodes[one].key for one in graph.siblings(num)],
                "not_known": unknown,
            }
            if may is not None:
                told["may"] = may.document()
            print(export.dumps(told))
            return Exit.OK
        counts = ", ".join(
            f"{len(sides[side])}/{totals[side]} {TITLES[side]}" for side in sides if side != "who"
        )
        output.line(f"a leak of {safe(row.backend)}/{safe(row.name)} reaches {counts}")
        for side, found in sides.items():
            _reached(graph, reached, side, found)
        if may is not None:
            may.show()
        for text in unknown:
            output.note(f"not known: {text}")
    return Exit.OK


def _reached(graph: Graph, reached: Reach, side: str, found: list[int]) -> None:
    """Each reached node of a side with its proof; of more than can be read, the nearest."""
    shown = found if len(found) <= HUB else found[:SHOWN]
    graph.fetch({step for num in shown for step in reached.path(num)})
    for num in shown:
        steps = graph.proof(reached, num)
        path = " > ".join(f"{kind} {safe(node.name or node.key)}" for kind, node in steps[1:])
        output.line(f"  {TITLES[side]}: {export.label(graph.nodes[num])}  because {path}")
    if len(shown) < len(found):
        left = len(found) - len(shown)
        output.line(f"  {TITLES[side]}: and {left:,} more, each with its proof in --json")


def _ask(where: Paths, row: Row) -> None:
    from backends.errors import BackendError
    from backends.model import TokenRef
    from console.fleet import Fleet
    from console.graph.collect.collect import answered

    loaded = settings.load(where.config)
    ref = TokenRef(row.backend, row.kind, row.id)

    async def ask() -> None:
        async with Fleet(loaded, where) as fleet:
            try:
                answered(fleet.engine, ref, await fleet.dependents(ref))
            except BackendError as error:
                output.error(f"{row.backend} could not tell: {error}", error.hint)

    asyncio.run(ask())


def fingerprint(chosen: argparse.Namespace) -> int:
    """Remember the keyed hash of a token's value; the value itself is not kept."""
    from console.cli.response.access import secret_from_stdin
    from console.graph.collect.collect import learn
    from console.journal import opening
    from console.journal.files import beside
    from console.journal.read import fingerprint as prints
    from console.store.database import open_for_writing

    where = paths(chosen.home)
    row = wanted(where, chosen.token)
    value = secret_from_stdin()
    where.make()
    pepper = prints.pepper(beside(opening.base(where)).pepper, make=True)
    if pepper is None:
        raise UsageError("there is no pepper to hash with")
    engine = open_for_writing(where.inventory)
    try:
        with engine.begin() as connection:
            found = [(prints.fingerprint(pepper, value), row.handle)]
            learn(connection, found, "hand", int(time.time()))
    finally:
        engine.dispose()
    output.line(f"remembered for {row.backend}/{row.name}; its value was not kept")
    return Exit.OK
