"""The one lock on a file: who holds it, who waits for it, and that nobody locks by other means."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import console
from console.lock import LockHeld, hold, locked, only_one, open_lock, try_once


def test_one_holds_it_until_the_last_copy_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = hold(path, 0.0)
    copy = os.dup(first)
    os.close(first)
    with pytest.raises(LockHeld):
        hold(path, 0.0)
    with pytest.raises(LockHeld), only_one(path):
        pass
    other = open_lock(path)
    assert not try_once(other)
    os.close(copy)
    assert try_once(other)
    os.close(other)


def test_a_lock_that_was_not_to_be_had_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with only_one(path):
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            with pytest.raises(LockHeld):
                hold(path, 0.0)
        assert len(os.listdir("/proc/self/fd")) == len(before)
    with only_one(path, None):
        pass


def test_threads_of_one_process_wait_for_each_other(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lock", 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with only_one(path, patience=None):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_it_is_free_again_after_a_block(tmp_path: Path) -> None:
    descriptor = open_lock(tmp_path / "lock")
    for _ in range(2):
        with locked(descriptor, 0.0):
            held = open_lock(tmp_path / "lock")
            assert not try_once(held)
            os.close(held)
    os.close(descriptor)


def test_nothing_else_in_the_console_locks_a_file() -> None:
    root = Path(console.__file__).parent
    found = {path for path in root.rglob("*.py") if "flock" in path.read_text()}
    assert found == {root / "lock.py"}
