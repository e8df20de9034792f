"""The log as plain files: a directory that anybody's program can check (c2sp.org/tlog-tiles).

``checkpoint`` is the signed checkpoint, ``tile/entries/`` holds the entries by 256, and
``tile/0``, ``tile/1``, ... the hashes of the tree: a tile has up to 256 hashes, and each
hash of a level stands for one full tile of the level below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from console.errors import ConsoleError
from console.journal.tlog import merkle
from console.journal.tlog.checkpoint import Checkpoint
from console.journal.tlog.merkle import HASH, Nodes
from console.journal.tlog.note import MAX_BYTES

WIDTH = 256
"""Hashes of a full tile."""
MAX_ENTRY = 0xFFFF
"""Bytes of an entry: its length is written in two bytes."""

_HEIGHT = 8


class TilesError(ConsoleError):
    """The directory does not hold the log that its checkpoint names."""


def path_of(level: int | str, number: int, width: int = WIDTH) -> str:
    """Where a tile lies. ``level`` is a number, or ``entries`` for a bundle of entries."""
    parts = [f"{number % 1000:03}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03}")
    suffix = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/" + "/".join(reversed(parts)) + suffix


def write(directory: Path, entries: Iterable[bytes], checkpoint: Checkpoint, signed: bytes) -> None:
    """Write the whole log as files. The tree is computed anew from the entries.

    Args:
        directory: exists and has no ``tile`` and no ``checkpoint`` yet.
        entries: the exact bytes of each, in order; read once, held 256 at a time.
        checkpoint: what the entries must add up to.
        signed: the checkpoint with its signatures. Written last: a directory without it
            was not finished.

    Raises:
        TilesError: the entries are not those of the checkpoint, or one is too long.
        OSError: a file cannot be written.
    """

    def keep(level: int | str, number: int, width: int, data: bytes) -> None:
        place = directory / path_of(level, number, width)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(data)

    size, root = _roll(entries, keep)
    _must_match(size, root, checkpoint)
    with (directory / "checkpoint").open("xb") as file:
        file.write(signed)


def signed_checkpoint(directory: Path) -> bytes:
    """The directory's signed checkpoint, to be opened with keys from elsewhere.

    Raises:
        TilesError: there is none.
    """
    return _read(directory / "checkpoint", MAX_BYTES)


def verify(directory: Path, checkpoint: Checkpoint) -> None:
    """Check every entry and every tile against a checkpoint that was opened before.

    Entries are hashed anew, and every tile must have exactly the bytes that follow.

    Raises:
        TilesError: a file is missing, damaged or does not fit; the first of them is named.
    """

    def compare(level: int | str, number: int, width: int, data: bytes) -> None:
        name = path_of(level, number, width)
        if level != "entries" and _read(directory / name, WIDTH * HASH) != data:
            raise TilesError(f"{name} does not have the hashes of the entries under it")

    size, root = _roll(entries(directory, checkpoint.size), compare)
    _must_match(size, root, checkpoint)


def entries(directory: Path, size: int) -> Iterator[bytes]:
    """The first ``size`` entries of a directory of tiles, unchecked.

    Raises:
        TilesError: a file is missing, or not a bundle of as many entries.
    """
    for number, width in _tiles(size):
        name = path_of("entries", number, width)
        data = _read(directory / name, WIDTH * (2 + MAX_ENTRY))
        at = 0
        for _ in range(width):
            length = int.from_bytes(data[at : at + 2], "big")
            entry = data[at + 2 : at + 2 + length]
            if len(data) < at + 2 or len(entry) < length:
                raise TilesError(f"{name} ends in the middle of an entry")
            yield entry
            at += 2 + length
        if at != len(data):
            raise TilesError(f"{name} has more than {width} entries")


def nodes(directory: Path, size: int) -> Nodes:
    """The full nodes of a tree of ``size``, read from tiles, for making proofs.

    The tiles are not checked here. A proof made from wrong ones will not verify.
    """

    @lru_cache(maxsize=64)
    def tile(level: int, number: int) -> bytes:
        width = min(WIDTH, (size >> (_HEIGHT * level)) - number * WIDTH)
        if width <= 0:
            raise TilesError(f"a tree of size {size} has no tile {level}/{number}")
        name = path_of(level, number, width)
        data = _read(directory / name, WIDTH * HASH)
        if len(data) != width * HASH:
            raise TilesError(f"{name} is not of width {width}")
        return data

    def get(level: int, index: int) -> bytes:
        above = level % _HEIGHT
        number, place = divmod(index << above, WIDTH)
        data = tile(level // _HEIGHT, number)
        part = data[place * HASH : (place + (1 << above)) * HASH]
        if len(part) != HASH << above:
            raise TilesError(f"a tree of size {size} has no full node {level}/{index}")
        return merkle.root(_hashes(part))

    return get


def _roll(
    entries: Iterable[bytes], tile: Callable[[int | str, int, int, bytes], None]
) -> tuple[int, bytes]:
    """Hash the entries into tiles, hand each over when it is done; size and root.

    Holds at most one unfinished tile for each level.
    """
    size = 0
    bundle: list[bytes] = []
    levels: list[list[bytes]] = [[]]
    done = [0]

    def finish(level: int) -> None:
        hashes = levels[level]
        tile(level, done[level], len(hashes), b"".join(hashes))
        done[level] += 1

    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise TilesError(f"entry {size} has more than {MAX_ENTRY} bytes")
        bundle.append(len(entry).to_bytes(2, "big") + entry)
        levels[0].append(merkle.leaf_hash(entry))
        size += 1
        if len(bundle) == WIDTH:
            tile("entries", done[0], WIDTH, b"".join(bundle))
            bundle.clear()
        level = 0
        while len(levels[level]) == WIDTH:
            finish(level)
            top = merkle.root(levels[level])
            levels[level] = []
            level += 1
            if level == len(levels):
                levels.append([])
                done.append(0)
            levels[level].append(top)
    if bundle:
        tile("entries", done[0], len(bundle), b"".join(bundle))
    for level, hashes in enumerate(levels):
        if hashes:
            finish(level)
    return size, _root(size, levels)


def _root(size: int, levels: list[list[bytes]]) -> bytes:
    """The root of a tree whose right edge are these unfinished tiles."""

    def get(level: int, index: int) -> bytes:
        above = level % _HEIGHT
        hashes = levels[level // _HEIGHT]
        place = (index << above) % WIDTH
        return merkle.root(hashes[place : place + (1 << above)])

    return merkle.root_from(size, get)


def _must_match(size: int, root: bytes, checkpoint: Checkpoint) -> None:
    if size != checkpoint.size:
        raise TilesError(
            f"the entries make a tree of size {size}, and the checkpoint says {checkpoint.size}"
        )
    if root != checkpoint.root:
        raise TilesError("the entries do not have the root that the checkpoint says")


def _tiles(size: int) -> Iterator[tuple[int, int]]:
    """Number and width of the tiles of the lowest level."""
    for number in range(-(-size // WIDTH)):
        yield number, min(WIDTH, size - number * WIDTH)


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]


def _read(path: Path, limit: int) -> bytes:
    """A whole file, if it is a plain one and not longer than ``limit`` bytes."""
    try:
        # Without O_NONBLOCK, opening a pipe that somebody left there would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise TilesError(f"{path.name}: {error.strerror or error}") from None
    if len(data) > limit:
        raise TilesError(f"{path.name} has more than {limit} bytes")
    return data
