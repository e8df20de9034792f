"""What a leaked token can read leaks with it: secrets, and the tokens whose values lie in them.

The systems are asked for the rights of each token of the scope, as they are now; what lies
where is what teams and systems have told. Both may be short, and that is said.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

from backends.errors import BackendError
from backends.model import TokenRef
from backends.permissions import Decision, Permissions
from console.errors import ConsoleError
from console.fleet import Fleet
from console.incident.record import Incident, ScopedToken
from console.settings import Paths
from console.store import reading
from console.store.queries import links

REASON = "its value lies where a token of the scope can read it"
"""Why such a token comes into the scope, for the journal."""
_OPEN = (Decision.ALLOWED, Decision.CONDITIONAL)


class Readable(NamedTuple):
    """Secrets that a token of the scope may read, as its system names the place."""

    handle: str
    resource: str
    only_if: str
    """Conditions in the system's words; empty where there are none."""
    source: str


class KeptToken(NamedTuple):
    """A token whose value lies where one of the scope can read it. All of it is raw text."""

    handle: str
    place: str
    by: str
    """The handle of the token of the scope that can read it."""
    sure: bool
    """Whether it is let in whatever the circumstances."""


class Further(NamedTuple):
    """What else may have leaked."""

    reads: tuple[Readable, ...]
    kept: tuple[KeptToken, ...]
    """Tokens that are not in the scope yet, each once for each way."""
    not_known: tuple[str, ...]
    """Whose rights could not be read, or not whole, as sentences."""

    @property
    def handles(self) -> tuple[str, ...]:
        """The tokens that could be taken into the scope, each once."""
        return tuple(dict.fromkeys(each.handle for each in self.kept))


async def further(
    incident: Incident,
    paths: Paths,
    fleet: Fleet,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Further:
    """Ask what the tokens of the scope can read, and find whose values lie there.

    Raises:
        StoreError: the inventory cannot be read.
    """
    reads: list[Readable] = []
    kept: list[KeptToken] = []
    not_known: list[str] = []
    places = list(_places(paths))
    for done, scoped in enumerate(incident.scope.values(), 1):
        member = scoped.member
        try:
            ref = TokenRef(member.backend, member.kind, member.id)
            found = await fleet.permissions(ref)
        except (BackendError, ConsoleError) as error:
            not_known.append(
                f"what {_name(scoped)} may read is not known: {error}. Of one that has ended it"
                " cannot be asked any more: ask before you end it"
            )
            progress(done, len(incident.scope))
            continue
        reads += [
            Readable(member.handle, row.resource, " and ".join(row.conditions), row.source)
            for row in found.secrets
        ]
        not_known += [
            f"what {_name(scoped)} may read may be more: {gap.what}"
            for gap in (*found.gaps, *found.secret_gaps)
        ]
        kept += _kept(scoped, found, fleet, places, incident)
        progress(done, len(incident.scope))
    return Further(tuple(dict.fromkeys(reads)), tuple(kept), tuple(dict.fromkeys(not_known)))


def lines(found: Further) -> Iterator[str]:
    """What else may have leaked, sentence by sentence; raw text."""
    if not found.reads and found.not_known:
        yield "What the tokens of the scope may read is not known, or not whole."
    elif not found.reads:
        yield "No secret that a token of the scope may read is known."
    for each in found.reads:
        only = f", only if {each.only_if}" if each.only_if else ""
        source = f" ({each.source})" if each.source else ""
        yield f"{each.handle} may read {each.resource}{only}{source}"
    for kept in found.kept:
        may = "can be read" if kept.sure else "can be read under conditions"
        yield f"{kept.handle} lies in {kept.place}, which {may} by {kept.by}"
    if found.reads and not found.kept:
        yield "No token is known whose value lies there: teams' files can tell of more."


def _kept(
    scoped: ScopedToken,
    found: Permissions,
    fleet: Fleet,
    places: list[links.Kept],
    incident: Incident,
) -> Iterator[KeptToken]:
    member, backend = scoped.member, fleet.opened(scoped.member.backend)
    actions = dict.fromkeys(row.action for row in found.secrets)
    if backend is None or not actions:
        return
    for place in places:
        if place.backend != member.backend or place.handle in incident.scope:
            continue
        for action in actions:
            told = {backend.permits(found, action, name).decision for name in _written(place.name)}
            if told & set(_OPEN):
                sure = Decision.ALLOWED in told
                yield KeptToken(place.handle, place.name, member.handle, sure)
                break


def _written(name: str) -> Iterator[str]:
    """A place as people write it, and as the second version of a key-value store reads it."""
    yield name
    mount, slash, rest = name.partition("/")
    if slash and not rest.startswith("data/"):
        yield f"{mount}/data/{rest}"


def _places(paths: Paths) -> Iterator[links.Kept]:
    with contextlib.closing(reading.connect(paths.inventory)) as connection:
        try:
            yield from links.kept(connection)
        except sqlite3.Error as error:
            raise reading.unusable(paths.inventory, error) from None


def _name(scoped: ScopedToken) -> str:
    member = scoped.member
    return f"{member.backend}/{member.name or member.id}"
