"""AWS through boto3, in threads of a bounded number, behind the door."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import botocore.loaders
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from backends import permit
from backends.aws_iam import door, faults
from backends.contract import Call, Outcome, OutcomeState
from backends.errors import BadAnswer, ConfigError, CredentialError, NoIntent
from backends.model import Secret, TokenRef

T = TypeVar("T")

ATTEMPTS = 4
"""How often a patient read is tried in all; a change is sent once."""

MODELS = botocore.loaders.create_loader()
"""The services' descriptions, which take longer to read than most calls: once a process."""

ALONE: Mapping[str, tuple[None, None, str | None, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Session variables that keep AWS_PROFILE and ~/.aws out: our own file names the credential."""


class KeyPair:
    """A credential text taken apart: ``ACCESS_KEY_ID:SECRET`` or ``...:SESSION_TOKEN``.

    Raises:
        CredentialError: the text has another form.
    """

    __slots__ = ("id", "secret", "token")

    def __init__(self, text: Secret, option: str) -> None:
        parts = text.reveal().strip().split(":")
        if len(parts) not in (2, 3) or not all(parts):
            raise CredentialError(
                f"the credential behind {option} has not the form ACCESS_KEY_ID:SECRET",
                "Store both parts on one line with a colon between them; a temporary "
                "credential adds :SESSION_TOKEN.",
                option=option,
            )
        self.id = parts[0]
        self.secret = Secret(parts[1])
        self.token = Secret(parts[2]) if len(parts) == 3 else None


class Aws:
    """One credential's way to AWS. Nothing is contacted before the first call.

    ``pair`` None takes boto3's own chain (``profile``, environment, SSO, instance role).
    """

    def __init__(
        self,
        pair: KeyPair | None,
        *,
        region: str,
        endpoint_url: str = "",
        profile: str = "",
        timeout: float = 20.0,
        parallel: int = 8,
    ) -> None:
        self.region = region
        self._pair = pair
        self._endpoint = endpoint_url
        self._profile = profile
        self._timeout = timeout
        self._parallel = parallel
        self._making = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str, int], Any] = {}
        self._pool: ThreadPoolExecutor | None = None

    async def close(self) -> None:
        """Drop what has not begun, and give the connections back. It can be used again."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        with self._making:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    async def ask(
        self, service: str, operation: str, *, attempts: int = ATTEMPTS, **arguments: Any
    ) -> dict[str, Any]:
        """The answer to a reading operation, tried ``attempts`` times in all.

        Raises:
            BackendError: as :func:`faults.meaning` tells.
        """
        return await self.ask_in(self.region, service, operation, attempts, **arguments)

    async def ask_in(
        self, region: str, service: str, operation: str, attempts: int, **arguments: Any
    ) -> dict[str, Any]:
        """The same, in a region of its own choice."""

        def work() -> dict[str, Any]:
            client = self.client(service, region, attempts)
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**arguments)
            return answer

        try:
            return await self._threaded(work)
        except (ClientError, *faults.UNREADABLE) as error:
            # The original's text may repeat the request, so it is not chained.
            raise faults.meaning(error, service, operation) from None

    async def change(self, call: Call, named: Callable[[str], TokenRef]) -> Outcome:
        """Send a planned call once, under the active permit. Raises only ``NoIntent``.

        A secret in the answer goes to the permit, under the ref that ``named`` makes of the
        key's id, and nowhere else.
        """
        started = time.monotonic()

        def outcome(
            state: OutcomeState, status: str = "", detail: str = "", id_: str = ""
        ) -> Outcome:
            elapsed = int((time.monotonic() - started) * 1000)
            return Outcome(
                state=state, status=status, detail=detail, request_id=id_, elapsed_ms=elapsed
            )

        if call.transport != "aws" or call.method not in door.CHANGES.get(call.target, ()):
            permit.spend(call)
            return outcome(OutcomeState.NOT_SENT, detail="no call that this backend makes")

        def work() -> dict[str, Any]:
            client = self.client(call.target, self.region, 1)
            answer: dict[str, Any] = getattr(client, xform_name(call.method))(**call.arguments)
            if call.method == door.MINT:
                # Here and not after the thread: whoever waits for it may have been cancelled.
                _hand_over(answer, named)
            meta: dict[str, Any] = answer.get("ResponseMetadata", {})
            return meta

        try:
            meta = await self._threaded(work)
        except NoIntent:
            raise
        except ClientError as error:
            fault = faults.AwsFault(error)
            state = faults.answered(fault)
            return outcome(state, fault.line, fault.reason, fault.request_id)
        except Exception as error:  # noqa: BLE001
            # Whatever it was, the runner needs an outcome to write down.
            return outcome(*_unanswered(error))
        status, request_id = meta.get("HTTPStatusCode", ""), meta.get("RequestId", "")
        return outcome(OutcomeState.APPLIED, str(status), id_=str(request_id))

    async def key_id(self) -> tuple[str, datetime | None]:
        """The access key id in use, and when it expires where it is temporary."""

        def work() -> tuple[str, datetime | None]:
            found = self.session()._session.get_credentials()
            if found is None:
                return "", None
            expires_at = getattr(found, "_expiry_time", None)
            return found.get_frozen_credentials().access_key, expires_at and utc(expires_at)

        try:
            return await self._threaded(work)
        except (ClientError, BotoCoreError) as error:
            raise faults.meaning(error, "sts", "login") from None

    async def _threaded(self, work: Callable[[], T]) -> T:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._parallel, thread_name_prefix="aws")
        # The permit lives in the context, which a thread does not get by itself.
        run = functools.partial(copy_context().run, work)
        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def session(self) -> Any:
        """The boto3 session, with the door on its events.

        Raises:
            ConfigError: there is no such profile.
        """
        with self._making:
            return self._made_session()

    def _made_session(self) -> boto3.Session:
        if self._session is None:
            for library in ("boto3", "botocore", "urllib3"):
                # Their debug lines hold signed headers and session tokens.
                logger = logging.getLogger(library)
                logger.setLevel(max(logger.level, logging.INFO))
            alone = dict(ALONE) if self._pair else None
            core = botocore.session.Session(session_vars=alone)
            core.register_component("data_loader", MODELS)
            door.guard(
                core.get_component("event_emitter"),
                logins=self._pair is None,
                endpoint=self._endpoint,
            )
            if self._pair:
                token = self._pair.token.reveal() if self._pair.token else None
                core.set_credentials(self._pair.id, self._pair.secret.reveal(), token)
            if self._profile and self._profile not in core.available_profiles:
                raise ConfigError(
                    f"there is no AWS profile {self._profile!r}",
                    "List the profiles with: aws configure list-profiles",
                    option="profile",
                )
            self._session = boto3.Session(
                botocore_session=core,
                region_name=self.region,
                profile_name=self._profile or None,
            )
        return self._session

    def client(self, service: str, region: str, attempts: int) -> Any:
        """A client of boto3, made once. Making one is not thread-safe, using one is."""
        with self._making:
            key = (service, region, attempts)
            if key not in self._clients:
                self._clients[key] = self._made_session().client(
                    service,  # type: ignore[call-overload]
                    region_name=region,
                    endpoint_url=self._endpoint or None,
                    config=self._config(attempts),
                )
            return self._clients[key]

    def _config(self, attempts: int) -> Config:
        # The published stubs lag behind the library by an option.
        more: dict[str, Any] = {"ignore_configured_endpoint_urls": self._pair is not None}
        return Config(
            user_agent_extra="token-console/0.1",
            connect_timeout=min(self._timeout, 10.0),
            read_timeout=self._timeout,
            # Adaptive also slows down the whole client when AWS throttles.
            retries={
                "mode": "adaptive" if attempts > 1 else "standard",
                "total_max_attempts": attempts,
            },
            max_pool_connections=self._parallel,
            proxies={} if _on_loopback(self._endpoint) else None,
            **more,
        )


def _on_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "") in ("127.0.0.1", "::1", "localhost")


def _hand_over(answer: Mapping[str, Any], named: Callable[[str], TokenRef]) -> None:
    """Deliver the key that an answer holds.

    Raises:
        BadAnswer: it holds none, though one may have been made.
    """
    key = member(answer, "AccessKey", door.MINT)
    id_, secret = member(key, "AccessKeyId", door.MINT), member(key, "SecretAccessKey", door.MINT)
    permit.deliver(named(str(id_)), Secret(f"{id_}:{secret}"))


def _unanswered(error: Exception) -> tuple[OutcomeState, str, str]:
    state, why = faults.ending(error)
    return state, "", why


def utc(moment: datetime) -> datetime:
    """botocore gives times in the machine's own zone; the model wants UTC."""
    return moment.astimezone(UTC)


def member(answer: Mapping[str, Any], name: str, operation: str) -> Any:
    """A member that the operation's answer always has.

    Raises:
        BadAnswer: it is not there; a page of somebody else's parses as an empty answer.
    """
    if name not in answer:
        raise BadAnswer(f"the answer about {operation} has no {name}")
    return answer[name]
