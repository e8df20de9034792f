"""What a token may do: its grants opened, in the words of the system that gives them.

A grant is a name (a policy, a role, a group). Opened, it is rows: an action on a resource,
allowed or denied, under conditions, from a source. Only a system's backend knows how its rows
are matched and which of them wins, so it answers questions about them too.

Everything here is plain, immutable data. Names and patterns are kept as the system gave them,
and are hostile until a screen makes them safe.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from backends.model import Gap, TokenRef


class PermissionEffect(StrEnum):
    """Whether a row gives or takes."""

    ALLOW = "allow"
    DENY = "deny"


class Access(StrEnum):
    """What an action does to its resource, so that a reader who does not know the system's
    words finds the worst rows first."""

    ADMIN = "admin"
    """It changes who may do what, or is reserved to those who run the system."""
    WRITE = "write"
    READ = "read"
    UNKNOWN = "unknown"
    """The backend cannot tell. It is shown with what writes, never with what only reads."""


class Permission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One row: an action on a resource, and where that comes from.

    ``action`` and ``resource`` are in the system's own words and its own pattern form
    (``read`` on ``secret/data/+/db``, ``s3:Get*`` on ``arn:aws:s3:::bucket/*``). One row has one
    action. ``conditions`` are all to be met for the row to count, each told in the system's
    words; they are shown, and never taken for met. A pattern that could not be resolved to the
    end (a template that needs the caller) keeps its form, and a condition says so. ``source``
    says from where the row comes: "policy deploy-read, via group ops".
    """

    action: str
    resource: str
    effect: PermissionEffect = PermissionEffect.ALLOW
    access: Access = Access.UNKNOWN
    conditions: tuple[str, ...] = ()
    source: str = ""


class Elevation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A way by which the token can come to more than its rows say ("admin by way of").

    ``code`` names the way for programs and never changes ("write-policies"), ``text`` is one
    line for people, ``by`` are the rows that open it. Where one of those rows has conditions,
    the way is open under them only. That none is named does not say that there is none.
    """

    code: str
    text: str
    by: tuple[Permission, ...] = ()

    @property
    def conditional(self) -> bool:
        """Whether some row that it needs counts under a condition only."""
        return any(row.conditions for row in self.by)


class Permissions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a token may do, as far as its grants could be opened.

    ``gaps`` are the grants (or the bounds on them) that could not be opened: each bears on
    every answer, for what was not read may allow and may deny. ``secrets`` are the rows by
    which it may read what holds secrets, narrowed to the place where that is known (a mount, a
    name), with their conditions; ``secret_gaps`` says why that list may not be whole, and bears on
    nothing else. ``subject`` says whose rights these are where that is not the token itself
    ("a token that a log-in with it gets"). ``as_of`` is when they were read (UTC).
    """

    ref: TokenRef
    rows: tuple[Permission, ...] = ()
    elevations: tuple[Elevation, ...] = ()
    secrets: tuple[Permission, ...] = ()
    gaps: tuple[Gap, ...] = ()
    secret_gaps: tuple[Gap, ...] = ()
    subject: str = ""
    as_of: datetime

    @property
    def whole(self) -> bool:
        """Whether every grant was opened, so that what no row allows is denied."""
        return not self.gaps


class Decision(StrEnum):
    """The answer to "may it do this?", from what was read."""

    ALLOWED = "allowed"
    """Every row that bears on it was read, and it is let in, whatever the circumstances."""
    DENIED = "denied"
    """Every row that bears on it was read, and it is refused, whatever the circumstances."""
    CONDITIONAL = "conditional"
    """It is let in if conditions are met that cannot be judged from here."""
    UNKNOWN = "unknown"
    """What was read does not settle it."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision, the rows that make it, and a sentence where the rows do not say it all.

    ``because`` is empty where nothing that was read bears on the question.
    """

    decision: Decision
    because: tuple[Permission, ...] = ()
    detail: str = ""


def weighed(answer: Answer, permissions: Permissions, *, final: bool = False) -> Answer:
    """The answer, with what could not be read taken into account: one rule for all systems.

    ``answer`` is what the rows alone say. With gaps, "allowed" becomes conditional (on that
    nothing unread denies it) and "denied" becomes unknown, for an unread grant may allow it.
    ``final`` says that nothing unread could change the answer: an explicit deny that wins over
    everything, or an allow that nothing takes back (a superuser's).
    """
    if permissions.whole or final:
        return answer
    unread = "; ".join(gap.what for gap in permissions.gaps)
    if answer.decision is Decision.ALLOWED:
        detail = f"as long as nothing that was not read denies it: {unread}"
        return Answer(Decision.CONDITIONAL, answer.because, _joined(answer.detail, detail))
    if answer.decision is Decision.DENIED:
        detail = f"what was read does not allow it; not read: {unread}"
        return Answer(Decision.UNKNOWN, answer.because, _joined(answer.detail, detail))
    return Answer(answer.decision, answer.because, _joined(answer.detail, f"not read: {unread}"))


def _joined(*parts: str) -> str:
    return ". ".join(part for part in parts if part)
