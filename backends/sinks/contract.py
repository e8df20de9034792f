"""What a sink is: it plans a delivery, makes it under a permit, and reads it back.

The planned call shows the value as "<new value>"; the value itself travels in the permit
and nowhere else. An outcome never repeats it, whatever the system at the other end says.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import quote
from weakref import WeakValueDictionary

import msgspec

from backends import permit
from backends.contract import Call, Option, Outcome, OutcomeState, Retry, Step, Verb
from backends.errors import BackendError, ConfigError, NoIntent, Unsupported
from backends.model import Secret, Token

NEW_VALUE = "<new value>"
INTENT = "<intent id>"
"""How a planned call shows what is only known when it is made."""

PLACEHOLDERS = ("backend", "kind", "id", "name", "handle")
_HOLDER = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=,-]{0,127}")
"""What of a token may stand in a path or an argument: names from outside are hostile."""

_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
"""A lock for each place that is being delivered to, shared by all sinks of this process."""


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configured sink: its name, its checked options, and its credential to write with.

    ``write`` is absent where the console may not act, or where the kind needs none.
    """

    name: str
    type: str
    options: Mapping[str, Any] = {}
    write: Secret | None = None


class Sink(ABC):
    """A place that consumers read a value from. Opened with ``async with``.

    ``__init__`` only checks the configuration, raises ``ConfigError`` for a wrong one, and
    contacts nobody. The other methods may raise the errors in ``backends.errors``.
    """

    contract: ClassVar[int] = 1
    """The ``backends.contract.VERSION`` that the class was written for."""
    type_name: ClassVar[str]
    """The name of its entry point, and the ``type`` in the configuration file."""
    title: ClassVar[str]
    """What such a place is called in a plan."""
    options: ClassVar[tuple[Option, ...]] = ()
    takes_credential: ClassVar[bool] = False
    needs_credential: ClassVar[bool] = False
    can_read: ClassVar[bool] = True
    """Whether a delivery can be read back, and so a lost answer be settled."""
    prior: ClassVar[str] = "The value that was there is overwritten and not kept."
    """What becomes of the value that the delivery replaces, for the plan."""
    keeps_prior: ClassVar[bool] = False
    notes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: SinkConfig) -> None:
        self.config = config
        self.name = config.name
        for option in self.options:
            if option.kind in (str, list):
                _check_holders(option.name, config.options[option.name])

    async def open(self) -> None:
        """Make connections ready."""

    async def close(self) -> None:
        """Give back whatever :meth:`open` took."""

    async def __aenter__(self) -> Self:
        if self.needs_credential:
            self.credential()
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def credential(self) -> Secret:
        """The credential to write with. Raises ``ConfigError`` where there is none."""
        if self.config.write is None:
            raise ConfigError(
                f"the sink {self.name} has no credential to write with",
                'Add: write = { env = "NAME" }, { file = "PATH" } or { command = [...] }.',
                option="write",
            )
        return self.config.write

    @abstractmethod
    def call(self, token: Token) -> Call:
        """The exact call that delivers a token's new value. Contacts nobody."""

    @property
    def retry(self) -> Retry:
        """What may be done when the answer to a delivery is lost."""
        return Retry.NEVER

    def plan(self, token: Token) -> Step:
        """The delivery of the new value of ``token`` (the old one, whose consumers read here).

        Raises:
            ConfigError: the token's name or id cannot stand where the options want it, or
                whoever wrote the sink made a mistake in ``call``.
        """
        try:
            call = self.call(token)
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001
            # One token that a third party's sink stumbles over must not keep a whole plan back.
            raise ConfigError(
                f"the sink {self.name} failed with {type(error).__name__}",
                "This is a fault of the sink: tell who wrote it.",
            ) from None
        return Step(
            id=f"deliver-{self.name}",
            verb=Verb.ROTATE,
            token=token.ref,
            title=f"Deliver the new value to {self.name} ({self.title})",
            call=call,
            retry=self.retry,
            reversible=self.keeps_prior,
        )

    @abstractmethod
    async def check(self, step: Step) -> str:
        """Whether the delivery can be expected to work, asked before anything is minted.

        Reads, never changes. The sentence says what is there now, empty if there is nothing
        to say. Raises where the delivery would be refused.
        """

    async def perform(self, step: Step) -> Outcome:
        """Deliver the permit's value once. Raises only ``NoIntent``. Never repeats.

        What was lost is ``unknown``; :meth:`read` then tells, where the kind can read.
        """
        value = permit.value()
        started = time.monotonic()
        try:
            async with _turn(step.call):
                outcome = await self._deliver(step.call, value)
        except NoIntent:
            raise
        except Exception as error:  # noqa: BLE001
            # The message of whatever failed may hold the value, so only its type is told.
            outcome = Outcome(
                state=OutcomeState.UNKNOWN, detail=f"the sink failed with {type(error).__name__}"
            )
        return msgspec.structs.replace(
            outcome,
            elapsed_ms=outcome.elapsed_ms or int((time.monotonic() - started) * 1000),
            status=without(outcome.status, (value,)),
            detail=without(outcome.detail, (value,)),
        )

    @abstractmethod
    async def _deliver(self, call: Call, value: Secret) -> Outcome:
        """Spend the permit for ``call`` and make it."""

    async def read(self, step: Step) -> Secret | None:
        """The value at the place of a step, None where there is none.

        Callers compare fingerprints with what was to be delivered, and keep neither.

        Raises:
            Unsupported: this kind cannot be read back.
        """
        raise Unsupported(
            f"what {self.name} was given cannot be read back", "Ask whoever received it."
        )

    async def leftovers(self, step: Step) -> tuple[str, ...]:
        """The ids of the intents whose deliveries were killed midway and left a value behind."""
        return ()

    async def clear(self, step: Step, intent: str) -> str:
        """Take away what one of :meth:`leftovers` left, and say what that was.

        For the caller to make sure that nobody is at that delivery any more. Raises where
        it cannot be taken away.
        """
        raise Unsupported(f"{self.name} keeps nothing of a delivery that was killed")

    def expand(self, template: str, token: Token, option: str) -> str:
        """A template with the token's own words in it.

        Raises:
            ConfigError: a word has characters that could change what the place means.
        """
        ref = token.ref
        words = {
            "backend": ref.backend,
            "kind": ref.kind,
            "id": ref.id,
            "name": token.name,
            "handle": ref.handle,
        }

        def word(match: re.Match[str]) -> str:
            if not _PLAIN.fullmatch(words[match[1]]):
                raise ConfigError(
                    f"the {match[1]} of the token {ref.handle} cannot stand in {option} of the "
                    f"sink {self.name}",
                    "Use {handle} there, which is always twelve hexadecimal digits.",
                    option=option,
                )
            return words[match[1]]

        return _HOLDER.sub(word, template)


def _turn(call: Call) -> asyncio.Lock:
    """Deliveries to one place go one after another.

    Several tokens of a run, or several sinks, may lead to one document, and each has to
    build on what the one before wrote.
    """
    where = (call.transport, call.target, call.arguments.get("server", ""))
    return _turns.setdefault(repr((*where, call.arguments.get("SecretId", ""))), asyncio.Lock())


def _check_holders(option: str, value: Any) -> None:
    for text in value if isinstance(value, list) else (value,):
        for name in _HOLDER.findall(text or ""):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{holder}}}" for holder in PLACEHOLDERS)
                raise ConfigError(
                    f"{option} has {{{name}}}, which stands for nothing",
                    f"Known are {known}.",
                    option=option,
                )


def without(text: str, secrets: Iterable[Secret]) -> str:
    """A text with the secrets withheld, also as base64 or percent-encoded."""
    for secret in secrets:
        plain = secret.reveal()
        coded = base64.b64encode(plain.encode()).decode()
        for form in (plain, coded, quote(plain, safe="")):
            if form:
                text = text.replace(form, "[withheld]")
    return text


def ended(state: OutcomeState, detail: str = "", status: str = "") -> Outcome:
    """An outcome in one line."""
    return Outcome(state=state, status=status, detail=detail)
