"""The Redis and Valkey backend: ACL users as tokens, the servers' own lists as the record."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar

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
    Phase,
    ProbeResult,
    Proposal,
    Step,
    Verb,
    WhoAmI,
)
from backends.errors import AuthFailed, BackendError, ConfigError, NotFound, Unsupported
from backends.model import (
    AuditEvent,
    Dependents,
    Found,
    Gap,
    GapKind,
    ScopeDone,
    Secret,
    Token,
    TokenRef,
)
from backends.permissions import Answer, Permissions
from backends.redis_acl import actions, clients, log, passwords, rules, servers, users, wire
from backends.redis_acl.declared import CAPABILITIES, OPTIONS, PERSIST, nodes
from backends.redis_acl.step_check import checked
from backends.redis_acl.users import KIND, SCOPE, User


class RedisAcl(Backend):
    """The users of one Redis or Valkey server, and of those in ``nodes`` that have the same.

    The reading user needs ``+acl|list +acl|getuser +acl|whoami +client|list +acl|log +time
    +role +info``; what is missing is a gap. The acting one needs ``+acl|setuser``, with which
    it rules the server, ``+acl|deluser``, ``+client|kill``, and ``+acl|save`` or
    ``+config|rewrite``.
    """

    contract = VERSION
    type_name = "redis"
    title = "Redis, Valkey"
    options: ClassVar[tuple[Option, ...]] = OPTIONS

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        given = {option.name: option.default for option in OPTIONS} | dict(config.options)
        if given["persist"] not in PERSIST:
            raise ConfigError(
                f"persist cannot be {given['persist']!r}",
                f"One of: {', '.join(PERSIST)}.",
                option="persist",
            )
        if not 1 <= given["timeout"] <= 3600:
            raise ConfigError(
                "timeout must be from 1 to 3600 s", "For example 10.", option="timeout"
            )
        if config.read is None:
            raise ConfigError(f"{config.name} has no password to read with", option="read")
        self._read = config.read
        self._persist: str = given["persist"]
        self._act_user: str = given["act_user"] or given["user"]
        self._sessions = [wire.Session(node, given["user"], config.read) for node in nodes(given)]
        self._names: set[bytes] = set()
        """Names of users as they were seen: a log may tell of one that is gone."""

    def capabilities(self) -> Capabilities:
        """What can be done with ACL users: the same for every server."""
        return CAPABILITIES

    async def close(self) -> None:
        """Close the connections that read."""
        for session in self._sessions:
            await session.close()

    async def health(self) -> Health:
        """The first server's version and clock; the others have to answer too."""
        first, *rest = self._sessions
        await first.ask("ACL WHOAMI")  # The log-in is not to count as latency.
        sent = time.time()
        clock = await servers.time_of(first)
        took = time.time() - sent
        notes: list[str] = []
        version = ""
        try:
            told = servers.info(await first.ask("INFO", "server"))
            ours = told.get("valkey_version")
            version = f"Valkey {ours}" if ours else f"Redis {told.get('redis_version', '?')}"
        except BackendError as error:
            notes.append(f"its version is not told: {error.message}")
        for session in rest:
            await session.ask("ACL WHOAMI")
        notes += [gap.what for gap in await servers.others(self._sessions)]
        middle = datetime.fromtimestamp(sent + took / 2, UTC)
        return Health(
            version=version,
            latency_ms=round(took * 1000),
            skew=clock - middle if clock else None,
            notes=tuple(notes),
        )

    async def whoami(self) -> WhoAmI:
        """The users that read and act."""
        raw = await self._sessions[0].ask("ACL WHOAMI")
        acting = self._act_user.encode()
        own = dict.fromkeys((raw, acting) if self.config.act is not None else (raw,))
        return WhoAmI(
            name=" and ".join(users.text(each) for each in own),
            own=tuple(self._ref(each) for each in own),
            principals=tuple(users.id_of(each) for each in own),
            can_act=self.config.act is not None,
        )

    async def inventory(self) -> AsyncIterator[Found]:
        """Stream the users of all servers, each once, and gaps for what was not told."""
        listed, failed = await self._listed()
        if not listed:
            raise next(iter(failed.values()))
        for label, error in failed.items():
            kind = GapKind.FAILED if not isinstance(error, AuthFailed) else GapKind.REFUSED
            yield Gap(SCOPE, kind, f"the users of {label}: {error.message}", error.hint)
        working = [each for each in self._sessions if each.node.label in listed]
        seen: dict[str, servers.Around] = {}
        for session, result in zip(
            working, await servers.each(working, servers.around), strict=True
        ):
            label = session.node.label
            if isinstance(result, BackendError):
                what = f"use at {label}: {result.message}"
                yield Gap(f"use at {label}", GapKind.FAILED, what, result.hint)
                continue
            seen[label] = result
            for gap in result.gaps:
                yield gap
        try:
            for gap in await servers.others(working):
                yield gap
        except BackendError as error:
            yield Gap("servers", GapKind.FAILED, "whether there are replicas", error.hint)
        names = sorted({raw for found in listed.values() for raw in found})
        for raw in names:
            found = {label: each[raw] for label, each in listed.items() if raw in each}
            yield self._token(raw, found, seen)
        if not failed:
            yield ScopeDone(SCOPE, len(names))

    async def read(self, ref: TokenRef) -> Token:
        """One user as all servers have it.

        Raises:
            NotFound: none of them has it.
            BackendError: one of them cannot be asked, so that nothing is known for sure.
        """
        raw = users.raw_of(ref.id)
        found = await self._found(ref)
        seen = {each.node.label: await servers.around(each) for each in self._sessions}
        return self._token(raw, found, seen)

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """What the servers refused. That is all that they write down: see the gap."""
        yield Gap(
            self.name,
            GapKind.UNLISTABLE,
            "log-ins and changes of users",
            "Redis writes down refusals only, and forgets them at a restart.",
            since,
            until,
        )
        listed, failed = await self._listed()
        if failed:
            raise next(iter(failed.values()))
        self._names.update(raw for found in listed.values() for raw in found)
        for session in self._sessions:
            told = await servers.around(session)
            if told.log is None:
                for gap in told.gaps:
                    yield gap
                continue
            origin = f"ACL log of {session.node.label}"
            for event in log.events(told.log, origin, self._whose):
                if event.at >= since and (until is None or event.at < until):
                    yield event

    async def dependents(self, ref: TokenRef) -> Dependents:
        """The clients that are connected as the user.

        Raises:
            NotFound: no server has it.
        """
        await self._found(ref)
        raw = users.raw_of(ref.id)
        seen = {each.node.label: await servers.around(each) for each in self._sessions}
        connected = {
            label: [client for client in told.clients or () if client.user == raw]
            for label, told in seen.items()
        }
        gaps = [gap for told in seen.values() for gap in told.gaps]
        gaps += await servers.others(self._sessions)
        return clients.dependents(connected, {k: v.now for k, v in seen.items()}, gaps)

    async def permissions(self, token: Token) -> Permissions:
        """The user's rules, as they stand.

        Raises:
            NotFound: no server has it.
        """
        return rules.opened(token.ref, await self._found(token.ref))

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """By the rules: ``permits(..., "get", "app:1")``, ``permits(..., "acl|setuser", "")``."""
        return rules.permits(permissions, action, resource)

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """Compare with the hashes that the servers keep. ``redis://user:password@host`` is split.

        Raises:
            BackendError: a server cannot be asked, and no other has it.
        """
        user, password = passwords.split(secret)
        digest = users.sha256(password)
        listed, failed = await self._listed()
        names = {
            raw
            for found in listed.values()
            for raw, each in found.items()
            if users.has(each, digest) and (user is None or raw == user.encode())
        }
        if failed and not names:
            raise next(iter(failed.values()))
        how = "one of its passwords has the SHA-256 of this value"
        refs = [self._ref(raw) for raw in sorted(names)]
        return tuple([Match(ref, how, await self.read(ref)) for ref in refs])

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The commands for a verb at each server, with the hazards that the servers show."""
        raw = users.raw_of(token.ref.id)
        found = await self._found(token.ref)
        seen = {each.node.label: await servers.around(each) for each in self._sessions}
        fresh = self._token(raw, found, seen)
        acting = self._act_user.encode()
        gathered = actions.Found(
            users=found,
            clients={
                label: [client for client in told.clients or () if client.user == raw]
                for label, told in seen.items()
            },
            persist={
                each.node.label: await servers.persist(each, self._persist)
                for each in self._sessions
            },
            others=await servers.others(self._sessions),
            acting={
                each.node.label: await servers.one_user(each, acting) for each in self._sessions
            },
            last_admin=await self._last_admin(raw, found),
            marks={
                label: passwords.marks(user.hashes, self._read) for label, user in found.items()
            },
        )
        return actions.propose(verb, fresh, raw, gathered)

    async def perform(self, step: Step) -> Outcome:
        """Send the one command of a step over a connection of its own."""
        label = step.call.arguments.get("server", "")
        session = next((s for s in self._sessions if s.node.label == label), self._sessions[0])
        prepare, judge = checked(step, session, self._read, label)
        outcome = await wire.change(
            session.node, self._act_user, self.config.act, step.call, prepare, judge
        )
        if step.phase is Phase.MINT and outcome.state is OutcomeState.APPLIED:
            permit.deliver(step.token, permit.value())
        return outcome

    def new_value(self, step: Step) -> Secret:
        """256 bits in letters and digits: nothing to quote in a URL or a configuration file."""
        return chosen.letters()

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """A new password comes under the same user, and Redis labels none.

        Whether the new one is in force, only :meth:`probe` with the chosen value tells.

        Raises:
            Unsupported: always.
        """
        raise Unsupported(
            f"{self.name} labels no password: whether the new one is there cannot be read",
            "Try the chosen value; setting it again does no harm.",
        )

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Log in as the user with the value, at every server; one that takes it is enough."""
        password = passwords.split(secret).password
        raw = users.raw_of(ref.id)
        refused: list[str] = []
        unknown: list[str] = []
        for session in self._sessions:
            try:
                line = await wire.connect(session.node, raw, password, "")
            except AuthFailed as error:
                refused.append(error.message)
            except BackendError as error:
                unknown.append(error.message)
            else:
                await line.close()
                return ProbeResult(True, f"{users.text(raw)} was let in at {session.node.label}")
        if unknown:
            return ProbeResult(None, unknown[0])
        return ProbeResult(False, refused[0])

    def _ref(self, raw: bytes) -> TokenRef:
        return TokenRef(self.name, KIND, users.id_of(raw))

    def _whose(self, raw: bytes) -> TokenRef | None:
        return self._ref(raw) if raw in self._names else None

    def _token(
        self, raw: bytes, found: Mapping[str, User], seen: Mapping[str, servers.Around]
    ) -> Token:
        self._names.add(raw)
        use = servers.use(raw, seen.values())
        return users.token(self.name, raw, found, len(self._sessions), use)

    async def _listed(
        self,
    ) -> tuple[dict[str, dict[bytes, User]], dict[str, BackendError]]:
        """The users of every server that answers, and why the others do not."""
        listed: dict[str, dict[bytes, User]] = {}
        failed: dict[str, BackendError] = {}
        results = await servers.each(self._sessions, servers.all_users)
        for session, result in zip(self._sessions, results, strict=True):
            if isinstance(result, BackendError):
                failed[session.node.label] = result
            else:
                listed[session.node.label] = result
        return listed, failed

    async def _last_admin(self, raw: bytes, found: Mapping[str, User]) -> bool:
        """Whether there is a server where nobody else who can log in may change users."""
        rulers = {
            label
            for label, user in found.items()
            if user.lets_in and rules.allows(user, "acl|setuser") is not False
        }
        for session in self._sessions:
            # The whole list is long, and asked for only where the answer hangs on it.
            if session.node.label not in rulers:
                continue
            everybody = await servers.all_users(session)
            if not any(
                user.lets_in and rules.allows(user, "acl|setuser")
                for name, user in everybody.items()
                if name != raw
            ):
                return True
        return False

    async def _found(self, ref: TokenRef) -> dict[str, User]:
        """The user on each server that has it.

        Raises:
            NotFound: none has it.
        """
        raw = users.raw_of(ref.id)
        found: dict[str, User] = {}
        for session in self._sessions:
            user = await servers.one_user(session, raw)
            if user is not None:
                found[session.node.label] = user
        if not found or ref.kind != KIND:
            raise NotFound(f"{self.name} has no user of that name")
        self._names.add(raw)
        return found
