"""200 consumers planted in six kinds of place: how many the graph finds, and which not."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from backends.contract import BackendConfig
from backends.estate import Estate, EstateWorld, create, hazard_cases
from backends.model import Secret, TokenRef
from console.audit import intake
from console.graph import graph
from console.graph.collect.collect import answered, collect
from console.inventory.sync.sync import Syncer
from console.journal.read.fingerprint import fingerprint
from console.settings.graph import GraphSettings
from console.store import reading
from console.store.database import open_for_writing

PEPPER = bytes(range(32))
BEGAN = 1_790_000_000
PLAN = {
    "address in the audit log": 40,
    "workload its system tells of": 60,
    "consumer declared in a file": 30,
    "store entry declared in a file": 20,
    "file with the public id": 25,
    "file with the value": 25,
}
SILENT = 6
"""Of the workloads, those that have not worked yet: no log can know them."""


def test_planted_consumers_are_found_but_for_the_silent(tmp_path: Path) -> None:
    path = tmp_path / "estate.db"
    create(path, seed=3, tokens=60, now=BEGAN, clean=True)
    truth: dict[str, set[tuple[str, str]]] = {place: set() for place in PLAN}
    minted: list[tuple[TokenRef, Secret]] = []
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    lines: list[str] = []
    with EstateWorld(path) as world:
        world.freeze(BEGAN + 60)
        for number in range(10):
            id_, secret = world.mint("cloud", f"planted-{number}", owner="sre")
            minted.append((TokenRef("cloud", "access key", id_), secret))
        for number in range(PLAN["workload its system tells of"]):
            ref, _ = minted[number % 10]
            name, address = f"pod/app-{number}", f"10.9.{number}.1"
            late = number >= PLAN["workload its system tells of"] - SILENT
            period = 9_000_000 if late else 600
            hazard_cases.employ(world, "cloud", ref.id, name, address=address, period=period)
            truth["workload its system tells of"].add((ref.id, name))
            if number < PLAN["address in the audit log"]:
                truth["address in the audit log"].add((ref.id, address))
        world.travel(7_200)
        world.advance()
        now = world.now()
    for number in range(PLAN["consumer declared in a file"]):
        ref, _ = minted[number % 10]
        lines.append(f'[[consumer]]\nname = "batch-{number}"\ntokens = ["cloud/{ref.id}"]')
        truth["consumer declared in a file"].add((ref.id, f"batch-{number}"))
    for number in range(PLAN["store entry declared in a file"]):
        ref, _ = minted[number % 10]
        lines.append(f'[[entry]]\nname = "kv/{number}"\nholds = ["{ref.id}"]')
        truth["store entry declared in a file"].add((ref.id, f"kv/{number}"))
    for number in range(PLAN["file with the public id"]):
        ref, secret = minted[number % 10]
        (deploy / f"id-{number}.env").write_text(f"export KEY_ID='{ref.id}'\n")
        truth["file with the public id"].add((ref.id, f"deploy/id-{number}.env"))
    for number in range(PLAN["file with the value"]):
        ref, secret = minted[number % 10]
        form = ('{{"secret": "{}"}}', "secret: {}\n", "SECRET={}", "<key>{}</key>")[number % 4]
        (deploy / f"value-{number}.txt").write_text(form.format(secret.reveal()))
        truth["file with the value"].add((ref.id, f"deploy/value-{number}.txt"))
    consumers = tmp_path / "consumers.toml"
    consumers.write_text("\n".join(lines))

    engine = open_for_writing(tmp_path / "inventory.db")
    options = {"path": str(path), "system": "cloud"}

    async def read() -> None:
        backend = Estate(BackendConfig(name="cloud", type="estate", options=options))
        await backend.open()
        syncer = Syncer(engine, clock=lambda: float(now))
        await syncer.sync(backend)
        await intake.take_in(syncer, backend, since=datetime.fromtimestamp(BEGAN, UTC))
        for ref, _ in minted:
            kind = kinds(ref.id)
            answered(engine, kind, await backend.dependents(kind))
        await backend.close()

    def kinds(id_: str) -> TokenRef:
        with closing(reading.connect(tmp_path / "inventory.db")) as connection:
            row = connection.execute("SELECT kind FROM token WHERE ref = ?", (id_,)).fetchone()
        return TokenRef("cloud", row[0], id_)

    asyncio.run(read())
    prints = [(fingerprint(PEPPER, secret), kinds(ref.id).handle) for ref, secret in minted]
    settings = GraphSettings(consumers=(consumers,), configs=(deploy,))
    collect(engine, settings, pepper=PEPPER, known_prints=prints)
    with closing(reading.connect(tmp_path / "inventory.db")) as connection:
        whole = graph.load(connection)
        refs = dict(connection.execute("SELECT handle, ref FROM token"))
        details = connection.execute(
            "SELECT n.key, l.detail FROM link l JOIN node n ON n.num = l.a WHERE n.side = 'token'"
        ).fetchall()
    found = {
        (refs[whole.nodes[a].key], whole.nodes[b].name)
        for a, b in whole.kinds
        if whole.side_of[a] == "token" and whole.side_of[b] == "use" and whole.nodes[a].key in refs
    }
    # Where its system names a consumer, the address is not one more: it is in the evidence.
    found |= {
        (refs[key], word) for key, detail in details for word in detail.split() if key in refs
    }
    missed: Counter[str] = Counter()
    for place, planted in truth.items():
        missed[place] = len(planted - found)
        print(f"{place}: {len(planted) - missed[place]} of {len(planted)}")
    total = sum(map(len, truth.values()))
    print(f"recall {total - missed.total()} of {total}")
    assert total == 200
    assert {place: count for place, count in missed.items() if count} == {
        "workload its system tells of": SILENT
    }
