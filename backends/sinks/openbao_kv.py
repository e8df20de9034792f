"""Delivers a value into one field of a secret in the KV engine, version 2 (OpenBao, Vault).

The other fields must survive, also when somebody else writes at the same moment. So the
write is a ``PATCH`` (JSON merge patch, RFC 7396): the server puts the one field into the
present version under its own lock, and no other field ever passes through the console.
With it goes ``cas``, the number of the version read right before, so that a change in
between is refused (400) instead of built upon unseen; a refused delivery changed nothing
and may be made again.

Where a policy gives no ``patch``, ``patch = false`` reads the secret, puts the field in and
writes all of it back. That is safe for the same reason: ``cas`` names the version that was
read, and the server refuses when it is not the present one any more. It needs to read the
other fields, so it is not the default; and it can create a secret (``cas`` 0), which
``PATCH`` cannot.

Source: the API page of the KV secrets engine, version 2. Policy: ``read`` and ``patch`` (or
``create`` and ``update``) on ``MOUNT/data/PATH``, and ``read`` on ``MOUNT/subkeys/PATH``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step
from backends.errors import AuthFailed, BackendError, BadAnswer, ConfigError, Forbidden, NotFound
from backends.http import Http
from backends.model import Secret, Token
from backends.paths import bent
from backends.sinks import web
from backends.sinks.contract import NEW_VALUE, Sink, SinkConfig, ended, without

CURRENT = "<current version>"
"""How a planned call shows the version that is read right before it is sent."""
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class OpenBaoKv(Sink):
    """One field of a KV v2 secret."""

    type_name = "openbao_kv"
    title = "OpenBao / Vault KV v2"
    options = (
        *web.OPTIONS,
        Option("path", 'The secret below the mount: "payments/{name}".', required=True),
        Option("field", "The field that holds the value.", str, "value"),
        Option("mount", "Where the engine is mounted.", str, "secret"),
        Option("namespace", 'The namespace, empty for root: "team-a/".', str, ""),
        Option("patch", "false: read, merge and write, where no policy gives patch.", bool, True),
    )
    takes_credential = True
    needs_credential = True
    keeps_prior: ClassVar[bool] = True
    prior: ClassVar[str] = "The engine keeps the version before, as many as max_versions says."

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        get = config.options
        self._url = web.address(get["url"])
        self._verify = web.trust(get["ca_file"])
        for option in ("path", "field", "mount"):
            if not get[option].strip("/"):
                raise ConfigError(f"{option} of the sink {self.name} is empty", option=option)
        for option in ("path", "mount", "namespace"):
            if (given := get[option].strip("/")) and bent(f"/{quote(given)}"):
                raise ConfigError(f"{option} of the sink {self.name} is no path", option=option)
        self._patch: bool = get["patch"]
        self._door: Http | None = None

    async def open(self) -> None:
        """Make ready a client with the credential to write."""
        write = self.credential()
        self._door = Http(
            self._url,
            lambda: {"X-Vault-Token": write.reveal(), "X-Vault-Request": "true"},
            timeout=self.config.options["timeout"],
            parallel=4,
            verify=self._verify,
        )

    async def close(self) -> None:
        """Close the client."""
        if self._door is not None:
            await self._door.close()
            self._door = None

    @property
    def retry(self) -> Retry:
        """Confirm: each delivery makes a version, and a second one pushes an old one out."""
        return Retry.CONFIRM

    def call(self, token: Token) -> Call:
        """One new version of the secret, made only where the present one is still the one read."""
        path = self.expand(self.config.options["path"], token, "path").strip("/")
        field = self.expand(self.config.options["field"], token, "field")
        return Call(
            "http",
            "PATCH" if self._patch else "POST",
            self._at("data", path),
            {"field": field, "value": NEW_VALUE, "cas": CURRENT, "server": self._url},
        )

    def _at(self, what: str, path: str) -> str:
        options = self.config.options
        ns = f"{options['namespace'].strip('/')}/".removeprefix("/")
        return f"/v1/{quote(ns)}{quote(options['mount'].strip('/'))}/{what}/{quote(path)}"

    def _beside(self, call: Call) -> str:
        """The address of the secret's fields without their values."""
        mount = self._at("data", "")
        return self._at("subkeys", "") + call.target.removeprefix(mount)

    @property
    def _http(self) -> Http:
        if self._door is None:
            raise BackendError(f"the sink {self.name} is not open")
        return self._door

    async def check(self, step: Step) -> str:
        """Whether the token may write there, and which version is present.

        Raises:
            Forbidden: it may not.
            NotFound: there is no secret, and the sink does not create one.
        """
        call = step.call
        if told := web.elsewhere(call, self._url):
            raise ConfigError(told, option="url")
        wanted = {"patch"} if self._patch else {"update", "create"}
        path = call.target.removeprefix("/v1/")
        asked = await self._http.ask("POST", "/v1/sys/capabilities-self", body={"paths": [path]})
        rights = _data(asked.data).get(path) or []
        if wanted.isdisjoint(rights) and "root" not in rights:
            other = " Or set patch = false." if self._patch and "update" in rights else ""
            raise Forbidden(
                f"the sink's token has no {' or '.join(sorted(wanted))} on {path}",
                f'Allow it: path "{path}" {{ capabilities = ["read", "{min(wanted)}"] }}.{other}',
            )
        version, _ = await self._present(call)
        if version == 0:
            return "there is no such secret yet; it is created"
        return f"version {version} is there now, and is kept"

    async def _present(self, call: Call) -> tuple[int, dict[str, Any]]:
        """The present version, and its fields where they are needed; 0 where there is none.

        Raises:
            NotFound: there is none, and it would have to be there.
        """
        where = self._beside(call) if self._patch else call.target
        try:
            data = _data((await self._http.get(where)).data)
        except NotFound as error:
            if self._patch:
                raise NotFound(
                    f"there is no secret with a present version at {call.target}",
                    "Create it first, or set patch = false, which creates it.",
                ) from None
            return await self._deleted(call, error)
        version = _version(data)
        fields = {} if self._patch else data.get("data")
        if not isinstance(fields, dict):
            raise BadAnswer(f"the answer about {call.target} has no fields")
        return version, fields

    async def _deleted(self, call: Call, error: NotFound) -> tuple[int, dict[str, Any]]:
        """The number of the last version, where that one was deleted; cas wants to know it."""
        try:
            target = call.target.replace(self._at("data", ""), self._at("metadata", ""), 1)
            data = _data((await self._http.get(target)).data)
        except NotFound:
            return 0, {}
        except Forbidden:
            if str(error).endswith("404"):
                return 0, {}
            raise
        version = data.get("current_version")
        return (version if isinstance(version, int) else 0), {}

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        if told := web.elsewhere(call, self._url):
            return ended(OutcomeState.NOT_SENT, told)
        try:
            version, fields = await self._present(call)
        except (BackendError, AuthFailed) as error:
            return ended(OutcomeState.NOT_SENT, f"the present version cannot be read: {error}")
        body = {
            "options": {"cas": version},
            "data": {**fields, call.arguments["field"]: value.reveal()},
        }

        def judge(answer: Any, outcome: Outcome) -> Outcome:
            told = answer.get("data") if isinstance(answer, dict) else None
            made = told.get("version") if isinstance(told, dict) else None
            if not isinstance(made, int):
                return msgspec.structs.replace(
                    outcome,
                    state=OutcomeState.UNKNOWN,
                    detail="the answer names no version: it is not the KV engine's",
                )
            kept = f", version {version} is kept" if version else ""
            request_id = str(answer.get("request_id") or "") or outcome.request_id
            return msgspec.structs.replace(
                outcome, detail=f"version {made}{kept}", request_id=request_id
            )

        headers = MERGE_PATCH if call.method == "PATCH" else {}
        outcome = await self._http.change(call, body=body, headers=headers, judge=judge)
        others = [Secret(_text(field)) for field in fields.values() if len(_text(field)) >= 4]
        return msgspec.structs.replace(outcome, detail=without(outcome.detail, others))

    async def read(self, step: Step) -> Secret | None:
        """The field of the secret's present version; None where there is none."""
        if told := web.elsewhere(step.call, self._url):
            raise ConfigError(told, option="url")
        try:
            data = _data((await self._http.get(step.call.target)).data)
        except NotFound:
            return None
        fields = data.get("data")
        found = fields.get(step.call.arguments["field"]) if isinstance(fields, dict) else None
        return None if found is None else Secret(_text(found))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _data(answer: Any) -> dict[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise BadAnswer("the answer is not that of OpenBao or Vault")
    return data


def _version(data: dict[str, Any]) -> int:
    metadata = data.get("metadata")
    version = metadata.get("version") if isinstance(metadata, dict) else None
    if not isinstance(version, int):
        raise BadAnswer("the answer names no version", "Is the mount of the KV engine, version 2?")
    return version
