"""``python -m backends.conformance my_package.my_module:MyFixture``"""

from __future__ import annotations

import importlib
import sys

from backends import memory
from backends.conformance import Fixture, run


def main(arguments: list[str]) -> int:
    """Print a line for each check. 0 when all pass or skip, 1 otherwise, 2 for misuse."""
    memory.keep_private()
    module, _, name = arguments[0].partition(":") if len(arguments) == 1 else ("", "", "")
    if not name:
        sys.stderr.write("usage: python -m backends.conformance MODULE:FIXTURE_CLASS\n")
        return 2
    made = getattr(importlib.import_module(module), name)()
    if not isinstance(made, Fixture):
        sys.stderr.write(f"{arguments[0]} is not a backends.conformance.Fixture\n")
        return 2
    bad = 0
    for check, result, why in run(made):
        bad += result in ("fail", "error")
        sys.stdout.write(f"{result:5}  {check}" + ("" if result == "pass" else f": {why}") + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
