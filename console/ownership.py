"""Whose a file is, and what to type where it is not this user's to use.

One use as root in somebody's home, a read-only disk or a copied directory leave files that
the console cannot open. That is no defect and no sign of tampering: it has a name and a
command that mends it. Every error that reaches a person asks here first.
"""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from console.errors import UsageError

MOST = 2000
"""Files of a home that are looked at."""
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_SQLITE_DENIED = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)


def denied(error: BaseException) -> bool:
    """Whether an error comes of a file that this user may not use, however it was wrapped."""
    return any(_denied(each) for each in _chain(error))


def _denied(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DENIED
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and (code or 0) & 0xFF in _SQLITE_DENIED


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what it came of. What was raised "from None" still knows that."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    return chain


def hint(error: BaseException, places: Iterable[Path] = ()) -> str:
    """Whose file it is and what to type; empty where the error comes of something else."""
    if not denied(error):
        return ""
    named = [Path(each.filename) for each in _chain(error) if _names_a_file(each)]
    for place in (*named, *places):
        if told := explain(place):
            return told
    return ""


def _names_a_file(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and _denied(error) and isinstance(error.filename, str)


def explain(place: Path) -> str:
    """What keeps this user from a file, or from something in a directory; empty if nothing."""
    for path in _within(place):
        try:
            about = path.lstat()
        except OSError:
            continue
        wanted = os.R_OK | os.W_OK | (os.X_OK if stat.S_ISDIR(about.st_mode) else 0)
        if os.access(path, wanted, effective_ids=True):
            continue
        return _told(path, about, place)
    return ""


def must_be_ours(path: Path) -> None:
    """Keep root from making files in somebody's home that its owner cannot use afterwards.

    Raises:
        UsageError: this is root, and the directory belongs to another user.
    """
    if foreign(path):
        owner = name_of(_nearest(path).stat().st_uid)
        raise UsageError(
            f"{_nearest(path)} belongs to {owner}, and you are root",
            f"What root writes there, {owner} cannot use afterwards. "
            f"Type: sudo -u {owner} token-console ...; or name a home of root's own: --home DIR.",
        )


def foreign(path: Path) -> bool:
    """Whether this is root in a directory of somebody else."""
    try:
        return os.geteuid() == 0 and _nearest(path).stat().st_uid != 0
    except OSError:
        return False


def check_private(path: Path, descriptor: int) -> None:
    """Refuse a file that others can write, or that stands where others can replace it.

    Raises:
        UsageError: they can.
    """
    _check_mode(path, os.fstat(descriptor))
    folder = path.resolve().parent
    _check_mode(folder, folder.stat())


def _check_mode(path: Path, about: os.stat_result) -> None:
    if about.st_uid not in (0, os.geteuid()):
        raise UsageError(
            f"{path} belongs to {name_of(about.st_uid)}, who can change what the console does",
            f"Type: sudo chown {name_of(os.geteuid())}: {shlex.quote(str(path))}",
        )
    shared = stat.S_ISDIR(about.st_mode) and about.st_mode & stat.S_ISVTX
    if about.st_mode & 0o022 and not shared:
        raise UsageError(
            f"others can write to {path} (mode {stat.S_IMODE(about.st_mode):04o})",
            f"They could change what the console does. Type: chmod go-w {shlex.quote(str(path))}",
        )


def name_of(uid: int) -> str:
    """A user's name, or the number of one that has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _within(place: Path) -> Iterator[Path]:
    """A place, or what is nearest to it, and then what is in it."""
    yield _nearest(place)
    left = MOST
    waiting = [place]
    while waiting and left > 0:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    left -= 1
                    yield Path(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except OSError:
            continue


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest directory above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _told(path: Path, about: os.stat_result, place: Path) -> str:
    me, quoted = name_of(os.geteuid()), shlex.quote(str(path))
    try:
        read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        read_only = False
    if read_only:
        return (
            f"{path} is on a disk that is mounted read-only. Make it writable, or work on a "
            f"copy: cp -a {shlex.quote(str(place))} DIR"
        )
    if about.st_uid != os.geteuid():
        whole = (
            f"-R {me}: {shlex.quote(str(place))}" if place in path.parents else f"{me}: {quoted}"
        )
        return (
            f"{path} belongs to {name_of(about.st_uid)}, and you are {me}. Nothing is wrong with "
            f"what is in it. Type: sudo chown {whole}"
        )
    return f"{path} is yours, and its mode keeps you out. Type: chmod u+rwX {quoted}"
