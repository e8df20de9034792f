"""The process that carries out one approved plan: ``python -m console.response.run.process ID``.

It has a session of its own, so that a closed terminal or a killed screen changes nothing.
SIGTERM lets the calls under way end, writes their outcomes, and stops. What it does is to
be read in the journal; its log file (beside the plan) is for what keeps it from starting.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backends import child, memory, registry
from backends.contract import Backend
from backends.errors import BackendError
from backends.model import Secret, TokenRef
from backends.sinks import registry as sinks_registry
from backends.sinks.contract import Sink
from console import ownership
from console.errors import ConsoleError, Exit, JournalError, PlanRefused, UsageError
from console.journal import opening
from console.journal.format.entry import Kind, SchemaError
from console.journal.format.signing_session import SigningSession
from console.journal.format.words import system_words
from console.journal.witnessing import Witnesses
from console.journal.write.journal import Journal
from console.lock import LockHeld
from console.response.approve import second_person
from console.response.approve.approval import approved
from console.response.approve.requirements import Requirements
from console.response.approve.signing import check_approval, taken_over
from console.response.plan.destinations import SHOW
from console.response.plan.file import file_of
from console.response.run.climber import LONGEST
from console.response.run.run import Result as Result
from console.response.run.run import Run, backends
from console.response.state.report import short
from console.response.state.runner_lock import alive as alive
from console.response.state.runner_lock import take
from console.response.step.attempt import End
from console.settings import Paths, Settings
from console.settings.journal import Signatures
from console.text import safe

LOCK_PATIENCE = 3.0
"""Seconds to wait for another runner, or a recovery, of the same plan to end."""
REFRESH_TIMEOUT = 60.0
MOST_REFRESHED = 20
"""Tokens of one plan that are read into the inventory by the runner; more are for a sync."""
"""The sink that shows a value once; it is there without any configuration."""
UNUSED = 1_000_000
"""A descriptor that no process has."""
_EXIT = {End.DONE: Exit.OK, End.STOPPED: Exit.FAILED, End.UNKNOWN: Exit.PARTIAL}
_started: list[subprocess.Popen[bytes]] = []


def start(
    plan_id: str,
    paths: Paths,
    session: SigningSession | None = None,
    secrets: Mapping[str, Secret] | None = None,
    *,
    show: int | None = None,
    climb: float | None = None,
) -> int:
    """Start a runner that outlives this process and its terminal. Returns its process id.

    The environment goes with it, as credentials may be in there by reference. The plan's
    lock is held from now until the runner ends (see ``alive``). ``session`` is the one that
    the plan was approved in, and ``secrets`` are old values in hand, by their tokens'
    handles; the session's key and the values go through pipes, and are never in a file.
    ``show`` is the descriptor of a terminal on which new values are shown once. ``climb`` is
    for how many seconds evidence is looked for after the last call; None: for as long as
    that is worth it.

    Raises:
        PlanRefused: that is no plan's id, another runner is at it, or the process cannot
            be started.
    """
    file_of(plan_id, paths)
    _started[:] = [process for process in _started if process.poll() is None]
    command = child.python("console.response.run.process", plan_id)
    command += ["--config", str(paths.config), "--state", str(paths.state)]
    if climb is not None:
        command += ["--climb", str(climb)]
    try:
        paths.make()
        lock = take(plan_id, paths, LOCK_PATIENCE)
    except LockHeld:
        raise _busy(plan_id) from None
    except OSError as error:
        raise _cannot(error) from None
    given, to_child = [lock], -1
    try:
        if secrets:
            from_us, to_child = os.pipe()
            given.append(from_us)
            command += ["--secrets", str(from_us)]
        if show is not None:
            given.append(os.dup(show))
            command += ["--show", str(given[-1])]
        if session is not None:
            given.append(session.hand_over())
            command += ["--session", str(given[-1])]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        log = os.open(log_of(plan_id, paths), flags, 0o600)
        try:
            process = subprocess.Popen(
                [*command, "--lock", str(lock)],
                pass_fds=given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        if to_child >= 0:
            os.close(to_child)
        raise _cannot(error) from None
    finally:
        for descriptor in given:
            os.close(descriptor)
    _started.append(process)
    if secrets and to_child >= 0:
        _hand_over(secrets, to_child)
    return process.pid


def _hand_over(secrets: Mapping[str, Secret], descriptor: int) -> None:
    """Write the values into the child's pipe. A child that died reads none, which is fine."""
    told = {handle: secret.reveal() for handle, secret in secrets.items()}
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as pipe:
        pipe.write(msgspec.json.encode(told))


def _handed_over(descriptor: int) -> dict[str, Secret]:
    with open(descriptor, "rb") as pipe:
        told = msgspec.json.decode(pipe.read() or b"{}", type=dict[str, str])
    return {handle: Secret(value) for handle, value in told.items()}


def _cannot(error: OSError) -> PlanRefused:
    return PlanRefused(f"cannot start the runner: {error.strerror}", "Nothing was sent. Try again.")


def log_of(plan_id: str, paths: Paths) -> Path:
    """Where a runner says what kept it from its work."""
    return paths.plans / f"{plan_id}.log"


async def run(
    plan_id: str,
    paths: Paths,
    lock: int | None = None,
    session: SigningSession | None = None,
    secrets: Mapping[str, Secret] | None = None,
    climb: float | None = None,
    show: int | None = None,
) -> Result:
    """Carry out an approved plan in this process. See :func:`start` for a process of its own.

    ``lock`` is a descriptor that holds the plan's lock already; it is closed here.
    ``session`` is what signs the intents, where the settings want that. ``secrets`` are
    the old values in hand, by their tokens' handles; ``climb`` and ``show`` are those of
    :func:`start`.

    Raises:
        PlanRefused: the plan may not be carried out, or another runner is at it.
        JournalError: the journal cannot be used; nothing was sent after that.
    """
    file_of(plan_id, paths)
    paths.make()
    try:
        held = take(plan_id, paths, LOCK_PATIENCE) if lock is None else lock
    except LockHeld:
        raise _busy(plan_id) from None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, held)
        journal = stack.enter_context(opening.journal(paths))
        return await _locked(plan_id, journal, paths, session, secrets, climb, show)


def _busy(plan_id: str) -> PlanRefused:
    return PlanRefused(
        "another runner is at work on this plan",
        f"Watch it: token-console run watch {short(plan_id)}",
    )


async def _locked(
    plan_id: str,
    journal: Journal,
    paths: Paths,
    session: SigningSession | None,
    secrets: Mapping[str, Secret] | None,
    climb: float | None,
    show: int | None,
) -> Result:
    try:
        rules = Requirements.now(paths)
        settings, signing = rules.settings, rules.journal
        plan = approved(plan_id, journal, paths)
        check_approval(plan_id, journal, signing)
        second_person.check(plan, journal, rules)
        rules.tell(journal)
        session = taken_over(session, journal, signing)
        required = session.signatures is Signatures.REQUIRE
        witnesses = Witnesses.of(signing, journal)
    except (PlanRefused, UsageError) as refusal:
        _tell(journal, plan_id, f"Nothing was sent: {refusal}")
        raise
    async with contextlib.AsyncExitStack() as opened:
        open_backend = await opened.enter_async_context(
            backends(lambda name: _configure(name, settings))
        )
        try:
            sinks = {
                name: await opened.enter_async_context(_sink(name, settings, show))
                for name in plan.sinks
            }
        except (BackendError, ConsoleError) as error:
            told = f"a sink cannot be opened: {error} {getattr(error, 'hint', '')}"
            _tell(journal, plan_id, f"Nothing was sent: {told}")
            return Result(End.STOPPED, told)

        async def show_it() -> None:
            """A list that is asked for while the evidence is climbed tells of the change."""
            if not going.stopping and len(plan.items) <= MOST_REFRESHED:
                for item in plan.items:
                    if (tools := going.tools.get(item.backend)) is not None:
                        await _refresh(tools.backend, item.token.ref, paths)

        going = Run(
            plan,
            journal,
            paths,
            open_backend,
            secrets=secrets,
            sinks=sinks,
            # What a session without a key signs is nothing, whatever is made ready for it.
            sign=session.sign_intent if session.signed or required else None,
            answer=session.sign_answer if session.signed else None,
            witnesses=witnesses,
            climb=LONGEST if climb is None else climb,
            called=show_it,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, going.stop)
        try:
            result = await going.run()
        except PlanRefused as refusal:
            _tell(journal, plan_id, f"The run ended early: {refusal}")
            raise
        if witnesses is not None:
            # The outcomes are worth a witness too; they are written whether or not one comes.
            with contextlib.suppress(JournalError):
                await witnesses.ask()
    return result


def _tell(journal: Journal, plan_id: str, text: str) -> None:
    """Let whoever watches the plan see why it is not carried out."""
    entry = journal.get(plan_id)
    if entry is None or entry.kind != Kind.PLAN:
        return
    with contextlib.suppress(SchemaError):
        act = entry.body.act
        if act is not None:
            about = msgspec.structs.replace(act, plan_ref=plan_id)
            journal.append(Kind.NOTE, why=system_words(text), incident=entry.incident, act=about)


def _configure(name: str, settings: Settings | None) -> Backend:
    for entry in settings.backends if settings is not None else ():
        if entry.name == name:
            return registry.configure(name, entry.table, act=True)
    raise PlanRefused(
        f"the configuration has no backend {name!r}", "Plan again with the configuration of today."
    )


def _sink(name: str, settings: Settings | None, show: int | None) -> Sink:
    if name == SHOW:
        # Its descriptor is one of this process, which no configuration can name. Without
        # one it says that nobody is there to look, and escrow keeps the value.
        table = {"type": SHOW, "descriptor": UNUSED if show is None else show}
        return sinks_registry.configure(name, table, act=True)
    found = settings.sinks.get(name) if settings is not None else None
    if found is None:
        raise PlanRefused(
            f"the configuration has no sink {name!r}", "Plan again with the configuration of today."
        )
    return sinks_registry.configure(name, found.table, act=True)


async def _refresh(backend: Backend, ref: TokenRef, paths: Paths) -> None:
    """Show the token as it is now in the inventory. That is a cache: no trouble matters."""
    if not paths.inventory.exists():
        return
    with contextlib.suppress(Exception):
        # Imported here because the store brings machinery that the calls do not wait for.
        database: Any = importlib.import_module("console.store.database")
        sync: Any = importlib.import_module("console.inventory.sync.sync")
        engine = database.open_for_writing(paths.inventory)
        try:
            async with asyncio.timeout(REFRESH_TIMEOUT):
                await sync.Syncer(engine).refresh(backend, ref)
        finally:
            engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """The runner process. Returns the exit code: 0 done, 1 stopped or refused, 3 unknown."""
    memory.keep_private()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parser = argparse.ArgumentParser(prog="console.response.run.process")
    parser.add_argument("plan")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--lock", type=int, help="an inherited descriptor of the plan's lock")
    parser.add_argument("--session", type=int, help="an inherited pipe with the session")
    parser.add_argument("--secrets", type=int, help="an inherited pipe with the values in hand")
    parser.add_argument("--show", type=int, help="an inherited descriptor of a terminal")
    parser.add_argument("--climb", type=float, help="seconds to look for evidence")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    if given.lock is not None:
        # Programs that the backends start (a credential command) must not keep the lock.
        os.set_inheritable(given.lock, False)
    paths = Paths(config=given.config, state=given.state)
    try:
        session = None if given.session is None else SigningSession.take_over(given.session)
        secrets = None if given.secrets is None else _handed_over(given.secrets)
        work = run(given.plan, paths, given.lock, session, secrets, given.climb, given.show)
        result = asyncio.run(work)
    except ConsoleError as error:
        whose = ownership.hint(error, paths.places)
        _say(f"{error} {whose or error.hint}")
        return error.code
    except Exception as error:  # noqa: BLE001
        # The message and the locals of an unforeseen error may hold anything; places do not.
        _say(f"the runner failed with {type(error).__name__}")
        for frame in traceback.extract_tb(error.__traceback__):
            _say(f"  {frame.filename}:{frame.lineno} in {frame.name}")
        return Exit.FAILED
    _say(result.words)
    return _EXIT[result.end]


def _say(text: str) -> None:
    sys.stderr.write(safe(system_words(text, 1000), 1000) + "\n")


if __name__ == "__main__":
    sys.exit(main())
