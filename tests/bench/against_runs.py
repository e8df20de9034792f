"""What ending many tokens costs, plan and proof included, against a bare loop of the calls alone.

Both systems are real servers of the lab, on this machine and sharing its cores. The floor ends
as many other tokens of the same server by nothing but the one call each, eight at a time, once
before and once after ours; the mean of the two counts. Each lot is made when its turn comes, so
that the system holds nothing else but a few tokens: a listing of it costs reads for each. The
pace is lifted by ``rate``, so that the systems are the limit. The servers' own records say how
many requests ours made.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs, urlencode

import bench_bulk as bulk
import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from measuring import Figure, Row

from backends.contract import Verb
from backends.lab.lab import config_text
from backends.lab.moto import REGION, MotoServer
from backends.lab.openbao import OpenBaoServer
from backends.lab.server import Server
from console.fleet import Fleet
from console.inventory.search.inventory import Inventory
from console.response.plan.build import build_plan
from console.response.plan.model import Plan
from console.settings import Paths, load

AT_ONCE = 8
TOKENS, KEYS = 1000, 300
OTHERS = 20
"""Tokens of other owners that the system has besides, which stay."""

Kind = TypeVar("Kind", bound=Server)
BareCall = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
"""One call of the floor."""


class Subject(NamedTuple):
    """A server, what makes a lot of tokens there and gives the calls that end it, and how many
    requests of which kind it had so far."""

    server: Server
    lot: Callable[[str], Sequence[BareCall]]
    requests: Callable[[], Counter[str]]


async def bare(calls: Sequence[BareCall]) -> bulk.Cost:
    """What these calls take, eight at a time, and nothing else."""
    waiting = iter(calls)

    async def worker() -> None:
        # A pool of one for each worker: one pool for eight costs more than it saves.
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            for call in waiting:
                (await call(client)).raise_for_status()

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return bulk.Cost(len(calls), time.perf_counter() - wall, time.process_time() - cpu)


async def planned(name: str, paths: Paths, listed: Callable[[], None]) -> tuple[Plan, bulk.Cost]:
    """A plan for all of ours, and what it took; ``listed`` is called between sync and plan."""
    settings = load(paths.config)
    async with Fleet(settings, paths, act=True) as fleet:
        report = await fleet.sync(name)
        assert report.result in ("ok", "partial"), report
        listed()
        inventory = Inventory(paths.inventory)
        wall, cpu = time.perf_counter(), time.process_time()
        plan = await build_plan(
            fleet.backend,
            inventory,
            Verb.REVOKE,
            query=f"backend:{name} {bulk.OURS}",
            reason=bulk.WHY,
            settings=settings,
        )
        cost = bulk.Cost(len(plan.items), time.perf_counter() - wall, time.process_time() - cpu)
        inventory.close()
    return plan, cost


def told(what: str, asked: Counter[str], many: int) -> str:
    """How many requests a token something took, the commonest kinds by name."""
    kinds = ", ".join(f"{name} {number / many:.2f}" for name, number in asked.most_common(4))
    return f"{what} {asked.total() / many:.2f} requests a token ({kinds})"


def measured(subject: Subject, home: Path) -> Figure:
    """Plan, approval and run of all of ours, in seconds, between two bare loops."""
    paths = Paths(config=home / "config.toml", state=home / "state")
    text = config_text((subject.server,)).replace("type =", "rate = 1000000\ntype =")
    paths.config.write_text(text + bulk.LIMITS)
    floors = [asyncio.run(bare(subject.lot("floor-before")))]
    subject.lot(bulk.OURS)
    marks: list[Counter[str]] = []
    plan, planning = asyncio.run(
        planned(subject.server.name, paths, lambda: marks.append(subject.requests()))
    )
    marks.append(subject.requests())
    began = time.perf_counter()
    bulk.approve(plan, paths)
    approving = time.perf_counter() - began
    running, proved = bulk.ran(plan, paths)
    marks.append(subject.requests())
    floors.append(asyncio.run(bare(subject.lot("floor-after"))))
    many = len(plan.items)
    notes = "; ".join(
        (
            f"{many:,} tokens; floors "
            + " and ".join(f"{each.wall:.2f} s, {each.cpu:.2f} s of CPU" for each in floors),
            f"plan {planning.wall:.2f} s, {planning.cpu:.2f} s of CPU",
            told("it made", marks[1] - marks[0], many),
            f"run {running.wall:.2f} s, {running.cpu:.2f} s of CPU, all proved after {proved:.2f}",
            told("it made", marks[2] - marks[1], many),
        )
    )
    floor = sum(each.wall for each in floors) / len(floors)
    return Figure(planning.wall + approving + running.wall, "s", floor, notes=notes)


@contextmanager
def started(kind: type[Kind]) -> Iterator[tuple[Kind, Path]]:
    """A server of the lab with a few tokens, and a directory for the console's files."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        server = kind(home / "server")
        server.start()
        try:
            server.fill(OTHERS)
            yield server, home
        finally:
            server.stop()


def openbao() -> Figure:
    """Service tokens of a real OpenBao with its audit device on."""
    with started(OpenBaoServer) as (server, home), server.client() as client:

        def make(name: str) -> str:
            body = {"display_name": name, "policies": ["payments-read"], "ttl": "700h"}
            made = client.post("auth/token/create-orphan", json=body).raise_for_status()
            return str(made.json()["auth"]["accessor"])

        def ending(accessor: str) -> BareCall:
            url = f"{server.url}/v1/auth/token/revoke-accessor"
            headers = {"X-Vault-Token": (server.home / "act.token").read_text()}
            return lambda bare: bare.post(url, headers=headers, json={"accessor": accessor})

        def requests() -> Counter[str]:
            counted: Counter[str] = Counter()
            for line in server.audit_file.read_text().splitlines():
                entry = json.loads(line)
                if entry["type"] == "request":
                    path = str(entry["request"]["path"])
                    counted[path.rpartition("/")[2] if "hash" not in path else "hash"] += 1
            return counted

        def lot(name: str) -> Sequence[BareCall]:
            names = (f"{name}-{number:05}" for number in range(TOKENS))
            return [ending(accessor) for accessor in bulk.each(make, names)]

        return measured(Subject(server, lot, requests), home)


def operation(entry: Mapping[str, Any]) -> str:
    """What a line of moto's record asked for."""
    body = str(entry["body"])
    if entry["body_encoded"]:
        body = base64.b64decode(body).decode()
    return parse_qs(body).get("Action", ["something else"])[0]


def moto() -> Figure:
    """Access keys of moto, which checks signatures and policies as AWS does."""
    with started(MotoServer) as (server, home):
        iam = server.iam

        users = [f"{bulk.OURS}-{number:05}" for number in range(KEYS)]
        for user in users:
            iam.create_user(UserName=user, Path="/bulk/", Tags=[{"Key": "owner", "Value": "pay"}])

        def make(user: str) -> str:
            return server.key(user).id

        id_, _, secret = (server.home / "responder").read_text().partition(":")
        signer = SigV4Auth(Credentials(id_, secret), "iam", REGION)

        def ending(user: str, key: str) -> BareCall:
            form = {"Action": "DeleteAccessKey", "UserName": user, "AccessKeyId": key}
            body = urlencode({**form, "Version": "2010-05-08"})
            kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

            def call(client: httpx.AsyncClient) -> Awaitable[httpx.Response]:
                request = AWSRequest("POST", f"{server.endpoint}/", kind, body)
                signer.add_auth(request)
                return client.post(
                    f"{server.endpoint}/", headers=dict(request.headers), content=body
                )

            return call

        recorder = f"{server.endpoint}/moto-api/recorder"
        httpx.post(f"{recorder}/start-recording", trust_env=False)

        def requests() -> Counter[str]:
            text = httpx.get(f"{recorder}/download-recording", trust_env=False, timeout=60).text
            return Counter(operation(json.loads(line)) for line in text.splitlines())

        def lot(_: str) -> Sequence[BareCall]:
            # The same users for all lots: each user that there is costs a listing a call.
            return [ending(*each) for each in zip(users, bulk.each(make, users), strict=True)]

        return measured(Subject(server, lot, requests), home)


def at_most(times: float) -> Callable[[Figure], bool]:
    """Whether a figure is at most so many times its floor."""
    return lambda figure: (figure.ratio() or 0.0) <= times


ROWS = (
    Row(
        "run-openbao",
        f"{TOKENS:,} OpenBao tokens revoked, rate lifted, plan and proof included",
        "3.5 x a bare loop, 8 at a time",
        at_most(3.5),
        openbao,
    ),
    Row(
        "run-aws",
        f"{KEYS} access keys deleted on moto, rate lifted, plan and proof included",
        "6 x a bare SigV4 loop, 8 at a time",
        at_most(6.0),
        moto,
    ),
)
