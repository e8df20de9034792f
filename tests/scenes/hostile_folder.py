"""A folder full of modules that somebody laid out for whoever starts a program in it.

Named like ours, like our dependencies, and like the standard library's: each one leaves a
mark with its name and its program when it is imported, and lets the import go on failing.
"""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

OURS = ("console", "backends", "scripted_system")
HOOKS = ("sitecustomize", "usercustomize")
_MODULE = """\
import posix, sys
mark = posix.open({mark!r}, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
posix.write(mark, ({name!r} + " in " + " ".join(sys.orig_argv) + "\\n").encode())
raise ImportError("a hostile module was imported: " + {name!r})
"""


class HostileFolder:
    """The folder, and what was executed of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder.with_name(folder.name + ".executed")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.user_base = folder / "user"
        user_site = self.user_base / "lib" / version / "site-packages"
        user_site.mkdir(parents=True)
        self.lay(folder)
        self.lay(user_site)
        (user_site / "hostile.pth").write_text("import usercustomize\n")

    def lay(self, folder: Path, but: tuple[str, ...] = ()) -> None:
        """Put the modules into a folder."""
        # What Python has read before any path counts cannot be replaced, and need not be.
        known = {*packages_distributions(), *sys.stdlib_module_names, *OURS, *HOOKS}
        for name in sorted(known - set(but)):
            if name.isidentifier() and not name.startswith("__"):
                (folder / f"{name}.py").write_text(_MODULE.format(mark=str(self.mark), name=name))

    @property
    def environ(self) -> dict[str, str]:
        """What makes a plain Python look there first."""
        return {
            "PYTHONPATH": str(self.folder),
            "PYTHONUSERBASE": str(self.user_base),
            "PYTHONSTARTUP": str(self.folder / "console.py"),
            "PYTHONSAFEPATH": "",
        }

    @property
    def executed(self) -> list[str]:
        """One line for each module that was run: its name, and in which process."""
        return self.mark.read_text().splitlines() if self.mark.exists() else []
