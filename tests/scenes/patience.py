"""How long a test waits for what is bound to come."""

from __future__ import annotations

import os

HANG = float(os.environ.get("TEST_PATIENCE", "600"))
"""Seconds after which a wait counts as one without end. ``TEST_PATIENCE`` sets others.

It tells a test that hangs from a machine that is busy, and decides nothing else: whatever
is waited for is waited for by its condition, and an idle machine gets there at once.
"""
