"""The one HTTP client: limits, retry rules, request ids, redaction.

Reads (``get``, ``ask``) are repeated with a growing pause when the system is busy or
does not answer. Changes (``change``) are sent once, only under a permit, and end as an
``Outcome`` whatever happens. Nothing of a header or a body enters an error's message.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from backends import paths, permit
from backends.contract import HELD_VALUE, Call, Outcome, OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    BentPath,
    NoIntent,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.http_answers import Answer as Answer
from backends.http_answers import Redactor as Redactor
from backends.http_answers import Refusal as Refusal
from backends.http_answers import (
    as_is,
    asks_for_patience,
    capped,
    cause,
    meaning,
    raise_for,
    words,
)
from backends.http_answers import without as without
from backends.login import Login
from backends.traffic import Traffic

USER_AGENT = "token-console/0.1"

ATTEMPTS = 4
"""How often a read is tried in all."""

PATIENCE = 30.0
"""Seconds that a read waits at most for a busy system before it gives up."""

SECRET_KEY = re.compile(r"token|secret|passw|key", re.IGNORECASE)
SHORTEST = 8
"""Characters of a value that counts as a secret; "Bearer" and the like are none."""

# httpx writes each request's whole address to its log, and a value can stand in one.
logging.getLogger("httpx").setLevel(logging.WARNING)

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""Errors after which it is certain that no byte of a request has left."""


class Http:
    """A client for one system.

    ``headers`` is called for every request, so that a credential that was renewed is
    used at once; ``parallel`` bounds the requests under way. ``request_id`` names the
    answer's header with the system's own id of the request, ``send_id`` the request's
    header that carries ours. ``slash`` says that each path of the system's ends in a slash;
    without it, a change whose path does is refused, as it is what an empty id makes.
    ``refusal`` is asked about every answer that says 2xx, to a read and to a change alike.
    ``login`` adds a session's headers to those of ``headers``.
    ``traffic`` is shared by all clients of one system: each request waits there for its turn.
    """

    def __init__(
        self,
        base_url: str,
        headers: Callable[[], Mapping[str, str]],
        *,
        timeout: float = 20.0,
        parallel: int = 16,
        verify: bool | str | ssl.SSLContext = True,
        request_id: str = "x-request-id",
        send_id: str = "X-Request-Id",
        redact: Redactor = as_is,
        slash: bool = False,
        refusal: Refusal | None = None,
        login: Login | None = None,
        traffic: Traffic | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._slash = slash
        self._refusal, self._login = refusal, login
        self._headers = headers
        self._request_id = request_id
        self._send_id = send_id
        self._redact = redact
        self._gate = asyncio.Semaphore(parallel)
        self._traffic = traffic or Traffic()
        self._gone = False
        """The last read found nobody there, each time it tried."""
        trust = verify if isinstance(verify, ssl.SSLContext) else _trust(verify)

        def lane() -> httpx.AsyncClient:
            return httpx.AsyncClient(
                base_url=self._base,
                timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
                limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
                verify=trust,
                follow_redirects=False,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
                transport=transport,
            )

        self._new_lane = lane
        self._lanes: list[httpx.AsyncClient] = []
        self._idle: list[httpx.AsyncClient] = []

    @contextlib.asynccontextmanager
    async def _lane(self, path: str) -> AsyncIterator[httpx.AsyncClient]:
        """A connection of one's own for one request when it may leave, the one used last first.

        httpx's pool looks at every idle connection for every request, so that sixteen in
        one pool are slower than one; sixteen pools of one are not.
        """
        # Before the gate, which others would else find taken by those who wait for them.
        await self._traffic.aside(path)
        async with self._gate, self._traffic.turn(path):
            if not self._idle:
                self._idle.append(self._new_lane())
                self._lanes.append(self._idle[-1])
            client = self._idle.pop()
            try:
                yield client
            except Exception:
                self._idle.append(client)
                raise
            # A request that is cancelled half-way can keep its place in httpx's pool for
            # ever, so its lane is not used again; it is closed with the others.
            self._idle.append(client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        for client in self._lanes:
            await client.aclose()

    async def get(self, path: str, **params: str | int) -> Answer:
        """``GET``, repeated where the system is busy."""
        return await self._read("GET", path, params=params)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] = {},
    ) -> Answer:
        """A request that only asks though its method is not GET (a look-up by POST, a LIST).

        ``body`` is sent as JSON, ``form`` as a form. The caller vouches for that it changes
        nothing; the conformance kit compares what a system holds before and after every
        reading method.
        """
        return await self._read(method, path, body=body, form=form, params=params)

    async def change(
        self,
        call: Call,
        *,
        body: Any = None,
        headers: Mapping[str, str] = {},
        already: Iterable[int] = (),
        judge: Callable[[Any, Outcome], Outcome] | None = None,
    ) -> Outcome:
        """Send a planned call once. Raises only ``NoIntent``.

        ``call.target`` is the path that is sent and ``call.method`` the method, or nothing
        is: the permit is spent only when the address that was built from them is the planned
        one, to the letter. The body may hold secrets that the call shows as "<new value>".
        A body that is a function is given the intent's id, once the permit was spent.
        Statuses in ``already`` mean that the thing was so before. ``judge`` sees the redacted
        body of a success (None where it is not JSON) and the outcome, and may know better:
        some systems answer 200 and say in the body that there was nothing to do.

        A call that names its token by the value has ``HELD_VALUE`` in its path. The value
        takes that place at the last moment, from the permit, and is quoted; no text has it.
        """
        url = self._planned(call)
        started = time.monotonic()

        def outcome(
            state: OutcomeState, status: str = "", detail: str = "", id_: str = ""
        ) -> Outcome:
            elapsed = int((time.monotonic() - started) * 1000)
            return Outcome(
                state=state, status=status, detail=detail, request_id=id_, elapsed_ms=elapsed
            )

        session = None
        try:
            # Before the permit is spent: a change is sent once, so it must not meet the end of
            # a session that could have been got anew.
            session = await self._login.session() if self._login else None
        except BackendError as error:
            return outcome(OutcomeState.NOT_SENT, detail=f"no login: {error.message}")
        try:
            async with self._lane(call.target) as client:
                if HELD_VALUE in call.target:
                    url = self._filled(call)
                intent = permit.spend(call)
                if callable(body):
                    body = body(intent)
                marks = {self._send_id: intent, "User-Agent": f"{USER_AGENT} intent/{intent}"}
                # Without the wait for the turn: it tells how the system is.
                started = time.monotonic()
                response = await client.request(
                    call.method,
                    url,
                    json=body,
                    headers={**self._sends(), **headers, **marks},
                )
                self._traffic.seen(response.status_code, response.headers)
        except RateLimited as error:
            return outcome(OutcomeState.NOT_SENT, detail=error.message)
        except _NOT_SENT as error:
            return outcome(OutcomeState.NOT_SENT, detail=f"no connection ({type(error).__name__})")
        except (httpx.HTTPError, OSError) as error:
            return outcome(OutcomeState.UNKNOWN, detail=f"no answer ({type(error).__name__})")
        status = response.status_code
        reason = words(response.content, self._sent(body, call)) if status >= 400 else ""
        id_ = response.headers.get(self._request_id, "")
        told = (str(status), reason, id_)
        if status < 300:
            parsed = self._body(response)
            if self._refusal and (no := self._refusal(parsed)) is not None:
                return outcome(meaning(no, already), str(status), no.message, id_)
            applied = outcome(OutcomeState.APPLIED, *told)
            return judge(parsed, applied) if judge else applied
        if status == 401 and self._login and session is not None:
            self._login.drop(session)
        if status in already:
            return outcome(OutcomeState.ALREADY, *told)
        if status >= 500 or status == 408:
            return outcome(OutcomeState.UNKNOWN, *told)
        return outcome(OutcomeState.REJECTED, *told)

    def _planned(self, call: Call) -> httpx.URL:
        """The address of a planned call, as it will be asked for.

        Raises:
            NoIntent: another request than the one in the plan would leave.
        """
        target = call.target.replace(HELD_VALUE, "value")
        if why := paths.bent(target, slash=self._slash):
            raise NoIntent(f"{call.method} {call.target} cannot be sent as it was planned: {why}")
        try:
            base = httpx.URL(self._base)
            built = httpx.Request(call.method, self._base + target)
        except (httpx.InvalidURL, ValueError):
            raise NoIntent(f"{call.method} {call.target} makes no address") from None
        planned = base.raw_path.rstrip(b"/") + target.encode("ascii")
        same = built.url.raw_path == planned and built.method == call.method
        if not same or built.url.scheme != base.scheme or built.url.netloc != base.netloc:
            sent = f"{built.method} {built.url.raw_path.decode('ascii')}"
            raise NoIntent(f"{sent} would be sent, and {call.method} {call.target} was planned")
        return built.url

    def _filled(self, call: Call) -> httpx.URL:
        """The address of a call that names its token by the value, with the value in it.

        Raises:
            NoIntent: the permit carries no value, or one with which another path would be asked.
        """
        before, _, after = call.target.partition(HELD_VALUE)
        try:
            # An error of the value's own would show it.
            value = paths.segment(permit.value().reveal())
        except BackendError:
            value = ""
        if not value or HELD_VALUE in after:
            raise NoIntent(f"{call.method} {call.target} cannot be sent with this value")
        built = httpx.URL(self._base + before + value + after)
        base = httpx.URL(self._base).raw_path.rstrip(b"/")
        if built.raw_path != base + f"{before}{value}{after}".encode("ascii"):
            raise NoIntent(f"{call.method} {call.target} cannot be sent with this value")
        return built

    def _sends(self) -> dict[str, str]:
        """The headers of a call: the credential's, and those of the session in use."""
        return {**self._headers(), **(self._login.headers if self._login else {})}

    def _sent(self, body: Any, call: Call | None = None) -> list[str]:
        """The secrets of a request, which a system may repeat in its error text."""
        secret = [word for value in self._sends().values() for word in value.split()]
        if call is not None and HELD_VALUE in call.target:
            value = permit.value().reveal()
            secret += [value, paths.segment(value)]
        if isinstance(body, dict):
            secret += [
                value
                for key, value in body.items()
                if isinstance(value, str) and SECRET_KEY.search(key) and "accessor" not in key
            ]
        return [word for word in secret if len(word) >= SHORTEST]

    def _body(self, response: httpx.Response) -> Any:
        try:
            return self._redact(json.loads(response.content))
        except ValueError:
            return None

    async def _read(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Answer:
        waited = 0.0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._logged_in(method, path, json=body, data=form, params=params)
            except (RateLimited, Unreachable, TimedOut, ServerFault) as error:
                gone = isinstance(error, Unreachable | TimedOut)
                if gone and (self._gone or attempt == ATTEMPTS):
                    # One read was patient for all: were each of a thousand so, that nobody
                    # is there would be said after an hour. The next answer ends it.
                    self._gone = True
                    raise
                self._gone = self._gone and gone
                pause = 0.2 * 2**attempt * (0.5 + random.random())  # noqa: S311
                if isinstance(error, RateLimited):
                    # "0" is said by systems that mean less than a second.
                    pause = max(pause, error.retry_after or 0.0)
                if attempt == ATTEMPTS or waited + pause > PATIENCE:
                    raise
                waited += pause
                await asyncio.sleep(pause)
            except BackendError:
                self._gone = False
                raise
            else:
                self._gone = False
                return answer
        raise AssertionError("unreachable")

    async def _logged_in(self, method: str, path: str, **content: Any) -> Answer:
        """One request under a session, and once more with a new one where that had ended."""
        if self._login is None:
            return await self._once(method, path, **content)
        session = await self._login.session()
        try:
            return await self._once(method, path, **content)
        except AuthFailed:
            self._login.drop(session)
            await self._login.session()
            return await self._once(method, path, **content)

    async def _once(self, method: str, path: str, **content: Any) -> Answer:
        """One request. ``content`` is httpx's: ``json``, ``data`` (a form), ``params``."""
        where = f"{method} {path}"
        if why := paths.bent(path):
            raise BentPath(f"{where} cannot be asked: {why}")
        try:
            async with (
                self._lane(path) as client,
                client.stream(
                    method,
                    path,
                    json=content.get("json"),
                    data=content.get("data"),
                    params=content.get("params") or None,
                    headers=self._sends(),
                ) as response,
            ):
                told = await capped(response, where)
                self._traffic.seen(
                    response.status_code, response.headers, busy=asks_for_patience(response)
                )
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
                raise Unreachable(f"no connection for {where}") from None
            raise TimedOut(f"no answer to {where}") from None
        except httpx.ConnectError as error:
            raise Unreachable(f"no connection for {where}: {cause(error)}") from None
        except httpx.UnsupportedProtocol:
            raise Unreachable(
                "the address is not an HTTP address", "Write it as https://host:port."
            ) from None
        except httpx.HTTPError as error:
            raise ServerFault(f"the answer to {where} broke off ({type(error).__name__})") from None
        secrets = [*self._sent(content.get("json")), *self._sent(content.get("data"))]
        raise_for(response, told, where, secrets)
        status, headers = response.status_code, response.headers
        request_id = headers.get(self._request_id, "")
        if not told.strip():
            return Answer(status, None, request_id, response.links, headers)
        try:
            data = self._redact(json.loads(told))
        except ValueError:
            raise BadAnswer(f"the answer to {where} is not whole JSON") from None
        if self._refusal and (no := self._refusal(data)) is not None:
            raise no
        return Answer(status, data, request_id, response.links, headers)


@functools.cache
def _trust(verify: bool | str) -> ssl.SSLContext:
    """The context for ``verify``: to read all authorities takes longer than some requests do."""
    return httpx.create_ssl_context(verify)
