"""The section ``[response]`` of the configuration file: guards, pace, and who opens escrow.

A mistake in it is no ``Problem`` to go on with: that would be to act without a guard that was
asked for, or to seal new values to the wrong people.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from console.settings.section import Section

KEYS_EXAMPLE = '["ssh-ed25519 AAAA...", { file = "~/.ssh/id_ed25519.pub" }, "age1..."]'

PublicKey = Annotated[
    str,
    Meta(pattern=r"^\s*(?:(?:ssh-ed25519|ssh-rsa) +[A-Za-z0-9+/]+=*(?: .*)?|age1[0-9a-z]+)\s*\Z"),
]
"""What escrow can encrypt to, by its looks; the keys themselves are checked when it is used."""

Size = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


class KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key that stands in a file of its own."""

    file: Path


def why_no_keys(value: Any) -> tuple[str, str] | None:
    """What to tell of keys that nothing can be encrypted to: never the value of a private one."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str) and "SECRET-KEY" in one.upper():
            return "escrow holds a private key", "Write its public half: age-keygen -y."
        if isinstance(one, str) and one.startswith(("sk-", "ecdsa-", "ssh-dss")):
            return (
                f"nothing can be encrypted to a key of type {one.split()[0][:60]}",
                "age takes ssh-ed25519, ssh-rsa and age1...; keys in hardware only sign.",
            )
    return None


class ResponseSettings(Section, frozen=True):
    """The section ``[response]``: what the response engine does where nobody says otherwise."""

    keys: Annotated[
        tuple[PublicKey | KeyFile, ...],
        Meta(
            min_length=1,
            description="a list of public keys",
            examples=[KEYS_EXAMPLE],
            extra={"secret": True, "explain": why_no_keys},
        ),
    ] = msgspec.field(default=(), name="escrow")
    """``escrow``, as the file has it."""
    second_person_over: Annotated[
        int, Meta(ge=0, description="a whole number of at least 0", examples=["50"])
    ] = 50
    """A plan for more tokens than this needs a second person's approval."""
    second_person_production: Annotated[
        bool, Meta(description="true or false", examples=["true"])
    ] = True
    """So does every plan that touches a backend marked ``production``."""
    budget: Annotated[
        int, Meta(ge=1, description="a whole number of at least 1", examples=["3"])
    ] = 3
    """Failures of one backend that halt its lane."""
    default_rate: Annotated[Rate | None, Meta(description="a number above 0", examples=["5.0"])] = (
        None
    )
    """The most changing calls a second for a backend that neither declares nor is given a rate;
    without it, as many as the backend answers well."""
    waves: Annotated[
        tuple[Size, ...],
        Meta(
            min_length=1,
            description="a list of whole numbers of at least 1",
            examples=["[50, 500]"],
        ),
    ] = (50, 500)
    """Tokens in the waves after the canary; the last size repeats."""

    @property
    def escrow(self) -> tuple[str | Path, ...]:
        """Whose keys open new values: public keys, age recipients, and paths of .pub files.
        Empty takes the keys of the ssh-agent, else those in ~/.ssh.
        """
        return tuple(one.file if isinstance(one, KeyFile) else one.strip() for one in self.keys)
