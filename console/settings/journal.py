"""The section ``[journal]``: where the journal is, and who has to stand behind an entry."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from console.settings import section
from console.settings.section import Reference, Section, Wrong

WITNESS_EXAMPLE = '["https://HOST NAME+ID+KEY"]'

Witness = Annotated[str, Meta(pattern=r"^https?://\S+ +[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\Z")]
"""A witness: where to ask it, and its C2SP verifier key, which is what the witness shows."""

AFile = Annotated[Path | None, Meta(description="the path of a file", examples=['"PATH"'])]
"""A file; a relative path begins at the configuration file."""


class Signatures(StrEnum):
    """The setting ``signatures``: what happens when no signature is to be had."""

    PREFER = "prefer"
    """Go on, and say "unsigned" wherever the entry is shown."""
    REQUIRE = "require"
    OFF = "off"


class WitnessRule(StrEnum):
    """The setting ``witnessing``: what happens when not enough witnesses answer."""

    REQUIRE = "require"
    """No cosignature, no call."""
    PREFER = "prefer"
    """Go on, and write it down."""
    OFF = "off"


class JournalSettings(Section, frozen=True):
    """The section ``[journal]``."""

    url: Annotated[Reference | None, Meta(description="a reference", extra={"secret": True})] = None
    """A reference to the connection string of the journal's PostgreSQL; None for a file."""
    signatures: Annotated[
        Signatures,
        Meta(description='one of the texts "prefer", "require" and "off"', examples=['"prefer"']),
    ] = Signatures.PREFER
    """Whether the responder's ssh-agent signs plans and intents."""
    signing_key: Annotated[
        str,
        Meta(pattern=r"\S", description="text that is not empty", examples=['"alice@laptop"']),
    ] = ""
    """Which key of the agent: a fingerprint or a comment. Empty takes the first usable."""
    allowed_signers: AFile = None
    """OpenSSH's file of the keys that may sign."""
    policy: AFile = None
    """A C2SP tlog-policy file: the log's keys, and which witnesses are enough."""
    witnesses: Annotated[
        tuple[Witness, ...],
        Meta(description="a list of a URL and a verifier key each", examples=[WITNESS_EXAMPLE]),
    ] = ()
    """``URL VKEY``, one for each witness."""
    witnessing: Annotated[
        WitnessRule,
        Meta(description='one of the texts "require", "prefer" and "off"', examples=['"require"']),
    ] = WitnessRule.OFF
    """Where witnesses are named and this is not, it is require."""


def parse(told: Any, folder: Path, wrong: Wrong) -> JournalSettings:
    """The section as it stands in the file. ``folder`` is where relative paths begin.

    ``wrong`` is expected to raise: a mistake here is no ``Problem`` to go on with, for entries
    would go to another journal, or without the signatures that they were to have.
    """
    if isinstance(told, dict) and told.get("url") == "sqlite":
        told = {option: value for option, value in told.items() if option != "url"}
    found = section.read(JournalSettings, "journal", told, folder, wrong)
    if found.witnesses and "witnessing" not in told:
        found = msgspec.structs.replace(found, witnessing=WitnessRule.REQUIRE)
    if found.witnessing != WitnessRule.OFF and not found.witnesses:
        wrong("witnessing", "witnessing without a witness", f"witnesses = {WITNESS_EXAMPLE}")
    return found
