"""Which paths arrive as they are written, and which an address would bend into another.

``/keys/.`` is ``/keys`` to every client and server that keeps to RFC 3986 (section 5.2.4),
and some also take ``%2e`` for a dot, fold two slashes into one, or decode twice. An id like
that, put into a path, asks for something else than the plan says: the collection, the
thing above, another token. It is refused wherever a path is made, planned or sent.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from backends.errors import BentPath

DEEPEST = 4
"""How often a path is decoded at most; what still changes then is refused for that."""
_SLASHES = re.compile(r"[/\\]")


def bent(target: str, *, slash: bool = True) -> str:
    """Why a path with its query would not arrive as it is written; empty where it would.

    With ``slash`` off, a slash at the end is refused too: it is what an empty id leaves.
    """
    if not target.startswith("/"):
        return "it does not begin with a slash"
    if not target.isascii() or not target.isprintable() or " " in target:
        return "it has characters that an address cannot hold"
    if "#" in target:
        return "an address ends at its #"
    path = target.partition("?")[0]
    segments = path.split("/")[1:]
    if segments and not segments[-1]:
        segments.pop()
        if not slash:
            return "it ends in a slash, as one with an empty id does"
    for segment in segments:
        if why := _bent(segment):
            return why
    return ""


def segment(id_: str) -> str:
    """An id as one part of a path, quoted.

    Raises:
        BentPath: an address would make another path of it.
    """
    quoted = quote(id_, safe="")
    if why := bent(f"/{quoted}", slash=False):
        raise BentPath(f"the id {id_[:80]!r} cannot stand in an address: {why}")
    return quoted


def _bent(segment: str) -> str:
    if not segment:
        return "one of its parts is empty"
    for _ in range(DEEPEST):
        # What stands behind a semicolon is a parameter to some servers, and cut off.
        parts = [part.partition(";")[0] for part in _SLASHES.split(segment)]
        if "." in parts or ".." in parts:
            return 'one of its parts is "." or "..", which an address leaves out'
        if "" in parts:
            return "one of its parts is empty once it is decoded"
        plain = unquote(segment, errors="replace")
        if plain == segment:
            return ""
        segment = plain
    return "one of its parts is encoded again and again"
