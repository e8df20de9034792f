"""What is sealed is on the disk, opens with a responder's key alone, and with age itself."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ssh_tools import certify, fingerprint, keygen, must, needs_openssh, public, ssh_agent

from backends.model import Secret
from console.journal.format.entry import uuid7
from console.response.escrow import EscrowError, discard, held, place, recipients, seal, unseal
from console.settings import Paths

pytestmark = needs_openssh

VALUE = Secret('canary "new" välue\n4711')
PLAN = uuid7()
NOBODY: dict[str, str] = {}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "config.toml", tmp_path / "state")


@pytest.mark.parametrize(("kind", "more"), [("ed25519", ()), ("rsa", ("-b", "3072"))])
def test_a_value_opens_with_each_responders_key_and_no_other(
    tmp_path: Path, paths: Paths, kind: str, more: tuple[str, ...]
) -> None:
    one, two = keygen(tmp_path / "one", kind, *more), keygen(tmp_path / "two")
    stranger = keygen(tmp_path / "stranger", kind, *more)
    sealed = seal(VALUE, [public(one), public(two)], place(paths, PLAN, 7))
    assert sealed.path == paths.state / "escrow" / PLAN / "7.age"
    assert sealed.fingerprints == (fingerprint(one), fingerprint(two))
    assert unseal(sealed.path, one) == VALUE
    assert unseal(sealed.path, two) == VALUE
    with pytest.raises(EscrowError) as caught:
        unseal(sealed.path, stranger)
    assert "does not open" in str(caught.value)
    assert b"canary" not in sealed.path.read_bytes()


def test_files_are_private_and_say_nothing_by_their_names(tmp_path: Path, paths: Paths) -> None:
    key = keygen(tmp_path / "key")
    sealed = seal(VALUE, [public(key)], place(paths, PLAN, 1))
    assert sealed.path.stat().st_mode & 0o777 == 0o600
    for folder in (sealed.path.parent, sealed.path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert os.listdir(sealed.path.parent) == ["1.age"]


def test_a_value_is_on_the_disk_before_seal_returns(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, synced = keygen(tmp_path / "key"), []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    path = seal(VALUE, [public(key)], place(paths, PLAN, 1)).path
    # The file itself, its name in its directory, and every new directory's name in the next.
    assert any(Path(name).name.startswith(".1.age.") for name in synced)
    folders = {str(path.parent), str(path.parent.parent), str(paths.state), str(tmp_path)}
    assert folders <= set(synced)


def test_what_is_in_escrow_is_never_overwritten(tmp_path: Path, paths: Paths) -> None:
    key = keygen(tmp_path / "key")
    values = [Secret(f"value {number}") for number in range(12)]
    made = [seal(value, [public(key)], place(paths, PLAN, 3)).path for value in values]
    assert made[0].name == "3.age"
    assert held(paths, PLAN, 3) == made
    assert [unseal(path, key) for path in made] == values
    assert held(paths, PLAN, 33) == []
    with pytest.raises(EscrowError):
        seal(VALUE, [public(key)], made[0])
    assert unseal(made[0], key) == values[0]


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "key")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = place(paths, PLAN, 1)
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EscrowError) as caught:
        seal(VALUE, [public(key)], path)
    assert "No space" in str(caught.value)
    assert os.listdir(path.parent) == []


def test_a_closed_run_leaves_no_value(tmp_path: Path, paths: Paths) -> None:
    key, other = keygen(tmp_path / "key"), uuid7()
    for number in (1, 2, 2):
        seal(VALUE, [public(key)], place(paths, PLAN, number))
    kept = seal(VALUE, [public(key)], place(paths, other, 1)).path
    assert discard(paths, PLAN) == 3
    assert discard(paths, PLAN) == 0
    assert held(paths, PLAN) == []
    assert kept.exists()


@pytest.mark.parametrize("name", ["..", "../state", "x" * 36, ""])
def test_only_the_id_of_a_plan_becomes_a_path(paths: Paths, name: str) -> None:
    for work in (lambda: place(paths, name, 1), lambda: discard(paths, name)):
        with pytest.raises(EscrowError):
            work()


def test_a_key_with_a_passphrase_opens_with_it(tmp_path: Path, paths: Paths) -> None:
    key = tmp_path / "key"
    must("ssh-keygen", "-q", "-t", "ed25519", "-N", "canary word", "-f", key)
    path = seal(VALUE, [public(key)], place(paths, PLAN, 1)).path
    assert unseal(path, key, Secret("canary word")) == VALUE
    for word in (None, Secret("wrong")):
        with pytest.raises(EscrowError) as caught:
            unseal(path, key, word)
        assert "passphrase" in str(caught.value)
    # A passphrase that the key does not need does no harm.
    plain = keygen(tmp_path / "plain")
    assert unseal(seal(VALUE, [public(plain)], place(paths, PLAN, 2)).path, plain, Secret("x"))


def test_a_private_key_that_others_can_read_is_not_used(tmp_path: Path, paths: Paths) -> None:
    key = keygen(tmp_path / "key")
    path = seal(VALUE, [public(key)], place(paths, PLAN, 1)).path
    key.chmod(0o644)
    with pytest.raises(EscrowError) as caught:
        unseal(path, key)
    assert "chmod 600" in caught.value.hint


def test_age_recipients_and_identities_work_too(tmp_path: Path, paths: Paths) -> None:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "age.key"
    key.write_text(f"# made by a test\n{identity}\n")
    key.chmod(0o600)
    sealed = seal(VALUE, [str(identity.to_public())], place(paths, PLAN, 1))
    assert sealed.fingerprints == (str(identity.to_public()),)
    assert unseal(sealed.path, key) == VALUE


@pytest.mark.skipif(shutil.which("age") is None, reason="needs the program age (apt install age)")
@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_program_age_opens_our_files_and_we_open_its(
    tmp_path: Path, paths: Paths, kind: str
) -> None:
    key = keygen(tmp_path / "key", kind)
    path = seal(VALUE, [public(key)], place(paths, PLAN, 1)).path
    opened = subprocess.run(["age", "-d", "-i", key, path], capture_output=True, check=True)
    assert opened.stdout.decode() == VALUE.reveal()
    theirs = tmp_path / "theirs.age"
    subprocess.run(
        ["age", "-R", f"{key}.pub", "-o", theirs], input=VALUE.reveal().encode(), check=True
    )
    assert unseal(theirs, key) == VALUE


def test_recipients_come_from_the_configuration_alone_where_it_names_any(tmp_path: Path) -> None:
    one, two = keygen(tmp_path / "one"), keygen(tmp_path / "two")
    file = tmp_path / "both.pub"
    file.write_text(f"# the team\n{public(one)} one@x\n\n{public(two)} two@x\n")
    found = recipients([file, f"{public(one)}  one again"], NOBODY, tmp_path)
    assert found.keys == (public(one), public(two))
    assert found.source == "the configuration"


@pytest.mark.parametrize("kind", ["ecdsa", "sk", "rubbish", "plugin", "missing"])
def test_a_configured_key_that_age_cannot_use_is_an_error_that_says_why(
    tmp_path: Path, kind: str
) -> None:
    hardware = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIK9BPyKuVZ"
    written: dict[str, tuple[str | Path, str]] = {
        "ecdsa": (public(keygen(tmp_path / "ec", "ecdsa")), "ecdsa-sha2-nistp256"),
        "sk": (hardware, "sk-ssh-ed25519"),
        "rubbish": ("ssh-ed25519 AAAA", "no public key"),
        "plugin": ("age1yubikey1qqq", "plugin"),
        "missing": (tmp_path / "missing.pub", "missing.pub"),
    }
    line, word = written[kind]
    with pytest.raises(EscrowError) as caught:
        recipients([line], NOBODY, tmp_path)
    assert word in str(caught.value)
    assert caught.value.hint


def test_hardware_keys_are_named_as_such(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from console.sshsig.wire import string

    point = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kind = b"sk-ssh-ed25519@openssh.com"
    blob = string(kind) + string(point) + string(b"ssh:")
    line = f"{kind.decode()} {base64.b64encode(blob).decode()}"
    with pytest.raises(EscrowError) as caught:
        recipients([line], NOBODY, tmp_path)
    assert "hardware" in str(caught.value)


def test_else_they_come_from_the_agent_without_what_age_cannot_use(tmp_path: Path) -> None:
    ca, usable = keygen(tmp_path / "ca"), keygen(tmp_path / "usable")
    certify(ca, usable, "-n", "alice")
    other = keygen(tmp_path / "other", "ecdsa")
    with ssh_agent() as agent:
        for key in (other, usable):
            must("ssh-add", "-q", key, sock=agent.path)
        found = recipients([], {"SSH_AUTH_SOCK": agent.path}, tmp_path)
    # The key and its certificate are one recipient.
    assert found.keys == (public(usable),)
    assert found.source == "the ssh-agent"
    assert "ecdsa-sha2-nistp256" in "".join(found.passed_over)


def test_else_from_the_users_own_public_keys(tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    key = keygen(folder / "id_ed25519")
    keygen(folder / "id_ecdsa", "ecdsa")
    found = recipients([], NOBODY, tmp_path)
    assert found.keys == (public(key),)
    assert found.source == str(folder)


def test_where_there_is_no_key_at_all_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EscrowError) as caught:
        recipients([], NOBODY, tmp_path)
    assert "ssh-keygen -t ed25519" in caught.value.hint
    assert "[response] escrow" in caught.value.hint
    with pytest.raises(EscrowError):
        seal(VALUE, [], tmp_path / "x.age")
    assert not (tmp_path / "x.age").exists()


def test_a_crash_before_the_name_is_given_leaves_no_half_file(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keygen(tmp_path / "key")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(KeyboardInterrupt):
        seal(VALUE, [public(key)], place(paths, PLAN, 1))
    assert held(paths, PLAN) == []
