"""Signed notes and checkpoints: the published example, other people's tools, hostile bytes."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from console.tlog import checkpoint as checkpoints
from console.tlog import note
from console.tlog.checkpoint import Checkpoint
from console.tlog.note import (
    BadSignature,
    Ed25519Signer,
    MalformedNote,
    NoteError,
    NoteSignature,
    NotSigned,
    Verifier,
)

GOLDEN_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
GOLDEN = (
    "This is an example message.\n\n"
    "— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
"""The example of the signed-note specification."""

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Ed25519Signer("bastion.example/journal", KEY)
OTHER = Ed25519Signer("other.example/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
VERIFIER = Verifier.parse(SIGNER.vkey)
POINT = Checkpoint("bastion.example/journal", 20852163, bytes(range(32)))


def test_the_example_of_the_specification_opens_and_is_signed_by_its_key() -> None:
    verifier = Verifier.parse(GOLDEN_KEY)
    opened = note.open_note(GOLDEN, [verifier])
    assert opened.text == "This is an example message.\n"
    assert opened.names == ("example.com/foo",)
    assert opened.unverified == ()
    assert verifier.vkey == GOLDEN_KEY


def test_what_is_signed_opens_and_says_who_signed() -> None:
    signed = note.sign("one\n\ntwo\n", SIGNER, OTHER)
    opened = note.open_note(signed, [VERIFIER])
    assert opened.text == "one\n\ntwo\n"
    assert opened.names == (SIGNER.name,)
    assert [each.name for each in opened.unverified] == [OTHER.name]


def test_a_signature_of_an_unknown_key_is_ignored_even_with_a_known_name() -> None:
    impostor = Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate())
    signed = note.sign("text\n", SIGNER, impostor)
    opened = note.open_note(signed, [VERIFIER])
    assert len(opened.verified) == len(opened.unverified) == 1
    with pytest.raises(NotSigned):
        note.open_note(note.sign("text\n", impostor), [VERIFIER])
    with pytest.raises(NotSigned):
        note.open_note(signed, [])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    text, (good,) = note.parse(note.sign("text\n", SIGNER))
    bad = good._replace(value=bytes(64))
    for lines in ((bad,), (bad, good)):
        with pytest.raises(BadSignature):
            note.open_note(note_of(text, *lines), [VERIFIER])


def test_a_changed_text_is_refused() -> None:
    signed = note.sign("revoked 5 tokens\n", SIGNER)
    with pytest.raises(BadSignature):
        note.open_note(signed.replace(b"5", b"6"), [VERIFIER])


@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, 7))
def test_no_single_flipped_bit_goes_unnoticed(place: int, bit: int) -> None:
    bent = bytearray(GOLDEN)
    bent[place] ^= 1 << bit
    with pytest.raises(NoteError):
        note.open_note(bytes(bent), [Verifier.parse(GOLDEN_KEY)])


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_by_an_error_of_ours(data: bytes) -> None:
    for hostile in (data, b"text\n\n" + data, GOLDEN + data + b"\n"):
        with pytest.raises(NoteError):
            note.open_note(hostile, [VERIFIER])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        GOLDEN[:-1],
        GOLDEN.replace(b"\n\n", b"\n"),
        GOLDEN.replace(b"message", b"mess\tage"),
        GOLDEN.replace(b"message", b"mess\rage"),
        GOLDEN.replace(b"message", b"mess\xffage"),
        GOLDEN.replace("— ".encode(), b"- "),
        GOLDEN.replace(b"example.com/foo ", b"example.com/foo  "),
        GOLDEN.replace(b"example.com/foo ", "example.com/\u00a0foo ".encode()),
        GOLDEN.replace(b"example.com/foo ", b"example.com+foo "),
        GOLDEN.replace(b"aQM=", b"aQM"),
        GOLDEN.replace(b"aQM=", b"aQN="),  # Other bits in the padding, same bytes.
        "text\n\n— a AAAAAA==\n".encode(),
    ],
)
def test_bytes_that_are_not_a_note_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedNote):
        note.open_note(data, [Verifier.parse(GOLDEN_KEY)])


def test_size_and_number_of_signatures_are_bounded_and_sixteen_pass() -> None:
    text, (line,) = note.parse(GOLDEN)
    strangers = [NoteSignature(f"w{n}.example", b"abcd", bytes(2428)) for n in range(100)]
    sixteen = note_of(text, *strangers[:15], line)
    assert note.open_note(sixteen, [Verifier.parse(GOLDEN_KEY)]).names == (line.name,)
    with pytest.raises(MalformedNote):
        note.parse(note_of(text, line, *(each._replace(value=b"x") for each in strangers)))
    with pytest.raises(MalformedNote):
        note.parse(note_of(text + "x" * note.MAX_BYTES + "\n", line))


def test_a_key_counts_once_however_often_it_signs() -> None:
    text, (line,) = note.parse(GOLDEN)
    assert (
        len(note.open_note(note_of(text, line, line), [Verifier.parse(GOLDEN_KEY)]).verified) == 1
    )


def test_adding_a_signature_keeps_what_is_there_and_never_doubles() -> None:
    signed = note.sign("text\n", SIGNER)
    _, lines = note.parse(note.sign("text\n", OTHER))
    both = note.add(signed, lines)
    assert both.startswith(signed)
    assert note.open_note(both, [VERIFIER, Verifier.parse(OTHER.vkey)]).names == (
        SIGNER.name,
        OTHER.name,
    )
    assert note.add(both, lines) == both


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\0\n"])
def test_a_text_that_no_reader_would_accept_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        note.sign(text, SIGNER)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u2028b", "line\n"])
def test_a_key_needs_a_name_that_can_stand_in_a_line(name: str) -> None:
    with pytest.raises(MalformedNote):
        Ed25519Signer(name, KEY)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        GOLDEN_KEY.replace("530d903a", "530d903b"),
        GOLDEN_KEY.replace("530d903a", "530D903A"),
        GOLDEN_KEY.replace("foo", "bar"),
        GOLDEN_KEY[:-2],
        GOLDEN_KEY + "AA",
        note.format_vkey("witness.example", 0x04, bytes(32)),
        note.format_vkey("short.example", 0x01, bytes(31)),
    ],
)
def test_a_damaged_key_is_refused(vkey: str) -> None:
    with pytest.raises(MalformedNote):
        Verifier.parse(vkey)


def test_a_private_key_does_not_show() -> None:
    assert KEY.private_bytes_raw().hex() not in repr(SIGNER)
    assert SIGNER.vkey in repr(SIGNER)


def test_a_checkpoint_has_the_published_form_and_reads_back() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    point = Checkpoint.parse(text)
    assert (point.origin, point.size) == ("example.com/behind-the-sofa", 20852163)
    assert point.body() == text
    extended = text + "a further line\n"
    assert Checkpoint.parse(extended).body() == extended


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("origin",),
        ("origin", "1"),
        ("", "1", "A" * 43 + "="),
        ("origin", "01", "A" * 43 + "="),
        ("origin", "-1", "A" * 43 + "="),
        ("origin", "+1", "A" * 43 + "="),
        ("origin", "1 ", "A" * 43 + "="),
        ("origin", "１", "A" * 43 + "="),
        ("origin", "9223372036854775808", "A" * 43 + "="),
        ("origin", "9" * 5000, "A" * 43 + "="),
        ("origin", "1", "AAAA"),
        ("origin", "1", "A" * 43 + "=", ""),
    ],
)
def test_other_texts_are_not_checkpoints(lines: tuple[str, ...]) -> None:
    with pytest.raises(MalformedNote):
        Checkpoint.parse("".join(f"{line}\n" for line in lines))


def test_a_checkpoint_needs_the_key_of_its_own_log() -> None:
    signed = checkpoints.sign(POINT, SIGNER, OTHER)
    other = Verifier.parse(OTHER.vkey)
    point, opened = checkpoints.open_checkpoint(signed, [VERIFIER], [other])
    assert point == POINT
    assert opened.names == (SIGNER.name, OTHER.name)
    with pytest.raises(NotSigned):
        checkpoints.open_checkpoint(signed, [other])
    with pytest.raises(NotSigned):
        checkpoints.open_checkpoint(signed, [], [VERIFIER])


def test_openssl_checks_a_checkpoint_and_refuses_a_changed_one(tmp_path: Path) -> None:
    text, (line,) = note.parse(checkpoints.sign(POINT, SIGNER))
    (tmp_path / "key.pem").write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "sig").write_bytes(line.value)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem"]
    command += ["-rawin", "-in", "body", "-sigfile", "sig"]
    for body, accepted in ((text, True), (text.replace("20852163", "20852164"), False)):
        (tmp_path / "body").write_text(body)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0) is accepted


def test_ssh_keygen_checks_a_checkpoint_that_its_key_signed(tmp_path: Path) -> None:
    """The log's key is an ordinary Ed25519 key: OpenSSH can sign and check with it too."""
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    private = tmp_path / "key"
    private.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    private.chmod(0o600)
    public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    namespace = "journal-checkpoint@example"
    (tmp_path / "allowed").write_text(f'journal namespaces="{namespace}" {public}\n')
    signed = checkpoints.sign(POINT, SIGNER)
    (tmp_path / "checkpoint").write_bytes(signed)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", private, "-n", namespace, tmp_path / "checkpoint"],
        check=True,
        capture_output=True,
    )
    # Both name the same key: the blob of OpenSSH ends in the 32 bytes of the verifier key.
    assert base64.b64decode(public.split()[1])[-32:] == VERIFIER.public_key
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "journal", "-n", namespace]
    for data, accepted in ((signed, True), (signed.replace(b"2085", b"2086"), False)):
        done = subprocess.run(
            [*command, "-s", "checkpoint.sig"],
            cwd=tmp_path,
            input=data,
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is accepted


def note_of(text: str, *lines: NoteSignature) -> bytes:
    return (text + "\n" + "".join(each.line() for each in lines)).encode()
