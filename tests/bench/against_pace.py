"""How fast many tokens are revoked with the settings as they are, and how politely.

On the lab's real OpenBao. The settings are the defaults, but for the second person that a plan
for so many would need. "Ours" is all of it: plan, approval, and the runner's own process, with
the journal on, until each token was read back as gone.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from bench_bulk import LIMITS, OURS, THEIRS, Subject, approve, bao_subject, planned
from measuring import Figure, Row

from backends.lab.lab import config_text
from backends.lab.openbao import OpenBaoServer
from console.journal import opening
from console.response.run import process
from console.response.state.run import Board
from console.settings import Paths

TOKENS, AT_ONCE = 1000, 8
POLITE, QUOTA = 200, 50
QUOTA_POLICY = """
path "sys/quotas/rate-limit" { capabilities = ["list"] }
path "sys/quotas/rate-limit/" { capabilities = ["list"] }
path "sys/quotas/rate-limit/*" { capabilities = ["read"] }
"""
XARGS = 'xargs -P8 -n1 "$CLIENT" token revoke -accessor < "$LIST" > /dev/null'


@contextmanager
def site(tokens: int) -> Iterator[tuple[OpenBaoServer, Subject, Paths, Path]]:
    """A server with so many tokens for us and for them, and a console's home over it."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        server = OpenBaoServer(home / "bao")
        try:
            server.start()
            server.fill(20)
            paths = Paths(config=home / "config.toml", state=home / "state")
            paths.config.write_text(config_text((server,)) + LIMITS)
            yield server, bao_subject(server, tokens, tokens), paths, home
        finally:
            server.stop()


def ours(server: OpenBaoServer, paths: Paths) -> tuple[float, float, Board]:
    """The seconds of plan and approval, and of the runner; and what came of it."""
    plan, planning = asyncio.run(planned(server.name, paths))
    approve(plan, paths)
    began = time.perf_counter()
    pid = process.start(plan.id, paths, climb=0.0)
    os.waitpid(pid, 0)
    took = time.perf_counter() - began
    board = Board(plan)
    with opening.view(paths) as view:
        board.feed(view.of_plan(plan.id))
    return planning.wall, took, board


def with_xargs(subject: Subject, home: Path) -> float:
    """The vendor's client, eight at a time, once for each token."""
    listed = home / "theirs"
    listed.write_text("".join(f"{line}\n" for line in subject.lines.values()))
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LIST": str(listed)}
    began = time.perf_counter()
    command = ["bash", "-c", XARGS]
    more = {"CLIENT": str(subject.client), **subject.env}
    subprocess.run(command, env={**env, **more}, check=True)
    return time.perf_counter() - began


def bare(server: OpenBaoServer, tokens: int) -> float:
    """The same calls by httpx alone, eight at a time, with nothing written down."""
    with server.client() as client:
        made = [
            client.post("auth/token/create-orphan", json={"policies": ["payments-read"]}).json()
            for _ in range(tokens)
        ]
    headers = {"X-Vault-Token": (server.home / "act.token").read_text()}

    async def go() -> float:
        gate = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(base_url=f"{server.url}/v1/", headers=headers) as client:

            async def one(accessor: str) -> None:
                async with gate:
                    body = {"accessor": accessor}
                    answer = await client.post("auth/token/revoke-accessor", json=body)
                    answer.raise_for_status()

            began = time.perf_counter()
            await asyncio.gather(*(one(each["auth"]["accessor"]) for each in made))
            return time.perf_counter() - began

    return asyncio.run(go())


def default_settings() -> Figure:
    """A thousand tokens without any setting for the pace."""
    with site(TOKENS) as (server, subject, paths, home):
        planning, running, board = ours(server, paths)
        recorded = board.sums()["recorded"]
        took = with_xargs(subject, home)
        floor = bare(server, TOKENS)
    if recorded != TOKENS:
        raise SystemExit(f"{recorded} of {TOKENS} are recorded")
    return Figure(
        planning + running,
        "s",
        floor,
        {"xargs -P8 bao": took},
        f"{TOKENS:,} tokens {OURS} against {THEIRS}; {planning:.1f} s of it the plan;"
        f" {TOKENS / running:.0f} calls a second; default settings",
    )


def quota() -> Figure:
    """How many requests a server turns away that takes fifty a second, and says so if asked."""
    with site(POLITE) as (server, _, paths, _):
        with server.client() as client:
            policy = client.get("sys/policies/acl/console-reader").json()["data"]["policy"]
            body = {"policy": policy + QUOTA_POLICY}
            client.put("sys/policies/acl/console-reader", json=body).raise_for_status()
            told = {"enable_rate_limit_audit_logging": True, "rate_limit_exempt_paths": []}
            client.post("sys/quotas/config", json=told).raise_for_status()
            client.post("sys/quotas/rate-limit/all", json={"rate": QUOTA}).raise_for_status()
        began = time.perf_counter()
        _, running, board = ours(server, paths)
        took = time.perf_counter() - began
        with server.audit_file.open() as lines:
            refused = sum("rate limit quota exceeded" in line for line in lines)
        recorded = board.sums()["recorded"]
    return Figure(
        refused,
        "answers with 429",
        notes=f"{recorded} of {POLITE} tokens revoked and read back; {took:.0f} s with the sync,"
        f" {running:.0f} s of them the run; the quota is OpenBao's own, {QUOTA} requests a second",
    )


ROWS = (
    Row(
        "pace-default",
        f"{TOKENS:,} OpenBao tokens revoked with default settings, plan included",
        "faster than xargs -P8 with the vendor's client",
        lambda figure: figure.ours < min(figure.peers.values()),
        default_settings,
    ),
    Row(
        "pace-quota",
        f"{POLITE} tokens revoked on an OpenBao that takes {QUOTA} requests a second",
        "not one answer with 429",
        lambda figure: figure.ours == 0,
        quota,
    ),
)
