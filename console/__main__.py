"""``python -m console`` is the command ``token-console``."""

from console.cli import main

raise SystemExit(main())
