"""Kinds of actions, into which events are counted. Nothing but the standard library."""

from __future__ import annotations

from functools import lru_cache

SLOT = 300
"""Seconds of one count."""

EVERYTHING = ""
"""Stands in ``handle`` for all events of a backend, those without a token too."""

LIFE = "life"
"""The class of events that are about a token and no use of it: it was made, changed, ended."""

_LIFE = frozenset(
    {"created", "revoke", "revoked", "owner", "rotate", "rotated", "grant", "ungrant"}
    | {"contain", "restore", "disconnect"}
)
_LIFE_ENDS = (
    ":createaccesskey",
    ":updateaccesskey",
    ":deleteaccesskey",
)
_LOGIN = ("login", "logout", "authenticate", "auth", "connect", "assumerole", "consolelogin")
_READ = (
    "read", "list", "get", "head", "describe", "lookup", "watch", "select", "view", "download",
    "clone", "fetch", "pull", "search",
)  # fmt: skip


@lru_cache(maxsize=8192)
def class_of(action: str) -> str:
    """What kind of thing an action is: life, login, read or write.

    What is not recognised counts as a write: whoever looks at a leak must not overlook it.
    """
    word = action.lower()
    if word in _LIFE or word.endswith(_LIFE_ENDS):
        return LIFE
    word = word.rpartition(":")[2]
    if word.startswith(_LOGIN):
        return "login"
    return "read" if word.startswith(_READ) else "write"


def outcome_of(outcome: str) -> str:
    """One of ok, denied and error."""
    return outcome if outcome in ("ok", "denied") else "error"
