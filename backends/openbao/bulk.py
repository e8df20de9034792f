"""Many service tokens for less than one by one: their records, and which of them are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from backends.errors import BackendError
from backends.model import Token, TokenRef
from backends.openbao import mapping
from backends.openbao.client import Record
from backends.openbao.concurrently import concurrently
from backends.openbao.mapping import SERVICE
from backends.openbao.reader import BaoReader, Book

ACCESSORS = "auth/token/accessors"
A_LOOK_UP = 100
"""Accessors of a list that cost as much as one look-up, with its audit entries, at both ends
together (measured with 1,000 on OpenBao 2.7). A long list for a few tokens is not worth it."""


class Bulk:
    """Asks about many tokens at a time with the console's reading credential."""

    def __init__(self, reader: BaoReader) -> None:
        self._reader = reader
        self._own = ""
        self._length = 0
        """How many accessors the list had that was asked for last."""

    async def read(self, refs: Iterable[TokenRef]) -> dict[TokenRef, Token]:
        """Those of these tokens that could be looked up, with one look into the log for all."""
        reader, book = self._reader, Book()
        wanted = [ref for ref in refs if ref.kind == SERVICE]

        async def look_up(ref: TokenRef) -> tuple[str, Record]:
            ns = await reader.namespace_of(ref.id)
            return ns, await reader.record(ns, ref.id)

        done = await concurrently(wanted, look_up, reader.workers)
        records = {ref: found for ref, found in done if not isinstance(found, BackendError)}
        entities = ((ns, mapping.text(found.data, "entity_id")) for ns, found in records.values())
        await reader.fill_entities(book, entities)
        await reader.scan()
        await reader.join(records)
        return {ref: reader.token(ns, record, book) for ref, (ns, record) in records.items()}

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        """Those of these tokens that the server's list of accessors does not have.

        The list comes from the same records as a look-up by accessor (``token_store.go``). It
        counts only where it is whole: without a warning, which OpenBao gives for a record that
        it left out, and with the console's own token in it. That stands in one namespace, so
        that nothing is told of the others, nor where so few are asked for that it is cheaper
        to look each of them up.

        Raises:
            BackendError: there is no list to be had.
        """
        reader = self._reader
        self._own = self._own or mapping.text(await reader.client.who() or {}, "accessor")
        if not self._own:
            return frozenset()
        ns = await reader.namespace_of(self._own)
        service = [token.ref for token in tokens if token.ref.kind == SERVICE]
        here = [ref for ref in service if await reader.namespace_of(ref.id) == ns]
        if len(here) * A_LOOK_UP < self._length:
            return frozenset()
        listing = await reader.client.listing(ns, ACCESSORS)
        there = set(mapping.texts(listing.data, "keys"))
        self._length = len(there)
        if listing.warned or self._own not in there:
            return frozenset()
        return frozenset(ref for ref in here if ref.id not in there)
