"""``python -m console.worker CONFIG STATE [--act]``."""

import sys

from console.worker.serving import main

raise SystemExit(main(sys.argv[1:]))
