"""The permissions of one role, put together from all of this room."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from backends.errors import NotFound
from backends.model import Gap, GapKind, TokenRef
from backends.permissions import Permissions
from backends.postgres.privileges import catalog as catalogs
from backends.postgres.privileges import elevations, rows
from backends.postgres.privileges.words import quoted
from backends.postgres.wire import PgSession

NAMES: int = 8
"""Databases that a gap names."""


async def permissions(session: PgSession, ref: TokenRef, oid: int) -> Permissions:
    """What a role may do in the connected database, and in the cluster.

    The objects of other databases cannot be seen from here. They are another question's matter,
    so they bear on no answer: the subject says which database was read, and ``secret_gaps`` says
    that secrets may be in the others.

    Raises:
        NotFound: there is no role of that oid.
        BackendError: a catalog that everybody may read could not be read.
    """
    found = await catalogs.read(session, oid)
    if found is None:
        raise NotFound(f"{ref.backend} has no role with the oid {oid}")
    role = found.tree.roles[oid]
    gaps = []
    if found.cut:
        what = f"privileges on objects after the first {catalogs.MAX_OBJECTS}"
        gaps.append(
            Gap(ref.id, GapKind.LIMITED, what, "Ask the server: \\dp, has_table_privilege.")
        )
    told = tuple(dict.fromkeys(rows.rows(found, oid)))
    opened = Permissions(
        ref=ref,
        rows=told,
        elevations=elevations.elevations(told, found),
        gaps=tuple(gaps),
        secret_gaps=tuple(_others(ref, found)),
        subject=f"role {quoted(role.name)}, in database {quoted(found.database.name)}",
        as_of=datetime.now(UTC),
    )
    return msgspec.structs.replace(opened, secrets=elevations.secrets(opened))


def _others(ref: TokenRef, found: catalogs.Catalog) -> list[Gap]:
    gaps = []
    others = found.database.others
    if others:
        named = ", ".join(quoted(name) for name in others[:NAMES])
        more = f" and {len(others) - NAMES} more" if len(others) > NAMES else ""
        what = f"objects of other databases: {named}{more}"
        hint = "Configure a backend for each, with its dbname."
        gaps.append(Gap(ref.id, GapKind.UNLISTABLE, what, hint))
    what = "secrets in the tables of applications"
    gaps.append(Gap(ref.id, GapKind.UNLISTABLE, what, "Their owners know which tables hold them."))
    return gaps
