"""What stands in a time's ``*_key`` column in place of a time, so that sorting has a place for it.

Beside the tables, since searching needs it too and must not load SQLAlchemy.
"""

from __future__ import annotations

from typing import Final

NEVER_USED: Final = -1
"""``used_key`` of a token that was never used: before every real time."""
NEVER_EXPIRES: Final = 1 << 53
"""``expires_key`` of a token that never expires: after every real time."""
