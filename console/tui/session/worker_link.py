"""The screen's end of the line to its worker process.

The worker may be slow, die or never start: each request then ends in a
:class:`WorkerError` that says so, and the link starts another worker after a pause that
grows. The worker's own words never reach the terminal; they go to a private log file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from backends import child
from console import ownership
from console.settings import Paths
from console.text import age

PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before another worker is started; the last one repeats."""

LINE_LIMIT = 16 << 20
"""Bytes of one message: a token may have tens of thousands of dependents."""

SILENT_AFTER = 20.0
"""Seconds without a sign of life after which a worker counts as standing still."""

ENOUGH = 30.0
"""Seconds after which a worker counts as having worked, and the pauses start again."""


ENDED = "the backend process ended before it answered"
LOOK = "It may have been done all the same: see the journal."


class WorkerError(Exception):
    """A request was not answered, or answered with an error. ``hint`` says what to do.

    ``lost`` says that it was sent and that nobody knows what came of it.
    """

    def __init__(self, message: str, hint: str = "", *, lost: bool = False) -> None:
        super().__init__(message)
        self.hint, self.lost = hint, lost

    @property
    def said(self) -> str:
        """Message and hint as running text."""
        return sentences(str(self), self.hint)


def sentences(message: str, hint: str) -> str:
    """What happened and what to do next, on one line."""
    return f"{message.rstrip('.')}. {hint}" if hint else message


def standing_still(seconds: int) -> str:
    """That the worker is there and does nothing, in words."""
    return f"the backend process stands still for {age(seconds)} now; leave and start anew"


def command(paths: Paths, *, act: bool) -> list[str]:
    """How a worker is started. Built here, since importing it would load every library."""
    words = child.python("console.worker", str(paths.config), str(paths.state))
    return [*words, "--act"] if act else words


class WorkerLink:
    """Starts a worker, sends requests, hands on news, and starts another when it ends.

    ``on_news`` gets each message that answers no request; ``on_state`` is called when the
    worker came or went.
    """

    def __init__(
        self,
        words: Sequence[str],
        paths: Paths,
        on_news: Callable[[Mapping[str, Any]], None],
        on_state: Callable[[], None],
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._words = words
        self._log = paths.state / "worker.log"
        self._on_news = on_news
        self._on_state = on_state
        self._pauses = pauses
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self.up = False
        self._alive_at: float | None = None
        self.trouble = ""
        """Why there is no worker, in words; empty while there is one."""

    @property
    def stands_still(self) -> int:
        """For how many seconds a worker that is there has given no sign of life; else 0."""
        if not self.up or self._alive_at is None:
            return 0
        quiet = asyncio.get_running_loop().time() - self._alive_at
        return int(quiet) if quiet >= SILENT_AFTER else 0

    def start(self) -> None:
        """Start the worker and keep one running until :meth:`close`."""
        self._task = asyncio.get_running_loop().create_task(self._keep())
        self._task.add_done_callback(_told)

    async def close(self) -> None:
        """End the worker by closing its input; kill it when it does not end by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(1.0):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def ask(self, what: str, /, **fields: Any) -> Mapping[str, Any]:
        """Send a request and wait for its answer.

        Raises:
            WorkerError: there is no worker, it died meanwhile, or it answered with an error.
        """
        process = self._process
        if not self.up or process is None or process.stdin is None:
            raise WorkerError(
                self.trouble or "the backend process is not running",
                "It is started again by itself; try in a moment.",
            )
        self._number += 1
        number = self._number
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            line = json.dumps({"id": number, "do": what, **fields})
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()
            reply = await answer
        except ConnectionError:
            # It may have read the request before it ended.
            raise WorkerError(ENDED, LOOK, lost=True) from None
        finally:
            self._waiting.pop(number, None)
            if answer.done() and not answer.cancelled():
                # The loop ends the screen for an error of nobody's, as this one would be where
                # the write failed after the process was found to have ended.
                answer.exception()
        if "error" in reply:
            raise WorkerError(str(reply["error"]), str(reply.get("hint", "")))
        return reply

    async def _keep(self) -> None:
        tries = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._serve()
                self.trouble = self.trouble or "the backend process has ended"
            except OSError as error:
                told = f"cannot start the backend process: {error}"
                self.trouble = ownership.hint(error, (self._log,)) or told
            self._lost()
            if asyncio.get_running_loop().time() - began > ENOUGH:
                tries = 0
            await asyncio.sleep(self._pauses[min(tries, len(self._pauses) - 1)])
            tries += 1

    async def _serve(self) -> None:
        """One worker, from its start to its end."""
        with _private(self._log) as log:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LINE_LIMIT,
                # Its own session: the terminal's signals are for the screen alone.
                start_new_session=True,
            )
        self._process, self._alive_at = process, None
        self.up, self.trouble = True, ""
        self._on_state()
        if process.stdout is None:
            return
        try:
            while line := await process.stdout.readline():
                self._take(line)
        except ValueError:
            self.trouble = "the backend process sent an endless line"
            process.kill()
        await process.wait()

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        waiting = self._waiting.get(message["id"]) if isinstance(message.get("id"), int) else None
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(message)
            return
        if message.get("event") == "alive":
            self._alive_at = asyncio.get_running_loop().time()
            return
        if message.get("event") == "fatal":
            told = sentences(str(message.get("message", "")), str(message.get("hint", "")))
            self.trouble = told or "it gave no reason"
        self._on_news(message)

    def _lost(self) -> None:
        self.up = False
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorkerError(ENDED, LOOK, lost=True))
        self._waiting.clear()
        self._on_state()


def _told(task: asyncio.Task[None]) -> None:
    """Have the loop's handler hear of a defect at once: the link would be silent for good."""
    if not task.cancelled() and (error := task.exception()):
        told = {"message": "the line to the worker ended", "exception": error}
        task.get_loop().call_exception_handler(told)


def _private(path: os.PathLike[str]) -> IO[bytes]:
    """A fresh log file for this user only."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
