"""A console of its own over the lab's real servers, with every sink that works there.

What a test says of a system it learns from the system itself, past the console.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from patience import HANG
from real_systems import Issued, RealBao, RealSecretId, RealSystem, console, systems
from ssh_tools import keygen

from backends.lab.lab import Lab, toml
from backends.lab.moto import REGION

REASON = "leaked in a public repository"
SINKS = ("file", "program", "kv", "aws")
"""Those with a table in the configuration; ``show`` needs a terminal and no table."""
ANSWERS = tuple(
    word
    for code in (
        "in-use", "last-active-key", "members", "no-parent-any-more", "sessions-outlive",
        "tokens-live-on",
    )
    for word in ("--answer", f"{code}=it is meant to be so")
)  # fmt: skip
"""Answers to what the lab's tokens raise; what a plan does not ask is not journaled."""
PATIENCE = HANG
KV_POLICY = """
path "secret/data/delivered/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/delivered/*" { capabilities = ["read"] }
path "secret/subkeys/delivered/*" { capabilities = ["read"] }
"""


MAKES_CHILDREN = 'path "auth/token/create" { capabilities = ["update"] }'


class RealEntityToken(RealBao):
    """Tokens with an entity of their own, which can be held back."""

    def issue(self, name: str) -> Issued:
        with self.server.client() as client:

            def call(method: str, path: str, **body: Any) -> Any:
                answer = client.request(method, path, json=body or None).raise_for_status()
                return answer.json() if answer.content else {}

            entity = call("POST", "identity/entity", name=name, metadata={"owner": "payments"})
            mount = call("GET", "sys/auth")["data"]["token/"]["accessor"]
            id_ = entity["data"]["id"]
            call("POST", "identity/entity-alias", name=name, canonical_id=id_, mount_accessor=mount)
            call("POST", f"auth/token/roles/{name}", allowed_entity_aliases=[name], orphan=True)
            made = call("POST", f"auth/token/create/{name}", display_name=name, entity_alias=name)[
                "auth"
            ]
        return Issued(self.backend, made["accessor"], f"token-{name}", made["client_token"])


def known(lab: Lab) -> dict[str, RealSystem]:
    """The lab's systems by what kind of token they are asked for."""
    servers: Mapping[str, Any] = lab.servers
    bao = servers["openbao"]
    return {**systems(lab), "secret-id": RealSecretId(bao), "entity": RealEntityToken(bao)}


def record(lab: Lab, issued: Issued) -> Any:
    """What the system itself has about a token, without what changes by the time alone."""
    servers: Mapping[str, Any] = lab.servers
    if issued.backend == "aws-lab":
        user = issued.name.partition("/")[0]
        return servers["aws_iam"].iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    if issued.backend == "pg-lab":
        with servers["postgres"].connect() as connection:
            return connection.execute(
                "SELECT to_jsonb(a), shobj_description(a.oid, 'pg_authid') FROM pg_authid a"
                " WHERE rolname = %s",
                [issued.name],
            ).fetchall()
    if issued.backend == "redis-lab":
        with servers["redis"].connect() as client:
            return client.execute_command("ACL", "GETUSER", issued.name)
    with servers["openbao"].client() as client:
        token = client.post("auth/token/lookup-accessor", json={"accessor": issued.id})
        told = token.raise_for_status().json()["data"]
        entity = client.get(f"identity/entity/id/{told['entity_id']}").raise_for_status().json()
    kept = ("name", "metadata", "policies", "disabled", "group_ids")
    del told["ttl"]
    return told, {key: entity["data"][key] for key in kept}


class Desk:
    """A home over the lab: its sinks, its escrow key, and the command line."""

    def __init__(self, tmp: Path, lab: Lab, **response: Any) -> None:
        self.lab = lab
        self.home, self.out = tmp / "home", tmp / "out"
        self.home.mkdir()
        self.out.mkdir(mode=0o700)
        self.identity = keygen(tmp / "responder")
        self.secret = f"delivered-{secrets.token_hex(4)}"
        self.environ: dict[str, str] = {}
        servers: Mapping[str, Any] = lab.servers
        self.bao, self.aws = servers["openbao"], servers["aws_iam"]
        config = lab.config.read_text() + self._sinks()
        response = {"escrow": [{"file": f"{self.identity}.pub"}], **response}
        config += "\n[response]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in response.items())
        self.config = self.home / "config.toml"
        self.config.write_text(config)

    def _sinks(self) -> str:
        piped = str(self.out / "piped")
        tables: dict[str, dict[str, Any]] = {
            "file": {"type": "file", "path": str(self.out / "filed")},
            "program": {"type": "command", "command": ["tee", piped], "read": ["cat", piped]},
            "kv": {
                "type": "openbao_kv",
                "url": self.bao.url,
                "path": f"delivered/{self.secret}",
                "patch": False,
                "write": {"file": str(self._kv_credential())},
            },
            "aws": {
                "type": "aws_secret",
                "region": REGION,
                "endpoint_url": self.aws.endpoint,
                "secret": self.secret,
                "write": {"file": str(self._aws_credential())},
            },
        }
        return "".join(
            f"\n[sink.{name}]\n"
            + "".join(f"{key} = {toml(value)}\n" for key, value in all_.items())
            for name, all_ in tables.items()
        )

    def _kv_credential(self) -> Path:
        with self.bao.client() as client:
            policy = {"policy": KV_POLICY}
            client.put("sys/policies/acl/delivers", json=policy).raise_for_status()
            wanted = {"policies": ["delivers"], "no_parent": True}
            made = client.post("auth/token/create", json=wanted).raise_for_status().json()
        file: Path = self.bao.keep(self.secret, made["auth"]["client_token"])
        return file

    def _aws_credential(self) -> Path:
        self.aws.client("secretsmanager").create_secret(Name=self.secret, SecretString="before")
        self.aws.iam.create_user(UserName=self.secret)
        self.aws.allow(self.secret, "secretsmanager:*")
        file: Path = self.aws.keep(self.secret, self.aws.key(self.secret).text)
        return file

    def held(self) -> dict[str, str]:
        """What each sink holds now, read past the console."""
        with self.bao.client() as client:
            told = client.get(f"secret/data/delivered/{self.secret}").raise_for_status().json()
        answer = self.aws.client("secretsmanager").get_secret_value(SecretId=self.secret)
        return {
            "file": (self.out / "filed").read_text(),
            "program": (self.out / "piped").read_text(),
            "kv": told["data"]["data"]["value"],
            "aws": answer["SecretString"],
        }

    # -- the command line

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return console(self.home, *words, text=text, environ=self.environ)

    def must(self, *words: str, text: str | None = None, code: int = 0) -> str:
        """What is printed on both channels by a command that ends with this code."""
        done = self.run(*words, text=text)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def told(self, *words: str) -> Any:
        """A command's JSON."""
        done = self.run(*words, "--json")
        assert done.returncode in (0, 3), done.stdout + done.stderr
        return json.loads(done.stdout)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "console", "--home", str(self.home), *words]

    def issue(self, real: RealSystem, stem: str) -> tuple[Issued, dict[str, Any]]:
        """A new token, and what ``list`` says of it once the inventory has it."""
        issued = real.issue(f"{stem}-{secrets.token_hex(4)}")
        return issued, self.row(issued)

    def row(self, issued: Issued) -> dict[str, Any]:
        self.run("sync", issued.backend)
        rows = self.told("list", f"backend:{issued.backend}", issued.name.partition("/")[0])
        (found,) = [row for row in rows if row["id"].endswith(issued.id)]
        return dict(found)

    def plan(self) -> str:
        """The newest run's id."""
        return str(self.told("run", "list")[0]["plan"])

    def item(self, plan: str = "", number: int = 1) -> dict[str, Any]:
        shown = self.told("run", "show", plan or self.plan())
        (found,) = [each for each in shown["items"] if each["item"] == number]
        return dict(found)

    def reaches(
        self, true: Callable[[dict[str, Any]], bool], issued: Issued, plan: str = ""
    ) -> dict[str, Any]:
        """A run's only item, as soon as this holds of it. The time only bounds a failure."""
        end = time.monotonic() + PATIENCE
        while True:
            runs = self.told("run", "list")
            item = self.item(plan or runs[0]["plan"]) if runs else {}
            if item and item["id"].endswith(issued.id) and true(item):
                return item
            assert time.monotonic() < end, item
            self.stir()
            time.sleep(0.3)

    def stir(self) -> None:
        """Let something else happen at the systems, so that their logs go on."""
        with self.bao.client() as client:
            client.get("auth/token/lookup-self").raise_for_status()
        self.lab.servers["postgres"].connect().close()  # type: ignore[attr-defined]

    def journal(self, plan: str = "") -> list[dict[str, Any]]:
        """The entries of a run, or all, oldest first."""
        done = self.run("journal", "list", "--json", "--limit", "5000")
        found = [json.loads(line) for line in done.stdout.splitlines()][::-1]
        if not plan:
            return found
        return [each for each in found if (each.get("act") or {}).get("plan_ref") == plan]

    def opened(self, plan: str, item: int = 1) -> str:
        """What the responder's private key finds in escrow."""
        done = self.run("escrow", "open", plan, str(item), "--identity", str(self.identity))
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    # -- what must not be, and what must end

    def leaks(self, *values: str) -> list[Path]:
        """The files of the home, and the servers' logs, that hold one of these values."""
        places = [*self.home.rglob("*")]
        places += [self.bao.audit_file, self.bao.log, self.aws.log]
        places += self.lab.servers["postgres"].place.resolve().glob("*.json")  # type: ignore[attr-defined]
        needles = [value.rpartition(":")[2].encode() for value in values]
        return [
            path
            for path in places
            if path.is_file() and any(needle in path.read_bytes() for needle in needles)
        ]

    def runners(self) -> Iterator[int]:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = command.read_text().split("\0")
                if "console.response.run.process" in words and str(self.home / "state") in words:
                    yield int(command.parent.name)

    def close(self) -> None:
        """End the runners that still look for evidence."""
        for pid in self.runners():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def family(desk: Desk) -> tuple[Issued, Issued]:
    """An OpenBao token, and one that it made, which ends with it."""
    name = f"family-{secrets.token_hex(4)}"

    def make(policies: list[str], called: str, **headers: str) -> Issued:
        wanted = {"display_name": called, "policies": policies}
        with desk.bao.client() as client:
            answer = client.post("auth/token/create", json=wanted, headers=headers)
            made = answer.raise_for_status().json()["auth"]
        return Issued("vault-lab", made["accessor"], f"token-{called}", made["client_token"])

    with desk.bao.client() as client:
        client.put(
            "sys/policies/acl/makes-children", json={"policy": MAKES_CHILDREN}
        ).raise_for_status()
    above = make(["makes-children"], name)
    # No filter by the name of the one finds the other.
    below = make(["default"], f"below-{secrets.token_hex(4)}", **{"X-Vault-Token": above.value})
    return above, below
