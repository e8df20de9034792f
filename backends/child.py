"""How a process of ours starts another one in Python: isolated from where it was started."""

from __future__ import annotations

import sys

__all__ = ["python"]


def python(module: str, *words: str) -> list[str]:
    """The command that runs a module of this environment, and nothing from elsewhere.

    Isolated mode (``-I``) keeps the working directory, ``PYTHONPATH`` and the user's site
    directory out of the child's imports. A file ``console.py`` or ``sitecustomize.py`` in
    one of them would run with the responder's credentials in its environment.
    """
    return [sys.executable, "-I", "-m", module, *words]
