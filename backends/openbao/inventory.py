"""Every token that can be seen, a part at a time: a namespace's tokens, a mount's secret-ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from backends.errors import AuthFailed, BackendError, Forbidden, NotFound, Unreachable
from backends.model import Found, Gap, GapKind, Progress, ScopeDone, Token, TokenRef
from backends.openbao import mapping
from backends.openbao.client import Record, role_path, roles_path
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import APPROLE, SERVICE, SecretIdPlace, policy, scope_of
from backends.openbao.reader import BaoReader, Book
from backends.words import count

Item = TypeVar("Item")

BATCH = 256
"""Tokens between two looks into the audit log, and between two signs of progress."""

NAMED = 20
"""Refused tokens or roles that have a gap of their own each; the others are counted."""

ALLOWED = (
    "The policy for it is there, and the server refuses all the same: the server's own record "
    "of it may be damaged. What is left of such tokens goes with: bao write -f auth/token/tidy."
)
SINGLE = (
    "The others of the list can be looked up, so the right is there: a policy denies this one, "
    "or the server's own record of it is damaged."
)

UNLISTABLE = Gap(
    "batch and recovery tokens",
    GapKind.UNLISTABLE,
    "batch tokens and recovery tokens",
    "They have no accessor: the server cannot list or revoke them. Wait for their end, or "
    "disable their entity.",
)


class Survey:
    """One enumeration of everything. Entities and roles are read once in it."""

    def __init__(self, reader: BaoReader, mounts: Sequence[str]) -> None:
        self._reader = reader
        self._mounts = mounts
        self._book = Book()
        self._down: BackendError | None = None
        self._said: set[Gap] = set()

    async def run(self) -> AsyncIterator[Found]:
        """Stream it. Raises only when the server cannot be asked anything at all.

        Raises:
            AuthFailed, Unreachable, TimedOut, ServerFault: of the very first calls.
        """
        await self._reader.client.who()
        spaces, gaps = await self._reader.namespaces()
        gaps += self._once(await self._reader.scan())
        for gap in gaps:
            yield gap
        for ns in spaces:
            async for found in self._tokens(ns):
                yield found
            for mount in self._mounts:
                async for found in self._secret_ids(ns, mount):
                    yield found
        yield UNLISTABLE

    def _once(self, gap: Gap | None) -> Iterator[Gap]:
        if gap is not None and gap not in self._said:
            self._said.add(gap)
            yield gap

    def _failed(self, scope: str, what: str, error: BackendError, missing: str) -> Gap:
        """The gap that an error leaves. Remembers an error that the next scope would meet too."""
        if isinstance(error, Unreachable | AuthFailed):
            self._down = error
        if isinstance(error, Forbidden):
            return Gap(scope, GapKind.REFUSED, what, missing)
        return Gap(scope, GapKind.FAILED, f"{what}: {error}", error.hint)

    async def _tokens(self, ns: str) -> AsyncIterator[Found]:
        reader, scope = self._reader, scope_of(ns, SERVICE)
        if self._down is not None:
            yield self._failed(scope, "tokens", self._down, "")
            return
        try:
            accessors = await reader.client.keys(ns, "auth/token/accessors")
        except BackendError as error:
            missing = policy(f"{ns}auth/token/accessors/", "list", "sudo")
            yield self._failed(scope, "tokens", error, missing)
            return
        reader.learn(ns, accessors)

        def build(found: Sequence[tuple[str, Record]]) -> list[Token]:
            return [reader.token(ns, record, self._book) for _, record in found]

        async def owners(found: Sequence[tuple[str, Record]]) -> Gap | None:
            wanted = [(ns, mapping.text(record.data, "entity_id")) for _, record in found]
            return await reader.fill_entities(self._book, wanted)

        async for item in self._look_up(
            scope,
            list(dict.fromkeys(accessors)),
            lambda accessor: reader.record(ns, accessor),
            lambda accessor: reader.ref(accessor),
            owners,
            build,
            policy(f"{ns}auth/token/lookup-accessor", "update"),
            lambda accessor: f"token with the accessor {accessor}",
            lambda: reader.client.may(f"{ns}auth/token/lookup-accessor", acting=False),
        ):
            yield item

    async def _secret_ids(self, ns: str, mount: str) -> AsyncIterator[Found]:
        reader, scope, base = self._reader, scope_of(ns, mount), f"auth/{mount}/role"
        if self._down is not None:
            yield self._failed(scope, "secret-ids", self._down, "")
            return
        try:
            roles = await reader.client.keys(ns, roles_path(mount))
        except NotFound:
            # Nothing is mounted there, so that there is nothing to be missed either.
            yield ScopeDone(scope, 0)
            return
        except BackendError as error:
            yield self._failed(scope, "secret-ids", error, policy(f"{ns}{base}/", "list"))
            return

        async def accessors_of(role: str) -> list[str]:
            await reader.fill_role(self._book, SecretIdPlace(ns, mount, role))
            return await reader.client.keys(ns, role_path(mount, role, "secret-id"))

        items: list[tuple[SecretIdPlace, str]] = []
        amiss: BackendError | None = None
        refused: list[str] = []
        others = False
        done = await concurrently(roles, accessors_of, reader.workers)
        for role, listed in done:
            others = others or isinstance(listed, list)
            if isinstance(listed, Forbidden):
                refused.append(role)
            elif isinstance(listed, BackendError):
                # A role that went away in between has nothing left to list.
                amiss = amiss if isinstance(listed, NotFound) else listed
            else:
                items += [(SecretIdPlace(ns, mount, role), accessor) for accessor in listed]
        whole = amiss is None and not refused and len(done) == len(roles)
        if refused and not others:
            refused = roles
        if amiss is not None:
            missing = policy(f"{ns}{base}/+/secret-id/", "list")
            yield self._failed(scope, "secret-ids of some roles", amiss, missing)
        if refused:
            for gap in await self._refused_roles(ns, mount, refused, others):
                yield gap

        def build(found: Sequence[tuple[tuple[SecretIdPlace, str], Record]]) -> list[Token]:
            return [
                reader.secret_id(place, accessor, record, self._book)
                for (place, accessor), record in found
            ]

        async def owners(found: Sequence[tuple[tuple[SecretIdPlace, str], Record]]) -> None:
            return None

        async for item in self._look_up(
            scope,
            items,
            lambda item: reader.secret_id_record(*item),
            lambda item: TokenRef(reader.name, APPROLE, item[0].id_of(item[1])),
            owners,
            build,
            policy(f"{ns}{base}/+/secret-id-accessor/lookup", "update"),
            lambda item: f"secret-id {item[1]} of the role {item[0].role}",
            None,
            whole=whole,
        ):
            yield item

    async def _refused_roles(
        self, ns: str, mount: str, roles: Sequence[str], others: bool
    ) -> list[Gap]:
        """A gap for each role whose secret-ids are not shown, as long as they are few.

        ``others`` says that those of other roles are: then the right is there.
        """
        scope = scope_of(ns, mount)
        if not others:
            wrong = await self._certain(Forbidden("secret-ids"))
            missing = policy(f"{ns}{roles_path(mount)}/+/secret-id/", "list")
            return [
                self._failed(scope, f"secret-ids of {count(len(roles), 'role')}", wrong, missing)
            ]
        gaps = [
            Gap(
                scope,
                GapKind.REFUSED,
                f"secret-ids of the role {role}",
                mapping.denied(ns, role_path(mount, role, "secret-id")),
            )
            for role in roles[:NAMED]
        ]
        if more := len(roles) - len(gaps):
            gaps.append(Gap(scope, GapKind.REFUSED, f"secret-ids of {count(more, 'more role')}"))
        return gaps

    async def _look_up(
        self,
        scope: str,
        items: Sequence[Item],
        look_up: Callable[[Item], Awaitable[Record]],
        ref_of: Callable[[Item], TokenRef],
        owners: Callable[[Sequence[tuple[Item, Record]]], Awaitable[Gap | None]],
        build: Callable[[Sequence[tuple[Item, Record]]], list[Token]],
        missing: str,
        name: Callable[[Item], str],
        allowed: Callable[[], Awaitable[bool | None]] | None,
        *,
        whole: bool = True,
    ) -> AsyncIterator[Found]:
        """Look up what was listed, and end with ``ScopeDone`` only if all of it was asked for.

        A single look-up that is refused is a gap of its own: the list itself is whole, and
        the others' ends can still be told from it.
        """
        seen = gone = asked = 0
        refused: list[Item] = []
        may: list[bool | None] = []

        async def granted() -> bool | None:
            if not may:
                may.append(None if allowed is None else await allowed())
            return may[0]

        wrong: BackendError | None = None
        held: list[tuple[Item, Record]] = []
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            done = await concurrently(batch, look_up, self._reader.workers, granted)
            asked += len(done)
            found: list[tuple[Item, Record]] = []
            for item, result in done:
                if isinstance(result, Record):
                    found.append((item, result))
                elif isinstance(result, NotFound):
                    # It ended between the listing and its look-up, and is not missed.
                    gone += 1
                elif isinstance(result, Forbidden):
                    refused.append(item)
                else:
                    wrong = result
            gaps = [await owners(found), await self._reader.scan()]
            gaps.append(await self._reader.join(ref_of(item) for item, _ in found))
            # A child is held back until its parent was looked up, to name the parent at once.
            found, held = self._with_parents([*held, *found], ref_of, start + BATCH >= len(items))
            for token in build(found):
                seen += 1
                yield token
            for gap in gaps:
                for said in self._once(gap):
                    yield said
            yield Progress(start + len(batch), len(items), scope)
            if len(done) < len(batch):
                break
        for token in build(held):
            seen += 1
            yield token
        if refused and wrong is None and (asked < len(items) or not seen):
            # Not one answer: it is the credential or its policy, and not these tokens.
            wrong = await self._certain(Forbidden("look-up"))
        elif refused:
            for gap in self._refused(scope, [name(item) for item in refused], bool(may and may[0])):
                yield gap
        if wrong is not None:
            lost = f"{len(items) - seen - gone} of {len(items)} that are listed"
            hint = ALLOWED if may and may[0] else missing
            yield self._failed(scope, lost, wrong, hint)
        elif whole:
            yield ScopeDone(scope, seen)

    def _refused(self, scope: str, names: Sequence[str], may: bool) -> Iterator[Gap]:
        """One gap for each token whose look-up alone is refused, as long as they are few."""
        hint = ALLOWED if may else SINGLE
        for name in names[:NAMED]:
            yield Gap(f"{scope}: {name}", GapKind.REFUSED, f"the {name}: its look-up", hint)
        if (more := len(names) - NAMED) > 0:
            what = count(more, "more that is listed: its look-up",
                         "more that are listed: their look-ups")  # fmt: skip
            yield Gap(f"{scope}: refused look-ups", GapKind.REFUSED, what, hint)

    def _with_parents(
        self, found: Sequence[tuple[Item, Record]], ref_of: Callable[[Item], TokenRef], last: bool
    ) -> tuple[list[tuple[Item, Record]], list[tuple[Item, Record]]]:
        log = self._reader.usable_log
        if log is None or last:
            return list(found), []
        ready: list[tuple[Item, Record]] = []
        held: list[tuple[Item, Record]] = []
        for item, record in found:
            (held if log.awaits_parent(ref_of(item)) else ready).append((item, record))
        return ready, held

    async def _certain(self, error: Forbidden) -> BackendError:
        try:
            return await self._reader.client.refused(error)
        except BackendError as other:
            return other
