"""One journal, two databases: the same promises on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journal_scene import ACT, FORK, WHY, Databases, Place, Signer, intent, outcome

from backends.model import Secret
from console import settings
from console.audit.batch import broken, seal
from console.errors import JournalError, SettingsError, UsageError
from console.journal import opening
from console.journal.format.entry import Kind, Out, Target
from console.journal.read import pins
from console.journal.read.fingerprint import find_secret, fingerprint, pepper
from console.journal.store.base import StoreFailed, leaves
from console.journal.verify import prove
from console.journal.verify.rebuild import rebuild
from console.journal.verify.verify import Code, verify
from console.journal.write.journal import AlreadyRecorded, Journal
from console.tlog.note import Verifier
from console.tlog.policy import Log, Policy
from console.tlog.proof import Proof

NUL = "a\0b"


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("pg") / "journal")
    yield made
    made.end()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.lab)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path, None)
    return Place(tmp_path, request.getfixturevalue("databases").make())


def report(journal: Journal, **given: Any) -> Any:
    return verify(journal.store, vkeys=[journal.signer.vkey], **given)


def test_what_is_appended_is_found_again_and_verifies(place: Place) -> None:
    place.write(5)
    with place.open() as journal:
        waiting = intent(journal)
        assert [each.id for each in journal.open_intents()] == [waiting]
        assert journal.get(waiting) is not None
        found = report(journal)
        assert (found.code, found.entries, found.checkpoints) == (Code.INCOMPLETE, 12, 12)
        outcome(journal, waiting)
        assert report(journal, every_signature=True).code is Code.VERIFIED
        assert journal.entries(2)[0].ref == waiting
        hostile = Target(kind="key", id=NUL, handle="ffffffffffff", name=NUL)
        journal.append(Kind.NOTE, why=WHY, act=type(ACT)(verb=NUL, backend="b", target=hostile))
        assert journal.entries(handle="f" * 12)[0].target_id == NUL
        assert report(journal).code is Code.VERIFIED


def test_a_second_answer_and_a_second_use_of_an_id_are_refused(place: Place) -> None:
    with place.open() as journal:
        id_ = intent(journal)
        outcome(journal, id_)
        with pytest.raises(AlreadyRecorded):
            outcome(journal, id_, "unknown")
        with pytest.raises(AlreadyRecorded):
            journal.append(Kind.NOTE, why=WHY, id=id_)
        assert report(journal).entries == 3


def test_two_consoles_and_a_runner_append_one_whole_chain(place: Place) -> None:
    place.open().close()
    writers = [FORK.Process(target=place.write, args=(20,)) for _ in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert [each.exitcode for each in writers] == [0, 0, 0]
    with place.open() as journal:
        found = report(journal, every_signature=True)
        assert (found.code, found.entries, found.checkpoints) == (Code.VERIFIED, 121, 121)


def test_a_rotated_key_is_signed_by_both_and_other_consoles_go_on(place: Place) -> None:
    with place.open() as other, place.open() as journal:
        old = journal.signer.vkey
        intent(journal)
        journal.rotate_key("the old key was on a lost backup")
        new = journal.signer.vkey
        intent(journal)
        intent(other)
        assert new != old
        assert other.signer.vkey == new
        assert Verifier.parse(new).name == Verifier.parse(old).name == journal.origin
        for vkeys in ([old], [new], []):
            found = verify(journal.store, vkeys=vkeys, every_signature=True)
            assert (found.code, found.key) == (Code.INCOMPLETE, new), found.findings
    with place.open() as again:
        assert not again.problem
        assert again.signer.vkey == new


def test_without_its_key_a_journal_takes_nothing(place: Place) -> None:
    place.write(2)
    with place.open() as journal:
        key = journal.files.key
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(JournalError, match=r"key .* is missing") as refusal:
        place.open()
    assert "backup" in refusal.value.hint
    assert not key.exists(), "no other key takes its place"
    key.write_bytes(kept)
    with pytest.raises(JournalError, match="others can read"):
        place.open()
    key.chmod(0o600)
    place.write(1)


def test_a_proof_of_one_entry_holds_for_others(place: Place) -> None:
    place.write(7)
    with place.open() as journal:
        entry = journal.entries(5)[-1]
        leaf, proof = prove.prove(journal.store, entry.id)
        log = Policy(logs=(Log(Verifier.parse(journal.signer.vkey), ""),))
        assert Proof.parse(proof).verify(leaf, log).checkpoint.size == 15
        with pytest.raises(Exception, match="not in the tree"):
            Proof.parse(proof).verify(leaf.replace(b"vault", b"vaulX"), log)
        with pytest.raises(UsageError):
            prove.prove(journal.store, "x")
        assert prove.extend(journal.store, 8, 15)


def test_an_entry_is_found_by_the_tokens_value_and_the_value_is_nowhere(place: Place) -> None:
    value = Secret("hvs.CANARYcanary0123456789abcdefgh")
    with place.open() as journal:
        with pytest.raises(JournalError, match="pepper"):
            find_secret(journal.store, journal.files.pepper, value)
        key = pepper(journal.files.pepper, make=True)
        assert key is not None
        target = Target(kind="key", id="k", handle="0" * 12, fp=fingerprint(key, value))
        entry = journal.append(
            Kind.NOTE, why=WHY, act=type(ACT)(verb="revoke", backend="b", target=target)
        )
        found = find_secret(journal.store, journal.files.pepper, value)
        assert [each.id for each in found] == [entry.id]
        assert find_secret(journal.store, journal.files.pepper, Secret("another")) == []
        assert value.reveal().encode() not in b"".join(leaf for _, leaf in leaves(journal.store))
        assert report(journal).code is Code.VERIFIED
    assert value.reveal().encode() not in b"".join(
        file.read_bytes() for file in place.path.parent.iterdir() if file.is_file()
    )


def test_a_seal_finds_a_changed_event(place: Place) -> None:
    events = [(f"e{number}", b'{"n":%d}' % number) for number in range(9)]
    with place.open() as journal:
        entry = journal.append(Kind.AUDIT_SEAL, seal=seal("vault", events))
        kept = entry.body.seal
        assert kept is not None
        assert (kept.first, kept.last, kept.count) == ("e0", "e8", 9)
        assert "9 audit events of vault" in entry.sentence
    assert broken(kept, events) == ""
    assert "not those" in broken(kept, [*events[:8], ("e8", b"{}")])
    assert "9 events were sealed and 8 found" in broken(kept, events[:8])


def test_a_checkpoint_that_came_back_cosigned_is_kept(place: Place) -> None:
    place.write(1)
    with place.open() as journal:
        signed = pins.newest(journal.store)
        journal.add_cosigned(3, signed)
        journal.add_cosigned(3, signed)
        intent(journal)
        assert report(journal).code is Code.INCOMPLETE
        assert report(journal, pins=[signed]).code is Code.INCOMPLETE


@pytest.mark.lab
def test_the_role_of_the_console_can_only_add(databases: Databases, tmp_path: Path) -> None:
    import psycopg

    place = Place(tmp_path, databases.make())
    place.write(2)
    assert place.dsn is not None
    with psycopg.connect(place.dsn.reveal(), autocommit=True) as connection:
        connection.execute("SET search_path = token_console_journal")
        for statement in (
            "UPDATE entry SET leaf = leaf",
            "DELETE FROM entry",
            "TRUNCATE entry",
            "DELETE FROM checkpoint",
            "UPDATE node SET hash = hash",
            "DROP TABLE entry",
            "CREATE TABLE token_console_journal.x (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with place.open() as journal:
        assert not journal.store.may_change()  # type: ignore[attr-defined]
        assert "pw" not in journal.store.where


@pytest.mark.lab
def test_a_server_that_does_not_flush_is_refused(databases: Databases, tmp_path: Path) -> None:
    place = Place(tmp_path, databases.make())
    with databases.server.connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        try:
            while connection.execute("SHOW fsync").fetchone() != ("off",):
                pass
            with pytest.raises(JournalError, match="fsync off"):
                place.open()
        finally:
            connection.execute("ALTER SYSTEM SET fsync = on")
            connection.execute("SELECT pg_reload_conf()")
            while connection.execute("SHOW fsync").fetchone() != ("on",):
                pass
    place.write(1)


@pytest.mark.lab
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_connection_lost_in_commit_is_unknown_and_looked_up(
    databases: Databases, tmp_path: Path, after: bool
) -> None:
    """The server loses the session in mid-commit; whether it committed, only it knows."""
    place = Place(tmp_path, databases.make())
    with place.open() as journal:
        store: Any = journal.store
        real = store.exclusive

        def exclusive() -> Any:
            store.exclusive = real
            return _Lost(store, databases, after=after)

        store.exclusive = exclusive
        with pytest.raises(StoreFailed):
            intent(journal)
        found = [(each.kind, each.state) for each in journal.entries()]
        if after:
            assert found == [("outcome", "not_sent"), ("intent", ""), ("log.open", "")]
        else:
            assert found == [("log.open", "")]
        assert intent(journal)
        assert report(journal).entries == len(found) + 1


class _Lost:
    """A transaction whose session ends before or after its commit, unheard by the client."""

    def __init__(self, store: Any, databases: Databases, *, after: bool) -> None:
        self._store, self._databases, self._after = store, databases, after
        self._inner = type(store).exclusive(store)

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, *error: Any) -> None:
        pid = self._store._connection.info.backend_pid
        if self._after:
            self._inner.__exit__(*error)
        with self._databases.server.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        if self._after:
            raise StoreFailed("the connection was lost")
        self._inner.__exit__(*error)


def damage(place: Place, databases: Any, statement: str) -> None:
    if place.dsn is None:
        import sqlite3

        with sqlite3.connect(place.path) as connection:
            connection.execute(statement)
        connection.close()
        return
    import psycopg

    name = place.dsn.reveal().split("dbname=")[1].split(" ")[0]
    with psycopg.connect(databases.admin(name)) as connection:
        connection.execute("SET search_path = token_console_journal")
        connection.execute(statement)


def test_tree_and_checkpoints_can_be_made_anew_but_never_over_other_entries(
    place: Place, request: pytest.FixtureRequest
) -> None:
    databases = None if place.dsn is None else request.getfixturevalue("databases")
    place.write(10)
    with place.open() as journal:
        pin, signer = pins.newest(journal.store), journal.signer
    damage(place, databases, "UPDATE node SET hash = '00' WHERE level = 4")
    damage(place, databases, "UPDATE checkpoint SET note = 'x' WHERE size = 7")
    damage(place, databases, "DELETE FROM checkpoint WHERE size = 21")
    with place.open() as journal:
        assert journal.problem
        with pytest.raises(JournalError, match="not whole"):
            intent(journal)
    owner = _owner(place, databases)
    with pytest.raises(JournalError, match="not of this journal"):
        rebuild(owner, [signer.vkey], known=[pin.replace(b"\n21\n", b"\n22\n")])
    assert rebuild(owner, [signer.vkey], known=[pin]).dropped == 1
    owner.close()
    with place.open() as journal:
        assert not journal.problem
        intent(journal)
        found = report(journal, pins=[pin])
        assert (found.code, found.checkpoints) == (Code.INCOMPLETE, 21)


def _owner(place: Place, databases: Any) -> Any:
    if place.dsn is None:
        from console.journal.store.sqlite import SqliteStore

        return SqliteStore(place.path)
    from console.journal.store.postgres import PostgresStore

    name = place.dsn.reveal().split("dbname=")[1].split(" ")[0]
    return PostgresStore(Secret(databases.admin(name)))


def test_every_kind_can_be_written_and_told(place: Place) -> None:
    from console.journal.format.parts import Export, Session, Sig, Witnessing

    alice = Signer()

    def sign(statement: bytes) -> Sig:
        assert b'"type":"session.open"' in statement
        return alice.by_own(statement)

    with place.open() as journal:
        session = Session(key=alice.public(alice.session), expires=1)
        opened = journal.append(Kind.SESSION_OPEN, why=WHY, session=session, sign=sign)
        told = [
            opened,
            journal.append(Kind.OBSERVE, act=ACT),
            journal.append(Kind.BREAKGLASS, why="no witness can be reached tonight"),
            journal.append(Kind.EXPORT, why=WHY, export=Export(form="tiles", size=3, root="0")),
            journal.append(
                Kind.WITNESS_STATUS, witness=Witnessing(size=3, cosigned=("w",), missing=("v",))
            ),
            journal.append(Kind.SESSION_CLOSE, out=Out(ref=opened.id, state="closed")),
        ]
        assert all(each.sentence.strip() for each in told)
        assert opened.signed
        assert report(journal).code is Code.VERIFIED
        with pytest.raises(JournalError, match="cannot have"):
            journal.append(Kind.NOTE, why=WHY, session=Session(key="k", expires=1))


def test_verification_while_others_append_finds_nothing(place: Place) -> None:
    place.open().close()
    writer = FORK.Process(target=place.write, args=(60,))
    writer.start()
    with place.open() as journal:
        while writer.is_alive():
            assert report(journal).code in (Code.VERIFIED, Code.INCOMPLETE)
        assert report(journal).entries == 121
    writer.join()
    assert writer.exitcode == 0


@pytest.mark.lab
def test_the_configuration_names_the_database(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = settings.paths(tmp_path)
    paths.make()
    monkeypatch.setenv("JOURNAL_URL", databases.make().reveal())
    paths.config.write_text('[journal]\nurl = { env = "JOURNAL_URL" }\n')
    with opening.journal(paths) as journal:
        id_ = intent(journal)
        assert journal.store.where.startswith("postgresql://127.0.0.1:")
    with opening.view(paths) as view:
        assert [each.id for each in view.open_intents()] == [id_]
        assert view.check() == (True, "")
    assert not paths.journal.exists()
    assert (paths.state / "journal-postgres.key").exists()
    canary = "CANARYcanary0123456789"
    monkeypatch.setenv(
        "JOURNAL_URL", f"host=127.0.0.1 port={databases.server.port} user=x password={canary}"
    )
    with pytest.raises(JournalError) as refusal:
        opening.journal(paths)
    assert canary not in f"{refusal.value} {refusal.value.hint}"


@pytest.mark.parametrize(
    "text", ['journal = "x"', '[journal]\nurl = "postgresql://u:pw@h/d"', "[journal]\nuri = 1"]
)
def test_a_wrong_journal_in_the_configuration_stops_everything(tmp_path: Path, text: str) -> None:
    paths = settings.paths(tmp_path)
    paths.make()
    paths.config.write_text(text + "\n")
    with pytest.raises(SettingsError) as refusal:
        opening.journal(paths)
    assert "pw" not in str(refusal.value)
    assert not paths.journal.exists(), "no entry goes to another journal"
    paths.config.write_text('[journal]\nurl = "sqlite"\n')
    opening.journal(paths).close()
    assert paths.journal.exists()
