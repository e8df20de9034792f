"""PostgreSQL's log files and Kubernetes' audit log, as sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from backends.contract import Option
from backends.errors import BackendError, ConfigError
from backends.logs import postgres, tail
from backends.logs.lined import PATH, Lined, LineEvents, parsed
from backends.logs.source import COVERS, Batch, SourceConfig, instant
from backends.model import AuditEvent, Covers, TokenRef, use

ROLE = "login-role"
ACCOUNT = "service-account"
HELD = "held"
"""What the log-ins that are not decided yet are kept under."""
NO_NAME = " (these bytes are no UTF-8 text, and no role is looked for by this picture of them)"
"""Longer than any name, so that no role can be called that."""
_encoder = msgspec.json.Encoder()
_held = msgspec.json.Decoder(tuple[postgres.Held, ...])
CREDENTIAL = "authentication.kubernetes.io/credential-id"


class PostgresLog(Lined):
    """Log-ins, refused tries, log-outs and statements about roles, by the role's name.

    The file's ending (or ``format``) says which of the two forms it has. What is not decided
    yet at the end of the log is kept with its place, so that it is told of once and rightly,
    whichever file and whichever reading decides it.
    """

    type_name: ClassVar[str] = "postgres_log"
    title: ClassVar[str] = "PostgreSQL's CSV or JSON log"
    by_name: ClassVar[bool] = True
    usually: ClassVar[Covers] = Covers.USES
    """Every log-in, where ``log_connections`` is on, without which the log has none."""
    delay: ClassVar[timedelta] = postgres.SETTLE
    options: ClassVar[tuple[Option, ...]] = (
        PATH,
        COVERS,
        Option("format", "csv or json, where the file's name does not tell."),
    )

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        form = str(config.options.get("format") or "")
        if not form:
            form = "csv" if ".csv" in self.path.name else "json"
        if form not in ("json", "csv"):
            raise ConfigError(f"a log of the form {form!r}", 'format = "csv" or "json"', "format")
        self._csv = form == "csv"
        self._sessions = postgres.Sessions()
        self._kept: tuple[postgres.Held, ...] = ()

    def begin(self, learned: Mapping[str, str]) -> None:
        """Take up what was begun, and not decided, at the end of the last reading."""
        held = learned.get(HELD)
        self._kept = _held.decode(held) if held else ()
        self._sessions = postgres.Sessions(self._kept)

    def learned(self) -> dict[str, str]:
        """What is not decided yet, if that has changed."""
        if self._sessions.held == self._kept:
            return {}
        self._kept = self._sessions.held
        return {HELD: _encoder.encode(self._kept).decode()}

    def read(self, places: Mapping[str, bytes], learned: Mapping[str, str]) -> Iterator[Batch]:
        """The events of what was appended; a log-in once it is known what came of it."""
        last: Batch | None = None
        try:
            for batch in super().read(places, learned):
                if last is not None:
                    yield last
                last = batch
        except BackendError:
            if last is not None:
                yield last
            raise
        # Only here is it sure that nothing more has been written.
        if settled := self._sessions.settle(datetime.now(UTC)):
            last = last or Batch("", b"")
            last.events += [self._event(one) for one in settled]
            last.events.sort(key=lambda event: event.at)
            last.learned |= self.learned()
        if last is not None:
            yield last

    def split(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Records of CSV may have line feeds within quotes; those of JSON are lines."""
        return tail.csv_records(data) if self._csv else tail.lines(data)

    def told(self, line: bytes, id_: str) -> LineEvents | None:
        """What is known by a line, which may be what an earlier one of its session began."""
        found = postgres.from_csv(line) if self._csv else postgres.from_json(line)
        if isinstance(found, str):
            return LineEvents(None, lost=found)
        at, entry = found
        return LineEvents(at, [self._event(one) for one in self._sessions.take(at, entry)])

    def _event(self, line: postgres.ServerLine) -> AuditEvent:
        return AuditEvent(
            id=line.id,
            at=line.at,
            action=line.action,
            # Also a log-out: until then somebody was in by that password.
            sort=line.sort,
            outcome=line.outcome,
            token=TokenRef(self.backend, ROLE, _named(line)),
            actor=line.role,
            source=line.source,
            agent=line.agent,
            origin=self.origin,
            detail=line.detail,
        )


class KubernetesAudit(Lined):
    """The API server's audit log (``audit.k8s.io/v1``), one JSON object a line.

    An entry names the user, and in newer versions the id of the very token (JTI) in
    ``user.extra``. Source: Kubernetes documentation, "Auditing" and "kube-apiserver Audit
    Configuration (v1)".
    """

    type_name: ClassVar[str] = "kubernetes_audit"
    title: ClassVar[str] = "Kubernetes' audit log"
    by_name: ClassVar[bool] = True
    # Its policy decides what is in it, and reads are often left out: part, unless it is said.
    options: ClassVar[tuple[Option, ...]] = (
        PATH,
        COVERS,
        Option("kind", "What the inventory calls such tokens.", str, ACCOUNT),
    )

    def told(self, line: bytes, id_: str) -> LineEvents | None:
        """One event for each request that ended; a list of events may stand on one line."""
        entry = parsed(line)
        if entry is None:
            return None
        items = entry.get("items") if str(entry.get("kind")) == "EventList" else [entry]
        found: list[AuditEvent] = []
        at = None
        for item in items if isinstance(items, list) else []:
            if not isinstance(item, dict) or not str(item.get("auditID") or ""):
                continue
            at = instant(item.get("requestReceivedTimestamp")) or instant(
                item.get("stageTimestamp")
            )
            if at is None:
                continue
            # The same request is told again at its end, under the same id.
            if item.get("stage") != "RequestReceived":
                found.append(self._event(item, at))
        return LineEvents(at, found) if at is not None else None

    def _event(self, item: dict[str, Any], at: Any) -> AuditEvent:
        user, object_ = _table(item, "user"), _table(item, "objectRef")
        name = str(user.get("username") or "")
        extra = _table(user, "extra").get(CREDENTIAL)
        credential = str(extra[0]) if isinstance(extra, list) and extra else ""
        places = [object_.get(part) for part in ("namespace", "resource", "name", "subresource")]
        target = "/".join(str(part) for part in places if part)
        addresses = item.get("sourceIPs")
        status = _table(item, "responseStatus")
        code = status.get("code")
        refused = _table(item, "annotations").get("authorization.k8s.io/decision") == "forbid"
        denied = refused or code in (401, 403)
        failed = isinstance(code, int) and code >= 400
        key = credential.removeprefix("JTI=") or name
        kind = str(self.config.options.get("kind") or ACCOUNT)
        outcome = "denied" if denied else "error" if failed else "ok"
        return AuditEvent(
            id=str(item["auditID"]),
            at=at,
            action=str(item.get("verb") or ""),
            # Each request is one by somebody's credential, whatever it is about.
            sort=use(outcome),
            outcome=outcome,
            token=TokenRef(self.backend, kind, key) if key else None,
            actor=name,
            target=target or str(item.get("requestURI") or "").partition("?")[0],
            source=str(addresses[0]) if isinstance(addresses, list) and addresses else "",
            agent=str(item.get("userAgent") or ""),
            origin=self.origin,
            detail=str(status.get("reason") or ""),
        )


def _named(line: postgres.ServerLine) -> str:
    """The name by which the role is looked for. A picture of bytes may be another's name."""
    return line.role if line.role.encode() == line.raw else line.role + NO_NAME


def _table(entry: dict[str, Any], name: str) -> dict[str, Any]:
    value = entry.get(name)
    return value if isinstance(value, dict) else {}
