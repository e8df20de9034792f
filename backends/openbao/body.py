"""From the texts of a planned call to the body that is sent.

A planned call holds texts only. What the server wants as a list, a table or a truth
value is written as JSON there; the intent's id and a new value have stand-ins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from backends import permit

INTENT: Final = "<intent id>"
NEW_VALUE: Final = "<new value>"
MARK: Final = "token_console_intent"
"""The key of a new token's metadata under which the id of its intent stands."""

AS_JSON: Final = frozenset({"disabled", "meta", "no_default_policy", "policies", "renewable"})


def written(value: Any) -> str:
    """A value as it stands in a planned call."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def marked(meta: Mapping[str, Any]) -> str:
    """Metadata with the place for the intent's id, as it stands in a planned call."""
    return written({**{str(key): value for key, value in meta.items()}, MARK: INTENT})


def filled(arguments: Mapping[str, str], intent_id: str) -> dict[str, Any]:
    """The body for a planned call. Raises ``NoIntent`` when it needs a value that none carries."""
    body: dict[str, Any] = {}
    for key, text in arguments.items():
        if key in ("meta", "metadata"):
            # Parsed first: an id is put in the place of the mark and nowhere else.
            table = {**json.loads(text), MARK: intent_id}
            body[key] = table if key == "meta" else json.dumps(table)
        elif key == "secret_id" and text == NEW_VALUE:
            body[key] = permit.value().reveal()
        else:
            body[key] = json.loads(text) if key in AS_JSON else text
    return body
