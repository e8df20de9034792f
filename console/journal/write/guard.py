"""Guarded intents: two responders never act on the same token at the same time.

Asked while the journal takes nothing from anybody else, so that of two intents that come
at once the second sees the first, from whatever process or machine.
"""

from __future__ import annotations

from typing import NamedTuple

from console.errors import JournalError
from console.journal.format.entry import Body, Kind, SchemaError
from console.journal.format.sentence import Entry, entry_of
from console.journal.store import entries
from console.journal.store.base import JournalReader


class Guard(NamedTuple):
    """What an intent asks of the journal: that nobody else is at its token, or was since.

    ``since_us`` is when its plan was made, UTC in µs.
    """

    since_us: int


class Taken(JournalError):
    """Another plan is at this token, or changed it after this plan was made.

    ``entry`` is that plan's intent. Nothing was written, and nothing may be sent.
    """

    def __init__(self, entry: Entry, *, is_open: bool) -> None:
        told = "is at this token" if is_open else "changed this token after the plan was made"
        super().__init__(
            f"another plan {told}: {entry.plan or entry.id} ({entry.who})",
            "Nothing was sent. See what it did, and plan again what is still wanted.",
        )
        self.entry = entry
        self.is_open = is_open
        """Whether what became of it is not known yet; else it was done."""


def check(store: JournalReader, draft: Body, guard: Guard) -> None:
    """Whether the intent may be written. Only inside ``exclusive``.

    Raises:
        Taken: it may not.
        SchemaError: it is no intent about a token.
    """
    act = draft.act
    if draft.type is not Kind.INTENT or act is None or not act.target.handle:
        raise SchemaError("only an intent about a token can be guarded")
    for seq, leaf, answer in entries.intents_at(store, act.target.handle, act.plan_ref):
        entry = entry_of(seq, leaf)
        if answer is None:
            raise Taken(entry, is_open=True)
        told = entry_of(0, answer)
        # By then the token is no longer what an older plan saw.
        if entry.t_us >= guard.since_us and (told.done or told.vouched):
            raise Taken(entry, is_open=False)
