"""What the Redis backend takes from the configuration, and what it declares to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from backends.contract import (
    Ability,
    Capabilities,
    KindCapabilities,
    Option,
    Readable,
    Retry,
    Rotation,
    Support,
    Verb,
)
from backends.errors import ConfigError
from backends.model import Covers, EvidenceLevel
from backends.redis_acl.users import KIND
from backends.redis_acl.wire import Node

PERSIST: Final = ("ask", "aclfile", "config", "none")
"""How a server keeps its users: by ACL SAVE, by CONFIG REWRITE, not at all; or ask it."""

OPTIONS: Final = (
    Option("host", "The server's name or address.", required=True),
    Option("port", "The server's port.", int, 6379),
    Option("nodes", "Further servers with the same users, HOST:PORT: replicas, shards.", list, ()),
    Option("user", "The user whose password `read` leads to.", required=True),
    Option("act_user", "The user whose password `act` leads to, if it is another one.", str, ""),
    Option("tls", "Whether the server speaks TLS; false sends passwords in clear.", bool, True),
    Option("tls_ca", "File with the CA of the server; empty for the system's own.", str, ""),
    Option("tls_cert", "File with our certificate, where the server asks for one.", str, ""),
    Option("tls_key", "File with our certificate's key.", str, ""),
    Option("timeout", "Seconds to wait for a connection, and for each answer.", int, 10),
    Option(
        "persist",
        "How users outlive a restart: aclfile (ACL SAVE), config (CONFIG REWRITE), none; "
        "ask needs +config|get, which shows more than that.",
        str,
        "ask",
    ),
)

CAPABILITIES: Final = Capabilities(
    kinds=(
        KindCapabilities(
            kind=KIND,
            title="ACL user",
            reads={
                Readable.LIST: Support.FULL,
                Readable.OWNER: Support.NONE,
                Readable.CREATED: Support.NONE,
                Readable.CREATOR: Support.NONE,
                # Of clients that are connected now, and of those that were refused something.
                Readable.LAST_USED: Support.PARTIAL,
                Readable.GRANTS: Support.FULL,
                Readable.EXPIRY: Support.NONE,
                Readable.PARENT: Support.NONE,
                Readable.DEPENDENTS: Support.PARTIAL,
                # Refusals, no uses and no changes.
                Readable.EVENTS: Support.PARTIAL,
                Readable.IDENTIFY: Support.FULL,
                # Which commands a category has is not opened.
                Readable.PERMISSIONS: Support.PARTIAL,
            },
            verbs={
                Verb.CONTAIN: Ability(
                    Support.FULL, True, Retry.FREE, "off; connected clients go on until cut"
                ),
                Verb.RESTORE: Ability(
                    Support.FULL, True, Retry.FREE, "on, with the passwords it had"
                ),
                Verb.REVOKE: Ability(
                    Support.FULL, False, Retry.FREE, "ACL DELUSER, which cuts its clients"
                ),
                Verb.DISCONNECT: Ability(Support.FULL, False, Retry.FREE, "CLIENT KILL USER"),
                Verb.ROTATE: Ability(
                    Support.FULL,
                    False,
                    Retry.FREE,
                    "a second password; the old ones work until the next step removes them",
                ),
            },
            # The new password comes under the same id, which is what this class says. The old
            # ones are ended by a step of their own, later: see the note.
            rotation=Rotation.IN_PLACE,
            propagation=timedelta(0),
            probe_effects=(
                "logs in as the user for a moment",
                "writes a line into the ACL log when it is refused",
            ),
            ceiling=EvidenceLevel.REFUSED,
            admin_grants=("+@all", "+@admin", "+acl", "+acl|setuser"),
            covers=Covers.PART,
            notes=(
                "A token is a user with all its passwords: Redis gives a password no name and no "
                "date, only an unsalted SHA-256, which is compared and never kept.",
                "Rotation: the new password is added beside the old ones; both work until the "
                "second step.",
                "Last use: clients that are connected now, and refusals in the ACL log. Redis "
                "keeps no log-ins, so that nothing shows that a user was never used.",
                "Events: the ACL log has refusals only, the newest 128, one entry a minute and "
                "kind; a restart forgets them.",
                "Servers keep users each for itself: replicas and shards belong into `nodes`.",
                "Permissions: the rules in their order; a question that only a category (@read) "
                "settles is answered conditional.",
                "A user that is off keeps its connected clients: disconnect cuts them.",
            ),
        ),
    ),
    unlistable=(
        "users of servers that are not in `nodes`",
        "users that an external directory or an authentication module keeps",
    ),
)


def nodes(given: Mapping[str, Any]) -> list[Node]:
    """The servers that the options name, the first one first.

    Raises:
        ConfigError: one of them is no address, or stands there twice.
    """
    host = str(given["host"])
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    places = [_place(f"{host}:{given['port']}", "host")]
    places += [_place(text, "nodes") for text in given["nodes"]]
    if len(set(places)) < len(places):
        raise ConfigError("a server is named twice", "Name each once.", option="nodes")
    tls = (given["tls"], given["tls_ca"], given["tls_cert"], given["tls_key"])
    return [Node(host, port, *tls, given["timeout"]) for host, port in places]


def _place(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"{text!r} is no HOST:PORT", "For example redis-2:6379.", option=option)
    return host, int(port)
