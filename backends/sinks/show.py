"""Shows a value once, on a descriptor that leads to the responder's terminal."""

from __future__ import annotations

import asyncio
import os
import select
import stat
import time
from typing import ClassVar

from backends import permit
from backends.contract import Call, Option, Outcome, OutcomeState, Step
from backends.errors import ConfigError, NotFound, Refused
from backends.model import Secret, Token
from backends.sinks.contract import NEW_VALUE, Sink, SinkConfig, ended

PATIENCE = 30.0
"""Seconds that a terminal which takes nothing (Ctrl-S) is waited for."""


class ShowSink(Sink):
    """The value and a line break, written once to an inherited descriptor; nothing else.

    The descriptor must lead to a terminal, a pipe or a socket: in a file the value would
    stay on a disk. A value that a terminal would act on is not shown.
    """

    type_name = "show"
    title = "shown once to the responder"
    options = (Option("descriptor", "The number of the inherited descriptor.", int, 3),)
    can_read: ClassVar[bool] = False
    prior: ClassVar[str] = "Nothing is replaced: whoever looks at the terminal carries it on."

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        if config.options["descriptor"] < 3:
            raise ConfigError(
                "descriptors 0 to 2 may be written to a log", "Use 3 or above.", "descriptor"
            )

    def call(self, token: Token) -> Call:
        """One showing on the descriptor of the responder's terminal."""
        target = f"descriptor {self.config.options['descriptor']}"
        return Call("show", "SHOW", target, {"text": NEW_VALUE})

    async def check(self, step: Step) -> str:
        """Whether the descriptor leads to somebody who can look.

        Raises:
            NotFound, Refused: it leads nowhere, or to a file.
        """
        self._usable()
        return "it is shown once and cannot be shown again; escrow has it"

    def _usable(self) -> int:
        descriptor: int = self.config.options["descriptor"]
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:
            raise NotFound(
                f"there is no descriptor {descriptor}: nobody is there to look",
                "Take the value from escrow, or run from a terminal.",
            ) from None
        terminal = stat.S_ISCHR(mode) and os.isatty(descriptor)
        if not (terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise Refused(f"descriptor {descriptor} leads to a file, not to a person")
        return descriptor

    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        text = value.reveal()
        permit.spend(call)
        if not text.isprintable():
            return ended(OutcomeState.NOT_SENT, "a terminal would act on the value; see escrow")
        try:
            descriptor = self._usable()
        except (NotFound, Refused) as error:
            return ended(OutcomeState.NOT_SENT, error.message)
        return await asyncio.to_thread(_write, descriptor, f"{text}\n".encode())


def _write(descriptor: int, data: bytes) -> Outcome:
    """Write in pieces that a ready descriptor takes at once, so that nothing hangs."""
    deadline = time.monotonic() + PATIENCE
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    view = memoryview(data)
    try:
        while view:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                state = OutcomeState.NOT_SENT if len(view) == len(data) else OutcomeState.UNKNOWN
                return ended(state, f"the terminal took nothing for {PATIENCE:.0f} s")
            view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]
    except OSError as error:
        state = OutcomeState.NOT_SENT if len(view) == len(data) else OutcomeState.UNKNOWN
        return ended(state, f"the terminal is gone: {error.strerror}")
    return ended(OutcomeState.APPLIED, "shown")
