"""What verification counts on its way: calls and their answers, signatures, keys."""

from __future__ import annotations

from collections import OrderedDict

from console.journal.format.entry import ANSWERS, Body, Kind
from console.journal.format.parts import SETTLED
from console.journal.format.sentence import SIGNED
from console.journal.read.chain import Broken
from console.journal.store import entries
from console.journal.store.base import JournalReader

_REMEMBERED = 4096


class Tally:
    """Fed with every entry in order. Its size depends on what is open, not on the length."""

    def __init__(self, store: JournalReader) -> None:
        self._store = store
        self._recent: OrderedDict[str, Kind] = OrderedDict()
        self.open: set[str] = set()
        """Ids of intents of which nobody knows what became."""
        self.unsigned = 0
        self.keys: list[tuple[int, str]] = []
        """From which entry on which key signs, as the journal itself says."""

    def add(self, body: Body) -> None:
        """Take the next entry. Raises ``Broken`` when it answers nothing that is there."""
        kind = body.type
        if kind in ANSWERS and body.out is not None:
            ref = body.out.ref
            if ref in self.open:
                if kind in (Kind.OUTCOME, Kind.RECOVERY) and body.out.state in SETTLED:
                    self.open.discard(ref)
            elif self._kind_of(ref, body.seq) not in ANSWERS[kind]:
                raise Broken(f"entry {body.seq} answers an entry that is not there")
        elif kind is Kind.INTENT:
            self.open.add(body.id)
        if kind in SIGNED and body.sig is None:
            self.unsigned += 1
        if body.key is not None:
            self.keys.append((body.seq, body.key.vkey))
        self._recent[body.id] = kind
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def _kind_of(self, id_: str, before: int) -> Kind | None:
        if id_ in self._recent:
            return self._recent[id_]
        found = entries.kind_of(self._store, id_)
        return Kind(found[1]) if found and found[0] < before else None
