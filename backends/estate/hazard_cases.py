"""Cases that a hazard gate has to stop at, made on purpose, one token at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict

from backends.errors import ConfigError
from backends.estate import activity, database, vocabulary
from backends.estate.issuing import INSERT_VALUE, digest
from backends.estate.systems import DEPLOY, SYSTEMS
from backends.model import Secret

if TYPE_CHECKING:
    from backends.estate.engine import EstateWorld

HOST_ADDRESS: Final = "10.20.0.77"
"""Where the token "this-host" was used from, unless another address is asked for."""


class Planted(NamedTuple):
    """A planted token: where it is, and its value."""

    system: str
    kind: str
    id: str
    secret: Secret


class Habits(TypedDict, total=False):
    """How a consumer works: ``period`` in seconds; a ``stale`` one keeps its old value."""

    kind: str
    address: str
    agent: str
    period: int
    stale: bool


def employ(
    world: EstateWorld,
    system: str,
    id_: str,
    name: str,
    *,
    kind: str = "workload",
    address: str = "10.21.4.4",
    agent: str = "",
    period: int = activity.HEARTBEAT,
    stale: bool = False,
) -> None:
    """Give a token one more consumer, which uses it from now on, day and night."""
    now = world.now()
    with database.writing(world.db):
        n = world.token_row(system, id_)["n"]
        action, target = vocabulary.ACTIONS[system][0]
        made = world.db.execute(
            "INSERT INTO consumer (token, name, kind, address, agent, action, target, period,"
            " phase, diurnal, k, next_at, stale) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
            (
                n, name, kind, address, agent or vocabulary.AGENTS[system][0], action,
                target.format(vocabulary.SERVICES[0]), period, now + 1, now + 1, int(stale),
            ),
        )  # fmt: skip
        first = activity.moment(world.seed, int(made.lastrowid or 0), period, now + 1, 0)
        world.db.execute("UPDATE consumer SET next_at = ? WHERE id = ?", (first, made.lastrowid))


def plant(world: EstateWorld, hazard: str, *, system: str = "", address: str = "") -> Planted:
    """Make the token of a case. ``system`` is the case's usual one where none is given.

    Raises:
        ConfigError: no such case.
    """
    if hazard not in HAZARDS:
        raise ConfigError(
            f"no such hazard: {hazard}", f"Known are: {', '.join(HAZARDS)}.", option="hazard"
        )
    make, usual = HAZARDS[hazard]
    return make(world, system or usual, address or HOST_ADDRESS)


def _mint(
    world: EstateWorld,
    system: str,
    name: str,
    *,
    kind: str = "",
    principal: str = "",
    parent: str = "",
) -> Planted:
    grants = [(vocabulary.GRANT_KIND[system], vocabulary.GRANTS[system][0])]
    id_, secret = world.mint(
        system, name, owner="sre", principal=principal or f"svc-{name}", created_by="planted",
        parent=parent or None, grants=grants, kind=kind,
    )  # fmt: skip
    return Planted(system, kind or SYSTEMS[system].kind, id_, secret)


def _tripwire(world: EstateWorld, system: str, address: str) -> Planted:
    return _mint(world, system, vocabulary.TRIPWIRE)


def _heartbeat(world: EstateWorld, system: str, address: str) -> Planted:
    made = _mint(world, system, "planted-heartbeat")
    employ(world, system, made.id, "host/unknown", kind="host", address="10.22.9.9")
    # An hour of it lies behind already: the log is what a gate can see.
    now = world.now()
    with database.writing(world.db):
        world.db.execute(
            "UPDATE consumer SET phase = ?, next_at = ? WHERE token = (SELECT n FROM token"
            " WHERE system = ? AND id = ?)",
            (now - 3_600, now - 3_600, system, made.id),
        )
        world.db.execute(
            "UPDATE token SET created_at = ? WHERE system = ? AND id = ?",
            (now - 7_200, system, made.id),
        )
        _make_up(world, now)
    return made


def _make_up(world: EstateWorld, now: int) -> None:
    """Let the uses take place that a planted past has in store."""
    activity.uses(world.db, world.seed, now - 2 * 3_600, now)


def _last_admin(world: EstateWorld, system: str, address: str) -> Planted:
    """The only token left with the grant that rules the system."""
    ruling = SYSTEMS[system].capabilities.of(SYSTEMS[system].kind).admin_grants
    made = _mint(world, system, "planted_last_admin")
    with database.writing(world.db):
        rows = world.db.execute(
            "SELECT n, grants FROM token WHERE system = ?", (system,)
        ).fetchall()
        for row in rows:
            held = [grant for grant in json.loads(row["grants"]) if grant[1] not in ruling]
            lesser = held or [[vocabulary.GRANT_KIND[system], vocabulary.GRANTS[system][-2]]]
            world.db.execute(
                "UPDATE token SET grants = ? WHERE n = ?", (json.dumps(lesser), row["n"])
            )
        world.db.execute(
            "UPDATE token SET grants = ? WHERE system = ? AND id = ?",
            (json.dumps([[vocabulary.GRANT_KIND[system], ruling[0]]]), system, made.id),
        )
    return made


def _reuse(world: EstateWorld, system: str, address: str) -> Planted:
    return _mint(world, "codehost", "planted-deploy", kind=DEPLOY)


def _cascade(world: EstateWorld, system: str, address: str) -> Planted:
    made = _mint(world, "vault", "planted-parent")
    for place in range(2):
        _mint(world, "vault", f"planted-child-{place}", parent=made.id)
    return made


def _shared(world: EstateWorld, system: str, address: str) -> Planted:
    """Two tokens that were given one value, so that it is found to be either."""
    made, twin = (_mint(world, system, f"planted_shared_{place}") for place in range(2))
    with database.writing(world.db):
        n = world.db.execute(
            "SELECT n FROM token WHERE system = ? AND id = ?", (system, twin.id)
        ).fetchone()["n"]
        world.db.execute("DELETE FROM secret WHERE token = ?", (n,))
        world.db.execute(INSERT_VALUE, (digest(made.secret.reveal()), n, 1, None))
    return made


def _slot_full(world: EstateWorld, system: str, address: str) -> Planted:
    made = _mint(world, "cloud", "planted-slot", principal="svc-planted-slot")
    _mint(world, "cloud", "planted-slot-2", principal="svc-planted-slot")
    return made


def _this_host(world: EstateWorld, system: str, address: str) -> Planted:
    made = _mint(world, "vault", "planted-here")
    world.attempt(made.secret, "read", source=address, agent="bash")
    return made


HAZARDS: Final[dict[str, tuple[Callable[..., Planted], str]]] = {
    "tripwire": (_tripwire, "codehost"),
    "heartbeat": (_heartbeat, "vault"),
    "last-admin": (_last_admin, "vault"),
    "reuse-detection": (_reuse, "codehost"),
    "cascade": (_cascade, "vault"),
    "shared-value": (_shared, "database"),
    "slot-full": (_slot_full, "cloud"),
    "this-host": (_this_host, "vault"),
}
"""Each case, and the system that it is made in by default."""
