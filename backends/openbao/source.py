"""OpenBao's file audit device as a source: also where the log was shipped elsewhere.

Its entries name tokens by HMACs. Which token a HMAC belongs to is for the backend to say
(``Backend.log_names``); until then the HMAC itself is the name, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from backends.contract import Option
from backends.logs.lined import PATH, Lined, LineEvents
from backends.logs.source import COVERS, SourceConfig
from backends.model import Covers, TokenRef
from backends.openbao.audit import AuditIndex
from backends.openbao.entry import entry_of, is_request

SERVICE = "service-token"


class _Fresh(dict[str, str]):
    """A mapping that remembers what is new in it."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: dict[str, str] = {}

    def __setitem__(self, key: str, value: str) -> None:
        if self.get(key) != value:
            self.fresh[key] = value
        super().__setitem__(key, value)


class _Names(AuditIndex):
    """The log's own knowledge, with the names that the log itself uses."""

    def __init__(self, source: OpenBaoFile) -> None:
        super().__init__(source.path, source.key)
        self._backend = source.backend
        self.secrets = self._by_secret = _Fresh()

    def ref_of(self, key: str) -> TokenRef | None:
        """The log's own name as a token's, which the backend is asked to translate."""
        return TokenRef(self._backend, SERVICE, key) if key else None


class OpenBaoFile(Lined):
    """The file that ``options.file_path`` of a file audit device names."""

    type_name: ClassVar[str] = "openbao_file"
    title: ClassVar[str] = "OpenBao's or Vault's file audit device"
    by_name: ClassVar[bool] = True
    kind: ClassVar[str] = SERVICE
    asks: ClassVar[bool] = True
    usually: ClassVar[Covers] = Covers.BOTH
    """A device has every request of its server, which answers none that it could not write."""
    options: ClassVar[tuple[Option, ...]] = (PATH, COVERS)

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        self._log = _Names(self)

    def begin(self, learned: Mapping[str, str]) -> None:
        """Take up whose secret-ids and tokens the hashes of earlier lines were."""
        self._log = _Names(self)
        for key, value in learned.items():
            self._log.secrets[key] = value
        self._log.secrets.fresh.clear()

    def learned(self) -> dict[str, str]:
        """The hashes that were new since the last batch."""
        fresh = dict(self._log.secrets.fresh)
        self._log.secrets.fresh.clear()
        return fresh

    def told(self, line: bytes, id_: str) -> LineEvents | None:
        """The events of an answer's entry; that of a request says nothing more."""
        if is_request(line):
            return LineEvents(None)
        entry = entry_of(line)
        if entry is None:
            return None
        if entry.type == "request":
            return LineEvents(None)
        self._log.take(entry)
        return LineEvents(entry.time, list(self._log.events_of(entry, self.origin)))
