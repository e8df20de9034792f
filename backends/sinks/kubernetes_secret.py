"""Delivers a value into one key of a Kubernetes Secret.

``PATCH`` with a JSON merge patch (RFC 7396), so that the server changes the one key and no
other, whatever is written beside it at the same moment.

No Kubernetes runs where this was built: the request was checked against the published
OpenAPI description (``patchCoreV1NamespacedSecret``, ``io.k8s.api.core.v1.Secret``) with a
small server of the tests' own, and against no cluster. RBAC: ``get`` and ``patch`` on the
one secret (``resourceNames``).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, ClassVar

import msgspec

from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step
from backends.errors import BackendError, BadAnswer, ConfigError, NotFound, Refused
from backends.http import Http
from backends.model import Secret, Token
from backends.sinks import web
from backends.sinks.contract import NEW_VALUE, Sink, SinkConfig, ended

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
ASKED = "?fieldManager=token-console&fieldValidation=Strict"
"""Who wrote the key (``managedFields``), and that a misspelt field is an error."""
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


class KubernetesSecret(Sink):
    """One key of a Secret that is there already."""

    type_name = "kubernetes_secret"
    title = "Kubernetes Secret"
    options = (
        *web.OPTIONS,
        Option("namespace", "The namespace of the Secret.", required=True),
        Option("secret", 'The name of the Secret: "payments-{name}".', required=True),
        Option("key", "The key that holds the value.", required=True),
    )
    takes_credential = True
    needs_credential = True
    notes: ClassVar[tuple[str, ...]] = (
        "Checked against the published OpenAPI description, not against a cluster.",
        "Pods that take the key as an environment variable see it after a restart only.",
    )

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        self._url = web.address(config.options["url"])
        self._verify = web.trust(config.options["ca_file"])
        if not NAME.fullmatch(config.options["namespace"]):
            raise ConfigError(f"namespace of the sink {self.name} is none", option="namespace")
        self._door: Http | None = None

    async def open(self) -> None:
        """Make ready a client with the credential to write."""
        write = self.credential()
        self._door = Http(
            self._url,
            lambda: {"Authorization": f"Bearer {write.reveal()}"},
            timeout=self.config.options["timeout"],
            parallel=4,
            verify=self._verify,
            request_id="audit-id",
            send_id="Audit-ID",
        )

    async def close(self) -> None:
        """Close the client."""
        if self._door is not None:
            await self._door.close()
            self._door = None

    @property
    def _http(self) -> Http:
        if self._door is None:
            raise BackendError(f"the sink {self.name} is not open")
        return self._door

    @property
    def retry(self) -> Retry:
        """Free: a patch with the same value changes nothing more."""
        return Retry.FREE

    def call(self, token: Token) -> Call:
        """One patch of one key of a Secret.

        Raises:
            ConfigError: the expanded name or key is none that Kubernetes takes.
        """
        options = self.config.options
        secret = self.expand(options["secret"], token, "secret")
        key = self.expand(options["key"], token, "key")
        for option, word, rule in (("secret", secret, NAME), ("key", key, KEY)):
            if not rule.fullmatch(word):
                raise ConfigError(
                    f"Kubernetes takes no {option} {word!r}",
                    "Use {handle} in it, which is always hexadecimal.",
                    option=option,
                )
        path = f"/api/v1/namespaces/{options['namespace']}/secrets/{secret}{ASKED}"
        return Call("http", "PATCH", path, {"key": key, "value": NEW_VALUE, "server": self._url})

    async def check(self, step: Step) -> str:
        """Whether the Secret is there and may be changed.

        Raises:
            Refused: it is immutable.
        """
        secret = await self._secret(step.call)
        if secret.get("immutable") is True:
            raise Refused(
                "the Secret is immutable: its keys cannot be changed",
                "Make a new Secret and point the consumers to it.",
            )
        there = (
            isinstance(secret.get("data"), dict) and step.call.arguments["key"] in secret["data"]
        )
        return "" if there else "the Secret has no such key yet; it is added"

    async def _secret(self, call: Call) -> dict[str, Any]:
        if told := web.elsewhere(call, self._url):
            raise ConfigError(told, option="url")
        secret = (await self._http.get(call.target.partition("?")[0])).data
        if not isinstance(secret, dict) or secret.get("kind") != "Secret":
            raise BadAnswer("the answer is not a Kubernetes Secret")
        return secret

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        if told := web.elsewhere(call, self._url):
            return ended(OutcomeState.NOT_SENT, told)
        coded = base64.b64encode(value.reveal().encode()).decode()
        body = {"data": {call.arguments["key"]: coded}}

        def judge(answer: Any, outcome: Outcome) -> Outcome:
            if not isinstance(answer, dict) or answer.get("kind") != "Secret":
                return msgspec.structs.replace(
                    outcome, state=OutcomeState.UNKNOWN, detail="the answer is not a Secret"
                )
            told = answer.get("metadata")
            version = told.get("resourceVersion") if isinstance(told, dict) else None
            return msgspec.structs.replace(outcome, detail=f"resourceVersion {version}")

        return await self._http.change(call, body=body, headers=MERGE_PATCH, judge=judge)

    async def read(self, step: Step) -> Secret | None:
        """The key's value, decoded; None where there is no such Secret or key."""
        try:
            data = (await self._secret(step.call)).get("data")
        except NotFound:
            return None
        coded = data.get(step.call.arguments["key"]) if isinstance(data, dict) else None
        if not isinstance(coded, str):
            return None
        try:
            return Secret(base64.b64decode(coded, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            raise BadAnswer("what the key holds is not text") from None
