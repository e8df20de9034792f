"""From tokens, steps and outcomes to what the journal keeps of them.

Names and texts from outside are cut and scanned here; the id of a token stays exact,
since recovery asks the system by it.
"""

from __future__ import annotations

import hashlib

from backends.contract import Call, Outcome, Step
from backends.model import Token, TokenRef, encode
from console.journal.format.entry import Act, CallMark, Out, Target
from console.journal.format.parts import KnownBy, OutState
from console.journal.format.scan import withhold
from console.journal.format.words import representable, system_words

NAME, LINE = 256, 1024
"""Characters that a name and a call's target may take in an entry."""
MAX_ARGUMENTS = 16


def name(text: str, limit: int = NAME) -> str:
    """A name for the journal: cut, and without what is plainly a secret."""
    return withhold(representable(text[:limit]), formats_only=True)


def target(token: Token | TokenRef) -> Target:
    """The token as an entry names it."""
    ref = token if isinstance(token, TokenRef) else token.ref
    known = token if isinstance(token, Token) else None
    return Target(
        kind=ref.kind,
        id=ref.id,
        handle=ref.handle,
        name=name(known.name) if known else "",
        owner=name(known.owner.or_else("")) if known else "",
    )


def call(planned: Call) -> CallMark:
    """The call as an entry shows it, and the digest of the exact one.

    Of an address's query only the names are kept.
    """
    path, _, query = planned.target.partition("?")
    if planned.transport == "http" and query:
        names = (pair.partition("=")[0] for pair in query.split("&"))
        path = f"{path}?{'&'.join(f'{each}=…' for each in names)}"
    else:
        path = planned.target
    arguments = list(planned.arguments.items())[:MAX_ARGUMENTS]
    return CallMark(
        transport=planned.transport,
        method=name(planned.method, 64),
        target=name(path, LINE),
        sha256=hashlib.sha256(encode(planned)).hexdigest(),
        arguments={name(key, 64): name(value) for key, value in arguments},
    )


def act(verb: str, token: Token | TokenRef, step: Step | None = None, plan: str = "") -> Act:
    """What is done to what; with a step, by which exact call."""
    ref = token if isinstance(token, TokenRef) else token.ref
    if step is None:
        return Act(verb=verb, backend=ref.backend, target=target(token), plan_ref=plan)
    return Act(
        verb=verb,
        backend=ref.backend,
        target=target(token),
        step=step.id,
        call=call(step.call),
        retry=step.retry.value,
        expect=step.expect,
        plan_ref=plan,
    )


def out(intent: str, outcome: Outcome) -> Out:
    """What came of an intent, as the backend told it."""
    return Out(
        ref=intent,
        state=OutState(outcome.state.value),
        how=KnownBy.ANSWER,
        status=system_words(outcome.status, 64),
        request_id=name(outcome.request_id, 128),
        elapsed_ms=max(0, outcome.elapsed_ms),
        detail=system_words(outcome.detail),
    )
