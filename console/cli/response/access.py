"""What the commands that act share: finding a plan, reading a secret, asking for a word."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

from backends.model import Secret
from console import settings
from console.cli.shell import asking, output
from console.errors import UsageError
from console.journal import opening
from console.journal.read.view import JournalView
from console.response.approve.signing import Responder
from console.response.plan.model import Plan
from console.response.state.load import find as find
from console.response.state.load import fold as fold
from console.response.state.run import Board
from console.settings import Paths, Settings, paths

MAX_SECRET = 64 * 1024


class Workplace(NamedTuple):
    """Where a command works: the files, and what the configuration says."""

    paths: Paths
    settings: Settings


def place(chosen: argparse.Namespace) -> Workplace:
    """The files and the configuration. Raises ``SettingsError`` for one that cannot be read."""
    where = paths(chosen.home)
    return Workplace(where, settings.load(where.config))


@contextlib.contextmanager
def watching(plan: Plan, where: Paths) -> Iterator[tuple[Board, JournalView]]:
    """The board of a run and the view that feeds it."""
    with opening.view(where) as view:
        yield fold(plan, where, view), view


def answers(given: list[str]) -> dict[str, str]:
    """``CODE=WHY`` words as a table. Raises ``UsageError`` for any other word."""
    found = {}
    for word in given:
        code, equals, why = word.partition("=")
        if not equals or not code.strip():
            raise UsageError(f"{word!r} is no answer", "Write it as --answer CODE='why'.")
        found[code.strip()] = why.strip()
    return found


def ask_word(plan: Plan, given: str | None) -> str:
    """What the responder typed to confirm. Raises ``UsageError`` where nobody is there."""
    if given is not None:
        return given
    typed = _asked(f"type {plan.typed_word} to go on, anything else to stop")
    if typed is None:
        raise UsageError(
            "nobody is there to confirm", f"Say what you mean: --confirm '{plan.typed_word}'"
        )
    return typed


def ask_answers(plan: Plan, given: list[str]) -> dict[str, str]:
    """An answer for each hazard that wants one; asked for where a person is there.

    Raises:
        UsageError: one is missing, and nobody is there to be asked.
    """
    found = answers(given)
    for raised in plan.questions:
        code = raised.hazard.code
        if code in found:
            continue
        typed = _asked(
            f"{code}: {raised.hazard.text}", "why may it go on all the same? (nothing: stop)"
        )
        if typed is None:
            raise UsageError(
                f"the hazard {code} wants an answer: {raised.hazard.text}",
                f"Say why it may go on: --answer {code}='...'",
            )
        if not typed.strip():
            raise UsageError("stopped at a hazard; nothing was sent")
        found[code] = typed
    return found


def _asked(*told: str) -> str | None:
    try:
        return asking.ask(*told)
    except EOFError:
        raise UsageError("the terminal ended before an answer; nothing was sent") from None


def secret_from_stdin() -> Secret:
    """The value on standard input, without the line's end.

    Raises:
        UsageError: there is none, or too much.
    """
    if sys.stdin.isatty():
        import getpass

        return Secret(getpass.getpass("the old value (not shown): "))
    text = sys.stdin.buffer.read(MAX_SECRET + 1)
    if not text.strip() or len(text) > MAX_SECRET:
        raise UsageError("no value came on standard input", "Pipe it in: pbpaste | token-console …")
    return Secret(text.decode("utf-8", "surrogateescape").rstrip("\r\n"))


def told_signature(responder: Responder, settings_: Settings) -> None:
    """Say by which key the plan was signed, or why by none."""
    if responder.standing and settings_.journal.signatures != "off":
        output.note(responder.standing)
