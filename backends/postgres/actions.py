"""The statements that change a role, and the plans made of them.

Every plan is one statement. It names the role by its name where the name is UTF-8; where it
is not, the server looks the name up by the oid, see :mod:`backends.postgres.names`.
``DROP ROLE`` is planned only where nothing hangs on the role, since PostgreSQL refuses it
otherwise (2BP01); else revoking means that the role can never log in again, and what is left
for a person to do is said. A role has one password, so rotating it is one statement as well,
and the old one dies with it. Sources: PostgreSQL documentation, ALTER ROLE, DROP ROLE, DO,
"Dropping Roles", pg_terminate_backend.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg import sql

from backends.contract import NO_SESSIONS, Call, Hazard, Phase, Proposal, Retry, Step, Value, Verb
from backends.errors import Unsupported
from backends.model import Token, TokenState
from backends.postgres import names
from backends.postgres.consumers import Uses
from backends.postgres.roles import state
from backends.postgres.wire import PgSession, Read, Row
from backends.words import count

BOOTSTRAP: Final = 10
"""The oid of the role that initdb made. PostgreSQL refuses to drop it."""

CONTAIN, RESTORE, DROP, DISABLE, DISCONNECT = "contain", "restore", "drop", "disable", "disconnect"
ROTATE: Final = "rotate"

NEW_VALUE: Final = "'<new value>'"
"""What a plan shows in the place of the verifier that is sent."""


class Role(NamedTuple):
    """A role as a statement can name it."""

    oid: int
    raw: bytes
    """The bytes of its name."""

    def call(self, words: str, attributes: str = "") -> Call:
        """One statement about the role: ``ALTER ROLE "app" NOLOGIN``."""
        rest = f" {attributes}" if attributes else ""
        if (name := names.exact(self.raw)) is not None:
            return Call("sql", words, f"{quoted(name)}{rest}")
        # The server reads the name itself and writes it back to itself, byte by byte.
        made = sql.Literal(f"{words} %I{rest}").as_string(None).strip()
        named = f"format({made}, rolname) FROM pg_roles WHERE oid = {self.oid}"
        return Call("sql", "DO", f"$role$ BEGIN EXECUTE (SELECT {named}); END $role$")


def quoted(name: str) -> str:
    """A role's name as an SQL identifier, whatever characters it holds."""
    return sql.Identifier(name).as_string(None)


def statement(which: str, target: Role) -> Call:
    """The one statement of a step. ``Call.line`` is exactly what is sent."""
    if which == DISCONNECT:
        # By oid: sessions of a role that was dropped have no name any more.
        sessions = f"pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = {target.oid}"
        return Call("sql", "SELECT", f"{sessions} AND pid <> pg_backend_pid()")
    if which == DROP:
        return target.call("DROP ROLE")
    attributes = {
        CONTAIN: "NOLOGIN",
        RESTORE: "LOGIN",
        DISABLE: "NOLOGIN PASSWORD NULL VALID UNTIL 'epoch'",
        # Nothing but the password: VALID UNTIL and the attributes stay as they are.
        ROTATE: f"PASSWORD {NEW_VALUE}",
    }[which]
    return target.call("ALTER ROLE", attributes)


def rotation(target: Role, verifier: str) -> str:
    """The statement of a rotation as it is sent, with the verifier in its place."""
    return target.call("ALTER ROLE", f"PASSWORD {sql.Literal(verifier).as_string(None)}").line


async def touched(read: Read, which: str, target: Role) -> bool:
    """Whether the statement, in the transaction that is still open, went to this very role.

    A name may go to another role between the look and the change. The change holds what it
    changed until the transaction ends: the role that still has the name is the one that was
    altered, and a drop's own lock names the one that was dropped.
    """
    if which == DISCONNECT:
        return True
    if which == DROP:
        return bool(await read(_DROPPED, {"oid": target.oid}))
    rows = await read(NAMED, {"oid": target.oid})
    return [row["raw"] for row in rows] == [target.raw]


NAMED: Final = "SELECT namesend(rolname) AS raw FROM pg_roles WHERE oid = %(oid)s"
_DROPPED: Final = (
    "SELECT 1 AS found FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'object'"
    " AND classid = 'pg_authid'::regclass AND objid = %(oid)s"
)


def allowed(target: Role) -> dict[str, Call]:
    """Every call that may be made on a role: anything else is not ours and is not sent."""
    every = (CONTAIN, RESTORE, DROP, DISABLE, DISCONNECT, ROTATE)
    return {which: statement(which, target) for which in every}


class RoleRights(NamedTuple):
    """What the acting role may do to the target, as the catalogs say."""

    name: str
    superuser: bool
    administers: bool
    """CREATEROLE, and (from version 16 on) ADMIN OPTION on the target."""
    signals: bool
    """Member of the target or of pg_signal_backend."""
    others: int
    """Superusers besides the target that can log in."""


async def acting(reader: PgSession, user: str, oid: int, version: int) -> RoleRights:
    """Ask what the role ``user`` may do to the one with ``oid``."""
    admin = "USAGE WITH ADMIN OPTION" if version >= 160000 else "USAGE"
    rows = await reader.rows(
        "the acting role's rights",
        "SELECT a.rolsuper, a.rolcreaterole AND (%(version)s < 160000"
        " OR pg_has_role(a.oid, %(oid)s::oid, %(admin)s)) AS administers,"
        " pg_has_role(a.oid, 'pg_signal_backend', 'USAGE')"
        " OR pg_has_role(a.oid, %(oid)s::oid, 'USAGE') AS signals FROM pg_roles a"
        " WHERE a.rolname = %(act)s",
        {"act": user, "oid": oid, "admin": admin, "version": version},
    )
    (count,) = await reader.rows(
        "superusers",
        "SELECT count(*) AS others FROM pg_roles WHERE rolsuper AND rolcanlogin AND oid <> %(oid)s",
        {"oid": oid},
    )
    row = rows[0] if rows else {"rolsuper": False, "administers": False, "signals": False}
    return RoleRights(user, row["rolsuper"], row["administers"], row["signals"], count["others"])


def propose(verb: Verb, token: Token, row: Row, found: Uses, who: RoleRights) -> Proposal:
    """The plan for a verb.

    Raises:
        Unsupported: the verb makes no sense here, with what a person can do instead.
    """
    target = Role(row["oid"], row["raw"])
    hazards = _hazards(verb, row, found, who)
    if verb is Verb.ROTATE:
        hazards += _about_rotation(token)
        return _rotate(token, statement(ROTATE, target), found, hazards)
    if verb is Verb.DISCONNECT:
        return _disconnect(token, statement(DISCONNECT, target), found, hazards)
    if verb is Verb.RESTORE:
        return _restore(token, row, target, hazards)
    if verb is Verb.CONTAIN:
        return _contain(token, target, found, hazards)
    if found.dependencies or target.oid == BOOTSTRAP:
        return _disable(token, statement(DISABLE, target), found, hazards)
    return _drop(token, statement(DROP, target), found, hazards)


def _drop(token: Token, call: Call, found: Uses, hazards: tuple[Hazard, ...]) -> Proposal:
    step = Step(
        id=DROP,
        verb=Verb.REVOKE,
        token=token.ref,
        title="Drop the role: nothing depends on it",
        call=call,
        retry=Retry.CONFIRM,
        expect="gone",
    )
    collateral = [f"{row['rolname']} loses the rights it has through it" for row in found.members]
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=(*collateral, *_left_open(found)),
        takes_effect="at once for new log-ins; on replicas after their replay lag",
    )


def _disable(token: Token, call: Call, found: Uses, hazards: tuple[Hazard, ...]) -> Proposal:
    reasons = "; ".join(found.where()) or "it is the role that the cluster was made with"
    step = Step(
        id=DISABLE,
        verb=Verb.REVOKE,
        token=token.ref,
        title="Destroy the password and forbid log-in; the role stays, as it is depended on",
        call=call,
        retry=Retry.FREE,
        expect=TokenState.DISABLED.value,
    )
    databases = sorted({row["datname"] for row in found.dependencies if row["datname"]})
    manual = ""
    if found.dependencies:
        where = ", ".join(databases) or "any database"
        manual = (
            f"To remove the role too: in {where}, REASSIGN OWNED BY and DROP OWNED BY it, "
            "then revoke again."
        )
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=(f"The role stays: {reasons}.", *_left_open(found)),
        takes_effect="at once for new log-ins; on replicas after their replay lag",
        manual=manual,
    )


def _contain(token: Token, target: Role, found: Uses, hazards: tuple[Hazard, ...]) -> Proposal:
    step = Step(
        id=CONTAIN,
        verb=Verb.CONTAIN,
        token=token.ref,
        title="Forbid log-in; the password is kept",
        call=statement(CONTAIN, target),
        retry=Retry.FREE,
        reversible=True,
        expect=TokenState.DISABLED.value,
    )
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=_left_open(found),
        takes_effect="at once for new log-ins; on replicas after their replay lag",
        undo=statement(RESTORE, target).line,
    )


def _restore(token: Token, row: Row, target: Role, hazards: tuple[Hazard, ...]) -> Proposal:
    if row["until"] == 0.0:
        raise Unsupported(
            "the role was revoked: its password is destroyed",
            "Set a new one and a new VALID UNTIL by hand, if it is to live again.",
        )
    after = state({**row, "rolcanlogin": True})
    step = Step(
        id=RESTORE,
        verb=Verb.RESTORE,
        token=token.ref,
        title="Allow log-in again, with the password it had",
        call=statement(RESTORE, target),
        retry=Retry.FREE,
        reversible=True,
        expect=after.value,
    )
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=("It can log in already: this changes nothing.",) if row["rolcanlogin"] else (),
        takes_effect="at once",
        undo=statement(CONTAIN, target).line,
    )


def _disconnect(token: Token, call: Call, found: Uses, hazards: tuple[Hazard, ...]) -> Proposal:
    step = Step(
        id=DISCONNECT,
        verb=Verb.DISCONNECT,
        token=token.ref,
        title=f"End the open sessions of this role ({found.live} now)",
        call=call,
        retry=Retry.FREE,
        expect=NO_SESSIONS,
    )
    again = "Clients that still hold a good password connect again at once: contain it first."
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=("Transactions under way are rolled back.", again),
        takes_effect="within moments; a session that is stuck in the kernel takes longer",
    )


def _rotate(token: Token, call: Call, found: Uses, hazards: tuple[Hazard, ...]) -> Proposal:
    step = Step(
        id=ROTATE,
        verb=Verb.ROTATE,
        token=token.ref,
        title="Replace the password; the old one is refused from then on",
        call=call,
        # The same value again sets the same password.
        retry=Retry.FREE,
        phase=Phase.MINT,
        value=Value.CHOSEN,
    )
    return Proposal(
        steps=(step,),
        hazards=hazards,
        collateral=(
            "Whatever still has the old password is refused at its next log-in.",
            "The server gets, and may log, a SCRAM verifier: the password is not in it.",
            *_left_open(found),
        ),
        takes_effect="at once for new log-ins; on replicas after their replay lag",
    )


def _about_rotation(token: Token) -> tuple[Hazard, ...]:
    """Why a new password may not do what is expected of it."""
    hazards: list[Hazard] = []
    if token.state is TokenState.EXPIRED:
        text = (
            "The new password will be refused as well: VALID UNTIL has passed, and a rotation "
            "does not move it."
        )
        hazards.append(Hazard(code="expired", text=text))
    if token.state is TokenState.DISABLED:
        text = "The role may not log in, and a new password does not change that."
        hazards.append(Hazard(code="disabled", text=text))
    scheme = dict(token.facts).get("password")
    if scheme == "none":
        text = (
            "It has no password now (it logs in by other means, or never): this gives it one, "
            "and ends nothing."
        )
        hazards.append(Hazard(code="no-password", text=text))
    if scheme == "md5":
        text = (
            "Its password is stored as MD5; the new one is stored for SCRAM-SHA-256, which "
            "clients older than PostgreSQL 10 do not speak."
        )
        hazards.append(Hazard(code="old-clients", text=text))
    return tuple(hazards)


def _left_open(found: Uses) -> tuple[str, ...]:
    if not found.live:
        return ()
    live = count(found.live, "open session goes", "open sessions go")
    return (f"{live} on: end {'it' if found.live == 1 else 'them'} with disconnect.",)


def _hazards(verb: Verb, row: Row, found: Uses, who: RoleRights) -> tuple[Hazard, ...]:
    hazards: list[Hazard] = []
    ends = verb in (Verb.CONTAIN, Verb.REVOKE)
    if row["rolsuper"] and ends:
        hazards.append(Hazard(code="superuser", text="This role is a superuser."))
        if not who.others:
            text = "It is the last superuser that can log in: nobody could undo this."
            hazards.append(Hazard(code="last-superuser", text=text, fatal=True))
    if found.live and (ends or verb is Verb.ROTATE):
        names = sorted({str(line["application_name"] or "no name") for line in found.sessions})
        live = count(found.live, "session is open and survives", "sessions are open and survive")
        text = f"{live} ({', '.join(names[:3])}): disconnect afterwards."
        hazards.append(Hazard(code="live-sessions", text=text))
    if any(line["backend_type"] == "walsender" for line in found.sessions):
        hazards.append(Hazard(code="replication", text="A replica or a backup streams with it."))
    if found.dependencies and verb is Verb.REVOKE:
        text = f"The role stays, unable to log in: {'; '.join(found.where())}."
        hazards.append(Hazard(code="dependents", text=text))
    if found.subscriptions and ends:
        runs = count(len(found.subscriptions), "subscription runs", "subscriptions run")
        text = f"{runs} as it and may stop."
        hazards.append(Hazard(code="subscriptions", text=text))
    # Whoever made a role with CREATEROLE is a member of it from then on, the console's too.
    members = [row for row in found.members if row["rolname"] != who.name]
    if members and verb is Verb.REVOKE and not found.dependencies:
        roles = count(len(members), "role has", "roles have")
        text = f"{roles} rights through it and {'loses' if len(members) == 1 else 'lose'} them."
        hazards.append(Hazard(code="members", text=text))
    if missing := _missing(verb, row, who):
        hazards.append(Hazard(code="not-permitted", text=missing))
    return tuple(hazards)


def _missing(verb: Verb, row: Row, who: RoleRights) -> str:
    """Why PostgreSQL will refuse, empty where it should not."""
    if who.superuser:
        return ""
    target = quoted(str(row["rolname"]))
    if row["rolsuper"]:
        return f"Only a superuser may touch a superuser, and {who.name} is none."
    if verb is Verb.DISCONNECT:
        if who.signals:
            return ""
        return f"{who.name} lacks pg_signal_backend: GRANT pg_signal_backend TO it."
    if who.administers:
        return ""
    return (
        f"{who.name} may not change this role: it needs CREATEROLE and "
        f"GRANT {target} TO {quoted(who.name)} WITH ADMIN OPTION."
    )
