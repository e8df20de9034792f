"""Delivers a value into a secret of AWS Secrets Manager, whole or under one key of its JSON.

``PutSecretValue`` with the intent's id as ``ClientRequestToken``: that becomes the id of the
new version, and the service takes a second request with the same token and value for the
same one. The version before stays, under the label ``AWSPREVIOUS``.

With ``key``, the present document is read, the key put in, and all of it written: the service
has no condition on a write. So afterwards it is looked which version was ``AWSPREVIOUS``; if
it is not the one that was read, somebody wrote in between, and the outcome says which version
has their change. Source: the Secrets Manager API reference. Permissions:
``secretsmanager:PutSecretValue``, ``GetSecretValue`` and ``DescribeSecret`` on the secret.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, ClassVar

import boto3
import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from backends import permit
from backends.aws_iam import faults
from backends.aws_iam.client import ALONE, ATTEMPTS, MODELS, KeyPair
from backends.aws_iam.door import astray
from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step
from backends.errors import BackendError, BadAnswer, ConfigError, NoIntent, NotFound, Refused
from backends.model import Secret, Token
from backends.sinks import web
from backends.sinks.contract import INTENT, NEW_VALUE, Sink, SinkConfig, ended, without

SERVICE = "secretsmanager"
READS = frozenset({"GetSecretValue", "DescribeSecret"})
PUT = "PutSecretValue"
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class AwsSecret(Sink):
    """One secret, or one key of its JSON document."""

    type_name = "aws_secret"
    title = "AWS Secrets Manager"
    options = (
        Option("secret", 'The name or ARN of the secret: "payments/{name}".', required=True),
        Option("region", "The region, such as eu-central-1.", required=True),
        Option("key", "The key of a JSON document that holds the value; else it is the whole."),
        Option("endpoint_url", "Another endpoint than the region's own."),
        Option("timeout", "Seconds to wait for an answer.", float, 20.0),
    )
    takes_credential = True
    needs_credential = True
    keeps_prior: ClassVar[bool] = True
    prior: ClassVar[str] = "The version before stays under the label AWSPREVIOUS."

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        endpoint = config.options["endpoint_url"]
        self._endpoint = web.address(endpoint) if endpoint else None
        self._key: str = config.options["key"] or ""
        self._pair = KeyPair(config.write, "write") if config.write is not None else None
        self._cleared: dict[str, str] = {}
        """The secret that each spent permit is for, by the intent's id."""
        self._clients: dict[int, Any] = {}
        self._making = asyncio.Lock()

    @property
    def retry(self) -> Retry:
        """Free: AWS takes the same version id (the intent's) with the same value once."""
        return Retry.FREE

    def call(self, token: Token) -> Call:
        """One ``PutSecretValue``, of the whole secret or of one key of its document."""
        secret = self.expand(self.config.options["secret"], token, "secret")
        arguments = {"SecretId": secret, "SecretString": NEW_VALUE, "ClientRequestToken": INTENT}
        if self._key:
            key = self.expand(self._key, token, "key")
            arguments["SecretString"] = "<the present document, with one key changed>"
            arguments[f"SecretString.{key}"] = NEW_VALUE
        return Call("aws", PUT, self._place, arguments)

    @property
    def _place(self) -> str:
        where = self._endpoint or f"https://{SERVICE}.{self.config.options['region']}"
        return f"{SERVICE} {self.config.options['region']} ({where})"

    @staticmethod
    def _key_of(call: Call) -> str:
        keys = [name for name in call.arguments if name.startswith("SecretString.")]
        return keys[0].partition(".")[2] if keys else ""

    async def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    async def check(self, step: Step) -> str:
        """Whether the secret is there and takes a value, and what else AWS does with it.

        Raises:
            Refused: it is a replica, or is to be deleted.
        """
        secret = self._planned(step.call)
        about = await self._ask("DescribeSecret", SecretId=secret)
        if about.get("DeletedDate"):
            raise Refused(
                "the secret is scheduled for deletion", "aws secretsmanager restore-secret"
            )
        if (
            about.get("PrimaryRegion", self.config.options["region"])
            != self.config.options["region"]
        ):
            raise Refused(
                "the secret is a replica, which takes no values",
                f"Name the region of the original: {about['PrimaryRegion']}.",
            )
        notes = []
        if about.get("RotationEnabled"):
            notes.append("AWS rotates this secret by itself, and may replace the value again")
        if self._key_of(step.call):
            await self._document(secret)
        versions = about.get("VersionIdsToStages") or {}
        if not any(CURRENT in stages for stages in versions.values()):
            notes.append("the secret has no value yet")
        return "; ".join(notes)

    def _planned(self, call: Call) -> str:
        """The secret of a planned call, which must be for the configured place."""
        if call.target != self._place:
            raise ConfigError(f"it was planned for {call.target}, and the sink has moved")
        return call.arguments["SecretId"]

    async def _document(self, secret: str) -> tuple[dict[str, Any], str]:
        """The present JSON document, and the id of its version."""
        present = await self._ask("GetSecretValue", SecretId=secret, VersionStage=CURRENT)
        try:
            document = json.loads(present.get("SecretString") or "")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Refused(
                "the secret's present value is no JSON object, so it has no keys",
                "Leave out key, or store an object first.",
            )
        return document, str(present.get("VersionId", ""))

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        intent = permit.spend(call)
        text, version, others = value.reveal(), "", []
        try:
            secret = self._planned(call)
            if key := self._key_of(call):
                document, version = await self._document(secret)
                others = [Secret(str(held)) for held in document.values() if len(str(held)) >= 4]
                text = json.dumps({**document, key: text}, ensure_ascii=False)
        except BackendError as error:
            return ended(OutcomeState.NOT_SENT, error.message)
        outcome = await self._put(secret, text, intent)
        if version and outcome.state is OutcomeState.APPLIED:
            told = await self._overtaken(secret, intent, version)
            outcome = ended(outcome.state, f"{outcome.detail}{told}", outcome.status)
        return ended(outcome.state, without(outcome.detail, others), outcome.status)

    async def _put(self, secret: str, text: str, intent: str) -> Outcome:
        arguments = {"SecretId": secret, "SecretString": text, "ClientRequestToken": intent}
        self._cleared[intent] = secret
        try:
            answer = await self._threaded(PUT, 1, arguments)
        except NoIntent:
            raise
        except ClientError as error:
            fault = faults.AwsFault(error)
            return ended(faults.answered(fault), fault.reason, fault.line)
        except Exception as error:  # noqa: BLE001
            # Whatever it was, the runner needs an outcome to write down.
            return ended(*faults.ending(error))
        finally:
            self._cleared.pop(intent, None)
        status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if answer.get("VersionId") != intent:
            return ended(OutcomeState.UNKNOWN, "the answer names another version", status)
        return ended(OutcomeState.APPLIED, f"version {intent}", status)

    async def _overtaken(self, secret: str, intent: str, version: str) -> str:
        """Whether somebody else wrote between our reading and our writing."""
        try:
            about = await self._ask("DescribeSecret", SecretId=secret)
        except BackendError:
            return "; whether somebody else wrote meanwhile could not be seen"
        for id_, stages in (about.get("VersionIdsToStages") or {}).items():
            if PREVIOUS in stages and id_ not in (version, intent):
                return f"; somebody else wrote meanwhile: see version {id_} for their change"
        return ""

    async def read(self, step: Step) -> Secret | None:
        """The secret's current version, or the one key of its document."""
        secret = self._planned(step.call)
        try:
            if key := self._key_of(step.call):
                held = (await self._document(secret))[0].get(key)
                return None if held is None else Secret(str(held))
            answer = await self._ask("GetSecretValue", SecretId=secret, VersionStage=CURRENT)
        except NotFound:
            return None
        if not isinstance(answer.get("SecretString"), str):
            raise BadAnswer("the secret's present value is not text")
        return Secret(answer["SecretString"])

    async def _ask(self, operation: str, **arguments: str) -> dict[str, Any]:
        try:
            return await self._threaded(operation, ATTEMPTS, arguments)
        except ClientError as error:
            if faults.AwsFault(error).code == "ResourceNotFoundException":
                raise NotFound(
                    f"{SERVICE} {operation}: there is no such secret, or no such version",
                    "Create the secret first: aws secretsmanager create-secret.",
                ) from None
            raise faults.meaning(error, SERVICE, operation) from None
        except faults.UNREADABLE as error:
            raise faults.meaning(error, SERVICE, operation) from None

    async def _threaded(
        self, operation: str, attempts: int, arguments: dict[str, str]
    ) -> dict[str, Any]:
        async with self._making:
            if attempts not in self._clients:
                self._clients[attempts] = await asyncio.to_thread(self._client, attempts)
        method: Callable[..., dict[str, Any]] = getattr(
            self._clients[attempts], xform_name(operation)
        )
        work = functools.partial(copy_context().run, functools.partial(method, **arguments))
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def _client(self, attempts: int) -> Any:
        if self._pair is None:
            raise BackendError(f"the sink {self.name} is not open")
        for library in ("boto3", "botocore", "urllib3"):
            # Their debug lines hold bodies and signed headers.
            logger = logging.getLogger(library)
            logger.setLevel(max(logger.level, logging.INFO))
        core = botocore.session.Session(session_vars=dict(ALONE))
        core.register_component("data_loader", MODELS)
        core.get_component("event_emitter").register_first("before-send", self._guard)
        token = self._pair.token.reveal() if self._pair.token else None
        core.set_credentials(self._pair.id, self._pair.secret.reveal(), token)
        timeout = self.config.options["timeout"]
        more: dict[str, Any] = {"ignore_configured_endpoint_urls": True}
        return boto3.Session(botocore_session=core).client(
            "secretsmanager",
            region_name=self.config.options["region"],
            endpoint_url=self._endpoint,
            config=Config(
                user_agent_extra="token-console/0.1",
                connect_timeout=min(timeout, 10.0),
                read_timeout=timeout,
                retries={"mode": "standard", "total_max_attempts": attempts},
                proxies={} if self._endpoint and self._endpoint.startswith("http:") else None,
                **more,
            ),
        )

    def _guard(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Lets reads pass, and of changes only the one whose permit was spent."""
        operation = _text(request.headers.get("X-Amz-Target")).rpartition(".")[2]
        if operation in READS:
            return
        asked = json.loads(_text(request.body) or "{}") if operation == PUT else {}
        planned = self._cleared.pop(str(asked.get("ClientRequestToken", "")), None)
        if planned is None or asked.get("SecretId") != planned:
            raise NoIntent(f"{SERVICE} {operation} was about to leave without an intent")
        if why := astray(request, self._endpoint or ""):
            raise NoIntent(f"{SERVICE} {operation} is not sent: {why}")


def _text(value: Any) -> str:
    return bytes(value).decode() if isinstance(value, bytes | bytearray) else str(value or "")
