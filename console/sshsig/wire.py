"""The data types of SSH (RFC 4251, section 5), read strictly and within bounds."""

from __future__ import annotations

from console.sshsig.errors import Malformed

MAX_MPINT = 16384 // 8 + 1
"""Bytes. OpenSSH reads no larger numbers either (SSHBUF_MAX_BIGNUM)."""


def u32(value: int) -> bytes:
    """A ``uint32``."""
    return value.to_bytes(4, "big")


def string(value: bytes) -> bytes:
    """A ``string``: any bytes, after their length."""
    return u32(len(value)) + value


def mpint(value: int) -> bytes:
    """A non-negative ``mpint``."""
    return string(value.to_bytes(value.bit_length() // 8 + 1, "big") if value else b"")


class WireReader:
    """Reads one value after the other. Whatever does not fit raises ``Malformed``."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next bytes, exactly that many."""
        end = self.at + count
        if end > len(self.data):
            raise Malformed("the data end too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def byte(self) -> int:
        """A ``byte``."""
        return self.take(1)[0]

    def u32(self) -> int:
        """A ``uint32``."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """A ``uint64``."""
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        """A ``string``, without its length."""
        return self.take(self.u32())

    def text(self) -> str:
        """A ``string`` that is UTF-8, such as an algorithm's name or a principal."""
        try:
            return self.string().decode()
        except UnicodeDecodeError:
            raise Malformed("a name is not UTF-8") from None

    def mpint(self) -> int:
        """A non-negative ``mpint`` in its shortest form, so that a number has one encoding."""
        raw = self.string()
        if len(raw) > MAX_MPINT:
            raise Malformed("a number is too large")
        value = int.from_bytes(raw, "big")
        if string(raw) != mpint(value):
            raise Malformed("a number is negative or not in its shortest form")
        return value

    def more(self) -> bool:
        """Whether anything is left."""
        return self.at < len(self.data)

    def end(self) -> None:
        """Nothing may follow."""
        if self.more():
            raise Malformed("there is something after the end")
