"""Brings links and claims up to what the store and the teams' files say."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from backends.model import Dependents, TokenRef
from console.graph import model
from console.graph.collect import assign, codeowners, config_files, stored, team_files
from console.graph.collect.team_files import Unusable
from console.graph.collect.write_links import Fact, Nodes, add, clear, note
from console.graph.freshness import files_mark, stale
from console.journal.read.fingerprint import fingerprint
from console.settings.graph import GraphSettings
from console.store.database import Connection, Engine, touch
from console.store.queries.marks import LINKED, LINKED_PRINTS, LINKS, LOST, RECORD, USED, value
from console.store.queries.marks import prints as count_prints
from console.store.write import links, marks, owners


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
    """Make links of everything that can be read without asking a backend, in one transaction.

    Only of what is different since it was done last: tokens and uses that are noted in the
    store, files that changed, fingerprints that are new. ``known_prints`` are fingerprints of
    values that were once in hand, with their handles: the journal has them. A file that cannot
    be used is noted, and its older links go. Returns what was written.
    """
    at = int(time.time() if now is None else now)
    files = files_mark(settings, pepper)
    prints = list(known_prints)
    with engine.begin() as connection:
        if not stale(connection, files, prints):
            return Collected(0, 0)
        nodes = Nodes(connection)
        known = value(connection, LINKED)
        some = {int(num) for num in marks.take(connection, RECORD)}
        tokens = None if known is None else some
        used = marks.take(connection, USED)
        lost = known is None or value(connection, LOST) is not None
        found, left = stored.from_records(connection, nodes, tokens)
        if lost:
            # A backend that was forgotten takes its tokens' links with it.
            links.drop_lost(connection)
            marks.drop(connection, LOST)
        departed = lost or left
        if departed:
            stored.from_disabled(connection)
        if lost or used:
            found += stored.from_events(connection, nodes, at, None if lost else used)
        learn(connection, prints, "journal", at)
        claims = 0
        # Files name tokens, and are searched for their ids and values.
        again = (
            tokens is None or bool(tokens) or lost or known != files
            or value(connection, LINKED_PRINTS) != count_prints(connection)
        )  # fmt: skip
        if again:
            read, claims = _files(connection, nodes, settings, pepper, at)
            found += read + stored.from_fingerprints(connection, nodes)
            found += stored.from_entries(connection, nodes)
        plain = departed or known != files or bool(settings.owners)
        assign.write_back(connection, nodes, None if plain else tokens)
        marks.put(connection, LINKED, files)
        marks.put(connection, LINKED_PRINTS, count_prints(connection))
        marks.bump(connection, LINKS)
        touch(connection)
    return Collected(found, claims)


def _files(
    connection: Connection, nodes: Nodes, settings: GraphSettings, pepper: bytes | None, at: int
) -> tuple[int, int]:
    """How many links and claims the teams' files give."""
    _forget_files(connection)
    claims = sum(_owners(connection, nodes, path, at) for path in settings.owners)
    found = sum(_consumers(connection, nodes, path, at) for path in settings.consumers)
    found += sum(_configs(connection, nodes, path, pepper, at) for path in settings.configs)
    return found, claims


def answered(engine: Engine, ref: TokenRef, answer: Dependents, now: float | None = None) -> int:
    """Keep what a backend answered when it was asked what depends on a token."""
    at = int(time.time() if now is None else now)
    with engine.begin() as connection:
        nodes = Nodes(connection)
        count = stored.from_answer(connection, nodes, ref, answer, at)
        stored.from_entries(connection, nodes)
        # What its system names itself is not told once more by the log.
        marks.note_used(connection, [ref.handle])
        marks.bump(connection, LINKS)
        touch(connection)
    return count


def learn(connection: Connection, prints: Iterable[tuple[str, str]], origin: str, at: int) -> None:
    """Remember fingerprints with the tokens that they are of."""
    links.learn(connection, prints, origin, at)


def _forget_files(connection: Connection) -> None:
    owners.drop_claims(connection, "declared")
    owners.drop_departed(connection, "principals", others=True)
    links.clear_from(connection, "file ", "configs ")
    links.drop_sources(connection, ("owners", "consumers", "configs"))


def _tokens(connection: Connection, wanted: str) -> list[str]:
    """The handles that a file means by a word."""
    if "*" in wanted or "?" in wanted:
        return [
            token.handle
            for token in owners.names_of(connection)
            if fnmatch.fnmatchcase(token.name, wanted)
            or fnmatch.fnmatchcase(f"{token.backend}/{token.name}", wanted)
            or fnmatch.fnmatchcase(f"{token.backend}/{token.ref}", wanted)
        ]
    return owners.handles_of(connection, wanted)


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
        owners.depart(connection, model.identity(who), name, who, "left")
    _note_missed(connection, name, "owners", at, count, missed)
    return count


def _codeowners(connection: Connection, nodes: Nodes, path: Path, text: str, at: int) -> int:
    rules, wrong = codeowners.parse(text)
    count = 0
    for token in owners.names_of(connection):
        for owner, line in codeowners.owners(rules, f"{token.backend}/{token.name}"):
            _claim(connection, nodes, token.handle, owner, "", f"{path}:{line}")
            count += 1
    problem = "; ".join(f"line {line}: {why}" for line, why in wrong)
    note(connection, str(path), "owners", at, count, problem)
    return count


def _claim(
    connection: Connection, nodes: Nodes, handle: str, owner: str, kind: str, origin: str
) -> None:
    guessed = kind or model.guess(owner)
    owners.claim(connection, handle, owner, guessed, how="declared", origin=origin)
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
            grants = links.nodes_named(connection, "grant", grant, entry.backend)
            missed.extend([] if grants else [f"grant {grant}"])
            facts += [Fact(num, use, model.OPENS, "declared") for num in grants]
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
    ids = owners.long_ids(connection)
    prints = links.fingerprints(connection)
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
