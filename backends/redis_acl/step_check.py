"""The look at a user right before a command about it is sent, and what the answer means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from backends import permit
from backends.contract import OutcomeState, Step
from backends.model import Secret
from backends.redis_acl import actions, passwords, servers, users
from backends.redis_acl.wire import Command, Refusal, Session, Stop
from backends.words import count

Prepare = Callable[[], Awaitable[Sequence[Command]]]
Judge = Callable[[Sequence[Any]], tuple[OutcomeState, str, str]]


def checked(step: Step, session: Session, key: Secret, label: str) -> tuple[Prepare, Judge]:
    """What to send for a step, and how to read the answers. ``key`` is that of the marks.

    A plan is text that was stored: only a command that this module would write itself is sent.
    """
    raw = users.raw_of(step.token.id)
    mark = step.call.arguments.get("passwords", "")
    which, save = _which(step, label, mark)

    async def prepare() -> Sequence[Command]:
        if session.node.label != label or not which:
            why = "no such server is configured" if session.node.label != label else "not ours"
            raise Stop(OutcomeState.NOT_SENT, f"the command is {why}: plan anew")
        after = [actions.SAVING[save].split(" ")] if save else []
        if which in (actions.DELETE, actions.DISCONNECT):
            return [actions.words(which, raw), *after]
        return [await _about_user(which, raw, mark, session, key), *after]

    def judge(answers: Sequence[Any]) -> tuple[OutcomeState, str, str]:
        first, *rest = answers
        told = ""
        if rest:
            fine = rest[0] == b"OK"
            told = "saved" if fine else f"done, but NOT saved, a restart undoes it: {rest[0]}"
        if isinstance(first, Refusal):
            return OutcomeState.REJECTED, first.code, first.words
        if which == actions.DELETE:
            gone = isinstance(first, int) and not first
            return (OutcomeState.ALREADY if gone else OutcomeState.APPLIED), f"{first}", told
        if isinstance(first, int):
            return OutcomeState.APPLIED, count(first, "connection") + " cut", told
        good = first == b"OK"
        return (OutcomeState.APPLIED if good else OutcomeState.UNKNOWN), "OK" if good else "", told

    return prepare, judge


def _which(step: Step, label: str, mark: str) -> tuple[str, str]:
    """Which command a step's call is, and what saves it; nothing for one that is not ours."""
    for which in (
        actions.CONTAIN, actions.RESTORE, actions.DELETE, actions.DISABLE,
        actions.DISCONNECT, actions.ROTATE, actions.RETIRE,
    ):  # fmt: skip
        for save in ("", *actions.SAVING):
            if step.call == actions.call(which, step.token.id, label, save, mark):
                return which, save
    return "", ""


async def _about_user(which: str, raw: bytes, mark: str, session: Session, key: Secret) -> Command:
    """``ACL SETUSER`` makes a user that is not there, with which nobody would be served."""
    user = await servers.one_user(session, raw)
    if user is None and which in (actions.CONTAIN, actions.DISABLE):
        raise Stop(OutcomeState.ALREADY, "the user is gone already; nothing was sent")
    if user is None:
        raise Stop(OutcomeState.NOT_SENT, "the user is gone; nothing was sent")
    if which == actions.ROTATE:
        return actions.words(which, raw, [Secret(users.sha256(permit.value()))])
    if which != actions.RETIRE:
        return actions.words(which, raw)
    wanted = set(mark.split(" "))
    old = [digest for digest in user.hashes if passwords.mark(digest, key) in wanted]
    if not old:
        raise Stop(OutcomeState.ALREADY, "it has none of the old passwords any more")
    if len(old) == len(user.hashes):
        why = "the new password is not there (did the server restart?): nothing was removed"
        raise Stop(OutcomeState.NOT_SENT, why)
    return actions.words(which, raw, old)
