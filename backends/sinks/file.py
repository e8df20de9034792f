"""Delivers a value into a private file, as a whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from backends import permit
from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step
from backends.errors import ConfigError, Forbidden, NotFound, Refused
from backends.model import Secret, Token
from backends.sinks.contract import NEW_VALUE, Sink, SinkConfig, ended

MAX_VALUE = 64 * 1024
_INTENT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An intent's id, with which the name of a file ends that is not in its place yet."""


class FileSink(Sink):
    """A file of mode 0600 that is replaced by renaming, so that readers see old or new.

    The directory is opened once and everything happens inside it, so that it cannot be
    exchanged for another meanwhile. A symbolic link, a thing that is no file, and a file of
    somebody else are refused; ``owner`` names whose it is where the console runs as root.
    """

    type_name = "file"
    title = "file"
    options = (
        Option("path", "The file, with {name} and the like where tokens differ.", required=True),
        Option(
            "owner",
            "The account that the file belongs to, if it is not the console's own.",
            str,
            "",
        ),
        Option("newline", "Whether a line break follows the value.", bool, False),
    )
    prior: ClassVar[str] = "The file's earlier content is replaced and not kept."

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        path = Path(config.options["path"]).expanduser()
        if not path.is_absolute() or ".." in path.parts:
            raise ConfigError(
                f"the path of the sink {self.name} is not absolute",
                'Write it in full: path = "/etc/payments/api-key".',
                option="path",
            )
        self._path = str(path)

    @property
    def retry(self) -> Retry:
        """Free: the same file is written once more."""
        return Retry.FREE

    def call(self, token: Token) -> Call:
        """One replacement of the file."""
        path = self.expand(self._path, token, "path")
        return Call("file", "REPLACE", path, {"mode": "0600", "content": NEW_VALUE})

    async def check(self, step: Step) -> str:
        """Whether the file may be replaced, and who loses access to it by that.

        Raises:
            Forbidden: its directory is not writable.
        """
        return await asyncio.to_thread(self._look, step.call.target)

    async def read(self, step: Step) -> Secret | None:
        """The text of the file; None where there is none."""
        return await asyncio.to_thread(self._read, step.call.target)

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        # A thread of the pool has a copy of the context, and so the permit.
        return await asyncio.to_thread(self._replace, call, value)

    async def leftovers(self, step: Step) -> tuple[str, ...]:
        """Files that a killed delivery left beside the place, by the intents in their names."""
        return await asyncio.to_thread(self._leftovers, step.call.target)

    async def clear(self, step: Step, intent: str) -> str:
        """Remove one of them.

        Raises:
            Refused: it is no file that a delivery left.
        """
        return await asyncio.to_thread(self._clear, step.call.target, intent)

    def _leftovers(self, path: str) -> tuple[str, ...]:
        """Files that a delivery wrote and had no time to rename. Their names end in its intent."""
        start = _waiting(path, "")
        with self._directory(path) as directory:
            names = [name for name in os.listdir(directory) if name.startswith(start)]
            return tuple(
                name.removeprefix(start)
                for name in names
                if _INTENT.fullmatch(name.removeprefix(start)) and self._ours(directory, name)
            )

    def _clear(self, path: str, intent: str) -> str:
        name = _waiting(path, intent)
        with self._directory(path) as directory:
            if not _INTENT.fullmatch(intent) or not self._ours(directory, name):
                raise Refused(f"{name} is no file that a delivery left behind")
            os.unlink(name, dir_fd=directory)
            os.fsync(directory)
        return os.path.join(os.path.dirname(path), name)

    def _ours(self, directory: int, name: str) -> bool:
        """Whether it is a file of the kind that a delivery makes."""
        try:
            about = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISREG(about.st_mode) and about.st_uid in (os.geteuid(), self._owner())

    def _owner(self) -> int:
        name = self.config.options["owner"]
        if not name:
            return os.geteuid()
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            raise ConfigError(f"there is no account {name!r} here", option="owner") from None

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        """The directory of a file, opened, once it is known that no stranger rules it."""
        parent = os.path.dirname(path)
        try:
            descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"there is no directory {parent}", f"mkdir -p {parent}") from None
        except OSError as error:
            raise Forbidden(f"cannot use {parent}: {error.strerror}") from None
        try:
            about = os.fstat(descriptor)
            if about.st_uid not in (0, os.geteuid(), self._owner()):
                raise Refused(f"{parent} belongs to somebody else")
            if about.st_mode & stat.S_IWOTH and not about.st_mode & stat.S_ISVTX:
                raise Refused(f"everybody may write to {parent}", f"chmod o-w {parent}")
            yield descriptor
        finally:
            os.close(descriptor)

    def _target(self, directory: int, path: str) -> os.stat_result | None:
        """What is at the path now, None if nothing. Raises ``Refused`` for what must not be."""
        try:
            about = os.stat(os.path.basename(path), dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(about.st_mode):
            raise Refused(f"{path} is a symbolic link", "Name the file that it leads to.")
        if not stat.S_ISREG(about.st_mode):
            raise Refused(f"{path} is no file")
        if about.st_uid != self._owner():
            raise Refused(
                f"{path} belongs to somebody else", 'Name the account: owner = "..." (as root).'
            )
        if about.st_nlink > 1:
            raise Refused(f"{path} has a second name (a hard link), which would keep the old value")
        return about

    def _look(self, path: str) -> str:
        with self._directory(path) as directory:
            about = self._target(directory, path)
            if not os.access(os.path.dirname(path), os.W_OK | os.X_OK, effective_ids=True):
                raise Forbidden(f"the directory of {path} is not writable")
        if about is None:
            return f"{path} does not exist yet"
        mode = stat.S_IMODE(about.st_mode)
        if mode & 0o077:
            return (
                f"{path} has mode {mode:04o} and gets 0600: whoever reads it by group or as "
                "anyone else cannot any more"
            )
        return ""

    def _read(self, path: str) -> Secret | None:
        with self._directory(path) as directory:
            if self._target(directory, path) is None:
                return None
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(os.path.basename(path), flags, dir_fd=directory)
            with open(descriptor, "rb") as file:
                content = file.read(MAX_VALUE).decode("utf-8", "replace")
        return Secret(content.removesuffix("\n") if self.config.options["newline"] else content)

    def _replace(self, call: Call, value: Secret) -> Outcome:
        intent = permit.spend(call)
        path = call.target
        name = os.path.basename(path)
        data = (value.reveal() + ("\n" if self.config.options["newline"] else "")).encode()
        renamed = False
        try:
            with self._directory(path) as directory:
                about = self._target(directory, path)
                # The intent's id is in the name, so that what a crash leaves can be traced.
                waiting = _waiting(path, intent)
                try:
                    self._write(directory, waiting, data, about)
                    os.replace(waiting, name, src_dir_fd=directory, dst_dir_fd=directory)
                    renamed = True
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(waiting, dir_fd=directory)
                os.fsync(directory)
        except (Refused, Forbidden, NotFound, ConfigError) as error:
            return ended(OutcomeState.NOT_SENT, error.message)
        except OSError as error:
            state = OutcomeState.UNKNOWN if renamed else OutcomeState.NOT_SENT
            return ended(state, f"cannot write {path}: {error.strerror}")
        return ended(OutcomeState.APPLIED, "created" if about is None else "replaced")

    def _write(self, directory: int, name: str, data: bytes, about: os.stat_result | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=directory)
        try:
            os.fchmod(descriptor, 0o600)
            owner = self._owner()
            if about is not None and os.fstat(descriptor).st_gid != about.st_gid:
                os.fchown(descriptor, owner, about.st_gid)
            elif owner != os.geteuid():
                os.fchown(descriptor, owner, -1)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _waiting(path: str, intent: str) -> str:
    """What a delivery's file is called before it takes its place."""
    return f".{os.path.basename(path)}.{intent}"
