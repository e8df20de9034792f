"""The ``aws_iam`` backend: one AWS account's access keys behind the contract."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from backends import permit
from backends.aws_iam import actions, declared, ids, listing, rotation
from backends.aws_iam.bulk import Bulk
from backends.aws_iam.client import Aws, KeyPair
from backends.aws_iam.keys import KIND, Keys
from backends.aws_iam.lookup import Lookup
from backends.aws_iam.people import Everybody, People
from backends.aws_iam.policies import decide
from backends.aws_iam.policies import read as policies
from backends.aws_iam.trail import EventHistory, home
from backends.contract import (
    VERSION,
    Backend,
    BackendConfig,
    Capabilities,
    Health,
    Match,
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
    CredentialError,
    Forbidden,
    NotFound,
)
from backends.model import (
    AuditEvent,
    Dependents,
    Found,
    Gap,
    Secret,
    Token,
    TokenRef,
)
from backends.permissions import Answer, Permissions

REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
MAX_MATCHES = 8
"""Key ids of one pasted text that are looked up."""


class AwsIam(Backend):
    """Long-lived access keys of the IAM users of one account.

    The credential is the text ``ACCESS_KEY_ID:SECRET``, or
    ``ACCESS_KEY_ID:SECRET:SESSION_TOKEN`` for a temporary one. Keys are listed in sixteen
    scopes (``ids.shard_of`` says why).
    """

    contract = VERSION
    type_name = "aws_iam"
    title = "AWS IAM"
    # The credential may come from boto3's own chain instead; __init__ looks after it.
    needs_credential = False
    options = declared.OPTIONS

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        options = {option.name: option.default for option in self.options} | dict(config.options)
        self._options = options
        self._check()
        read = KeyPair(config.read, "read") if config.read else None
        self._aws = self._way(read, str(options["profile"]))
        self._act = self._way(KeyPair(config.act, "act")) if config.act else None
        regions = (options["region"], home(options["region"]), *options["trail_regions"])
        self._trail = EventHistory(self._aws, self.name, KIND, regions)
        self._account = ""
        self._lookup = Lookup(self._aws, self._keys(""))
        self._everybody = Everybody(self._aws)
        self._bulk = Bulk(self._aws, self._lookup)
        self._declared = declared.capabilities()

    def _check(self) -> None:
        options = self._options
        chain = bool(options["profile"]) or options["use_default_chain"]
        if self.config.read is None and not chain:
            raise CredentialError(
                f"{self.name} has no credential to read with",
                'Add read = { file = "PATH" } or { env = "NAME" } that holds ACCESS_KEY_ID:SECRET, '
                "or a profile, or use_default_chain = true.",
                option="read",
            )
        if self.config.read is not None and chain:
            raise ConfigError(
                f"{self.name} has two credentials to read with",
                "Keep `read`, or `profile` or `use_default_chain`, not both.",
                option="profile" if options["profile"] else "use_default_chain",
            )
        for name in ("region", "trail_regions"):
            given = options[name] if isinstance(options[name], list) else [options[name]]
            if not all(REGION.fullmatch(region) for region in given):
                raise ConfigError(f"{name} must hold regions like eu-west-1", option=name)
        endpoint = urlsplit(options["endpoint_url"])
        if options["endpoint_url"] and (
            endpoint.scheme not in ("http", "https") or not endpoint.hostname
        ):
            raise ConfigError("endpoint_url must be like https://host:port", option="endpoint_url")
        if not 0 < options["timeout"] <= 600:
            raise ConfigError("timeout must be over 0 and at most 600 seconds", option="timeout")
        if not 1 <= options["parallel"] <= 64:
            raise ConfigError("parallel must be from 1 to 64", option="parallel")

    def _way(self, pair: KeyPair | None, profile: str = "") -> Aws:
        return Aws(
            pair,
            region=self._options["region"],
            endpoint_url=self._options["endpoint_url"],
            profile=profile,
            timeout=self._options["timeout"],
            parallel=self._options["parallel"],
        )

    async def close(self) -> None:
        """Close the clients of both credentials."""
        await self._aws.close()
        if self._act:
            await self._act.close()

    def capabilities(self) -> Capabilities:
        """What can be done with access keys, and what of AWS cannot be listed at all."""
        return self._declared

    async def health(self) -> Health:
        """Ask STS who one is, which needs no right; the answer's ``Date`` gives the skew."""
        before = datetime.now(UTC)
        started = time.monotonic()
        answer = await self._identity(self._aws)
        elapsed = time.monotonic() - started
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        middle = before + timedelta(seconds=elapsed / 2)
        return Health(
            version="IAM API 2010-05-08",
            latency_ms=int(elapsed * 1000),
            skew=_skew(str(headers.get("date", "")), middle),
            notes=(f"account {answer['Account']}", f"region {self._aws.region}"),
        )

    async def whoami(self) -> WhoAmI:
        """The users or roles behind the two credentials, and their access keys."""
        own: list[TokenRef] = []
        principals: list[str] = []
        names: list[str] = []
        expiries: list[datetime] = []
        for way in (self._aws, self._act):
            if way is None:
                continue
            answer = await self._identity(way)
            key_id, expires_at = await way.key_id()
            # A session's key (ASIA) is of a kind that nobody can list.
            kind = KIND if key_id.startswith("AKIA") else "session"
            own.append(TokenRef(self.name, kind, key_id))
            names.append(str(answer["Arn"]))
            # A role's id is followed by the session's name.
            role_or_user = str(answer["UserId"]).partition(":")[0]
            principals += [str(answer["UserId"]), role_or_user, str(answer["Arn"])]
            if expires_at:
                expiries.append(expires_at)
        return WhoAmI(
            name=" and ".join(dict.fromkeys(names)),
            own=tuple(dict.fromkeys(own)),
            principals=tuple(dict.fromkeys(principals)),
            expires_at=min(expiries, default=None),
            can_act=self._act is not None,
        )

    async def inventory(self) -> AsyncIterator[Found]:
        """Stream the account's access keys, user by user."""
        account = await self._of_account()
        async for found in listing.inventory(self._aws, self._trail, self._keys(account), account):
            yield found

    async def read(self, ref: TokenRef) -> Token:
        """One key, from the listing of its user's keys and its last use.

        Raises:
            NotFound: AWS has no such key any more.
        """
        now = datetime.now(UTC)
        keys = self._keys(await self._of_account())
        name, use = await self._lookup.find(ref.id, now)
        listed = await keys.of_user(name)
        key = next((key for key in listed if key.get("AccessKeyId") == ref.id), None)
        if key is None:
            raise NotFound(f"the user {name} has no access key {ref.id}")
        user = await People(self._aws).one(name, self._everybody)
        creators = await self._trail.lately(now)
        return keys.token(user, key, len(listed), use, creators)

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        """Many keys, with one listing of what all users may do, and one of each user's keys."""
        now = datetime.now(UTC)
        creators = await self._trail.lately(now)
        return await self._bulk.read(self._keys(await self._of_account()), refs, creators, now)

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        """The keys that are missing in the list of their user's keys."""
        return await self._bulk.gone(self._keys(await self._of_account()), tokens)

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """CloudTrail's event history, which keeps 90 days of changes."""
        async for event in self._trail.events(since, until):
            yield event

    async def dependents(self, ref: TokenRef) -> Dependents:
        """From where CloudTrail saw the key used, and what it cannot tell."""
        return await self._trail.dependents(ref)

    async def permissions(self, token: Token) -> Permissions:
        """What the policies of the key's user, of its groups and its boundary let it do.

        Raises:
            NotFound: there is no such key, or no such user, any more.
        """
        principal = token.principal.value
        user = principal.name if principal else ""
        account = await self._of_account()
        try:
            # The user may have been renamed since the token was read.
            user, _ = await self._lookup.find(token.ref.id, datetime.now(UTC))
        except (Forbidden, NotFound) as error:
            if await self._is_root(token.ref):
                return policies.of_root(token.ref)
            if isinstance(error, NotFound) or not user:
                raise
        return await policies.permissions(self._aws, token.ref, user, account)

    def permits(self, permissions: Permissions, action: str, resource: str) -> Answer:
        """By IAM's order of evaluation; what "allowed" and "denied" mean: ``policies.decide``."""
        return decide.permits(permissions, action, resource)

    async def identify(self, secret: Secret) -> tuple[Match, ...]:
        """Looks for access key ids in the text; the secret part is sent nowhere."""
        found = dict.fromkeys(ids.KEY_ID.findall(secret.reveal()))
        matches: list[Match] = []
        for id_ in list(found)[:MAX_MATCHES]:
            ref = self._ref(id_)
            try:
                token = await self.read(ref)
            except NotFound:
                continue
            matches.append(Match(ref, "it holds the access key id", token))
        return tuple(matches)

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        """The call for a verb, with hazards from the user's other keys and free places."""
        now = datetime.now(UTC)
        principal = token.principal.value
        user = principal.name if principal else ""
        listed: list[Mapping[str, Any]] | None = []
        keys = self._keys(await self._of_account())
        try:
            at_hand = self._bulk.at_hand(token.ref)
            if at_hand is not None:
                user, listed = at_hand.user, at_hand.listed
            else:
                # The user may have been renamed since the token was read.
                user, _ = await self._lookup.find(token.ref.id, now)
                listed = await keys.of_user(user)
        except NotFound:
            pass
        except Forbidden:
            if not user:
                raise
            listed = None
        if verb is Verb.ROTATE:
            slots = await rotation.slots(keys, listed, token.ref.id, now)
            return rotation.propose(token, user, slots, now)
        return actions.propose(verb, token, user, listed, now)

    async def perform(self, step: Step) -> Outcome:
        """Make the one call of a step; a deletion of what is gone is confirmed by reading."""
        if self._act is None:
            permit.spend(step.call)
            return Outcome(
                state=OutcomeState.NOT_SENT, detail="there is no credential to act with (act)"
            )
        outcome = await self._act.change(step.call, self._ref)
        gone = outcome.state is OutcomeState.REJECTED and "NoSuchEntity" in outcome.status
        if not gone or step.call.method != "DeleteAccessKey":
            return outcome
        return await self._confirmed_gone(step, outcome)

    async def minted(self, step: Step, intent_id: str, since: datetime) -> tuple[TokenRef, ...]:
        """The user's keys that a lost answer has left behind, with AWS's clock allowed for."""
        # SigV4 lets the clocks differ by five minutes, and CreateDate is by AWS's own.
        now = await self.health()
        skew = now.skew or timedelta()
        # One second is what the rounding alone makes; half the round trip may be wrong, too.
        skew = skew if abs(skew) > timedelta(seconds=1) else timedelta()
        skew -= timedelta(milliseconds=now.latency_ms / 2)
        keys = self._keys(await self._of_account())
        found = await rotation.left_behind(keys, self._trail, step, intent_id, since, skew)
        return tuple(self._ref(id_) for id_ in found)

    async def probe(self, ref: TokenRef, secret: Secret) -> ProbeResult:
        """Asks STS who the pair is, which needs no permission and works for every live key.

        ``secret`` is the whole ``ACCESS_KEY_ID:SECRET``.
        """
        try:
            pair = KeyPair(secret, "the value to try")
        except CredentialError:
            return ProbeResult(None, "only ACCESS_KEY_ID:SECRET can be tried")
        if pair.id != ref.id:
            return ProbeResult(None, "the value belongs to another key")
        way = self._way(pair)
        try:
            await self._identity(way)
        except AuthFailed as error:
            return ProbeResult(False, error.message)
        except BackendError as error:
            return ProbeResult(None, error.message)
        finally:
            await way.close()
        return ProbeResult(True, "STS names its principal")

    def _ref(self, key_id: str) -> TokenRef:
        return TokenRef(self.name, KIND, key_id)

    async def _confirmed_gone(self, step: Step, outcome: Outcome) -> Outcome:
        """NoSuchEntity means "already" only when a read shows so too."""
        try:
            await self._lookup.find(step.token.id, datetime.now(UTC))
        except NotFound:
            detail = "it was gone before, as a read confirms"
            state = OutcomeState.ALREADY
        except BackendError as error:
            detail = f"AWS knows no such key; no read confirmed it ({error.message})"
            state = OutcomeState.REJECTED
        else:
            detail = "AWS refused it as unknown, and still lists it"
            state = OutcomeState.REJECTED
        return Outcome(
            state=state,
            status=outcome.status,
            request_id=outcome.request_id,
            elapsed_ms=outcome.elapsed_ms,
            detail=detail,
        )

    async def _identity(self, way: Aws) -> dict[str, Any]:
        answer = await way.ask("sts", "GetCallerIdentity", attempts=1)
        for name in ("Account", "Arn", "UserId"):
            if not answer.get(name):
                raise BadAnswer(f"the answer to sts GetCallerIdentity has no {name}")
        return answer

    async def _is_root(self, ref: TokenRef) -> bool:
        """Whether it is a key of the root user. Only for our own can that be found out."""
        for way in (self._aws, self._act):
            if way is not None and (await way.key_id())[0] == ref.id:
                return str((await self._identity(way))["Arn"]).endswith(":root")
        return False

    async def _of_account(self) -> str:
        if not self._account:
            self._account = str((await self._identity(self._aws))["Account"])
        return self._account

    def _keys(self, account: str) -> Keys:
        options = self._options
        return Keys(self._aws, self.name, account, options["owner_tags"], options["parallel"])


def _skew(date: str, ours: datetime) -> timedelta | None:
    """How far AWS's clock is ahead of ours; its Date header has whole seconds."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    off = theirs + timedelta(seconds=0.5) - ours if theirs.tzinfo else None
    return None if off is None else timedelta(seconds=round(off.total_seconds()))
