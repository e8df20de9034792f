"""A key in a file: made once, kept from others, and never replaced."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from console.tlog.keyfile import KeyFileError, load, load_or_make


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made, new = load_or_make(path)
    again, newer = load_or_make(path)
    assert (new, newer) == (True, False)
    assert made.private_bytes_raw() == again.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["key"]


def test_those_who_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: load_or_make(tmp_path / "key"), range(8)))
    assert len({key.private_bytes_raw() for key, _ in made}) == 1
    assert sum(new for _, new in made) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_make(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(KeyFileError, match="others"):
        load_or_make(tmp_path / "key")


def test_what_is_no_ed25519_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    other = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for data in (b"", b"not a key", other):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyFileError):
            load_or_make(path)
        assert path.read_bytes() == data
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent")
    with pytest.raises(KeyFileError):
        load_or_make(tmp_path / "no directory" / "key")
