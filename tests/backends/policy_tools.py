"""Policies of a real OpenBao, and what the console opens of them."""

from __future__ import annotations

from typing import Any

from openbao_fixture import Made, backend, call, create, using

from backends.lab.openbao import OpenBaoServer
from backends.model import Token, TokenRef
from backends.openbao import OpenBao
from backends.permissions import Answer, Permissions


def write(server: OpenBaoServer, name: str, text: str, ns: str = "", **more: Any) -> int:
    """Write a policy as root. The status."""
    return call(server, "PUT", f"{ns}sys/policies/acl/{name}", {"policy": text, **more})[0]


def holding(server: OpenBaoServer, *policies: str, ns: str = "", **body: Any) -> Made:
    """A parentless token with these policies."""
    return create(server, ns, policies=list(policies), no_parent=True, **body)


def bare(ref: TokenRef) -> Token:
    """A token of which nothing but its ref is known: its rights are read anew each time."""
    return Token(ref=ref, name="", scope="")


def opened(server: OpenBaoServer, ref: TokenRef, **changes: Any) -> Permissions:
    """What the console's reader opens of a token's policies."""

    async def work(bao: OpenBao) -> Permissions:
        return await bao.permissions(bare(ref))

    return using(backend(server, **changes), work)


def asked(server: OpenBaoServer, permissions: Permissions, action: str, path: str) -> Answer:
    """The console's answer to one question."""
    return backend(server).permits(permissions, action, path)
