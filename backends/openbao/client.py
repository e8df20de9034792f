"""The calls that the backend makes, and what the system's answers to them mean.

A namespace is a prefix of the path (``/v1/team-a/auth/token/accessors``), so that a
planned call names it in full. Sources: the API pages on tokens, AppRole, identity,
namespaces and health, and OpenBao's ``vault/token_store.go``; each status below was seen
on OpenBao 2.7.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from backends.contract import Call, Outcome, OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    ServerFault,
)
from backends.http import Answer, Http, Redactor, without
from backends.model import Secret
from backends.traffic import Traffic

_drop = without("client_token", "secret_id", "wrapping_token", "wrap_info")

HEALTH_CODES: Final = {
    "standbycode": 200,
    "performancestandbycode": 200,
    "drsecondarycode": 200,
    "sealedcode": 200,
    "uninitcode": 200,
}
"""The health page answers with a status per state unless it is asked not to."""


def redact(value: Any) -> Any:
    """An answer without live secrets. A token's record holds the token as its ``id``."""
    return _without_token_ids(_drop(value))


def _without_token_ids(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    token = "creation_ttl" in value and "accessor" in value
    return {
        key: _without_token_ids(inner)
        for key, inner in value.items()
        if not (token and key == "id")
    }


def at(ns: str, path: str) -> str:
    """The path of a call in a namespace, which is "" for root and else ends in a slash."""
    return f"/v1/{quote(ns)}{path}"


def roles_path(mount: str) -> str:
    """The path of the list of AppRole roles of a mount."""
    return f"auth/{quote(mount)}/role"


def role_path(mount: str, role: str, what: str = "") -> str:
    """The path of an AppRole role, or of something below it."""
    below = f"/{what}" if what else ""
    return f"{roles_path(mount)}/{quote(role, safe='')}{below}"


def entity_path(id_: str) -> str:
    """The path of an entity."""
    return f"identity/entity/id/{quote(id_, safe='')}"


class Record:
    """The ``data`` of an answer, and the id under which the audit log has the request.

    ``warned`` says that the server had something to say about it.
    """

    __slots__ = ("data", "request_id", "warned")

    def __init__(self, answer: Answer, what: str) -> None:
        body = answer.data
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise BadAnswer(f"the answer to {what} has no data")
        self.data: dict[str, Any] = data
        self.request_id = str(body.get("request_id") or "")
        self.warned = bool(body.get("warnings"))


class Client:
    """One server, with a credential to read and, where there is one, another to act.

    ``answered`` is told the id of every request that was answered, under which the audit
    log has it too.
    """

    def __init__(
        self,
        url: str,
        read: Secret,
        act: Secret | None,
        *,
        timeout: float,
        parallel: int,
        verify: bool | ssl.SSLContext,
        answered: Callable[[str], None],
        traffic: Traffic | None = None,
    ) -> None:
        def door(secret: Secret, hide: Redactor = redact) -> Http:
            return Http(
                url,
                lambda: {"X-Vault-Token": secret.reveal(), "X-Vault-Request": "true"},
                timeout=timeout,
                parallel=parallel,
                verify=verify,
                redact=hide,
                traffic=traffic,
            )

        self._door = door
        self._answered = answered
        self._read = door(read)
        self._act = door(act) if act is not None else None
        # The answer to a call that mints is the only place where the new value stands.
        self._mint = door(act, lambda value: value) if act is not None else None

    @property
    def can_send(self) -> bool:
        """Whether there is a credential to act with."""
        return self._act is not None

    async def close(self) -> None:
        """Close the connections of every credential."""
        await self._read.close()
        for acting in (self._act, self._mint):
            if acting is not None:
                await acting.close()

    async def get(self, ns: str, path: str, **params: str | int) -> Record:
        """A record at a path of a namespace."""
        return self._record(await self._read.get(at(ns, path), **params), path)

    def _record(self, answer: Answer, what: str) -> Record:
        record = Record(answer, what)
        self._answered(record.request_id)
        return record

    async def ask(self, ns: str, path: str, body: Mapping[str, Any]) -> Record:
        """A record that is asked for by POST: a look-up, which changes nothing."""
        answer = await self._read.ask("POST", at(ns, path), body=body)
        return self._record(answer, path)

    async def listing(self, ns: str, path: str) -> Record:
        """A listing. An empty one is answered with 404 and no words.

        Raises:
            NotFound: there is no such thing to list (no mount, no namespace).
        """
        try:
            return self._record(await self._read.get(at(ns, path), list="true"), path)
        except NotFound as error:
            if _reason(error):
                raise
        return Record(Answer(200, {"data": {"keys": []}}, "", {}), path)

    async def keys(self, ns: str, path: str) -> list[str]:
        """The keys of a listing.

        Raises:
            BadAnswer: the listing is none.
        """
        keys = (await self.listing(ns, path)).data.get("keys") or []
        if not isinstance(keys, list):
            raise BadAnswer(f"the listing of {path} is not a list")
        return [key for key in keys if isinstance(key, str) and key]

    async def role(self, ns: str, mount: str, role: str) -> dict[str, Any]:
        """An AppRole role. Raises ``NotFound`` when there is none of that name."""
        return (await self.get(ns, role_path(mount, role))).data

    async def token(self, ns: str, accessor: str) -> Record:
        """A token's record. Raises ``NotFound`` when the server has no such accessor."""
        try:
            return await self.ask(ns, "auth/token/lookup-accessor", {"accessor": accessor})
        except BackendError as error:
            # OpenBao answers 400; other builds answer 403 or 404 with the same words.
            if "invalid accessor" in str(error):
                raise NotFound("no token has this accessor") from None
            raise

    async def secret_id(self, ns: str, mount: str, role: str, accessor: str) -> Record:
        """A secret-id's record. Raises ``NotFound`` when the role has no such accessor."""
        path = role_path(mount, role, "secret-id-accessor/lookup")
        try:
            return await self.ask(ns, path, {"secret_id_accessor": accessor})
        except ServerFault as error:
            # A role that is gone is answered with a fault (500).
            if "does not exist" in str(error):
                raise NotFound("there is no such role") from None
            raise

    async def find_secret_id(self, ns: str, mount: str, role: str, secret: Secret) -> str:
        """The accessor of a secret-id if it is one of a role's, else the empty string."""
        path = at(ns, role_path(mount, role, "secret-id/lookup"))
        answer = await self._read.ask("POST", path, body={"secret_id": secret.reveal()})
        if answer.data is None:
            return ""
        return str(Record(answer, "secret-id/lookup").data.get("secret_id_accessor") or "")

    async def who(self, *, acting: bool = False) -> dict[str, Any] | None:
        """The record of the console's own token; None where it may not ask for itself.

        Raises:
            AuthFailed: the server does not know the token.
        """
        door = self._act if acting and self._act is not None else self._read
        try:
            answer = await door.get("/v1/auth/token/lookup-self")
        except Forbidden as error:
            if unknown_token(error):
                which = "act with" if acting else "read with"
                raise AuthFailed(f"the server does not accept the token to {which}") from None
            return None
        return self._record(answer, "auth/token/lookup-self").data

    async def refused(self, error: Forbidden) -> Forbidden:
        """The same refusal, once it is certain that the credential itself is good.

        A dead token and a missing policy are answered with the same status.
        """
        await self.who()
        return error

    async def may(self, path: str, *rights: str, acting: bool) -> bool | None:
        """Whether a token of the console's has rights on a path (by default, to update it).

        None where it cannot be asked.
        """
        door = self._act if acting and self._act is not None else self._read
        try:
            answer = await door.ask("POST", "/v1/sys/capabilities-self", body={"paths": [path]})
            has = self._record(answer, "sys/capabilities-self").data.get(path)
        except BackendError:
            return None
        wanted = set(rights or ("update",))
        return isinstance(has, list) and ("root" in has or wanted.issubset(has))

    async def health(self) -> dict[str, Any]:
        """The server's health page, whatever its status.

        Raises:
            BadAnswer: it is not that of OpenBao or Vault.
        """
        answer = await self._read.get("/v1/sys/health", **HEALTH_CODES)
        if not isinstance(answer.data, dict) or "sealed" not in answer.data:
            raise BadAnswer("the health page is not that of OpenBao or Vault")
        return answer.data

    async def accepts(self, secret: Secret) -> bool:
        """Show a token to the server. Costs one of its uses where those are counted."""
        door = self._door(secret)
        try:
            await door.get("/v1/auth/token/lookup-self")
        except Forbidden as error:
            return not unknown_token(error)
        finally:
            await door.close()
        return True

    async def send(
        self,
        call: Call,
        body: Callable[[str], Mapping[str, Any]],
        judge: Callable[[Any, Outcome], Outcome],
        *,
        minting: bool = False,
    ) -> Outcome:
        """Make a planned call with the credential to act, and with no other.

        ``body`` is given the intent's id. Only the ``judge`` of a call that mints sees
        values in the answer.
        """
        door = self._mint if minting else self._act
        if door is None:
            return Outcome(state=OutcomeState.NOT_SENT, detail="there is no credential to act with")
        return await door.change(call, body=body, judge=judge)


def _reason(error: BackendError) -> str:
    """The server's own words, behind the status."""
    return str(error).partition(" was answered with ")[2].partition(": ")[2].strip()


def unknown_token(error: Forbidden) -> bool:
    """Whether a 403 means that the token itself is not accepted.

    A token without the policy gets the same words from the router, which wraps them in a
    count ("1 error occurred"); a token that does not exist gets them bare.
    """
    words = _reason(error)
    return words == "permission denied" or "invalid token" in words or "bad token" in words


def elsewhere(error: BackendError) -> bool:
    """Whether the token lives in another namespace than the one that was asked."""
    return isinstance(error, ServerFault) and "different namespace" in str(error)
