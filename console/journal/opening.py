"""Opens the journal that the configuration names: a file by default, or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backends import credentials
from backends.errors import ConfigError
from console.errors import SettingsError
from console.journal.read.view import JournalView
from console.journal.write.journal import Journal
from console.settings import Paths, load


def journal(paths: Paths) -> Journal:
    """The journal for appending.

    Raises:
        SettingsError: the configuration's ``[journal]`` cannot be used.
        JournalError: the journal cannot be used.
    """
    url = _url(paths)
    if url is None:
        return Journal(paths.journal)
    from console.journal.store.postgres import PostgresStore

    return Journal(PostgresStore(_secret(url, paths)), base=base(paths))


def view(paths: Paths) -> JournalView:
    """The journal for reading. Raises as ``journal``."""
    url = _url(paths)
    if url is None:
        return JournalView(paths.journal)
    from console.journal.store.postgres import PostgresStore

    return JournalView(PostgresStore(_secret(url, paths)))


def base(paths: Paths) -> Path:
    """Where the journal's files are: the database itself, or what would be its place."""
    return paths.journal if _url(paths) is None else paths.state / "journal-postgres.db"


def _url(paths: Paths) -> Any:
    """The reference to the connection string; None for the file."""
    return load(paths.config).journal.url if paths.config.exists() else None


def _secret(url: Any, paths: Paths) -> Any:
    try:
        return credentials.resolve(url, "url")
    except ConfigError as error:
        raise SettingsError(f"{paths.config}: [journal]: {error}", error.hint) from None
