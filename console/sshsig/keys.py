"""Public keys and certificates of OpenSSH, and what a signature by one is worth.

Formats: RFC 4253 (6.6), RFC 5656, RFC 8332 and RFC 8709, and OpenSSH's PROTOCOL.certkeys and
PROTOCOL.u2f. The mathematics is that of ``cryptography``.
"""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from console.sshsig.errors import KeyUnusable, Malformed, SignatureRefused
from console.sshsig.wire import WireReader, string, u32

MIN_RSA, MAX_RSA = 2048, 16384
"""Bits. Below it is too weak; above it a check could be made to take minutes."""
TOUCHED, VERIFIED = 0x01, 0x04
"""Flags of a FIDO key's signature: somebody touched it, and gave a PIN or a finger."""
USER, MAX_PRINCIPALS = 1, 256
FOREVER = 2**64 - 1

_CURVES = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_SK_ED25519, _SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
_PLAIN = ("ssh-ed25519", "ssh-rsa", *(f"ecdsa-sha2-{curve}" for curve in _CURVES))
_CERTIFIED = {f"{name}-cert-v01@openssh.com": name for name in _PLAIN} | {
    name.replace("@", "-cert-v01@"): name for name in (_SK_ED25519, _SK_ECDSA)
}
_TYPES = frozenset(_CERTIFIED.values())
_RSA_HASHES = {"rsa-sha2-512": hashes.SHA512(), "rsa-sha2-256": hashes.SHA256()}
_BINDING = frozenset({"force-command", "source-address", "verify-required"})

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Certificate(NamedTuple):
    """What a certificate authority says about a key. Its signature has been checked.

    ``after`` and ``before`` are seconds of UTC; ``ca`` is the authority's key blob.
    """

    role: int
    key_id: str
    principals: tuple[str, ...]
    after: int
    before: int
    critical: frozenset[str]
    ca: bytes


class Key(NamedTuple):
    """A public key. ``blob`` is the plain key's, also where it came inside a certificate."""

    type: str
    blob: bytes
    public: PublicKey
    application: bytes | None
    """What a FIDO key was made for, as ``ssh:``; None for a key that is not in hardware."""
    certificate: Certificate | None

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.blob)


class SignatureUse(NamedTuple):
    """What a signature says of itself: its algorithm, and a FIDO key's flags and counter."""

    algorithm: str
    flags: int | None = None
    counter: int | None = None


def fingerprint(blob: bytes) -> str:
    """``SHA256:`` and the digest in base64 without padding, of a plain key's blob."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def type_of(blob: bytes) -> str:
    """The name at the start of a key's or certificate's blob, empty if there is none."""
    try:
        return WireReader(blob).text()
    except Malformed:
        return ""


def parse(blob: bytes) -> Key:
    """The key or certificate in a blob. A certificate's own signature is checked here.

    Raises:
        KeyUnusable: it is damaged, too weak, or of a kind that is not known.
    """
    try:
        return _parse(blob)
    except (Malformed, ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"an SSH key that cannot be read: {error}") from None
    except SignatureRefused as error:
        raise KeyUnusable(f"a certificate that is not genuine: {error}") from None


def _parse(blob: bytes) -> Key:
    reader = WireReader(blob)
    name = reader.text()
    kind = _CERTIFIED.get(name, name)
    if kind not in _TYPES:
        raise KeyUnusable(
            f"keys of type {name[:60]!r} cannot sign here",
            "Use Ed25519, ECDSA, RSA of at least 2048 bits, or a FIDO key (ed25519-sk).",
        )
    certified = name in _CERTIFIED
    if certified:
        reader.string()  # The nonce.
    start = reader.at
    public = _public(kind, reader)
    application = reader.string() if kind in (_SK_ED25519, _SK_ECDSA) else None
    plain = string(kind.encode()) + blob[start : reader.at]
    certificate = _certificate(reader) if certified else None
    reader.end()
    return Key(kind, plain, public, application, certificate)


def _public(kind: str, reader: WireReader) -> PublicKey:
    if kind == "ssh-rsa":
        e, n = reader.mpint(), reader.mpint()
        if not MIN_RSA <= n.bit_length() <= MAX_RSA:
            raise KeyUnusable(
                f"an RSA key of {n.bit_length()} bits cannot sign here",
                f"Use one of {MIN_RSA} to {MAX_RSA} bits, or Ed25519: ssh-keygen -t ed25519.",
            )
        return rsa.RSAPublicNumbers(e, n).public_key()
    if kind in ("ssh-ed25519", _SK_ED25519):
        return ed25519.Ed25519PublicKey.from_public_bytes(reader.string())
    curve = reader.text()
    if curve not in _CURVES or f"ecdsa-sha2-{curve}" not in kind:
        raise Malformed("the curve is not that of the key's type")
    point = reader.string()
    if point[:1] != b"\x04":
        # A compressed point would be a second encoding of the same key.
        raise Malformed("the point is not in the uncompressed form")
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve][0], point)


def _certificate(reader: WireReader) -> Certificate:
    reader.u64()  # The serial number.
    role, key_id = reader.u32(), reader.text()
    names, principals = WireReader(reader.string()), []
    while names.more():
        principals.append(names.text())
        if len(principals) > MAX_PRINCIPALS:
            raise Malformed("too many principals")
    after, before = reader.u64(), reader.u64()
    critical = _options(reader.string())
    _options(reader.string())
    reader.string()  # Reserved.
    authority = reader.string()
    if type_of(authority) in _CERTIFIED:
        raise Malformed("the authority is itself a certificate")
    signed = reader.data[: reader.at]
    check(_parse(authority), reader.string(), signed)
    return Certificate(role, key_id, tuple(principals), after, before, critical, authority)


def _options(data: bytes) -> frozenset[str]:
    reader, found = WireReader(data), set[str]()
    while reader.more():
        name = reader.text()
        if name in found:
            raise Malformed("an option is there twice")
        found.add(name)
        reader.string()
    return frozenset(found)


def check(key: Key, signature: bytes, data: bytes) -> SignatureUse:
    """What the signature over ``data`` says, if it is by this key.

    Flags are reported and not judged. SHA-1 (``ssh-rsa``) is no signature.

    Raises:
        SignatureRefused: it is not.
    """
    use, value = _read(key, signature)
    if key.application is not None:
        data = (
            hashlib.sha256(key.application).digest()
            + bytes([use.flags or 0])
            + u32(use.counter or 0)
            + hashlib.sha256(data).digest()
        )
    try:
        _verify(key, use.algorithm, value, data)
    except (Malformed, ValueError):
        raise SignatureRefused("the signature is damaged") from None
    except InvalidSignature:
        raise SignatureRefused("the signature is not by this key over this text") from None
    return use


def use_of(key: Key, signature: bytes) -> SignatureUse:
    """What a signature says of itself, unchecked. Raises ``SignatureRefused``."""
    return _read(key, signature)[0]


def _read(key: Key, signature: bytes) -> tuple[SignatureUse, bytes]:
    try:
        reader = WireReader(signature)
        algorithm, value = reader.text(), reader.string()
        hardware = key.application is not None
        use = (
            SignatureUse(algorithm, reader.byte(), reader.u32())
            if hardware
            else SignatureUse(algorithm)
        )
        reader.end()
    except Malformed:
        raise SignatureRefused("the signature is damaged") from None
    if algorithm not in (_RSA_HASHES if key.type == "ssh-rsa" else (key.type,)):
        raise SignatureRefused(f"a signature of type {algorithm[:60]!r} by a key {key.type}")
    return use, value


def _verify(key: Key, algorithm: str, value: bytes, data: bytes) -> None:
    public = key.public
    if isinstance(public, ed25519.Ed25519PublicKey):
        public.verify(value, data)
    elif isinstance(public, rsa.RSAPublicKey):
        # OpenSSH cuts leading zeros in some versions and restores them when it verifies.
        value = value.rjust((public.key_size + 7) // 8, b"\0")
        public.verify(value, data, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    else:
        numbers = WireReader(value)
        r, s = numbers.mpint(), numbers.mpint()
        numbers.end()
        curve = key.type.removeprefix("sk-").removeprefix("ecdsa-sha2-").partition("@")[0]
        public.verify(encode_dss_signature(r, s), data, ec.ECDSA(_CURVES[curve][1]))


def judge(certificate: Certificate, at: int) -> str:
    """Why a certificate does not count at a moment (seconds of UTC); empty if it does."""
    if certificate.role != USER:
        return "the certificate is a host's, not a user's"
    if at < certificate.after:
        return "the certificate was not valid yet"
    if certificate.before != FOREVER and at >= certificate.before:
        return "the certificate had expired"
    if unknown := certificate.critical - _BINDING:
        return f"the certificate has a critical option that is not known: {min(unknown)[:60]!r}"
    return ""
