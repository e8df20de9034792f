"""What a fresh interpreter holds after running something: the cost of a start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def loaded(code: str, home: Path, *, stdin: str = "") -> set[str]:
    """The top-level modules that a fresh interpreter holds after running the code."""
    script = (
        f"import sys\n{code}\nprint('\\n'.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin,
        capture_output=True,
        text=True,
        check=True,
        env={"TOKEN_CONSOLE_HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    return set(done.stdout.split())


def run_command(*words: str) -> str:
    return (
        "from console.cli import main\n"
        "try:\n"
        f"    main({list(words)!r})\n"
        "except SystemExit:\n"
        "    pass"
    )
