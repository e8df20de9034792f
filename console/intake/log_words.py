"""Reads a log of any size and finds in it the values and ids of tokens that are known here.

Each word of 8 to 4,096 bytes is hashed with the journal's pepper and compared with the keyed
fingerprints that are kept; ids are compared as they stand. No word is kept or sent anywhere,
and no system is asked. A word is not judged by its entropy, which would lose the passwords
that people choose; left out are only those of nothing but digits and the signs of dates,
times, numbers and addresses, which are a third of the words of a log.

A word is what stands between blanks, quotes, brackets, commas and semicolons; also what
stands in it between the signs of addresses and settings, as they stand and percent-decoded.
So not found are: a value with one of the former in it, one that the log has cut, hashed,
encoded or escaped otherwise, and one that never was in hand here.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, cast
from urllib.parse import unquote_to_bytes

from backends.words import count
from console.errors import UsageError
from console.intake.matching import Fingerprints
from console.journal.read import fingerprint

SHORTEST, LONGEST = 8, 4096
"""Bytes of a word that is compared."""
LINE = 1 << 20
"""Bytes of a line that are looked at in one piece; a longer one is cut, which is said."""
REMEMBERED = 200_000
"""Different words that are remembered, so as not to be hashed twice; then anew."""
EVERY = 50_000
"""Lines between two words on how far it is."""
_TOKEN = re.compile(rb"[^\s\"'`,;<>(){}\[\]|]{%d,}" % SHORTEST)
_ADDRESS = re.compile(rb"[&?#@/:=]+")
_NUMBER = b"0123456789.:-+/TZ"
_STOPS = b".:!?"
_TRIM = b".:=/&?!*-"


class InLog(NamedTuple):
    """A token of which a log has the value or the id."""

    handle: str
    how: str
    """"value" or "id"."""
    lines: int
    first: int
    """The number of the first line that has it."""
    last: int


class LogSearched(NamedTuple):
    """What was found in a log, and how much of it could be searched."""

    found: tuple[InLog, ...]
    lines: int
    size: int
    """Bytes that were read, unpacked."""
    hashed: int
    """Words that were hashed: each again where it was seen long before."""
    prints: int
    """Tokens of which a value is known by its fingerprint."""
    ids: int
    problems: tuple[str, ...]


def open_log(path: str, standard_input: IO[bytes]) -> IO[bytes]:
    """A log to be read from its beginning, unpacked where it is gzip; ``-`` is what is piped in.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        raw = standard_input if path == "-" else Path(path).expanduser().open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    stream = io.BufferedReader(cast(io.RawIOBase, raw)) if not hasattr(raw, "peek") else raw
    packed = cast(io.BufferedReader, stream).peek(2)[:2] == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(stream)) if packed else stream


def search(
    stream: IO[bytes],
    known: Fingerprints,
    ids: Mapping[str, str],
    on_progress: Callable[[int, int], None] = lambda lines, size: None,
) -> LogSearched:
    """Look through a log. ``ids`` maps ids to handles; ``on_progress`` gets lines and bytes.

    Raises:
        UsageError: it ends in the middle, or is damaged.
    """
    return _Search(stream, known, ids, on_progress).run()


class _Search:
    def __init__(
        self,
        stream: IO[bytes],
        known: Fingerprints,
        ids: Mapping[str, str],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.stream, self.on_progress = stream, on_progress
        self.prints = {bytes.fromhex(print_): all_ for print_, all_ in known.handles.items()}
        self.digest = fingerprint.digests(known.pepper) if known.pepper and self.prints else None
        self.ids = {id_.encode(): handle for id_, handle in ids.items()}
        self.known = known
        self.seen: set[bytes] = set()
        self.hits: dict[bytes, tuple[tuple[str, str], ...]] = {}
        self.found: dict[tuple[str, str], InLog] = {}
        self.hashed = self.cut = 0

    def run(self) -> LogSearched:
        """Every line, once."""
        lines = size = 0
        whole = True
        problems: list[str] = []
        try:
            while piece := self.stream.readline(LINE):
                size += len(piece)
                lines += whole
                whole = piece.endswith(b"\n")
                self.cut += not whole and len(piece) == LINE
                self._line(piece, lines)
                if not lines % EVERY and whole:
                    self.on_progress(lines, size)
        except (OSError, EOFError, zlib.error) as error:
            problems.append(f"it breaks off after line {lines:,}: {type(error).__name__}")
        if self.cut:
            problems.append(
                f"{count(self.cut, 'piece')} of lines end at {LINE:,} bytes, and a word there"
            )
        tokens = {handle for all_ in self.known.handles.values() for handle in all_}
        return LogSearched(
            tuple(sorted(self.found.values(), key=lambda each: each.first)),
            lines,
            size,
            self.hashed,
            len(tokens) if self.digest is not None else 0,
            len(self.ids),
            tuple(problems),
        )

    def _line(self, line: bytes, number: int) -> None:
        seen, hits = self.seen, self.hits
        here: set[tuple[str, str]] = set()
        for token in _TOKEN.findall(line):
            if token in seen or not token.translate(None, _NUMBER):
                continue
            here.update(hits[token] if token in hits else self._token(token))
        for key in here:
            before = self.found.get(key)
            if before is None:
                self.found[key] = InLog(*key, 1, number, number)
            elif before.last != number:
                self.found[key] = before._replace(lines=before.lines + 1, last=number)

    def _token(self, token: bytes) -> tuple[tuple[str, str], ...]:
        """What a word that is new here is, or has in it."""
        found: dict[tuple[str, str], None] = {}
        words = {token, token.strip(_TRIM)}
        if _ADDRESS.search(token) or b"%" in token:
            words.update(_parts(token))
        for word in words:
            if not SHORTEST <= len(word) <= LONGEST or not word.translate(None, _NUMBER):
                continue
            if (handle := self.ids.get(word)) is not None:
                found[handle, "id"] = None
            if self.digest is not None:
                self.hashed += 1
                for handle in self.prints.get(self.digest(word), ()):
                    found[handle, "value"] = None
        if found:
            if len(self.hits) >= REMEMBERED:
                self.hits.clear()
            self.hits[token] = tuple(found)
        else:
            if len(self.seen) >= REMEMBERED:
                self.seen.clear()
            self.seen.add(token)
        return tuple(found)


def _parts(token: bytes) -> Iterator[bytes]:
    """What may be a value in a word with the signs of an address or a setting."""
    yield from _ADDRESS.split(token)
    yield token.rstrip(_STOPS)
    # What follows a name may have such signs in it: key=ab/cd+e==.
    for piece in (token, *re.split(rb"[&?]", token)):
        for text in (piece, piece.partition(b"=")[2], piece.partition(b":")[2]):
            yield text
            yield text.rstrip(_STOPS)
            if b"%" in text:
                yield unquote_to_bytes(text)
