"""Password verifiers: made before a password leaves this process, and checked offline.

A statement that carries a password in clear ends in the server's log
(``log_statement = ddl``), so only a verifier is ever put into one. PostgreSQL stores
``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (RFC 5803, RFC 7677) or
``md5`` with the MD5 of password and role name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import stringprep
import unicodedata

from psycopg import pq

from backends.model import Secret

MAX_ITERATIONS = 1_000_000
"""A verifier that asks for more is not computed: it would only keep this machine busy."""


def verifier(connection: pq.abc.PGconn, role: str, password: Secret) -> str:
    """The SCRAM verifier to send in the place of a password, as libpq computes it.

    ``connection`` is an open connection's ``pgconn``; nothing is sent over it.

    Raises:
        ValueError: no role can have such a password. PostgreSQL takes an empty one for none,
            and a NUL would cut it short without a word.
    """
    if not password or "\0" in password.reveal():
        raise ValueError("a password must not be empty, and not hold a NUL")
    computed = connection.encrypt_password(
        password.reveal().encode(), role.encode(), b"scram-sha-256"
    )
    return computed.decode()


def matches(stored: str, role: bytes, password: Secret) -> bool:
    """Whether a stored verifier was made from this password. An unreadable one matches nothing.

    ``role`` is the name's bytes: MD5 is over those.
    """
    if stored.startswith("md5"):
        mixed = password.reveal().encode("utf-8", "surrogatepass") + role
        digest = hashlib.md5(mixed, usedforsecurity=False).hexdigest()
        return hmac.compare_digest(stored, f"md5{digest}")
    try:
        scheme, cost, keys = stored.split("$")
        iterations, salt = cost.split(":")
        wanted = base64.b64decode(keys.split(":")[0], validate=True)
        rounds, seed = int(iterations), base64.b64decode(salt, validate=True)
    except (ValueError, binascii.Error):
        return False
    if scheme != "SCRAM-SHA-256" or not 0 < rounds <= MAX_ITERATIONS:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password.reveal()), seed, rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), wanted)


def prepared(password: str) -> bytes:
    """The password's bytes after SASLprep (RFC 4013), as PostgreSQL does it.

    A password that SASLprep prohibits is used as it is, also as PostgreSQL does it.
    """
    raw = password.encode("utf-8", "surrogatepass")
    if password.isascii():
        return raw
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(_prohibited(character) for character in normal):
        return raw
    right_to_left = any(stringprep.in_table_d1(character) for character in normal)
    if right_to_left:
        ends = stringprep.in_table_d1(normal[0]) and stringprep.in_table_d1(normal[-1])
        if not ends or any(stringprep.in_table_d2(character) for character in normal):
            return raw
    return normal.encode("utf-8", "surrogatepass")


def _prohibited(character: str) -> bool:
    return (
        stringprep.in_table_c12(character)
        or stringprep.in_table_c21_c22(character)
        or stringprep.in_table_c3(character)
        or stringprep.in_table_c4(character)
        or stringprep.in_table_c5(character)
        or stringprep.in_table_c6(character)
        or stringprep.in_table_c7(character)
        or stringprep.in_table_c8(character)
        or stringprep.in_table_c9(character)
        or stringprep.in_table_a1(character)
    )
