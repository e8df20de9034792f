"""``sync``, ``list``, ``show`` and ``identify``."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backends.words import count
from console import settings
from console.cli.shell import output
from console.cli.show import describe
from console.errors import Exit, UsageError
from console.inventory import export, json_lines
from console.inventory.search import query
from console.inventory.search.inventory import COLUMNS, Detail, Inventory, Row, Sort
from console.inventory.search.resolve_name import told_apart
from console.journal.case_scope import scopes
from console.settings import Paths, paths
from console.store import upkeep
from console.store.queries.names import LIMIT
from console.text import age

if TYPE_CHECKING:
    from backends.model import Token
    from console.inventory.sync.sync import SyncReport
    from console.response.state.token_life import About

PAGE = 1000
HISTORY = 1000
"""Lines of a history that are read at least, to say how many there are."""
MAX_SECRET = 64 * 1024
AMBIGUOUS = 10
"""Tokens that are listed where a text means several."""


@contextlib.contextmanager
def opened(where: Paths) -> Iterator[Inventory]:
    """The inventory to read from.

    Raises:
        UsageError: nothing was read into it yet.
    """
    if not where.inventory.exists():
        raise UsageError("there is no inventory yet", "Read the backends first: token-console sync")
    upkeep.bring_up_to_date(where.inventory)
    inventory = Inventory(where.inventory, scopes=scopes(where))
    try:
        yield inventory
    finally:
        inventory.close()


def one(inventory: Inventory, wanted: str) -> Row:
    """The one token that a person means.

    Raises:
        UsageError: there is none, or more than one.
    """
    found = inventory.find(wanted)
    if not found:
        raise UsageError(f"no token is called {wanted!r}", "Look for it: token-console list WORDS")
    if len(found) > 1:
        told = told_apart(found[:AMBIGUOUS], time.time())
        if len(found) > AMBIGUOUS:
            told.append(f"and {'more' if len(found) == LIMIT else len(found) - AMBIGUOUS}")
        many = f"{len(found)} or more" if len(found) == LIMIT else str(len(found))
        raise UsageError(
            f"{many} tokens are meant by {wanted!r}; name one by its handle", "\n".join(told)
        )
    return found[0]


def sync(chosen: argparse.Namespace) -> int:
    """Read the backends; exit 3 where one was not read whole, 1 where none was read."""
    import asyncio

    from backends import plugins, registry
    from console.fleet import Fleet

    where = paths(chosen.home)
    loaded = settings.load(where.config)
    for problem in loaded.problems:
        output.error(f"{where.config}:{problem.line}: {problem.message}", problem.hint)

    async def read() -> list[tuple[str, dict[str, object]]]:
        async with Fleet(loaded, where) as fleet:
            names = fleet.chosen(chosen.backend)

            def progress(name: str, done: int, total: int | None) -> None:
                output.progress(f"{name}: {done:,}" + (f" of {total:,}" if total else ""))

            def log(name: str, events: int, back_to: float | None) -> None:
                output.progress(f"{name}: its log, {events:,}")

            async def look(name: str) -> tuple[str, SyncReport]:
                return name, await fleet.sync(name, progress, log, wait=True)

            found = {}
            # Each as it ends: one that hangs must not keep the others' rows back.
            for ended in asyncio.as_completed([look(name) for name in names]):
                name, report = await ended
                found[name] = report._asdict()
                output.progress_done()
                _tell(name, report, chosen.json)
            return [(name, found[name]) for name in names]

    reports = asyncio.run(read())
    for table in loaded.backends:
        told = registry.TYPES.clash(str(table.table.get("type")))
        if told and table.name in dict(reports):
            output.error(f"{table.name}: {told}", plugins.CLASH_HINT)
    if chosen.json:
        print(export.dumps(dict(reports)))
    watch_incidents(where)
    results = {str(report["result"]) for _, report in reports}
    if results == {"ok"} and not loaded.problems:
        return Exit.OK
    return Exit.FAILED if results <= {"failed"} else Exit.PARTIAL


def watch_incidents(where: Paths) -> None:
    """Say which closed incidents what was just read has opened again.

    Raises:
        ConsoleError: whether one is over cannot be told.
    """
    from console.incident import service

    for id_, why in service.watch(where):
        output.error(f"{id_} is open again: {why}", f"See: token-console incident show {id_}")


def _tell(name: str, report: SyncReport, json: bool) -> None:
    """How one look ended, as soon as it has."""
    if not json:
        told = f"{name}: {report.result}"
        # What nobody could read is not known to be without tokens.
        if report.tokens or report.result not in ("failed", "busy"):
            told += f", {count(report.tokens, 'token')}"
        for word in ("new", "changed", "gone", "back"):
            number = getattr(report, word)
            told += f", {number:,} {word}" if number else ""
        output.line(told + (f", {count(report.gaps, 'gap')}" if report.gaps else ""))
        sys.stdout.flush()
    if report.message:
        output.error(f"{name}: {report.message}", report.hint)


def list_(chosen: argparse.Namespace) -> int:
    """Print the tokens that a query finds."""
    asked = query.parse(" ".join(chosen.query))
    descending = chosen.sort.startswith("-")
    column = chosen.sort.removeprefix("-")
    if column not in COLUMNS:
        raise UsageError(f"there is no column {column!r}", f"Known are: {', '.join(COLUMNS)}.")
    sort = Sort(column, descending)
    with opened(paths(chosen.home)) as inventory:
        if chosen.json:
            found = itertools.islice(inventory.stored(asked, sort), chosen.limit)
            export.write_json(json_lines.lines(found), sys.stdout.write)
        elif chosen.csv:
            each = itertools.islice(inventory.each(asked, sort), chosen.limit)
            export.write_csv(each, sys.stdout.write)
        else:
            rows = _rows(inventory, asked, sort, chosen.limit)
            cut = len(rows) == chosen.limit and inventory.count(asked, len(rows), sort) > len(rows)
            _print(rows, time.time(), more=cut)
            _note_stale(inventory)
    return Exit.OK


def _rows(inventory: Inventory, asked: query.Query, sort: Sort, limit: int | None) -> list[Row]:
    """The rows of a list for people, in pages, since nobody reads a million at once."""
    rows: list[Row] = []
    while limit is None or len(rows) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(rows))
        page = inventory.window(asked, sort, len(rows), size)
        rows += page
        if len(page) < size:
            break
    return rows


def _print(rows: list[Row], now: float, *, more: bool) -> None:
    def ago(moment: int | None, how: str) -> str:
        return export.word(how) if moment is None else age(now - moment)

    output.table(
        ["HANDLE", "TOKEN", "BACKEND", "OWNER", "AGE", "USED", "EXPIRES", "STATE"],
        [
            [
                row.handle,
                row.name,
                row.backend,
                row.owner if row.owner is not None else _none(row.owner_how),
                ago(row.created_at, row.created_how),
                ago(row.used_at, row.used_how),
                ago(row.expires_at, row.expires_how),
                row.state if row.presence == "present" else row.presence,
            ]
            for row in rows
        ],
        [12, 40, 16, 20, 13, 13, 13, 10],
    )
    many = count(len(rows), "token")
    output.note(f"the first {many}; there are more" if more else many)


def _none(how: str) -> str:
    return "(none)" if how == "never" else export.word(how)


def _note_stale(inventory: Inventory) -> None:
    for state in inventory.backends():
        if state.result in ("failed", "partial"):
            when = (
                f"as of {age(time.time() - state.synced_at)} ago"
                if state.synced_at
                else "never read"
            )
            output.error(
                f"{state.name}: {when}: {state.error or 'not seen whole'}", state.hint or ""
            )


def show(chosen: argparse.Namespace) -> int:
    """Print all that is known about one token."""
    where = paths(chosen.home)
    with opened(where) as inventory:
        row = one(inventory, chosen.token)
        detail = inventory.detail(row.handle)
        if detail is None:
            raise UsageError("the token left the inventory just now")
        most = max(chosen.history, HISTORY)
        changes = inventory.changes(row.handle, most)
        events = inventory.events(row.handle, most)
        told = _about(detail, where, inventory)
        if chosen.json:
            shown = export.detail(detail, changes, events)
            print(export.dumps({**shown, "response": told.told()}))
        else:
            now = datetime.now(UTC)
            for text in describe(detail, changes, events, now, chosen.history, told):
                output.line(text)
    return Exit.OK


def _about(detail: Detail, where: Paths, inventory: Inventory) -> About:
    """What the journal tells of a token. Loaded here: most commands read no journal."""
    from console.journal import opening
    from console.response.state.token_life import about

    def token(handle: str) -> Token | None:
        found = inventory.detail(handle)
        return found.token if found is not None else None

    gone = detail.row.presence == "gone"
    with opening.view(where) as view:
        return about(detail.token, where, view, time.time(), gone=gone, parent_of=token)


def identify(chosen: argparse.Namespace) -> int:
    """Tell whose token a secret is; exit 1 where no backend knows it."""
    import asyncio
    import getpass

    from backends.model import Secret
    from console.fleet import Fleet

    where = paths(chosen.home)
    loaded = settings.load(where.config)
    if sys.stdin.isatty():
        text = getpass.getpass("secret (not shown): ")
    else:
        text = sys.stdin.read(MAX_SECRET + 1)
    text = text.strip()
    if not text or len(text) > MAX_SECRET:
        raise UsageError("there is no secret on standard input", "pbpaste | token-console identify")
    secret = Secret(text)
    del text

    async def ask() -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
        async with Fleet(loaded, where) as fleet:
            matches, silent = await fleet.identify(secret, chosen.backend)
            return [
                {
                    "handle": match.ref.handle,
                    "backend": match.ref.backend,
                    "kind": match.ref.kind,
                    "id": match.ref.id,
                    "name": match.token.name if match.token else "",
                    "state": match.token.state if match.token else "",
                    "how": match.how,
                }
                for match in matches
            ], silent

    found, silent = asyncio.run(ask())
    if chosen.json:
        print(export.dumps({"matches": found, "not_asked": dict(silent)}))
    else:
        for match in found:
            output.line(
                f"{match['backend']}/{match['name'] or match['id']}  {match['kind']}  "
                f"{match['state']}  handle {match['handle']}  ({match['how']})"
            )
        for name, why in silent:
            output.error(f"{name} could not be asked: {why}")
        if not found:
            output.line("no backend that answered knows this secret")
    return Exit.OK if found else Exit.FAILED
