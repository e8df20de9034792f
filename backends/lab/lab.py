"""The lab as a whole: servers started side by side, one configuration, one way to end them.

A state file remembers what was started, so that a later process can look at the lab
and end it. Only what the lab itself made is ever removed: the console's journal, which
lies in the same directory, stays.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from backends.lab.server import START_TIMEOUT, LabError, Server

SYSTEMS: Final[Mapping[str, str]] = {
    "openbao": "backends.lab.openbao:OpenBaoServer",
    "aws_iam": "backends.lab.moto:MotoServer",
    "postgres": "backends.lab.postgres:PostgresServer",
    "redis": "backends.lab.redis:RedisServer",
}
"""The servers by the type of backend that they are for. Imported when they are needed."""

ALL: Final = tuple(SYSTEMS)
STATE: Final = "lab.json"
CONFIG: Final = "config.toml"
HEADER: Final = "# Written by token-console lab. It goes away with: token-console lab down\n"

Report = Callable[[str], None]


class ServerStatus(NamedTuple):
    """One server as the state file and the process table have it."""

    system: str
    name: str
    title: str
    port: int
    pid: int
    alive: bool
    filled: bool
    log: Path


class Lab:
    """The lab in ``home``. As a context manager it is up inside the block and gone after it.

    ``systems`` says which servers; ``tokens`` roughly how many tokens each one gets.
    """

    def __init__(self, home: Path, systems: Sequence[str] = ALL, tokens: int = 200) -> None:
        unknown = [system for system in systems if system not in SYSTEMS]
        if unknown:
            raise LabError(f"the lab has no {unknown[0]!r}", f"It has: {', '.join(ALL)}.")
        self.home = home.expanduser().absolute()
        self.systems = tuple(systems)
        self.tokens = tokens
        self.servers: dict[str, Server] = {}
        """The servers of this process's :meth:`up`, by system."""
        self._filled: set[str] = set()
        self._threads: list[threading.Thread] = []

    @property
    def config(self) -> Path:
        """The configuration file for the console. ``TOKEN_CONSOLE_HOME`` is :attr:`home`."""
        return self.home / CONFIG

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(self, tokens: int | None = None, progress: Report = lambda line: None) -> None:
        """Start and fill all servers at once, and write the configuration.

        When one of them fails, all are ended again; their logs stay until the next
        ``up`` or ``down``.

        Raises:
            LabError: the lab is up already, a wheel is missing, or a server failed.
        """
        wanted = self.tokens if tokens is None else tokens
        with self._alone():
            running = [status.name for status in self.status() if status.alive]
            if running:
                raise LabError(
                    f"the lab in {self.home} is up already ({', '.join(running)})",
                    f"Use it: TOKEN_CONSOLE_HOME={self.home} token-console. "
                    "Or end it: token-console lab down.",
                )
            self._clear()
            self._check_free()
            self.servers = {
                system: _class_of(system)(self.home / system) for system in self.systems
            }
            self._filled = set()
            self._save()
            try:
                self._start_all(wanted, progress)
            except BaseException:
                self._abandon()
                raise
            self._write(self.config, HEADER + config_text(self.servers.values()))
            self._save()

    def down(self) -> list[str]:
        """End the servers and remove what the lab made. Returns the names of those ended.

        Works from any process, and does nothing where there is no lab.
        """
        if not self.home.is_dir():
            return []
        with self._alone():
            ended = [status.name for status in self.status() if status.alive]
            self._clear()
            (self.home / "lab.lock").unlink(missing_ok=True)
        if not any(self.home.iterdir()):
            self.home.rmdir()
        return ended

    def status(self) -> list[ServerStatus]:
        """What the state file says, and whether those very processes still run."""
        return [
            ServerStatus(
                system,
                server.name,
                server.title,
                server.port,
                server.pid,
                server.alive,
                filled,
                server.log,
            )
            for system, server, filled in self._remembered()
        ]

    def _start_all(self, tokens: int, progress: Report) -> None:
        problems: list[BaseException] = []

        def run(system: str, server: Server) -> None:
            try:
                began = datetime.now(UTC)
                server.start()
                progress(f"{server.title} answers on 127.0.0.1:{server.port}")
                server.fill(tokens)
                self._filled.add(system)
                took = (datetime.now(UTC) - began).total_seconds()
                progress(f"{server.title} is filled ({took:.1f} s)")
            except BaseException as problem:  # noqa: BLE001
                # Whatever it is belongs to the caller, who must first end the others.
                problems.append(problem)

        self._threads = [
            threading.Thread(target=run, args=(system, server), daemon=True)
            for system, server in self.servers.items()
        ]
        for thread in self._threads:
            thread.start()
        written = ""
        while not problems and (busy := [each for each in self._threads if each.is_alive()]):
            busy[0].join(0.05)
            # A process is put on record as soon as it exists: if this one is killed now,
            # `lab down` still finds the server and ends it.
            if (now := self._state_text()) != written:
                self._write(self.home / STATE, now)
                written = now
        if problems:
            raise problems[0]

    def _abandon(self) -> None:
        """End what was started, also what a thread starts while this goes on."""
        for _ in range(2):
            for server in self.servers.values():
                server.stop()
            for thread in self._threads:
                thread.join(START_TIMEOUT)
        self._save()

    def _clear(self) -> None:
        """End what the state file remembers and remove what it names."""
        if not (self.home / STATE).exists():
            return
        for system, server, _ in self._remembered():
            server.stop()
            server.discard()
            shutil.rmtree(self.home / system, ignore_errors=True)
        if _is_ours(self.config):
            self.config.unlink()
        (self.home / STATE).unlink()

    def _check_free(self) -> None:
        """Nothing of somebody else's is ever overwritten."""
        if self.config.exists() and not _is_ours(self.config):
            raise LabError(
                f"{self.config} is not the lab's and would be overwritten",
                "Give the lab a directory of its own.",
            )
        for system in self.systems:
            if (self.home / system).exists():
                raise LabError(
                    f"{self.home / system} is there already, and no lab is on record",
                    "Give the lab a directory of its own.",
                )

    def _remembered(self) -> Iterator[tuple[str, Server, bool]]:
        try:
            state = json.loads((self.home / STATE).read_text())
            entries = dict(state["servers"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            raise LabError(
                f"{self.home / STATE} is damaged",
                "End the servers by hand (ps -ef | grep 127.0.0.1), then remove the directory.",
            ) from None
        for system, entry in entries.items():
            if system not in SYSTEMS:
                continue
            server = _server(system, self.home / system)
            server.pid, server.port = int(entry["pid"]), int(entry["port"])
            server.began = str(entry["began"])
            yield system, server, bool(entry["filled"])

    def _state_text(self) -> str:
        entries = {
            system: {
                "pid": server.pid,
                "began": server.began,
                "port": server.port,
                "filled": system in self._filled,
            }
            for system, server in self.servers.items()
        }
        return json.dumps({"version": 1, "servers": entries}, indent=1)

    def _save(self) -> None:
        self._write(self.home / STATE, self._state_text())

    def _write(self, path: Path, text: str) -> None:
        """The whole file or none of it, private to its owner."""
        draft = path.with_name(f".{path.name}.new")
        draft.touch(mode=0o600)
        draft.chmod(0o600)
        # Whatever the umask says: the console refuses a configuration that others can write.
        draft.touch(mode=0o600)
        draft.chmod(0o600)
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time starts or ends the lab."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.home / "lab.lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LabError(
                    f"another process is starting or ending the lab in {self.home}",
                    "Wait for it, then look: token-console lab status.",
                ) from None
            yield


class _Remnant(Server):
    """Stands for a server whose module cannot be imported any more: it can still be ended."""

    name = "unknown"
    title = "A server of the lab"

    def start(self) -> None:
        """Refuse: nothing is known of it but its processes.

        Raises:
            LabError: always.
        """
        raise LabError("this server can only be ended")

    def fill(self, tokens: int) -> None:
        """Refuse, as :meth:`start` does.

        Raises:
            LabError: always.
        """
        raise LabError("this server can only be ended")

    def table(self) -> Mapping[str, Any]:
        """Nothing: no backend can be made of it."""
        return {}


def _server(system: str, home: Path) -> Server:
    try:
        return _class_of(system)(home)
    except LabError:
        return _Remnant(home)


def _class_of(system: str) -> type[Server]:
    module, _, name = SYSTEMS[system].partition(":")
    try:
        found: type[Server] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise LabError(
            f"the lab needs {error.name!r} for {system}", "pip install 'token-console[lab]'"
        ) from None
    return found


def _is_ours(config: Path) -> bool:
    try:
        return config.read_text(encoding="utf-8").startswith(HEADER)
    except (OSError, UnicodeDecodeError):
        return False


def config_text(servers: Iterable[Server]) -> str:
    """The configuration for the console: one table for each server, named as the server is."""
    parts: list[str] = []
    for server in servers:
        lines = [f"[backend.{_key(server.name)}]"]
        lines += [f"{_key(name)} = {toml(value)}" for name, value in server.table().items()]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def toml(value: Any) -> str:
    """A value as TOML writes it.

    Raises:
        TypeError: TOML has no such thing, or the lab has no use for it.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(name)} = {toml(inner)}" for name, inner in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(inner) for inner in value)}]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else toml(name)
