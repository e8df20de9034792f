"""New values of our own choice, for systems that take a password as it is given."""

from __future__ import annotations

import secrets
import string

from backends.model import Secret

ALPHABET = string.ascii_letters + string.digits
LENGTH = 43
"""Characters: 62 to the 43rd is just over two to the 256th."""


def letters() -> Secret:
    """256 bits in letters and digits: nothing to quote in a URL, a pass file or a shell."""
    return Secret("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)))
