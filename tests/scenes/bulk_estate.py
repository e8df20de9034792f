"""The estate as a backend that tells of many tokens at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from backends.contract import BackendConfig, Capabilities, Proposal, Verb
from backends.errors import NotFound
from backends.estate import Estate
from backends.model import Progress, ScopeDone, Token, TokenRef, TokenState


class TellsOfMany(Estate):
    """The estate with what is declared for many at a time: whole lists, sure calls. It is right."""

    def __init__(self, config: BackendConfig) -> None:
        super().__init__(config)
        self.lists: list[int] = []
        """How many tokens each list was asked about."""

    def capabilities(self) -> Capabilities:
        declared = super().capabilities()
        kinds = tuple(
            msgspec.structs.replace(
                kind,
                in_bulk=True,
                verbs={
                    verb: msgspec.structs.replace(ability, sure=verb is Verb.REVOKE)
                    for verb, ability in kind.verbs.items()
                },
            )
            for kind in declared.kinds
        )
        return msgspec.structs.replace(declared, kinds=kinds)

    async def read_many(self, refs: Sequence[TokenRef]) -> Mapping[TokenRef, Token]:
        found = {}
        for ref in refs:
            try:
                found[ref] = await self.read(ref)
            except NotFound:
                continue
        return found

    async def gone(self, tokens: Sequence[Token]) -> frozenset[TokenRef]:
        self.lists.append(len(tokens))
        there: set[TokenRef] = set()
        done: set[str] = set()
        seen = total = 0
        async for found in self.inventory():
            if isinstance(found, Token):
                seen += 1
                if found.state is not TokenState.REVOKED:
                    there.add(found.ref)
            elif isinstance(found, Progress):
                total = found.total or 0
            elif isinstance(found, ScopeDone):
                done.add(found.scope)
        if seen != total:
            # A page may be left out without a word; the system's own number tells.
            return frozenset()
        return frozenset(
            token.ref for token in tokens if token.scope in done and token.ref not in there
        )

    async def plan(self, verb: Verb, token: Token) -> Proposal:
        proposal = await super().plan(verb, token)
        return msgspec.structs.replace(proposal, log_names=(token.ref.id,))
