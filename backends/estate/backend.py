"""The backend that reads one system of an estate, and acts on it."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from backends.contract import (
    VERSION,
    Backend,
    BackendConfig,
    Capabilities,
    Health,
    Match,
    Option,
    Outcome,
    ProbeResult,
    Proposal,
    Step,
    Verb,
    WhoAmI,
)
from backends.errors import (
    AuthFailed,
    BackendError,
    Forbidden,
    NotFound,
    RateLimited,
    ServerFault,
    Unreachable,
)
from backends.estate import (
    acting,
    changes,
    database,
    grants,
    history,
    proposals,
    records,
    rotation,
    trouble,
)
from backends.estate.activity import is_due, works
from backends.estate.engine import EstateWorld
from backends.estate.issuing import ACTING, CONSOLE
from backends.estate.seeding import BOOTSTRAP
from backends.estate.systems import SYSTEMS
from backends.model import (
    AuditEvent,
    Consumer,
    Dependents,
    Found,
    Gap,
    GapKind,
    Progress,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
    known,
    never,
)
from backends.permissions import Answer, Permissions
from backends.words import count

PAGE: Final = 100
"""Tokens on one page of a list, as the estate's systems serve it."""

EVENTS_PAGE: Final = 1_000

WATCH_EVERY: Final = 2.0
"""Seconds between two looks at what has changed; the simulation itself pushes nothing."""
IN_USE_EVERY: Final = 300.0
"""Seconds after which tokens with open sessions count as changed: their use goes on."""

OWN_ADDRESS: Final = "10.20.0.5"
PROBER: Final = f"{CONSOLE}/probe"
"""What the console's own probes look like in the audit trail."""

SELECT: Final = (
    "SELECT token.*, (SELECT above.id FROM token AS above WHERE above.n = token.parent)"
    " AS parent_id, (SELECT count(*) FROM session WHERE session.token = token.n"
    " AND session.ended_at IS NULL) AS sessions FROM token"
)
LISTED: Final = (
    " WHERE system = ? AND scope = ? AND n > ? AND (gone_at IS NULL OR gone_at > ?)"
    " AND (system <> 'vault' OR expires_at IS NULL OR expires_at > ?) ORDER BY n LIMIT ?"
)
CHILDREN: Final = (
    "SELECT name, id, used_at FROM token WHERE parent = ? AND (gone_at IS NULL OR gone_at > ?)"
    " ORDER BY n"
)
SEEN: Final = (
    "SELECT name, kind, address, agent, last_at FROM consumer WHERE token = ?"
    " AND last_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM session WHERE"
    " session.consumer = consumer.id AND session.ended_at IS NULL) ORDER BY last_at DESC, id"
)
SESSIONS: Final = (
    "SELECT session.*, consumer.name FROM session JOIN consumer ON consumer.id = session.consumer"
    " WHERE session.token = ? AND ended_at IS NULL ORDER BY session.id"
)
EVENTS: Final = (
    "SELECT event.id, event.at, event.action, event.outcome, event.actor, event.target,"
    " event.source, event.agent, event.detail, token.kind, token.id FROM event"
    " LEFT JOIN token ON token.n = event.token"
    " WHERE event.system = ? AND event.at >= ? AND event.at <= ?"
    " AND (event.at > ? OR event.id > ?) ORDER BY event.at, event.id LIMIT ?"
)


def _plain(text: str) -> str:
    """Text that SQLite can bind: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


class Estate(Backend):
    """One of the four simulated systems in an estate's file."""

    contract = VERSION
    type_name: ClassVar[str] = "estate"
    title: ClassVar[str] = "embedded estate"
    needs_credential: ClassVar[bool] = False
    log_by_stretch: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("path", "The estate's file, which `token-console demo` makes.", required=True),
        Option("system", f"One of: {', '.join(SYSTEMS)}.", required=True),
        Option("act_allowed", "May act without a credential of its own.", bool, False),
    )

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self.spec = SYSTEMS[trouble.check_system(str(config.options.get("system", "")))]
        self.path = Path(str(config.options.get("path", ""))).expanduser()
        self._open: EstateWorld | None = None

    def capabilities(self) -> Capabilities:
        """What the simulated system declares; it may lie all the same, see ``trouble``."""
        return self.spec.capabilities

    async def open(self) -> None:
        """Open the estate's database."""
        if self._open is None:
            self._open = EstateWorld(self.path)

    async def close(self) -> None:
        """Close the estate's database."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    def world(self) -> EstateWorld:
        """The open estate. Raises ``Unreachable`` when this backend is not open."""
        if self._open is None:
            raise Unreachable(f"{self.name} is not open")
        return self._open

    # -- what each call meets before it is answered

    async def _enter(self, what: str) -> tuple[trouble.SystemTrouble, int]:
        """Meet the day's troubles, then the present: what to expect, and the estate's time."""
        db = self.world.db
        day = trouble.of(db, self.spec.name)
        if day.latency_ms:
            await asyncio.sleep(day.latency_ms / 1000)
        if day.outage:
            raise Unreachable(f"no connection for {what}: Connection refused")
        if day.auth or not self._accepted(self.config.read, CONSOLE):
            raise AuthFailed(f"{what} was answered with 401")
        if day.rate_every:
            with database.writing(db):
                turn = database.count(db, self.spec.name, "calls")
            if turn % day.rate_every == 0:
                raise RateLimited(f"{what} was answered with 429", retry_after=day.retry_after)
        now = self.world.now()
        if now > int(database.get(db, "advanced") or 0):
            await asyncio.to_thread(self._catch_up)
        return day, now

    def _catch_up(self) -> None:
        # A connection of its own: the other one may be in the middle of a listing.
        with EstateWorld(self.path) as world:
            world.advance()

    def _tell(self, since: int) -> None:
        # As above.
        with EstateWorld(self.path) as world:
            world.tell(since)

    def _own(self, name: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self.world.db.execute(
            "SELECT * FROM token WHERE system = ? AND principal_id = ? AND created_by = 'setup'",
            (self.spec.name, name),
        ).fetchone()
        return found

    def _accepted(self, credential: Secret | None, name: str) -> bool:
        """Whether the system accepts the console's own credential, given or built in."""
        row = self._own(name) if credential is None else self.world.holder(credential)
        if row is None:
            return False
        right = row["system"] == self.spec.name and row["principal_id"] == name
        return right and works(row, self.world.now())

    def can_act(self) -> bool:
        """Whether changes are allowed: by the option, or by the acting token's own value."""
        if self.config.act is None and not self.config.options.get("act_allowed", False):
            return False
        return self._accepted(self.config.act, ACTING)

    def ref(self, id_: str, kind: str = "") -> TokenRef:
        """A token's ref; of the system's first kind where none is given."""
        return TokenRef(self.name, kind or self.spec.kind, id_)

    # -- reading

    async def health(self) -> Health:
        """Whether the day lets it answer; the skew is the estate's own clock against ours."""
        began = time.monotonic()
        _, now = await self._enter("health")
        return Health(
            version="simulated 1.0",
            latency_ms=int((time.monotonic() - began) * 1000),
            skew=timedelta(seconds=now - int(time.time())),
            notes=("simulated: nothing here is real",),
        )

    async def whoami(self) -> WhoAmI:
        """The console's tokens, to read and to act as far as it may, and what they stem from."""
        await self._enter("whoami")
        rows = [self._own(CONSOLE), self._own(ACTING)]
        if not (may := self.can_act()):
            rows.pop()
        above = self._own(BOOTSTRAP)
        held = [row for row in rows if row is not None]
        return WhoAmI(
            name=f"{CONSOLE} at {self.spec.title}",
            own=tuple(self.ref(row["id"], row["kind"]) for row in held),
            ancestors=() if above is None else (self.ref(above["id"], above["kind"]),),
            principals=tuple(row["principal_id"] for row in held),
            can_act=may,
        )

    async def inventory(self) -> AsyncIterator[Found]:
        """Stream the system's tokens as its record shows them, which may lag behind the truth."""
        day, now = await self._enter("list")
        db, system = self.world.db, self.spec.name
        total = db.execute(
            "SELECT count(*) FROM token WHERE system = ? AND (gone_at IS NULL OR gone_at > ?)"
            " AND (system <> 'vault' OR expires_at IS NULL OR expires_at > ?)",
            (system, now, now),
        ).fetchone()[0]
        done = pages = 0
        for scope in self.spec.scopes:
            if scope in day.forbidden:
                yield Gap(
                    scope, GapKind.REFUSED, f"{self.spec.kind} list: 403", f"Needs list on {scope}."
                )
                continue
            cursor = seen = 0
            while True:
                page = db.execute(
                    SELECT + LISTED, (system, scope, cursor, now, now, PAGE)
                ).fetchall()
                if not page:
                    yield ScopeDone(scope, seen)
                    break
                pages += 1
                cursor = page[-1]["n"]
                if pages == day.omit_page:
                    continue
                for row in page:
                    if day.die_after is not None and done >= day.die_after:
                        raise ServerFault(f"the list broke off after {count(done, 'token')}")
                    yield self._token(row, now)
                    done += 1
                    seen += 1
                if day.endless:
                    # The next page would be this one again, and so on for ever.
                    yield Gap(scope, GapKind.LIMITED, f"the list repeats itself after {seen}")
                    break
                yield Progress(done, total)
                await asyncio.sleep(0)
        for what in self.spec.capabilities.unlistable:
            yield Gap(what, GapKind.UNLISTABLE, what, "The system itself offers no list of these.")

    def _token(self, row: sqlite3.Row, now: int) -> Token:
        return records.token(row, self.name, now, row["parent_id"], row["sessions"])

    def _listed(self, ref: TokenRef, day: trouble.SystemTrouble, now: int) -> sqlite3.Row:
        row: sqlite3.Row | None = None
        if ref.backend == self.name:
            row = self.world.db.execute(
                SELECT + " WHERE system = ? AND id = ? AND kind = ?",
                (self.spec.name, *(_plain(part) for part in (ref.id, ref.kind))),
            ).fetchone()
        if row is None or not records.is_listed(row, now):
            raise NotFound(f"{self.name} has no such token")
        if row["scope"] in day.forbidden:
            raise Forbidden(f"reading in {row['scope']} was answered with 403")
        return row

    async def read(self, ref: TokenRef) -> Token:
        """One token as the record shows it.

        Raises:
            NotFound: the record has none such, or not yet.
        """
        day, now = await self._enter("read")
        return self._token(self._listed(ref, day, now), now)

    async def watch(self) -> AsyncIterator[TokenRef | None]:
        """What has changed of the system's record or log, by whatever hand or by the clock."""
        await self._enter("watch")
        await asyncio.to_thread(self._have_changes_noted)
        seen = changes.mark(self.world.db, self.spec.name)
        in_use = time.monotonic()
        yield None
        while True:
            await asyncio.sleep(WATCH_EVERY)
            mark = changes.mark(self.world.db, self.spec.name)
            if mark == seen:
                continue
            if is_due(self.world.db, self.world.seed, mark.at):
                await asyncio.to_thread(self._catch_up)
                mark = changes.mark(self.world.db, self.spec.name)
            found = changes.between(self.world.db, self.spec.name, seen, mark)
            seen = mark
            if time.monotonic() - in_use >= IN_USE_EVERY:
                in_use = time.monotonic()
                if changes.in_use(self.world.db, self.spec.name):
                    found.add(None)
            for one in found:
                yield None if one is None else self.ref(*one)

    def _have_changes_noted(self) -> None:
        # A connection of its own: this waits for whoever writes.
        with EstateWorld(self.path) as world:
            changes.keep(world.db)

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """The events of the estate's log, without those that a silence in it swallowed."""
        _, now = await self._enter("events")
        first = int(since.timestamp())
        last = now if until is None else min(now, int(until.timestamp()))
        db = self.world.db
        await asyncio.to_thread(self._tell, first)
        for gap in db.execute(
            "SELECT began, ended FROM silence WHERE ended > ? AND began <= ? ORDER BY began",
            (first, last),
        ).fetchall():
            span = f"{records.moment(gap['began'])} to {records.moment(gap['ended'])}"
            yield Gap(
                self.spec.origin,
                GapKind.UNLISTABLE,
                f"no log was kept from {span}",
                since=records.moment(gap["began"]),
                until=records.moment(gap["ended"]),
            )
        kept = history.begins(db)
        if kept is None:
            kept = db.execute(
                "SELECT coalesce(min(at), ?) FROM event WHERE system = ?", (now, self.spec.name)
            ).fetchone()[0]
        if first < kept:
            begins = records.moment(kept)
            yield Gap(
                self.spec.origin,
                GapKind.UNLISTABLE,
                f"the log begins at {begins:%Y-%m-%d %H:%M} UTC",
                until=begins,
            )
        # A moment within a second: what is of that second is from before it.
        least = first if since.microsecond == 0 else first + 1
        at, id_ = least, 0
        cursor = db.cursor()
        cursor.row_factory = None  # Plain tuples, for there are many.
        while page := cursor.execute(
            EVENTS, (self.spec.name, at, last, at, id_, EVENTS_PAGE)
        ).fetchall():
            for row in page:
                yield records.audit_event(row, self.name, self.spec)
            id_, at = page[-1][:2]
            await asyncio.sleep(0)

    async def dependents(self, ref: TokenRef) -> Dependents:
        """Who reads the token, as far as the system has noticed."""
        day, now = await self._enter("dependents")
        row = self._listed(ref, day, now)
        db, origin, as_of = self.world.db, self.spec.origin, records.moment(now)
        found = [
            Consumer(
                one["name"],
                # One whose session is not open now is known by its address only.
                "address" if one["kind"] == "session" else one["kind"],
                f"{one['agent']} from {one['address']}",
                origin,
                known(records.moment(one["last_at"]), origin, as_of),
            )
            for one in db.execute(SEEN, (row["n"],))
        ]
        for one in db.execute(SESSIONS, (row["n"],)):
            began = records.moment(one["started_at"])
            detail = f"{one['agent']} from {one['address']}, since {began:%Y-%m-%d %H:%M}Z"
            found.append(
                Consumer(
                    f"{one['name']} (pid {4000 + one['id']})", "session", detail, "open sessions",
                    known(as_of, "open sessions", as_of),
                )
            )  # fmt: skip
        for one in db.execute(CHILDREN, (row["n"], now)):
            used = one["used_at"]
            last = never(origin) if used is None else known(records.moment(used), origin, as_of)
            found.append(Consumer(one["name"], "token", f"child {one['id']}", origin, last))
        what = "consumers that were silent for as long as the log goes back"
        return Dependents(tuple(found), (Gap(origin, GapKind.UNLISTABLE, what),))

    async def permissions(self, token: Token) -> Permissions:
        """What the grants in the token's record let it do."""
        day, now = await self._enter("permissions")
        row = self._listed(token.ref, day, now)
        return grants.opened(self.spec.name, self._token(row, now), records.moment(now))

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """Whether the rows allow it: a deny wins, ``*`` stands for anything."""
        return grants.permits(permissions, action, resource)

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """The system's tokens that a value belongs to."""
        day, now = await self._enter("identify")
        found: list[Match] = []
        for row in self.world.holders(secret):
            if row["system"] != self.spec.name:
                continue
            if row["valid_until"] is not None and now >= row["valid_until"]:
                continue
            ref, token = self.ref(row["id"], row["kind"]), None
            try:
                token = self._token(self._listed(ref, day, now), now)
            except NotFound:
                continue
            except Forbidden:
                pass
            found.append(Match(ref, "digest of the value", token))
        return tuple(found)

    # -- acting

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The steps for a verb, with the hazards that the record shows."""
        _, now = await self._enter("plan")
        return proposals.propose(self.world, self.spec, verb, token, now)

    async def perform(self, step: Step) -> Outcome:
        """Make a step's change, and answer as truly as the day allows."""
        began = time.monotonic()
        if self._open is None:
            return acting.not_open(step)
        outcome = await acting.perform(self.world, self.spec, step, may=self.can_act)
        elapsed = int((time.monotonic() - began) * 1000)
        return acting.timed(outcome, elapsed)

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Try a value as a log-in would, which leaves a use in the log.

        Raises:
            BackendError: the value is that of another token.
        """
        await self._enter("probe")
        held = [row for row in self.world.holders(secret) if row["system"] == self.spec.name]
        if not held:
            return ProbeResult(False, "the system does not know the value")
        if ref not in [self.ref(row["id"], row["kind"]) for row in held]:
            raise BackendError("the value belongs to another token", "Identify it first.")
        if self.world.attempt(secret, "probe", source=OWN_ADDRESS, agent=PROBER, id_=ref.id):
            return ProbeResult(True, "accepted")
        return ProbeResult(False, "refused")

    def new_value(self, step: Step) -> Secret:
        """A value with the system's own prefix."""
        return Secret(self.spec.prefix + secrets.token_hex(26))

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """The tokens that an intent left behind, by the id in their names.

        Raises:
            NotFound: the token to be rotated has never been there.
        """
        _, now = await self._enter("minted")
        row = self.world.row(self.spec.name, step.token.id)
        if row is None or row["kind"] != step.token.kind:
            raise NotFound(f"{self.name} has no such token")
        found = rotation.minted(self.world.db, self.spec, row, intent_id, since, now)
        return tuple(self.ref(id_, row["kind"]) for id_ in found)
