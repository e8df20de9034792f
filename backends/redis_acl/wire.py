"""Connections to a Redis or Valkey server: one kept for reading, one for each single change.

Of redis-py only the bare connection is used, and of that neither its retries nor its
greeting: a command that nobody asked for would be refused to a narrow user, and each
refusal is a line in the server's ACL log. Logging in is done here, so that a connection
that was lost is never opened anew as somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from backends import permit
from backends.contract import Call, Outcome, OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    Forbidden,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.hiding import HIDDEN
from backends.model import Secret

T = TypeVar("T")
CLIENT: Final = "token-console"
Word = str | bytes | int
Command = Sequence[Word]

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_ARGUMENTS = re.compile(r",? with args beginning with:.*", re.DOTALL)
_LOST: Final = "the connection was lost"


class Node(NamedTuple):
    """Where one server is and how to speak to it. ``timeout`` is in seconds."""

    host: str
    port: int
    tls: bool
    ca: str
    cert: str
    key: str
    timeout: int

    @property
    def label(self) -> str:
        """How people name it: ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Refusal(Exception):
    """The server's own words against a command, without what they repeat of it.

    ``code`` is their first word: WRONGPASS, NOPERM, LOADING, ERR.
    """

    def __init__(self, error: RedisError) -> None:
        self.code = str(getattr(error, "status_code", None) or "ERR")
        words = " ".join(str(error).split())
        words = words if words.startswith(self.code) else f"{self.code} {words}"
        # "unknown command" repeats the arguments, where a password or its hash may stand.
        self.words = _HASH.sub(HIDDEN, _ARGUMENTS.sub("", words))[:300]
        super().__init__(self.words)

    @property
    def busy(self) -> bool:
        """Whether the server will answer later."""
        return self.code in ("LOADING", "MASTERDOWN", "BUSY")


class Lost(Exception):
    """The connection broke, or no answer came in time, after a command may have left."""


class Line:
    """One connection that is logged in. It is closed by the first thing that goes wrong in it."""

    def __init__(self, node: Node, connection: Connection) -> None:
        self._node = node
        self._connection = connection

    @property
    def alive(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return bool(self._connection.is_connected)

    @property
    def here(self) -> str:
        """Our own end as the server's list of clients names it: ``address:port``."""
        return self._end("sockname")

    @property
    def there(self) -> str:
        """The server's address, without the port."""
        return self._end("peername").rpartition(":")[0].strip("[]")

    def _end(self, which: str) -> str:
        writer = getattr(self._connection, "_writer", None)
        found = writer.get_extra_info(which) if writer is not None else None
        if not found:
            return ""
        host, port = str(found[0]), found[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def call(self, *words: Word) -> Any:
        """The server's answer to one command, which is sent once.

        Raises:
            Refusal: the server's own.
            Lost: it may have been sent, and no answer came.
        """
        # redis-py would connect anew here, as nobody in particular.
        if not self.alive:
            raise Lost(_LOST)

        async def exchange() -> Any:
            await self._connection.send_command(*words, check_health=False)
            return await self._answer()

        answer = await self._guarded(exchange)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def together(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, which the server takes as one: all of them or none.

        One that went wrong in the doing has its :class:`Refusal` for an answer.

        Raises:
            Refusal: the server refused one of them beforehand, and did none.
            Lost: they may have been sent, and no answer came.
        """
        if not self.alive:
            raise Lost(_LOST)
        every = [("MULTI",), *commands, ("EXEC",)]
        packed = [part for words in every for part in self._connection.pack_command(*words)]

        async def exchange() -> list[Any]:
            await self._connection.send_packed_command(b"".join(packed), check_health=False)
            return [await self._answer() for _ in every]

        answers = await self._guarded(exchange)
        refused = [each for each in answers[:-1] if isinstance(each, Refusal)]
        if refused:
            raise refused[0]
        if isinstance(answers[-1], Refusal):
            raise answers[-1]
        return [Refusal(one) if isinstance(one, RedisError) else one for one in answers[-1] or ()]

    async def _answer(self) -> Any:
        """The next answer; a refusal is one."""
        try:
            return await self._connection.read_response()
        except RedisError as error:
            if _says(error):
                return Refusal(error)
            raise

    async def _guarded(self, exchange: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._node.timeout):
                return await exchange()
        except TimeoutError:
            await self.close()
            raise Lost(f"no answer in {self._node.timeout} s") from None
        except (RedisError, OSError, EOFError) as error:
            # The text of a RedisError may repeat what was sent.
            told = f"no answer in {self._node.timeout} s" if _slow(error) else _LOST
            await self.close()
            raise Lost(told) from None
        except BaseException:
            # A cancelled wait: the answer that comes later belongs to nobody.
            await self.close()
            raise

    async def close(self) -> None:
        """Close it. Harmless when it is closed."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            await self._connection.disconnect(nowait=True)


def _says(error: RedisError) -> bool:
    """Whether it is the server's answer. For redis-py a wrong password is a lost connection."""
    return isinstance(error, ResponseError) or bool(getattr(error, "status_code", None))


def _slow(error: BaseException) -> bool:
    return "timeout" in type(error).__name__.casefold()


async def connect(node: Node, user: bytes | str, password: Secret, name: str = CLIENT) -> Line:
    """A connection that is logged in as a user. ``name`` is what CLIENT LIST shows; "" for none.

    Raises:
        AuthFailed, Unreachable, RateLimited, ServerFault: why it did not work.
    """
    given: dict[str, Any] = {
        "host": node.host,
        "port": node.port,
        "socket_timeout": node.timeout,
        "socket_connect_timeout": node.timeout,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "protocol": 2,
    }
    if node.tls:
        given |= {"ssl_ca_certs": node.ca or None, "ssl_check_hostname": True}
        given |= {"ssl_certfile": node.cert or None, "ssl_keyfile": node.key or None}
    connection = SSLConnection(**given) if node.tls else Connection(**given)
    line = Line(node, connection)
    try:
        async with asyncio.timeout(node.timeout):
            await connection.connect()  # type: ignore[no-untyped-call]
    except TimeoutError:
        await line.close()
        raise Unreachable(f"no connection to {node.label} in {node.timeout} s") from None
    except (RedisError, OSError, ValueError) as error:
        await line.close()
        raise _no_connection(node, error) from None
    except BaseException:
        await line.close()
        raise
    try:
        await line.call("AUTH", user, password.reveal())
    except Lost as lost:
        raise Unreachable(f"{node.label} does not answer a log-in: {lost}") from None
    except Refusal as error:
        await line.close()
        raise _no_login(node, user, error, password) from None
    if name:
        # A label for people. A user that may not set one works all the same.
        with contextlib.suppress(Refusal, Lost):
            await line.call("CLIENT", "SETNAME", name)
    return line


def _no_connection(node: Node, error: Exception) -> BackendError:
    words = " ".join(str(error).split())[:200]
    hint = ""
    if node.tls and ("ssl" in words.casefold() or "certificate" in words.casefold()):
        hint = "Set tls_ca to the file with the server's CA; tls = false where it speaks none."
    return Unreachable(f"no connection to {node.label}: {words}", hint)


def _no_login(node: Node, user: bytes | str, error: Refusal, password: Secret) -> BackendError:
    words = error.words.replace(password.reveal(), HIDDEN) if password else error.words
    name = user.decode("utf-8", "backslashreplace") if isinstance(user, bytes) else user
    if "max number of clients" in words:
        return RateLimited(f"{node.label} has no connection free: {words}")
    if error.busy:
        return ServerFault(f"{node.label} lets nobody in now: {words}")
    return AuthFailed(f"{node.label} does not let {name} in: {words}")


def refusal(error: Refusal, what: str) -> BackendError:
    """What the refusal of a read means. ``what`` names the command."""
    words = f"{what}: {error.words}"
    if error.code == "NOPERM":
        rule = "+" + what.casefold().replace(" ", "|")
        return Forbidden(words, f"Give it to the reading user: ACL SETUSER NAME {rule}")
    if error.code in ("NOAUTH", "WRONGPASS"):
        return AuthFailed(words)
    if error.busy:
        return ServerFault(words)
    return BadAnswer(words, "Is this a Redis or Valkey server of version 6 or newer?")


class Session:
    """The reading connection to one server: opened when needed, and anew when it was lost."""

    def __init__(self, node: Node, user: str, password: Secret) -> None:
        self.node = node
        self._user = user
        self._password = password
        self._lock = asyncio.Lock()
        self._line: Line | None = None

    @property
    def line(self) -> Line | None:
        """The connection of this moment."""
        return self._line

    async def ask(self, what: str, *words: Word) -> Any:
        """The answer to a command that reads. ``what`` names it: "ACL LIST".

        Raises:
            BackendError: as :func:`connect` and :func:`refusal` say.
        """
        async with self._lock:
            for attempt in (1, 2):
                kept = self._line is not None and self._line.alive
                if not kept:
                    self._line = await connect(self.node, self._user, self._password)
                line = self._line
                assert line is not None  # noqa: S101
                try:
                    return await line.call(*what.split(" "), *words)
                except Refusal as error:
                    raise refusal(error, what) from None
                except Lost as lost:
                    if "no answer" in str(lost):
                        raise TimedOut(f"{what} at {self.node.label}: {lost}") from None
                    # One that lay idle may have been ended since; a fresh one knows.
                    if attempt == 2 or not kept:
                        raise ServerFault(f"{what} at {self.node.label}: {lost}") from None
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """End the connection, once what is under way in it has ended."""
        async with self._lock:
            line, self._line = self._line, None
            if line is not None:
                await line.close()


class Stop(Exception):
    """Raised by a look before a change: the command is not sent, and why."""

    def __init__(self, state: OutcomeState, detail: str) -> None:
        super().__init__(detail)
        self.state = state


async def change(
    node: Node,
    user: str,
    password: Secret | None,
    call: Call,
    prepare: Callable[[], Awaitable[Sequence[Command]]],
    judge: Callable[[Sequence[Any]], tuple[OutcomeState, str, str]],
) -> Outcome:
    """Send the command of a planned call, once. Raises only ``NoIntent``.

    ``prepare`` looks before it and gives the words to send, with hashes where the plan shows
    "<new value>", and those of a second command that goes with it; it may raise :class:`Stop`.
    ``judge`` says what the answers mean: the state, the server's words, and more.
    """
    intent = permit.spend(call)
    started = time.monotonic()

    def outcome(state: OutcomeState, status: str = "", detail: str = "") -> Outcome:
        elapsed = int((time.monotonic() - started) * 1000)
        return Outcome(state=state, status=status, detail=detail, elapsed_ms=elapsed)

    if password is None:
        return outcome(OutcomeState.NOT_SENT, detail="there is no credential to act with")
    try:
        commands = await prepare()
    except Stop as stop:
        return outcome(stop.state, "", str(stop))
    except BackendError as error:
        return outcome(OutcomeState.NOT_SENT, type(error).__name__, error.message)
    name = re.sub(r"[^!-~]", "-", f"{CLIENT}/{intent}")
    try:
        line = await connect(node, user, password, name)
    except BackendError as error:
        return outcome(OutcomeState.NOT_SENT, type(error).__name__, error.message)
    if not line.alive:
        return outcome(OutcomeState.NOT_SENT, "", _LOST)
    try:
        if len(commands) > 1:
            return outcome(*judge(await line.together(commands)))
        return outcome(*judge([await line.call(*commands[0])]))
    except Refusal as error:
        return outcome(OutcomeState.REJECTED, error.code, error.words)
    except Lost as lost:
        return outcome(OutcomeState.UNKNOWN, "", str(lost))
    finally:
        await line.close()
