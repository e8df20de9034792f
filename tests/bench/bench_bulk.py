"""Revoking a thousand at once: our run engine against the vendors' own clients in a shell loop.

    python tests/bench/bench_bulk.py [--tokens N] [--aws-sample N] [--bao-sample N] [--aws PATH]

On the lab's moto and its real OpenBao, all in one run: sync, a plan for many, approval, and
the runner in its own process, with the journal on and the rates so high that the systems are
the limit. Beside it ``aws iam delete-access-key`` and ``bao token revoke -accessor``, once
for each token, which is what their vendors offer. The loops may take a sample, which is then
scaled; the output says so. Without ``--aws``, awscli is installed into a temporary venv.

Afterwards the systems themselves are asked: none of the tokens is left, and moto's record of
its requests and OpenBao's audit log show one call that ends it for each. Prints the figures,
decides nothing about time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import httpx

from backends.contract import Verb
from backends.lab.lab import config_text
from backends.lab.moto import REGION, MotoServer
from backends.lab.openbao import OpenBaoServer, _executable
from backends.lab.server import Server
from console.fleet import Fleet
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.journal.format.entry import Kind
from console.journal.read.view import JournalView
from console.journal.verify.verify import verify
from console.response.approve import approval
from console.response.plan.build import build_plan
from console.response.plan.model import Plan
from console.response.run import process
from console.response.state.run import Board
from console.settings import Paths, load

OURS, THEIRS = "bulk-ours", "bulk-theirs"
"""What the names of the tokens begin with that the engine, and that a loop is given."""
LIMITS = "\n[response]\nsecond_person_over = 1000000\n"
WHY = "a vendor was breached, and every token it held goes"
WORKERS = 8
AWS_LOOP = """
while read -r user key; do
  "$CLIENT" iam delete-access-key --user-name "$user" --access-key-id "$key" \\
    --endpoint-url "$ENDPOINT" || exit 1
done < "$LIST"
"""
BAO_LOOP = """
while read -r accessor; do
  "$CLIENT" token revoke -accessor "$accessor" > /dev/null || exit 1
done < "$LIST"
"""


class Cost(NamedTuple):
    """What some tokens took, in seconds: by the wall, and of the CPU (the client's alone)."""

    tokens: int
    wall: float
    cpu: float

    def __str__(self) -> str:
        each, cpu = (1000 * part / self.tokens for part in (self.wall, self.cpu))
        return (
            f"{self.tokens:,} tokens in {self.wall:.1f} s: {each:.2f} ms and {cpu:.2f} ms CPU each"
        )


class Subject(NamedTuple):
    """One system: whose tokens those are, how its vendor's client is looped, what it shows."""

    server: Server
    client: Path
    loop: str
    env: Mapping[str, str]
    lines: Mapping[str, str]
    """The loop's tokens, by their ids: the line of the list that the loop reads."""
    sample: int
    left: Callable[[], set[str]]
    ended: Callable[[], Counter[str]]


def children() -> float:
    """The CPU seconds of the child processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def looped(subject: Subject, home: Path) -> tuple[Cost, set[str]]:
    """The vendor's client, token by token, and which ones it ended."""
    some = dict(list(subject.lines.items())[: subject.sample])
    listed = home / f"{subject.server.name}.list"
    listed.write_text("".join(f"{line}\n" for line in some.values()))
    plain = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = {**plain, "HOME": str(home), "CLIENT": str(subject.client), "LIST": str(listed)}
    wall, cpu = time.perf_counter(), children()
    subprocess.run(["bash", "-c", subject.loop], env={**env, **subject.env}, check=True)
    return Cost(len(some), time.perf_counter() - wall, children() - cpu), set(some)


async def planned(name: str, paths: Paths) -> tuple[Plan, Cost]:
    settings = load(paths.config)
    async with Fleet(settings, paths, act=True) as fleet:
        begun = time.perf_counter()
        report = await fleet.sync(name)
        assert report.result in ("ok", "partial"), report
        print(f"  sync: {report.tokens:,} tokens in {time.perf_counter() - begun:.1f} s")
        inventory = Inventory(paths.inventory)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = await build_plan(
            fleet.backend,
            inventory,
            Verb.REVOKE,
            query=f"backend:{name} {OURS}",
            reason=WHY,
            settings=settings,
        )
        cost = Cost(len(plan.items), time.perf_counter() - wall, time.process_time() - cpu)
        inventory.close()
    return plan, cost


def approve(plan: Plan, paths: Paths) -> None:
    answers = {raised.hazard.code: WHY for raised in plan.questions}
    with opening.journal(paths) as journal:
        approval.approve(plan, journal, paths, plan.typed_word, answers)


def ran(plan: Plan, paths: Paths) -> tuple[Cost, float]:
    """The runner's process from its start to its end; and the seconds until all was proved.

    What follows those seconds is the last listing of the system, for what came late.
    """
    began, wall, cpu = time.time(), time.perf_counter(), children()
    pid = process.start(plan.id, paths, climb=0.0)
    _, status = os.waitpid(pid, 0)
    cost = Cost(len(plan.items), time.perf_counter() - wall, children() - cpu)
    assert os.waitstatus_to_exitcode(status) == 0, process.log_of(plan.id, paths).read_text()
    with JournalView(paths.journal) as view:
        entries = view.of_plan(plan.id)
        assert view.store is not None
        assert not verify(view.store).findings
    board = Board(plan)
    board.feed(entries)
    assert board.sums()["recorded"] == len(plan.items), board.sums()
    kinds = Counter(entry.kind for entry in entries)
    for kind in (Kind.INTENT, Kind.OUTCOME, Kind.EVIDENCE):
        assert kinds[kind] == len(plan.items), kinds
    proved = max(entry.t_us for entry in entries if entry.kind == Kind.EVIDENCE)
    return cost, proved / 1e6 - began


def measure(subject: Subject, paths: Paths, home: Path) -> None:
    name = subject.server.name
    print(f"{subject.server.title}:")
    plan, planning = asyncio.run(planned(name, paths))
    print(f"  plan: {planning}")
    approve(plan, paths)
    ours, proved = ran(plan, paths)
    print(f"  ours, the runner from start to end: {ours}")
    print(f"    every token ended, and read back as gone, after {proved:.1f} s")
    theirs, ended = looped(subject, home)
    print(f"  {subject.client.name} in a loop: {theirs}")
    scale = ours.tokens / theirs.tokens
    if theirs.tokens != ours.tokens:
        print(f"    a sample; for {ours.tokens:,} scaled to {theirs.wall * scale:.0f} s")
    print(
        f"  ours / theirs per token: {ours.wall / (theirs.wall * scale):.4f} of the time "
        f"({theirs.wall * scale / ours.wall:.1f} times as fast), "
        f"{ours.cpu / (theirs.cpu * scale):.4f} of the CPU; with the planning "
        f"{(ours.wall + planning.wall) / (theirs.wall * scale):.4f} of the time"
    )
    ended |= {item.token.ref.id for item in plan.items}
    calls = subject.ended()
    assert not ended & subject.left(), "a token is left"
    assert {id_: calls[id_] for id_ in ended} == dict.fromkeys(ended, 1), "not once each"
    print(f"  {len(ended):,} tokens are gone, each by one call, as {name} itself tells")


# -- the systems


def each(work: Callable[[str], str], names: Iterable[str]) -> list[str]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, names))


def aws_subject(server: MotoServer, client: Path, tokens: int, sample: int) -> Subject:
    iam = server.iam

    def make(user: str) -> str:
        iam.create_user(UserName=user, Path="/bulk/", Tags=[{"Key": "owner", "Value": "payments"}])
        return server.key(user).id

    each(make, (f"{OURS}-{number:05}" for number in range(tokens)))
    users = [f"{THEIRS}-{number:05}" for number in range(sample)]
    lines = {key: f"{user} {key}" for user, key in zip(users, each(make, users), strict=True)}

    def left() -> set[str]:
        found: set[str] = set()
        for page in iam.get_paginator("list_users").paginate(PathPrefix="/bulk/"):
            for user in page["Users"]:
                listed = iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
                found.update(key["AccessKeyId"] for key in listed)
        return found

    def ended() -> Counter[str]:
        told = httpx.get(f"{server.endpoint}/moto-api/recorder/download-recording", trust_env=False)
        counted: Counter[str] = Counter()
        for line in told.text.splitlines():
            entry = json.loads(line)
            body = entry["body"]
            if entry["body_encoded"]:
                body = base64.b64decode(body).decode()
            form = parse_qs(body)
            if form.get("Action") == ["DeleteAccessKey"]:
                counted.update(form["AccessKeyId"])
        return counted

    httpx.post(f"{server.endpoint}/moto-api/recorder/start-recording", trust_env=False)
    key, _, secret = (server.home / "responder").read_text().partition(":")
    env = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "ENDPOINT": server.endpoint,
    }
    return Subject(server, client, AWS_LOOP, env, lines, sample, left, ended)


def bao_subject(server: OpenBaoServer, tokens: int, sample: int) -> Subject:
    client = server.client()

    def make(name: str) -> str:
        body = {
            "display_name": name,
            "policies": ["payments-read"],
            "ttl": "700h",
            "meta": {"owner": "payments"},
        }
        made = client.post("auth/token/create-orphan", json=body).raise_for_status()
        return str(made.json()["auth"]["accessor"])

    def hashed(accessor: str) -> str:
        told = client.post("sys/audit-hash/file", json={"input": accessor}).raise_for_status()
        return str(told.json()["data"]["hash"])

    ours = each(make, (f"{OURS}-{number:05}" for number in range(tokens)))
    theirs = each(make, (f"{THEIRS}-{number:05}" for number in range(sample)))

    def left() -> set[str]:
        listed = client.get("auth/token/accessors", params={"list": "true"}).raise_for_status()
        return set(listed.json()["data"]["keys"])

    def ended() -> Counter[str]:
        """The calls, by accessor, of which the log has the HMAC only."""
        counted: Counter[str] = Counter()
        for line in server.audit_file.read_text().splitlines():
            entry = json.loads(line)
            if entry["type"] == "response" and entry["request"]["path"].endswith(
                "auth/token/revoke-accessor"
            ):
                counted[entry["request"]["data"]["accessor"]] += 1
        made = [*ours, *theirs]
        hashes = dict(zip(made, each(hashed, made), strict=True))
        return Counter({accessor: counted[hashes[accessor]] for accessor in made})

    env = {"BAO_ADDR": server.url, "BAO_TOKEN": (server.home / "act.token").read_text()}
    lines = {accessor: accessor for accessor in theirs}
    return Subject(server, _executable(), BAO_LOOP, env, lines, sample, left, ended)


def aws_client(given: str, home: Path) -> Path:
    if given:
        return Path(given)
    venv.create(home / "awscli", with_pip=True)
    pip = [str(home / "awscli/bin/python"), "-m", "pip", "install", "--quiet", "awscli"]
    subprocess.run(pip, check=True)
    return home / "awscli/bin/aws"


def main() -> None:
    parser = argparse.ArgumentParser(description="Bulk revocation against the vendors' clients.")
    parser.add_argument("--tokens", type=int, default=1000, help="what the engine revokes on each")
    parser.add_argument("--aws", default="", help="the aws client; without it, one is installed")
    parser.add_argument("--aws-sample", type=int, default=100, help="keys for the loop of aws")
    parser.add_argument("--bao-sample", type=int, default=0, help="tokens for the loop of bao")
    given = parser.parse_args()
    # However it is ended, the servers end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        aws = aws_client(given.aws, home)
        told = subprocess.run([aws, "--version"], capture_output=True, text=True, check=True)
        print(f"{os.cpu_count()} CPUs, shared with the servers; {told.stdout.split()[0]}")
        moto, bao = MotoServer(home / "aws"), OpenBaoServer(home / "bao")
        try:
            for server in (moto, bao):
                server.start()
                server.fill(20)
            paths = Paths(config=home / "config.toml", state=home / "state")
            text = config_text((moto, bao)).replace("type =", "rate = 1000000\ntype =")
            paths.config.write_text(text + LIMITS)
            begun = time.perf_counter()
            subjects = (
                bao_subject(bao, given.tokens, given.bao_sample or given.tokens),
                aws_subject(moto, aws, given.tokens, given.aws_sample),
            )
            print(f"tokens made in {time.perf_counter() - begun:.0f} s")
            for subject in subjects:
                measure(subject, paths, home)
        finally:
            moto.stop()
            bao.stop()


if __name__ == "__main__":
    main()
