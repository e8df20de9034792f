"""Words that the help of several commands has in common."""

from __future__ import annotations

from typing import Final

ID: Final = "handle (or its first digits), BACKEND/NAME, name, id or fingerprint"
"""How one token is named; see ``console.inventory.search.resolve_name``."""
