"""The lab's systems through their own clients: make a token, and try its value."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis
from patience import HANG
from psycopg import sql

from backends.lab.lab import Lab
from backends.lab.moto import LabKey as AwsKey
from backends.lab.moto import MotoServer
from backends.lab.openbao import OpenBaoServer
from backends.lab.postgres import PostgresServer
from backends.lab.redis import RedisServer


class Issued(NamedTuple):
    """A token made for a test: what the console calls it, and the value."""

    backend: str
    id: str
    name: str
    value: str


class RealSystem(ABC):
    """One of the lab's systems."""

    backend: str
    """What the lab's configuration calls it."""
    mark: bytes
    """Bytes that stand in the plan and in the request that revokes."""
    owner: str = "payments"
    """What the list shows as the owner of what is issued."""

    @property
    def last(self) -> bytes:
        """Bytes of the request that makes it so, for a proxy that waits for it."""
        return self.mark

    @abstractmethod
    def issue(self, name: str) -> Issued: ...

    @abstractmethod
    def accepts(self, issued: Issued) -> bool: ...


class RealBao(RealSystem):
    backend = "vault-lab"
    mark = b"POST /v1/auth/token/revoke-accessor"

    def __init__(self, server: OpenBaoServer) -> None:
        self.server = server

    def issue(self, name: str) -> Issued:
        wanted = {"display_name": name, "policies": ["default"], "meta": {"owner": "payments"}}
        with self.server.client() as client:
            made = client.post("auth/token/create", json=wanted).raise_for_status().json()["auth"]
        # The server puts the word "token" in front of a display name of one's own.
        return Issued(self.backend, made["accessor"], f"token-{name}", made["client_token"])

    def accepts(self, issued: Issued) -> bool:
        with self.server.client() as client:
            headers = {"X-Vault-Token": issued.value}
            return client.get("auth/token/lookup-self", headers=headers).status_code == 200


class RealSecretId(RealBao):
    """AppRole secret-ids, whose values the console chooses."""

    mark = b"secret-id-accessor/destroy"

    def issue(self, name: str) -> Issued:
        path = f"auth/approle/role/{name}"
        with self.server.client() as client:
            client.post(path, json={"token_policies": ["default"]}).raise_for_status()
            made = client.post(f"{path}/secret-id").raise_for_status().json()["data"]
        return Issued(self.backend, made["secret_id_accessor"], name, made["secret_id"])

    def accepts(self, issued: Issued) -> bool:
        path = f"auth/approle/role/{issued.name}/role-id"
        with self.server.client() as client:
            role = client.get(path).raise_for_status().json()["data"]["role_id"]
            said = {"role_id": role, "secret_id": issued.value}
            return client.post("auth/approle/login", json=said).status_code == 200


class RealAws(RealSystem):
    backend = "aws-lab"
    mark = b"DeleteAccessKey"

    def __init__(self, server: MotoServer) -> None:
        self.server = server

    def issue(self, name: str) -> Issued:
        self.server.iam.create_user(UserName=name, Tags=[{"Key": "owner", "Value": "payments"}])
        key = self.server.key(name)
        return Issued(self.backend, key.id, f"{name}/{key.id[-4:]}", key.text)

    def accepts(self, issued: Issued) -> bool:
        id_, _, secret = issued.value.partition(":")
        client = self.server.client("sts", AwsKey("", id_, secret))
        try:
            client.get_caller_identity()
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "InvalidClientTokenId":
                raise
            return False
        return True


class RealPostgres(RealSystem):
    backend = "pg-lab"
    mark = b"DROP ROLE"
    last = b"COMMIT"
    """What goes before it is taken back when the connection ends."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server

    def issue(self, name: str) -> Issued:
        password = secrets.token_urlsafe(18)
        with self.server.connect() as connection:
            verifier = connection.pgconn.encrypt_password(
                password.encode(), name.encode(), b"scram-sha-256"
            ).decode()
            role = sql.Identifier(name)
            for statement in (
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)),
                sql.SQL("COMMENT ON ROLE {} IS 'owner: payments'").format(role),
                sql.SQL("GRANT {} TO console_responder WITH ADMIN OPTION").format(role),
            ):
                connection.execute(statement)
            found = connection.execute("SELECT oid FROM pg_roles WHERE rolname = %s", [name])
            oid = str(found.fetchone()[0])  # type: ignore[index]
        return Issued(self.backend, oid, name, password)

    def accepts(self, issued: Issued) -> bool:
        try:
            self.server.connect(issued.name, password=issued.value).close()
        except psycopg.OperationalError:
            return False
        return True


class RealRedis(RealSystem):
    backend = "redis-lab"
    mark = b"DELUSER"
    owner = "untracked"  # Redis has no place for one.

    def __init__(self, server: RedisServer) -> None:
        self.server = server

    def issue(self, name: str) -> Issued:
        password = secrets.token_urlsafe(18)
        with self.server.connect() as client:
            words = ("on", f">{password}", "~app:*", "+@read", "+acl|whoami", "+client|setname")
            client.execute_command("ACL", "SETUSER", name, *words)
        return Issued(self.backend, name, name, password)

    def accepts(self, issued: Issued) -> bool:
        try:
            with self.server.connect(issued.name, issued.value) as client:
                client.execute_command("ACL", "WHOAMI")
        except redis.AuthenticationError:
            return False
        return True


def systems(lab: Lab) -> dict[str, RealSystem]:
    """By type of backend."""
    servers: Mapping[str, Any] = lab.servers
    return {
        "openbao": RealBao(servers["openbao"]),
        "aws_iam": RealAws(servers["aws_iam"]),
        "postgres": RealPostgres(servers["postgres"]),
        "redis": RealRedis(servers["redis"]),
    }


def console(
    home: Path, *words: str, text: str | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line over a home, as a person would. ``environ`` is what is added."""
    # Isolated from the beginning, as the installed command: else Python is started twice.
    return subprocess.run(
        [sys.executable, "-I", "-m", "console", "--home", str(home), *words],
        capture_output=True,
        text=True,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        timeout=HANG,
        env={**os.environ, "LANG": "C.UTF-8", **(environ or {})},
    )
