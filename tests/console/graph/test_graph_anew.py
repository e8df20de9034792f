"""Links that are made anew of what is different are those that are made of everything."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.model import (
    AuditEvent,
    Consumer,
    Dependents,
    EventClass,
    Grant,
    Principal,
    Secret,
    known,
)
from backends.model import Token as TokenRecord
from console.audit import intake
from console.graph.collect.collect import Collected, answered, collect
from console.graph.freshness import files_mark, stale
from console.journal.read.fingerprint import fingerprint
from console.settings.graph import GraphSettings
from console.store import reading

PEPPER = bytes(32)
TOLD = (
    "SELECT a.side, a.key, b.side, b.key, l.kind, l.source, l.origin, l.seen, l.times,"
    " l.confidence, l.detail FROM link l JOIN node a ON a.num = l.a JOIN node b ON b.num = l.b"
    " ORDER BY 1, 2, 3, 4, 5, 6, 7",
    "SELECT handle, owner, owner_from, owner_gone, owner_key, hay FROM token ORDER BY handle",
    "SELECT key, origin, name, how FROM departed ORDER BY 1, 2",
    "SELECT handle, owner, kind, how, origin FROM claim ORDER BY 1, 2, 5",
    "SELECT name, kind, found, problem, hint FROM link_source ORDER BY 1",
)
ANEW = (
    "DELETE FROM mark WHERE name LIKE 'link%'",
    "DELETE FROM linked",
    "DELETE FROM departed",
    "DELETE FROM link WHERE origin NOT LIKE 'asked %'",
)


def told(desk: Desk) -> list[Any]:
    with closing(sqlite3.connect(desk.path)) as store:
        return [store.execute(sql).fetchall() for sql in TOLD]


class Estate:
    """Tokens, events, files and fingerprints that change at random."""

    def __init__(self, folder: Path, draw: random.Random) -> None:
        self.desk, self.draw, self.folder = Desk(folder), draw, folder
        self.tokens: dict[str, TokenRecord] = {}
        self.system = Scripted(listing())
        self.system.log = []
        (folder / "deploy").mkdir()
        self.settings = GraphSettings()
        self.number = 0

    def token(self) -> None:
        name = f"t{self.draw.randrange(6)}"
        people = [Principal(str(n), f"p{n}", "user", disabled=self.draw.random() < 0.4)
                  for n in range(3)]  # fmt: skip
        self.tokens[name] = token(
            name,
            owner=known(self.draw.choice(("p0", "p1", "core", "web")), "tag"),
            principal=known(self.draw.choice(people), "record"),
            grants=known((Grant("policy", self.draw.choice("abc"), "secret/*"),), "record"),
        )

    def gone(self) -> None:
        if self.tokens:
            del self.tokens[self.draw.choice(list(self.tokens))]

    def use(self) -> None:
        for name in self.draw.sample(list(self.tokens), min(2, len(self.tokens))):
            self.number += 1
            self.system.log.append(
                AuditEvent(
                    id=f"e{self.number}", at=NOW - timedelta(minutes=self.draw.randrange(900)),
                    action="get", sort=EventClass.USE, token=self.tokens[name].ref,
                    source=self.draw.choice(("", "10.0.0.1", "10.0.0.2")),
                    agent=self.draw.choice(("", "ci/1")),
                )
            )  # fmt: skip

    def owners(self) -> None:
        name = self.draw.choice(("pay", "core"))
        wanted = self.draw.choice(("name of t*", "vault/name of t1", "t2"))
        left = self.draw.choice(('left = ["core"]\n', 'left = ["p1"]\n', ""))
        path = self.folder / "owners.toml"
        path.write_text(f'{left}[[owner]]\nname = "{name}"\ntokens = ["{wanted}"]\n')
        self.settings = GraphSettings(owners=(path,), configs=self.settings.configs)

    def config(self) -> None:
        self.settings = GraphSettings(
            owners=self.settings.owners, configs=(self.folder / "deploy",)
        )
        value = f"value-{self.draw.randrange(3)}-0123456789"
        (self.folder / "deploy" / f"{self.draw.randrange(3)}.env").write_text(f"T={value}\n")

    def ask(self) -> None:
        if self.tokens:
            one = self.draw.choice(list(self.tokens.values()))
            answer = Dependents((Consumer("kv/secret", "entry"),
                                 Consumer("job", "workload", "at 10.0.0.1")))  # fmt: skip
            answered(self.desk.engine, one.ref, answer, NOW.timestamp())

    def prints(self) -> list[tuple[str, str]]:
        return [
            (fingerprint(PEPPER, Secret(f"value-{n}-0123456789")), one.ref.handle)
            for n, one in enumerate(self.tokens.values())
            if n < 3 and self.number > 4
        ]

    def step(self) -> None:
        self.draw.choice(
            (self.token, self.token, self.token, self.use, self.use, self.gone, self.owners,
             self.config, self.ask)
        )()  # fmt: skip
        self.system.items = listing(*self.tokens.values())
        self.desk.sync(self.system)
        asyncio.run(intake.take_in(self.desk.syncer, self.system))

    def collect(self) -> Collected:
        return collect(self.desk.engine, self.settings, pepper=PEPPER,
                       known_prints=self.prints(), now=NOW.timestamp())  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_after_any_changes_links_are_those_that_are_made_of_everything(
    tmp_path: Path, seed: int
) -> None:
    estate = Estate(tmp_path, random.Random(seed))
    for _ in range(14):
        for _ in range(estate.draw.randrange(1, 4)):
            estate.step()
        estate.collect()
        before = told(estate.desk)
        with contextlib.closing(sqlite3.connect(estate.desk.path)) as store:
            for sql in ANEW:
                store.execute(sql)
            store.commit()
        estate.collect()
        for one, other in zip(before, told(estate.desk), strict=True):
            assert one == other


@contextlib.contextmanager
def statements(desk: Desk) -> Iterator[list[str]]:
    """What is written in the store meanwhile."""
    found: list[str] = []
    with desk.engine.connect() as connection:
        connection.set_trace_callback(found.append)
    yield found
    with desk.engine.connect() as connection:
        connection.set_trace_callback(None)


def test_where_nothing_is_different_nothing_is_read_or_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    system = Scripted(listing(token("a"), token("b")))
    desk.sync(system)
    collect(desk.engine, GraphSettings(), now=NOW.timestamp())
    with closing(reading.connect(desk.path)) as connection:
        before = reading.generation(connection)
        assert not stale(connection, files_mark(GraphSettings(), None), [])
    with statements(desk) as found:
        assert collect(desk.engine, GraphSettings()) == Collected(0, 0)
    assert not [sql for sql in found if "document" in sql or "INSERT" in sql or "DELETE" in sql]
    with closing(reading.connect(desk.path)) as connection:
        assert reading.generation(connection) == before
    # A token that is different is the only one that is read.
    desk.sync(Scripted(listing(token("a", owner=known("ledger", "tag")), token("b"))))
    with closing(reading.connect(desk.path)) as connection:
        assert stale(connection, files_mark(GraphSettings(), None), [])
    assert collect(desk.engine, GraphSettings()).links == 2


def test_a_file_that_is_written_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "owners.toml"
    path.write_text('[[owner]]\nname = "one"\ntokens = ["a"]\n')
    told_ = GraphSettings(owners=(path,))
    before = files_mark(told_, None)
    assert files_mark(told_, None) == before
    path.write_text('[[owner]]\nname = "other"\ntokens = ["a"]\n')
    assert files_mark(told_, None) != before
    path.unlink()
    assert files_mark(told_, None) not in (before, files_mark(GraphSettings(), None))
    assert files_mark(GraphSettings(), PEPPER) != files_mark(GraphSettings(), None)
