"""JSON lines of any kind, with a map that says which field is what.

[source.gateway]
type = "json_lines"
backend = "gitlab"
path = "/var/log/gateway/audit.log"
kind = "project-token"
at = "ts"
action = "req.method"
token = "auth.key_id"
outcome = "status"
denied = ["401", "403", "blocked"]
class = "use"
life = ["key.create", "key.delete"]
covers = "uses"
"""

from __future__ import annotations

from typing import Any, ClassVar

from backends.contract import Option
from backends.errors import ConfigError
from backends.hiding import keyed
from backends.logs.lined import PATH, Lined, LineEvents, parsed
from backends.logs.source import COVERS, SourceConfig, instant
from backends.model import AuditEvent, EventClass, TokenRef, use

FIELDS = ("at", "action", "actor", "source", "token", "outcome", "target", "agent", "detail", "id")
HELP = {
    "at": "Where the time stands: a path such as req.time or 0.ts.",
    "action": "Where it stands what was done.",
    "actor": "Where it stands who did it.",
    "source": "Where the address stands.",
    "token": "Where the token's id or name stands.",
    "outcome": "Where it stands how it ended: a word, or an HTTP status.",
    "target": "Where it stands what was acted on.",
    "agent": "Where the program stands.",
    "detail": "Where more stands that is worth keeping.",
    "id": "Where the line's own id stands.",
}
GOOD = frozenset(
    {"ok", "success", "succeeded", "allow", "allowed", "true", "permit", "permitted", "pass"}
)
BAD = frozenset({"denied", "deny", "forbidden", "unauthorized", "refused", "rejected", "blocked"})


CLASSES = {
    "life": EventClass.LIFE,
    "permission": EventClass.PERMISSION,
    "uses": EventClass.USE,
}
"""Lists of actions, and what each makes of them. A use that was refused is told by its outcome."""


class JsonLines(Lined):
    """A log of one JSON object a line. Of it only what the map names is kept."""

    type_name: ClassVar[str] = "json_lines"
    title: ClassVar[str] = "JSON lines, with a map"
    by_name: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        PATH,
        Option("kind", "What the inventory calls such tokens.", required=True),
        Option("utc", "Times without a zone are in UTC.", bool, False),
        Option("ok", "Outcomes that mean success.", list, []),
        Option("denied", "Outcomes that mean a refusal.", list, []),
        Option("values", "The token's own value stands there; a hash is kept.", bool, False),
        Option("life", "Actions that make, change or end a token.", list, []),
        Option("permission", "Actions that change what a token may do.", list, []),
        Option("uses", "Actions in which a token's value was shown.", list, []),
        Option("class", "What every other line is: use, life, permission or other.", str, "other"),
        COVERS,
        *(Option(name, HELP[name], required=name in ("at", "action")) for name in FIELDS),
    )

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        get = config.options.get
        self._paths = {name: tuple(str(get(name)).split(".")) for name in FIELDS if get(name)}
        for name, path in self._paths.items():
            if not all(path):
                raise ConfigError(f"{name} is no path of fields", f'{name} = "req.time"', name)
        self._ok = {str(word).lower() for word in get("ok") or ()}
        self._denied = {str(word).lower() for word in get("denied") or ()}
        self._utc = bool(get("utc"))
        self._values = bool(get("values"))
        self._classes = {
            str(action): sort for name, sort in CLASSES.items() for action in get(name) or ()
        }
        said = str(get("class") or EventClass.OTHER.value)
        if said not in set(CLASSES.values()) | {EventClass.OTHER}:
            raise ConfigError(f"no line is of the class {said!r}", 'class = "use"', "class")
        self._class = EventClass(said)

    def told(self, line: bytes, id_: str) -> LineEvents | None:
        """One event from the fields that the map names; None without a time that can be read."""
        entry = parsed(line)
        if entry is None:
            return None
        at = instant(self._find(entry, "at"), utc=self._utc)
        if at is None:
            return None
        token = self._text(entry, "token")
        if self._values:
            token = keyed(token, self.key)
        kind = str(self.config.options["kind"])
        action, outcome = self._text(entry, "action"), self._outcome(self._find(entry, "outcome"))
        sort = self._classes.get(action, self._class)
        event = AuditEvent(
            id=self._text(entry, "id") or id_,
            at=at,
            action=action,
            sort=use(outcome) if sort is EventClass.USE else sort,
            outcome=outcome,
            token=TokenRef(self.backend, kind, token) if token else None,
            actor=self._text(entry, "actor"),
            target=self._text(entry, "target"),
            source=self._text(entry, "source"),
            agent=self._text(entry, "agent"),
            origin=self.origin,
            detail=self._text(entry, "detail"),
        )
        return LineEvents(at, (event,))

    def _find(self, entry: Any, name: str) -> Any:
        path = self._paths.get(name)
        if path is None:
            return None
        for step in path:
            if isinstance(entry, dict):
                entry = entry.get(step)
            elif isinstance(entry, list) and step.isdecimal() and int(step) < len(entry):
                entry = entry[int(step)]
            else:
                return None
        return entry

    def _text(self, entry: Any, name: str) -> str:
        found = self._find(entry, name)
        return "" if found is None or isinstance(found, dict | list) else str(found)

    def _outcome(self, value: Any) -> str:
        if value is None:
            return "ok"
        word = str(value).strip().lower()
        if word in self._ok:
            return "ok"
        if word in self._denied:
            return "denied"
        if word.isdecimal() and len(word) == 3:
            status = int(word)
            return "denied" if status in (401, 403) else "ok" if status < 400 else "error"
        if word in BAD or word == "false":
            return "denied"
        return "ok" if word in GOOD or word in ("", "0") else "error"
