"""Takes a secret from the terminal without showing it, whole, however it is pasted.

``getpass`` reads one line, and a terminal's own line editing ends a line at 4,095 bytes; a
private key has many lines, and a signed token may have more bytes. So the keys are read as
they come: a bracketed paste is taken to its end, and enter after it ends the input.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
from collections.abc import Iterator

from backends.words import count

QUIET = 0.2
"""Seconds without a byte after which an enter was typed and not pasted."""
_BEGIN, _END = b"\x1b[200~", b"\x1b[201~"
_ON, _OFF = "\x1b[?2004h", "\x1b[?2004l"
_ERASE, _KILL, _EOF = b"\x7f", b"\x15", b"\x04"


def hidden(prompt: str, limit: int) -> bytes:
    """What is pasted or typed at the terminal on standard input, at most ``limit`` bytes.

    Enter ends it, or ctrl-d; of a paste without brackets, an enter that nothing follows.
    """
    number = sys.stdin.fileno()
    with _unseen(number):
        # Asked for only now: what is pasted at the prompt must not be echoed any more.
        print(prompt, end="", file=sys.stderr, flush=True)
        data = _read(number, limit)
    print(f" {count(len(data), 'byte')}", file=sys.stderr, flush=True)
    return data


def _read(number: int, limit: int) -> bytes:
    data, pasting = b"", False
    while len(data) <= limit:
        new = os.read(number, 4096)
        if not new:
            break
        data += new
        if _BEGIN in data and not pasting:
            pasting = True
            data = data.replace(_BEGIN, b"", 1)
        if pasting:
            if _END not in data:
                continue
            pasting = False
            data = data.replace(_END, b"", 1)
        if _EOF in data:
            data = data[: data.index(_EOF)]
            break
        data = _edited(data)
        if data.endswith((b"\r", b"\n")) and not select.select([number], [], [], QUIET)[0]:
            break
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")


def _edited(data: bytes) -> bytes:
    if _KILL in data:
        data = data[data.rindex(_KILL) + 1 :]
    while (at := data.find(_ERASE)) >= 0:
        data = data[: max(at - 1, 0)] + data[at + 1 :]
    return data


@contextlib.contextmanager
def _unseen(number: int) -> Iterator[None]:
    """Without echo and without lines; as it was before, however this ends."""
    before = termios.tcgetattr(number)
    quiet = termios.tcgetattr(number)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    try:
        termios.tcsetattr(number, termios.TCSAFLUSH, quiet)
        print(_ON, end="", file=sys.stderr, flush=True)
        yield
    finally:
        print(_OFF, end="", file=sys.stderr, flush=True)
        termios.tcsetattr(number, termios.TCSAFLUSH, before)
