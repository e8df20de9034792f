"""Brings links and claims up to what the store and the teams' files say."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from backends.model import Dependents, TokenRef
from console.graph import model
from console.graph.collect import assign, codeowners, config_files, stored, team_files
from console.graph.collect.team_files import Unusable
from console.graph.collect.write_links import Fact, Nodes, add, clear, note
from console.journal.read.fingerprint import fingerprint
from console.settings.graph import GraphSettings
from console.store.database import touch


class Collected(NamedTuple):
    """How many links and claims came from where they are collected."""

    links: int
    claims: int


def collect(
    engine: Engine,
    settings: GraphSettings,
    *,
    pepper: bytes | None = None,
    known_prints: Iterable[tuple[str, str]] = (),
    now: float | None = None,
) -> Collected:
    """Read everything that can be read without asking a backend, in one transaction.

    ``known_prints`` are fingerprints of values that were once in hand, with their handles:
    the journal has them. A file that cannot be used is noted, and its older links go.
    """
    at = int(time.time() if now is None else now)
    with engine.begin() as connection:
        nodes = Nodes(connection)
        links = stored.from_records(connection, nodes)
        stored.from_disabled(connection)
        links += stored.from_events(connection, nodes, at)
        learn(connection, known_prints, "journal", at)
        _forget_files(connection)
        claims = sum(_owners(connection, nodes, path, at) for path in settings.owners)
        links += sum(_consumers(connection, nodes, path, at) for path in settings.consumers)
        links += sum(_configs(connection, nodes, path, pepper, at) for path in settings.configs)
        links += stored.from_fingerprints(connection, nodes)
        links += stored.from_entries(connection, nodes)
        assign.write_back(connection, nodes)
        touch(connection)
    return Collected(links, claims)


def answered(engine: Engine, ref: TokenRef, answer: Dependents, now: float | None = None) -> int:
    """Keep what a backend answered when it was asked what depends on a token."""
    at = int(time.time() if now is None else now)
    with engine.begin() as connection:
        nodes = Nodes(connection)
        count = stored.from_answer(connection, nodes, ref, answer, at)
        stored.from_entries(connection, nodes)
        touch(connection)
    return count


def learn(connection: Connection, prints: Iterable[tuple[str, str]], origin: str, at: int) -> None:
    """Remember fingerprints with the tokens that they are of."""
    rows = [(one, handle, origin, at) for one, handle in prints if one]
    if rows:
        connection.exec_driver_sql(
            "INSERT OR IGNORE INTO fingerprint (print, handle, origin, at) VALUES (?, ?, ?, ?)",
            rows,
        )


def _forget_files(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM claim WHERE how = 'declared'")
    connection.exec_driver_sql("DELETE FROM departed WHERE origin <> 'principals'")
    connection.exec_driver_sql(
        "DELETE FROM link WHERE origin LIKE 'file %' OR origin LIKE 'configs %'"
    )
    connection.exec_driver_sql(
        "DELETE FROM link_source WHERE kind IN ('owners', 'consumers', 'configs')"
    )


def _tokens(connection: Connection, wanted: str) -> list[str]:
    """The handles that a file means by a word."""
    backend, _, rest = wanted.partition("/")
    if "*" in wanted or "?" in wanted:
        rows = connection.exec_driver_sql("SELECT handle, backend, name, ref FROM token")
        return [
            handle
            for handle, its, name, ref in rows
            if fnmatch.fnmatchcase(name, wanted)
            or fnmatch.fnmatchcase(f"{its}/{name}", wanted)
            or fnmatch.fnmatchcase(f"{its}/{ref}", wanted)
        ]
    rows = connection.exec_driver_sql(
        "SELECT handle FROM token WHERE handle = ? OR ref = ? OR name = ?"
        " OR (backend = ? AND (ref = ? OR name = ?)) ORDER BY handle",
        (wanted, wanted, wanted, backend, rest, rest),
    )
    return [handle for (handle,) in rows]


def _owners(connection: Connection, nodes: Nodes, path: Path, at: int) -> int:
    name = str(path)
    try:
        text = team_files.read(path)
        if path.suffix != ".toml":
            return _codeowners(connection, nodes, path, text, at)
        told = team_files.owners(text)
    except Unusable as error:
        note(connection, name, "owners", at, 0, str(error), "Mend it; until then nobody is told.")
        return 0
    count = 0
    missed: list[str] = []
    for one in told.owner:
        for wanted in one.tokens:
            handles = _tokens(connection, wanted)
            missed += [] if handles else [wanted]
            for handle in handles:
                _claim(connection, nodes, handle, one.name, one.kind, name)
                count += 1
    for who in told.left:
        connection.exec_driver_sql(
            "INSERT OR REPLACE INTO departed (key, origin, name, how) VALUES (?, ?, ?, 'left')",
            (model.identity(who), name, who),
        )
    _note_missed(connection, name, "owners", at, count, missed)
    return count


def _codeowners(connection: Connection, nodes: Nodes, path: Path, text: str, at: int) -> int:
    rules, wrong = codeowners.parse(text)
    count = 0
    rows = connection.exec_driver_sql("SELECT handle, backend, name FROM token").fetchall()
    for handle, backend, name in rows:
        for owner, line in codeowners.owners(rules, f"{backend}/{name}"):
            _claim(connection, nodes, handle, owner, "", f"{path}:{line}")
            count += 1
    problem = "; ".join(f"line {line}: {why}" for line, why in wrong)
    note(connection, str(path), "owners", at, count, problem)
    return count


def _claim(
    connection: Connection, nodes: Nodes, handle: str, owner: str, kind: str, origin: str
) -> None:
    connection.exec_driver_sql(
        "INSERT INTO claim (handle, owner, kind, how, origin, at, entry, reason)"
        " VALUES (?, ?, ?, 'declared', ?, NULL, '', '')",
        (handle, owner, kind or model.guess(owner), origin),
    )
    who = nodes.who(owner, kind, 2 if kind else 0)
    fact = Fact(who, nodes.token(handle), model.OWNS, "declared", detail=origin)
    add(connection, f"file {origin}", [fact])


def _consumers(connection: Connection, nodes: Nodes, path: Path, at: int) -> int:
    name = str(path)
    try:
        told = team_files.consumers(team_files.read(path))
    except Unusable as error:
        note(connection, name, "consumers", at, 0, str(error), "Mend it; it is not used so.")
        return 0
    facts: list[Fact] = []
    missed: list[str] = []

    def handles(wanted: str) -> list[str]:
        found = _tokens(connection, wanted)
        missed.extend([] if found else [wanted])
        return found

    for one in told.consumer:
        use = nodes.use(one.kind, one.name, one.place)
        kind = model.KEPT_IN if one.kind == "entry" else model.USED_BY
        for wanted in one.tokens:
            facts += [
                Fact(
                    nodes.token(h), use, kind, "declared", team_files.unix(one.seen), 1, one.detail
                )
                for h in handles(wanted)
            ]
    for entry in told.entry:
        use = nodes.use("entry", entry.name, entry.backend)
        for wanted in entry.holds:
            facts += [Fact(nodes.token(h), use, model.KEPT_IN, "declared") for h in handles(wanted)]
        for grant in entry.opened_by:
            rows = connection.exec_driver_sql(
                "SELECT num FROM node WHERE side = 'grant' AND name = ? AND (place = ? OR ? = '')",
                (grant, entry.backend, entry.backend),
            ).fetchall()
            missed.extend([] if rows else [f"grant {grant}"])
            facts += [Fact(num, use, model.OPENS, "declared") for (num,) in rows]
    count = add(connection, f"file {name}", facts)
    _note_missed(connection, name, "consumers", at, count, missed)
    return count


def _note_missed(
    connection: Connection, name: str, kind: str, at: int, count: int, missed: list[str]
) -> None:
    some = ", ".join(missed[:5]) + (", …" if len(missed) > 5 else "")
    problem = f"{len(missed)} of its names match no token or grant: {some}" if missed else ""
    note(connection, name, kind, at, count, problem)


def _configs(
    connection: Connection, nodes: Nodes, folder: Path, pepper: bytes | None, at: int
) -> int:
    name = str(folder)
    clear(connection, f"configs {name}")
    if not folder.is_dir():
        note(connection, name, "configs", at, 0, "there is no such directory")
        return 0
    # A short id would be found everywhere: only ids that are no ordinary word count
    # (a key id of capitals may happen to have no digit).
    rows = connection.exec_driver_sql(
        "SELECT ref, handle FROM token WHERE length(ref) >= 16"
        " AND (ref GLOB '*[0-9]*' OR ref = upper(ref))"
    )
    ids = {str(ref): str(handle) for ref, handle in rows}
    rows = connection.exec_driver_sql("SELECT print, handle FROM fingerprint")
    prints = {str(one): str(handle) for one, handle in rows}
    made = None if pepper is None else (lambda value: fingerprint(pepper, value))
    found = config_files.search(folder, ids, prints, made)
    facts = [
        Fact(
            nodes.token(one.handle), nodes.use("file", f"{folder.name}/{one.path}"),
            model.USED_BY, "configured", one.seen, 1, f"line {one.line}, by {one.how}",
            95 if one.how == "fingerprint" else 85,
        )
        for one in found.found
    ]  # fmt: skip
    count = add(connection, f"configs {name}", facts)
    problem = f"not searched: {'; '.join(found.skipped[:5])}" if found.skipped else ""
    hint = ""
    if not prints:
        problem = problem or "it was searched for public ids only; no value was ever fingerprinted"
        hint = "Give one: token-console fingerprint ID < file-with-the-value."
    note(connection, name, "configs", at, count, problem, hint)
    return count
