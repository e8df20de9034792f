"""ACL users as a server lists them, and as tokens.

The token is the user, not one of its passwords. A password has no name, no date and no label
in Redis: all that tells it from another is its unsalted SHA-256, which can be guessed offline
and so must not be an id; and rights, ``off`` and ``DELUSER`` are the user's. Source: Redis
documentation, "ACL"; formats of ACL LIST and ACL GETUSER as servers 6.2 to 8.1 answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from backends.errors import BadAnswer
from backends.model import (
    UNBOUND,
    Binding,
    Grant,
    Principal,
    Secret,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_tracked,
)
from backends.words import count

KIND: Final = "acl-user"
SCOPE: Final = "users"
BYTES: Final = "bytes:"
"""How the id of a user begins whose name is no UTF-8; the name's bytes follow in hexadecimal."""
MAX_GRANTS: Final = 200
"""Grants that one token's record carries; its facts say how many there are."""


class Rules(NamedTuple):
    """What one part of a user allows: command rules in their order, key and channel patterns."""

    commands: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def gives(self) -> tuple[str, ...]:
        """The command rules without what is so anyway: nothing is allowed at first."""
        return self.commands[1:] if self.commands[:1] == ("-@all",) else self.commands

    @property
    def place(self) -> str:
        """The patterns on one line: what the commands may touch."""
        return " ".join((*self.keys, *self.channels)) or "no key"


class User(NamedTuple):
    """One user of one server. ``hashes`` are SHA-256 in hexadecimal: for comparing at once."""

    raw: bytes
    on: bool
    nopass: bool
    hashes: tuple[Secret, ...]
    root: Rules
    selectors: tuple[Rules, ...] = ()
    unchecked: bool = False
    """``skip-sanitize-payload``: RESTORE may load what can crash the server."""

    @property
    def lets_in(self) -> bool:
        """Whether anybody can log in as it."""
        return self.on and (self.nopass or bool(self.hashes))

    @property
    def parts(self) -> tuple[Rules, ...]:
        """Its own rules and its selectors: one of them has to allow a command and its keys."""
        return (self.root, *self.selectors)


def id_of(raw: bytes) -> str:
    """A user's name as a text that leads back to it."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return BYTES + raw.hex()
    return BYTES + raw.hex() if name.startswith(BYTES) else name


def raw_of(id_: str) -> bytes:
    """The bytes of the name that :func:`id_of` made an id of."""
    if id_.startswith(BYTES):
        try:
            return bytes.fromhex(id_[len(BYTES) :])
        except ValueError:
            return id_.encode("utf-8", "surrogatepass")
    return id_.encode("utf-8", "surrogatepass")


def text(raw: bytes) -> str:
    """A name or a pattern for people."""
    return raw.decode("utf-8", "backslashreplace")


def sha256(value: Secret) -> str:
    """What Redis keeps of a password."""
    return hashlib.sha256(value.reveal().encode("utf-8", "surrogatepass")).hexdigest()


def has(user: User, digest: str) -> bool:
    """Whether one of the user's passwords has this SHA-256."""
    wanted = digest.encode()
    found = [hmac.compare_digest(each.reveal().encode(), wanted) for each in user.hashes]
    return any(found)


def from_line(line: bytes) -> User:
    """A user from a line of ACL LIST: ``user app on #... ~app:* -@all +get (~x +del)``.

    Raises:
        BadAnswer: it is no such line.
    """
    words = line.split(b" ")
    if len(words) < 2 or words[0] != b"user":
        raise BadAnswer("ACL LIST has a line that names no user")
    root: list[bytes] = []
    selectors: list[Rules] = []
    inside: list[bytes] | None = None
    for word in words[2:]:
        if inside is None and not word.startswith(b"("):
            root.append(word)
            continue
        inside = [] if inside is None else inside
        inside.append(word)
        # Its command rules come last; a pattern before them may end in a bracket of its own.
        if word.endswith(b")") and word.lstrip(b"(")[:1] in (b"+", b"-"):
            joined = b" ".join(inside)[1:-1]
            selectors.append(_rules(joined.split(b" ")))
            inside = None
    return User(
        raw=words[1],
        on=b"on" in root,
        nopass=b"nopass" in root,
        hashes=tuple(Secret(text(word[1:])) for word in root if word.startswith(b"#")),
        root=_rules(root),
        selectors=tuple(selectors),
        unchecked=b"skip-sanitize-payload" in root,
    )


def from_record(raw: bytes, answer: Sequence[Any]) -> User:
    """A user from the answer to ACL GETUSER.

    Raises:
        BadAnswer: it has another form than servers from 6.0 on give it.
    """
    try:
        record = _pairs(answer)
        flags = set(record[b"flags"])
        return User(
            raw=raw,
            on=b"on" in flags,
            nopass=b"nopass" in flags,
            hashes=tuple(Secret(text(each)) for each in record[b"passwords"]),
            root=_record_rules(record),
            selectors=tuple(_record_rules(_pairs(each)) for each in record.get(b"selectors", ())),
            unchecked=b"skip-sanitize-payload" in flags,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadAnswer("ACL GETUSER answers in a form that is not known") from None


def _pairs(answer: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _record_rules(record: Mapping[bytes, Any]) -> Rules:
    keys, channels = record[b"keys"], record.get(b"channels", b"")
    # Before 7.0 patterns are a list and have no sign.
    keys = [b"~" + each for each in keys] if isinstance(keys, list) else keys.split()
    if isinstance(channels, list):
        channels = [b"&" + each for each in channels]
    else:
        channels = channels.split()
    return _rules([*record[b"commands"].split(), *keys, *channels])


def _rules(words: Iterable[bytes]) -> Rules:
    commands: list[str] = []
    keys: list[str] = []
    channels: list[str] = []
    for word in words:
        if word[:1] in (b"+", b"-"):
            commands.append(text(word))
        elif word[:1] in (b"~", b"%"):
            keys.append(text(word))
        elif word[:1] == b"&":
            channels.append(text(word))
    return Rules(tuple(commands), tuple(keys), tuple(channels))


class Seen(NamedTuple):
    """What is known of one user's use. ``hidden`` is the right that is missing, if one is."""

    at: datetime | None = None
    source: str = ""
    by: str = ""
    how: str = ""
    hidden: str = ""


def state(user: User) -> TokenState:
    """A user that nobody can log in as is disabled, whatever its switch says."""
    return TokenState.ACTIVE if user.lets_in else TokenState.DISABLED


def token(backend: str, raw: bytes, found: Mapping[str, User], nodes: int, use: Seen) -> Token:
    """One user's record over all servers that were asked, by their labels; ``nodes`` of them."""
    states = {state(user) for user in found.values()}
    grants = _grants(found)
    last: Any = not_permitted(use.hidden) if use.hidden else not_tracked(NO_USE)
    where, what = last, last
    if use.at is not None:
        last = known(use.at, use.how)
        where = known(use.source, use.how) if use.source else not_tracked("not told")
        what = known(use.by, use.how) if use.by else not_tracked("the client has no name")
    name = text(raw)
    return Token(
        ref=TokenRef(backend, KIND, id_of(raw)),
        name=name,
        scope=SCOPE,
        state=TokenState.ACTIVE if TokenState.ACTIVE in states else TokenState.DISABLED,
        principal=known(Principal(id_of(raw), name, "user"), "ACL LIST"),
        owner=not_tracked("Redis keeps no owner of a user"),
        created_at=not_tracked("Redis keeps no date of creation"),
        created_by=not_tracked("Redis keeps no creator"),
        last_used_at=last,
        last_used_from=where,
        last_used_for=what,
        expires_at=never("users of Redis do not expire"),
        grants=known(grants[:MAX_GRANTS], "ACL LIST"),
        parent=not_tracked("a user has no parent"),
        binding=known("password", "the documentation"),
        bound=known(Binding.BEARER, "the documentation"),
        enforced=not_tracked(UNBOUND),
        facts=_facts(raw, found, nodes, len(grants)),
    )


NO_USE: Final = "Redis keeps no log-ins; no client is connected and no refusal is in the ACL log"


def _grants(found: Mapping[str, User]) -> tuple[Grant, ...]:
    alike = len({user.parts for user in found.values()}) == 1
    made: list[Grant] = []
    for label, user in found.items():
        via = "" if alike else f"at {label}"
        for number, part in enumerate(user.parts):
            if not any(rule.startswith("+") for rule in part.commands):
                continue
            on = f"selector {number}" if number else ""
            made += [Grant("command", rule, on, via) for rule in part.gives]
            made += [Grant("key", pattern, on, via) for pattern in part.keys]
            made += [Grant("channel", pattern, on, via) for pattern in part.channels]
        if alike:
            break
    return tuple(made)


def _facts(
    raw: bytes, found: Mapping[str, User], nodes: int, grants: int
) -> tuple[tuple[str, str], ...]:
    facts: list[tuple[str, str]] = []
    if id_of(raw).startswith(BYTES):
        facts.append(("name", f"not a plain text; its bytes are {raw.hex()}"))
    first = next(iter(found.values()))
    facts.append(("log-in", _login(first)))
    facts.append(("passwords", _passwords(first)))
    if first.unchecked:
        facts.append(("payloads", "RESTORE of unchecked payloads: skip-sanitize-payload"))
    if nodes > 1:
        facts.append(("servers", f"on {len(found)} of {nodes}"))
        if len({(user.on, user.nopass, len(user.hashes)) for user in found.values()}) > 1:
            facts += [
                (f"at {label}", f"{_login(user)}; passwords: {_passwords(user)}")
                for label, user in found.items()
            ]
        known_hashes = {frozenset(each.reveal() for each in u.hashes) for u in found.values()}
        if len(known_hashes) > 1:
            facts.append(("differs", "its passwords are not the same on all servers"))
    if grants > MAX_GRANTS:
        facts.append(("grants", f"the first {MAX_GRANTS} of {grants}"))
    return tuple(facts)


def _login(user: User) -> str:
    if user.on and not user.lets_in:
        return "on, but it has no password: nobody can log in"
    return "on" if user.on else "off"


def _passwords(user: User) -> str:
    if user.nopass:
        return "nopass: anybody gets in as this user, with any password or none"
    return count(len(user.hashes), "password") if user.hashes else "none"
