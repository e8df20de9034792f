"""A growing log read a piece at a time, through rotations and restarts, each line once.

A place in a log is not a file's name or inode, which a rotation changes or reuses, but what
was read: the digest of the file's first line says which file it is, and the digest of the
bytes just before the place says that they are still those. So it is found again after a
rename, in a copy (copytruncate) and in a compressed one; and where it is not found, a hole
is told instead of going on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from backends.errors import BackendError, Forbidden, NotFound, ServerFault
from backends.logs.generations import BROKEN, OPENERS, generations, is_pattern, opened
from backends.logs.source import Hole

CHUNK = 1 << 20
MARK = 4096
"""Bytes before a place that have to be the same for it to be the same place."""
MAX_LINE = 32 << 20
"""Bytes; what is longer is no line of an audit log, and is passed over as a bad one."""
KEPT = 128
"""Files that are remembered as read to their end."""
FIRST = 64 << 10
TOO_LONG = b"\0"

Split = Callable[[bytes], tuple[list[bytes], bytes]]
"""Cuts bytes into whole records (each with its end) and what is left over."""


class Place(msgspec.Struct):
    """How far a log has been read."""

    first: str
    """The digest of the file's first line."""
    offset: int
    mark: str
    """The digest of the bytes before ``offset``."""
    done: list[str] = []
    """The first lines of files that were read to their end, oldest first."""
    sizes: dict[str, int] = {}
    """How large these were, of those that a pattern matches, by their first lines."""


class Piece(NamedTuple):
    """Whole records, with where each begins, and the place after them."""

    records: list[tuple[int, bytes]]
    place: Place
    holes: list[Hole]
    bad: int = 0
    mended: tuple[str, ...] = ()
    """Files that are read now: what was told of them while they could not be does not hold."""


class Generation(NamedTuple):
    """One file of a log. ``number`` is its suffix: 0 the live one, None where it has none.

    ``order`` is its place among all files of the log, those that cannot be read too.
    """

    path: Path
    first: str
    number: int | None
    order: int


def lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Records that are lines."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole], rest


def csv_records(data: bytes) -> tuple[list[bytes], bytes]:
    """Records of CSV: a line feed between quotes does not end one."""
    found: list[bytes] = []
    begin = at = 0
    odd = False
    while (end := data.find(b"\n", at)) >= 0:
        odd ^= bool(data.count(b'"', at, end) & 1)
        at = end + 1
        if not odd:
            found.append(data[begin:at])
            begin = at
    return found, data[begin:]


class _Moved(Exception):
    """A file was rotated or emptied while it was read: the next look finds what was in it."""


class Tail:
    """The files of one log: ``path`` with its rotated siblings, or all that a pattern matches."""

    def __init__(self, path: Path, split: Split = lines, newest: int | None = None) -> None:
        """``newest``: older files than so many are taken not to be there."""
        self.path = path
        self._newest = newest
        self._split = split
        self._pattern = is_pattern(path)
        self._present: set[int] = set()
        self._unread: list[tuple[int, Hole]] = []
        """Files that cannot be read, as holes, each with its place in the order."""

    def pieces(self, place: Place | None) -> Iterator[Piece]:
        """What was not read yet, oldest first, up to the last whole record there is.

        Raises:
            BackendError: there is no such log, or none that may be read.
        """
        files = self._generations()
        holes: list[Hole] = []
        done = list(place.done) if place else []
        sizes = dict(place.sizes) if place else {}
        offset = 0
        if place is None:
            todo = files
        else:
            todo, offset, holes = self._resume(files, place)
            holes += self._grown(files, place, sizes)
            place = Place(place.first, place.offset, place.mark, done, sizes)
        with contextlib.suppress(_Moved):
            for number, generation in enumerate(todo):
                holes += self._unread_before(generation.order)
                if number:
                    holes += self._missing(todo[number - 1], generation)
                last = number + 1 == len(todo)
                reached = Place(generation.first, 0 if number else offset, "", done, sizes)
                mended: tuple[str, ...] = (_same(generation.path),)
                for piece in self._read(generation, reached, last=last):
                    yield piece._replace(holes=[*holes, *piece.holes], mended=mended)
                    holes, mended, place = [], (), piece.place
                if not last:
                    done = [*done, generation.first][-KEPT:]
                    sizes = self._sized(generation, sizes, done)
            holes += self._unread_before(None)
        if holes and place is not None:
            # Nothing new stands behind them; they are told all the same.
            yield Piece([], place, holes)

    def _unread_before(self, order: int | None) -> list[Hole]:
        """The files before one in order that cannot be read (all, for None), each told once."""
        told = [hole for at, hole in self._unread if order is None or at < order]
        self._unread = [one for one in self._unread if order is not None and one[0] >= order]
        return told

    def _resume(
        self, files: list[Generation], place: Place
    ) -> tuple[list[Generation], int, list[Hole]]:
        """The files to read, how far the first one has been read, and what is lost."""
        index = next((i for i, one in enumerate(files) if one.first == place.first), None)
        if index is None:
            unread = [one for one in files if one.first not in place.done]
            if not unread:
                # Renamed away, and nobody has written to a new file yet.
                return [], 0, []
            what = f"what was being read of {self.path.name} was removed or cut short"
            return unread, 0, [Hole("missing", what, HINT)]
        found = files[index]
        rest = [one for one in files[index + 1 :] if one.first not in place.done]
        try:
            with opened(found.path) as handle:
                if _mark(handle, place.offset) == place.mark:
                    return [found, *rest], place.offset, []
                handle.seek(0)
                shorter = _length(handle, place.offset) < place.offset
        except BROKEN as error:
            if not rest:
                raise _unreadable(found.path, error) from None
            return rest, 0, [Hole("unreadable", f"{found.path.name}: {_why(error)}", HINT)]
        live = found is files[-1] if self._pattern else found.number == 0
        if shorter and not live:
            # A copy that was made before the last lines were written; they have been read.
            return rest, 0, []
        what = f"{found.path.name} was cut short or written anew"
        return [found, *rest], 0, [Hole("truncated", what, HINT)]

    def _sized(
        self, generation: Generation, sizes: dict[str, int], done: list[str]
    ) -> dict[str, int]:
        """The sizes of the files that were read to their end, with one more."""
        kept = {first: size for first, size in sizes.items() if first in done}
        if self._pattern and generation.path.suffix not in OPENERS:
            with contextlib.suppress(OSError):
                kept[generation.first] = generation.path.stat().st_size
        return kept

    def _grown(self, files: list[Generation], place: Place, sizes: dict[str, int]) -> list[Hole]:
        """Files that were taken for ended, and were written to all the same.

        What a pattern matches is read as one log whose files follow each other. Where they grow
        side by side it is not known what the others tell, and that is said; ``sizes`` is
        brought up to date, so that it is said once of what was written.
        """
        holes = []
        for one in files:
            before = sizes.get(one.first)
            if before is None or one.first == place.first:
                continue
            with contextlib.suppress(OSError):
                told = one.path.stat()
                if told.st_size > before:
                    what = f"{one.path.name} is written to beside a later one: {SIDE_BY_SIDE}"
                    until = datetime.fromtimestamp(told.st_mtime, UTC)
                    holes.append(Hole("missing", what, ONE_EACH, None, until))
                    sizes[one.first] = told.st_size
        return holes

    def _read(self, generation: Generation, place: Place, *, last: bool) -> Iterator[Piece]:
        try:
            with opened(generation.path) as handle:
                if _first(handle) != generation.first:
                    raise _Moved
                yield from self._drain(handle, place, last=last)
        except BROKEN as error:
            if last:
                raise _unreadable(generation.path, error) from None
            hole = Hole("unreadable", f"{generation.path.name}: {_why(error)}", HINT)
            yield Piece([], place, [hole])

    def _drain(self, handle: IO[bytes], place: Place, *, last: bool) -> Iterator[Piece]:
        offset = place.offset
        begin = max(0, offset - MARK)
        handle.seek(begin)
        before = handle.read(offset - begin)
        rest = b""
        overlong = False
        while chunk := handle.read(CHUNK):
            data = rest + chunk
            whole, rest = self._split(data)
            records: list[tuple[int, bytes]] = []
            for record in whole:
                records.append((offset, TOO_LONG if overlong else record))
                overlong = False
                offset += len(record)
            before = (before + data[: len(data) - len(rest)])[-MARK:]
            if len(rest) > MAX_LINE:
                before, offset = (before + rest)[-MARK:], offset + len(rest)
                rest, overlong = b"", True
            if records:
                if not _still(handle, before, offset, len(rest)):
                    # Emptied while it was read (copytruncate): the copy has what was here.
                    raise _Moved
                yield Piece(records, _placed(place, offset, before), [])
        if not last:
            # Nobody writes to it any more, so what is left of a line stays a torn one.
            end = _placed(place, offset + len(rest), (before + rest)[-MARK:])
            yield Piece([], end, [], bad=int(bool(rest)))

    def _missing(self, older: Generation, newer: Generation) -> list[Hole]:
        """A hole where the numbers of two neighbours are not neighbours."""
        if older.number is None or newer.number is None:
            return []
        lost = [n for n in range(newer.number + 1, older.number) if n not in self._present]
        if not lost:
            return []
        names = ", ".join(map(str, lost[:5]))
        missing = "generation of {} is" if len(lost) == 1 else "generations of {} are"
        what = f"{missing.format(self.path.name)} not there: {names}"
        return [Hole("missing", what, HINT)]

    def _generations(self) -> list[Generation]:
        """The files that have at least one whole line, oldest first, each once."""
        found: dict[str, Generation] = {}
        paths = generations(self.path)
        if self._newest is not None:
            paths = paths[-self._newest :]
        self._present = {number for _, number in paths if number is not None}
        if not paths:
            raise NotFound(f"there is no log at {self.path}", "Mend its path, or wait for it.")
        refused: OSError | None = None
        self._unread = []
        for order, (path, number) in enumerate(paths):
            try:
                with opened(path) as handle:
                    first = _first(handle)
            except FileNotFoundError:
                continue  # Renamed just now: the next look finds it.
            except BROKEN as error:
                if isinstance(error, PermissionError):
                    refused = error
                live = number == 0 or (self._pattern and order + 1 == len(paths))
                self._unread.append((order, _hole(path, error, live=live)))
                continue
            if first:
                # Of a copy and its original, the later one in order is read.
                found.pop(first, None)
                found[first] = Generation(path, first, number, order)
        if refused is not None and not found:
            raise Forbidden(
                f"{self.path.name} may not be read: {refused.strerror}",
                "Let the console's user read it, and its directory.",
            )
        return list(found.values())


SIDE_BY_SIDE = "files that grow side by side are not read as one log"
ONE_EACH = "Give each server's log a source of its own, with a pattern that has only its files."
HINT = "Keep some generations of the log, and let the console look more often than it rotates."


def _hole(path: Path, error: BaseException, *, live: bool) -> Hole:
    """A file that cannot be read: from the line before it to when it was last written to."""
    until = None
    if not live:
        with contextlib.suppress(OSError):
            until = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    hint = "Let the console's user read it." if isinstance(error, PermissionError) else HINT
    what = f"{path.name}: {_why(error)}"
    return Hole("unreadable", what, hint, None, until, _same(path))


def _same(path: Path) -> str:
    """A name for a file that a rotation leaves as it is; empty where it is not there."""
    try:
        told = path.stat()
    except OSError:
        return ""
    return f"{told.st_dev}:{told.st_ino}"


def _still(handle: IO[bytes], before: bytes, offset: int, ahead: int) -> bool:
    """Whether what was read just now is still there."""
    if not isinstance(handle, io.BufferedReader):
        return True
    handle.seek(offset - len(before))
    same = handle.read(len(before)) == before
    handle.seek(offset + ahead)
    return same


def _unreadable(path: Path, error: BaseException) -> BackendError:
    kind = Forbidden if isinstance(error, PermissionError) else ServerFault
    return kind(f"cannot read {path.name}: {_why(error)}", "Mend the file or its permissions.")


def _placed(place: Place, offset: int, before: bytes) -> Place:
    return Place(place.first, offset, _digest(before[-MARK:]), place.done, place.sizes)


def _first(handle: IO[bytes]) -> str:
    """The digest of the first line; empty as long as there is no whole one."""
    handle.seek(0)
    head = handle.read(FIRST)
    end = head.find(b"\n")
    if end < 0 and len(head) < FIRST:
        return ""
    return _digest(head[: end + 1] if end >= 0 else head)


def _mark(handle: IO[bytes], offset: int) -> str:
    begin = max(0, offset - MARK)
    handle.seek(begin)
    return _digest(handle.read(offset - begin))


def _length(handle: IO[bytes], enough: int) -> int:
    """The size of what is behind a handle, counted no further than needed."""
    size = 0
    while size < enough and (chunk := handle.read(CHUNK)):
        size += len(chunk)
    return size


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or f"it is damaged ({type(error).__name__})"
