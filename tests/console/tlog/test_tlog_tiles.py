"""The published directory: complete, checkable from itself, and every change in it found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tlog_tree import ORIGIN, Tree, leaves

from console.tlog import merkle, tiles
from console.tlog.checkpoint import Checkpoint
from console.tlog.tiles import TilesError


def published(directory: Path, size: int) -> Tree:
    tree = Tree(leaves(size))
    directory.mkdir()
    tiles.write(directory, leaves(size), tree.checkpoint(), tree.signed())
    return tree


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_paths_have_the_published_form() -> None:
    assert tiles.path_of(0, 1234067) == "tile/0/x001/x234/067"
    assert tiles.path_of("entries", 5, 17) == "tile/entries/005.p/17"
    assert tiles.path_of(3, 1000) == "tile/3/x001/000"


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 700, 65536 + 300])
def test_what_is_written_verifies_and_gives_the_entries_back(tmp_path: Path, size: int) -> None:
    tree = published(tmp_path / "log", size)
    tiles.verify(tmp_path / "log", tree.checkpoint())
    assert list(tiles.entries(tmp_path / "log", size)) == leaves(size)
    assert tiles.signed_checkpoint(tmp_path / "log") == tree.signed()


def test_the_files_are_those_that_the_specification_lists_for_its_example(tmp_path: Path) -> None:
    published(tmp_path / "log", 70000)
    names = [str(path.relative_to(tmp_path / "log")) for path in files(tmp_path / "log")]
    assert len([name for name in names if name.startswith("tile/0/")]) == 274
    assert "tile/0/273.p/112" in names
    assert "tile/entries/273.p/112" in names
    higher = [name for name in names if name.startswith(("tile/1", "tile/2", "tile/3"))]
    assert higher == ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]


@pytest.mark.parametrize("size", [1, 256, 700, 65536 + 300])
def test_proofs_made_from_the_files_alone_hold(tmp_path: Path, size: int) -> None:
    tree = published(tmp_path / "log", size)
    get = tiles.nodes(tmp_path / "log", size)
    assert merkle.root_from(size, get) == tree.root(size)
    for index in {0, size // 3, size // 2, size - 1}:
        proof = merkle.inclusion(index, size, get)
        hashed = merkle.leaf_hash(b"entry %d" % index)
        merkle.verify_inclusion(index, size, hashed, proof, tree.root(size))
        old = index + 1
        proof = merkle.consistency(old, size, get)
        merkle.verify_consistency(old, size, tree.root(old), tree.root(size), proof)
    with pytest.raises(TilesError):
        get(0, size)
    with pytest.raises(TilesError):
        get(20, 0)


def test_a_change_in_any_file_is_found(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    point = published(directory, 700).checkpoint()
    for path in files(directory):
        if path.name == "checkpoint":
            continue
        good = path.read_bytes()
        middle = len(good) // 2
        for bad in (
            good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            good[:-1],
            good + b"\0",
            b"",
        ):
            path.write_bytes(bad)
            with pytest.raises(TilesError):
                tiles.verify(directory, point)
        path.unlink()
        with pytest.raises(TilesError):
            tiles.verify(directory, point)
        path.write_bytes(good)
    tiles.verify(directory, point)


def test_a_whole_other_log_does_not_pass(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    tree = published(directory, 300)
    with pytest.raises(TilesError):
        tiles.verify(directory, Checkpoint(ORIGIN, 300, bytes(32)))
    with pytest.raises(TilesError):
        tiles.verify(directory, tree.checkpoint(299))


def test_entries_that_do_not_add_up_are_not_published(tmp_path: Path) -> None:
    tree = Tree(leaves(10))
    for number, entries in enumerate((leaves(9), leaves(11), [*leaves(9), b"forged"])):
        directory = tmp_path / str(number)
        directory.mkdir()
        with pytest.raises(TilesError):
            tiles.write(directory, entries, tree.checkpoint(), tree.signed())
        assert not (directory / "checkpoint").exists()


def test_the_longest_entry_fits_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    tree = Tree([bytes(tiles.MAX_ENTRY), b""])
    tiles.write(tmp_path, [bytes(tiles.MAX_ENTRY), b""], tree.checkpoint(), tree.signed())
    tiles.verify(tmp_path, tree.checkpoint())
    long = Tree([bytes(tiles.MAX_ENTRY + 1)])
    (tmp_path / "b").mkdir()
    with pytest.raises(TilesError):
        tiles.write(tmp_path / "b", [bytes(tiles.MAX_ENTRY + 1)], long.checkpoint(), long.signed())


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    tree = published(tmp_path / "log", 3)
    with pytest.raises(FileExistsError):
        tiles.write(tmp_path / "log", leaves(3), tree.checkpoint(), tree.signed())


def test_a_pipe_in_the_place_of_a_tile_does_not_hang_the_check(tmp_path: Path) -> None:
    tree = published(tmp_path / "log", 3)
    place = tmp_path / "log" / tiles.path_of(0, 0, 3)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(TilesError):
        tiles.verify(tmp_path / "log", tree.checkpoint())
