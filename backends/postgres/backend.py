"""The PostgreSQL backend: login roles as tokens, the server's catalogs as the record."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import psycopg

from backends import chosen, permit
from backends.contract import (
    VERSION,
    Backend,
    BackendConfig,
    Capabilities,
    Health,
    Match,
    Option,
    Outcome,
    OutcomeState,
    ProbeResult,
    Proposal,
    Step,
    Verb,
    WhoAmI,
)
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    ConfigError,
    Forbidden,
    NotFound,
    ServerFault,
    Unsupported,
)
from backends.model import (
    AuditEvent,
    Dependents,
    Found,
    Gap,
    GapKind,
    Progress,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
)
from backends.permissions import Answer, Permissions
from backends.postgres import actions, consumers, identify, log, names, roles, step_check, wire
from backends.postgres.declared import OPTIONS, SSL_MODES, capabilities
from backends.postgres.privileges import answer
from backends.postgres.privileges import role as privileges
from backends.words import count


class Postgres(Backend):
    """One PostgreSQL cluster, seen through one database.

    The reading credential needs no more than a log-in; ``pg_read_all_stats`` adds the
    addresses of sessions, ``GRANT SELECT (oid, rolname, rolpassword) ON pg_authid`` adds
    identification. The acting one needs CREATEROLE with ADMIN OPTION on the roles, and
    ``pg_signal_backend``.
    """

    contract = VERSION
    type_name = "postgres"
    title = "PostgreSQL"
    options: ClassVar[tuple[Option, ...]] = OPTIONS

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        given = {option.name: option.default for option in OPTIONS} | dict(config.options)
        if given["sslmode"] not in SSL_MODES:
            raise ConfigError(
                f"sslmode cannot be {given['sslmode']!r}",
                f"One of: {', '.join(SSL_MODES)}.",
                option="sslmode",
            )
        for name in ("connect_timeout", "statement_timeout"):
            if not 1 <= given[name] <= 3600:
                raise ConfigError(
                    f"{name} must be from 1 to 3600 s", "For example 30.", option=name
                )
        if not 0 < given["port"] < 65536:
            raise ConfigError(
                f"there is no port {given['port']}", "Usually it is 5432.", option="port"
            )
        self._address = wire.Address(**{name: given[name] for name in wire.Address._fields})
        self._user: str = given["user"]
        self._act_user: str = given["act_user"] or self._user
        self._log_file = Path(given["log_file"]).expanduser() if given["log_file"] else None
        if config.read is None:
            raise ConfigError(f"{config.name} has no password to read with", option="read")
        self._reader = wire.PgSession(self._address, self._user, config.read)
        self._names: dict[str, bytes] = {}
        """Names by oid as they were last seen: a dropped role's is needed to try its password."""

    def capabilities(self) -> Capabilities:
        """What can be done with log-in roles; last use is only told by a log file."""
        return capabilities(bool(self._log_file))

    async def close(self) -> None:
        """Close the session that reads."""
        await self._reader.close()

    async def health(self) -> Health:
        """The server's version and its clock; a replica is noted, since it takes no change."""
        sent = time.time()
        (row,) = await self._reader.rows(
            "the server's version",
            "SELECT current_setting('server_version') AS version, clock_timestamp() AS clock,"
            " pg_is_in_recovery() AS replica",
        )
        took = time.time() - sent
        skew = row["clock"] - datetime.fromtimestamp(sent + took / 2, UTC)
        notes = ("This is a replica: it reads, and cannot act.",) if row["replica"] else ()
        return Health(
            version=f"PostgreSQL {row['version']}",
            latency_ms=round(took * 1000),
            skew=skew,
            notes=notes,
        )

    async def whoami(self) -> WhoAmI:
        """The roles that read and act, and until when their passwords are valid."""
        rows = await self._reader.rows(
            "the console's own roles",
            "SELECT oid::bigint AS oid, rolname, rolname = session_user AS reads,"
            " extract(epoch FROM rolvaliduntil)::float8 AS until FROM pg_roles"
            " WHERE rolname = session_user OR rolname = %(act)s ORDER BY reads DESC",
            {"act": self._act_user},
        )
        ends = [roles.expiry(row["until"]).value for row in rows]
        return WhoAmI(
            name=" and ".join(row["rolname"] for row in rows),
            own=tuple(self._ref(row["oid"]) for row in rows),
            principals=tuple(str(row["oid"]) for row in rows),
            expires_at=min((end for end in ends if end is not None), default=None),
            can_act=self.config.act is not None,
        )

    async def inventory(self) -> AsyncIterator[Found]:
        """Stream the roles that may log in, and gaps for what this one may not see."""
        around, gaps = await self._surroundings()
        if not around.powers.stats:
            yield Gap(
                roles.SCOPE,
                GapKind.REFUSED,
                "from where roles are in use",
                f"GRANT pg_read_all_stats TO {actions.quoted(self._user)};",
            )
        for gap in gaps:
            yield gap
        seen, after = 0, 0
        while True:
            try:
                rows = await roles.page(self._reader, after, around.powers.version)
            except BackendError as error:
                if not seen:
                    raise
                yield Gap(roles.SCOPE, GapKind.FAILED, f"roles after {seen}: {error}", error.hint)
                return
            for row in rows:
                self._names[str(row["oid"])] = row["raw"]
                yield roles.token(self.name, row, around)
            seen += len(rows)
            yield Progress(seen, None, "login roles")
            if len(rows) < roles.PAGE:
                break
            after = rows[-1]["oid"]
        yield ScopeDone(roles.SCOPE, seen)

    async def read(self, ref: TokenRef) -> Token:
        """One role as the catalogs have it.

        Raises:
            NotFound: there is no such role.
        """
        row = await self._row(ref)
        around, _ = await self._surroundings()
        return roles.token(self.name, row, around)

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """Log-ins and statements about roles, from the server's JSON log."""
        if not self._log_file:
            yield Gap(
                self.name,
                GapKind.UNLISTABLE,
                "audit events",
                "PostgreSQL tells of none by SQL; set log_file to the server's JSON log.",
            )
            return
        unlogged = await self._unlogged()
        try:
            told = await self._log(self._log_file, since)
        except BackendError as error:
            # A server that writes no such log is why there is none.
            raise (unlogged or error) from None
        rows = await self._reader.rows(
            "pg_roles", "SELECT oid::bigint AS oid, namesend(rolname) AS raw FROM pg_roles"
        )
        refs = {row["raw"]: self._ref(row["oid"]) for row in rows}
        for gap in log.gaps(told, self.name, since, until):
            yield gap
        for line in told.lines:
            if told.open is not None and line.at >= told.open:
                # Later readings tell of it, once it is known what came before it.
                break
            if line.at >= since and (until is None or line.at < until):
                yield AuditEvent(
                    id=line.id,
                    at=line.at,
                    action=line.action,
                    sort=line.sort,
                    outcome=line.outcome,
                    token=refs.get(line.raw),
                    actor=line.role,
                    source=line.source,
                    agent=line.agent,
                    origin="server log",
                    detail=line.detail,
                )
        if unlogged is not None:
            raise unlogged
        if (end := log.unread(told)) is not None:
            # Raised, so that nobody takes the log for read up to now.
            raise BadAnswer(f"{self._log_file}: its newest {end.words}", log.HINT)

    async def dependents(self, ref: TokenRef) -> Dependents:
        """What uses the role. One that was dropped is told of while sessions of it are open.

        Raises:
            NotFound: there is no such role, and no session of one either.
        """
        rights = await roles.powers(self._reader)
        try:
            row = await self._row(ref)
        except NotFound:
            row, found = await self._outlived(ref, rights.version)
        else:
            found = await consumers.uses(self._reader, row["oid"], rights.version)
        return consumers.dependents(found, row["rolname"], rights.stats)

    async def permissions(self, token: Token) -> Permissions:
        """What the role may do in the connected database, as itself and after SET ROLE.

        Raises:
            NotFound: there is no such role.
        """
        return await privileges.permissions(self._reader, token.ref, _oid(token.ref))

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """By the rows: ``permits(..., "SELECT", "table shop.orders")``."""
        return answer.permits(permissions, action, resource)

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """Compare with the stored verifiers. A URL ``postgresql://role:password@host`` is split.

        Raises:
            Forbidden: this credential may not read the verifiers, so nothing was compared.
        """
        rights = await roles.powers(self._reader)
        found = await identify.oids(self._reader, rights, self._address.host, secret)
        refs = [self._ref(oid) for oid in found.oids]
        return tuple([Match(ref, found.how, await self.read(ref)) for ref in refs])

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The statements for a verb, with the hazards that the catalogs and sessions show."""
        rights = await roles.powers(self._reader)
        try:
            row = await self._row(token.ref)
        except NotFound:
            if verb is not Verb.DISCONNECT:
                raise
            row, found = await self._outlived(token.ref, rights.version)
            acting = await actions.acting(self._reader, self._act_user, row["oid"], rights.version)
            return actions.propose(verb, token, row, found, acting)
        found = await consumers.uses(self._reader, row["oid"], rights.version)
        around, _ = await self._surroundings()
        fresh = roles.token(self.name, row, around)
        acting = await actions.acting(self._reader, self._act_user, row["oid"], rights.version)
        return actions.propose(verb, fresh, row, found, acting)

    async def perform(self, step: Step) -> Outcome:
        """Run the one statement of a step in a session of its own, and hand over a new password."""
        outcome = await wire.change(
            self._address, self._act_user, self.config.act, step.call, step_check.checked(step)
        )
        if step.verb is Verb.ROTATE and outcome.state is OutcomeState.APPLIED:
            permit.deliver(step.token, permit.value())
        return outcome

    def new_value(self, step: Step) -> Secret:
        """256 bits in letters and digits: nothing to quote in a URL, a pass file or a shell."""
        return chosen.letters()

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """A role's password is replaced in place, so that a lost answer leaves no new token.

        Whether the new one is in force, only :meth:`probe` with the chosen value tells.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(
            f"{self.name} makes no second password: the role has the new one or the old one",
            "Try the chosen value; setting it again does no harm.",
        )

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Log in as the role with the value. A role that is gone is tried by its last name."""
        with contextlib.suppress(NotFound):
            await self._row(ref)
        raw = self._names.get(ref.id)
        if raw is None:
            return ProbeResult(None, "the role is gone, and its name was never seen here")
        name = names.exact(raw)
        if name is None:
            # Whatever text we sent in its place might be the name of another role.
            why = "its name is no UTF-8 text, so a log-in cannot be tried from here"
            return ProbeResult(None, why)
        password = identify.split(secret).password
        settings = {"default_transaction_read_only": "on"}
        try:
            connection = await wire.connect(
                self._address, name, password, settings=settings, application="token-console/probe"
            )
        except AuthFailed as error:
            return ProbeResult(False, error.message)
        except BackendError as error:
            return ProbeResult(None, error.message)
        with contextlib.suppress(psycopg.Error, OSError):
            await connection.close()
        return ProbeResult(True, f"{name} was let in")

    def _ref(self, oid: int) -> TokenRef:
        return TokenRef(self.name, roles.KIND, str(oid))

    async def _row(self, ref: TokenRef) -> wire.Row:
        number = _oid(ref)
        row = await roles.one(self._reader, number)
        if row is None:
            raise NotFound(f"{self.name} has no role with the oid {number}")
        self._names[ref.id] = row["raw"]
        return row

    async def _outlived(self, ref: TokenRef, version: int) -> tuple[wire.Row, consumers.Uses]:
        """What goes on as a role that was dropped: its sessions do not end with it.

        Raises:
            NotFound: nothing does.
        """
        oid = _oid(ref)
        found = await consumers.uses(self._reader, oid, version)
        if not found.live:
            raise NotFound(f"{self.name} has no role with the oid {oid}, and no session of one")
        raw = self._names.get(ref.id, b"")
        name = names.shown(raw) or f"oid {oid}, dropped"
        return {"oid": oid, "rolname": name, "raw": raw, "rolsuper": False}, found

    async def _surroundings(self) -> tuple[roles.Surroundings, tuple[Gap, ...]]:
        if self._log_file is None:
            return await roles.surroundings(self._reader), ()
        scope = "server log"
        try:
            told = await self._log(self._log_file)
        except BackendError as error:
            kind = GapKind.REFUSED if isinstance(error, Forbidden) else GapKind.FAILED
            gap = Gap(scope, kind, f"log-ins: {error.message}", error.hint)
            return await roles.surroundings(self._reader), (gap,)
        lost = sum(stretch.lines for stretch in told.odd)
        gaps: tuple[Gap, ...] = ()
        if lost:
            what = f"log-ins: {count(lost, 'line')} of {self._log_file} not understood"
            gaps = (Gap(scope, GapKind.FAILED, what, log.HINT),)
        return await roles.surroundings(self._reader, log.logins(told), told.begins), gaps

    async def _log(self, path: Path, since: datetime | None = None) -> log.RecentLog:
        """The server's log, back to ``since`` where it can be read so far.

        Raises:
            Forbidden, ServerFault: it cannot be read.
            BadAnswer: it is none that can be understood.
        """
        try:
            told = await asyncio.to_thread(log.read, path, datetime.now(UTC), since)
        except OSError as error:
            kind = Forbidden if isinstance(error, PermissionError) else ServerFault
            raise kind(
                f"cannot read {path}: {error.strerror}", "Mend log_file, or the file's permissions."
            ) from None
        if told.begins is None:
            why = told.odd[-1].words if told.odd else "there is no line in it yet"
            raise BadAnswer(f"nothing can be read from {path}: {why}", log.HINT)
        return told

    async def _unlogged(self) -> BackendError | None:
        """Why the server's log cannot tell of every use, by the server's own settings."""
        (row,) = await self._reader.rows("what the server logs", log.SETTINGS)
        if not (why := log.missing(row)):
            return None
        return BackendError(f"the server's log does not tell of every log-in: {why}", log.HINT)


def _oid(ref: TokenRef) -> int:
    """The id as a number. An oid is four bytes; what is not one was never the id of a role."""
    number = int(ref.id) if ref.id.isascii() and ref.id.isdigit() and len(ref.id) < 11 else 0
    if ref.kind != roles.KIND or not 0 < number < 2**32:
        raise NotFound(f"{ref.backend} has no {ref.kind} with the id {ref.id[:40]!r}")
    return number
