"""Connections to a PostgreSQL server: one that cannot write, and one for a single change.

Reading goes over a session that the server itself holds to read-only transactions.
A change goes over a connection of its own, opened with the act credential for exactly
one statement under a permit, and carries the intent's id as its ``application_name``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple, TypeVar

import psycopg
from psycopg.adapt import Loader
from psycopg.pq import DiagnosticField
from psycopg.rows import DictRow, dict_row

from backends import permit
from backends.contract import Call, Outcome, OutcomeState
from backends.errors import (
    AuthFailed,
    BackendError,
    BadAnswer,
    ConfigError,
    Forbidden,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.model import Secret
from backends.postgres import names
from backends.words import count

T = TypeVar("T")
Connection = psycopg.AsyncConnection[DictRow]
Row = Mapping[str, Any]

APPLICATION = "token-console"
GRACE = 3.0
"""Seconds that this side waits longer than the server's own statement_timeout."""

_AUTH = (
    "password authentication failed",
    "is not permitted to log in",
    "no password supplied",
    "no pg_hba.conf entry",
    "authentication failed for user",
    "authentication method requirement",
)
_BUSY = ("too many connections", "too many clients", "remaining connection slots")
_TLS = ("certificate", "SSL", "sslrootcert", "TLS")


class Address(NamedTuple):
    """Where a server is and how to speak to it. Times are in seconds."""

    host: str
    port: int
    dbname: str
    sslmode: str
    sslrootcert: str
    connect_timeout: int
    statement_timeout: int


class _Name(Loader):
    """A name for people. One that is not UTF-8 must not end the listing of all the others.

    What is to be exact is read with ``namesend`` as bytes: see :mod:`backends.postgres.names`.
    """

    def load(self, data: bytes | bytearray | memoryview) -> str:
        """A role's name for people; its bytes may be of any encoding."""
        return names.shown(bytes(data))


class _TextLoader(Loader):
    """Text in the encoding of the database, which is asked only where it is not UTF-8."""

    def load(self, data: bytes | bytearray | memoryview) -> str:
        """A text in the server's own encoding."""
        status = self.connection.pgconn.parameter_status if self.connection else None
        encoding = (status(b"server_encoding") if status else None) or b"UTF8"
        return names.text(bytes(data), encoding.decode("ascii", "replace"))


async def connect(
    address: Address, user: str, password: Secret, *, settings: Mapping[str, str], application: str
) -> Connection:
    """Log in. ``settings`` are in force from the first statement on.

    Raises:
        AuthFailed, Unreachable, RateLimited, ConfigError, Forbidden: why it did not work.
    """
    milliseconds = address.statement_timeout * 1000
    options = {
        "statement_timeout": str(milliseconds),
        "lock_timeout": "5000",
        "timezone": "UTC",
        # Nobody's function in another schema can stand in for a catalog's.
        "search_path": "pg_catalog",
        **settings,
    }
    parameters: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "dbname": address.dbname,
        "user": user,
        "password": password.reveal(),
        "passfile": os.devnull,
        "sslmode": address.sslmode,
        "connect_timeout": address.connect_timeout,
        "application_name": application[:63],
        # No conversion: what goes over the wire are the catalogs' own bytes, and a database
        # in which they cannot be converted to UTF-8 is read as any other.
        "client_encoding": "SQL_ASCII",
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    if address.sslmode in ("verify-ca", "verify-full"):
        parameters["sslrootcert"] = address.sslrootcert or "system"
    else:
        # A server that has not proven who it is must not get the password in clear.
        parameters["require_auth"] = "scram-sha-256,md5,none"
    try:
        connection = await psycopg.AsyncConnection.connect(
            autocommit=True, row_factory=dict_row, prepare_threshold=None, **parameters
        )
    except psycopg.Error as error:
        raise connect_error(error, user, address) from None
    connection.adapters.register_loader("name", _Name)
    for name in ("text", "varchar"):
        connection.adapters.register_loader(name, _TextLoader)
    return connection


def connect_error(error: psycopg.Error, user: str, address: Address) -> BackendError:
    """What a failed login means. libpq gives no SQLSTATE here, only the server's words."""
    told = names.shown(error.pgconn.error_message) if error.pgconn is not None else str(error)
    words = " ".join(told.split())[:300]
    where = f"{address.host}:{address.port}"
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return Unreachable(f"no connection to {where} in {address.connect_timeout} s")
    if any(text in words for text in _AUTH):
        hint = ""
        if "pg_hba" in words:
            hint = "Add a line for this user and address to the server's pg_hba.conf."
        elif "authentication method requirement" in words:
            hint = (
                "The server wants the password in clear: only with sslmode = "
                '"verify-full" does the console give it.'
            )
        return AuthFailed(f"{where} does not let {user} in: {words}", hint)
    if any(text in words for text in _BUSY):
        return RateLimited(f"{where} has no connection free: {words}")
    if "does not exist" in words and "database" in words:
        return ConfigError(words, "Name a database that exists: dbname = ...", option="dbname")
    if "permission denied for database" in words:
        return Forbidden(words, f"GRANT CONNECT ON DATABASE {address.dbname} TO {user};")
    if any(text in words for text in _TLS):
        return Unreachable(
            f"no TLS connection to {where}: {words}",
            'Set sslrootcert to the file with the CA of the server; sslmode = "require" '
            "encrypts without checking who answers.",
        )
    if error.pgconn is not None and error.pgconn.used_password:
        # The server's messages may be in any language; this much is certain then.
        return AuthFailed(f"{where} does not let {user} in: {words}")
    return Unreachable(f"no connection to {where}: {words}")


def query_error(error: psycopg.Error, what: str) -> BackendError:
    """What a failed read means, by its SQLSTATE (PostgreSQL documentation, appendix A)."""
    state = error.sqlstate or ""
    message = said(error, DiagnosticField.MESSAGE_PRIMARY)
    words = f"{what}: {message or type(error).__name__}"
    if state == "42501":
        return Forbidden(words, f"Grant what is missing: {message}.")
    if state in ("57014", "55P03", "25P03"):
        return TimedOut(words, "Raise statement_timeout in the configuration if it is just slow.")
    if state.startswith("53"):
        return RateLimited(words)
    if state.startswith("28"):
        return AuthFailed(words)
    if not state or state.startswith(("08", "57P", "XX", "58")):
        return ServerFault(f"{words} [{state or 'connection lost'}]")
    old = "Is this a PostgreSQL server of version 12 or newer?" if state.startswith("42") else ""
    return BadAnswer(f"{words} [{state}]", old)


def said(error: psycopg.Error, field: DiagnosticField) -> str:
    """The server's own words. psycopg takes them for ASCII, as we ask for no conversion."""
    raw = error.pgresult.error_field(field) if error.pgresult is not None else None
    return names.shown(raw) if raw else ""


async def within(connection: Connection, seconds: float, work: Awaitable[T]) -> T:
    """Await ``work`` on a connection, and cut the connection if it takes too long.

    A server that went silent answers no cancel request either; ending the socket is the
    only thing that surely ends the wait.

    Raises:
        TimeoutError: it took longer, and the connection is gone.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _cut(connection)
        await asyncio.wait({task})
        raise
    if done:
        return task.result()
    _cut(connection)
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        return task.result()
    raise TimeoutError


def _cut(connection: Connection) -> None:
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as raw,
    ):
        raw.shutdown(socket.SHUT_RDWR)


class PgSession:
    """The reading session: opened when first needed, opened anew when it was lost."""

    def __init__(self, address: Address, user: str, password: Secret) -> None:
        self._address = address
        self._user = user
        self._password = password
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection | None:
        """The session of this moment, for those who want to see that it cannot write."""
        return self._connection

    async def rows(
        self, what: str, query: LiteralString, values: Mapping[str, Any] = {}
    ) -> list[DictRow]:
        """All rows of a query. ``what`` names in an error what was being read.

        Raises:
            BackendError: as :func:`connect_error` and :func:`query_error` say.
        """
        async with self._lock:
            for attempt in (1, 2):
                kept = self._connection is not None and not self._connection.closed
                connection = await self._ready()
                try:
                    limit = self._address.statement_timeout + GRACE
                    return await within(connection, limit, _fetch(connection, query, values))
                except TimeoutError:
                    await self._drop()
                    raise TimedOut(f"{what}: no answer in {limit:.0f} s") from None
                except psycopg.Error as error:
                    problem = query_error(error, what)
                    if not isinstance(problem, ServerFault):
                        raise problem from None
                    await self._drop()
                    # A session that lay idle may have been ended since; a fresh one knows.
                    if attempt == 2 or not kept:
                        raise problem from None
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """End the session, once what is under way in it has ended."""
        async with self._lock:
            await self._drop()

    async def _ready(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        settings = {"default_transaction_read_only": "on"}
        self._connection = connection = await connect(
            self._address, self._user, self._password, settings=settings, application=APPLICATION
        )
        try:
            shown = await _fetch(connection, "SHOW default_transaction_read_only", {})
        except psycopg.Error as error:
            await self._drop()
            raise query_error(error, "read-only session") from None
        if shown != [{"default_transaction_read_only": "on"}]:
            await self._drop()
            raise BadAnswer(
                "the session is not held to reading by the server",
                "A pooler drops the start-up options: connect to the server itself.",
            )
        return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


async def _fetch(
    connection: Connection, query: LiteralString, values: Mapping[str, Any]
) -> list[DictRow]:
    async with connection.cursor() as cursor:
        await cursor.execute(query, values or None)
        return await cursor.fetchall()


class Stop(Exception):
    """Raised by a check before a change: the statement is not sent, and why."""

    def __init__(self, state: OutcomeState, detail: str) -> None:
        super().__init__(detail)
        self.state = state


Read = Callable[..., Awaitable[Sequence[Row]]]
"""Gives the rows of a query, over the connection of a change."""


class Ready(NamedTuple):
    """What a check before a change has: a way to read over the very connection, and itself."""

    read: Read
    session: psycopg.pq.abc.PGconn


class Checked(NamedTuple):
    """What a check gives: the statement, and how to see that it did what it was to do."""

    statement: str
    """``call.line``, with a verifier where the plan shows "<new value>"."""
    confirm: Callable[[], Awaitable[bool]]
    """Asked in the statement's own transaction, which is taken back unless it says yes."""


async def change(
    address: Address,
    user: str,
    password: Secret | None,
    call: Call,
    check: Callable[[Ready], Awaitable[Checked]],
) -> Outcome:
    """Send the one statement of a planned call, once. Raises only ``NoIntent``.

    ``check`` looks before it over the very connection, and may raise :class:`Stop`.
    """
    intent = permit.spend(call)
    started = time.monotonic()
    name = f"{APPLICATION}/{intent}"

    def outcome(state: OutcomeState, status: str = "", detail: str = "", id_: str = "") -> Outcome:
        elapsed = int((time.monotonic() - started) * 1000)
        return Outcome(
            state=state, status=status, detail=detail, request_id=id_, elapsed_ms=elapsed
        )

    if password is None:
        return outcome(OutcomeState.NOT_SENT, detail="there is no credential to act with")
    try:
        connection = await connect(address, user, password, settings={}, application=name)
    except BackendError as error:
        return outcome(OutcomeState.NOT_SENT, type(error).__name__, error.message)
    session = f"backend {connection.info.backend_pid}"
    limit = address.statement_timeout + GRACE

    async def read(query: LiteralString, values: Mapping[str, Any]) -> Sequence[Row]:
        return await within(connection, limit, _fetch(connection, query, values))

    sent = False
    try:
        await within(connection, limit, _run(connection, "BEGIN"))
        statement, confirm = await check(Ready(read, connection.pgconn))
        sent = True
        status = await within(connection, limit, _run(connection, statement))
        if not await confirm():
            # Nothing is left of it when the connection ends.
            detail = "its name went to another role at that moment: it was taken back; plan anew"
            return outcome(OutcomeState.REJECTED, "", detail, session)
        await within(connection, limit, _run(connection, "COMMIT"))
        return outcome(OutcomeState.APPLIED, *status, session)
    except Stop as stop:
        return outcome(stop.state, "", str(stop), session)
    except TimeoutError:
        state = OutcomeState.UNKNOWN if sent else OutcomeState.NOT_SENT
        return outcome(state, "", f"no answer in {limit:.0f} s", session)
    except (psycopg.Error, OSError) as error:
        return outcome(*_refusal(error, sent), session)
    finally:
        with contextlib.suppress(psycopg.Error, OSError):
            await connection.close()


async def _run(connection: Connection, statement: str) -> tuple[str, str]:
    async with connection.cursor() as cursor:
        await cursor.execute(statement.encode())
        rows = count(cursor.rowcount, "session") if cursor.description else ""
        return cursor.statusmessage or "", rows


def _refusal(error: Exception, sent: bool) -> tuple[OutcomeState, str, str]:
    """Error answers mean that the statement was rolled back; a lost line means nothing."""
    if not isinstance(error, psycopg.Error):
        return (OutcomeState.UNKNOWN if sent else OutcomeState.NOT_SENT), "", type(error).__name__
    state = error.sqlstate or ""
    words = said(error, DiagnosticField.MESSAGE_PRIMARY) or f"no answer ({type(error).__name__})"
    fields = (DiagnosticField.MESSAGE_DETAIL, DiagnosticField.MESSAGE_HINT)
    more = [text for field in fields if (text := said(error, field))]
    detail = "; ".join([words, *more])[:1000]
    if not sent:
        return OutcomeState.NOT_SENT, state, detail
    if not state or state.startswith(("08", "57P", "58", "XX")):
        return OutcomeState.UNKNOWN, state, detail
    return OutcomeState.REJECTED, state, detail
