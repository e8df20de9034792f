"""Credentials by reference: the configuration says where a secret is, never what it is.

``{ env = "VAULT_TOKEN" }``, ``{ file = "~/.vault-token" }`` (must be private to its
owner), ``{ command = ["pass", "show", "vault"] }``.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends.errors import CredentialError
from backends.model import Secret

COMMAND_TIMEOUT = 30
"""Seconds that a credential command may take; helpers may ask for a touch or a PIN."""

MAX_SECRET = 64 * 1024
"""Bytes; anything longer is not a credential but a wrong path."""


def check(reference: Any, option: str = "read") -> Mapping[str, Any]:
    """The reference as a table with one known key, without following it.

    Raises:
        CredentialError: for a literal secret, an unknown key or a wrong type.
    """
    if isinstance(reference, str):
        raise CredentialError(
            f"{option} holds a value of its own",
            "Secrets do not belong in this file. Write where it is: "
            '{ env = "NAME" }, { file = "PATH" } or { command = ["pass", "show", ...] }.',
            option=option,
        )
    if not isinstance(reference, Mapping) or len(reference) != 1:
        raise CredentialError(
            f"{option} must be a table with one of: env, file, command", option=option
        )
    ((how, where),) = reference.items()
    if how in ("env", "file") and isinstance(where, str) and where:
        return reference
    words = where if how == "command" and isinstance(where, list) else []
    if words and all(isinstance(word, str) for word in words):
        return reference
    raise CredentialError(
        f"{option} = {{ {how} = ... }} is not a reference that the console knows",
        'Use { env = "NAME" }, { file = "PATH" } or { command = ["program", "argument"] }.',
        option=option,
    )


def resolve(reference: Any, option: str = "read") -> Secret:
    """Follow a reference to its secret. Trailing newlines are cut.

    Raises:
        CredentialError: when it leads nowhere, or to a file that others can read.
    """
    ((how, where),) = check(reference, option).items()
    if how == "env":
        value = os.environ.get(where, "")
        if not value:
            raise CredentialError(
                f"the environment has no {where}", f"Set it: export {where}=...", option=option
            )
    elif how == "file":
        value = _from_file(Path(where).expanduser(), option)
    else:
        value = _from_command(list(where), option)
    value = value.rstrip("\r\n")
    if not value:
        raise CredentialError(f"the {how} behind {option} is empty", option=option)
    return Secret(value)


def resolve_parts(reference: Any, option: str, names: tuple[str, ...]) -> Mapping[str, Secret]:
    """Follow ``{ parts = { NAME = { env = "..." }, ... } }`` to a secret for each name.

    Raises:
        CredentialError: a part is missing, is none of ``names``, or leads nowhere.
    """
    wanted = ", ".join(f'{name} = {{ env = "..." }}' for name in names)
    hint = f"Write: {option} = {{ parts = {{ {wanted} }} }}."
    table = reference.get("parts") if isinstance(reference, Mapping) else None
    if isinstance(reference, str) or not isinstance(table, Mapping) or len(reference) != 1:
        told = f"{option} has {len(names)} parts here: {', '.join(names)}"
        raise CredentialError(told, hint, option=option)
    if unknown := sorted(set(table) - set(names)):
        raise CredentialError(f"{option} has no part {unknown[0]!r}", hint, option=option)
    if missing := [name for name in names if name not in table]:
        told = f"{option} misses its part {', '.join(missing)}"
        raise CredentialError(told, hint, option=option)
    found = {}
    for name in names:
        try:
            found[name] = resolve(table[name], f"{option}.{name}")
        except CredentialError as error:
            raise CredentialError(error.message, error.hint, option=option) from None
    return found


def _from_file(path: Path, option: str) -> str:
    try:
        with path.open(encoding="utf-8-sig") as handle:
            mode = os.fstat(handle.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                raise CredentialError(
                    f"others can read {path} (mode {stat.S_IMODE(mode):04o})",
                    f"chmod 600 {path}",
                    option=option,
                )
            return handle.read(MAX_SECRET)
    except UnicodeDecodeError:
        raise CredentialError(f"{path} is not text", option=option) from None
    except OSError as error:
        raise CredentialError(f"cannot read {path}: {error.strerror}", option=option) from None


def _from_command(words: list[str], option: str) -> str:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise CredentialError(
            f"{words[0]} gave no answer in {COMMAND_TIMEOUT} s", option=option
        ) from None
    except OSError as error:
        raise CredentialError(f"cannot run {words[0]}: {error.strerror}", option=option) from None
    if done.returncode:
        # The command's own output may hold the secret, so none of it is repeated here.
        raise CredentialError(
            f"{words[0]} ended with exit status {done.returncode}",
            f"Run it by hand to see why: {words[0]} ...",
            option=option,
        )
    return done.stdout[:MAX_SECRET].decode("utf-8", "replace")
