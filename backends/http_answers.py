"""What an HTTP answer means: its parts, its errors, and what of it may be told.

Nothing of a header, and of a body only the system's own error text, enters an error's message.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx

from backends import rate_headers
from backends.contract import OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    NotFound,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)

MAX_BODY = 256 * 1024 * 1024
"""Bytes of one answer. The largest honest one seen is a list of some million accessors."""

Redactor = Callable[[Any], Any]
"""Takes the parsed answer and returns it without its live secrets, before anyone sees it."""

Refusal = Callable[[Any], BackendError | None]
"""Takes the redacted body of a success, and says what it means where it means no after all.

Some systems answer 200 and ``{"ok": false}``, or 200 and an empty identity."""


def without(*names: str) -> Redactor:
    """A redactor that drops the named members wherever they stand in the answer."""
    dropped = frozenset(names)

    def redact(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: redact(inner) for key, inner in value.items() if key not in dropped}
        if isinstance(value, list):
            return [redact(inner) for inner in value]
        return value

    return redact


def as_is(value: Any) -> Any:
    """The redactor of a system whose answers have no live secret."""
    return value


class Answer:
    """A status, the parsed JSON (None for an empty body), and the headers.

    ``headers`` finds a name in any letters. A login's answer has a secret there, so nothing
    shows them.
    """

    __slots__ = ("data", "headers", "links", "request_id", "status")

    def __init__(
        self,
        status: int,
        data: Any,
        request_id: str,
        links: Mapping[str | None, Any],
        headers: Mapping[str, str] = {},
    ) -> None:
        self.status = status
        self.data = data
        self.request_id = request_id
        self.links = links
        self.headers = headers


def meaning(no: BackendError, already: Iterable[int]) -> OutcomeState:
    """What a 2xx that means no says of a change: the same as the status that it stands for."""
    if isinstance(no, NotFound):
        gone = any(status in (404, 410) for status in already)
        return OutcomeState.ALREADY if gone else OutcomeState.REJECTED
    unclear = isinstance(no, ServerFault | TimedOut | Unreachable | BadAnswer)
    return OutcomeState.UNKNOWN if unclear else OutcomeState.REJECTED


async def capped(response: httpx.Response, where: str) -> bytes:
    """An answer's body. Raises ``BadAnswer`` for one larger than ``MAX_BODY``."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise BadAnswer(f"the answer to {where} is larger than {MAX_BODY >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def raise_for(
    response: httpx.Response, content: bytes, where: str, secrets: Iterable[str] = ()
) -> None:
    """Turn a status that is not a success into the error that it means.

    ``secrets`` are withheld where the system's own text repeats one.
    """
    status = response.status_code
    if status < 300:
        return
    reason = words(content, secrets)
    text = f"{where} was answered with {status}" + (f": {reason}" if reason else "")
    if status < 400:
        raise BadAnswer(text, "The address redirects: configure the address it leads to.")
    if status == 401:
        raise AuthFailed(text)
    if asks_for_patience(response):
        raise RateLimited(text, retry_after=rate_headers.read(response.headers, time.time()).after)
    if status == 403:
        raise Forbidden(text)
    if status in (404, 410):
        raise NotFound(text)
    if status >= 500:
        raise ServerFault(text)
    raise BackendError(text)


def asks_for_patience(response: httpx.Response) -> bool:
    """Whether the system was asked too often. GitHub says so with 403 too."""
    status = response.status_code
    return status == 429 or (status == 403 and "retry-after" in response.headers)


def cause(error: BaseException) -> str:
    """The innermost reason, such as "Connection refused" or a certificate's fault."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error)[:200]


def words(content: bytes, secrets: Iterable[str] = ()) -> str:
    """The system's own error text from the places where APIs put it; nothing else of a body."""
    try:
        data = json.loads(content[:65536])
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    for key in ("errors", "error", "message", "detail", "title"):
        value = data.get(key)
        if isinstance(value, list):
            value = "; ".join(str(item) for item in value[:3])
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value:
            for secret in secrets:
                value = value.replace(secret, "[withheld]")
            return value[:300]
    return ""
