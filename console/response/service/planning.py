"""Make a plan out of what a person asked for, and keep it to be approved."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from backends.contract import Backend, Verb
from backends.errors import BackendError
from backends.model import Secret
from console.errors import ConsoleError, UsageError
from console.inventory.search.inventory import Inventory
from console.journal import opening
from console.response.approve import approval
from console.response.approve.requirements import Requirements
from console.response.plan import build, not_done
from console.response.plan.build import OpenBackend, Progress
from console.response.plan.model import Mode, Plan
from console.response.plan.not_done import NotDone
from console.response.run.recovery import Recovered, recover
from console.response.state.load import fold
from console.settings import Paths, Settings


class PlanRequest(NamedTuple):
    """What a person wants to be planned: a verb, for the tokens of a query and for listed ones.

    ``sinks`` name where a rotation's new values go; ``probe`` agrees to have the old values
    tried. ``extends`` is the plan whose late arrivals these are.
    """

    verb: Verb
    reason: str
    handles: tuple[str, ...] = ()
    query: str = ""
    incident: str = ""
    mode: Mode = Mode.ROUTINE
    sinks: tuple[str, ...] = ()
    probe: bool = False
    extends: str = ""


class MadePlan(NamedTuple):
    """A plan, and what there is to say of it before anybody approves it."""

    plan: Plan
    card: NotDone | None
    """What to say in the plan's place where there is no call at all, and so nothing to approve."""
    second_person: str
    """Why a second person has to approve too; empty where none has to."""
    kept: bool
    """Whether it waits for its approval now."""

    @property
    def forbidden(self) -> bool:
        """Whether every token has a hazard that nobody can answer away."""
        return all(item.fatal for item in self.plan.items)

    @property
    def approvable(self) -> bool:
        """Whether there is something in it that somebody could approve."""
        return self.card is None and not self.forbidden


async def make(
    wanted: PlanRequest,
    open_backend: OpenBackend,
    inventory: Inventory,
    paths: Paths,
    settings: Settings,
    *,
    dry_run: bool = False,
    secret: Secret | None = None,
    progress: Progress | None = None,
) -> MadePlan:
    """Make the plan, and keep it, bound by the journal from then on.

    One of which nothing could be approved is not kept, nor is any with ``dry_run``, which
    writes nothing anywhere. ``secret`` is the one token's old value where it is in hand;
    its system is asked whose it is, and it is not kept. ``progress`` is called with how
    many tokens were asked about, and of how many.

    Raises:
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        QueryError: a term of the query means nothing, or not yet.
        PlanRefused: no token, or too many, or no such sink; or the disk refuses the plan.
        EscrowError: a rotation has nobody's key to seal the new values to.
        StoreError: the inventory cannot be read.
        JournalError: the journal cannot take it.
    """
    plan = await build.build_plan(
        open_backend,
        inventory,
        wanted.verb,
        query=wanted.query,
        handles=wanted.handles,
        reason=wanted.reason,
        incident=wanted.incident,
        mode=wanted.mode,
        sinks=wanted.sinks,
        settings=settings,
        probe=wanted.probe,
        secret=secret,
        extends=wanted.extends,
        progress=progress,
    )
    needed = Requirements.now(paths).second_person(plan)
    made = MadePlan(plan, not_done.not_done(plan), needed, kept=False)
    if dry_run or not made.approvable:
        return made
    # In a thread: writing waits for the disk, and the worker answers others meanwhile.
    await asyncio.to_thread(_keep, plan, paths)
    return made._replace(kept=True)


def _keep(plan: Plan, paths: Paths) -> None:
    with opening.journal(paths) as journal:
        approval.keep(plan, journal, paths)


def for_late_arrivals(plan: Plan, paths: Paths) -> PlanRequest:
    """What to plan for the tokens that turned up after a run's scope was frozen.

    Raises:
        UsageError: the run has no late arrivals.
        JournalError: the journal cannot be read.
    """
    with opening.view(paths) as view:
        handles = tuple(fold(plan, paths, view).late)
    if not handles:
        raise UsageError("the run has no late arrivals", "Nothing has to be planned.")
    return PlanRequest(
        verb=plan.verb,
        handles=handles,
        reason=plan.reason,
        incident=plan.incident,
        mode=plan.mode,
        sinks=plan.sinks,
        probe=plan.probe,
        extends=plan.id,
    )


async def settle(
    open_backend: OpenBackend, names: Iterable[str], paths: Paths
) -> tuple[Recovered, ...]:
    """Ask about what runners that died left open, at the backends that it is about.

    For a process that plans, before its first plan: what was done already is not planned
    again. ``names`` are the configured backends. One that cannot be opened is not asked;
    its calls stay open, and that is said.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    # By reading first: to look is no reason to begin a journal.
    with opening.view(paths) as view:
        wanted = {entry.backend for entry in view.open_intents()}
    if not wanted:
        return ()
    opened: list[Backend] = []
    for name in sorted(wanted & set(names)):
        with contextlib.suppress(BackendError, ConsoleError):
            opened.append(await open_backend(name))
    with opening.journal(paths) as journal:
        return tuple(await recover(opened, journal, paths))
