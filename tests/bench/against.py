"""All figures that the product is held to, against their floors and peers, in one run.

    python tests/bench/against.py [KEY ...] [--before CHECKOUT] [--list]

Each row is measured in a process of its own, on the machine that this runs on. A *floor* is
the least that the work can cost (a bare loop of the same calls, a bare SQLite commit); a
*peer* is what people use today. With ``--before`` the same rows are measured on another
checkout of this repository as well, in turn with this one. Rows that need a server start it.
Prints a table and decides nothing.

TOKEN_CONSOLE_BENCH names a directory that keeps the stores between runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
if "--tree" not in sys.argv:
    sys.path.insert(0, str(HERE.parents[1]))

from measuring import Figure, Row  # noqa: E402

PATIENCE = 3600
"""Seconds after which a row is given up."""


def rows() -> dict[str, Row]:
    """Every row of the modules ``against_*`` beside this one, by its key, in order."""
    found: dict[str, Row] = {}
    for path in sorted(HERE.glob("against_*.py")):
        for row in importlib.import_module(path.stem).ROWS:
            if row.key in found:
                raise SystemExit(f"two rows are called {row.key}")
            found[row.key] = row
    return found


def measured(key: str, checkout: Path) -> Figure | str:
    """A row's figures on a checkout, from a process of its own; or why there are none."""
    # What a row starts isolated goes by the environment that belongs to the checkout.
    own = checkout / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    command = [python, str(HERE / "against.py"), key, "--tree", str(checkout)]
    scenes = HERE.parent / "scenes"
    env = {**os.environ, "PYTHONPATH": f"{checkout}:{HERE}:{scenes}"}
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not done after {PATIENCE} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    return Figure(**json.loads(done.stdout.splitlines()[-1]))


def words(row: Row, figure: Figure | str) -> str:
    """A row's figures as one line."""
    if isinstance(figure, str):
        return f"not measured: {figure}"
    parts = [f"{figure.ours:,.4g} {figure.unit}"]
    if (ratio := figure.ratio()) is not None:
        parts.append(f"{ratio:.2f} x the floor of {figure.floor:,.4g}")
    parts += [f"{name} {value:,.4g}" for name, value in figure.peers.items()]
    parts.append("met" if row.met(figure) else "NOT MET")
    return ", ".join(parts) + (f"  ({figure.notes})" if figure.notes else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("keys", nargs="*", metavar="KEY", help="rows (default: all)")
    parser.add_argument("--before", type=Path, help="another checkout to measure as well")
    parser.add_argument("--list", action="store_true", help="print the keys, measure nothing")
    parser.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    all_rows = rows()
    if unknown := [key for key in asked.keys if key not in all_rows]:
        parser.error(f"no row is called {', '.join(unknown)}: see --list")
    if asked.list:
        for row in all_rows.values():
            print(f"{row.key:20} {row.title}; goal: {row.goal}")
        return
    if asked.tree is not None:
        print(json.dumps(all_rows[asked.keys[0]].measure()._asdict()))
        return
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    for key in asked.keys or all_rows:
        row = all_rows[key]
        print(f"\n{row.title} [{key}]\n  goal    {row.goal}")
        if asked.before is not None:
            print(f"  before  {words(row, measured(key, asked.before.resolve()))}", flush=True)
        print(f"  now     {words(row, measured(key, HERE.parents[1]))}", flush=True)


if __name__ == "__main__":
    main()
