"""The tree against published vectors, against another implementation, and against forgers."""

from __future__ import annotations

import random

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_tree import Tree, leaves

from console.tlog import merkle
from console.tlog.merkle import ProofError

CT_LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The reference tree of the Certificate Transparency test suites."""


def test_roots_are_those_of_the_published_tree() -> None:
    tree = Tree(CT_LEAVES)
    for size, expected in enumerate(CT_ROOTS, 1):
        assert tree.root(size).hex() == expected
        assert merkle.root([merkle.leaf_hash(leaf) for leaf in CT_LEAVES[:size]]).hex() == expected


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Tree().root(0).hex() == merkle.root([]).hex() == empty


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ],
)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, path: list[str]) -> None:
    proof = merkle.inclusion(index, size, Tree(CT_LEAVES).get)
    assert [each.hex() for each in proof] == path


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (1, 1, []),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_consistency_proofs_are_the_published_ones(old: int, new: int, path: list[str]) -> None:
    proof = merkle.consistency(old, new, Tree(CT_LEAVES).get)
    assert [each.hex() for each in proof] == path


def test_every_pair_of_sizes_up_to_130_agrees_with_the_other_implementation() -> None:
    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    tree = Tree()
    for leaf in leaves(130):
        tree.append(leaf)
        oracle.append_entry(leaf)
    for new in range(131):
        assert tree.root(new) == oracle.get_root(new)
        for old in range(new + 1):
            proof = merkle.consistency(old, new, tree.get)
            merkle.verify_consistency(old, new, tree.root(old), tree.root(new), proof)


def test_every_inclusion_proof_is_the_one_that_the_other_implementation_makes() -> None:
    data = leaves(70)
    tree = Tree(data)
    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    oracle.append_entries(data)
    for size in range(1, 71):
        for index in range(size):
            hashed = merkle.leaf_hash(data[index])
            proof = merkle.inclusion(index, size, tree.get)
            merkle.verify_inclusion(index, size, hashed, proof, tree.root(size))
            theirs = oracle.prove_inclusion(index + 1, size)
            assert [hashed, *proof] == theirs.path
            pymerkle.verify_inclusion(hashed, tree.root(size), theirs)


@given(st.integers(1, 200), st.data())
def test_a_proof_with_one_thing_changed_is_refused(size: int, data: st.DataObject) -> None:
    tree = Tree(leaves(size))
    index = data.draw(st.integers(0, size - 1))
    hashed = merkle.leaf_hash(b"entry %d" % index)
    proof = merkle.inclusion(index, size, tree.get)
    merkle.verify_inclusion(index, size, hashed, proof, tree.root(size))
    spoiled: list[tuple[int, int, bytes, list[bytes], bytes]] = [
        (index, size, merkle.leaf_hash(b"another"), proof, tree.root(size)),
        (index, size, hashed, [*proof, bytes(32)], tree.root(size)),
        (index, size, hashed, proof, bytes(32)),
        (index, size, hashed[:31], proof, tree.root(size)),
        (-1, size, hashed, proof, tree.root(size)),
        (size, size, hashed, proof, tree.root(size)),
        (index, 2**70, hashed, proof, tree.root(size)),
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        bent = bytearray(proof[place])
        bent[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        spoiled += [
            (index, size, hashed, proof[:-1], tree.root(size)),
            (index, size, hashed, proof[1:], tree.root(size)),
            (
                index,
                size,
                hashed,
                [*proof[:place], bytes(bent), *proof[place + 1 :]],
                tree.root(size),
            ),
            ((index + 1) % size, size, hashed, proof, tree.root(size)),
        ]
    for case in spoiled:
        with pytest.raises(ProofError):
            merkle.verify_inclusion(*case)


@given(st.integers(1, 200), st.data())
def test_a_rewritten_past_has_no_consistency_proof(new: int, data: st.DataObject) -> None:
    tree = Tree(leaves(new))
    old = data.draw(st.integers(1, new))
    victim = data.draw(st.integers(0, old - 1))
    changed = leaves(new)
    changed[victim] = b"never happened"
    forged = Tree(changed)
    # The forger may send any proof that one of the two trees can make.
    for source in (tree, forged):
        proof = merkle.consistency(old, new, source.get)
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, new, tree.root(old), forged.root(new), proof)


@given(st.integers(1, 200), st.data())
def test_a_consistency_proof_with_one_thing_changed_is_refused(
    new: int, data: st.DataObject
) -> None:
    tree = Tree(leaves(new))
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency(old, new, tree.get)
    was, now = tree.root(old), tree.root(new)
    spoiled = [
        (old, new, was, now, [*proof, bytes(32)]),
        (old, new, bytes(32), now, proof),
        (old, new, was, bytes(32), proof),
        (new + 1, new, was, now, proof),
        (-1, new, was, now, proof),
    ]
    if proof:
        spoiled += [
            (old, new, was, now, proof[:-1]),
            (old, new, was, now, proof[1:]),
            (old, new, was, now, []),
            (0, new, merkle.EMPTY, now, proof),
        ]
    for case in spoiled:
        with pytest.raises(ProofError):
            merkle.verify_consistency(*case)


def test_an_empty_tree_comes_before_all_and_nothing_else_passes_for_one() -> None:
    tree = Tree(leaves(5))
    merkle.verify_consistency(0, 5, merkle.EMPTY, tree.root(5), [])
    merkle.verify_consistency(0, 0, merkle.EMPTY, merkle.EMPTY, [])
    for case in ((0, 5, bytes(32), tree.root(5)), (0, 0, bytes(32), bytes(32))):
        with pytest.raises(ProofError):
            merkle.verify_consistency(*case, [])


def test_proofs_that_cannot_be_are_not_made() -> None:
    tree = Tree(leaves(4))
    for index in (-1, 4, 5):
        with pytest.raises(ProofError):
            merkle.inclusion(index, 4, tree.get)
    for old, new in ((-1, 4), (4, 3)):
        with pytest.raises(ProofError):
            merkle.consistency(old, new, tree.get)


def test_random_bytes_never_verify_nor_crash() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        size = chance.randrange(1, 2 ** chance.randrange(1, 63))
        proof = [chance.randbytes(32) for _ in range(chance.randrange(0, 70))]
        with pytest.raises(ProofError):
            merkle.verify_inclusion(
                chance.randrange(size), size, bytes(32), proof, chance.randbytes(32)
            )
        with pytest.raises(ProofError):
            merkle.verify_consistency(
                chance.randrange(1, size + 1), size, bytes(32), chance.randbytes(32), proof
            )
