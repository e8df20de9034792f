"""Errors that reach a person: what happened, what to do next, and the exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line, the same for every subcommand."""

    OK = 0
    FAILED = 1
    """It was tried and did not work, or something is wrong with what was looked at."""
    USAGE = 2
    """The command, the configuration or a file is wrong; nothing was tried."""
    PARTIAL = 3
    """Done, and not complete: a backend was not reached, an outcome is unknown."""


class ConsoleError(Exception):
    """The base: a message, a hint with the next thing to do, and an exit code."""

    code = Exit.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ConsoleError):
    """The caller, or a file of the caller's, is wrong."""

    code = Exit.USAGE


class SettingsError(UsageError):
    """The configuration file cannot be used. The message names file and line."""


class StoreError(ConsoleError):
    """The inventory's database cannot be used."""


class JournalError(ConsoleError):
    """The journal cannot be read or written; nothing may be sent while that is so."""


class PlanRefused(ConsoleError):
    """A plan must not be carried out, whoever asks."""
