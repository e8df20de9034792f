"""The screen's other half: talks to the backends in a process of its own.

The screen draws and reads files; this process holds the connections, keeps the store up
to date and makes plans. They speak JSON, one object a line: requests on standard input,
answers and news on standard output. It ends when its standard input does.

It never executes a plan: an approved one is handed to a runner process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from backends import memory
from backends.errors import BackendError
from backends.model import TokenRef
from console import ownership
from console import settings as settings_module
from console.contact import ANSWER, Contact
from console.errors import ConsoleError, Exit, UsageError
from console.fleet import Fleet
from console.incident import active
from console.intake import words
from console.intake.advice import Planner
from console.intake.service import IntakeResult, take_in, try_card
from console.inventory.search.inventory import Inventory
from console.inventory.sync.sync import SyncReport
from console.journal import opening
from console.response.run.recovery import recover
from console.settings import Paths, Settings
from console.timeline.when import moment_of
from console.worker.acts import Acts, Answer
from console.worker.incidents import Incidents
from console.worker.pulse import Pulse
from console.worker.watched import Watched

RESTRAINT = 5
"""A backend whose listing takes long rests at least this many times as long afterwards."""

WHOLE_EVERY = 1800.0
"""Seconds after which a backend that tells of its changes is read whole all the same."""

STILL_EVERY = 30.0
"""Seconds between two times that it is noted how long nothing has changed."""

LINE_LIMIT = 16 << 20
"""Bytes of one request: a pasted report may be long, and is longer still as JSON."""

ALIVE_EVERY = 5.0
"""Seconds between two signs of life, so that a process that stands still is noticed."""

FORGOTTEN = "the value is not kept any more"

PROGRESS_EVERY = 0.25
"""Seconds between two progress messages of one backend."""


class Worker:
    """Serves one screen."""

    def __init__(self, fleet: Fleet, write: Callable[[Mapping[str, Any]], None]) -> None:
        self.fleet = fleet
        self._incidents = Incidents(fleet)
        self._write = write
        self._taken: IntakeResult | None = None
        self._data: tuple[bytes, int | None] | None = None
        self._taken_number = 0
        self._wake = {name: asyncio.Event() for name in fleet.names}
        self._watched = {name: Watched() for name in fleet.names}
        self._pulses = {
            name: Pulse(fleet, name, self._contact, self._came_back) for name in fleet.names
        }
        self._verbs: dict[str, Callable[[Mapping[str, Any]], Awaitable[Answer]]] = {
            **Acts(fleet).requests,
            **self._incidents.requests,
            "refresh": self._refresh,
            "nudge": self._nudge,
            "dependents": self._dependents,
            "permissions": self._permissions,
            "token": self._token,
            "intake": self._intake,
            "try": self._try,
            "forget": self._forget,
        }

    async def lasting(self, work: Callable[..., Awaitable[None]], what: str, *backend: str) -> None:
        """Do ``work(*backend)``; a defect in it is told, and it begins anew after a while.

        A task that just ended would leave the screen to say for good that it goes on.
        """
        while True:
            try:
                return await work(*backend)
            except Exception as error:  # noqa: BLE001
                told, hint = self._failing(error)
                for name in backend:
                    self._news(name, "failed", 0, None, f"{what}: {told}", hint)
                if not backend:
                    sentence = f"{what}: {told.rstrip('.')}. {hint}".rstrip()
                    self._write({"event": "trouble", "sentence": sentence})
            await asyncio.sleep(self.fleet.settings.refresh)

    def end(self) -> None:
        """Let go of what is watched."""
        for watched in self._watched.values():
            watched.end()

    async def keep_alive(self) -> None:
        """Give a sign of life again and again, for ever."""
        while True:
            self._write({"event": "alive"})
            await asyncio.sleep(ALIVE_EVERY)

    async def keep_fresh(self, name: str) -> None:
        """Sync one backend again and again, for ever."""
        while True:
            # Before the look: who asks for one while it goes on gets another after it.
            self._wake[name].clear()
            started = time.monotonic()
            read = await self._sync(name)
            await self.fleet.rest()
            # A look that waited in vain was no burden to the system.
            took = time.monotonic() - started if read else 0.0
            if not await self._woken(name, max(self.fleet.settings.refresh, RESTRAINT * took)):
                # While its system says what changed, only that is read.
                await self._follow(name)

    async def _follow(self, name: str) -> None:
        """Read what one backend says has changed, until all of it has to be read again."""
        began = noted = time.monotonic()
        while (now := time.monotonic()) - began < WHOLE_EVERY:
            changed = self._watched[name].take()
            if changed is None or (changed and not await self._read(name, changed)):
                return
            if now - noted >= STILL_EVERY:
                noted = now
                with contextlib.suppress(ConsoleError):
                    await self.fleet.still(name)
                await self._watch_incidents()
            if await self._woken(name, self.fleet.settings.refresh):
                return

    async def _read(self, name: str, changed: Collection[TokenRef]) -> bool:
        """Read some tokens of one backend again. Whether that worked."""
        try:
            report = await self.fleet.follow(name, changed)
        except ConsoleError:
            return False
        if report is not None:
            await self._watch_incidents()
        return report is not None

    async def _woken(self, name: str, seconds: float) -> bool:
        """Wait for so long; whether somebody wanted a look before."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake[name].wait(), seconds)
        return self._wake[name].is_set()

    async def keep_asking(self, name: str) -> None:
        """Ask one backend how it is, again and again, for ever."""
        await self._pulses[name].keep_asking()

    async def keep_ingested(self) -> None:
        """Read the configured log sources again and again, for ever."""
        while True:
            started = time.monotonic()
            for report in await self.fleet.ingest():
                if report.message:
                    self._news(report.backend, "partial", 0, None, report.message, report.hint)
            await self._watch_incidents()
            took = time.monotonic() - started
            await asyncio.sleep(max(self.fleet.settings.refresh, RESTRAINT * took))

    async def _sync(self, name: str) -> bool:
        """One look. Whether it read anything."""
        last, tokens, began = 0.0, 0, time.time()

        def progress(_: str, done: int, total: int | None) -> None:
            nonlocal last, tokens
            tokens = done
            if time.monotonic() - last > PROGRESS_EVERY:
                last = time.monotonic()
                self._news(name, "running", done, total, began=began)

        def log(_: str, events: int, back_to: float | None) -> None:
            nonlocal last
            if not events or time.monotonic() - last > PROGRESS_EVERY:
                last = time.monotonic()
                self._news(name, "running", tokens, None, began=began, log=(events, back_to))

        self._news(name, "running", 0, None, began=began)
        try:
            report = await self.fleet.sync(name, progress, log, ready=self._watched[name].begin)
        except ConsoleError as error:
            # The store cannot be written. That may pass, and the other backends go on.
            report = SyncReport(name, "failed", message=str(error), hint=error.hint)
        if report.unreachable:
            self._pulses[name].lost(report.message, report.hint)
        self._news(name, report.result, report.tokens, None, report.message, report.hint)
        await self._watch_incidents()
        return report.result != "failed"

    async def _watch_incidents(self) -> None:
        """What was just read may show that a closed incident is not over."""
        try:
            for sentence in await self._incidents.watch():
                self._write({"event": "trouble", "sentence": sentence})
        except ConsoleError as error:
            sentence = f"whether a closed incident is over is not known: {error}. {error.hint}"
            self._write({"event": "trouble", "sentence": sentence.rstrip()})

    def _contact(self, name: str, known: Contact) -> None:
        told = msgspec.to_builtins(known)
        self._write({"event": "contact", "backend": name, "contact": told})

    def _came_back(self, name: str) -> None:
        self._wake[name].set()

    def _news(
        self,
        backend: str,
        state: str,
        done: int,
        total: int | None,
        message: str = "",
        hint: str = "",
        *,
        began: float = 0,
        log: tuple[int, float | None] | None = None,
    ) -> None:
        self._write(
            {
                "event": "sync",
                "backend": backend,
                "state": state,
                "done": done,
                "total": total,
                "message": message,
                "hint": hint,
                "began": began,
                "log": log,
            }
        )

    async def recover(self) -> None:
        """Ask the backends what became of calls whose runner died."""
        waiting = {asyncio.create_task(self.fleet.backend(name)) for name in self.fleet.names}
        # What is slow to open has a round of its own, so that it holds up no other.
        for patience in (ANSWER, None):
            if not waiting:
                return
            ready, waiting = await asyncio.wait(waiting, timeout=patience)
            opened = [task.result() for task in ready if task.exception() is None]
            with opening.journal(self.fleet.paths) as journal:
                for found in await recover(opened, journal, self.fleet.paths):
                    self._write({"event": "recovered", "sentence": found.sentence})

    async def answer(self, request: Mapping[str, Any]) -> None:
        """Carry out one request and write its answer."""
        reply: Answer = {"id": request.get("id")}
        try:
            handler = self._verbs.get(str(request.get("do")))
            if handler is None:
                raise UsageError(f"the worker does not know {request.get('do')!r}")
            reply.update(await handler(request))
        except Exception as error:  # noqa: BLE001
            # One request must not end the process that keeps the inventory fresh.
            told, hint = self._failing(error)
            reply.update(error=told, hint=hint)
        self._write(reply)

    def _failing(self, error: Exception) -> tuple[str, str]:
        """An error in words that may be shown, and what to do about it."""
        whose = ownership.hint(error, self.fleet.paths.places)
        if isinstance(error, (ConsoleError, BackendError)):
            return str(error), whose or error.hint
        if whose:
            return "a file of this home cannot be used", whose
        return f"a defect: {type(error).__name__}", "Please report it."

    async def _refresh(self, request: Mapping[str, Any]) -> Answer:
        name = request.get("backend")
        for chosen in self.fleet.chosen([str(name)] if name else []):
            self._wake[chosen].set()
            self._pulses[chosen].nudge()
        return {"ok": True}

    async def _nudge(self, request: Mapping[str, Any]) -> Answer:
        """Somebody is at the keyboard: see whether what was silent or broken has come back."""
        for pulse in self._pulses.values():
            if not pulse.well:
                pulse.nudge()
        return {"ok": True}

    async def _dependents(self, request: Mapping[str, Any]) -> Answer:
        found = await self.fleet.dependents(self._ref(request))
        return {"dependents": msgspec.to_builtins(found)}

    async def _permissions(self, request: Mapping[str, Any]) -> Answer:
        """What a token may do, read from its system for this one look."""
        found = await self.fleet.permissions(self._ref(request))
        return {"permissions": msgspec.to_builtins(found)}

    async def _token(self, request: Mapping[str, Any]) -> Answer:
        await self.fleet.refresh(self._ref(request))
        return {"ok": True}

    async def _intake(self, request: Mapping[str, Any]) -> Answer:
        """A secret in hand, or a report: what each value is, and the cards of its tokens.

        With a ``number`` in place of a value: the same once more, as it is now.
        """
        now, before = time.time(), None
        if "value" in request:
            data, leak = str(request["value"]).encode(), str(request.get("leak") or "")
            since = moment_of(leak, now) if leak else None
        elif self._data is not None and request.get("number") == self._taken_number:
            data, since = self._data
            before = self._taken
        else:
            raise UsageError(FORGOTTEN, "Take it in again.")
        fleet = self.fleet
        # Values stay here for as long as their cards are looked at, so that one can be tried.
        self._taken = await take_in(
            data,
            fleet.paths,
            fleet,
            fleet.names,
            now,
            since,
            planner=Planner(fleet.backend, fleet.paths, fleet.settings, fleet.act),
            before=before,
        )
        self._data = data, since
        self._taken_number += 1
        return self._cards(self._taken, request)

    async def _try(self, request: Mapping[str, Any]) -> Answer:
        """Try the value of a card that is looked at, on the responder's word."""
        if not self.fleet.act:
            raise UsageError("this console is read-only", "Start it with --act.")
        if self._taken is None or request.get("number") != self._taken_number:
            raise UsageError(FORGOTTEN, "Take it in again.")
        self._taken = await try_card(
            self._taken,
            str(request["handle"]),
            self.fleet.backend,
            self.fleet.paths,
            reason=str(request.get("reason", "")),
            agreed=tuple(map(str, request.get("agreed", ()))),
            now=time.time,
            incident=await asyncio.to_thread(active.for_plan, self.fleet.paths, ""),
        )
        return self._cards(self._taken, request)

    async def _forget(self, request: Mapping[str, Any]) -> Answer:
        """The cards are looked at no more: keep none of their values."""
        if request.get("number") == self._taken_number:
            self._taken = self._data = None
        return {"ok": True}

    def _cards(self, taken: IntakeResult, request: Mapping[str, Any]) -> Answer:
        keys = {str(name): str(key) for name, key in dict(request.get("keys", {})).items()}
        told = words.told(taken, datetime.fromtimestamp(time.time(), UTC), keys)
        return {**told, "number": self._taken_number}

    def _ref(self, request: Mapping[str, Any]) -> Any:
        inventory = Inventory(self.fleet.paths.inventory)
        try:
            detail = inventory.detail(str(request["handle"]))
        finally:
            inventory.close()
        if detail is None:
            raise UsageError("the inventory has no such token", "Refresh and choose again.")
        return detail.token.ref


async def serve(paths: Paths, settings: Settings, *, act: bool) -> None:
    """Run until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def write(message: Mapping[str, Any]) -> None:
        try:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # The screen is gone; nobody is left to serve, and a run has its own process.
            os._exit(0)

    async with Fleet(settings, paths, act=act) as fleet:
        worker = Worker(fleet, write)
        lasting = [
            worker.lasting(work, what, name)
            for work, what in ((worker.keep_fresh, "looking"), (worker.keep_asking, "asking"))
            for name in fleet.names
        ]
        if settings.sources:
            lasting.append(worker.lasting(worker.keep_ingested, "reading the log sources"))
        if act:
            lasting.append(worker.lasting(worker.recover, "looking what became of open calls"))
        tasks = {asyncio.create_task(work) for work in lasting}
        tasks.add(asyncio.create_task(worker.keep_alive()))
        try:
            while line := await reader.readline():
                with contextlib.suppress(ValueError):
                    request = json.loads(line)
                    task = asyncio.create_task(worker.answer(request))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        finally:
            worker.end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def main(arguments: list[str]) -> int:
    """``python -m console.worker CONFIG STATE [--act]``."""
    memory.keep_private()
    memory.keep_small()
    # The terminal's interrupt key is for the screen; the worker ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config, state, *flags = arguments
    paths = Paths(Path(config), Path(state))
    try:
        loaded = settings_module.load(paths.config)
        asyncio.run(serve(paths, loaded, act="--act" in flags))
    except (ConsoleError, OSError) as error:
        whose = ownership.hint(error, paths.places)
        told = {"message": str(error), "hint": whose or getattr(error, "hint", "")}
        sys.stdout.write(json.dumps({"event": "fatal", **told}) + "\n")
        return int(error.code) if isinstance(error, ConsoleError) else int(Exit.FAILED)
    return 0
