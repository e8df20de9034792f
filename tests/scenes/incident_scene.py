"""An incident with hostile names, uses since the leak, a run, and everything that is decided."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import tui_world as world
from tui_run_scene import Run, item
from tui_world import NOW, Still

from backends.contract import Verb
from backends.model import (
    AuditEvent,
    Effect,
    EventClass,
    Gap,
    GapKind,
    ScopeDone,
    Token,
    known,
    use,
)
from console import settings
from console.incident import scoping, service
from console.incident.assess import Assessment, assess
from console.incident.record import Incident, fold, hole_id
from console.incident.service import NewIncident
from console.journal import opening
from console.journal.format.entry import Kind, PlanMark
from console.response.plan import entry_parts
from console.response.plan.model import digest
from console.settings import Paths

LEAK = NOW - timedelta(hours=20)
CANARY = "hvs.CAESICanaryZq81mVnC4yXs07RtBwKd"
THIEF = "203.0.113.77"
RUNNER = "198.51.100.31"
SCRIPT = (
    "<script>fetch('//evil.example/x')</script><img src=//evil.example/y onerror=alert(1)>"
    "\"'><svg/onload=alert(2)>"
)
CHAT = "@here <!channel> @channel *bold* ~gone~ `code` :fire: #general https://evil.example/a"
LINK = "[click](https://evil.example/b) ![x](//evil.example/c) www.evil.example | cell"
TERMINAL = "esc \x1b]52;c;AAAA\x07 bidi \u202egnp.exe\u2066 nul \0 line\nbreak"
HOSTILE = (SCRIPT, CHAT, LINK, TERMINAL)
"""Names that a page, a chat, a wiki and a terminal could act on."""
OWNER = "maria.delacroix"
PERSON = "tomasz.wieczorek"
PLAIN = ("payroll-sync", "ledger-export", "nightly-etl")
QUERY = "owner:quartermaster"
TITLE = "npm key of quartermaster in a build log <script>alert(3)</script> @here"
WHY = "found by the scanner in a public build log"
NOTED = "the vendor Blauwal called back about it"
PART = "namespace ns-zimtstern"
ID = "INC-KESTREL-9"
IDS = ("AKIDKOBOLD0001", "AKIDKOBOLD0002")


def _token(number: int, backend: str, name: str, id_: str = "") -> Token:
    return world.token(
        backend, id_ or f"k{number}", name, kind="key", owner=known("quartermaster", "tag"),
        created_at=known(NOW - timedelta(days=40), "record"),
    )  # fmt: skip


def _events(tokens: list[Token]) -> list[AuditEvent]:
    events: list[AuditEvent] = []

    def put(token: Token, at: Any, source: str, outcome: str = "ok", **more: Any) -> None:
        facts = {"sort": use(outcome), "action": "GET", "target": "secret/x"} | more
        events.append(
            AuditEvent(id=f"{token.ref.backend}{len(events)}", at=at, outcome=outcome,
                       token=token.ref, source=source, origin="audit file", **facts)
        )  # fmt: skip

    for token in tokens:
        for hour in range(30, 2, -3):
            put(token, NOW - timedelta(hours=hour), RUNNER)
    put(tokens[0], LEAK + timedelta(hours=1), THIEF, actor=SCRIPT)
    put(tokens[0], LEAK + timedelta(hours=5), THIEF, target=f"kms?token={CANARY}")
    put(tokens[0], LEAK + timedelta(hours=6), THIEF, "denied")
    put(tokens[1], LEAK + timedelta(hours=2), SCRIPT)
    put(tokens[1], LEAK + timedelta(hours=3), "", action="grant", actor=OWNER,
        target=f"policy?token={CANARY}", sort=EventClass.LIFE, effect=Effect.OWNER)  # fmt: skip
    return events


def filled(home: Path, names: tuple[str, ...] = (*PLAIN, *HOSTILE)) -> Paths:
    """A home whose two systems were read: vault-granit and aws-kobold."""
    paths = settings.paths(home)
    paths.make()
    half = [_token(n, "vault-granit", name) for n, name in enumerate(names, 1)]
    rest = [_token(n, "aws-kobold", f"bucket-reader-{n}", IDS[n - 1]) for n in (1, 2)]
    gap = Gap(PART, GapKind.REFUSED, "accessors", "Grant list on auth/token/accessors.")
    world.fill(
        paths,
        [
            Still("vault-granit", [*half, gap, ScopeDone("root/", len(half))], kind="key",
                  events=_events(half)),
            Still("aws-kobold", [*rest, ScopeDone("root/", len(rest))], kind="key"),
        ],
    )  # fmt: skip
    return paths


def opened(home: Path, names: tuple[str, ...] = (*PLAIN, *HOSTILE)) -> Paths:
    """The same with an incident over all tokens, decisions, and a run over the first three."""
    paths = filled(home, names)
    new = NewIncident(
        title=TITLE, reason=WHY, id=ID, severity="critical", leaked=LEAK.timestamp(),
        deadline=NOW.timestamp() + 30 * 86_400,
    )  # fmt: skip
    service.begin(paths, new)
    scoping.widen(paths, ID, query=QUERY)
    service.assign(paths, ID, OWNER, role="lead")
    service.assign(paths, ID, PERSON, backend="aws-kobold")
    service.note(paths, ID, NOTED)
    incident = record(paths)
    service.accept(
        paths, ID, [hole_id(incident.holes[0])], person=PERSON, reason="nothing of ours lies there"
    )
    service.let_be(
        paths, ID, list(incident.scope)[-1], person=OWNER, expires=time.time() + 3 * 86_400,
        reason="the bucket is frozen anyway",
    )  # fmt: skip
    run = run_over(paths, names[:3])
    run.end([1, 2])
    run.end([3], state="unknown")
    run.decide("waive", 1, owner=PERSON, why="its consumer is switched off")
    run.decide("alarm", 2, detail="used after its end")
    run.decide("breakglass", why="nobody else can be reached now")
    return paths


def run_over(paths: Paths, names: tuple[str, ...]) -> Run:
    """A run of the incident over the first tokens of vault-granit, approved."""
    items = [item(n, Verb.REVOKE, name, "vault-granit") for n, name in enumerate(names, 1)]
    run = Run(paths, items, incident=ID, reason="end what stood in the log")
    # A run is found by the entry that names the incident: that of the plan.
    act = entry_parts.act("revoke", items[0].token, plan=run.plan.id)
    mark = PlanMark(sha256=digest(run.plan), steps=run.plan.steps, tokens=len(items))
    run.say(Kind.PLAN_MADE, why=run.plan.reason, incident=ID, act=act, plan=mark)
    return run


def record(paths: Paths) -> Incident:
    """The incident as the journal has it."""
    with opening.view(paths) as view:
        return fold(view.cases())[ID]


def assessed(paths: Paths, now: float = 0.0) -> Assessment:
    """Where it stands, by default now."""
    with opening.view(paths) as view:
        return assess(fold(view.cases())[ID], paths, view, now or time.time())
