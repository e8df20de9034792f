"""Looks over the surroundings that the journal's promises rest on."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from console.errors import ConsoleError
from console.journal import keys
from console.journal.files import Files, beside
from console.journal.format.advice import next_step
from console.journal.store import ballast, sqlite_file, sqlite_guards
from console.lock import LockHeld, locked, open_lock

LOW = 256 * 1024 * 1024
"""Free bytes on the journal's disk below which it is time to act."""
LARGE_WAL = 64 * 1024 * 1024
FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""Versions of SQLite without the WAL-reset bug: the first of each line that has the fix."""
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "apfs"})


class Check(NamedTuple):
    """One thing that was looked at. ``state`` is ok, note or bad; a note asks for nothing."""

    what: str
    state: str
    text: str
    hint: str = ""


def doctor(path: Path, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """Everything about a journal's file, its key, its disk and the responder's session."""
    files = beside(path)
    return [
        *_database(path),
        *_key(path, files),
        *_disk(path, files),
        *_session(environ),
        Check(
            "mode",
            "note",
            "this user owns the journal and its key, and could rewrite what nobody else saw",
            "Keep a pin elsewhere, or let a witness cosign: token-console journal witness.",
        ),
    ]


def _database(path: Path) -> Iterator[Check]:
    version = sqlite3.sqlite_version_info
    fixed = version >= FIXED[-1] or any(version[:2] == f[:2] and version >= f for f in FIXED)
    told = f"SQLite {sqlite3.sqlite_version}"
    if fixed:
        yield Check("sqlite", "ok", told)
    else:
        text = f"{told} has the WAL-reset bug; the lock around every commit keeps clear of it"
        yield Check("sqlite", "note", text)
    if not path.exists():
        yield Check("journal", "note", "there is no journal yet; it begins with the first action")
        return
    for file in (path, sqlite_file.wal(path), path.with_name(path.name + ".lock")):
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Check("files", "bad", f"others can read {file}", f"chmod 600 {file}")
    try:
        connection = sqlite_file.connect_to_read(path)
    except ConsoleError as error:
        yield Check("journal", "bad", str(error), error.hint)
        return
    if connection is not None:
        mode = sqlite_file.mode(connection)
        odds = sqlite_guards.sqlite_odd(connection)
        connection.close()
        for odd in odds:
            yield Check("trigger", "bad", odd.text, next_step("guard"))
        good = mode == "wal"
        yield Check("wal", "ok" if good else "bad", f"journal mode {mode}, synchronous FULL")
    log = sqlite_file.wal(path)
    if log.exists() and log.stat().st_size > LARGE_WAL:
        size = log.stat().st_size >> 20
        text = f"the write-ahead log has grown to {size} MiB: a reader holds it back"
        yield Check("wal", "note", text, "Close other programs that have the file open.")
    yield _lock(path.with_name(path.name + ".lock"))


def _lock(path: Path) -> Check:
    try:
        descriptor = open_lock(path)
    except OSError as error:
        return Check("lock", "bad", f"cannot open {path}: {error.strerror}")
    try:
        with locked(descriptor, 2.0):
            return Check("lock", "ok", "the lock is free")
    except LockHeld:
        return Check(
            "lock", "bad", "a process has held the lock for 2 s", f"See: sudo fuser {path}"
        )
    finally:
        os.close(descriptor)


def _key(path: Path, files: Files) -> Iterator[Check]:
    try:
        signer = keys.load(files.key)
    except ConsoleError as error:
        yield Check("key", "bad", str(error), error.hint)
        return
    if signer is None and not (path.exists() or files.verified.exists()):
        text = f"there is no log key at {files.key} yet; it is made with the journal"
        yield Check("key", "note", text)
    elif signer is None:
        yield Check("key", "bad", f"there is no log key at {files.key}", "Bring it back.")
    else:
        text = f"log key {signer.verifier.fingerprint}"
        yield Check("key", "ok", text, f"Write it down elsewhere: {signer.vkey}")
    if files.pepper.exists() and stat.S_IMODE(files.pepper.stat().st_mode) & 0o077:
        yield Check("pepper", "bad", f"others can read {files.pepper}", f"chmod 600 {files.pepper}")


def _disk(path: Path, files: Files) -> Iterator[Check]:
    if path.parent.exists():
        disk = os.statvfs(path.parent)
        free = disk.f_bavail * disk.f_frsize
        state = "ok" if free >= LOW else "bad"
        yield Check("disk", state, f"{free >> 20:,} MiB free", "" if free >= LOW else "Free some.")
        kind = _file_system(path.parent)
        if kind and kind not in _LOCAL:
            text = f"the journal is on {kind}, which may not keep what it says it kept"
            yield Check("disk", "note", text, "Put it on a local disk.")
    if files.ballast.exists():
        yield Check("ballast", "ok", f"{ballast.SIZE >> 20} MiB are set aside for what is owed")
    else:
        yield Check("ballast", "note", "no space is set aside: there was none, or it was used")


def _file_system(path: Path) -> str:
    """What the kernel calls the file system of a directory; empty where it does not tell."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    here, found, longest = path.resolve(), "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        words = before.split(" ")
        if len(words) > 4 and after and here.is_relative_to(words[4]) and len(words[4]) > longest:
            found, longest = after.split(" ")[0], len(words[4])
    return found


def _session(environ: Mapping[str, str]) -> Iterator[Check]:
    if environ.get("SSH_AUTH_SOCK"):
        yield Check("agent", "ok", "an ssh-agent is here to sign with")
    else:
        hint = "Start one, or connect with: ssh -A"
        yield Check("agent", "note", "no ssh-agent: entries will be unsigned", hint)
    if environ.get("SSH_CONNECTION") and not environ.get("SSH_USER_AUTH"):
        text = "which key opened this session is not told, not even as a claim"
        hint = "Put `ExposeAuthInfo yes` into sshd_config, and reload sshd."
        yield Check("sshd", "note", text, hint)
