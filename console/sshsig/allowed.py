"""Who may sign: the allowed_signers file of ssh-keygen(1), section ALLOWED SIGNERS."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from console.sshsig.errors import AllowedSignersError, SignatureRefused
from console.sshsig.keys import Key, judge, type_of

MAX_FILE = 4 * 1024 * 1024
_PRINCIPALS = re.compile(r'(?:"([^"]+)"|([^\s"]+))[ \t]+')
_KEY = re.compile(r"(?P<type>[a-z0-9][a-z0-9@.-]*)[ \t]+(?P<blob>[A-Za-z0-9+/]{16,}={0,2})(?=\s|$)")
_OPTION = re.compile(
    r'(?P<name>[A-Za-z0-9@.-]+)(?:="(?P<value>(?:[^"\\]|\\"|\\(?!"))*)")?(?P<next>,|[ \t]+)'
)
_NEEDS_VALUE = frozenset({"namespaces", "valid-after", "valid-before"})
_STAMPS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class AllowedLine(NamedTuple):
    """One line of the file. Times are seconds of UTC; the key is compared, not parsed."""

    number: int
    principals: str
    blob: bytes
    authority: bool = False
    namespaces: str | None = None
    after: int | None = None
    before: int | None = None


class AllowedSigners:
    """The lines of an allowed_signers file. ``sha256`` is that of the file, in hexadecimal."""

    def __init__(self, lines: Iterable[AllowedLine] = (), sha256: str = "") -> None:
        self.lines = tuple(lines)
        self.sha256 = sha256

    @classmethod
    def load(cls, path: Path) -> AllowedSigners:
        """Read the file. Raises ``AllowedSignersError``."""
        try:
            with path.open("rb") as handle:
                data = handle.read(MAX_FILE + 1)
            if len(data) > MAX_FILE:
                raise AllowedSignersError(f"{path} is larger than {MAX_FILE} bytes")
            if data.startswith(BOM_UTF8):
                raise AllowedSignersError(
                    f"{path} begins with a byte-order mark, and ssh-keygen does not read its line",
                    "Save it as UTF-8 without one.",
                )
            return cls.parse(data.decode(), str(path))
        except OSError as error:
            raise AllowedSignersError(
                f"cannot read {path}: {error.strerror}",
                "One line for each signer: alice@example.com ssh-ed25519 AAAA...",
            ) from None
        except UnicodeDecodeError:
            raise AllowedSignersError(f"{path} is not text") from None

    @classmethod
    def parse(cls, text: str, name: str = "allowed_signers") -> AllowedSigners:
        """The signers in a text. A line that cannot be read is an error, never skipped.

        Raises:
            AllowedSignersError: naming ``name`` and the line.
        """
        lines = []
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.strip(" \t\r")
            if not line or line.startswith("#"):
                continue
            try:
                lines.append(_line(number, line))
            except ValueError as error:
                raise AllowedSignersError(
                    f"{name}, line {number}: {error}",
                    "The format: ssh-keygen(1), ALLOWED SIGNERS.",
                ) from None
        return cls(lines, hashlib.sha256(text.encode()).hexdigest())

    def people(self, key: Key, namespace: str, at: datetime) -> frozenset[str]:
        """Everybody whose key this is, by every line that allows it: to tell people apart.

        Upper and lower case are one, so that no two spellings become two people.

        Raises:
            SignatureRefused: the key is not listed for that, or for a pattern instead of a
                name: then nobody can say whose it is.
        """
        self.principal(key, namespace, None, at)
        found: set[str] = set()
        for line in self._of(key):
            if not _judge(line, key, namespace, None, int(at.timestamp()))[0]:
                continue
            names = line.principals.split(",")
            if key.certificate is not None:
                names = [n for n in key.certificate.principals if matches(n, line.principals)]
            elif any(set("*?!") & set(name) for name in names):
                raise SignatureRefused(
                    f"allowed_signers line {line.number} lists the key {key.fingerprint} for a "
                    "pattern, which is nobody's name",
                    "Write whose key it is.",
                )
            found.update(name.casefold() for name in names)
        return frozenset(found)

    def _of(self, key: Key) -> list[AllowedLine]:
        """The lines about a key, or about the authority that certified it."""
        certificate = key.certificate
        blob = certificate.ca if certificate is not None else key.blob
        is_authority = certificate is not None
        return [line for line in self.lines if line.authority == is_authority and line.blob == blob]

    def principal(self, key: Key, namespace: str, principal: str | None, at: datetime) -> str:
        """The name under which this key may sign in a namespace at a moment.

        With ``principal`` that one has to be allowed; with None it is the certificate's name
        that a line allows, or the names of the key's own line.

        Raises:
            SignatureRefused: the key is not listed for that. The message says how near it
                came.
        """
        if at.tzinfo is None:
            raise ValueError("a moment without a time zone")
        reason = f"the key {key.fingerprint} is not in allowed_signers"
        for line in self._of(key):
            found, refusal = _judge(line, key, namespace, principal, int(at.timestamp()))
            if found:
                return found
            reason = f"the key {key.fingerprint}: {refusal} (allowed_signers line {line.number})"
        raise SignatureRefused(reason, "Look the fingerprint up with its owner before adding it.")


def _judge(
    line: AllowedLine, key: Key, namespace: str, principal: str | None, at: int
) -> tuple[str, str]:
    """The name that the line allows, or why none is."""
    certificate = key.certificate
    if principal is not None and not matches(principal, line.principals):
        return "", "the name is not one of the line's principals"
    if certificate is None:
        name = line.principals if principal is None else principal
    else:
        if refusal := judge(certificate, at):
            return "", refusal
        # One that lists nobody would stand for everybody.
        asked = certificate.principals if principal is None else (principal,)
        names = [
            name
            for name in asked
            if name in certificate.principals and matches(name, line.principals)
        ]
        if not names:
            return "", "the name is not one of the certificate's principals"
        name = names[0]
    if line.namespaces is not None and not matches(namespace, line.namespaces):
        return "", f"it may not sign in the namespace {namespace}"
    if line.after is not None and at < line.after:
        return "", "it was not valid yet"
    if line.before is not None and at > line.before:
        return "", "it was not valid any more"
    return name, ""


def line_for(principal: str, blob: bytes, namespaces: str = "") -> str:
    """A line of the file, for an export. ``blob`` is a plain key's.

    Raises:
        ValueError: the name or the namespaces would break the format.
    """
    if not re.fullmatch(r"[^\s\"#][^\s\"]*", principal) or not re.fullmatch(
        r'[^\s"\\]*', namespaces
    ):
        raise ValueError("a name that allowed_signers has no room for")
    option = f' namespaces="{namespaces}"' if namespaces else ""
    return f"{principal}{option} {type_of(blob)} {base64.b64encode(blob).decode()}\n"


def matches(text: str, patterns: str) -> bool:
    """OpenSSH's pattern list: commas, ``*`` and ``?``; a match of a ``!`` pattern decides."""
    positive = False
    for pattern in patterns.split(","):
        if pattern.startswith("!"):
            if _glob(text, pattern[1:]):
                return False
        elif _glob(text, pattern):
            positive = True
    return positive


def _glob(text: str, pattern: str) -> bool:
    """Matching in time of the product of both lengths, which a regular expression is not."""
    at = place = 0
    star, resume = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            place += 1
            at += 1
        elif star >= 0:
            resume += 1
            place, at = star + 1, resume
        else:
            return False
    return not pattern[place:].strip("*")


def _line(number: int, line: str) -> AllowedLine:
    found = _PRINCIPALS.match(line)
    if not found:
        raise ValueError("a name and a key are needed")
    principals, rest = found[1] or found[2], line[found.end() :]
    blob = _blob(rest)
    if blob is not None:
        return AllowedLine(number, principals, blob)
    options, rest = _options(rest)
    blob = _blob(rest)
    if blob is None:
        raise ValueError("there is no key, or it is damaged")
    after, before = _stamp(options.get("valid-after")), _stamp(options.get("valid-before"))
    if after is not None and before is not None and before <= after:
        raise ValueError("valid-before is not after valid-after")
    return AllowedLine(
        number,
        principals,
        blob,
        "cert-authority" in options,
        options.get("namespaces"),
        after,
        before,
    )


def _blob(text: str) -> bytes | None:
    found = _KEY.match(text)
    if not found:
        return None
    try:
        blob = base64.b64decode(found["blob"], validate=True)
    except binascii.Error:
        return None
    return blob if type_of(blob) == found["type"] else None


def _options(text: str) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    at = 0
    while found := _OPTION.match(text, at):
        name = found["name"].lower()
        if name not in _NEEDS_VALUE and name != "cert-authority":
            raise ValueError(f"{name[:60]!r} is neither an option nor the type of a sound key")
        if name in options:
            raise ValueError(f"the option {name!r} is there twice")
        if (found["value"] is not None) != (name in _NEEDS_VALUE):
            raise ValueError(f"the option {name!r} is not written like that")
        options[name] = (found["value"] or "").replace('\\"', '"')
        at = found.end()
        if found["next"] != ",":
            return options, text[at:]
    raise ValueError("the options, or the key after them, cannot be read")


def _stamp(text: str | None) -> int | None:
    """YYYYMMDD[HHMM[SS]][Z]: UTC with a Z, else this machine's time zone."""
    if text is None:
        return None
    digits = text.removesuffix("Z").removesuffix("z")
    form = _STAMPS.get(len(digits)) if digits.isascii() and digits.isdecimal() else None
    if form is None:
        raise ValueError(f"{text[:40]!r} is no date such as 20261231 or 202612312359Z")
    moment = datetime.strptime(digits, form)  # noqa: DTZ007
    moment = moment.replace(tzinfo=UTC) if digits != text else moment.astimezone()
    return int(moment.timestamp())
