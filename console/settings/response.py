"""The section ``[response]`` of the configuration file: guards, pace, and who opens escrow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from console.errors import SettingsError

Wrong = Callable[[str, str, str], SettingsError]
"""Makes the error for an option (empty: for the section), what is wrong, and the mend."""

RECIPIENT = re.compile(r"(ssh-ed25519|ssh-rsa) +[A-Za-z0-9+/]+=*( .*)?|age1[0-9a-z]+")
"""What escrow can encrypt to, by its looks; the keys themselves are checked when it is used."""


class ResponseSettings(NamedTuple):
    """The section ``[response]``: what the response engine does where nobody says otherwise."""

    escrow: tuple[str | Path, ...] = ()
    """Whose keys open new values: public keys, age recipients, and paths of .pub files.
    Empty takes the keys of the ssh-agent, else those in ~/.ssh."""
    second_person_over: int = 50
    """A plan for more tokens than this needs a second person's approval."""
    second_person_production: bool = True
    """So does every plan that touches a backend marked ``production``."""
    budget: int = 3
    """Failures of one backend that halt its lane."""
    default_rate: float = 5.0
    """Changing calls a second for a backend that neither declares nor is given a rate."""
    waves: tuple[int, ...] = (50, 500)
    """Tokens in the waves after the canary; the last size repeats."""


_PLAIN: Mapping[str, tuple[Callable[[Any], bool], str, str]] = {
    "second_person_over": (
        lambda value: type(value) is int and value >= 0,
        "must be a whole number of at least 0",
        "50",
    ),
    "second_person_production": (
        lambda value: type(value) is bool,
        "must be true or false",
        "true",
    ),
    "budget": (
        lambda value: type(value) is int and value >= 1,
        "must be a whole number of at least 1",
        "3",
    ),
    "default_rate": (
        lambda value: type(value) in (int, float) and 0 < value < float("inf"),
        "must be a number above 0",
        "5.0",
    ),
    "waves": (
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(type(size) is int and size >= 1 for size in value)
        ),
        "must be a list of whole numbers of at least 1",
        "[50, 500]",
    ),
}
"""The plain options of [response]: whether a value will do, what it must be, and an example."""


def parse(section: Any, folder: Path, wrong: Wrong) -> ResponseSettings:
    """The section as it stands in the file. ``folder`` is where relative paths begin.

    A mistake here is no ``Problem`` to go on with: that would be to act without a guard that
    was asked for, or to seal new values to the wrong people.

    Raises:
        SettingsError: made by ``wrong``, which knows the file and its lines.
    """
    if not isinstance(section, dict):
        raise wrong("", "response must be a section", "[response]")
    values: dict[str, Any] = {}
    for option, value in section.items():
        if option == "escrow":
            values[option] = _recipients(
                folder, value, lambda told, hint: wrong("escrow", told, hint)
            )
        elif option not in _PLAIN:
            known = ", ".join(ResponseSettings._fields)
            raise wrong(option, f"there is no option {option!r} in [response]", f"Known: {known}.")
        else:
            fits, must, example = _PLAIN[option]
            if not fits(value):
                raise wrong(option, f"{option} {must}, not {value!r}", f"{option} = {example}")
            values[option] = tuple(value) if isinstance(value, list) else value
    if "default_rate" in values:
        values["default_rate"] = float(values["default_rate"])
    return ResponseSettings(**values)


def _recipients(
    folder: Path, value: Any, wrong: Callable[[str, str], SettingsError]
) -> tuple[str | Path, ...]:
    example = 'escrow = ["ssh-ed25519 AAAA...", { file = "~/.ssh/id_ed25519.pub" }, "age1..."]'
    found: list[str | Path] = []
    for one in value if isinstance(value, list) and value else (None,):
        if isinstance(one, dict) and list(one) == ["file"] and isinstance(one["file"], str):
            found.append(folder / Path(one["file"]).expanduser())
        elif isinstance(one, str) and "SECRET-KEY" in one.upper():
            # The value is not repeated: it is the key itself.
            raise wrong("escrow holds a private key", "Write its public half: age-keygen -y.")
        elif isinstance(one, str) and one.startswith(("sk-", "ecdsa-", "ssh-dss")):
            raise wrong(
                f"nothing can be encrypted to a key of type {one.split()[0][:60]}",
                "age takes ssh-ed25519, ssh-rsa and age1...; keys in hardware only sign.",
            )
        elif isinstance(one, str) and RECIPIENT.fullmatch(one.strip()):
            found.append(one.strip())
        else:
            raise wrong("escrow must be a list of public keys", example)
    return tuple(found)
