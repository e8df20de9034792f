"""A role's name is bytes in a catalog that databases of different encodings share.

PostgreSQL neither keeps which encoding a role's name was written in nor checks it, so the
same bytes are ``müller`` in one database and no text at all in another. Here a name is the
text that its bytes are in UTF-8, the very bytes that a log-in sends; where they are none it
has no text, only a picture with escapes (``m\\xfcller``), which another role may really be
called. Nothing is ever named to the server by a picture. Source: PostgreSQL documentation,
"Character Set Support".
"""

from __future__ import annotations

import codecs


def exact(raw: bytes) -> str | None:
    """The name as text that gives these very bytes again; None where there is none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def shown(raw: bytes) -> str:
    """The name for people. With escapes it is a picture, and not to be sent."""
    return raw.decode("utf-8", "backslashreplace")


def text(raw: bytes, encoding: str) -> str:
    """Other text of a database whose encoding is ``encoding``, in PostgreSQL's word for it."""
    if (found := exact(raw)) is not None:
        return found
    try:
        return raw.decode(codecs.lookup(encoding.replace("WIN", "cp")).name, "backslashreplace")
    except LookupError:
        return shown(raw)
