"""An entry as an OCSF event for outsiders: when, what kind, how it ended; labels, no text."""

from __future__ import annotations

from typing import Any

from console.incident.papers.names import Names
from console.incident.papers.story import bare
from console.journal.export import ocsf
from console.journal.format.sentence import Entry

_KEPT = (
    "category_uid", "class_uid", "activity_id", "activity_name", "type_uid", "time",
    "severity_id", "status_id", "status",
)  # fmt: skip
"""Members that are numbers, or of a closed set of words."""
_METADATA = ("version", "sequence", "original_event_uid", "event_code")


def masked(entry: Entry, names: Names) -> dict[str, Any]:
    """What may be told of an entry. ``original_event_uid`` is its leaf hash, and stays."""
    whole = ocsf.event(entry)
    told: dict[str, Any] = {name: whole[name] for name in _KEPT}
    metadata = whole["metadata"]
    told["message"] = bare(entry)
    told["metadata"] = {name: metadata[name] for name in _METADATA}
    told["metadata"] |= {"uid": names.entry(entry), "product": {"name": "token-console"}}
    told["actor"] = {"user": {"name": names.person(entry.who) if entry.who else "unknown"}}
    told["api"] = {"operation": entry.verb or entry.kind}
    if entry.backend:
        told["api"]["service"] = {"name": names.backend(entry.backend)}
    if entry.handle:
        told["resources"] = [{"name": names.token(entry.handle)}]
    if entry.plan:
        told["unmapped"] = {"run": names.run(entry.plan)}
    return told
