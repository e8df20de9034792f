"""Links from records, events, answers and files; and what is not known."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from scripted import NOW, Desk, Scripted, listing, token

from backends.model import (
    AuditEvent,
    Consumer,
    Dependents,
    EventClass,
    Gap,
    GapKind,
    Grant,
    Principal,
    Secret,
    known,
)
from console.audit import intake
from console.graph import export, graph
from console.graph.collect.collect import answered, collect
from console.graph.graph import Graph
from console.graph.view import around
from console.journal.read.fingerprint import fingerprint
from console.settings import load
from console.settings.graph import GraphSettings
from console.store import reading

PEPPER = bytes(32)
HOSTILE = 'evil"]; click n1 "javascript:alert(1)" \\ \x1b[2J\n%%{init}%% </script>\u202e'


def see(desk: Desk) -> tuple[sqlite3.Connection, Graph]:
    connection = reading.connect(desk.path)
    return connection, graph.load(connection)


def links(desk: Desk) -> set[tuple[str, str, str]]:
    connection, found = see(desk)
    with closing(connection):
        names = {n.num: n.name or n.key for n in found.nodes.values()}
        return {
            (names[a], kind, names[b]) for (a, b), kinds in found.kinds.items() for kind in kinds
        }


def test_records_and_events_become_links_with_their_evidence(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    parent = token("p")
    child = token(
        "c",
        parent=known(parent.ref, "record"),
        principal=known(Principal("7", "ana", "user"), "record"),
        created_by=known("bob", "record"),
    )
    system = Scripted(listing(parent, child))
    system.log = [
        AuditEvent(id=str(n), at=NOW - timedelta(hours=n), action="get", sort=EventClass.USE,
                   token=child.ref, source="10.0.0.7", agent="ci/1.0")
        for n in range(1, 4)
    ]  # fmt: skip
    desk.sync(system)
    asyncio.run(intake.take_in(desk.syncer, system))
    for _ in range(2):  # A second time changes nothing.
        collect(desk.engine, GraphSettings())
        assert links(desk) == {
            ("payments", "owns", "name of p"),
            ("payments", "owns", "name of c"),
            ("ana", "holds", "name of c"),
            ("bob", "made", "name of c"),
            ("name of p", "parent of", "name of c"),
            ("name of p", "carries", "read"),
            ("name of c", "carries", "read"),
            # One use has an address and says a program: one consumer, and not two.
            ("name of c", "used by", "10.0.0.7"),
        }
    connection, found = see(desk)
    with closing(connection):
        a = graph.node_of(connection, "token", child.ref.handle)
        b = next(n.num for n in found.nodes.values() if n.name == "10.0.0.7")
        (why,) = graph.evidence(connection, a or 0, b)
    assert (why.source, why.times) == ("observed", 3)
    assert "ci/1.0" in why.detail
    assert why.seen == int((NOW - timedelta(hours=1)).timestamp())


def test_a_changed_record_takes_its_old_links_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("a"))))
    collect(desk.engine, GraphSettings())
    changed = token("a", owner=known("ledger", "tag"), grants=known((), "record"))
    desk.sync(Scripted(listing(changed)))
    collect(desk.engine, GraphSettings())
    assert links(desk) == {("ledger", "owns", "name of a")}


def test_a_forgotten_backend_takes_its_links_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.sync(Scripted(listing(token("a"))))
    collect(desk.engine, GraphSettings())
    asyncio.run(desk.syncer.remove_backend("vault"))
    collect(desk.engine, GraphSettings())
    assert links(desk) == set()


def test_an_answer_is_kept_with_its_gaps(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("a")
    desk.sync(Scripted(listing(one, token("kid"))))
    collect(desk.engine, GraphSettings())
    answer = Dependents(
        (
            Consumer("psql from 10.1.1.1", "session", source="pg_stat_activity"),
            Consumer("name of kid", "token", "kid"),
            Consumer("kv/ci", "entry"),
        ),
        (Gap("x", GapKind.UNLISTABLE, "who is not connected now", "set log_file"),),
    )
    answered(desk.engine, one.ref, answer)
    assert {(b, kind) for a, kind, b in links(desk) if a == "name of a"} >= {
        ("psql from 10.1.1.1", "used by"),
        ("name of kid", "parent of"),
        ("kv/ci", "kept in"),
    }
    connection, _ = see(desk)
    with closing(connection):
        told = graph.unknowns(connection, one.ref.handle)
    assert any("who is not connected now" in line for line in told)


def test_an_empty_graph_says_what_is_not_known_and_why(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    collect(desk.engine, GraphSettings(owners=(tmp_path / "none.toml",)))
    connection, found = see(desk)
    with closing(connection):
        told = "\n".join(graph.unknowns(connection, "abc"))
    assert len(found) == 0
    assert "none.toml: it cannot be read" in told
    assert "No file of consumers is read" in told
    assert "was not asked" in told


def test_files_and_configs_by_public_id_and_fingerprint(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    aws, vault = (
        token("AKIAIOSFODNNXEXAMPLE"),
        token("v", grants=known((Grant("policy", "ci"),), "")),
    )
    desk.sync(Scripted(listing(aws, vault)))
    value = Secret("s.9fKq2LmX8zWvT4rB")
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "app.env").write_text(f"AWS_ACCESS_KEY_ID={aws.ref.id}\n")
    (folder / "vault.yaml").write_text(f'token: "{value.reveal()}"\n')
    (tmp_path / "consumers.toml").write_text(
        '[[consumer]]\nname = "checkout"\ntokens = ["name of v", "nobody"]\n'
        '[[entry]]\nname = "kv/aws"\nbackend = "vault"\nholds = ["vault/AKIA*"]\n'
        'opened_by = ["ci"]\n'
    )
    settings = GraphSettings(consumers=(tmp_path / "consumers.toml",), configs=(folder,))
    prints = [(fingerprint(PEPPER, value), vault.ref.handle)]
    collect(desk.engine, settings, pepper=PEPPER, known_prints=prints)
    found = links(desk)
    assert (aws.name, "used by", "deploy/app.env") in found
    assert (vault.name, "used by", "deploy/vault.yaml") in found
    assert (vault.name, "used by", "checkout") in found
    connection, whole = see(desk)
    with closing(connection):
        start = graph.node_of(connection, "token", vault.ref.handle) or 0
        end = graph.node_of(connection, "token", aws.ref.handle) or 0
        told = graph.unknowns(connection)
        reach = whole.reach(start)
    assert end in reach  # The grant opens the entry in which the other token's value lies.
    assert any("1 of its names match no token or grant: nobody" in line for line in told)
    assert value.reveal().encode() not in desk.path.read_bytes()
    wal = desk.path.with_name(desk.path.name + "-wal")
    assert not wal.exists() or value.reveal().encode() not in wal.read_bytes()


def test_equal_fingerprints_are_siblings_and_reach_each_other(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one, two = token("1"), token("2")
    desk.sync(Scripted(listing(one, two)))
    prints = [("ff", one.ref.handle), ("ff", two.ref.handle)]
    collect(desk.engine, GraphSettings(), known_prints=prints)
    connection, whole = see(desk)
    with closing(connection):
        a = graph.node_of(connection, "token", one.ref.handle) or 0
        b = graph.node_of(connection, "token", two.ref.handle) or 0
    assert whole.siblings(a) == [b]
    assert b in whole.reach(a)
    assert a in whole.reach(b)


def test_hostile_names_stay_inside_their_quotes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("x", name=HOSTILE, owner=known(HOSTILE, "tag"))
    desk.sync(Scripted(listing(one)))
    answered(desk.engine, one.ref, Dependents((Consumer(HOSTILE, "workload"),)))
    collect(desk.engine, GraphSettings())
    connection, whole = see(desk)
    with closing(connection):
        num = graph.node_of(connection, "token", one.ref.handle) or 0
        nums = around(whole, num)
        dot, chart = export.dot(whole, nums), export.mermaid(whole, nums)
        document = export.document(connection, whole, nums)
    for text in (dot, chart):
        assert text.isprintable() or {c for c in text if not c.isprintable()} == {"\n"}
    for line in dot.splitlines()[2:-1]:
        assert line.replace("\\\\", "").replace('\\"', "").count('"') == 2
    for line in chart.splitlines()[1:]:
        assert line.count('"') == 2
        assert "<" not in line
    assert {one["name"] for one in document["nodes"]} >= {HOSTILE}
    assert json.loads(export.dumps(document)) == json.loads(json.dumps(document))
    assert "\x1b" not in export.dumps(document)


@pytest.mark.parametrize("text", ["owners = 3", 'owner = ["a"]', "owners = [1]"])
def test_a_wrong_section_is_a_problem_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[graph]\n{text}\n")
    (problem,) = load(path).problems
    assert problem.line == 2


def test_one_consumer_is_one_whoever_knows_it(tmp_path: Path) -> None:
    """The system names a pod at an address; the log knows that address and its program."""
    desk = Desk(tmp_path)
    one = token("a")
    system = Scripted(listing(one))
    system.log = [
        AuditEvent(id="1", at=NOW - timedelta(hours=1), action="get", sort=EventClass.USE,
                   token=one.ref, source="10.0.0.7", agent="ci/1.0"),
        AuditEvent(id="2", at=NOW - timedelta(hours=1), action="get", sort=EventClass.USE,
                   token=one.ref, source="203.0.113.9", agent="curl/8"),
    ]  # fmt: skip
    desk.sync(system)
    asyncio.run(intake.take_in(desk.syncer, system))
    collect(desk.engine, GraphSettings())
    pod = Consumer("pod/a", "workload", "ci/1.0 from 10.0.0.7", "log", known(NOW, "log", NOW))
    answer = Dependents((pod,))
    answered(desk.engine, one.ref, answer)
    for _ in range(2):
        used = {b for a, kind, b in links(desk) if kind == "used by"}
        assert used == {"pod/a", "203.0.113.9"}, "a stranger stays one of its own"
        collect(desk.engine, GraphSettings())
