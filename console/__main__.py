"""``python -m console`` is the command ``token-console``.

The command itself starts Python in isolated mode. Whoever starts this module without that
gets it started anew, before anything that another folder could replace is imported.
"""

import os
import sys

if not sys.flags.isolated:
    os.execv(sys.executable, [sys.executable, "-I", "-m", "console", *sys.argv[1:]])  # noqa: S606

from console.cli import main

raise SystemExit(main())
