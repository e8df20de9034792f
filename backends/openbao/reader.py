"""One token at a time: its record, its entity or role, and what the audit log adds."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from backends.errors import (
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    ServerFault,
)
from backends.model import (
    Gap,
    GapKind,
    How,
    Reading,
    Token,
    TokenRef,
    known,
    not_permitted,
    not_read,
    not_tracked,
)
from backends.openbao import mapping
from backends.openbao.audit import AuditIndex
from backends.openbao.client import Client, Record, elsewhere, entity_path
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import APPROLE, SERVICE, Entity, SecretIdPlace
from backends.words import count

NO_AUDIT_FILE = "OpenBao keeps no record of use but its audit log: set audit_file"


class Book:
    """Entities and roles that were read during one enumeration, each of them once."""

    def __init__(self) -> None:
        self.entities: dict[tuple[str, str], Reading[Entity]] = {}
        self.roles: dict[SecretIdPlace, Reading[Mapping[str, Any]]] = {}


class BaoReader:
    """Reads with the console's reading credential, and joins with the audit log."""

    def __init__(
        self,
        name: str,
        client: Client,
        log: AuditIndex | None,
        *,
        device: str,
        namespaces: Sequence[str] | None,
        workers: int,
    ) -> None:
        self.name = name
        self.client = client
        self.log = log
        self.workers = workers
        self._device = device
        self._namespaces = namespaces
        self._suffixes: dict[str, str] = {}
        self._scanning = asyncio.Lock()
        self._scan_began = -math.inf
        self._scan_gap: Gap | None = None
        self._trouble: Reading[Any] = not_tracked(NO_AUDIT_FILE)

    def ref(self, accessor: str) -> TokenRef:
        """The ref of a service token, which is known by its accessor."""
        return TokenRef(self.name, SERVICE, accessor)

    @property
    def usable_log(self) -> AuditIndex | None:
        """The audit log, where there is one that could be read last time."""
        return self.log if self.log is not None and self.log.read_at is not None else None

    def log_names(self, ref: TokenRef) -> tuple[str, ...]:
        """What the audit log calls a token, as far as that is known; nothing without a log."""
        return self.usable_log.keys_of(ref) if self.usable_log is not None else ()

    def recall(self, names: Mapping[str, TokenRef]) -> None:
        """Take up the audit log's names for tokens that another process has found out."""
        if self.log is not None:
            for name, ref in names.items():
                self.log.join(ref, name)

    def trace(self, ref: TokenRef) -> mapping.Trace:
        """What the audit log tells of a token, or why it tells nothing."""
        return mapping.trace(self.usable_log, self._trouble, ref)

    async def scan(self) -> Gap | None:
        """Take in what the audit log got since the last time; a gap where it cannot be read.

        Of many who ask at one time, those share a scan that asked before it began.
        """
        if self.log is None:
            return None
        asked = time.monotonic()
        async with self._scanning:
            if self._scan_began < asked:
                began = time.monotonic()
                self._scan_gap = await self._scan(self.log)
                self._scan_began = began
            return self._scan_gap

    async def _scan(self, log: AuditIndex) -> Gap | None:
        try:
            await asyncio.to_thread(log.scan)
        except (OSError, BackendError) as error:
            log.read_at = None
            told = error.strerror if isinstance(error, OSError) else error
            why = f"cannot read the audit file: {told}"
            refused = isinstance(error, PermissionError | Forbidden)
            self._trouble = not_permitted(why) if refused else not_read(why)
            return Gap(
                str(log.path),
                GapKind.REFUSED if refused else GapKind.FAILED,
                f"last use and events: {why}",
                "Let the console's user read it, or mend audit_file in the configuration.",
            )
        return None

    async def join(self, refs: Iterable[TokenRef]) -> Gap | None:
        """Ask for the audit log's names of those tokens whose look-ups the log does not have."""
        log = self.usable_log
        strangers = [ref for ref in refs if log is not None and not log.joined(ref)]
        if log is None or not strangers:
            return None
        try:
            devices = await self.devices(log.path)
        except BackendError as error:
            return self._no_join(len(strangers), "sys/audit", ("read", "sudo"), error)

        async def ask(ref: TokenRef) -> None:
            # All of them or none: with one name missing, it would look like one that is known.
            for key in [await self.hashed(device, ref) for device in devices]:
                log.join(ref, key)

        done = await concurrently(strangers, ask, self.workers)
        wrong = [result for _, result in done if isinstance(result, BackendError)]
        if wrong:
            path = f"sys/audit-hash/{devices[0]}"
            lost = len(strangers) - (len(done) - len(wrong))
            return self._no_join(lost, path, ("update",), wrong[0])
        return None

    async def unnamed(self) -> Gap | None:
        """What the log cannot tell of tokens that are known here, since it calls them otherwise.

        Without this, a use of one of them would be nobody's, and look like silence.
        """
        log = self.usable_log
        if log is None:
            return None
        known = log.known()
        if not known:
            what = "whose uses they are: no token was looked up yet"
            return Gap("audit log", GapKind.FAILED, what, "Let the tokens be listed first.")
        gap = await self.join(known)
        left = sum(not log.joined(ref) for ref in known)
        if not left:
            return None
        kind = gap.kind if gap is not None else GapKind.FAILED
        what = f"uses of {count(left, 'token')}, whose names in the audit log are not known"
        return Gap("audit log", kind, what, gap.hint if gap is not None else "")

    async def hashed(self, device: str, ref: TokenRef) -> str:
        """What a device's log calls a token."""
        body = {"input": ref.id.rpartition("/")[2]}
        record = await self.client.ask("", f"sys/audit-hash/{device}", body)
        return mapping.text(record.data, "hash")

    async def devices(self, path: Path | None) -> list[str]:
        """The audit devices that may have written a file; for None, all that there are.

        Each has a salt of its own, so the wrong one's names are found nowhere. The one that is
        configured goes first, then the one that says that it writes there. Where none does (the
        file was shipped, or is mounted elsewhere), each is asked.

        Raises:
            BackendError: the server does not tell, or has no such device.
        """
        if path is not None and self._device:
            return [self._device]
        told = (await self.client.get("", "sys/audit")).data
        named = {
            name.rstrip("/"): device for name, device in told.items() if isinstance(device, dict)
        }
        if path is None:
            return list(named)
        files = {name: device for name, device in named.items() if device.get("type") == "file"}
        if not files:
            raise NotFound("the server has no audit device that writes a file")
        written = {
            name: mapping.text(mapping.table(device, "options"), "file_path")
            for name, device in files.items()
        }
        wanted = {str(path), await asyncio.to_thread(os.path.realpath, path)}
        exact = [name for name, where in written.items() if where in wanted]
        return exact or list(files)

    def _no_join(self, number: int, path: str, rights: Sequence[str], error: BackendError) -> Gap:
        refused = isinstance(error, Forbidden)
        return Gap(
            "audit log",
            GapKind.REFUSED if refused else GapKind.FAILED,
            f"last use of {count(number, 'token')}, whose names in the audit log are not known",
            mapping.policy(path, *rights) if refused else str(error),
        )

    async def namespaces(self) -> tuple[list[str], list[Gap]]:
        """The namespaces to look into, each "" or with a slash at its end, and what is missing.

        Vault's free edition and older servers have none, and say so with 404.
        """
        if self._namespaces is not None:
            return list(self._namespaces), []
        found, gaps, waiting = [""], [], [""]
        while waiting:
            above = waiting.pop(0)
            try:
                listing = (await self.client.listing(above, "sys/namespaces")).data
            except NotFound:
                continue
            except Forbidden as error:
                await self.client.refused(error)
                hint = mapping.policy(f"{above}sys/namespaces/", "list")
                gaps.append(Gap(above or "root/", GapKind.REFUSED, "namespaces below it", hint))
                continue
            except BackendError as error:
                if not above:
                    raise
                what = f"namespaces below it: {error}"
                gaps.append(Gap(above, GapKind.FAILED, what, error.hint))
                continue
            for child in mapping.texts(listing, "keys"):
                below = f"{above}{child.strip('/')}/"
                number = mapping.text(
                    mapping.table(mapping.table(listing, "key_info"), child), "id"
                )
                if number:
                    self._suffixes[number] = below
                found.append(below)
                waiting.append(below)
        return found, gaps

    def learn(self, ns: str, accessors: Iterable[str]) -> None:
        """Remember which suffix the accessors of a namespace have."""
        for accessor in accessors:
            suffix = accessor.partition(".")[2]
            if suffix:
                self._suffixes[suffix] = ns
                return

    async def namespace_of(self, accessor: str) -> str:
        """The namespace of a token, by its accessor's suffix.

        Raises:
            NotFound: no namespace has that suffix.
            Forbidden: it is in none of those that can be seen, and some cannot.
        """
        suffix = accessor.partition(".")[2]
        if not suffix:
            return ""
        if suffix not in self._suffixes:
            spaces, gaps = await self.namespaces()
            for ns in spaces:
                if suffix in self._suffixes:
                    break
                self.learn(ns, await self.client.keys(ns, "auth/token/accessors"))
            if suffix not in self._suffixes:
                if gaps or self._namespaces is not None:
                    raise Forbidden(
                        "the token's namespace is not among those that the console sees",
                        gaps[0].hint if gaps else "Name it under namespaces in the configuration.",
                    )
                raise NotFound("the token's namespace is gone")
        return self._suffixes[suffix]

    async def record(self, ns: str, accessor: str) -> Record:
        """A token's record, and the audit log told to watch for the look-up."""
        record = await self.client.token(ns, accessor)
        if self.log is not None:
            self.log.expect(record.request_id, self.ref(accessor))
        return record

    async def secret_id_record(self, place: SecretIdPlace, accessor: str) -> Record:
        """Look a secret-id up, and remember the request, whose log entry tells its hash."""
        record = await self.client.secret_id(place.ns, place.mount, place.role, accessor)
        if self.log is not None:
            ref = TokenRef(self.name, APPROLE, place.id_of(accessor))
            self.log.expect(record.request_id, ref)
        return record

    async def fill_entities(self, book: Book, wanted: Iterable[tuple[str, str]]) -> Gap | None:
        """Read those entities, by namespace and id, that the book does not have."""
        missing = [key for key in dict.fromkeys(wanted) if key[1] and key not in book.entities]

        async def read(key: tuple[str, str]) -> None:
            ns, id_ = key
            try:
                record = await self.client.get(ns, entity_path(id_))
            except NotFound:
                book.entities[key] = not_tracked("its entity was deleted")
            else:
                book.entities[key] = known(mapping.entity_from(record.data), "entity")

        done = await concurrently(missing, read, self.workers)
        # Where some of a namespace can be read, the right is there: a refusal is of that one.
        granted = {key[0] for key, found in book.entities.items() if found.known}
        single: list[tuple[str, str]] = []
        for (ns, id_), result in done:
            if isinstance(result, Forbidden):
                book.entities[ns, id_] = mapping.refused(f"{ns}identity/entity/id/*")
                if ns in granted:
                    book.entities[ns, id_] = not_permitted(mapping.denied(ns, entity_path(id_)))
                    single.append((ns, id_))
            elif isinstance(result, BackendError):
                book.entities[ns, id_] = not_read(str(result))
        refused: Gap | None = None
        if single:
            (ns, id_), more = single[0], len(single) - 1
            what = f"owners: the entity {id_}" + (f" and {more} more" if more else "")
            hint = mapping.denied(ns, entity_path(id_))
            refused = Gap(ns or "root/", GapKind.REFUSED, what, hint)
        for ns, id_ in missing:
            reading = book.entities.setdefault(
                (ns, id_), mapping.refused(f"{ns}identity/entity/id/*")
            )
            if not reading.known and reading.source.startswith("path"):
                refused = Gap(ns or "root/", GapKind.REFUSED, "owners: entities", reading.source)
        return refused

    async def fill_role(self, book: Book, place: SecretIdPlace) -> None:
        """Read a role into the book. Raises ``NotFound`` when there is none of that name."""
        if place in book.roles:
            return
        try:
            book.roles[place] = known(
                await self.client.role(place.ns, place.mount, place.role), "role"
            )
        except Forbidden:
            book.roles[place] = mapping.refused(f"{place.ns}auth/{place.mount}/role/+")

    def token(self, ns: str, record: Record, book: Book) -> Token:
        """A service token from its record, its entity and what the log has of it."""
        ref = self.ref(mapping.text(record.data, "accessor"))
        id_ = mapping.text(record.data, "entity_id")
        entity: Reading[Entity] = not_tracked("it has no entity")
        if id_:
            entity = book.entities.get((ns, id_), not_read())
        return mapping.service_token(ref, ns, record.data, entity, self.trace(ref))

    def secret_id(self, place: SecretIdPlace, accessor: str, record: Record, book: Book) -> Token:
        """A secret-id from its record, its role and what the log has of it."""
        ref = TokenRef(self.name, APPROLE, place.id_of(accessor))
        role = book.roles.get(place, not_read())
        now = datetime.now(UTC)
        return mapping.secret_id(ref, place, record.data, role, self.trace(ref), now)

    async def ancestors(self, own: Iterable[TokenRef], *, scanned: bool = False) -> set[TokenRef]:
        """The tokens whose end would end these, as far as the audit log names them.

        ``scanned`` says that the log was read up to its end a moment ago.
        """
        own = list(own)
        if not scanned:
            await self.scan()
        log = self.usable_log
        if log is None:
            return set()
        await self.join(own)
        found: set[TokenRef] = set()
        for ref in own:
            for child, parent in pairwise([ref, *log.ancestors(ref)]):
                # A role of the token store makes orphans, and only the record says so.
                if child is not None and await self._is_orphan(child):
                    break
                if parent is not None:
                    found.add(parent)
        return found

    async def _is_orphan(self, ref: TokenRef) -> bool:
        try:
            return (await self.read(ref)).parent.how is How.NEVER
        except BackendError:
            # Not knowing, it is safer to take it for a child.
            return False

    async def read(self, ref: TokenRef) -> Token:
        """One token as it is now. Raises ``NotFound`` only when the server says it is gone."""
        book = Book()
        if ref.kind == APPROLE:
            place, accessor = mapping.place_of(ref.id)
            try:
                # First the role: a look-up in a role that is gone is answered with 500.
                await self.fill_role(book, place)
                record = await self.secret_id_record(place, accessor)
            except Forbidden as error:
                raise await self.client.refused(error) from None
            await self.scan()
            await self.join([ref])
            return self.secret_id(place, accessor, record, book)
        if ref.kind != SERVICE:
            raise NotFound(f"OpenBao has no tokens of the kind {ref.kind}")
        try:
            ns = await self.namespace_of(ref.id)
            record = await self._confirmed(ns, ref.id)
        except Forbidden as error:
            raise await self.client.refused(error) from None
        await self.fill_entities(book, [(ns, mapping.text(record.data, "entity_id"))])
        await self.scan()
        await self.join([ref])
        return self.token(ns, record, book)

    async def _confirmed(self, ns: str, accessor: str) -> Record:
        try:
            return await self.record(ns, accessor)
        except NotFound as error:
            if "no token has this accessor" in str(error):
                raise
            # A bare 404 may come from a proxy; the listing has the last word.
            if accessor not in await self.client.keys(ns, "auth/token/accessors"):
                raise
            raise BadAnswer("the token is listed, and its look-up answers 404") from None
        except ServerFault as error:
            if elsewhere(error):
                raise BadAnswer(
                    "the token lives in another namespace than its suffix says"
                ) from None
            raise
