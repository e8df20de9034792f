"""OpenBao and HashiCorp Vault: service tokens by accessor, and AppRole secret-ids.

Neither tells when a token was last used, who made it, or which token is its parent: the
file audit device does, where the console may read the file (option ``audit_file``).
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from backends.contract import (
    VERSION,
    Backend,
    BackendConfig,
    Capabilities,
    Hazard,
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
    Secret,
    Token,
    TokenRef,
)
from backends.openbao import actions, events, mapping, naming, quotas, rotate
from backends.openbao.audit import AuditIndex
from backends.openbao.bulk import Bulk
from backends.openbao.capabilities import declare
from backends.openbao.client import Client, role_path, roles_path, unknown_token
from backends.openbao.concurrently import concurrently
from backends.openbao.inventory import Survey
from backends.openbao.mapping import APPROLE, SERVICE, SecretIdPlace
from backends.openbao.policies import acl, opening
from backends.openbao.reader import NO_AUDIT_FILE, BaoReader
from backends.permissions import Answer, Permissions
from backends.traffic import Limits

REVOKE_PATH = "auth/token/revoke-accessor"
OWN_AT_HAND = 10.0
"""Seconds for which the records of the console's own tokens serve the planning of others."""
TOKEN_PREFIXES = ("hvs.", "hvb.", "hvr.", "s.", "b.", "r.")


class OpenBao(Backend):
    """One OpenBao or Vault cluster."""

    contract = VERSION
    type_name: ClassVar[str] = "openbao"
    title: ClassVar[str] = "OpenBao / Vault"
    options: ClassVar[tuple[Option, ...]] = (
        Option("url", "The server's address, such as https://bao.example:8200.", required=True),
        Option("namespaces", "The namespaces to look into; without it, all that are found.", list),
        Option("approle_mounts", "Where AppRole is mounted under auth/.", list, ["approle"]),
        Option("ca_file", "A file with the certificate authorities to trust."),
        Option("verify", "Whether to check the server's certificate.", bool, True),
        Option("timeout", "Seconds to wait for an answer.", float, 20.0),
        Option("parallel", "How many requests may be under way at once.", int, 16),
        Option("audit_file", "The file of a file audit device, readable to the console."),
        Option("audit_device", "That device's name, where several may have written the file."),
    )

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        if config.read is None:
            raise ConfigError("openbao needs a token to read with", option="read")
        get = config.options.get
        parallel = get("parallel", 16)
        if not 1 <= parallel <= 256:
            raise ConfigError("parallel must be from 1 to 256", option="parallel")
        self._own_gate = asyncio.Lock()
        self._own: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        self._own_until = -math.inf
        self._url = _address(get("url"))
        self._verify = _trust(get("ca_file"), get("verify", True))
        audit_file = get("audit_file")
        self._log = AuditIndex(Path(audit_file).expanduser()) if audit_file else None
        self._mounts = [
            mount.strip("/").removeprefix("auth/") for mount in _list(get("approle_mounts"))
        ]
        named = get("namespaces")
        self._client = Client(
            self._url,
            config.read,
            config.act,
            timeout=float(get("timeout") or 20.0),
            parallel=parallel,
            verify=self._verify,
            answered=self._log.own if self._log is not None else lambda _: None,
            traffic=self.traffic,
        )
        self._reader = BaoReader(
            self.name,
            self._client,
            self._log,
            device=(get("audit_device") or "").strip("/"),
            namespaces=[_namespace(name) for name in named] if named else None,
            workers=parallel,
        )
        self._bulk = Bulk(self._reader)
        self._declared = declare(audited=self._log is not None)

    def capabilities(self) -> Capabilities:
        """What can be done with tokens and secret-ids; last use is only told by an audit file."""
        return self._declared

    async def close(self) -> None:
        """Close the connections of both credentials."""
        await self._client.close()

    async def health(self) -> Health:
        """Whether the server is up and unsealed; a standby is noted, and a dead credential to act.

        Raises:
            ServerFault: it is sealed, or was never initialized.
        """
        started, at = time.monotonic(), time.time()
        told = await self._client.health()
        taken = time.monotonic() - started
        if not told.get("initialized", True):
            raise ServerFault("the server is not initialized", "Run: bao operator init.")
        if told.get("sealed"):
            raise ServerFault("the server is sealed", "Unseal it: bao operator unseal.")
        notes = []
        if told.get("performance_standby"):
            notes.append("a performance standby answered; its list may lag")
        elif told.get("standby"):
            notes.append("a standby answered; it passes requests on")
        if "secondary" in str(told.get("replication_dr_mode", "")):
            notes.append("a disaster-recovery secondary answered: it serves no tokens")
        if self._verify is False:
            notes.append("the server's certificate is not checked")
        clock = told.get("server_time_utc")
        skew = None
        if isinstance(clock, int):
            # The server tells whole seconds, cut off: half a second is the best guess.
            skew = timedelta(seconds=round(clock + 0.5 - (at + taken / 2)))
        if self._client.can_send:
            try:
                await self._client.who(acting=True)
            except AuthFailed as error:
                notes.append(str(error))
        return Health(
            version=str(told.get("version", "")),
            latency_ms=int(taken * 1000),
            skew=skew,
            notes=tuple(notes),
        )

    async def whoami(self) -> WhoAmI:
        """The two tokens' own records, what they stem from, and whether the second may revoke."""
        reading, acting = await self._own_records()
        own = self._own_refs(reading, acting)
        can_act = bool(acting) and await self._client.may(REVOKE_PATH, acting=True) is not False
        ends = [mapping.moment(record.get("expire_time")) for record in (reading, acting)]
        entities = (mapping.text(record, "entity_id") for record in (reading, acting))
        return WhoAmI(
            name=mapping.text(reading, "display_name") or "a token that may not look at itself",
            own=tuple(sorted(own)),
            ancestors=tuple(sorted(await self._reader.ancestors(own) - own)),
            principals=tuple(dict.fromkeys(entity for entity in entities if entity)),
            expires_at=min((end for end in ends if end is not None), default=None),
            can_act=can_act,
        )

    async def _own_records(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The records of the two credentials; empty where there is none or it may not look."""
        reading = await self._client.who() or {}
        if not self._client.can_send:
            return reading, {}
        try:
            return reading, await self._client.who(acting=True) or {"accessor": ""}
        except AuthFailed:
            # health() reports the dead credential; looking still works.
            return reading, {}

    async def _own_lately(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Those records as read a moment ago, else anew: a plan for many asks for each token."""
        async with self._own_gate:
            if time.monotonic() >= self._own_until:
                self._own = await self._own_records()
                self._own_until = time.monotonic() + OWN_AT_HAND
            return self._own

    def _own_refs(self, *records: dict[str, Any]) -> set[TokenRef]:
        accessors = (mapping.text(record, "accessor") for record in records)
        return {self._reader.ref(accessor) for accessor in accessors if accessor}

    async def limits(self) -> Limits:
        """The server's rate limit quotas, where the reading credential may read them."""
        found = await quotas.limits(self._client)
        self.traffic.keep(found.known)
        return found

    async def inventory(self) -> AsyncIterator[Found]:
        """Stream the tokens and secret-ids of every namespace that can be seen."""
        await self.limits()
        async for found in Survey(self._reader, self._mounts).run():
            yield found

    async def read(self, ref: TokenRef) -> Token:
        """One token or secret-id, looked up by its accessor, without its value."""
        return await self._reader.read(ref)

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        """Many tokens, each by a look-up of its own, with one look into the audit log for all."""
        return await self._bulk.read(refs)

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        """The tokens that a whole list of accessors does not have."""
        return await self._bulk.gone(tokens)

    def recall(self, names: Mapping[str, TokenRef]) -> None:
        """Take up the hashes that the audit file writes in the place of tokens' accessors."""
        self._reader.recall(names)

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """What the audit file tells of a stretch of time, without the console's own requests."""
        if self._log is None:
            yield Gap(self.name, GapKind.UNLISTABLE, "audit events", NO_AUDIT_FILE)
            return
        gap = await self._reader.scan()
        if gap is not None:
            yield gap
            return
        gap = await self._reader.unnamed()
        if gap is not None:
            yield gap
        try:
            async for event in events.stream(self._log, since, until):
                yield event
        except (OSError, BackendError) as error:
            told = error.strerror if isinstance(error, OSError) else error
            why = f"audit events: cannot read the audit file: {told}"
            yield Gap(self.name, GapKind.FAILED, why, "Look at the file named by audit_file.")

    async def log_names(self, refs: Iterable[TokenRef]) -> Mapping[str, TokenRef]:
        """The hashes that the audit devices write in the place of tokens' accessors."""
        return await naming.log_names(self._reader, refs)

    async def dependents(self, ref: TokenRef) -> Dependents:
        """The children, leases and addresses of a token, from the audit log."""
        return await actions.dependents(self._reader, ref)

    async def permissions(self, token: Token) -> Permissions:
        """The token's policies, read and opened, path by path; anew each time."""
        return await opening.opened(self._reader, token)

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """Whether the rows give a capability on a path, as the server decides it."""
        return acl.permits(permissions, action, resource)

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """The token or secret-id of a value, by looking it up, which is no use of it."""
        token = await self._identify_token(secret)
        if token is not None:
            return (token,)
        if secret.reveal().startswith(TOKEN_PREFIXES):
            # A dead token: no role has to see it.
            return ()
        return await self._identify_secret_id(secret)

    async def _identify_token(self, secret: Secret) -> Match | None:
        try:
            record = await self._client.ask("", "auth/token/lookup", {"token": secret.reveal()})
        except NotFound:
            return None
        except Forbidden as error:
            if unknown_token(error):
                # The same words stand for a leaked token that is dead and for our own.
                await self._client.who()
                return None
            raise Forbidden(
                "the console's token may not look tokens up",
                mapping.policy("auth/token/lookup", "update"),
            ) from None
        accessor = mapping.text(record.data, "accessor")
        if not accessor:
            raise Unsupported(
                "the secret is a batch token, which has no accessor and cannot be revoked",
                f"It ends at {record.data.get('expire_time') or 'a time not told'}; until then, "
                "disable its entity or revoke its parent.",
            )
        ref = self._reader.ref(accessor)
        return Match(ref, "the server's own look-up", await self._reader.read(ref))

    async def _identify_secret_id(self, secret: Secret) -> tuple[Match, ...]:
        places: list[SecretIdPlace] = []
        refused: Forbidden | None = None
        spaces, gaps = await self._reader.namespaces()
        if gaps:
            refused = Forbidden("namespaces that may have it cannot be seen", gaps[0].hint)
        for ns in spaces:
            for mount in self._mounts:
                try:
                    roles = await self._client.keys(ns, roles_path(mount))
                except NotFound:
                    continue
                except Forbidden:
                    missing = mapping.policy(f"{ns}{roles_path(mount)}/", "list")
                    refused = Forbidden("the console's token may not list roles", missing)
                    continue
                places += [SecretIdPlace(ns, mount, role) for role in roles]

        async def ask(place: SecretIdPlace) -> str:
            return await self._client.find_secret_id(place.ns, place.mount, place.role, secret)

        matches = []
        done = await concurrently(places, ask, self._reader.workers)
        granted = any(isinstance(accessor, str) for _, accessor in done)
        for place, accessor in done:
            if isinstance(accessor, Forbidden):
                # One role that is refused must not hide a match in another.
                one = role_path(place.mount, place.role, "secret-id/lookup")
                every = f"{place.ns}{roles_path(place.mount)}/+/secret-id/lookup"
                hint = mapping.policy(every, "update")
                refused = Forbidden(
                    f"the console's token may not look secret-ids up in the role {place.role}",
                    mapping.denied(place.ns, one) if granted else hint,
                )
                continue
            if isinstance(accessor, BackendError):
                raise accessor
            if accessor:
                ref = TokenRef(self.name, APPROLE, place.id_of(accessor))
                how = f"look-up in the role {place.role}"
                matches.append(Match(ref, how, await self._reader.read(ref)))
        if refused is not None and not matches:
            raise refused
        return tuple(matches)

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The calls for a verb, with a hazard where the console's own credential would end too."""
        proposal = await actions.propose(self._reader, verb, token)
        if verb is not Verb.RESTORE and await self._is_own(verb, token):
            hazard = Hazard(
                code="own-credential",
                text="The console's own credential would end with it.",
                fatal=True,
            )
            return msgspec.structs.replace(proposal, hazards=(hazard, *proposal.hazards))
        return proposal

    async def _is_own(self, verb: Verb, token: Token) -> bool:
        """Whether a verb on the token would stop what the console itself works with."""
        records = await self._own_lately()
        entities = {mapping.text(record, "entity_id") for record in records} - {""}
        principal = token.principal.value
        # What is contained is the entity, and with it all that it has.
        if verb is Verb.CONTAIN and principal is not None and principal.id in entities:
            return True
        own = self._own_refs(*records)
        if token.ref in own:
            return True
        # The token's name in the audit log is known by now, even where its neighbours' are not.
        # What it makes of a service token's children was read a moment ago.
        looked = verb in (Verb.REVOKE, Verb.ROTATE) and token.ref.kind == SERVICE
        return token.ref in await self._reader.ancestors(own, scanned=looked)

    async def perform(self, step: Step) -> Outcome:
        """Make the one call of a step."""
        return await actions.perform(self._reader, step)

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """What a lost answer has left behind, by the intent in its metadata.

        Raises:
            BackendError: a part could not be looked at, so that nobody can tell.
        """
        return await rotate.minted(self._reader, step, intent_id, since)

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Try a value: a token looks itself up, a secret-id logs in.

        Raises:
            Unsupported: for another kind.
        """
        if ref.kind == APPROLE:
            place, accessor = mapping.place_of(ref.id)
            return await self._probe_secret_id(place, accessor, secret)
        if ref.kind != SERVICE:
            raise Unsupported(f"OpenBao has no tokens of the kind {ref.kind}")
        accepted = await self._client.accepts(secret)
        return ProbeResult(accepted, "it may ask for itself" if accepted else "permission denied")

    async def _probe_secret_id(
        self, place: SecretIdPlace, accessor: str, secret: Secret
    ) -> ProbeResult:
        """Look the value up: a login would make a token, and cost a use.

        The server asks the same store for a login, so a value that is not in it is refused.
        """
        try:
            found = await self._client.find_secret_id(place.ns, place.mount, place.role, secret)
        except ServerFault as error:
            if "does not exist" in str(error):
                return ProbeResult(False, "its role is gone")
            raise
        if found and found != accessor:
            raise BackendError("the value belongs to another secret-id", "Identify it first.")
        if found:
            return ProbeResult(True, "the role knows the value; no login was tried")
        return ProbeResult(False, "the role does not know the value")


def _address(url: object) -> str:
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("url is not an address", "Write it as https://host:8200.", "url")
    if parts.username or parts.password or parts.query:
        raise ConfigError("url holds more than an address", "Write it as https://host:8200.", "url")
    return str(url).rstrip("/").removesuffix("/v1")


def _trust(ca_file: object, verify: bool) -> bool | ssl.SSLContext:
    if not ca_file:
        return verify
    try:
        return ssl.create_default_context(cafile=str(Path(str(ca_file)).expanduser()))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use ca_file: {error.strerror or error}", option="ca_file"
        ) from None


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else ["approle"]


def _namespace(name: str) -> str:
    name = name.strip("/")
    return "" if name in ("", "root") else f"{name}/"
