"""From a query and a list to a plan: the scope is frozen, each token is asked about anew.

``build_plan`` is the one planner: nothing else in the console makes a ``Plan``, and tests
that carry one out plan with it too.

Changes nothing anywhere. A token that could not be asked about stays in the plan, as one
that is not dealt with: none is dropped in silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from backends.contract import Backend, KindCapabilities, Proposal, Support, Verb, WhoAmI
from backends.errors import BackendError, NotFound, RateLimited, Unsupported
from backends.model import EvidenceLevel, Secret, Token, TokenRef
from backends.traffic import Limits
from console.errors import ConsoleError
from console.inventory.lineage import Below
from console.inventory.search.inventory import Inventory
from console.journal.format import scan
from console.journal.format.entry import uuid7
from console.response.escrow import recipients
from console.response.plan import cascade, destinations, pace, priority, scope, tripwires
from console.response.plan import items as plan_items
from console.response.plan.hazards import ALIVE, TokenSurroundings, not_planned, rules
from console.response.plan.model import GONE_ALREADY, Mode, Plan, PlanItem, Scope
from console.response.plan.not_done import OTHERS
from console.settings import ResponseSettings, Settings

AT_ONCE = 8
"""Readings of one backend that are under way at one time."""
AT_HAND = 64
"""The same where all of them were read together, and little is left to be asked."""
TOGETHER = 256
"""Tokens that are read together where a backend tells of many, before they are planned."""
PATIENCE = 4
"""How often a system that asks for patience while planning is asked again."""
LONGEST_PAUSE = 30.0
"""Seconds."""

T = TypeVar("T")
OpenBackend = Callable[[str], Awaitable[Backend]]
Progress = Callable[[int, int], None]
"""Called with how many tokens were asked about, and of how many."""


class _AskedToken(NamedTuple):
    """One token's item as its backend would have it, and what the kind declares."""

    item: PlanItem
    declared: KindCapabilities
    living: bool = True


class _OpenedBackend(NamedTuple):
    """What is known of one backend while its tokens are asked about."""

    backend: Backend | None
    me: WhoAmI
    trouble: str = ""
    limits: Limits = Limits()


async def build_plan(
    open_backend: OpenBackend,
    inventory: Inventory,
    verb: Verb,
    *,
    query: str = "",
    handles: Sequence[str] = (),
    reason: str,
    incident: str = "",
    mode: Mode = Mode.ROUTINE,
    sinks: Sequence[str] = (),
    escrow: Sequence[str] = (),
    settings: Settings | None = None,
    probe: bool = False,
    progress: Progress | None = None,
    secrets: Mapping[str, Secret] | None = None,
    secret: Secret | None = None,
    extends: str = "",
) -> Plan:
    """A plan for every token that the query finds and every one that is listed.

    A query leaves out what was gone already when it was asked, and the console's own
    credentials, which the plan names; its free words are looked for in name, id, owner and
    principal. A listed token that is gone becomes an item without a call. ``secrets`` are
    values in hand, by their tokens' handles, ``secret`` that of the one token; they are asked
    about and not kept. ``escrow`` is, for a rotation and where none is given, as the
    configuration says. ``extends`` is the plan whose late arrivals these are.

    Raises:
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        QueryError: a term of the query means nothing, or not yet.
        PlanRefused: there is no such token, none at all, or too many for one plan; or no such
            sink.
        EscrowError: a rotation has nobody's key to seal the new values to.
        StoreError: the inventory cannot be read.
    """
    reason, incident = scan.reason(reason), scan.incident(incident)
    ours = ResponseSettings() if settings is None else settings.response
    if verb is Verb.ROTATE and not escrow:
        # The ssh-agent may be asked, and may be slow.
        escrow = (await asyncio.to_thread(recipients, ours.escrow)).keys
    frozen_at = datetime.now(UTC)
    to = destinations.opened(settings, sinks if verb is Verb.ROTATE else ())
    wanted = scope.find(inventory, query, handles)
    systems = await _open(
        open_backend,
        dict.fromkeys(token.ref.backend for token in wanted.tokens),
        many=len(wanted.tokens) > 1,
    )
    own = {ref for system in systems.values() for ref in system.me.own}
    wanted, left_out = scope.without_own(wanted, own)
    tokens = wanted.tokens
    done = 0

    async def ask(
        token: Token, read: Mapping[TokenRef, Token], gate: asyncio.Semaphore
    ) -> _AskedToken:
        nonlocal done
        async with gate:
            below = inventory.below(token.ref.handle) if verb in cascade.VERBS else ()
            now = read.get(token.ref)
            found = await _ask(systems[token.ref.backend], verb, token, now, mode, below)
        done += 1
        if progress is not None:
            progress(done, len(tokens))
        return found

    async def ask_all(system: _OpenedBackend, of: Sequence[Token]) -> list[_AskedToken]:
        found = list[_AskedToken]()
        for start in range(0, len(of), TOGETHER):
            part = of[start : start + TOGETHER]
            read = await _read_many(system, part)
            gate = asyncio.Semaphore(AT_HAND if len(read) == len(part) else AT_ONCE)
            found += await asyncio.gather(*(ask(token, read, gate) for token in part))
        return found

    each = {name: [token for token in tokens if token.ref.backend == name] for name in systems}
    answers = await asyncio.gather(*(ask_all(systems[name], each[name]) for name in systems))
    by_backend = {name: iter(found) for name, found in zip(systems, answers, strict=True)}
    asked = [next(by_backend[token.ref.backend]) for token in tokens]
    placed = destinations.checked([each.item for each in asked], to)
    asked = [each._replace(item=item) for each, item in zip(asked, placed, strict=True)]
    values = dict(secrets or {})
    if secret is not None and len(tokens) == 1:
        values[tokens[0].ref.handle] = secret
    shared = await _shares(systems, tokens, values)
    items = tuple(
        scope.explained(item, wanted)
        for item in await _gate(inventory, systems, asked, shared, ours)
    )
    rates = {
        name: found
        for name, system in systems.items()
        if system.backend is not None and (found := pace.rate(system.backend, ours))
    }
    return Plan(
        id=uuid7(),
        verb=verb,
        mode=mode,
        reason=reason,
        incident=incident,
        made_at=frozen_at,
        items=items,
        scope=Scope(
            frozen_at=frozen_at,
            total=len(items),
            query=str(wanted.query),
            listed=tuple(handles),
            left_out=left_out,
            beside=wanted.beside,
            gaps=scope.not_seen(inventory, None if wanted.query.terms else set(systems)),
            principals=_principals(items),
        ),
        sinks=tuple(sinks),
        escrow=tuple(escrow),
        rates=rates,
        paces={
            name: pace.planned(
                system.backend,
                [item for item in items if item.backend == name],
                system.limits,
            )
            for name, system in systems.items()
            if system.backend is not None and name not in rates
        },
        budget=ours.budget,
        extends=extends,
        probe=probe,
    )


async def _open(
    open_backend: OpenBackend, names: Iterable[str], *, many: bool
) -> dict[str, _OpenedBackend]:
    """The backends, open. ``many``: so many requests follow that their limits are asked for."""

    async def one(name: str) -> _OpenedBackend:
        try:
            backend = await open_backend(name)
            limits = await backend.limits() if many else Limits()
            return _OpenedBackend(backend, await backend.whoami(), limits=limits)
        except (BackendError, ConsoleError) as error:
            return _OpenedBackend(None, WhoAmI(name=name), str(error))
        except Exception as error:  # noqa: BLE001
            # One backend's defect must not keep the others' tokens from being planned.
            return _OpenedBackend(
                None, WhoAmI(name=name), f"its backend failed with {type(error).__name__}"
            )

    names = list(names)
    systems = await asyncio.gather(*map(one, names))
    return dict(zip(names, systems, strict=True))


async def _read_many(system: _OpenedBackend, tokens: Sequence[Token]) -> Mapping[TokenRef, Token]:
    """Those tokens as they are now that a backend tells of together; the others are asked for."""
    backend = system.backend
    if backend is None:
        return {}
    try:
        declared = backend.capabilities()
        refs = [token.ref for token in tokens if declared.of(token.ref.kind).in_bulk]
        return await backend.read_many(refs) if len(refs) > 1 else {}
    except Exception:  # noqa: BLE001
        # Whatever it is, each token is asked for by itself, and says what is wrong.
        return {}


async def _ask(
    system: _OpenedBackend,
    verb: Verb,
    token: Token,
    now: Token | None,
    mode: Mode,
    below: Sequence[Below],
) -> _AskedToken:
    """Ask about a token. ``now`` is what was read of it together with others, a moment ago."""
    if system.backend is None:
        return _unplanned(
            token, verb, None, f"{token.ref.backend} cannot be asked: {system.trouble}"
        )
    backend = system.backend
    try:
        declared = backend.capabilities().of(token.ref.kind)
        try:
            ref, living = token.ref, True
            if now is None:
                now = await _patiently(lambda: backend.read(ref))
            token = now
        except NotFound:
            living = False
        # Before the plan: a backend's own log may know them by other names until then.
        ends = await cascade.known(backend, verb, declared, below if living else ())
        return await _propose(system, backend, verb, token, mode, declared, ends, living=living)
    except BackendError as error:
        return _unplanned(token, verb, backend, error.message)
    except Exception as error:  # noqa: BLE001
        # As above; what such an error says could be anything.
        return _unplanned(token, verb, backend, f"the backend failed with {type(error).__name__}")


async def _propose(
    system: _OpenedBackend,
    backend: Backend,
    verb: Verb,
    token: Token,
    mode: Mode,
    declared: KindCapabilities,
    ends: cascade.Cascade,
    *,
    living: bool,
) -> _AskedToken:
    try:
        proposal = await _patiently(lambda: backend.plan(verb, token))
        proposal = cascade.joined(proposal, ends)
    except NotFound:
        proposal, living = Proposal(steps=(), manual=GONE_ALREADY), False
    except Unsupported as error:
        # The gate says so by its own name, and the token is not lost from the scope.
        proposal = Proposal(steps=(), collateral=(error.message,))
    if not living and verb in (Verb.RESTORE, Verb.ROTATE):
        return _unplanned(token, verb, backend, f"nothing to {verb.value}: it is gone")
    item = plan_items.assembled(backend, verb, token, system.me, proposal, mode, 1, declared)
    # What gives a token back is no other verb's to do.
    if living and item.by_hand and verb is not Verb.RESTORE:
        item = replace(item, instead=await _instead(system, backend, verb, token, mode, declared))
    return _AskedToken(item, declared, living)


async def _instead(
    system: _OpenedBackend,
    backend: Backend,
    verb: Verb,
    token: Token,
    mode: Mode,
    declared: KindCapabilities,
) -> tuple[Verb, ...]:
    """The other verbs for which there is a call: asked for, since a declaration is of a kind."""
    found = []
    for other in OTHERS:
        support = declared.ability(other).support
        if other is verb or support not in (Support.FULL, Support.PARTIAL):
            continue
        with contextlib.suppress(BackendError):
            proposal = await _patiently(partial(backend.plan, other, token))
            item = plan_items.assembled(
                backend, other, token, system.me, proposal, mode, 1, declared
            )
            if item.proposal.steps and not item.fatal:
                found.append(other)
    return tuple(found)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    for turn in range(PATIENCE):
        try:
            return await call()
        except RateLimited as error:
            await asyncio.sleep(min(error.retry_after or 2.0**turn, LONGEST_PAUSE))
    return await call()


def _unplanned(token: Token, verb: Verb, backend: Backend | None, words: str) -> _AskedToken:
    kind = token.ref.kind
    declared = KindCapabilities(kind=kind, title=kind, verbs={}, ceiling=EvidenceLevel.ASKED)
    if backend is not None:
        declared = backend.capabilities().of(kind)
    item = PlanItem(
        number=1,
        verb=verb,
        token=token,
        backend=token.ref.backend,
        kind_title=declared.title,
        production=backend is not None and backend.config.production,
        proposal=Proposal(steps=(), hazards=(not_planned(words),)),
        ceiling=declared.reach,
        propagation=declared.propagation,
    )
    return _AskedToken(plan_items.written(item), declared)


async def _shares(
    systems: Mapping[str, _OpenedBackend], tokens: Sequence[Token], secrets: Mapping[str, Secret]
) -> dict[str, tuple[TokenRef, ...]]:
    """Which further tokens each value in hand is the value of, in the plan's backends."""
    planned = {token.ref for token in tokens}
    found: dict[str, tuple[TokenRef, ...]] = {}
    for handle, secret in secrets.items():
        answers = await asyncio.gather(
            *(
                plan_items.shares(system.backend, secret, planned)
                for system in systems.values()
                if system.backend is not None
            )
        )
        if more := tuple(ref for answer in answers for ref in answer):
            found[handle] = more
    return found


async def _gate(
    inventory: Inventory,
    systems: Mapping[str, _OpenedBackend],
    asked: Sequence[_AskedToken],
    shared: Mapping[str, tuple[TokenRef, ...]],
    settings: ResponseSettings,
) -> tuple[PlanItem, ...]:
    """The items with what only the whole plan and the store can tell, in their order."""
    ending = frozenset(ref for found in asked for ref in plan_items.ends(found.item))
    here, now = tripwires.here(), time.time()
    rulers: dict[tuple[str, str], frozenset[TokenRef]] = {}
    items, scores = [], {}
    for turn, found in enumerate(asked):
        if not turn % 100:
            await asyncio.sleep(0)  # The worker answers others meanwhile.
        item, declared = found.item, found.declared
        handle = item.token.ref.handle
        view = TokenSurroundings(ending=ending, shares=shared.get(handle, ()), here=here, now=now)
        if ends := item.proposal.also_ends[:CALLED]:
            view = view._replace(called={ref: _called(inventory, ref) for ref in ends})
        if found.living:
            view = view._replace(
                events=tuple(inventory.events(handle, plan_items.EVENTS, uses=True))
            )
        if rules(item.token, declared) and item.token.state in ALIVE:
            key = item.backend, declared.kind
            if key not in rulers:
                me = systems[item.backend].me
                rulers[key] = plan_items.admins(inventory, item.backend, declared, me)
            view = view._replace(admins=rulers[key])
        if found.living and not any(each.code == "not-planned" for each in item.fatal):
            item = plan_items.guarded(item, declared, view)
        items.append(item)
        scores[handle] = plan_items.scored(item, declared, view)
    return priority.arrange(items, scores, settings.waves)


CALLED = 20
"""Tokens that would end along with one whose names are looked up: more are only counted."""


def _called(inventory: Inventory, ref: TokenRef) -> str:
    """A token as people know it, and whose it is, where the inventory has it."""
    detail = inventory.detail(ref.handle)
    if detail is None:
        return ref.id
    owner = f", owner {detail.row.owner}" if detail.row.owner else ", nobody owns it"
    return f"{detail.row.name or ref.id}{owner} ({ref.id})"


def _principals(items: Iterable[PlanItem]) -> tuple[tuple[str, str], ...]:
    pairs = {
        (item.backend, principal.id)
        for item in items
        if (principal := item.token.principal.value) is not None
    }
    return tuple(sorted(pairs))
