"""CloudTrail's event history: who made a key, what was done with one, and from where.

``LookupEvents`` gives 90 days of management events, region by region, newest first, at
two requests a second for the whole account (CloudTrail quotas). Where it is refused or
missing, everything here becomes a gap, and nothing else suffers.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from backends.aws_iam import cloudtrail
from backends.aws_iam.client import Aws, member, utc
from backends.aws_iam.faults import NotByAws
from backends.errors import AuthFailed, BackendError, Forbidden, RateLimited
from backends.model import (
    AuditEvent,
    Consumer,
    Dependents,
    Effect,
    Gap,
    GapKind,
    Reading,
    TokenRef,
    known,
    not_permitted,
    not_read,
    not_tracked,
)
from backends.words import count

KEPT = timedelta(days=90)
PAUSE = 0.5
"""Seconds between two requests to one region."""

AT_HAND = 10.0
"""Seconds for which an answer about the makers of keys serves all who read one key."""

EVENT_PAGES = 100
"""Pages of 50 events that one reading of events takes from a region: 50 seconds at most."""
CREATOR_PAGES = 10
USE_PAGES = 4
MAX_CONSUMERS = 50

WHAT = "creators of keys, audit events and consumers"
ABSENT = "CloudTrail LookupEvents is not available here"


def home(region: str) -> str:
    """The region whose trail has the events of IAM itself, in the partition of ``region``."""
    for prefix, first in (("cn-", "cn-north-1"), ("us-gov-", "us-gov-west-1")):
        if region.startswith(prefix):
            return first
    return "us-east-1"


class Creators:
    """Who made which key, as far as CloudTrail tells. ``unknown`` is the reading for the rest."""

    def __init__(
        self,
        made_by: Mapping[str, tuple[str, datetime]] = {},
        since: datetime | None = None,
        unknown: Reading[Any] = not_read("CloudTrail was not asked"),  # noqa: B008
    ) -> None:
        self._made_by = made_by
        self._since = since
        self._unknown = unknown

    def of(self, key_id: str, created: datetime | None) -> Reading[str]:
        """Who made a key, or why nobody can tell: the history keeps 90 days."""
        if key_id in self._made_by:
            who, at = self._made_by[key_id]
            if not who:
                return not_tracked("CloudTrail's CreateAccessKey event names nobody")
            return known(who, "CloudTrail CreateAccessKey", at)
        if self._since and created and created < self._since:
            return not_tracked("CloudTrail's history keeps 90 days, and the key is older")
        return self._unknown


class _Page(NamedTuple):
    """Events of one answer, and whether it is the last taken though more follow."""

    events: list[Mapping[str, Any]]
    more: bool
    undated: int


class EventHistory:
    """Reads the event history of some regions for the backend called ``backend``."""

    def __init__(self, aws: Aws, backend: str, kind: str, regions: Iterable[str]) -> None:
        self._aws = aws
        self._backend = backend
        self._kind = kind
        self.regions = tuple(dict.fromkeys(regions))
        self._gates: dict[str, asyncio.Lock] = {}
        self._next: dict[str, float] = {}
        self._absent: dict[str, Gap] = {}
        self._asking = asyncio.Lock()
        self._lately = Creators()
        self._lately_until = -math.inf

    async def creators(self, now: datetime) -> tuple[Creators, Gap | None]:
        """Who made the keys of the last 90 days, and a gap where CloudTrail does not tell."""
        region = home(self._aws.region)
        made: dict[str, tuple[str, datetime]] = {}
        oldest = now
        cut = False
        try:
            async for page in self._pages(
                region, ("EventName", "CreateAccessKey"), now - KEPT, now, CREATOR_PAGES
            ):
                cut = page.more
                for told in self._told(page, region):
                    oldest = min(oldest, told.at)
                    if told.token and told.effect is Effect.CREATED and told.outcome == "ok":
                        made[told.token.id] = (told.actor, told.at)
        except BackendError as error:
            gap = self._gap(region, error)
            refused = gap.kind is GapKind.REFUSED
            absent = gap.kind is GapKind.UNLISTABLE
            said = not_permitted if refused else not_tracked if absent else not_read
            return Creators(unknown=said(ABSENT if absent else error.message)), gap
        since = oldest if cut else now - KEPT
        unknown = not_read(f"the CloudTrail of {region} has no CreateAccessKey event for it")
        return Creators(made, since, unknown), None

    async def lately(self, now: datetime) -> Creators:
        """Who made the keys, as somebody was told who asked a moment ago, else anew.

        The history is minutes late by itself, and its two requests a second are few for
        a thousand keys that are read one by one.
        """
        async with self._asking:
            if time.monotonic() >= self._lately_until:
                self._lately, _ = await self.creators(now)
                self._lately_until = time.monotonic() + AT_HAND
            return self._lately

    async def makers(self, since: datetime) -> dict[str, str]:
        """The user agents that made keys since then, by the key's id, as far as told by now.

        Raises:
            BackendError: CloudTrail does not tell.
        """
        region = home(self._aws.region)
        made: dict[str, str] = {}
        wanted = ("EventName", "CreateAccessKey")
        async for page in self._pages(region, wanted, since, datetime.now(UTC), CREATOR_PAGES):
            for told in self._told(page, region):
                if told.effect is Effect.CREATED and told.outcome == "ok" and told.agent:
                    made[told.target] = told.agent
        return made

    async def events(
        self, since: datetime, until: datetime | None
    ) -> AsyncIterator[AuditEvent | Gap]:
        """All management events since then, oldest first, after the gaps."""
        end = until or datetime.now(UTC)
        start = max(since, end - KEPT)
        found: dict[str, AuditEvent] = {}
        for region in self.regions:
            try:
                undated = 0
                async for page in self._pages(region, None, start, end, EVENT_PAGES):
                    told = self._told(page, region)
                    found.update((event.id, event) for event in told)
                    undated += page.undated
                    if page.more and told:
                        oldest = min(event.at for event in told)
                        yield Gap(
                            f"CloudTrail {region}",
                            GapKind.LIMITED,
                            f"events before {oldest:%Y-%m-%d %H:%M:%S}Z",
                            "Ask for a shorter time.",
                            start,
                            oldest,
                        )
                if undated:
                    what = f"{count(undated, 'event')} without a time that there can be"
                    yield Gap(f"CloudTrail {region}", GapKind.FAILED, what, "", start, end)
            except AuthFailed:
                raise
            except BackendError as error:
                yield self._gap(region, error)
        for event in sorted(found.values(), key=lambda event: (event.at, event.id)):
            yield event

    async def dependents(self, ref: TokenRef) -> Dependents:
        """The addresses and programs that used a key, from its newest events."""
        now = datetime.now(UTC)
        gaps: list[Gap] = []
        used: dict[tuple[str, str], list[AuditEvent]] = {}
        for region in self.regions:
            try:
                async for page in self._pages(
                    region, ("AccessKeyId", ref.id), now - KEPT, now, USE_PAGES
                ):
                    for told in self._told(page, region):
                        if told.token == ref and told.sort.shown:
                            used.setdefault((told.source, told.agent), []).append(told)
                    if page.more:
                        what = f"uses before the newest {USE_PAGES * 50} events"
                        gaps.append(Gap(f"CloudTrail {region}", GapKind.LIMITED, what))
            except BackendError as error:
                gaps.append(self._gap(region, error))
        consumers = [_consumer(*key, events) for key, events in used.items()]
        consumers.sort(key=lambda consumer: consumer.last_seen.value or now, reverse=True)
        if len(self._absent) < len(self.regions):
            gaps.append(
                Gap(
                    "CloudTrail",
                    GapKind.UNLISTABLE,
                    "data events (reading S3 objects and the like), uses over 90 days old, and "
                    f"regions other than {', '.join(self.regions)}",
                    "Name more regions in trail_regions; data events need a trail of their own.",
                )
            )
        return Dependents(tuple(consumers[:MAX_CONSUMERS]), tuple(gaps))

    async def _pages(
        self,
        region: str,
        attribute: tuple[str, str] | None,
        since: datetime,
        until: datetime,
        limit: int,
    ) -> AsyncIterator[_Page]:
        """Pages of events, newest first."""
        arguments: dict[str, Any] = {"StartTime": since, "EndTime": until, "MaxResults": 50}
        if attribute:
            key, value = attribute
            arguments["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
        for number in range(1, limit + 1):
            answer = await self._paced(region, arguments)
            token = answer.get("NextToken")
            events = member(answer, "Events", "cloudtrail LookupEvents")
            # Without a time an event cannot be placed; how many there are is told.
            dated = [event for event in events if _dated(event)]
            more = bool(token) and number == limit
            yield _Page(dated, more, len(events) - len(dated))
            if not token:
                return
            arguments["NextToken"] = token

    async def _paced(self, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if region in self._absent:
            raise NotByAws(self._absent[region].what)
        async with self._gates.setdefault(region, asyncio.Lock()):
            await asyncio.sleep(self._next.get(region, 0.0) - time.monotonic())
            try:
                return await self._ask(region, arguments)
            finally:
                self._next[region] = time.monotonic() + PAUSE

    async def _ask(self, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        for wait in (1.0, 2.0, 4.0):
            try:
                return await self._aws.ask_in(region, "cloudtrail", "LookupEvents", 1, **arguments)
            except RateLimited:
                # The account's other users of the API share its two requests a second.
                await asyncio.sleep(wait)
        return await self._aws.ask_in(region, "cloudtrail", "LookupEvents", 1, **arguments)

    def _gap(self, region: str, error: BackendError) -> Gap:
        scope = f"CloudTrail {region}"
        if isinstance(error, NotByAws):
            gap = Gap(
                scope,
                GapKind.UNLISTABLE,
                f"{WHAT}: {ABSENT}",
                "AWS itself always has it; an emulator or a proxy may not.",
            )
            self._absent[region] = gap
            return gap
        kind = GapKind.REFUSED if isinstance(error, Forbidden) else GapKind.FAILED
        what = f"{WHAT}: {error.message}"
        return Gap(scope, kind, what, error.hint)

    def _told(self, page: _Page, region: str) -> list[AuditEvent]:
        return [told for event in page.events for told in self._events(event, region)]

    def _events(self, event: Mapping[str, Any], region: str) -> tuple[AuditEvent, ...]:
        known = cloudtrail.LookedUp(
            id=cloudtrail.text(event.get("EventId")),
            at=utc(event["EventTime"]),
            name=cloudtrail.text(event.get("EventName")),
            service=cloudtrail.text(event.get("EventSource")),
            key=cloudtrail.text(event.get("AccessKeyId")),
            user=cloudtrail.text(event.get("Username")),
            resources=tuple(_resources(event)),
        )
        return cloudtrail.events_of(
            _record(event),
            known,
            backend=self._backend,
            kind=self._kind,
            region=region,
            origin=f"CloudTrail {region}",
        )


def _dated(event: Mapping[str, Any]) -> bool:
    try:
        utc(event["EventTime"])
    except (KeyError, AttributeError, ValueError, OverflowError, OSError):
        return False
    return True


def _record(event: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        record = json.loads(event.get("CloudTrailEvent") or "{}")
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _resources(event: Mapping[str, Any]) -> list[str]:
    told = [item for item in event.get("Resources") or () if isinstance(item, dict)]
    names = (cloudtrail.text(item.get("ResourceName")) for item in told)
    return [name for name in names if name][:5]


def _consumer(source: str, agent: str, events: list[AuditEvent]) -> Consumer:
    newest = max(event.at for event in events)
    services = sorted({event.action.partition(":")[0] for event in events})
    uses = f"{count(len(events), 'event')} with {', '.join(services)}"
    return Consumer(
        name=source or "an address that CloudTrail does not name",
        kind="address",
        detail=f"{agent}; {uses}" if agent else uses,
        source="CloudTrail LookupEvents",
        last_seen=known(newest, "CloudTrail LookupEvents"),
    )
