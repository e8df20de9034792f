"""The commands for each verb, and what speaks against them.

Every command about a user is written here, for the plan and again right before it is sent.
``ACL SETUSER`` makes a user that is not there, so each look comes before the command. What
makes a change outlive a restart goes with it, in one transaction (MULTI, EXEC): a step of its
own would come after the token is gone, when nobody looks for it any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from backends.contract import (
    NO_SESSIONS,
    Call,
    Hazard,
    Phase,
    Proposal,
    Retry,
    Step,
    Value,
    Verb,
)
from backends.errors import Unsupported
from backends.model import Gap, Secret, Token, TokenState
from backends.redis_acl import rules
from backends.redis_acl.clients import Client
from backends.redis_acl.users import User, state
from backends.words import count

CONTAIN, RESTORE, DELETE, DISABLE = "contain", "restore", "delete", "disable"
DISCONNECT, ROTATE, RETIRE = "disconnect", "rotate", "retire"
DEFAULT: Final = b"default"
"""The user that every connection begins as. Redis refuses to delete it."""
FOREVER: Final = "on each server that was asked, at once"
NEW: Final = "#<SHA-256 of the new value>"
OLD: Final = "!<SHA-256 of an old value>"
SAVING: Final[Mapping[str, str]] = {"aclfile": "ACL SAVE", "config": "CONFIG REWRITE"}
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    CONTAIN: ("ACL SETUSER", "off"),
    RESTORE: ("ACL SETUSER", "on"),
    DELETE: ("ACL DELUSER", ""),
    DISABLE: ("ACL SETUSER", "off resetpass"),
    DISCONNECT: ("CLIENT KILL", ""),
    ROTATE: ("ACL SETUSER", NEW),
    RETIRE: ("ACL SETUSER", OLD),
}


class Found(NamedTuple):
    """What a plan is made of, server by server in the order of the configuration."""

    users: Mapping[str, User]
    clients: Mapping[str, Sequence[Client]]
    persist: Mapping[str, str]
    """How each server keeps its users: a value of ``PERSIST``, or why that is not known."""
    others: tuple[Gap, ...]
    """Servers that keep users of their own and were not asked."""
    acting: Mapping[str, User | None]
    """The acting user on each server, None where it has none such."""
    last_admin: bool
    marks: Mapping[str, str]
    """Keyed marks of the passwords on each server, for the step that removes them."""

    def save(self, label: str) -> str:
        """A word of ``SAVING``: what goes with a change at this server; "" for nothing."""
        how = self.persist[label]
        if how not in SAVING:
            return ""
        who = self.acting.get(label)
        # Without the right to save, the change is made all the same; a hazard says so.
        return "" if who is not None and self.lacks(label, SAVING[how]) else how

    def lacks(self, label: str, command: str) -> bool:
        """Whether the acting user surely may not run a command there."""
        who = self.acting.get(label)
        right = command.casefold().replace(" ", "|")
        return who is not None and rules.allows(who, right) is False

    @property
    def live(self) -> int:
        """Connections that are open as the user."""
        return sum(len(each) for each in self.clients.values())


def call(which: str, id_: str, label: str, save: str = "", mark: str = "") -> Call:
    """The one command of a step at one server, as a plan shows it.

    ``save`` is a word of ``SAVING``, for what goes with it in one transaction.
    """
    method, rest = _WORDS[which]
    target = f"USER {id_}" if which == DISCONNECT else f"{id_} {rest}".rstrip()
    arguments = {"server": label}
    if save:
        target += f"; {SAVING[save]}"
        arguments["sent as"] = "one transaction"
    if mark:
        arguments["passwords"] = mark
    return Call("resp", method, target, arguments)


def words(which: str, raw: bytes, digests: Iterable[Secret] = ()) -> list[str | bytes]:
    """The same as it is sent. ``digests`` are hashes of the new value, or of old ones."""
    method, rest = _WORDS[which]
    sent: list[str | bytes] = list(method.split(" "))
    sent += ["USER", raw] if which == DISCONNECT else [raw]
    if which in (ROTATE, RETIRE):
        # By its hash: no clear text in a monitor, a slow log or a dump of the traffic.
        sign = "#" if which == ROTATE else "!"
        return sent + [sign + each.reveal() for each in digests]
    return sent + rest.split()


def propose(verb: Verb, token: Token, raw: bytes, found: Found) -> Proposal:
    """The plan for a verb.

    Raises:
        Unsupported: the verb makes no sense here, with what a person can do instead.
    """
    hazards = _hazards(verb, raw, found)
    if verb is Verb.ROTATE:
        return _rotate(token, found, hazards)
    if verb is Verb.DISCONNECT:
        return _disconnect(token, found, hazards)
    if verb is Verb.REVOKE:
        return _revoke(token, raw, found, hazards)
    if verb is Verb.CONTAIN:
        steps = _steps(
            CONTAIN, verb, token, found, TokenState.DISABLED.value,
            "Let nobody log in as it; its passwords are kept", reversible=True,
        )  # fmt: skip
        return Proposal(
            steps=steps,
            hazards=hazards,
            collateral=(*_go_on(found), *_saved(found)),
            takes_effect=f"for new log-ins, {FOREVER}",
            undo=_undo(RESTORE, token, found),
        )
    after = {state(user._replace(on=True)) for user in found.users.values()}
    expect = TokenState.ACTIVE if TokenState.ACTIVE in after else TokenState.DISABLED
    already = all(user.on for user in found.users.values())
    return Proposal(
        steps=_steps(
            RESTORE, verb, token, found, expect.value,
            "Let it log in again, with the passwords it had", reversible=True,
        ),
        hazards=hazards,
        collateral=(*(("It is on already: this changes nothing.",) if already else ()),
                    *_saved(found)),
        takes_effect=FOREVER,
        undo=_undo(CONTAIN, token, found),
    )  # fmt: skip


def _steps(
    which: str,
    verb: Verb,
    token: Token,
    found: Found,
    expect: str,
    title: str,
    *,
    reversible: bool = False,
) -> tuple[Step, ...]:
    """The command at each server that has the user."""
    many = len(found.users) > 1
    return tuple(
        Step(
            id=_id(which, number),
            verb=verb,
            token=token.ref,
            title=f"{title} (at {label})" if many else title,
            call=call(which, token.ref.id, label, found.save(label)),
            retry=Retry.FREE,
            reversible=reversible,
            # Of a user on several servers the record says so when the last one has it.
            expect=expect if number == len(found.users) else "",
        )
        for number, label in enumerate(found.users, 1)
    )


def _undo(which: str, token: Token, found: Found) -> str:
    label = next(iter(found.users))
    return call(which, token.ref.id, label, found.save(label)).line


def _id(which: str, number: int) -> str:
    return which if number == 1 else f"{which}-{number}"


def _revoke(token: Token, raw: bytes, found: Found, hazards: tuple[Hazard, ...]) -> Proposal:
    if raw == DEFAULT:
        steps = _steps(
            DISABLE, Verb.REVOKE, token, found, TokenState.DISABLED.value,
            "Remove its passwords and let nobody log in; Redis keeps this user",
        )  # fmt: skip
        stays = ("Redis refuses to delete the user `default`: it stays, without a password.",)
        return Proposal(
            steps=steps,
            hazards=hazards,
            collateral=(*stays, *_go_on(found), *_saved(found)),
            takes_effect=f"for new log-ins, {FOREVER}",
        )
    cut = count(found.live, "connection is cut", "connections are cut")
    return Proposal(
        steps=_steps(
            DELETE, Verb.REVOKE, token, found, "gone", "Delete the user; its clients are cut"
        ),
        hazards=hazards,
        collateral=(*((f"{cut}.",) if found.live else ()), *_saved(found)),
        takes_effect=FOREVER,
    )


def _disconnect(token: Token, found: Found, hazards: tuple[Hazard, ...]) -> Proposal:
    labels = list(found.users) or [label for label, each in found.clients.items() if each]
    steps = tuple(
        Step(
            id=_id(DISCONNECT, number),
            verb=Verb.DISCONNECT,
            token=token.ref,
            title=f"Cut its connections at {label} ({len(found.clients.get(label, ()))} now)",
            call=call(DISCONNECT, token.ref.id, label),
            retry=Retry.FREE,
            expect=NO_SESSIONS if number == len(labels) else "",
        )
        for number, label in enumerate(labels, 1)
    )
    again = "Clients that still hold a good password connect again at once: contain it first."
    return Proposal(
        steps=steps,
        hazards=hazards,
        collateral=("What a client was doing may be half done.", again),
        takes_effect="at once",
    )


def _rotate(token: Token, found: Found, hazards: tuple[Hazard, ...]) -> Proposal:
    if len(found.users) > 1:
        raise Unsupported(
            "the user is on several servers, and one call sets a new password on one of them only",
            "Set one password on all of them by hand (ACL SETUSER NAME '#SHA-256'), then remove "
            "the old one; or revoke it.",
        )
    ((label, user),) = found.users.items()
    mint = Step(
        id=ROTATE,
        verb=Verb.ROTATE,
        token=token.ref,
        title="Add a new password; the old ones go on working",
        call=call(ROTATE, token.ref.id, label, found.save(label)),
        # The same value again is the same password.
        retry=Retry.FREE,
        phase=Phase.MINT,
        value=Value.CHOSEN,
    )
    rest: list[Step] = []
    if user.hashes:
        old = count(len(user.hashes), "old password", "old passwords")
        rest.append(
            Step(
                id=RETIRE,
                verb=Verb.ROTATE,
                token=token.ref,
                title=f"Remove its {old}",
                call=call(RETIRE, token.ref.id, label, found.save(label), found.marks[label]),
                # The user stays as it is: no record tells whether this was done.
                retry=Retry.FREE,
                phase=Phase.RETIRE,
            )
        )
    if found.live:
        rest.append(
            Step(
                id=DISCONNECT,
                verb=Verb.ROTATE,
                token=token.ref,
                title="Cut the connections that were opened with any password",
                call=call(DISCONNECT, token.ref.id, label),
                retry=Retry.FREE,
                phase=Phase.RETIRE,
                leak_only=True,
            )
        )
    told = ["Redis gets the SHA-256 of the new password: the password is in no log of it."]
    told.append("Which consumers use the new one already, Redis does not tell.")
    return Proposal(
        steps=(mint, *rest),
        hazards=(*hazards, *_about_rotation(user)),
        collateral=(*told, *_go_on(found), *_saved(found)),
        takes_effect="at once; the old passwords work until they are removed",
    )


def _about_rotation(user: User) -> tuple[Hazard, ...]:
    hazards = []
    if user.nopass:
        text = (
            "Anybody gets in as it without a password; the new password ends that at once, for "
            "every consumer."
        )
        hazards.append(Hazard(code="no-password", text=text))
    if not user.on:
        text = "The user is off, and a new password does not change that."
        hazards.append(Hazard(code="disabled", text=text))
    if len(user.hashes) > 1:
        text = (
            f"It has {len(user.hashes)} passwords, perhaps of several consumers: all are removed."
        )
        hazards.append(Hazard(code="several-passwords", text=text))
    return tuple(hazards)


def _go_on(found: Found) -> tuple[str, ...]:
    if not found.live:
        return ()
    live = count(found.live, "open connection goes", "open connections go")
    return (f"{live} on: cut {'it' if found.live == 1 else 'them'} with disconnect.",)


def _saved(found: Found) -> tuple[str, ...]:
    if "config" not in (found.persist[label] for label in found.users):
        return ()
    return ("CONFIG REWRITE also writes down whatever else was changed since the start.",)


def _hazards(verb: Verb, raw: bytes, found: Found) -> tuple[Hazard, ...]:
    ends = verb in (Verb.CONTAIN, Verb.REVOKE)
    hazards: list[Hazard] = []
    if found.last_admin and ends:
        text = "It is the last user that can log in and change users: nobody could undo this."
        hazards.append(Hazard(code="last-admin", text=text, fatal=True))
    if raw == DEFAULT and (ends or verb is Verb.ROTATE):
        text = (
            "Every connection begins as `default`, and whatever logs in with a password alone is "
            "it: replicas without masteruser, Sentinels, old clients."
        )
        hazards.append(Hazard(code="default-user", text=text))
    outlive = verb in (Verb.CONTAIN, Verb.ROTATE) or (verb is Verb.REVOKE and raw == DEFAULT)
    if found.live and outlive:
        names = sorted({c.label for each in found.clients.values() for c in each})
        live = count(found.live, "client is connected and goes", "clients are connected and go")
        text = f"{live} on ({', '.join(names[:3])}): disconnect afterwards."
        hazards.append(Hazard(code="live-sessions", text=text))
    if any(client.replica for each in found.clients.values() for client in each):
        hazards.append(Hazard(code="replication", text="A replica is fed through it."))
    if verb is not Verb.DISCONNECT:
        hazards += _forgotten(found)
        hazards += [
            Hazard(code="other-servers", text=f"{gap.what}: it may live on there. {gap.hint}")
            for gap in found.others
        ]
    if missing := _missing(verb, raw, found):
        hazards.append(Hazard(code="not-permitted", text=missing))
    return tuple(hazards)


def _forgotten(found: Found) -> Iterable[Hazard]:
    """Servers that would come back from a restart with what they had before."""
    for label in found.users:
        how = found.persist[label]
        if found.save(label):
            continue
        text = f"{label} keeps its users in memory only: a restart brings the old state back."
        if how in SAVING:
            text = (
                f"The acting user may not run {SAVING[how]} at {label}: a restart brings the old "
                f"state back, unless somebody else saves it."
            )
        elif how != "none":
            text = (
                f"Whether {label} saves its users is not known ({how}): a restart may bring the "
                "old state back. Say how with `persist`."
            )
        yield Hazard(code="not-saved", text=text)


def _missing(verb: Verb, raw: bytes, found: Found) -> str:
    """Why the server will refuse, empty where it should not."""
    needed = "acl|setuser"
    if verb is Verb.REVOKE and raw != DEFAULT:
        needed = "acl|deluser"
    if verb is Verb.DISCONNECT:
        needed = "client|kill"
    for label in found.users:
        if found.acting.get(label) is None:
            return f"The acting user is not on {label}."
        wanted = [needed, *(("multi", "exec") if found.save(label) else ())]
        lacking = [f"+{each}" for each in wanted if found.lacks(label, each)]
        if lacking:
            return f"The acting user lacks {' '.join(lacking)} at {label}."
    return ""
