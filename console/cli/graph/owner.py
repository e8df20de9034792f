"""``owner show``, ``orphans``, ``assign`` and ``leaves``."""

from __future__ import annotations

import argparse

from backends.words import count
from console.cli.graph.show import looking, wanted
from console.cli.inventory import one, opened
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.graph import export, owners
from console.graph import graph as graphs
from console.settings import paths

LIMITS = (12, 24, 40, 40, 60)


def show(chosen: argparse.Namespace) -> int:
    """Print who owns a token, and who says so."""
    where = paths(chosen.home)
    row = wanted(where, chosen.token)
    with looking(where) as (connection, _):
        found = owners.ownership(connection, row.handle)
    if chosen.json:
        told = found._asdict() | {"claims": [one._asdict() for one in found.claims]}
        print(export.dumps({"handle": row.handle, **told}))
        return Exit.OK
    if found.owner:
        output.line(f"{found.owner} ({found.kind}), {found.how}, by {found.origin}")
    if found.orphan:
        output.line(f"orphan: {found.orphan}")
    if found.suggested and not found.owner:
        output.line(f"perhaps {found.suggested}; assign: token-console owner assign {row.handle} …")
    if found.disputed:
        output.line("disputed: claims of the same standing name different owners")
    for claim in found.claims:
        entry = f", journal {claim.entry}" if claim.entry else ""
        line = f"  {claim.how}: {claim.owner} ({claim.origin}{entry}) {claim.reason}"
        output.line(line.rstrip())
    return Exit.OK


def orphans(chosen: argparse.Namespace) -> int:
    """Print the tokens that nobody answers for."""
    with looking(paths(chosen.home)) as (connection, _):
        found = owners.orphans(connection)
    if chosen.json:
        print(export.dumps([one._asdict() for one in found]))
    else:
        output.table(["HANDLE", "BACKEND", "TOKEN", "OWNER", "WHY"], found, LIMITS)
    return Exit.OK


def assign(chosen: argparse.Namespace) -> int:
    """Make somebody answer for a token, on the record."""
    from console.graph.collect.assign import assign as assigned
    from console.incident import active
    from console.journal import opening
    from console.store.database import open_for_writing

    where = paths(chosen.home)
    row = wanted(where, chosen.token)
    with looking(where):
        pass
    engine = open_for_writing(where.inventory)
    try:
        with opening.journal(where) as journal:
            entry = assigned(
                engine, journal, row.handle, chosen.owner, chosen.reason, chosen.kind,
                active.named(where, journal),
            )  # fmt: skip
    finally:
        engine.dispose()
    if chosen.json:
        print(export.dumps({"handle": row.handle, "owner": chosen.owner, "entry": entry}))
    else:
        output.line(f"{chosen.owner} answers for {row.backend}/{row.name} (journal {entry})")
    return Exit.OK


def leaves(chosen: argparse.Namespace) -> int:
    """Print what it means when a person, an app, a vendor or a token goes."""
    where = paths(chosen.home)
    with looking(where) as (connection, graph):
        found = owners.leaves(graph, chosen.name)
        if not any(found):
            with opened(where) as inventory:
                if not inventory.find(chosen.name):
                    raise UsageError(
                        f"nothing is known of {chosen.name!r}",
                        "Name an owner, a principal, a workload, a backend or a token.",
                    )
                row = one(inventory, chosen.name)
            num = graphs.node_of(connection, "token", row.handle)
            if num is None:
                raise UsageError("nothing is known of that token", "token-console sync")
            found = owners.loss(graph, [num])
        if chosen.json:
            told = {
                name: [graph.nodes[num]._asdict() for num in nums]
                for name, nums in found._asdict().items()
            }
            print(export.dumps(told))
            return Exit.OK
        words = {
            "dies": ("dies", "die"),
            "breaks": ("breaks", "break"),
            "orphaned": ("has no owner then", "have no owner then"),
            "unused": ("was used by nothing else", "were used by nothing else"),
        }
        for name, (one_, many) in words.items():
            nums = getattr(found, name)
            output.line(count(len(nums), one_, many))
            for num in nums:
                output.line(f"  {export.label(graph.nodes[num])}")
    return Exit.OK
