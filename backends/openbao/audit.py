"""What the file audit device knows and the interface does not: use, descent, attempts.

Each entry names the caller by an HMAC of its accessor, with a salt that only the server
has. There are two ways to find out which accessor a HMAC belongs to. One is to ask
(``sys/audit-hash``), once per token. The other costs nothing: the console looks up every
token anyway, the answer carries the request's id, and the log has an entry with that id
in which the accessor that was looked up stands in its HMAC form.

Sources: OpenBao ``audit/format.go`` and ``audit/hashstructure.go``; the pages on audit
devices and ``/sys/audit-hash``.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from backends.errors import NotFound
from backends.hiding import keyed
from backends.logs.source import Hole
from backends.logs.tail import Place, Tail
from backends.model import AuditEvent, Effect, EventClass, TokenRef, use
from backends.openbao.entry import (
    AuditLine,
    AuditRequest,
    entry_of,
    is_login,
    is_request,
    outcome_of,
)

FILES = 2
"""The file and the one before it: what is older is not read at the start, and not missed later."""
MAX_GENERATIONS = 64
"""How far up the line of parents goes before it is taken for a loop."""
MAX_PLACES = 32
MAX_LEASES = 200
MAX_OWN = 200_000
"""Ids of our own requests that are kept, so that they do not drown the events."""


MAX_UNCLAIMED = 10_000
"""Look-ups in the log that are kept until the one who made them says what they were about."""
LOOK_UPS = ("auth/token/lookup-accessor", "secret-id-accessor/lookup")


class TokenUse:
    """The last time a token was used, and from where it ever was (as far as the log goes)."""

    __slots__ = ("address", "at", "leases", "places", "times", "what")

    def __init__(self) -> None:
        self.at: datetime | None = None
        self.what = ""
        self.address = ""
        self.times = 0
        self.places: dict[str, datetime] = {}
        self.leases: dict[str, datetime] = {}


class Birth(NamedTuple):
    """How a token came to be. ``parent`` is the log's name for the token that asked for it.

    ``child_of_parent`` is false where the two do not share their end: after a login, and for
    an orphan. A role of the token store can make orphans too, which only a look-up tells.
    """

    at: datetime
    parent: str
    by: str
    how: str
    address: str
    child_of_parent: bool


class AuditIndex:
    """An index over the log that grows with it. Holds a few hundred bytes per token, no lines.

    ``scan`` is slow on its first call and belongs into a thread; the rest is look-ups.
    """

    def __init__(self, path: Path, key: bytes = b"") -> None:
        """``key`` is for the hashes that stand for values of a device with ``log_raw``."""
        self.path = path
        self._key = key or secrets.token_bytes(32)
        self.began: datetime | None = None
        self.read_at: datetime | None = None
        self.bad = 0
        self.lost: list[tuple[datetime | None, datetime | None]] = []
        """Stretches in which lines may have been lost, between the entries around them."""
        self._newest: datetime | None = None
        self._tail = Tail(path, newest=FILES)
        self._place: Place | None = None
        self._told: set[str] = set()
        """Files that cannot be read, which the tail tells of at every look."""
        self._uses: dict[str, TokenUse] = {}
        self._births: dict[str, Birth] = {}
        self._children: dict[str, list[str]] = {}
        self._by_secret: dict[str, str] = {}
        self._keys: dict[TokenRef, tuple[str, ...]] = {}
        self._refs: dict[str, TokenRef] = {}
        self._expected: dict[str, TokenRef] = {}
        self._unclaimed: dict[str, str] = {}
        self._own: dict[str, None] = {}

    @property
    def holes(self) -> int:
        """How many times lines may have been lost."""
        return len(self.lost)

    def expect(self, request_id: str, ref: TokenRef) -> None:
        """Say which token a look-up of ours was about; its entry tells the HMAC."""
        self._refs[_accessor(ref)] = ref
        if request_id and ref not in self._keys:
            self._expected[request_id] = ref
            # Of many look-ups at a time, another one's scan may have come past this entry
            # before its answer was heard.
            key = self._unclaimed.pop(request_id, None)
            if key is not None:
                self._expected.pop(request_id, None)
                self.join(ref, key)

    def own(self, request_id: str) -> None:
        """Say that a request was the console's own."""
        if request_id:
            self._own[request_id] = None
        if len(self._own) > MAX_OWN:
            del self._own[next(iter(self._own))]

    def join(self, ref: TokenRef, key: str) -> None:
        """Say which HMAC is a token's, as ``sys/audit-hash`` told: one by each device asked."""
        if key not in self._keys.get(ref, ()):
            self._keys[ref] = (*self._keys.get(ref, ()), key)
        self._refs[key] = ref

    def keys_of(self, ref: TokenRef) -> tuple[str, ...]:
        """The log's names for a token; the accessor itself where the device writes it as it is."""
        found = self._keys.get(ref, ())
        return found or ((_accessor(ref),) if self.joined(ref) else ())

    def joined(self, ref: TokenRef) -> bool:
        """Whether the log's name for a token is known."""
        return ref in self._keys or _accessor(ref) in self._births or _accessor(ref) in self._uses

    def is_own(self, entry: AuditLine) -> bool:
        """Whether an entry is of the console's own requests."""
        return entry.request.id in self._own

    def scan(self) -> None:
        """Read what was appended since the last call.

        Raises:
            OSError: the file is not there or cannot be read.
            BackendError: what is beside it cannot be looked into.
        """
        now = datetime.now(UTC)
        answered = list(self._expected)
        # Renamed away, the file may not be there until the server opens the new one; but one
        # that is there and cannot be read must never pass for one that nothing was written to.
        with contextlib.suppress(FileNotFoundError) if self._place else contextlib.nullcontext():
            self.path.open("rb").close()
        with contextlib.suppress(NotFound):
            for piece in self._tail.pieces(self._place):
                self._lose(piece.holes)
                self.bad += piece.bad
                for _, line in piece.records:
                    self._learn(line)
                self._place = piece.place
        # An entry is written before its answer is sent. Whatever was answered before this
        # scan and not found in it stands in another log, and has to be asked for instead.
        for request_id in answered:
            self._expected.pop(request_id, None)
        self.read_at = now

    def _lose(self, holes: Iterable[Hole]) -> None:
        """Note that lines may be missing here, whose bounds are the entries around them."""
        for hole in holes:
            if hole.file not in self._told:
                self.lost.append((self._newest, None))
            if hole.file:
                self._told.add(hole.file)

    def _learn(self, line: bytes) -> None:
        """Learn from a line of the file."""
        if is_request(line):
            return
        entry = entry_of(line)
        if entry is None:
            self.bad += 1
            return
        if self.began is None:
            self.began = entry.time
        if self.lost and self.lost[-1][1] is None:
            self.lost[-1] = (self.lost[-1][0], entry.time)
        self._newest = entry.time
        if entry.type != "request":
            self.take(entry)

    def take(self, entry: AuditLine) -> None:
        """Learn from one entry, which is the second half of a pair."""
        request, response = entry.request, entry.response
        asked = request.data
        caller = request.client_token_accessor
        if asked is not None and request.path.endswith(LOOK_UPS):
            self._looked_up(request.id, asked.accessor or asked.secret_id_accessor)
        used = caller
        if asked is not None and isinstance(asked.secret_id, str) and is_login(request.path):
            secret_id = self._by_secret.get(self._kept(asked.secret_id), "")
            if secret_id and not entry.error:
                self._used(secret_id, entry)
            # A login speaks for the secret-id that it shows, not for a token in the header.
            used = ""
            caller = secret_id
        elif is_login(request.path):
            used = caller = ""
        if used:
            self._used(used, entry)
            self._by_secret[self._kept(request.client_token)] = used
        if response is None or entry.error:
            return
        if response.secret is not None and response.secret.lease_id and used:
            leases = self._uses[used].leases
            if len(leases) < MAX_LEASES:
                leases[response.secret.lease_id] = entry.time
        made = response.auth
        if made is not None and made.accessor:
            self._by_secret[self._kept(made.client_token)] = made.accessor
            alone = request.path.endswith("create-orphan") or (
                asked is not None and asked.no_parent is True
            )
            self._born(made.accessor, caller, entry, child=bool(used) and not alone)
        given = response.data
        if given is None or not isinstance(given.secret_id_accessor, str):
            return
        # Only the answer that issues a secret-id has both; a look-up has the accessor alone.
        if isinstance(given.secret_id, str):
            self._by_secret[self._kept(given.secret_id)] = given.secret_id_accessor
            self._born(given.secret_id_accessor, caller, entry, child=False)

    def _kept(self, value: str) -> str:
        """What is remembered of a value: the device's hash, or else one of our own."""
        return keyed(value, self._key)

    def _looked_up(self, request_id: str, key: object) -> None:
        if not isinstance(key, str):
            return
        # Kept first and asked for afterwards: ``expect``, on another thread, does both in
        # the other order, so that one of the two sees the other's.
        self._unclaimed[request_id] = key
        ref = self._expected.pop(request_id, None)
        if ref is not None:
            self._unclaimed.pop(request_id, None)
            self.join(ref, key)
        elif len(self._unclaimed) > MAX_UNCLAIMED:
            # The other thread may take one away just now; then there is room.
            with contextlib.suppress(RuntimeError):
                self._unclaimed.pop(next(iter(self._unclaimed)), None)

    def _used(self, key: str, entry: AuditLine) -> None:
        use = self._uses.get(key)
        if use is None:
            use = self._uses[key] = TokenUse()
        request = entry.request
        use.times += 1
        if use.at is None or entry.time >= use.at:
            use.at = entry.time
            use.what = f"{request.operation} {request.full_path}"
            use.address = request.remote_address
        if request.remote_address in use.places or len(use.places) < MAX_PLACES:
            use.places[request.remote_address] = entry.time

    def _born(self, key: str, parent: str, entry: AuditLine, *, child: bool) -> None:
        request = entry.request
        if key in self._births or request.path.startswith("auth/token/renew"):
            return
        who = entry.auth.display_name if entry.auth else ""
        self._births[key] = Birth(
            entry.time, parent, who, request.full_path, request.remote_address, child
        )
        if parent:
            self._children.setdefault(parent, []).append(key)

    def _names(self, ref: TokenRef) -> Iterator[str]:
        yield from self._keys.get(ref, ())
        # A device with hmac_accessor=false writes accessors as they are.
        yield _accessor(ref)

    def use(self, ref: TokenRef) -> TokenUse | None:
        """The last use of a token, or None where the log has none under any of its names."""
        return next((self._uses[key] for key in self._names(ref) if key in self._uses), None)

    def birth(self, ref: TokenRef) -> Birth | None:
        """How a token came to be, or None where that is not in the log."""
        return next((self._births[key] for key in self._names(ref) if key in self._births), None)

    def children(self, ref: TokenRef) -> tuple[list[TokenRef], int]:
        """The tokens that would end with this one, roles' orphans among them.

        Those that can be named, and how many cannot.
        """
        keys = [
            key
            for name in self._names(ref)
            for key in self._children.get(name, ())
            if self._births[key].child_of_parent
        ]
        found = [self._refs[key] for key in keys if key in self._refs]
        return found, len(keys) - len(found)

    def ancestors(self, ref: TokenRef) -> list[TokenRef | None]:
        """The line of parents, nearest first; None for one that no look-up has named yet."""
        line: list[TokenRef | None] = []
        birth = self.birth(ref)
        while birth is not None and birth.child_of_parent and len(line) < MAX_GENERATIONS:
            line.append(self._refs.get(birth.parent))
            birth = self._births.get(birth.parent)
        return line

    def awaits_parent(self, ref: TokenRef) -> bool:
        """Whether a token has a parent that no look-up has named yet."""
        birth = self.birth(ref)
        return birth is not None and birth.child_of_parent and birth.parent not in self._refs

    def ref_of(self, key: str) -> TokenRef | None:
        """The token behind the log's name for it, as far as a look-up told."""
        return self._refs.get(key)

    def names(self) -> dict[str, TokenRef]:
        """The log's names for tokens, as far as they are known."""
        return {key: ref for ref, keys in self._keys.items() for key in keys}

    def known(self) -> set[TokenRef]:
        """The tokens that the console has looked up."""
        return set(self._refs.values())

    def events_of(self, entry: AuditLine, origin: str) -> Iterable[AuditEvent]:
        """What an entry says, once for the token that acted and once for one it acted on."""
        request = entry.request
        login = is_login(request.path)
        asked = request.data
        shown = request.client_token
        if login:
            shown = asked.secret_id if asked and isinstance(asked.secret_id, str) else ""
        key = "" if login else request.client_token_accessor
        actor = entry.auth.display_name if entry.auth else ""
        # A dead token has no accessor in the log any more, but its HMAC is still known.
        key = key or self._by_secret.get(self._kept(shown), "")

        outcome = outcome_of(entry.error)

        def event(mark: str, action: str, about: str, effect: Effect) -> AuditEvent:
            return AuditEvent(
                id=request.id + mark,
                at=entry.time,
                action=action,
                sort=EventClass.LIFE if effect else use(outcome),
                effect=effect,
                outcome=outcome,
                token=self.ref_of(about),
                actor=actor,
                target=request.full_path,
                source=request.remote_address,
                origin=origin,
                detail=" ".join(entry.error.split())[:300],
            )

        yield event("", "login" if login else request.operation, key, Effect.UNSAID)
        response = entry.response
        if entry.error or response is None:
            return
        made = response.auth.accessor if response.auth else ""
        if response.data is not None and response.data.secret_id is not None:
            made = str(response.data.secret_id_accessor or "")
        if made and made in self._births and not request.path.startswith("auth/token/renew"):
            yield event("/created", "created", made, Effect.CREATED)
        ended = self._ended(request)
        if ended:
            yield event("/revoked", "revoked", ended, Effect.REVOKED)

    def _ended(self, request: AuditRequest) -> str:
        asked = request.data
        last = request.path.rstrip("/").rpartition("/")[2]
        if last == "revoke-self":
            return request.client_token_accessor
        if asked is None or last not in ("revoke", "revoke-accessor", "revoke-orphan", "destroy"):
            return ""
        key = asked.accessor or asked.secret_id_accessor
        if isinstance(key, str):
            return key
        shown = asked.token or asked.secret_id
        return self._by_secret.get(self._kept(shown), "") if isinstance(shown, str) else ""


def _accessor(ref: TokenRef) -> str:
    return ref.id.rpartition("/")[2]
