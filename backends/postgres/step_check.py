"""The look at a role right before a statement about it is sent, over the very connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from backends import permit
from backends.contract import OutcomeState, Step, Verb
from backends.postgres import actions, names, scram, wire


def checked(step: Step) -> Callable[[wire.Ready], Awaitable[wire.Checked]]:
    """Looks at the role over the acting connection, right before the statement.

    The plan's statement names the role, and a name may have gone to another role
    since: what is sent must be what this module would write for that oid now.
    """

    async def check(ready: wire.Ready) -> wire.Checked:
        oid = int(step.token.id) if step.token.id.isdigit() else 0
        rows = await ready.read(actions.NAMED, {"oid": oid})
        target = actions.Role(oid, rows[0]["raw"] if rows else b"")
        if not rows and step.verb in (Verb.ROTATE, Verb.RESTORE):
            raise wire.Stop(OutcomeState.NOT_SENT, "the role is gone; nothing was sent")
        if not rows and step.verb is not Verb.DISCONNECT:
            raise wire.Stop(OutcomeState.ALREADY, "the role is gone already; nothing was sent")
        which = next((w for w, c in actions.allowed(target).items() if c == step.call), None)
        if which is None:
            raise wire.Stop(
                OutcomeState.NOT_SENT,
                f"the role is called {names.shown(target.raw)!r} now, or the statement is "
                "not one of ours: plan anew",
            )

        async def confirm() -> bool:
            return await actions.touched(ready.read, which, target)

        if which != actions.ROTATE:
            return wire.Checked(step.call.line, confirm)
        try:
            verifier = scram.verifier(ready.session, names.shown(target.raw), permit.value())
            return wire.Checked(actions.rotation(target, verifier), confirm)
        except ValueError as error:
            # The text of a UnicodeError would hold the value.
            why = "it is no Unicode text" if isinstance(error, UnicodeError) else str(error)
            detail = f"the new value cannot be a password: {why}"
            raise wire.Stop(OutcomeState.NOT_SENT, detail) from None

    return check
