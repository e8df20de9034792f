"""What an estate can be told to do wrong. Kept in its file, so that every process meets it.

Three families: it is slow or away (a bad day), its list is not whole, or it answers a
change with something other than the truth. The last is what a console must not believe.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from backends.errors import ConfigError
from backends.estate import database
from backends.estate.systems import SYSTEMS


class SystemTrouble(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One system's troubles. The default is none.

    Bad days: ``latency_ms`` before each answer; ``outage`` (nothing can be reached);
    ``auth`` (the console's credential is not accepted); ``forbidden`` scopes; and
    ``rate_every``: each n-th call is put off, for ``retry_after`` seconds. ``rate_limit``
    is how many changes a second are taken; what comes beyond a second's worth is answered
    with 429, has no effect, and is counted (``EstateWorld.breaches``).

    Lists: ``die_after`` so many tokens the answer breaks off; ``endless`` repeats its
    page for ever; ``omit_page`` leaves out that page (from 1) and says nothing.

    Changes: ``no_effect`` answers yes and does nothing; ``undead`` writes "gone" into
    the record and goes on accepting the value; ``effect_lag`` is for how many more
    seconds the value works, ``record_lag`` for how many the record still shows the old
    state; ``lose`` loses the answer of each ``lose_every``-th change, after doing it
    ("applied"), before doing it ("dropped") or by turns ("mixed"); ``siblings_alive``
    spares the children and one session of what is killed; ``grace`` is for how many
    seconds a replaced value goes on working.
    """

    latency_ms: int = 0
    outage: bool = False
    auth: bool = False
    forbidden: tuple[str, ...] = ()
    rate_every: int = 0
    rate_limit: float = 0.0
    retry_after: float = 1.0
    die_after: int | None = None
    endless: bool = False
    omit_page: int = 0
    no_effect: bool = False
    undead: bool = False
    effect_lag: int = 0
    record_lag: int = 0
    lose: Literal["", "applied", "dropped", "mixed"] = ""
    lose_every: int = 1
    siblings_alive: bool = False
    grace: int = 0


NONE = SystemTrouble()


def check_system(system: str) -> str:
    """The name itself, if it is one of the estate's systems.

    Raises:
        ConfigError: it is not.
    """
    if system not in SYSTEMS:
        raise ConfigError(
            f"the estate has no system {system!r}",
            f"It has: {', '.join(SYSTEMS)}.",
            option="system",
        )
    return system


def of(connection: sqlite3.Connection, system: str) -> SystemTrouble:
    """A system's troubles over an open connection."""
    row = connection.execute("SELECT settings FROM trouble WHERE system = ?", (system,)).fetchone()
    return NONE if row is None else msgspec.json.decode(row[0], type=SystemTrouble)


def get_trouble(path: Path, system: str) -> SystemTrouble:
    """What a system is told to do wrong at this moment."""
    connection = database.connect(path)
    try:
        return of(connection, check_system(system))
    finally:
        connection.close()


def set_trouble(path: Path, system: str, **settings: object) -> SystemTrouble:
    """Replace a system's troubles by these, and nothing else; no settings clears them.

    Raises:
        ConfigError: no such system or trouble, or a value of the wrong type.
    """
    check_system(system)
    try:
        wanted = msgspec.convert(settings, type=SystemTrouble, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"no such trouble: {error}",
            f"Known are: {', '.join(SystemTrouble.__struct_fields__)}.",
            option="trouble",
        ) from None
    connection = database.connect(path)
    try:
        with database.writing(connection):
            connection.execute("DELETE FROM counter WHERE system = ?", (system,))
            connection.execute("DELETE FROM bucket WHERE system = ?", (system,))
            connection.execute(
                "INSERT OR REPLACE INTO trouble VALUES (?, ?)",
                (system, msgspec.json.encode(wanted).decode()),
            )
    finally:
        connection.close()
    return wanted


def clear_trouble(path: Path, system: str = "") -> None:
    """End the troubles of one system, or of all."""
    for name in [check_system(system)] if system else SYSTEMS:
        set_trouble(path, name)


def settings_from(words: Iterable[str]) -> dict[str, object]:
    """Settings from ``name=value`` words of a command line, for :func:`set_trouble`.

    A name alone means yes; ``forbidden`` takes scopes with commas between them.

    Raises:
        ConfigError: a word without a name.
    """
    settings: dict[str, object] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name:
            raise ConfigError(f"{word!r} is not name=value", option="trouble")
        if name == "forbidden":
            settings[name] = tuple(part for part in value.split(",") if part)
        else:
            settings[name] = value or "true"
    return settings
