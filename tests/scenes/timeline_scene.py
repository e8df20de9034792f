"""A token with a busy log for tests of the timeline's screen: a leak, a thief, a revocation."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import tui_world as world
from tui_world import HOSTILE, NOW, Still, fill, screen, token, until

from backends.model import AuditEvent, Effect, EventClass, Gap, GapKind, ScopeDone, known, use
from console.settings import Paths
from console.tui.shell.application import ConsoleApp

LEAK = NOW - timedelta(hours=20)
REVOKED = NOW - timedelta(hours=3)
THIEF = "203.0.113.7"


def busy(*, hostile: bool = False) -> Still:
    """Three days: a daily wave of three runners, a thief after the leak, use after the end."""
    created = known(NOW - timedelta(days=3), "x")
    used = known(REVOKED + timedelta(minutes=23), "audit log")
    mine = token("vault-prod", "acc-1", "ci-deploy", created_at=created, last_used_at=used)
    events: list[AuditEvent] = []

    def put(at: datetime, outcome: str = "ok", source: str = "10.20.0.31", **more: Any) -> None:
        facts = {"action": "GET", "target": "secret/data/ci/npm", "actor": "jenkins-ci"} | more
        facts = {"sort": use(outcome)} | facts
        events.append(
            AuditEvent(id=f"e{len(events)}", at=at, outcome=outcome, token=mine.ref,
                       source=source, origin="audit file", **facts)
        )  # fmt: skip

    for minute in range(0, 72 * 60, 20):
        at = NOW - timedelta(hours=72) + timedelta(minutes=minute)
        if at >= REVOKED or NOW - timedelta(hours=50) < at < NOW - timedelta(hours=44):
            continue
        wave = 1 + abs(12 - at.hour) // 4
        for number in range(wave):
            put(at + timedelta(seconds=number), source=f"10.20.0.3{number % 3}")
    for number in range(240):
        at = LEAK + timedelta(hours=4) + timedelta(minutes=number * 2)
        outcome = "denied" if number % 3 else "ok"
        put(at, outcome, THIEF, target="kms/decrypt?token=hvs." + "A1b2" * 8, agent="curl/8.1")
    put(REVOKED, action="revoked", source="", target="", sort=EventClass.LIFE,
        effect=Effect.REVOKED)  # fmt: skip
    for number in range(4):
        put(REVOKED + timedelta(minutes=20 + number), source=THIEF)
    put(REVOKED + timedelta(minutes=60), "denied", THIEF)
    if hostile:
        put(NOW - timedelta(minutes=40), "ok", HOSTILE, actor=HOSTILE, target=HOSTILE)
    gap = Gap("audit", GapKind.FAILED, "audit device was off", "",
              NOW - timedelta(hours=50), NOW - timedelta(hours=44))  # fmt: skip
    found: list[Any] = [mine, token("vault-prod", "acc-2", "idle"), ScopeDone("root/", 2)]
    told: list[Any] = events if hostile else [gap, *events]
    return Still("vault-prod", found, events=told)


def home(directory: Path, *backends: Still) -> Paths:
    """A home whose store was filled by a sync of these, or of the busy one."""
    paths = world.where(directory)
    fill(paths, backends or (busy(),))
    return paths


async def open_timeline(pilot: Any, app: ConsoleApp, name: str = "ci-deploy") -> Any:
    """From the list to a token's timeline, until all of it is read."""
    await pilot.press("slash", *name, "enter")
    await until(pilot, lambda: "1 of" in screen(app))
    await pilot.press("t")
    view: Any = app.screen
    await until(pilot, lambda: view._loaded is not None and view._loaded.whole)
    return view


async def leaked(pilot: Any, app: ConsoleApp, text: str = "20h") -> None:
    """Tell when it leaked."""
    await pilot.press("at", *text, "enter")
    await until(pilot, lambda: "since the leak (" in screen(app))
