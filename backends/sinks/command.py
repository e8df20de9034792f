"""Delivers a value to a program's standard input: the way to every place we do not know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from typing import ClassVar

from backends import permit
from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step
from backends.errors import BadAnswer, ConfigError, NotFound, TimedOut, Unsupported
from backends.model import Secret, Token
from backends.sinks.contract import NEW_VALUE, Sink, SinkConfig, ended

MAX_VALUE = 64 * 1024
PASSED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "SSH_AUTH_SOCK", "TMPDIR")
"""What a program gets of our environment, which may hold other systems' credentials."""


class CommandSink(Sink):
    """A program given as a list of arguments; no shell sees them.

    The value comes on standard input, never as an argument, which every user of the machine
    could read. What the program writes is thrown away unseen, as it may repeat the value.
    Status 0 means delivered. Another status means *unknown*: a program may fail after it did
    its work; ``unchanged_exit`` names a status by which it promises that it changed nothing.
    """

    type_name = "command"
    title = "command's standard input"
    options = (
        Option(
            "command", 'The program and its arguments: ["kv-put", "{name}"].', list, required=True
        ),
        Option("read", "A program that writes the present value to its standard output.", list, []),
        Option("timeout", "Seconds that either program may take.", int, 60),
        Option("repeatable", "Whether it does no harm to run it twice.", bool, False),
        Option("unchanged_exit", "A status that means: nothing was changed. 0 for none.", int, 0),
        Option("environment", "Names of further variables that it needs.", list, []),
    )
    prior: ClassVar[str] = "What becomes of the earlier value is the program's business."

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        for option in ("command", "read"):
            words = config.options[option]
            if any("\0" in word for word in words) or (words and not words[0]):
                raise ConfigError(
                    f"{option} of the sink {self.name} names no program", option=option
                )
        if not config.options["command"]:
            raise ConfigError(f"the sink {self.name} has an empty command", option="command")
        if config.options["timeout"] < 1:
            raise ConfigError("timeout must be at least 1 second", option="timeout")

    @property
    def retry(self) -> Retry:
        """Free where the file says ``repeatable``; else what the program of ``read`` can settle."""
        if self.config.options["repeatable"]:
            return Retry.FREE
        return Retry.CONFIRM if self.config.options["read"] else Retry.NEVER

    def call(self, token: Token) -> Call:
        """One run of the program, with the value on its standard input only."""
        arguments = {"standard input": NEW_VALUE}
        if self.config.options["read"]:
            arguments["read back with"] = self._line("read", token)
        return Call("command", "RUN", self._line("command", token), arguments)

    def _line(self, option: str, token: Token) -> str:
        """Quoted so that splitting it gives the list again, word by word."""
        words = self.config.options[option]
        return shlex.join([words[0], *(self.expand(word, token, option) for word in words[1:])])

    async def check(self, step: Step) -> str:
        """Whether there is such a program. It is not run.

        Raises:
            NotFound: there is none on PATH.
        """
        program = shlex.split(step.call.target)[0]
        if shutil.which(program) is None:
            raise NotFound(f"there is no program {program}", "Install it, or mend its path.")
        return "" if self.config.options["read"] else "what it did cannot be read back"

    async def read(self, step: Step) -> Secret | None:
        """The output of the program of ``read``, without the line feed at its end.

        Raises:
            Unsupported: the configuration names none.
            NotFound, TimedOut, BadAnswer: it cannot be run, does not end, or fails.
        """
        line = step.call.arguments.get("read back with")
        if not line:
            raise Unsupported(
                f"the sink {self.name} has no program to read with", "Give it one: read = [...]."
            )
        try:
            program = await self._start(shlex.split(line), {}, feed=False)
        except OSError as error:
            raise NotFound(f"cannot run the program of read: {error.strerror}") from None
        data = b""
        try:
            async with asyncio.timeout(self.config.options["timeout"]):
                while program.stdout and len(data) < MAX_VALUE and not program.stdout.at_eof():
                    data += await program.stdout.read(MAX_VALUE - len(data))
                status = await program.wait()
        except TimeoutError:
            raise TimedOut(f"the program of read of {self.name} gave no answer") from None
        finally:
            await _end(program)
        if status:
            raise BadAnswer(f"the program of read of {self.name} ended with status {status}")
        text = data.decode("utf-8", "replace").rstrip("\r\n")
        return Secret(text) if text else None

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        intent = permit.spend(call)
        marks = {"TOKEN_CONSOLE_INTENT": intent}
        try:
            program = await self._start(shlex.split(call.target), marks, feed=True)
        except OSError as error:
            return ended(OutcomeState.NOT_SENT, f"cannot run the program: {error.strerror}")
        try:
            async with asyncio.timeout(self.config.options["timeout"]):
                unread = not await _feed(program, value)
                status = await program.wait()
        except TimeoutError:
            return ended(
                OutcomeState.UNKNOWN,
                f"the program did not end within {self.config.options['timeout']} s and was killed",
            )
        finally:
            await _end(program)
        return self._judge(status, unread)

    def _judge(self, status: int, unread: bool) -> Outcome:
        if status < 0:
            told = f"the program was ended by {signal.Signals(-status).name}"
            return ended(OutcomeState.UNKNOWN, told)
        words = f"exit status {status}"
        if status and status == self.config.options["unchanged_exit"]:
            return ended(OutcomeState.REJECTED, "the program says that it changed nothing", words)
        if status:
            told = "its output is not shown, as it may hold the value: run the program by hand"
            return ended(OutcomeState.UNKNOWN, told, words)
        if unread:
            told = "the program ended well without reading the value"
            return ended(OutcomeState.UNKNOWN, told, words)
        return ended(OutcomeState.APPLIED, "", words)

    async def _start(
        self, words: list[str], marks: dict[str, str], *, feed: bool
    ) -> asyncio.subprocess.Process:
        names = (*PASSED, *self.config.options["environment"])
        null = asyncio.subprocess.DEVNULL
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=pipe if feed else null,
            stdout=null if feed else pipe,
            stderr=null,
            env={name: os.environ[name] for name in names if name in os.environ} | marks,
            start_new_session=True,
            limit=MAX_VALUE,
        )


async def _feed(program: asyncio.subprocess.Process, value: Secret) -> bool:
    """Write the value to the program's standard input. False if it took less than all."""
    if program.stdin is None:
        return False
    try:
        program.stdin.write(value.reveal().encode())
        await program.stdin.drain()
        program.stdin.close()
        await program.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


async def _end(program: asyncio.subprocess.Process) -> None:
    """End the program with all that it started, if it has not ended by itself."""
    if program.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        await program.wait()
