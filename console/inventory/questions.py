"""One token in words: the questions that a responder asks, each with how the answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from backends.model import Binding, How, Reading, Token
from console.inventory.export import WORDS
from console.text import age, since, stamp

NEVER_WORDS = {"OWNER": "none", "EXPIRES": "never expires", "PARENT": "none", "BOUND": "bearer"}


def reading(label: str, value: Reading[Any], now: datetime) -> str:
    """A reading in words, with how it is known."""
    if value.how is not How.KNOWN:
        text = WORDS[value.how]
        if value.how is How.NEVER:
            text = NEVER_WORDS.get(label, text)
        return f"{text} ({value.source})" if value.source else text
    known = value.value
    if isinstance(known, datetime):
        text = f"{stamp(known)}, {_apart(known, now)}"
        if value.granularity:
            text += f", to within {age(value.granularity.total_seconds())}"
    else:
        text = str(known)
    source = value.source
    if value.as_of:
        source += f", as of {since(value.as_of, max(now, value.as_of))} ago"
    return f"{text} ({source})" if source else text


def _apart(moment: datetime, now: datetime) -> str:
    seconds = (now - moment).total_seconds()
    return f"{age(seconds)} ago" if seconds >= 0 else age(seconds)


def questions(token: Token, now: datetime) -> Iterator[tuple[str, str]]:
    """The questions that a responder asks, with their answers in words."""
    principal = token.principal.value
    speaks = f"{principal.name} ({principal.kind})" if principal else WORDS[token.principal.how]
    yield "WHAT", f"{token.ref.kind} for {speaks}, in {token.scope}"
    yield "CREATED", reading("CREATED", token.created_at, now)
    yield "BY", reading("BY", token.created_by, now)
    yield "OWNER", reading("OWNER", token.owner, now)
    yield "LAST USED", reading("LAST USED", token.last_used_at, now)
    yield "FROM", reading("FROM", token.last_used_from, now)
    yield "FOR", reading("FOR", token.last_used_for, now)
    if token.grants.value:
        for number, grant in enumerate(token.grants.value):
            where = f" on {grant.on}" if grant.on else ""
            via = f" via {grant.via}" if grant.via else ""
            yield ("MAY" if number == 0 else ""), f"{grant.kind} {grant.name}{where}{via}"
    else:
        yield "MAY", reading("MAY", token.grants, now)
    yield "EXPIRES", reading("EXPIRES", token.expires_at, now)
    parent = token.parent.value
    if parent is not None:
        yield "PARENT", f"{parent.id}, handle {parent.handle} ({token.parent.source})"
    else:
        yield "PARENT", reading("PARENT", token.parent, now)
    yield "BOUND", bound(token, now)


def bound(token: Token, now: datetime) -> str:
    """What ties a token to a holder, and whether it is of use without that."""
    return f"{reading('BOUND', token.binding, now)}{holds(token)}"


def holds(token: Token) -> str:
    """What a binding is worth, as the end of a sentence; empty where nobody said."""
    if token.bound.value is None:
        return ""
    if token.bound.value is Binding.BEARER:
        return ": anyone who has it can use it"
    match token.enforced.value:
        case True:
            return "; it is refused without that"
        case False:
            return "; it is taken without that too, so anyone who has it can use it"
    return "; whether it is refused without that is not known"
