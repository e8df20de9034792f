"""Where things are, and what the configuration file says.

The file is TOML: ``config.toml`` in the XDG configuration directory. With
``TOKEN_CONSOLE_HOME`` set, that one directory holds everything.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from backends import credentials
from backends.errors import ConfigError
from console import ownership
from console.errors import SettingsError, UsageError
from console.settings import graph as graph_settings
from console.settings import response as response_settings
from console.settings.graph import GraphSettings as GraphSettings
from console.settings.response import ResponseSettings as ResponseSettings

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""What a backend may be called: it stands in file names, queries and narrow columns."""

WITNESS = re.compile(r"https?://\S+ +[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+")
"""A witness: where to ask it, and its C2SP verifier key."""

DEFAULTS: Mapping[str, int] = {"refresh": 30, "events": 7}
"""The options of [console] and what they are when the file does not say."""


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


class JournalSettings(NamedTuple):
    """The section ``[journal]``: where the journal is, and who has to stand behind an entry."""

    url: Any = None
    """A reference to the connection string of the journal's PostgreSQL; None for a file."""
    signatures: str = "prefer"
    """prefer, require or off: whether the responder's ssh-agent signs plans and intents."""
    signing_key: str = ""
    """Which key of the agent: a fingerprint or a comment. Empty takes the first usable."""
    allowed_signers: Path | None = None
    """OpenSSH's file of the keys that may sign."""
    policy: Path | None = None
    """A C2SP tlog-policy file: the log's keys, and which witnesses are enough."""
    witnesses: tuple[str, ...] = ()
    """``URL VKEY``, one for each witness."""
    witnessing: str = "off"
    """require: no cosignature, no call; prefer: it is written down; off. Where witnesses are
    named and this is not, it is require."""


CHOICES: Mapping[str, tuple[str, ...]] = {
    "signatures": ("prefer", "require", "off"),
    "witnessing": ("require", "prefer", "off"),
}
"""The options of [journal] that are one of a few words."""


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
        if key not in ("console", "backend", "journal", "response", "graph", "sink", "source"):
            line = _line_of(lines, key) or _line_of(lines, "", key)
            problems.append(
                Problem(
                    line,
                    f"there is no section {key!r}",
                    "Known are [console], [journal], [response], [graph], [backend.NAME], "
                    "[sink.NAME] and [source.NAME].",
                )
            )
    console = data.get("console", {})
    values = dict(DEFAULTS)
    for key, value in console.items() if isinstance(console, dict) else ():
        if key not in DEFAULTS:
            known = ", ".join(DEFAULTS)
            problem = f"there is no option {key!r} in [console]"
            problems.append(Problem(_line_of(lines, "console", key), problem, f"Known: {known}."))
        elif type(value) is not int or value < 1:
            problem = f"{key} must be a whole number of at least 1, not {value!r}"
            problems.append(Problem(_line_of(lines, "console", key), problem, f"{key} = 30"))
        else:
            values[key] = value
    tables = {
        section: _named(data, section, credential, lines, problems)
        for section, credential in (
            ("backend", ("read", "act")),
            ("sink", ("write",)),
            ("source", ("read",)),
        )
    }

    def wrong_graph(option: str, told: str, hint: str) -> None:
        problems.append(Problem(_line_of(lines, "graph", option), told, hint))

    graph = graph_settings.parse(data.get("graph", {}), path.parent, wrong_graph)
    return Settings(
        path,
        values["refresh"],
        values["events"],
        tuple(BackendTable(*found) for found in tables["backend"]),
        tuple(problems),
        lines,
        _journal(path, data, lines),
        response_settings.parse(
            data.get("response", {}),
            path.parent,
            lambda option, told, hint: _wrong(path, lines, "response", option, told, hint),
        ),
        {found[0]: SinkTable(*found) for found in tables["sink"]},
        {found[0]: SourceTable(*found) for found in tables["source"]},
        graph,
    )


def _named(
    data: Mapping[str, Any],
    section: str,
    credential: Iterable[str],
    lines: tuple[str, ...],
    problems: list[Problem],
) -> list[tuple[str, Mapping[str, Any], int]]:
    """The tables ``[SECTION.NAME]`` that can be used; what is wrong goes to ``problems``."""
    found: list[tuple[str, Mapping[str, Any], int]] = []
    tables = data.get(section, {})
    if not isinstance(tables, dict):
        line = _line_of(lines, "", section)
        problems.append(Problem(line, f"{section} must be a section", f"[{section}.NAME]"))
        return found
    for name, table in tables.items():
        line = _line_of(lines, f"{section}.{name}")
        if not NAME.fullmatch(name):
            hint = "Use up to 32 of a-z, 0-9, dot, dash and underscore."
            problems.append(Problem(line, f"a {section} cannot be called {name!r}", hint))
        elif not isinstance(table, dict):
            told = f"{section}.{name} is not a section"
            problems.append(Problem(line, told, f"[{section}.{name}]"))
        elif table.get("enabled", True):
            found.append((name, table, line))
            for option in credential:
                if option not in table:
                    continue
                try:
                    credentials.check(table[option], option)
                except ConfigError as error:
                    line = _line_of(lines, f"{section}.{name}", option)
                    problems.append(Problem(line, f"{name}: {error}", error.hint))
    return found


def _journal(path: Path, data: Mapping[str, Any], lines: tuple[str, ...]) -> JournalSettings:
    """The section ``[journal]``.

    A mistake here is no ``Problem`` to go on with: entries would go to another journal, or
    without the signatures that they were to have.
    """

    def wrong(option: str, problem: str, hint: str) -> SettingsError:
        return _wrong(path, lines, "journal", option, problem, hint)

    section = data.get("journal", {})
    if not isinstance(section, dict):
        raise SettingsError(f"{path}: journal must be a section", "[journal]")
    values: dict[str, Any] = {}
    for option, value in section.items():
        if option not in JournalSettings._fields:
            known = ", ".join(JournalSettings._fields)
            raise wrong(option, f"there is no option {option!r} in [journal]", f"Known: {known}.")
        if option == "url":
            try:
                values[option] = None if value == "sqlite" else credentials.check(value, "url")
            except ConfigError as error:
                raise wrong(option, str(error), error.hint) from None
        elif option == "witnesses":
            values[option] = _witnesses(value, lambda told, hint: wrong("witnesses", told, hint))
        elif not isinstance(value, str) or not value.strip():
            raise wrong(option, f"{option} must be text", f'{option} = "..."')
        elif option in CHOICES and value not in CHOICES[option]:
            known = " or ".join(f'"{choice}"' for choice in CHOICES[option])
            raise wrong(option, f"{option} cannot be {value!r}", f"Write {known}.")
        elif option in ("allowed_signers", "policy"):
            values[option] = path.parent / Path(value).expanduser()
        else:
            values[option] = value
    found = JournalSettings(**values)
    if found.witnesses and "witnessing" not in values:
        found = found._replace(witnessing="require")
    if found.witnessing != "off" and not found.witnesses:
        raise wrong(
            "witnessing", "witnessing without a witness", 'witnesses = ["https://HOST NAME+ID+KEY"]'
        )
    return found


def _witnesses(value: Any, wrong: Callable[[str, str], SettingsError]) -> tuple[str, ...]:
    for one in value if isinstance(value, list) else (None,):
        if not isinstance(one, str) or not WITNESS.fullmatch(one):
            raise wrong(
                "witnesses must be a list of a URL and a key each",
                'witnesses = ["https://HOST NAME+ID+KEY"]; the key is what the witness shows.',
            )
    return tuple(value)


def _wrong(
    path: Path, lines: tuple[str, ...], section: str, option: str, problem: str, hint: str
) -> SettingsError:
    return SettingsError(f"{path}, line {_line_of(lines, section, option)}: {problem}", hint)


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
