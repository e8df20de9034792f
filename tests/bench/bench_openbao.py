"""Listing OpenBao tokens: our inventory against a loop of look-ups over the same client.

    python tests/bench/bench_openbao.py [TOKENS]

Starts a real OpenBao, makes the tokens, and prints both in one run. The loop does the
least that anyone could: list the accessors, look each of them up, keep the record.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from backends import registry
from backends.lab.openbao import OpenBaoServer
from backends.model import ScopeDone, Token
from backends.openbao import OpenBao

ROUNDS = 3


async def our_inventory(bao: OpenBao) -> int:
    found = [item async for item in bao.inventory() if isinstance(item, Token | ScopeDone)]
    assert sum(isinstance(item, ScopeDone) for item in found) == 4
    return sum(isinstance(item, Token) for item in found)


async def loop_of_look_ups(bao: OpenBao) -> int:
    client = bao._client
    records = []
    for ns in ("", "subsidiary/"):
        for accessor in await client.keys(ns, "auth/token/accessors"):
            records.append(await client.token(ns, accessor))
    return len(records)


async def measured(
    server: OpenBaoServer, work: Callable[[OpenBao], Awaitable[int]]
) -> tuple[float, float, int]:
    bao = registry.configure("bao", server.table())
    assert isinstance(bao, OpenBao)
    async with bao:
        wall, cpu = time.perf_counter(), time.process_time()
        tokens = await work(bao)
        return time.perf_counter() - wall, time.process_time() - cpu, tokens


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as home:
        server = OpenBaoServer(Path(home) / "bao")
        server.start()
        try:
            begun = time.perf_counter()
            server.fill(wanted)
            print(f"made {wanted} tokens in {time.perf_counter() - begun:.1f} s")
            rounds: dict[str, list[tuple[float, float, int]]] = {"ours": [], "loop": []}
            for _ in range(ROUNDS):
                rounds["loop"].append(asyncio.run(measured(server, loop_of_look_ups)))
                rounds["ours"].append(asyncio.run(measured(server, our_inventory)))
        finally:
            server.stop()
    for name, results in rounds.items():
        wall = median(result[0] for result in results)
        cpu = median(result[1] for result in results)
        tokens = results[0][2]
        print(f"{name}: {tokens} tokens, {wall:.2f} s, {cpu:.2f} s CPU, {tokens / wall:.0f}/s")
    ours, loop = (median(r[0] / r[2] for r in rounds[name]) for name in ("ours", "loop"))
    print(f"ours takes {ours / loop:.2f} of the loop's time per token (median of {ROUNDS}),")
    print("with owners, secret-ids and the audit log joined, which the loop leaves out")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
