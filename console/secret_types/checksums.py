"""The checksums that some issuers put into their secrets. Nothing is asked of anybody.

A checksum that holds says that the value was issued and not made up or cut; it does not say
that it works.
"""

from __future__ import annotations

import base64
import binascii
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(number: int, width: int = 6) -> str:
    """A number in base 62 (digits, capitals, small letters), filled up with zeros."""
    text = ""
    while number:
        number, rest = divmod(number, 62)
        text = _BASE62[rest] + text
    return text.rjust(width, "0")


def crc_base62(value: str) -> bool:
    """Whether the last six of 36 characters are the CRC-32 of the first 30.

    What GitHub described for ``ghp_`` and its relatives in 2021; npm's ``npm_`` does the same.
    """
    return len(value) == 36 and base62(zlib.crc32(value[:30].encode())) == value[30:]


def crc_grafana(secret: str, checksum: str) -> bool:
    """Whether a Grafana service-account token's last eight digits fit its secret.

    They are the CRC-32 of ``glsa_`` and the secret, its bytes in little-endian order.
    """
    crc = zlib.crc32(f"glsa_{secret}".encode())
    return crc.to_bytes(4, "little").hex() == checksum.lower()


def aws_account(key_id: str) -> str:
    """The account that an AWS key id was issued in; empty where it does not tell.

    The account's number is in the ids that have been issued since 2019: the base-32 digits
    after the prefix, without the first bit. Older ids have a fifth character I or J.
    """
    if len(key_id) < 16 or key_id[4] in "IJ":
        return ""
    try:
        decoded = base64.b32decode(key_id[4:].ljust(-(-len(key_id[4:]) // 8) * 8, "="))
    except (binascii.Error, ValueError):
        return ""
    number = (int.from_bytes(decoded[:6], "big") & 0x7FFFFFFFFF80) >> 7
    return f"{number:012d}"
