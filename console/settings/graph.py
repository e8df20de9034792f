"""The section ``[graph]`` of the configuration file: where teams keep who owns and uses what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class GraphSettings(NamedTuple):
    """The section ``[graph]``. A missing file is no mistake here: it is told as not known."""

    owners: tuple[Path, ...] = ()
    """``owners.toml`` and CODEOWNERS files."""
    consumers: tuple[Path, ...] = ()
    configs: tuple[Path, ...] = ()
    """Directories that are searched for tokens."""


def parse(section: Any, folder: Path, wrong: Callable[[str, str, str], None]) -> GraphSettings:
    """The section as it stands; ``wrong`` is told an option, what is wrong, and the mend."""
    if not isinstance(section, dict):
        wrong("", "graph must be a section", "[graph]")
        return GraphSettings()
    values: dict[str, tuple[Path, ...]] = {}
    for option, value in section.items():
        if option not in GraphSettings._fields:
            known = ", ".join(GraphSettings._fields)
            wrong(option, f"there is no option {option!r} in [graph]", f"Known: {known}.")
        elif not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            wrong(option, f"{option} must be a list of paths", f'{option} = ["PATH"]')
        else:
            values[option] = tuple(folder / Path(one).expanduser() for one in value)
    return GraphSettings(**values)
