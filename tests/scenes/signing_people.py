"""People with keys for the tests: each signs through an ssh-agent of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ssh_tools import FidoKey, fake_agent

from console.sshsig.keys import fingerprint


class Key(FidoKey):
    """A key in hardware that is always touched."""

    @property
    def fp(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return fingerprint(self.blob)

    @contextlib.contextmanager
    def at_hand(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        """Who acts now has this key, and no other, in their agent."""
        with fake_agent(self.answer) as socket, monkeypatch.context() as altered:
            altered.setenv("SSH_AUTH_SOCK", socket)
            yield socket


def allow(file: Path, *lines: tuple[str, Key]) -> None:
    """Write the list of allowed signers: names and a key each."""
    file.write_text("".join(f"{names} {key.line}\n" for names, key in lines))
