"""Distributions of others, installed: on the path, with metadata and entry points of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

METADATA = """Metadata-Version: 2.1
Name: {name}
Version: 0.3
Author-email: Ann <ann@example.com>
Project-URL: Issues, https://example.com/{name}/issues
"""


class Site:
    """A directory of installed packages that this process looks into as into its own."""

    def __init__(self, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.where = where
        where.mkdir(exist_ok=True)
        monkeypatch.syspath_prepend(str(where))

    def module(self, name: str, text: str) -> None:
        """Put a module there, as an installer does."""
        (self.where / f"{name}.py").write_text(text)

    def install(self, name: str, group: str, **offered: str) -> None:
        """Install a distribution, version 0.3, that offers ``name = module:class`` to a group."""
        info = self.where / f"{name.replace('-', '_')}-0.3.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(METADATA.format(name=name))
        lines = [f"{point} = {value}" for point, value in offered.items()]
        with (info / "entry_points.txt").open("a") as file:
            file.write("\n".join([f"[{group}]", *lines, ""]))
