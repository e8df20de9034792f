"""Cosignatures, trust policies and proof files: who must have signed, and what then holds."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlog_tree import LOG, Tree, key, leaves

from console.errors import ConsoleError
from console.tlog import checkpoint as checkpoints
from console.tlog import cosign, merkle, note, policy
from console.tlog.cosign import CosignatureVerifier, Cosigner
from console.tlog.merkle import ProofError
from console.tlog.note import (
    BadSignature,
    Ed25519Signer,
    MalformedNote,
    NoteSignature,
    NotSigned,
    Verifier,
)
from console.tlog.policy import Log, PolicyError, QuorumMissing, Witness
from console.tlog.proof import HEADER, MAX_EXTRA, Proof

NOON = 1_764_000_000
W = [Cosigner(f"w{n}.example/witness", key(10 + n), lambda: NOON + 0.9) for n in range(6)]
TREE = Tree(leaves(11))
BODY = TREE.checkpoint().body()


def cosigned(*numbers: int) -> bytes:
    return checkpoints.sign(TREE.checkpoint(), LOG, *(W[n] for n in numbers))


def lines(*text: str) -> bytes:
    return "".join(f"{line}\n" for line in text).encode()


def keys() -> list[str]:
    return [f"log {LOG.vkey}", *(f"witness W{n} {each.vkey}" for n, each in enumerate(W))]


def test_a_cosignature_says_when_and_covers_the_time() -> None:
    opened = note.open_note(cosigned(0), [W[0].verifier])
    assert cosign.time_of(opened.verified[0]) == NOON
    (line,) = opened.verified
    later = line._replace(value=(NOON + 1).to_bytes(8, "big") + line.value[8:])
    for bad in (later, line._replace(value=line.value[8:]), line._replace(value=bytes(72))):
        with pytest.raises(BadSignature):
            W[0].verifier.verify(BODY.encode(), bad.value)


def test_the_cosigned_bytes_are_those_of_the_specification() -> None:
    (line,) = note.open_note(cosigned(0), [W[0].verifier]).verified
    message = f"cosignature/v1\ntime {NOON}\n{BODY}".encode()
    key(10).public_key().verify(line.value[8:], message)
    name_and_key = b"w0.example/witness\n\x04" + key(10).public_key().public_bytes_raw()
    assert line.key_id == hashlib.sha256(name_and_key).digest()[:4]


def test_one_key_cannot_pass_for_the_other_kind() -> None:
    twin = Ed25519Signer(W[0].name, key(10))
    assert twin.key_id != W[0].key_id
    assert isinstance(cosign.parse_vkey(W[0].vkey), CosignatureVerifier)
    assert type(cosign.parse_vkey(twin.vkey)) is Verifier
    for kind, vkey in ((Verifier, W[0].vkey), (CosignatureVerifier, twin.vkey)):
        with pytest.raises(MalformedNote):
            kind.parse(vkey)
    with pytest.raises(MalformedNote):
        cosign.parse_vkey(note.format_vkey("pq.example", 0x06, bytes(1312)))


def test_groups_of_groups_decide_as_the_specification_says() -> None:
    parsed = policy.parse(
        lines(
            "# two organisations",
            *keys(),
            "",
            "group X 2 W0 W1 W2",
            "\tgroup  Y any W3\tW4 W5 ",
            "group both all X Y",
            "quorum both",
        )
    )
    for enough in ((0, 1, 3), (0, 2, 5), (0, 1, 2, 3, 4, 5)):
        accepted = parsed.check(cosigned(*enough))
        assert accepted.cosigned == {f"W{n}": NOON for n in enough}
        assert accepted.checkpoint == TREE.checkpoint()
    for short in ((), (0, 1, 2), (0, 3), (3, 4, 5)):
        with pytest.raises(QuorumMissing):
            parsed.check(cosigned(*short))


def test_one_witness_or_none_can_be_the_quorum() -> None:
    one = policy.parse(lines(*keys(), "quorum W2"))
    assert one.check(cosigned(2)).cosigned == {"W2": NOON}
    with pytest.raises(QuorumMissing):
        one.check(cosigned(1))
    nobody = policy.parse(lines(f"log {LOG.vkey}", "quorum none"))
    assert nobody.check(cosigned()).cosigned == {}


def test_witnesses_do_not_replace_the_log_nor_another_log_this_one() -> None:
    parsed = policy.parse(lines(*keys(), "quorum W0"))
    with pytest.raises(NotSigned):
        parsed.check(note.sign(BODY, W[0]))
    stranger = Ed25519Signer("other.example/log", key(2))
    both = policy.parse(lines(*keys(), f"log {stranger.vkey}", "quorum none"))
    with pytest.raises(NotSigned):
        both.check(note.sign(BODY, stranger))
    with pytest.raises(NotSigned):
        policy.parse(lines("quorum none")).check(cosigned())
    assert policy.parse(lines("quorum none")).check(cosigned(), [LOG.verifier])


def test_a_false_cosignature_of_a_known_witness_spoils_the_checkpoint() -> None:
    parsed = policy.parse(lines(*keys(), "quorum W0"))
    signed = note.add(cosigned(0), [NoteSignature(W[1].name, W[1].key_id, bytes(72))])
    with pytest.raises(BadSignature):
        parsed.check(signed)


def test_what_is_written_reads_back() -> None:
    witnesses = [Witness(f"W{n}", each.verifier, "") for n, each in enumerate(W[:3])]
    witnesses[1] = witnesses[1]._replace(url="http://peer.example:7000")
    logs = [Log(LOG.verifier, "")]
    for needed, quorum in ((None, 3), (2, 2)):
        parsed = policy.parse(policy.write(logs, witnesses, needed))
        assert parsed.logs == tuple(logs)
        assert parsed.witnesses == tuple(witnesses)
        assert parsed.groups[parsed.quorum].needed == quorum
    assert policy.parse(policy.write(logs, witnesses, 0)).quorum == "none"
    with pytest.raises(PolicyError):
        policy.write(logs, [witnesses[0]._replace(name="two words")])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        f"log {LOG.vkey}\n",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum W0\n",
        "quorum\n",
        "quorum none none\n",
        "group g any\nquorum none\n",
        "group g any W9\nquorum none\n",
        f"witness A {W[0].vkey}\ngroup g 2 A\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup g 0 A\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup g 01 A\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup g any A A\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup g any A\ngroup h any A\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup g any g\nquorum g\n",
        f"witness A {W[0].vkey}\ngroup A any A\nquorum A\n",
        f"witness A {W[0].vkey}\ngroup g any none\nquorum g\n",
        f"witness none {W[0].vkey}\nquorum none\n",
        f"witness A {W[0].vkey}\nwitness B {W[0].vkey}\nquorum A\n",
        f"witness A {W[0].vkey}\nwitness A {W[1].vkey}\nquorum A\n",
        f"witness A {LOG.vkey}\nquorum A\n",
        f"log {W[0].vkey}\nquorum none\n",
        f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n",
        f"log {LOG.vkey[:-4]}\nquorum none\n",
        f"log {LOG.vkey} http://a b\nquorum none\n",
        f"log\u00a0{LOG.vkey}\nquorum none\n",
        f"log {LOG.vkey}\r\nquorum none\r\n",
        "include other\nquorum none\n",
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_and_the_line_is_named(text: str) -> None:
    with pytest.raises(PolicyError, match="policy"):
        policy.parse(text.encode())


def test_thirty_two_of_each_are_possible_and_floods_are_not() -> None:
    many = [Cosigner(f"w{n}.example", key(n)) for n in range(150)]
    text = [f"witness W{n} {each.vkey}" for n, each in enumerate(many)]
    groups = [f"group g{n} any W{n}" for n in range(32)]
    assert len(policy.parse(lines(*text[:32], *groups, "quorum g31")).groups) == 32
    with pytest.raises(PolicyError):
        policy.parse(lines(*text, "quorum W0"))
    with pytest.raises(PolicyError):
        policy.parse(b"#" * 300_000 + b"\nquorum none\n")


def test_names_may_be_any_bytes_and_different_bytes_differ() -> None:
    text = f"witness \xff {W[0].vkey}\nwitness \xfe {W[1].vkey}\nquorum \xff\n".encode("latin-1")
    parsed = policy.parse(text)
    parsed = replace(parsed, logs=(Log(LOG.verifier, ""),))
    assert parsed.check(cosigned(0))
    with pytest.raises(QuorumMissing, match="xff"):
        parsed.check(cosigned(1))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_a_policy_or_read(data: bytes) -> None:
    try:
        policy.parse(data)
    except PolicyError as error:
        str(error).encode()  # Can be printed.


PROOF = Proof(3, tuple(merkle.inclusion(3, 11, TREE.get)), cosigned(0))
TRUST = policy.parse(lines(*keys(), "quorum W0"))


def test_a_proof_file_has_the_published_form_and_reads_back() -> None:
    data = PROOF.write()
    head, _, rest = data.partition(b"\n\n")
    assert head.decode().split("\n")[:2] == ["c2sp.org/tlog-proof@v1", "index 3"]
    assert rest == cosigned(0)
    assert [base64.b64decode(each) for each in head.split(b"\n")[2:]] == list(PROOF.hashes)
    assert Proof.parse(data) == PROOF
    for extra in (b"", b"context\n\n", bytes(MAX_EXTRA)):
        assert Proof.parse(replace(PROOF, extra=extra).write()).extra == extra


def test_a_proof_holds_for_its_entry_and_for_nothing_else() -> None:
    assert PROOF.verify(b"entry 3", TRUST).cosigned == {"W0": NOON}
    for bad, leaf in (
        (PROOF, b"entry 4"),
        (replace(PROOF, index=4), b"entry 3"),
        (replace(PROOF, hashes=PROOF.hashes[:-1]), b"entry 3"),
        (replace(PROOF, index=11), b"entry 3"),
    ):
        with pytest.raises(ProofError):
            bad.verify(leaf, TRUST)
    with pytest.raises(QuorumMissing):
        replace(PROOF, checkpoint=cosigned(1)).verify(b"entry 3", TRUST)


def test_a_proof_of_the_only_entry_has_no_hashes() -> None:
    single = Tree(leaves(1))
    proof = Proof.parse(Proof(0, (), single.signed()).write())
    proof.verify(b"entry 0", policy.parse(lines(f"log {LOG.vkey}", "quorum none")))


GOOD = PROOF.write()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD.replace(b"@v1", b"@v2"),
        GOOD.replace(b"index 3\n", b""),
        GOOD.replace(b"index 3", b"index 03"),
        GOOD.replace(b"index 3", b"index -3"),
        GOOD.replace(b"index 3", b"extra !\nindex 3"),
        GOOD.replace(b"index 3", b"index 3\nAAAA"),
        GOOD.replace(b"index 3", b"index 3\n" + b"\n".join([b"A" * 43 + b"="] * 64)),
        GOOD.replace(b"index 3", b"extra " + b"A" * 200_000 + b"\nindex 3"),
        GOOD.replace(b"\n\n", b"\n", 1),
        GOOD + b"\n",
        GOOD + b"trailing",
        (HEADER + "\nindex 0\n\n").encode(),
    ],
)
def test_other_bytes_are_not_a_proof(data: bytes) -> None:
    with pytest.raises(MalformedNote):
        Proof.parse(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_no_flipped_bit_in_a_proof_file_goes_unnoticed(place: int, bit: int) -> None:
    bent = bytearray(GOOD)
    bent[place] ^= 1 << bit
    with pytest.raises(ConsoleError):
        Proof.parse(bytes(bent)).verify(b"entry 3", TRUST)
