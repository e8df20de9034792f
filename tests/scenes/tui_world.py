"""A small, fixed world for tests of the screen: a real store, filled through a real sync."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from patience import HANG
from textual.pilot import Pilot

from backends.contract import (
    Ability,
    Backend,
    BackendConfig,
    Capabilities,
    Health,
    KindCapabilities,
    Outcome,
    Proposal,
    Readable,
    Rotation,
    Step,
    Support,
    Verb,
    WhoAmI,
)
from backends.errors import Forbidden, NotFound
from backends.model import (
    AuditEvent,
    Binding,
    Covers,
    EventClass,
    EvidenceLevel,
    Found,
    Gap,
    GapKind,
    Grant,
    Principal,
    ScopeDone,
    Token,
    TokenRef,
    TokenState,
    known,
    never,
    not_permitted,
    not_tracked,
    use,
)
from console.audit import intake
from console.contact import Contact
from console.inventory.sync.sync import Syncer
from console.settings import BackendTable, Paths, Settings
from console.store.database import open_for_writing
from console.tui.shell.application import ConsoleApp

NOW = datetime(2026, 11, 24, 2, 40, tzinfo=UTC)
WORKER = Path(__file__).with_name("tui_worker.py")
HOSTILE = "evil \x1b]52;c;AAAA\x07 [/foo] [b \u202eegap\u2066 \x9b31m \r\n\0" + "x" * 10_000
FULL = Ability(support=Support.FULL)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


class Still(Backend):
    """A backend whose every answer is given to it."""

    type_name = "still"
    title = "Still"
    needs_credential = False

    def __init__(
        self,
        name: str,
        found: Iterable[Found],
        *,
        kind: str = "service",
        title: str = "service token",
        act: bool = True,
        events: Iterable[AuditEvent] = (),
        error: Exception | None = None,
    ) -> None:
        super().__init__(BackendConfig(name=name, type="still"))
        self.found = list(found)
        self._kind, self._title, self._act, self._error = kind, title, act, error
        self._events = list(events)

    def capabilities(self) -> Capabilities:
        reads = dict.fromkeys(Readable, Support.FULL)
        reads[Readable.CREATOR] = Support.PARTIAL
        return Capabilities(
            kinds=(
                KindCapabilities(
                    kind=self._kind,
                    title=self._title,
                    reads=reads,
                    verbs=dict.fromkeys(
                        (Verb.REVOKE, Verb.CONTAIN, Verb.RESTORE, Verb.DISCONNECT), FULL
                    )
                    | {Verb.ROTATE: Ability(support=Support.MANUAL)},
                    rotation=Rotation.CREATE_RETIRE,
                    propagation=timedelta(seconds=0),
                    ceiling=EvidenceLevel.REFUSED,
                    covers=Covers.BOTH,
                ),
            ),
            unlistable=("batch tokens",),
        )

    async def health(self) -> Health:
        return Health(version="2.7.2", latency_ms=12)

    async def whoami(self) -> WhoAmI:
        return WhoAmI(name="console-reader", can_act=self._act)

    async def inventory(self) -> AsyncIterator[Found]:
        if self._error is not None:
            raise self._error
        for item in self.found:
            yield item

    async def read(self, ref: TokenRef) -> Token:
        for item in self.found:
            if isinstance(item, Token) and item.ref == ref:
                return item
        raise NotFound(f"no token {ref.id}")

    async def events(
        self, since: datetime, until: datetime | None = None
    ) -> AsyncIterator[AuditEvent | Gap]:
        if not self._events:
            yield Gap(self.name, GapKind.UNLISTABLE, "audit events", "It has no log.")
        for event in self._events:
            yield event

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        return Proposal(steps=())

    async def perform(self, step: Step) -> Outcome:
        raise AssertionError("a test of the screen never acts")


def token(backend: str, id_: str, name: str, **more: Any) -> Token:
    facts: dict[str, Any] = {
        "kind": "service",
        "owner": known("payments", "entity metadata"),
        "created_at": known(ago(days=880), "audit log"),
        "last_used_at": known(ago(minutes=2), "audit log"),
        "expires_at": known(NOW + timedelta(days=31), "look-up"),
        "grants": known((Grant("policy", "ci-write"),), "look-up"),
        "binding": known("bearer", "no CIDR"),
        "bound": known(Binding.BEARER, "no CIDR"),
    } | more
    return Token(ref=TokenRef(backend, facts.pop("kind"), id_), name=name, scope="root/", **facts)


def vault() -> Still:
    """The tokens that most tests look at, in the order of their names."""
    name = "vault-prod"
    tokens = [
        token(
            name,
            "acc-1",
            "ci-deploy",
            principal=known(Principal("e-1", "jenkins-ci", "entity"), "entity"),
            created_by=not_permitted("needs sudo on sys/audit"),
            last_used_from=known("10.20.0.31", "audit log"),
            last_used_for=known("GET secret/data/ci/npm", "audit log"),
            expires_at=never("no explicit max"),
            grants=known(
                (Grant("policy", "ci-write"), Grant("policy", "npm-publish", via="entity")),
                "look-up",
            ),
            facts=(("orphan", "yes"),),
        ),
        token(name, "acc-2", "legacy-sync", owner=never("no metadata"), last_used_at=never()),
        token(name, "acc-3", "report-job", state=TokenState.DISABLED),
        token(name, "acc-4", HOSTILE, owner=known(HOSTILE, HOSTILE), facts=((HOSTILE, HOSTILE),)),
        token(name, "acc-5", "webhook-2", created_at=known(ago(seconds=12), "audit log")),
    ]
    ref = tokens[0].ref
    events = [
        AuditEvent(
            id=f"e{number}",
            at=ago(minutes=3 + 47 * number),
            action="GET secret/data/ci/npm",
            sort=use("denied" if number == 4 else "ok"),
            outcome="denied" if number == 4 else "ok",
            token=ref,
            actor="jenkins-ci",
            source="10.20.0.31",
            origin="audit file",
        )
        for number in range(12)
    ]
    events.append(
        AuditEvent(
            id="h",
            at=ago(minutes=1),
            action=HOSTILE,
            sort=EventClass.USE,
            token=tokens[3].ref,
            actor=HOSTILE,
            source=HOSTILE,
            origin=HOSTILE,
        )
    )
    gap = Gap("ns1/", GapKind.REFUSED, "accessors", "Grant list on auth/token/accessors.")
    return Still(name, [*tokens, gap, ScopeDone("root/", len(tokens))], events=events)


def aws() -> Still:
    tokens = [
        token(
            "aws-main",
            f"AKIA{number}",
            f"AKIA…Q56{number}",
            kind="access key",
            last_used_at=not_tracked("no such field"),
            owner=known("data-platform", "tag"),
        )
        for number in range(3)
    ]
    return Still(
        "aws-main",
        [*tokens, ScopeDone("root/", 3)],
        kind="access key",
        title="access key",
        act=False,
    )


def broken() -> Still:
    error = Forbidden("403 for GET /orgs/acme/tokens", "Grant read:org to the credential.")
    return Still("github", [], error=error)


def fill(paths: Paths, backends: Iterable[Still] | None = None, at: datetime = NOW) -> None:
    """Make the store, or bring it up to date, as a worker would."""
    paths.make()
    engine = open_for_writing(paths.inventory)
    syncer = Syncer(engine, clock=at.timestamp)

    async def look() -> None:
        for backend in backends if backends is not None else (vault(), aws(), broken()):
            async with backend:
                await syncer.sync(backend)
                await intake.take_in(syncer, backend, at - timedelta(days=7))

    asyncio.run(look())
    engine.dispose()


def where(directory: Path) -> Paths:
    return Paths(directory / "config.toml", directory / "state")


def settings(paths: Paths) -> Settings:
    tables = (BackendTable("vault-prod", {"type": "still", "production": True}, 1),)
    return Settings(paths.config, 30, 7, tables, (), ())


def application(
    paths: Paths, *, act: bool = False, worker: str = "", ascii_only: bool = False
) -> ConsoleApp:
    """An app over the store, with a stand-in worker in the given mode, or with none."""
    words = [sys.executable, str(WORKER), str(paths.state / "asked"), worker]
    app = ConsoleApp(
        paths,
        settings(paths),
        act=act,
        ascii_only=ascii_only,
        now=NOW.timestamp,
        worker=words if worker else None,
    )
    app.world.host = "bastion-1"
    # As its own worker would have told it; the store has nothing of this.
    app.world.contacts = {
        name: Contact(
            state="ok",
            answered_at=NOW.timestamp(),
            name="console-reader",
            version="2.7.2",
            latency_ms=12,
            can_act=name != "aws-main",
        )
        for name in ("vault-prod", "aws-main", "github")
    }
    return app


def drive(
    app: ConsoleApp,
    steps: Callable[[Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
) -> None:
    """Run the app without a terminal, with ``steps`` at its keyboard."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await steps(pilot)

    asyncio.run(run())


async def settled(pilot: Pilot[None]) -> None:
    """Until nothing more is under way on the screen that a key may have begun."""
    await pilot.pause()
    await pilot.pause()


async def until(pilot: Pilot[None], true: Callable[[], bool], seconds: float = HANG) -> None:
    """Wait for a condition; the time only bounds a failure."""

    def seen() -> bool:
        # Between a new size and the first frame of it there is nothing to be looked at.
        try:
            return true()
        except AssertionError:
            return False

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not seen():  # noqa: ASYNC110 - other processes set no event.
                await asyncio.sleep(0.02)
    await settled(pilot)
    assert true(), screen(pilot.app)


def screen(app: Any) -> str:
    """What a person would see, line by line."""
    width, height = app.size
    lines = [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]
    assert len(lines) == height
    return "\n".join(line[: width * 2].rstrip() for line in lines)
