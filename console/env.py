"""What the surroundings may decide. Runs before anything of Textual is imported."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import NamedTuple

ALLOWED = frozenset({"TEXTUAL_COLOR_SYSTEM", "TEXTUAL_THEME"})
"""The only TEXTUAL_* settings that may come from outside: the others can press keys at
start-up, import a module, write a log of the screen or stream it to another machine."""


class Display(NamedTuple):
    """How to draw, decided once at start."""

    remote: bool
    """Over SSH or inside a multiplexer: every byte counts, so no mouse and no animation."""
    ascii: bool
    """The locale cannot show anything but ASCII."""


def scrub(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Remove what could steer Textual from outside; returns the names that were removed."""
    removed = [
        name for name in environ if name.upper().startswith("TEXTUAL") and name not in ALLOWED
    ]
    for name in removed:
        del environ[name]
    environ["TEXTUAL_ANIMATIONS"] = "none"
    environ["TEXTUAL_SMOOTH_SCROLL"] = "0"
    return removed


def display(environ: MutableMapping[str, str] = os.environ) -> Display:
    """Look at the connection and the locale."""
    remote = any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX", "STY"))
    locale = next((environ[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(key)), "")
    wanted = environ.get("TOKEN_CONSOLE_ASCII", "")
    plain = wanted not in ("", "0") or (wanted == "" and "utf" not in locale.lower())
    if remote:
        environ.setdefault("TEXTUAL_FPS", "20")
    return Display(remote=remote, ascii=plain)
