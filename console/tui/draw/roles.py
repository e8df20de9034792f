"""In which role a word of the journal, and a verdict on an old value, is drawn."""

from __future__ import annotations

from console.response.state.old_value import What
from console.tui.draw.lines import Role

STATES: dict[str, Role] = {
    "applied": "good", "already": "good", "rejected": "bad", "not_sent": "warn", "unknown": "bad",
    "not_applied": "warn", "seen": "good", "not_seen": "warn", "claimed": "dim", "closed": "dim",
}  # fmt: skip
VERDICTS: dict[What, Role] = {
    What.WORKS: "bad", What.UNDONE: "warn", What.UNKNOWN: "warn", What.RECORDED: "",
    What.REFUSED: "good",
}  # fmt: skip
