"""Prints how fast events come in, and how fast a timeline of a million of them is drawn.

python tests/bench/bench_timeline.py [EVENTS]
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scripted import token
from timeline_world import LINES, World

from backends.logs import registry
from backends.logs.postgres import COLUMNS
from console.timeline.axis import Window
from console.timeline.since import since
from console.timeline.view import Timeline

NOW = int(time.time())
TOKENS = 2_000
SPAN = 20 * 86_400
dice = random.Random(7)


def stamp(at: int, zone: str = "Z") -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + zone


def moments(count: int) -> list[int]:
    return [NOW - SPAN + SPAN * n // count for n in range(count)]


def whose() -> int:
    """Some tokens are used much more than others."""
    return min(int(dice.paretovariate(0.7)), TOKENS) - 1


def json_line(n: int, at: int) -> bytes:
    entry = {"t": at, "key": f"id{whose()}", "do": dice.choice(("read", "list", "update")),
             "out": "denied" if n % 50 == 0 else "ok", "ip": f"10.0.{n % 7}.{n % 11}", "who": "ci",
             "on": f"secret/data/app/{n % 400}", "ua": "client/1.2"}  # fmt: skip
    return json.dumps(entry).encode() + b"\n"


def bao_line(n: int, at: int) -> bytes:
    entry = {
        "time": stamp(at), "type": "response",
        "auth": {"accessor": f"hmac-sha256:{whose():064x}", "display_name": "token-ci"},
        "request": {
            "id": f"{n:032x}", "operation": "read", "path": f"secret/data/app/{n % 400}",
            "client_token": f"hmac-sha256:{whose():064x}",
            "client_token_accessor": f"hmac-sha256:{whose():064x}",
            "remote_address": f"10.0.{n % 7}.{n % 11}", "namespace": {"id": "root"},
        },
        "response": {"mount_type": "kv", "data": {"data": {"k": "hmac-sha256:" + "0" * 64}}},
    }  # fmt: skip
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def postgres_entry(n: int, at: int) -> dict[str, Any]:
    return {
        "timestamp": time.strftime("%Y-%m-%d %H:%M:%S.000 UTC", time.gmtime(at)),
        "user": f"role{whose()}", "dbname": "ledger", "pid": n % 9999, "remote_host": "10.0.0.1",
        "session_id": f"{n:x}.1", "line_num": 1, "error_severity": "LOG",
        "message": f"connection authorized: user=role{n} database=ledger application_name=psql",
        "application_name": "psql", "backend_type": "client backend",
    }  # fmt: skip


def kubernetes_line(n: int, at: int) -> bytes:
    entry = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": f"{n:032x}",
        "stage": "ResponseComplete", "verb": "get", "requestReceivedTimestamp": stamp(at),
        "user": {"username": f"system:serviceaccount:pay:sa{whose()}"}, "sourceIPs": ["10.0.0.1"],
        "objectRef": {"namespace": "pay", "resource": "secrets", "name": "db"},
        "responseStatus": {"code": 200},
    }  # fmt: skip
    return json.dumps(entry).encode() + b"\n"


def trail(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count // 500):
        records = [
            {
                "eventID": f"{number}-{n}", "eventTime": stamp(NOW - SPAN + number * 60),
                "eventName": "GetObject", "eventSource": "s3.amazonaws.com",
                "awsRegion": "eu-west-1", "sourceIPAddress": "10.0.0.1", "userAgent": "cli",
                "userIdentity": {"accessKeyId": f"AKIA{whose():016}", "arn": "arn:aws:iam::1:u"},
            }
            for n in range(500)
        ]  # fmt: skip
        data = gzip.compress(json.dumps({"Records": records}).encode(), 1)
        (folder / f"{number:06}.json.gz").write_bytes(data)


def write(path: Path, count: int, line: Callable[[int, int], bytes]) -> None:
    with path.open("wb") as handle:
        for n, at in enumerate(moments(count)):
            handle.write(line(n, at))


def csv_line(n: int, at: int) -> bytes:
    out = io.StringIO()
    entry = postgres_entry(n, at)
    csv.writer(out, lineterminator="\n").writerow([entry.get(name, "") for name in COLUMNS])
    return out.getvalue().encode()


def rate(home: Path, name: str, type_: str, path: Path, **more: Any) -> World:
    world = World(home / name, *(token(f"id{n}") for n in range(20)))
    world.clock.now = time.time()
    source = registry.configure(
        name, {"type": type_, "backend": "vault", "path": str(path), **more}
    )
    begun, cpu = time.perf_counter(), time.process_time()
    report = world.ingest(source)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(
        f"ingest {name:18} {report.taken:>9,} events {report.taken / took:>8,.0f} a second, "
        f"{report.taken / cpu:>8,.0f} a second of CPU"
    )
    return world


def milliseconds(work: Callable[[], object], times: int = 9) -> str:
    found = []
    for _ in range(times):
        begun = time.process_time()
        work()
        found.append((time.process_time() - begun) * 1000)
    return f"{statistics.median(found):8.2f} ms of CPU"


def frames(world: World) -> None:
    path = world.paths.inventory
    busiest = token("id0").ref.handle
    for label, tokens in (("everything", []), ("the busiest token", [busiest])):
        with Timeline(path, tokens) as timeline:
            window = Window(NOW - SPAN, NOW)
            size = len(timeline.whole.all)
            print(f"{label}: {size:,} events")
            print(
                "  opened from the counts", milliseconds(lambda t=tokens: Timeline(path, t).close())
            )
            for cells, wide in (("80x24", 80), ("250x60", 250)):
                taken = milliseconds(partial(timeline.frame, window, wide))
                print(f"  frame {cells} from the counts", taken)
            begun = time.perf_counter()
            timeline.load("address")
            print(f"  lanes loaded in {time.perf_counter() - begun:.2f} s: {len(timeline.lanes)}")
            near = window.zoom(0.02)
            for cells, wide in (("80x24", 80), ("250x60", 250)):
                taken = milliseconds(partial(timeline.frame, near, wide))
                print(f"  frame {cells} of single events, zoomed", taken)
            if tokens:
                print("  used since the leak", milliseconds(partial(since, timeline, NOW - 86_400)))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    small = max(count // 20, 1000)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write(home / "bao.log", small, bao_line)
        rate(home, "openbao", "openbao_file", home / "bao.log")
        write(home / "k8s.log", small, kubernetes_line)
        rate(home, "kubernetes", "kubernetes_audit", home / "k8s.log")
        write(
            home / "pg.json",
            small,
            lambda n, at: json.dumps(postgres_entry(n, at)).encode() + b"\n",
        )
        rate(home, "postgres-json", "postgres_log", home / "pg.json")
        write(home / "pg.csv", small, csv_line)
        rate(home, "postgres-csv", "postgres_log", home / "pg.csv")
        trail(home / "trail", small)
        rate(home, "cloudtrail", "cloudtrail_files", home / "trail")
        write(home / "any.log", count, json_line)
        world = rate(
            home, "json-lines", **{**LINES, "type_": LINES["type"], "path": home / "any.log"}
        )
        print(f"store {world.paths.inventory.stat().st_size / 1e6:,.0f} MB")
        frames(world)
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
