"""The allowed_signers file, read as ssh-keygen reads it and never more loosely."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ssh_tools import NAMESPACE, keygen_accepts

from console.sshsig import keys, sshsig
from console.sshsig.allowed import AllowedSigners, line_for, matches
from console.sshsig.errors import AllowedSignersError, SignatureRefused

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BLOB = sshsig.public_blob(PRIVATE)
KEY = line_for("x", BLOB).split(" ", 1)[1].strip()
OTHER = line_for("x", sshsig.public_blob(Ed25519PrivateKey.generate())).split(" ", 1)[1].strip()
AT = datetime(2026, 6, 15, 12, tzinfo=UTC)
ALICE = "alice@example.com"


def principal(text: str, name: str | None = ALICE, at: datetime = AT) -> str:
    return AllowedSigners.parse(text).principal(keys.parse(BLOB), NAMESPACE, name, at)


ACCEPTED = [
    f"{ALICE} {KEY}",
    f'  {ALICE}\t{KEY} a comment, with "quotes"\r\n',
    f"# nobody\n\n{ALICE} {KEY}",
    f"bob@example.com,*@example.com {KEY}",
    f'"{ALICE}" {KEY}',
    f"alice@??ample.com {KEY}",
    f'{ALICE} namespaces="file,journal-*" {KEY}',
    f'{ALICE} NameSpaces="{NAMESPACE}",valid-after="20260615Z",valid-before="202606151201Z" {KEY}',
    f'{ALICE} valid-before="20260615120000Z" {KEY}',
    f"{ALICE} {OTHER}\n{ALICE} {KEY}",
    f'{ALICE} namespaces="file" {KEY}\n{ALICE} {KEY}',
]
REFUSED = [
    f"bob@example.com {KEY}",
    f"*@example.com,!alice@* {KEY}",
    f"{ALICE} {OTHER}",
    f"{ALICE} cert-authority {KEY}",
    f'{ALICE} namespaces="file" {KEY}',
    f'{ALICE} namespaces="*,!journal-*" {KEY}',
    f'{ALICE} valid-after="20260616Z" {KEY}',
    f'{ALICE} valid-before="20260615Z" {KEY}',
    f"ALICE@example.com {KEY}",
]


# The keys are new in each process, so the lines themselves are no stable names.
@pytest.mark.parametrize("text", ACCEPTED, ids=lambda _: "line")
def test_a_listed_key_may_sign(text: str) -> None:
    assert principal(text) == ALICE


@pytest.mark.parametrize("text", REFUSED, ids=lambda _: "line")
def test_any_other_may_not(text: str) -> None:
    with pytest.raises(SignatureRefused):
        principal(text)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
@pytest.mark.parametrize("expected", [True, False])
def test_ssh_keygen_reads_the_same_lines_in_the_same_way(expected: bool, tmp_path: Path) -> None:
    armoured = sshsig.armour(sshsig.sign_here(PRIVATE, NAMESPACE, b"m"))
    when = "-Overify-time=20260615120000Z"
    for text in ACCEPTED if expected else REFUSED:
        told = keygen_accepts(tmp_path, armoured, b"m", text + "\n", ALICE, when)
        assert told is expected, text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (ALICE, "a name and a key"),
        (f'"{ALICE} {KEY}', "a name and a key"),
        (f"{ALICE} {KEY[:40]}!", "'ssh-ed25519' is neither"),
        (f"{ALICE} ssh-rsa {KEY.split()[1]}", "'ssh-rsa' is neither"),
        (f"{ALICE} no-such-option {KEY}", "'no-such-option' is neither"),
        (f'{ALICE} namespaces="a",namespaces="b" {KEY}', "twice"),
        (f"{ALICE} namespaces=file {KEY}", "cannot be read"),
        (f'{ALICE} cert-authority="yes" {KEY}', "not written like that"),
        (f"{ALICE} valid-after {KEY}", "not written like that"),
        (f'{ALICE} valid-after="yesterday" {KEY}', "no date"),
        (f'{ALICE} valid-after="20261399Z" {KEY}', "line 2"),
        (f'{ALICE} valid-after="20260102Z",valid-before="20260101Z" {KEY}', "not after"),
        (f'{ALICE} namespaces="a",', "cannot be read"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_never_skipped(line: str, told: str) -> None:
    with pytest.raises(AllowedSignersError, match=told) as caught:
        AllowedSigners.parse(f"# signers\n{line}\n{ALICE} {KEY}\n", "signers")
    assert "signers, line 2" in str(caught.value)


def test_without_a_name_the_file_tells_it() -> None:
    assert principal(f"alice,{ALICE} {KEY}", None) == f"alice,{ALICE}"


def test_patterns_take_no_long_time_and_mean_what_openssh_means() -> None:
    assert matches("a" * 2000 + "b", "*a" * 50 + "*b")
    assert not matches("a" * 2000, "*a" * 50 + "*b")
    assert matches("", "*")
    assert not matches("", "?")
    assert not matches("ab", "a")
    assert not matches("alice", "!bob")
    assert not matches("alice", "alice,!al*")


def test_a_file_is_read_or_the_error_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "allowed_signers"
    with pytest.raises(AllowedSignersError, match="No such file"):
        AllowedSigners.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(AllowedSignersError, match="not text"):
        AllowedSigners.load(path)
    path.write_text(line_for(ALICE, BLOB, NAMESPACE))
    assert AllowedSigners.load(path).principal(keys.parse(BLOB), NAMESPACE, None, AT) == ALICE
    for name in ("", "a b", 'a"b', "a\nb", "#a"):
        with pytest.raises(ValueError, match="no room"):
            line_for(name, BLOB)
