"""A Python environment of a test's own: the one in use, and what the test installs besides.

Children of the console are isolated, so that no PYTHONPATH reaches them. What they are to
find has to be installed in their environment, as a third party's distribution would be.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def environment(folder: Path, *more: Path) -> str:
    """Make a virtual environment at ``folder``; the path of its Python.

    It sees what this one sees, and the directories ``more``.
    """
    home = Path(os.path.realpath(sys.executable))
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python3").symlink_to(home)
    (folder / "pyvenv.cfg").write_text(
        f"home = {home.parent}\ninclude-system-site-packages = false\n"
    )
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    # addsitedir reads the .pth files in there too: the console itself may be installed so.
    (packages / "0.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        + "".join(f"{path}\n" for path in more)
    )
    return str(folder / "bin" / "python3")
