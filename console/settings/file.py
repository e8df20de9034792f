"""Where things are, and what the configuration file says.

The file is TOML: ``config.toml`` in the XDG configuration directory. With
``TOKEN_CONSOLE_HOME`` set, that one directory holds everything.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from console import ownership
from console.errors import SettingsError, UsageError
from console.settings import journal, section
from console.settings.graph import GraphSettings
from console.settings.journal import JournalSettings
from console.settings.response import ResponseSettings
from console.settings.section import Reference, S, Section, Wrong

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""What a backend may be called: it stands in file names, queries and narrow columns."""

Natural = Annotated[int, Meta(ge=1, description="a whole number of at least 1", examples=["30"])]
Switch = Annotated[bool, Meta(description="true or false", examples=["true"])]
Credential = Annotated[Reference | None, Meta(description="a reference", extra={"secret": True})]
"""Where a credential is. A value of its own is refused, and never repeated."""


class ConsoleSettings(Section, frozen=True):
    """The section ``[console]``."""

    refresh: Natural = 30
    """Seconds between two looks at a backend."""
    events: Natural = 7
    """Days of audit events to read at first sight of a backend."""


class BackendOptions(Section, frozen=True, forbid_unknown_fields=False):
    """What every ``[backend.NAME]`` may have; its type knows the rest."""

    enabled: Switch = True
    read: Credential = None
    act: Credential = None


class SinkOptions(Section, frozen=True, forbid_unknown_fields=False):
    """What every ``[sink.NAME]`` may have; its type knows the rest."""

    enabled: Switch = True
    write: Credential = None


class SourceOptions(Section, frozen=True, forbid_unknown_fields=False):
    """What every ``[source.NAME]`` may have; its type knows the rest."""

    enabled: Switch = True
    read: Credential = None


NamedOptions = BackendOptions | SinkOptions | SourceOptions
NAMED: Mapping[str, type[NamedOptions]] = {
    "backend": BackendOptions,
    "sink": SinkOptions,
    "source": SourceOptions,
}
"""The sections that have a name each."""

SECTIONS = ("console", "journal", "response", "graph")
"""The sections that are there once."""


class Paths(NamedTuple):
    """The files of one console. ``state`` is private to its user (mode 0700)."""

    config: Path
    state: Path

    @property
    def places(self) -> tuple[Path, Path]:
        """Where to look for a file that is not this user's."""
        return self.state, self.config.parent

    @property
    def inventory(self) -> Path:
        """A cache of what the backends say. It may be deleted."""
        return self.state / "inventory.db"

    @property
    def journal(self) -> Path:
        """The record of every action. It may never be deleted."""
        return self.state / "journal.db"

    @property
    def plans(self) -> Path:
        """Approved plans, one file each; the journal holds their digests."""
        return self.state / "plans"

    def make(self) -> None:
        """Create the state directory, private to this user.

        Raises:
            UsageError: this is root, in a home of somebody else.
            OSError: it cannot be made.
        """
        ownership.must_be_ours(self.state)
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.plans.mkdir(mode=0o700, exist_ok=True)


def paths(home: Path | None = None) -> Paths:
    """The paths in ``home``, else in ``TOKEN_CONSOLE_HOME``, else in the XDG directories."""
    chosen = home or (Path(env) if (env := os.environ.get("TOKEN_CONSOLE_HOME")) else None)
    if chosen is not None:
        chosen = chosen.expanduser().absolute()
        return Paths(config=chosen / "config.toml", state=chosen / "state")
    import platformdirs  # Costs a few milliseconds that TOKEN_CONSOLE_HOME does not need.

    return Paths(
        config=platformdirs.user_config_path("token-console") / "config.toml",
        state=platformdirs.user_state_path("token-console"),
    )


class Problem(NamedTuple):
    """Something wrong in the configuration file. ``line`` is 0 where no line can be named."""

    line: int
    message: str
    hint: str


class BackendTable(NamedTuple):
    """One ``[backend.NAME]`` of the file, not yet followed to its secrets."""

    name: str
    table: Mapping[str, Any]
    line: int


class SinkTable(NamedTuple):
    """One ``[sink.NAME]`` of the file, not yet followed to its secrets."""

    name: str
    table: Mapping[str, Any]
    line: int


class SourceTable(NamedTuple):
    """One ``[source.NAME]`` of the file: an audit log that is read from files or a bucket."""

    name: str
    table: Mapping[str, Any]
    line: int


class Settings(NamedTuple):
    """The configuration file as far as it can be used, and what is wrong with the rest."""

    path: Path
    refresh: int
    """Seconds between two looks at a backend."""
    events: int
    """Days of audit events to read at first sight of a backend."""
    backends: tuple[BackendTable, ...]
    problems: tuple[Problem, ...]
    lines: tuple[str, ...]
    journal: JournalSettings = JournalSettings()
    response: ResponseSettings = ResponseSettings()
    sinks: Mapping[str, SinkTable] = MappingProxyType({})
    sources: Mapping[str, SourceTable] = MappingProxyType({})
    graph: GraphSettings = GraphSettings()
    sha256: str = ""
    """Of the file's bytes, in hexadecimal."""

    def line_of(self, name: str, option: str = "", section: str = "backend") -> int:
        """The line of a backend's (or sink's) option, or of its header, from 1; 0 if not found."""
        return _line_of(self.lines, f"{section}.{name}", option)

    def line_in(self, section: str, option: str) -> int:
        """The line of an option of a section without a name, from 1; 0 if not found."""
        return _line_of(self.lines, section, option)


EXAMPLE = """\
[backend.vault-prod]
type = "openbao"
url = "https://vault.example.com:8200"
read = { env = "VAULT_TOKEN" }
"""


def load(path: Path) -> Settings:
    """Read the file. A wrong entry becomes a ``Problem`` and the others go on.

    Raises:
        SettingsError: there is no file, others can write it, or it is not TOML.
    """
    try:
        with path.open("rb") as file:
            ownership.check_private(path, file.fileno())
            raw = file.read()
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"there is no configuration at {path}",
            "Look around without one: token-console demo. To connect a system, write:\n" + EXAMPLE,
        ) from None
    except UsageError as error:
        raise SettingsError(str(error), error.hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        where = f", line {found[1]}" if found else ""
        shown = f"\n  {text.splitlines()[int(found[1]) - 1].strip()[:60]}" if found else ""
        raise SettingsError(
            f"{path}{where} is not TOML: {error}",
            f"Mend that line.{shown}",
        ) from None
    loaded = _settings(path, data, tuple(text.splitlines()))
    return loaded._replace(sha256=hashlib.sha256(raw).hexdigest())


def _settings(path: Path, data: Mapping[str, Any], lines: tuple[str, ...]) -> Settings:
    problems: list[Problem] = []
    for key in data:
        if key not in SECTIONS and key not in NAMED:
            known = [f"[{one}]" for one in SECTIONS] + [f"[{one}.NAME]" for one in NAMED]
            hint = f"Known are {', '.join(known[:-1])} and {known[-1]}."
            problems.append(Problem(_line(lines, key), f"there is no section {key!r}", hint))

    def once(schema: type[S], name: str, wrong: Wrong) -> S:
        return section.read(schema, name, data.get(name, {}), path.parent, wrong)

    console = once(ConsoleSettings, "console", _noting(problems, lines, "console"))
    tables = {
        kind: _named(kind, data.get(kind, {}), path.parent, lines, problems) for kind in NAMED
    }
    graph = once(GraphSettings, "graph", _noting(problems, lines, "graph"))
    return Settings(
        path,
        console.refresh,
        console.events,
        tuple(BackendTable(*found) for found in tables["backend"]),
        tuple(problems),
        lines,
        journal.parse(data.get("journal", {}), path.parent, _stopping(path, lines, "journal")),
        once(ResponseSettings, "response", _stopping(path, lines, "response")),
        {found[0]: SinkTable(*found) for found in tables["sink"]},
        {found[0]: SourceTable(*found) for found in tables["source"]},
        graph,
    )


def _noting(problems: list[Problem], lines: tuple[str, ...], name: str, prefix: str = "") -> Wrong:
    """For a section that is used as far as it is right: its mistakes become problems."""

    def wrong(option: str, told: str, hint: str) -> None:
        problems.append(Problem(_line(lines, name, option), prefix + told, hint))

    return wrong


def _stopping(path: Path, lines: tuple[str, ...], name: str) -> Wrong:
    """For a section that is used as it stands or not at all: its first mistake is an error."""

    def wrong(option: str, told: str, hint: str) -> None:
        raise SettingsError(f"{path}, line {_line(lines, name, option)}: {told}", hint)

    return wrong


def _named(
    kind: str, tables: object, folder: Path, lines: tuple[str, ...], problems: list[Problem]
) -> list[tuple[str, Mapping[str, Any], int]]:
    """The tables ``[KIND.NAME]`` that are not switched off; mistakes go to ``problems``."""
    found: list[tuple[str, Mapping[str, Any], int]] = []
    if not isinstance(tables, dict):
        told = f"{kind} must be a section"
        problems.append(Problem(_line(lines, kind), told, f"[{kind}.NAME]"))
        return found
    for name, table in tables.items():
        here = f"{kind}.{name}"
        line = _line_of(lines, here)
        if not NAME.fullmatch(name):
            hint = "Use up to 32 of a-z, 0-9, dot, dash and underscore."
            problems.append(Problem(line, f"a {kind} cannot be called {name!r}", hint))
        elif not isinstance(table, dict):
            problems.append(Problem(line, f"{here} is not a section", f"[{here}]"))
        else:
            mistakes: list[Problem] = []
            wrong = _noting(mistakes, lines, here, f"{name}: ")
            options: NamedOptions = section.read(NAMED[kind], here, table, folder, wrong)
            if options.enabled:
                found.append((name, table, line))
                problems += mistakes
    return found


def _line(lines: tuple[str, ...], name: str, option: str = "") -> int:
    """The line of an option, else of its section, else of the key that stands in its place."""
    return _line_of(lines, name, option) or _line_of(lines, "", name)


def _line_of(lines: tuple[str, ...], section: str, option: str = "") -> int:
    """Where a section, or an option in it, stands. TOML's parser does not keep lines."""
    current = ""
    header = 0
    for number, line in enumerate(lines, 1):
        if found := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = re.sub(r"\s*\.\s*", ".", re.sub(r"[\"']", "", found[1])).strip()
            if current == section:
                header = number
                if not option:
                    return number
        elif option and current == section:
            key = re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
            if key and key[1].split(".")[0] == option:
                return number
    return header
