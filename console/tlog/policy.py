"""Trust policies: whose signatures make a checkpoint count (c2sp.org/tlog-policy).

A policy file lists the keys of logs, the keys of witnesses, groups of witnesses with how
many of them are enough, and the quorum: the witness or group that must have cosigned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from console.errors import UsageError
from console.tlog import cosign
from console.tlog.checkpoint import Checkpoint, open_checkpoint
from console.tlog.cosign import CosignatureVerifier
from console.tlog.note import Note, NoteError, Verifier

MAX_BYTES = 256 * 1024
MAX_ITEMS = 128
"""Lines of each kind. The specification asks for at least 32."""
NONE = "none"
"""The quorum that needs no witness."""

_BLANKS = re.compile(r"[ \t]+")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")


class PolicyError(UsageError):
    """The policy file cannot be used. The message names the line."""


class QuorumMissing(NoteError):
    """The log signed the checkpoint, but too few of the policy's witnesses did."""


class Log(NamedTuple):
    """A log whose checkpoints are accepted. The key's name is the log's origin."""

    verifier: Verifier
    url: str


class Witness(NamedTuple):
    """A witness, by the name that it has inside this file."""

    name: str
    verifier: CosignatureVerifier
    url: str
    """Where it takes checkpoints: its submission prefix. Empty when the file gives none."""


class Quorum(NamedTuple):
    """Counts as having cosigned when ``needed`` of its members have."""

    needed: int
    members: tuple[str, ...]


class Accepted(NamedTuple):
    """A checkpoint that the policy accepts."""

    checkpoint: Checkpoint
    note: Note
    cosigned: dict[str, int]
    """Names of the witnesses that cosigned it, as in the policy, and when (Unix seconds)."""


@dataclass(frozen=True)
class Policy:
    """A policy that was read."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: dict[str, Quorum] = field(default_factory=dict)
    quorum: str = NONE

    def met_by(self, cosigned: Collection[str]) -> bool:
        """Whether these witnesses, by their names in the policy, are enough."""
        return self.quorum == NONE or self._counts(self.quorum, cosigned)

    def keys_of(self, origin: str) -> list[Verifier]:
        """The keys that may sign for this log."""
        return [each.verifier for each in self.logs if each.verifier.name == origin]

    def check(self, signed: bytes, logs: Sequence[Verifier] = ()) -> Accepted:
        """Open a signed checkpoint under this policy.

        Args:
            signed: the checkpoint with its signatures.
            logs: keys of logs that the caller accepts beside those in the policy.

        Raises:
            MalformedNote: not a checkpoint.
            BadSignature: a known key's signature is wrong.
            NotSigned: no key of a listed log has signed it.
            QuorumMissing: the witnesses that cosigned it are not enough.
        """
        own = [each.verifier for each in self.logs]
        own += [each for each in logs if each not in own]
        witnesses = [each.verifier for each in self.witnesses]
        checkpoint, opened = open_checkpoint(signed, own, witnesses)
        found = {(each.name, each.key_id): cosign.time_of(each) for each in opened.verified}
        cosigned = {
            each.name: found[key]
            for each in self.witnesses
            if (key := (each.verifier.name, each.verifier.key_id)) in found
        }
        if not self.met_by(cosigned):
            who = ", ".join(_shown(name) for name in cosigned) or "no witness"
            raise QuorumMissing(
                f"the policy needs the quorum {_shown(self.quorum)}, and {who} has cosigned",
                "Have the checkpoint cosigned by the witnesses of the policy.",
            )
        return Accepted(checkpoint, opened, cosigned)

    def _counts(self, name: str, cosigned: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        return sum(self._counts(each, cosigned) for each in group.members) >= group.needed


def parse(data: bytes) -> Policy:
    """Read a policy file.

    Raises:
        PolicyError: it breaks a rule of the format, or needs a kind of key that is not known.
    """
    return _Reader().read(data)


def write(
    logs: Sequence[Log], witnesses: Sequence[Witness] = (), needed: int | None = None
) -> bytes:
    """A policy file: these logs, and ``needed`` of these witnesses (all, if not given)."""
    lines = [" ".join(filter(None, ("log", log.verifier.vkey, log.url))) for log in logs]
    for each in witnesses:
        lines.append(" ".join(filter(None, ("witness", each.name, each.verifier.vkey, each.url))))
    if not witnesses or needed == 0:
        lines.append(f"quorum {NONE}")
    else:
        names = " ".join(each.name for each in witnesses)
        lines += [f"group witnesses {needed or 'all'} {names}", "quorum witnesses"]
    data = ("\n".join(lines) + "\n").encode()
    parse(data)  # A name that cannot stand in the file must not pass unnoticed.
    return data


class _Reader:
    """Collects the lines of one file. Names of witnesses and groups share one space."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, Quorum] = {}
        self.quorum: str | None = None
        self.names: set[str] = set()
        self.used: set[str] = set()
        self.number = 0

    def read(self, data: bytes) -> Policy:
        """The policy that a file's bytes are.

        Raises:
            PolicyError: they are none; the line is named.
        """
        if len(data) > MAX_BYTES:
            raise PolicyError(f"a policy file has at most {MAX_BYTES} bytes")
        if any((byte < 0x20 and byte not in b"\t\n") or byte == 0x7F for byte in data):
            raise PolicyError("a policy file holds no control characters but tab and newline")
        # Bytes beyond ASCII are opaque: this keeps different ones different.
        text = data.decode("utf-8", "surrogateescape")
        if text and not text.endswith("\n"):
            raise PolicyError("the policy's last line has no newline: the file may be cut short")
        for self.number, line in enumerate(text.split("\n"), 1):
            words = _BLANKS.split(line.strip(" \t"))
            if words[0] and not words[0].startswith("#"):
                self._line(words[0], words[1:])
        if self.quorum is None:
            raise PolicyError(
                "the policy has no quorum line", "Write `quorum none` to need no witness."
            )
        return Policy(tuple(self.logs), tuple(self.witnesses), self.groups, self.quorum)

    def _line(self, keyword: str, words: list[str]) -> None:
        if keyword == "log" and len(words) in (1, 2):
            self._log(words[0], words[1] if words[1:] else "")
        elif keyword == "witness" and len(words) in (2, 3):
            self._witness(words[0], words[1], words[2] if words[2:] else "")
        elif keyword == "group" and len(words) >= 3:
            self._group(words[0], words[1], words[2:])
        elif keyword == "quorum" and len(words) == 1:
            self._quorum(words[0])
        elif keyword in ("log", "witness", "group", "quorum"):
            self._fail(f"`{keyword}` does not have that many words")
        else:
            self._fail(f"{_shown(keyword)} is not a word of the format")

    def _log(self, vkey: str, url: str) -> None:
        verifier = self._key(vkey)
        if isinstance(verifier, CosignatureVerifier):
            self._fail("a log's key has type 0x01")
        if any(each.verifier.public_key == verifier.public_key for each in self.logs):
            self._fail("this log's key is listed already")
        self.logs.append(Log(verifier, url))
        self._bound(self.logs)

    def _witness(self, name: str, vkey: str, url: str) -> None:
        self._define(name)
        verifier = self._key(vkey)
        if not isinstance(verifier, CosignatureVerifier):
            self._fail("a witness's key has type 0x04")
        if any(each.verifier.public_key == verifier.public_key for each in self.witnesses):
            self._fail("this witness's key is listed already")
        self.witnesses.append(Witness(name, verifier, url))
        self._bound(self.witnesses)

    def _group(self, name: str, needed: str, members: list[str]) -> None:
        self._bound(members)
        for each in members:
            self._defined(each)
            if each in self.used:
                self._fail(f"{_shown(each)} is a member already")
            self.used.add(each)
        self._define(name)
        if needed in ("any", "all"):
            count = 1 if needed == "any" else len(members)
        elif _COUNT.fullmatch(needed) and int(needed) <= len(members):
            count = int(needed)
        else:
            self._fail("how many are needed is `any`, `all` or a number of members")
        self.groups[name] = Quorum(count, tuple(members))
        self._bound(self.groups)

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            self._fail("there is a quorum line already")
        if name != NONE:
            self._defined(name)
        self.quorum = name

    def _key(self, vkey: str) -> Verifier:
        try:
            vkey.encode()
            return cosign.parse_vkey(vkey)
        except UnicodeEncodeError:
            self._fail("the key is not UTF-8")
        except NoteError as error:
            raise PolicyError(f"policy line {self.number}: {error}", error.hint) from None

    def _define(self, name: str) -> None:
        if name == NONE or name in self.names:
            self._fail(f"the name {_shown(name)} is taken")
        self.names.add(name)

    def _defined(self, name: str) -> None:
        if name not in self.names:
            self._fail(f"{_shown(name)} is not defined before this line")

    def _bound(self, items: Collection[object]) -> None:
        if len(items) > MAX_ITEMS:
            self._fail(f"there are more than {MAX_ITEMS} of a kind")

    def _fail(self, message: str) -> NoReturn:
        raise PolicyError(f"policy line {self.number}: {message}")


def _shown(name: str) -> str:
    """A name for a message: bytes that are not UTF-8 are spelt out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
