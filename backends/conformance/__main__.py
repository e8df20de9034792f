"""``python -m backends.conformance [--path DIR] my_package.my_module:MyFixture``

The fixture's module is one of this environment, or of the directory that ``--path`` names:
it is not looked for where one happens to stand.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and not sys.flags.isolated:
    # Before anything is imported that the working directory or PYTHONPATH could replace.
    words = [sys.executable, "-I", "-m", "backends.conformance", *sys.argv[1:]]
    os.execv(sys.executable, words)  # noqa: S606

import importlib

from backends import memory
from backends.conformance import Fixture, run

USAGE = "usage: python -m backends.conformance [--path DIR] MODULE:FIXTURE_CLASS\n"


def main(arguments: list[str]) -> int:
    """Print a line for each check. 0 when all pass or skip, 1 otherwise, 2 for misuse."""
    memory.keep_private()
    if len(arguments) == 3 and arguments[0] == "--path":
        # Last, so that it adds modules and replaces none.
        sys.path.append(os.path.abspath(arguments[1]))
        arguments = arguments[2:]
    module, _, name = arguments[0].partition(":") if len(arguments) == 1 else ("", "", "")
    if not name:
        sys.stderr.write(USAGE)
        return 2
    made = getattr(importlib.import_module(module), name)()
    if not isinstance(made, Fixture):
        sys.stderr.write(f"{arguments[0]} is not a backends.conformance.Fixture\n")
        return 2
    bad = 0
    for check, result, why in run(made):
        bad += result not in ("pass", "skip")
        sys.stdout.write(f"{result:7}  {check}" + ("" if result == "pass" else f": {why}") + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
