"""SSHSIG, the signatures of ``ssh-keygen -Y`` (OpenSSH's PROTOCOL.sshsig)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.sshsig import keys
from console.sshsig.agent import Identity, SshAgent
from console.sshsig.allowed import AllowedSigners
from console.sshsig.errors import AgentBroken, KeyUnusable, Malformed, SignatureRefused
from console.sshsig.wire import WireReader, string, u32

MAGIC, VERSION = b"SSHSIG", 1
MAX_ARMOUR = 128 * 1024
"""Characters. The largest certificates take some ten thousand."""
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = ("sha512", "sha256")
_COLUMNS = 70


class CheckedSignature(NamedTuple):
    """A signature that is valid and allowed. ``principal`` is by whom; the names are raw."""

    key_fp: str
    principal: str
    cert_principals: tuple[str, ...]
    sk_flags: int | None
    alg: str
    namespace: str
    sk_counter: int | None = None


class Parsed(NamedTuple):
    """What is in an SSHSIG blob. Nothing of it has been checked but the certificate's CA."""

    key: keys.Key
    namespace: str
    hash: str
    signature: bytes


def to_be_signed(namespace: str, message: bytes, hash_: str = "sha512") -> bytes:
    """The bytes that the key signs for a message. A namespace may not be empty."""
    if not namespace or hash_ not in _HASHES:
        raise ValueError("a namespace and one of the two hashes are needed")
    digest = hashlib.new(hash_, message).digest()
    return (
        MAGIC + string(namespace.encode()) + string(b"") + string(hash_.encode()) + string(digest)
    )


def blob(public: bytes, namespace: str, signature: bytes) -> bytes:
    """The signature as one piece: what the armour holds."""
    return (
        MAGIC
        + u32(VERSION)
        + string(public)
        + string(namespace.encode())
        + string(b"")
        + string(b"sha512")
        + string(signature)
    )


def armour(data: bytes) -> str:
    """The blob as a ``.sig`` file has it."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join((_BEGIN, *lines, _END, ""))


def dearmour(text: str) -> bytes:
    """The blob in a ``.sig`` file. Raises ``SignatureRefused``."""
    lines = [line.rstrip("\r") for line in text[: MAX_ARMOUR + 1].strip("\n").split("\n")]
    if len(text) > MAX_ARMOUR or lines[0] != _BEGIN or lines[-1] != _END:
        raise SignatureRefused("this is no SSH signature")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("the SSH signature is damaged") from None


def sign(agent: SshAgent, key: Identity, namespace: str, message: bytes) -> str:
    """The armoured signature of a key in the agent. May wait for a person.

    It is checked before it is returned: an entry must not say "signed" because an agent
    answered something.

    Raises:
        AgentError: any of its kinds; the hint says what to do.
    """
    public = keys.parse(key.blob)
    data = to_be_signed(namespace, message)
    signature = agent.sign(key.blob, data)
    try:
        use = keys.check(public, signature, data)
    except SignatureRefused as error:
        raise AgentBroken(
            f"the ssh-agent's signature is not valid: {error}", "See what it does: ssh-add -T."
        ) from None
    if use.flags is not None and not use.flags & keys.TOUCHED:
        raise KeyUnusable(
            "the key signs without being touched, so anything could have asked it to",
            "Make one without -O no-touch-required: ssh-keygen -t ed25519-sk.",
        )
    return armour(blob(key.blob, namespace, signature))


def public_blob(private: Ed25519PrivateKey) -> bytes:
    """The SSH form of an Ed25519 key's public half."""
    return string(b"ssh-ed25519") + string(private.public_key().public_bytes_raw())


def sign_here(private: Ed25519PrivateKey, namespace: str, message: bytes) -> bytes:
    """The blob of a signature by a key in this process: about 50 µs."""
    signature = private.sign(to_be_signed(namespace, message))
    return blob(public_blob(private), namespace, string(b"ssh-ed25519") + string(signature))


def parse(data: bytes) -> Parsed:
    """The parts of a blob.

    Raises:
        SignatureRefused: it is damaged, of another version, or by an unusable key.
    """
    try:
        reader = WireReader(data)
        if reader.take(len(MAGIC)) != MAGIC or reader.u32() != VERSION:
            raise SignatureRefused("not an SSH signature of version 1")
        public, namespace = reader.string(), reader.text()
        reader.string()  # Reserved: to be ignored.
        hash_, signature = reader.text(), reader.string()
        reader.end()
        if not namespace or hash_ not in _HASHES:
            raise SignatureRefused("the signature has no namespace, or a hash that is not known")
        return Parsed(keys.parse(public), namespace, hash_, signature)
    except Malformed as error:
        raise SignatureRefused(f"the SSH signature is damaged: {error}") from None
    except KeyUnusable as error:
        raise SignatureRefused(str(error), error.hint) from None


def verify(
    armoured: str,
    message: bytes,
    namespace: str,
    allowed: AllowedSigners,
    principal: str | None,
    at: datetime,
    *,
    touch: bool = True,
    pin: bool = False,
) -> CheckedSignature:
    """By whom a message was signed, if by somebody who is allowed to.

    ``at`` is when it was signed, which decides about expired certificates. It has to come
    from a witness or a time-stamp: the signer's own clock proves nothing. ``principal`` is
    the expected name; with None the file tells it. ``touch`` and ``pin`` are what a FIDO key
    must show, where ``ssh-keygen -Y verify`` asks for neither (OpenSSH 9.2).

    Raises:
        SignatureRefused: anything is wrong with it.
    """
    return verify_blob(
        dearmour(armoured), message, namespace, allowed, principal, at, touch=touch, pin=pin
    )


def verify_blob(
    data: bytes,
    message: bytes,
    namespace: str,
    allowed: AllowedSigners,
    principal: str | None,
    at: datetime,
    *,
    touch: bool = True,
    pin: bool = False,
) -> CheckedSignature:
    """As ``verify``, for a blob without its armour."""
    parsed = parse(data)
    key = parsed.key
    use = check(parsed, message, namespace)
    if use.flags is not None:
        bound = key.certificate.critical if key.certificate else frozenset()
        if touch and not use.flags & keys.TOUCHED:
            raise SignatureRefused("nobody touched the key that signed")
        if (pin or "verify-required" in bound) and not use.flags & keys.VERIFIED:
            raise SignatureRefused("the key that signed asked for no PIN and no finger")
    elif key.certificate and "verify-required" in key.certificate.critical:
        raise SignatureRefused("the certificate asks for a PIN, which this kind of key has not")
    return CheckedSignature(
        key_fp=key.fingerprint,
        principal=allowed.principal(key, namespace, principal, at),
        cert_principals=key.certificate.principals if key.certificate else (),
        sk_flags=use.flags,
        alg=use.algorithm,
        namespace=namespace,
        sk_counter=use.counter,
    )


def check(parsed: Parsed, message: bytes, namespace: str) -> keys.SignatureUse:
    """Only the mathematics and the namespace, not who may sign. Raises ``SignatureRefused``."""
    if parsed.namespace != namespace:
        raise SignatureRefused(
            f"the signature is for {parsed.namespace[:60]!r}, not for {namespace!r}"
        )
    return keys.check(parsed.key, parsed.signature, to_be_signed(namespace, message, parsed.hash))


def use_of(parsed: Parsed) -> keys.SignatureUse:
    """What the signature says of itself, unchecked. Raises ``SignatureRefused``."""
    return keys.use_of(parsed.key, parsed.signature)
