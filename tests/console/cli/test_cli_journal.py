"""The journal's commands over a real small journal, as an auditor or a script would use them."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fresh_python import loaded, run_command
from journal_scene import ACT, WHY, Databases, grown, intent, put_back
from msgspec.structs import replace
from real_systems import console
from tlog_tree import LOG, key

from backends.model import Secret
from console.journal.format.entry import Kind
from console.journal.format.parts import Sig
from console.journal.format.signing_session import mark_of
from console.journal.read.fingerprint import fingerprint, pepper
from console.journal.verify.prove import extend
from console.journal.write.journal import Journal
from console.sshsig import sshsig
from console.sshsig.mark import ENTRY
from console.tlog import cosign, note, policy, submit
from console.tlog.note import Verifier
from console.tlog.proof import Proof

REASON = "leaked in a public repository"
CANARY = "tk_live_Zq81mVnC4yXs07RtBwKd"
COMMANDS = (
    "list", "show", "verify", "prove", "export", "find-secret", "doctor", "recover", "witness",
    "key", "pin", "acknowledge", "init-postgres", "rebuild",
)  # fmt: skip


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo in which one token was revoked."""
    place = tmp_path_factory.mktemp("demo")
    assert console(place, "demo", "--prepare", "--tokens", "300", "--seed", "3").returncode == 0
    home = place / "demo"
    rows = json.loads(console(home, "list", "backend:aws-main", "state:active", "--json").stdout)
    row = next(row for row in rows if row["name"].isascii() and row["name"].isprintable())
    done = console(home, "revoke", row["handle"], "--reason", REASON, "--confirm", row["name"])
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def home(acted: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    copy = tmp_path / "demo"
    shutil.copytree(acted, copy)
    config = copy / "config.toml"
    config.write_text(config.read_text().replace(str(acted), str(copy)))
    return copy


def database(home: Path) -> Path:
    return home / "state" / "journal.db"


def number(home: Path, kind: str) -> int:
    """Which entry is the first of its kind."""
    with sqlite3.connect(database(home)) as db:
        found = db.execute("SELECT min(seq) FROM entry WHERE kind = ?", (kind,)).fetchone()
    return int(found[0])


def change(home: Path, *statements: str) -> None:
    """What somebody who owns the file can do."""
    with sqlite3.connect(database(home)) as db:
        for name in ("entry_in_order", "entry_no_update", "entry_no_delete"):
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
        put_back(db)
    db.close()


def edit(home: Path) -> None:
    change(
        home,
        "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'public', 'secret') AS BLOB)"
        f" WHERE seq = {number(home, 'plan')}",
    )


def cut(home: Path) -> None:
    last = number(home, "intent")
    change(
        home,
        f"DELETE FROM entry WHERE seq > {last}",
        f"DELETE FROM checkpoint WHERE size > {last}",
    )


def verified(home: Path, *words: str) -> tuple[int, dict[str, Any], list[str]]:
    """Exit code, result, and the findings' words."""
    done = console(home, "journal", "verify", "--json", *words)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["code"] == done.returncode, done.stderr
    return done.returncode, lines[-1], [line["what"] for line in lines[:-1]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_example(acted: Path, name: str) -> None:
    done = console(acted, "journal", name, "--help")
    assert done.returncode == 0
    assert f"token-console journal {name}" in done.stdout.partition("example")[2]


def test_exit_codes_of_verify_are_in_its_help(acted: Path) -> None:
    told = console(acted, "journal", "verify", "--help").stdout
    assert all(f"\n  {number} " in told for number in range(6))


def test_listed_bytes_are_the_stored_ones_and_their_hashes_link(home: Path) -> None:
    with Journal(database(home)) as journal:
        journal.append(Kind.NOTE, why="Schlüssel für die Übergabe \x9b31m")
    done = subprocess.run(
        [sys.executable, "-m", "console", "--home", str(home), "journal", "list", "--json"],
        capture_output=True, check=True,
    )  # fmt: skip
    lines = done.stdout.split(b"\n")[:-1][::-1]
    with sqlite3.connect(database(home)) as db:
        stored = [leaf for (leaf,) in db.execute("SELECT leaf FROM entry ORDER BY seq")]
    assert lines == stored
    for before, after in itertools.pairwise(lines):
        assert json.loads(after)["prev"] == hashlib.sha256(before).hexdigest()
    told = console(home, "journal", "list").stdout
    assert "Übergabe" in told
    assert "\x9b" not in told


def test_lists_can_be_narrowed(acted: Path) -> None:
    def kinds(*words: str) -> list[str]:
        done = console(acted, "journal", "list", "--json", *words)
        return [json.loads(line)["type"] for line in done.stdout.splitlines()]

    assert set(kinds("--kind", "intent")) == {"intent"}
    assert kinds("--before", "2") == ["log.open"]
    handle = json.loads(
        console(acted, "journal", "list", "--json", "--kind", "plan").stdout.splitlines()[0]
    )["act"]["target"]["handle"]
    assert {"plan", "intent", "outcome"} <= set(kinds("--handle", handle))
    assert "log.open" not in kinds("--handle", handle)
    assert len(kinds("--limit", "2")) == 2


def test_show_tells_sentence_fields_and_bytes(acted: Path) -> None:
    which = str(number(acted, "intent"))
    told = json.loads(console(acted, "journal", "show", which, "--json").stdout)
    raw = base64.b64decode(told["raw"])
    assert told["kind"] == "intent"
    assert told["leaf_hash"] == hashlib.sha256(b"\0" + raw).hexdigest()
    assert json.loads(raw) == told["entry"]
    text = console(acted, "journal", "show", told["id"]).stdout
    for part in (told["sentence"], REASON, told["leaf_hash"], raw.decode()):
        assert part in text
    assert console(acted, "journal", "show", which, "--raw").stdout.encode() == raw + b"\n"
    for wrong in ("99", "0", "nothing"):
        assert console(acted, "journal", "show", wrong).returncode == 2


def test_a_whole_journal_is_verified(home: Path) -> None:
    code, told, findings = verified(home)
    assert (code, findings) == (0, [])
    assert told["entries"] >= 5
    assert told["key"]
    text = console(home, "journal", "verify").stdout
    assert text.splitlines()[-1] == "verified"
    assert "SHA256:" in text
    assert verified(home, "--vkey", told["key"])[0] == 0


def test_an_edit_is_tampering(home: Path) -> None:
    edit(home)
    code, _, findings = verified(home)
    assert code == 1
    assert "chain" in findings
    done = console(home, "journal", "verify")
    assert "TAMPERED" in done.stdout
    assert done.stderr, "what to do about it"
    before = number(home, "plan") - 1
    assert f"entries    {before} in order, {before} signed checkpoints" in done.stdout
    assert "open  " not in done.stdout, "nobody counted what comes after it"


def test_what_cannot_be_read_is_no_tampering(home: Path, tmp_path: Path) -> None:
    assert console(tmp_path, "journal", "verify").returncode == 2
    assert verified(home, "--pin", str(tmp_path / "none"))[0] == 2
    (tmp_path / "p").write_text("log nonsense\n")
    assert verified(home, "--policy", str(tmp_path / "p"))[0] == 2
    assert verified(home, "--vkey", "nonsense")[0] == 2
    (tmp_path / "other.db").write_bytes(b"this is no database" * 100)
    assert verified(home, "--file", str(tmp_path / "other.db"))[0] == 2
    assert verified(home, "--file", str(tmp_path / "none.db"))[0] == 2


def test_an_open_call_and_a_missing_signature_are_incomplete(home: Path) -> None:
    assert verified(home, "--require-signed")[::2] == (3, ["unsigned"])
    with Journal(database(home)) as journal:
        intent(journal)
    code, told, findings = verified(home)
    assert (code, told["open_intents"], findings) == (3, 1, ["open"])


def test_a_cut_is_seen_against_a_pin_and_against_what_was_verified_here(home: Path) -> None:
    assert verified(home)[0] == 0
    pin = home / "pin"
    assert console(home, "journal", "pin", str(pin)).returncode == 0
    cut(home)
    assert verified(home)[::2] == (4, ["rolled-back", "open"])
    (home / "state" / "journal.verified").unlink()
    assert verified(home)[0] == 3, "nobody is left who saw more"
    assert verified(home, "--pin", str(pin))[0] == 4
    before = pin.read_bytes()
    done = console(home, "journal", "pin", str(pin))
    assert done.returncode == 1
    assert pin.read_bytes() == before, "a pin that shows a cut is evidence"
    for path in database(home).parent.glob("journal.db*"):
        path.unlink()
    assert verified(home, "--pin", str(pin))[0] == 4
    assert verified(home)[0] == 4, "it was here when it was verified last"
    (home / "state" / "journal.verified").unlink()
    assert verified(home)[0] == 2


def test_a_pin_moves_on_with_the_journal(home: Path) -> None:
    pin = home / "pin"
    assert console(home, "journal", "pin", str(pin)).returncode == 0
    with Journal(database(home)) as journal:
        journal.append(Kind.NOTE, why=WHY)
    assert verified(home, "--pin", str(pin))[0] == 0
    told = json.loads(console(home, "journal", "pin", str(pin), "--json").stdout)
    assert told["entries"] == verified(home, "--pin", str(pin))[1]["entries"]


def test_a_key_that_is_not_among_those_given_is_not_believed(home: Path) -> None:
    assert verified(home, "--vkey", LOG.vkey)[0] == 5
    trusted = home / "policy"
    trusted.write_bytes(policy.write([policy.Log(LOG.verifier, "")]))
    assert verified(home, "--policy", str(trusted))[0] == 5
    (home / "elsewhere").mkdir()
    other = grown(home / "elsewhere" / "journal.db", 10)
    for path in database(home).parent.glob("journal.db*"):
        path.unlink()
    shutil.copy(other, database(home))
    (home / "state" / "journal.verified").unlink(missing_ok=True)
    assert verified(home)[0] == 5, "another journal does not pass for ours"
    assert verified(home, "--file", str(other))[0] == 0, "with nothing known it believes itself"


def test_old_signatures_are_looked_at_each_time(home: Path) -> None:
    assert verified(home)[0] == 0
    change(
        home,
        "UPDATE checkpoint SET note = (SELECT CAST(substr(CAST(c.note AS TEXT), 1,"
        " instr(CAST(c.note AS TEXT), char(10) || char(10)) + 1) AS BLOB) ||"
        " (SELECT CAST(substr(CAST(d.note AS TEXT),"
        " instr(CAST(d.note AS TEXT), char(10) || char(10)) + 2) AS BLOB)"
        " FROM checkpoint d WHERE d.size = 3) FROM checkpoint c WHERE c.size = 2) WHERE size = 2",
    )
    assert verified(home, "--skip-checked")[0] == 0, "as it was told, and as it says"
    assert verified(home)[::2] == (1, ["signature"])


def test_responders_are_checked_against_those_who_may_sign(home: Path) -> None:
    def sign(message: bytes) -> Sig:
        blob = sshsig.sign_here(key(9), ENTRY, message)
        return mark_of(blob)

    with Journal(database(home)) as journal:
        journal.append(Kind.BREAKGLASS, why=WHY, sign=sign)
    signers = home / "signers"
    for number, code in ((9, 0), (8, 5)):
        public = base64.b64encode(sshsig.public_blob(key(number))).decode()
        signers.write_text(f'alice namespaces="{ENTRY}" ssh-ed25519 {public}\n')
        assert verified(home, "--allowed-signers", str(signers))[0] == code


def test_a_proof_convinces_somebody_elses_program(home: Path) -> None:
    rust: Any = pytest.importorskip("metamorphic_log")
    target = home / "it.tlog-proof"
    which = str(number(home, "plan"))
    done = console(home, "journal", "prove", which, "-o", str(target), "--json")
    assert done.returncode == 0, done.stderr
    leaf = Path(json.loads(done.stdout)["leaf"]).read_bytes()
    assert leaf.decode() + "\n" == console(home, "journal", "show", which, "--raw").stdout
    proof = Proof.parse(target.read_bytes())
    vkey = json.loads(console(home, "journal", "key", "--json").stdout)["vkey"]
    signed, hashed = proof.checkpoint.decode(), hashlib.sha256(b"\0" + leaf).digest()
    rust.checkpoint_verify_inclusion(signed, [vkey], proof.index, hashed, list(proof.hashes))
    forged = hashlib.sha256(b"\0" + leaf.replace(b"public", b"secret")).digest()
    assert forged != hashed
    with pytest.raises(rust.VerifyError):
        rust.checkpoint_verify_inclusion(signed, [vkey], proof.index, forged, list(proof.hashes))
    assert console(home, "journal", "prove", "99").returncode == 2


def test_a_secret_is_found_and_is_nowhere_afterwards(home: Path) -> None:
    with Journal(database(home)) as journal:
        secret = pepper(journal.files.pepper, make=True)
        assert secret is not None
        target = replace(ACT.target, fp=fingerprint(secret, Secret(CANARY)))
        made = journal.append(Kind.INTENT, why=WHY, act=replace(ACT, target=target))
    done = console(home, "journal", "find-secret", "--json", text=CANARY + "\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == made.id
    plain = console(home, "journal", "find-secret", text=CANARY)
    other = console(home, "journal", "find-secret", text="another secret")
    assert (plain.returncode, other.returncode) == (0, 1)
    assert console(home, "journal", "find-secret").returncode == 2
    assert console(home, "journal", "find-secret", CANARY).returncode == 2, "never an argument"
    assert CANARY not in done.stdout + done.stderr + plain.stdout + plain.stderr
    assert console(home, "journal", "export", str(home / "out")).returncode == 0
    for path in home.rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path


def test_before_the_first_entry_no_key_is_missed(tmp_path: Path) -> None:
    done = console(tmp_path, "journal", "doctor")
    assert done.returncode == 0, done.stdout
    assert "it is made with the journal" in done.stdout
    assert "Bring it back" not in done.stdout


def test_doctor_finds_a_key_that_others_can_read(home: Path) -> None:
    done = console(home, "journal", "doctor")
    assert done.returncode == 0, done.stdout
    assert "log key SHA256:" in done.stdout
    (home / "state" / "journal.key").chmod(0o644)
    done = console(home, "journal", "doctor", "--json")
    assert done.returncode == 1
    bad = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(each["what"] == "key" and each["state"] == "bad" for each in bad)


def test_a_key_is_shown_and_replaced_on_the_record(home: Path) -> None:
    old = json.loads(console(home, "journal", "key", "--json").stdout)
    assert old["here"]
    assert Verifier.parse(old["vkey"]).fingerprint == old["fingerprint"]
    assert old["fingerprint"] in console(home, "journal", "key").stdout
    assert console(home, "journal", "key", "rotate").returncode == 2
    done = console(home, "journal", "key", "rotate", "--reason", "the old one was lost", "--json")
    assert done.returncode == 0, done.stderr
    new = json.loads(done.stdout)
    assert new["vkey"] != old["vkey"]
    assert [each["vkey"] for each in new["before"]] == [old["vkey"]]
    for vkey in (old["vkey"], new["vkey"]):
        assert verified(home, "--vkey", vkey)[0] == 0
    listed = console(home, "journal", "list", "--limit", "1").stdout
    assert "the old one was lost" in listed
    (home / "state" / "journal.key").unlink()
    assert not json.loads(console(home, "journal", "key", "--json").stdout)["here"]


def test_another_console_witnesses_and_a_policy_asks_for_it(home: Path) -> None:
    vkey = json.loads(console(home, "journal", "key", "--json").stdout)["vkey"]
    words = ("journal", "witness", "--log", vkey, "--dir", str(home / "w"), "--json")
    with subprocess.Popen(
        [sys.executable, "-m", "console", "--home", str(home), *words],
        stdout=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            peer = cosign.parse_vkey(told["vkey"])
            assert isinstance(peer, cosign.CosignatureVerifier)
            witness = policy.Witness("peer", peer, "")
            trusted = home / "policy"
            log = policy.Log(Verifier.parse(vkey), "")
            trusted.write_bytes(policy.write([log], [witness]))
            assert verified(home, "--policy", str(trusted))[::2] == (3, ["unwitnessed"])
            with Journal(database(home)) as journal:
                size, signed = journal.store.rows(
                    "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"
                )[0]
                line = submit.submit(told["url"], 0, extend(journal.store, 0, size), signed, peer)
                journal.add_cosigned(size, note.add(signed, [line]))
        finally:
            server.terminate()
    config = home / "config.toml"
    for given in (["--policy", str(trusted)], []):
        code, result, _ = verified(home, *given)
        assert (code, result["witnessed"]) == (0, size)
        # From here on the configuration asks for the witness.
        whole = config.read_text().partition("\n[journal]")[0]
        config.write_text(f'{whole}\n[journal]\nwitnesses = ["{told["url"]} {told["vkey"]}"]\n')
    assert console(home, "journal", "witness", "--log", "nonsense").returncode != 0
    listening = console(home, "journal", "witness", "--log", vkey, "--listen", "nowhere")
    assert listening.returncode == 2


def test_verifying_loads_neither_screen_nor_backends(home: Path) -> None:
    heavy = {"sqlalchemy", "sqlmodel", "httpx", "boto3", "psycopg", "alembic", "textual", "rich"}
    for words in (("verify",), ("show", "3"), ("key",), ("doctor",), ("pin", str(home / "pin"))):
        quiet = "import io, sys; out, sys.stdout = sys.stdout, io.StringIO()"
        code = run_command("--home", str(home), "journal", *words)
        code = f"{quiet}\n{code}\nsys.stdout = out"
        assert not loaded(code, home) & heavy, words
    assert "cryptography" not in loaded(
        run_command("--home", str(home), "journal", "list"), home
    ), "a list needs no key"


@pytest.mark.lab
def test_the_commands_work_on_postgresql(tmp_path: Path) -> None:
    databases = Databases(tmp_path / "pg")
    try:
        dsn = databases.make()
        secret = tmp_path / "dsn"
        secret.write_text(dsn.reveal())
        secret.chmod(0o600)
        home = tmp_path / "home"
        (home / "state").mkdir(parents=True)
        (home / "config.toml").write_text(f'[journal]\nurl = {{ file = "{secret}" }}\n')
        assert verified(home)[0] == 2
        from console.journal.store.postgres import PostgresStore

        base = home / "state" / "journal-postgres.db"
        with Journal(PostgresStore(dsn), base=base) as journal:
            journal.append(Kind.NOTE, why=WHY)
        assert verified(home)[0] == 0
        assert len(console(home, "journal", "list", "--json").stdout.splitlines()) == 2
        assert console(home, "journal", "doctor").returncode == 0
        assert console(home, "journal", "pin", str(tmp_path / "pin")).returncode == 0
        proof = tmp_path / "it.tlog-proof"
        assert console(home, "journal", "prove", "2", "-o", str(proof)).returncode == 0
        done = console(home, "journal", "export", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "checkpoint.sig").exists()
        assert '"export"' in console(home, "journal", "list", "--json", "--limit", "1").stdout
        assert dsn.reveal() not in done.stdout + done.stderr
    finally:
        databases.end()
