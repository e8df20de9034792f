"""Signatures: what OpenSSH makes is accepted here, what is made here OpenSSH accepts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ssh_tools import (
    NAMESPACE,
    FidoKey,
    certify,
    fingerprint,
    keygen,
    keygen_accepts,
    must,
    needs_openssh,
    public,
    run,
    ssh_agent,
)

from console.sshsig import keys, sshsig
from console.sshsig.allowed import AllowedSigners, line_for
from console.sshsig.errors import KeyUnusable, SignatureRefused
from console.sshsig.wire import mpint, string

MESSAGE = '{"why":"leaked in a public repository – ja"}'.encode()
NOW = datetime.now(UTC)
KINDS = {
    "ed25519": ("ed25519",),
    "p256": ("ecdsa", "-b", "256"),
    "p384": ("ecdsa", "-b", "384"),
    "p521": ("ecdsa", "-b", "521"),
    "rsa": ("rsa", "-b", "2048"),
}


def signers(text: str) -> AllowedSigners:
    return AllowedSigners.parse(text)


def verify(
    armoured: str, allowed: str, principal: str | None = "alice@example.com", at: datetime = NOW
) -> sshsig.CheckedSignature:
    return sshsig.verify(armoured, MESSAGE, NAMESPACE, signers(allowed), principal, at)


def keygen_sign(folder: Path, key: Path, *more: str) -> str:
    message = folder / "m"
    message.write_bytes(MESSAGE)
    (folder / "m.sig").unlink(missing_ok=True)
    must("ssh-keygen", "-Y", "sign", "-f", key, "-n", NAMESPACE, *more, message)
    return (folder / "m.sig").read_text()


@needs_openssh
@pytest.mark.parametrize("kind", KINDS)
def test_ours_and_openssh_accept_each_other_and_refuse_what_was_tampered_with(
    kind: str, tmp_path: Path
) -> None:
    key = keygen(tmp_path / kind, *KINDS[kind])
    allowed = f'alice@example.com namespaces="{NAMESPACE}" {public(key)}\n'
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        ours = sshsig.sign(agent, agent.choose(), NAMESPACE, MESSAGE)
    assert keygen_accepts(tmp_path, ours, MESSAGE, allowed, "alice@example.com")
    assert not keygen_accepts(tmp_path, ours, MESSAGE + b" ", allowed, "alice@example.com")
    for armoured in (
        ours,
        keygen_sign(tmp_path, key),
        keygen_sign(tmp_path, key, "-Ohashalg=sha256"),
    ):
        found = verify(armoured, allowed)
        assert (found.key_fp, found.principal) == (fingerprint(key), "alice@example.com")
        assert (found.cert_principals, found.sk_flags) == ((), None)
        blob = bytearray(sshsig.dearmour(armoured))
        blob[-5] ^= 1
        with pytest.raises(SignatureRefused):
            verify(sshsig.armour(bytes(blob)), allowed)
        with pytest.raises(SignatureRefused, match="not by this key"):
            sshsig.verify(
                armoured, MESSAGE + b" ", NAMESPACE, signers(allowed), "alice@example.com", NOW
            )
        with pytest.raises(SignatureRefused, match="not for 'file'"):
            sshsig.verify(armoured, MESSAGE, "file", signers(allowed), "alice@example.com", NOW)
        with pytest.raises(SignatureRefused, match="principals"):
            verify(armoured, allowed, "mallory@example.com")
    other = f"alice@example.com {public(keygen(tmp_path / 'other'))}\n"
    with pytest.raises(SignatureRefused, match="not in allowed_signers"):
        verify(ours, other)


@needs_openssh
def test_the_armour_is_the_very_text_that_ssh_keygen_writes(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    theirs = keygen_sign(tmp_path, key)
    assert sshsig.armour(sshsig.dearmour(theirs)) == theirs
    with ssh_agent() as agent:
        must("ssh-add", key, sock=agent.path)
        # Ed25519 signatures have no chance in them, so the files are equal.
        assert sshsig.sign(agent, agent.choose(), NAMESPACE, MESSAGE) == theirs


@needs_openssh
@pytest.mark.parametrize("kind", ["ed25519", "p384", "rsa"])
def test_a_certificate_signs_in_its_principals_names_and_in_its_time(
    kind: str, tmp_path: Path
) -> None:
    ca, key = keygen(tmp_path / "ca", *KINDS[kind]), keygen(tmp_path / "key", *KINDS[kind])
    certify(ca, key, "-n", "alice,alice@example.com", "-V", "20260101000000Z:20260201000000Z")
    during, after = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    allowed = f"*@example.com,!mallory@example.com cert-authority {public(ca)}\n"
    with ssh_agent() as agent:
        # ssh-add adds the plain key and the certificate beside it.
        must("ssh-add", key, sock=agent.path)
        armoured = sshsig.sign(agent, agent.choose(), NAMESPACE, MESSAGE)
    when = "-Overify-time=20260115000000Z"
    assert keygen_accepts(tmp_path, armoured, MESSAGE, allowed, "alice@example.com", when)
    assert not keygen_accepts(tmp_path, armoured, MESSAGE, allowed, "alice@example.com")
    found = verify(armoured, allowed, at=during)
    assert found.cert_principals == ("alice", "alice@example.com")
    assert found.key_fp == fingerprint(key)
    assert verify(armoured, allowed, None, during).principal == "alice@example.com"
    with pytest.raises(SignatureRefused, match="expired"):
        verify(armoured, allowed, at=after)
    with pytest.raises(SignatureRefused, match="not valid yet"):
        verify(armoured, allowed, at=datetime(2025, 12, 31, tzinfo=UTC))
    with pytest.raises(SignatureRefused, match="certificate's principals"):
        verify(armoured, allowed, "bob@example.com", during)
    with pytest.raises(SignatureRefused, match="line's principals"):
        verify(armoured, allowed, "alice", during)
    # The certificate's key and its authority's key are not themselves in the list.
    for line in (f"alice@example.com {public(key)}", f"alice@example.com {public(ca)}"):
        with pytest.raises(SignatureRefused, match="not in allowed_signers"):
            verify(armoured, line, at=during)
    blob = sshsig.dearmour(armoured)
    forged = blob.replace(b"alice@example.com", b"mally@example.com")
    with pytest.raises(SignatureRefused, match="not genuine"):
        verify(sshsig.armour(forged), allowed, "mally@example.com", during)


@needs_openssh
def test_certificates_that_stand_for_nobody_or_ask_for_more_are_refused(tmp_path: Path) -> None:
    ca = keygen(tmp_path / "ca")
    allowed = f"* cert-authority {public(ca)}\n"
    for name, more, told in (
        ("anybody", (), "principals"),
        ("host", ("-h", "-n", "alice@example.com"), "a host's"),
        (
            "strange",
            ("-n", "alice@example.com", "-O", "critical:strange@example.com"),
            "critical option",
        ),
        ("pin", ("-n", "alice@example.com", "-O", "verify-required"), "PIN"),
    ):
        key = keygen(tmp_path / name)
        certificate = certify(ca, key, *more)
        plain = sshsig.parse(sshsig.dearmour(keygen_sign(tmp_path, key)))
        blob = base64.b64decode(certificate.read_text().split()[1])
        armoured = sshsig.armour(sshsig.blob(blob, NAMESPACE, plain.signature))
        with pytest.raises(SignatureRefused, match=told):
            verify(armoured, allowed)


@needs_openssh
def test_weak_keys_and_old_hashes_are_no_signatures(tmp_path: Path) -> None:
    key = keygen(tmp_path / "weak", "rsa", "-b", "1024")
    armoured = keygen_sign(tmp_path, key)
    with pytest.raises(SignatureRefused, match="1024 bits"):
        verify(armoured, f"alice@example.com {public(key)}")
    key = keygen(tmp_path / "rsa", *KINDS["rsa"])
    parsed = sshsig.parse(sshsig.dearmour(keygen_sign(tmp_path, key)))
    sha1 = parsed.signature.replace(string(b"rsa-sha2-512"), string(b"ssh-rsa"))
    armoured = sshsig.armour(sshsig.blob(parsed.key.blob, NAMESPACE, sha1))
    with pytest.raises(SignatureRefused, match="'ssh-rsa'"):
        verify(armoured, f"alice@example.com {public(key)}")


@pytest.mark.parametrize("curve", [False, True])
def test_a_fido_key_has_to_have_been_touched(curve: bool, tmp_path: Path) -> None:
    def signed(flags: int) -> tuple[str, str]:
        fido = FidoKey(flags, curve)
        signature = fido.sign(sshsig.to_be_signed(NAMESPACE, MESSAGE))
        blob = sshsig.blob(fido.blob, NAMESPACE, signature)
        return sshsig.armour(blob), f"alice@example.com {fido.line}\n"

    armoured, allowed = signed(0x01)
    found = verify(armoured, allowed)
    assert (found.sk_flags, found.sk_counter) == (1, 7)
    with pytest.raises(SignatureRefused, match="no PIN"):
        sshsig.verify(
            armoured, MESSAGE, NAMESPACE, signers(allowed), "alice@example.com", NOW, pin=True
        )
    armoured, allowed = signed(0x05)
    sshsig.verify(
        armoured, MESSAGE, NAMESPACE, signers(allowed), "alice@example.com", NOW, pin=True
    )
    armoured, allowed = signed(0x00)
    with pytest.raises(SignatureRefused, match="nobody touched"):
        verify(armoured, allowed)
    # The flags are under the signature: setting one afterwards breaks it.
    blob = sshsig.dearmour(armoured)
    lied = blob[:-5] + b"\x01" + blob[-4:]
    with pytest.raises(SignatureRefused, match="not by this key"):
        verify(sshsig.armour(lied), allowed)


@needs_openssh
def test_openssh_agrees_on_what_a_fido_signature_is(tmp_path: Path) -> None:
    if "sk-ssh-ed25519@openssh.com" not in run("ssh", "-Q", "key").stdout.decode():
        pytest.skip("this OpenSSH was built without FIDO keys")
    for curve in (False, True):
        fido = FidoKey(1, curve)
        signature = fido.sign(sshsig.to_be_signed(NAMESPACE, MESSAGE))
        armoured = sshsig.armour(sshsig.blob(fido.blob, NAMESPACE, signature))
        allowed = f"alice@example.com {fido.line}\n"
        assert keygen_accepts(tmp_path, armoured, MESSAGE, allowed, "alice@example.com")


def test_a_third_implementation_agrees(tmp_path: Path) -> None:
    asyncssh = pytest.importorskip("asyncssh")
    private = Ed25519PrivateKey.generate()
    allowed = line_for("alice@example.com", sshsig.public_blob(private), NAMESPACE)
    armoured = sshsig.armour(sshsig.sign_here(private, NAMESPACE, MESSAGE))

    def accepts(message: bytes) -> bool:
        return bool(
            asyncssh.validate_sshsig(
                message, armoured.encode(), "alice@example.com", allowed.encode()
            )
        )

    assert verify(armoured, allowed).alg == "ssh-ed25519"
    assert accepts(MESSAGE)
    assert not accepts(MESSAGE + b" ")
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    theirs = asyncssh.create_sshsig(key, MESSAGE, namespace=NAMESPACE).decode()
    assert verify(theirs, f"alice@example.com {key.export_public_key().decode()}")


def test_whatever_the_bytes_are_the_answer_is_a_refusal() -> None:
    private = Ed25519PrivateKey.generate()
    allowed = line_for("alice@example.com", sshsig.public_blob(private))
    blob = sshsig.sign_here(private, NAMESPACE, MESSAGE)
    verify(sshsig.armour(blob), allowed)
    cut = [blob[:end] for end in range(len(blob))]
    flipped = [blob[:at] + bytes([blob[at] ^ 0x80]) + blob[at + 1 :] for at in range(len(blob))]
    for wrong in (*cut, *flipped, blob + b"\0", b""):
        with pytest.raises(SignatureRefused):
            verify(sshsig.armour(wrong), allowed)
    armoured = sshsig.armour(blob)
    for text in ("", "x", armoured.replace("SSH", "PGP"), armoured.replace("U1NI", "U1N!")):
        with pytest.raises(SignatureRefused):
            verify(text, allowed)
    with pytest.raises(SignatureRefused, match="no SSH signature"):
        verify("-----BEGIN SSH SIGNATURE-----\n" + "A" * 10_000_000, allowed)
    assert verify(armoured.replace("\n", "\r\n"), allowed)
    with pytest.raises(ValueError, match="time zone"):
        verify(armoured, allowed, at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_key_has_one_encoding_and_no_surplus() -> None:
    rsa = string(b"ssh-rsa") + mpint(65537)
    number = (1 << 2047 | 1).to_bytes(256, "big")
    assert keys.parse(rsa + string(b"\0" + number)).type == "ssh-rsa"
    for wrong in (
        rsa + string(number),
        rsa + string(b"\0\0" + number),
        rsa + string(b"\0" + number) + b"\0",
        string(b"ssh-dss") + string(b"x"),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp384") + string(b"\x04" + bytes(96)),
        string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x04" + bytes(64)),
        string(b"ssh-ed25519") + string(bytes(31)),
        b"",
    ):
        with pytest.raises(KeyUnusable):
            keys.parse(wrong)


def test_the_time_that_decides_is_the_given_one(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    key = line_for("x", sshsig.public_blob(private)).split(" ", 1)[1]
    tomorrow = (NOW + timedelta(days=1)).strftime("%Y%m%d%H%M%SZ")
    allowed = f'alice@example.com valid-after="{tomorrow}" {key}'
    armoured = sshsig.armour(sshsig.sign_here(private, NAMESPACE, MESSAGE))
    with pytest.raises(SignatureRefused, match="not valid yet"):
        verify(armoured, allowed)
    assert verify(armoured, allowed, at=NOW + timedelta(days=2))
