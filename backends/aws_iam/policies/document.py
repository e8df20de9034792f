"""A policy document taken apart into rows.

Source: IAM User Guide, "IAM JSON policy elements reference". Only what an identity's policy may
hold is understood; a document with anything else is refused whole, since a word that is passed
over could turn its meaning round.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from backends.aws_iam.policies import patterns
from backends.aws_iam.policies.access import access_of
from backends.errors import BadAnswer
from backends.permissions import Permission, PermissionEffect

WITH_VARIABLES: Final = "2012-10-17"
"""The version of the language in which ``${...}`` is a variable; before it is plain text."""

BOUNDARY: Final = "a policy of the user or its groups allows it too"
"""The first condition of a row of a permissions boundary, which gives nothing by itself."""

BOUNDS: Final = "permissions boundary "
"""What the source of a boundary's row begins with; no other source does."""

TRUSTED: Final = "the role's trust policy lets the user in"
ASSUME: Final = "sts:assumerole"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement. ``action`` and ``resource`` say which of the two lists' senses holds."""

    effect: PermissionEffect
    actions: tuple[str, ...]
    all_but_actions: bool
    resources: tuple[str, ...]
    all_but_resources: bool
    conditions: tuple[str, ...]


def statements(told: object) -> tuple[tuple[Statement, ...], bool]:
    """A document's statements, and whether ``${...}`` is a variable in it.

    Raises:
        BadAnswer: it is none that IAM would take, or holds what is not understood.
    """
    if isinstance(told, str):
        try:
            told = json.loads(told if told.lstrip().startswith("{") else unquote(told))
        except ValueError:
            raise BadAnswer("the policy document is no JSON") from None
    document = _members(told, "policy document", {"version", "id", "statement"})
    found = document.get("statement")
    listed = found if isinstance(found, list) else [found]
    if not listed:
        raise BadAnswer("the policy document has no statement")
    variables = document.get("version") == WITH_VARIABLES
    return tuple(_statement(each) for each in listed), variables


EFFECTS: Final = {"Allow": PermissionEffect.ALLOW, "Deny": PermissionEffect.DENY}
_STATEMENT: Final = {
    "sid",
    "effect",
    "action",
    "notaction",
    "resource",
    "notresource",
    "condition",
}


def _statement(told: object) -> Statement:
    members = _members(told, "statement", _STATEMENT)
    effect = EFFECTS.get(str(members.get("effect")))
    if effect is None:
        raise BadAnswer("a statement's Effect is neither Allow nor Deny")
    actions, but_actions = _either(members, "action", "notaction")
    resources, but_resources = _either(members, "resource", "notresource")
    for text in (*actions, *resources):
        if text.startswith((patterns.NOT_ACTION, patterns.NOT_RESOURCE)):
            raise BadAnswer("a statement's pattern is none that IAM takes")
    return Statement(
        effect=effect,
        actions=actions,
        all_but_actions=but_actions,
        resources=resources,
        all_but_resources=but_resources,
        conditions=tuple(_conditions(members.get("condition", {}))),
    )


def _members(told: object, what: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        raise BadAnswer(f"the {what} is no object")
    members = {str(name).lower(): value for name, value in told.items()}
    if len(members) != len(told):
        raise BadAnswer(f"the {what} has a member twice")
    if strange := sorted(members.keys() - known):
        raise BadAnswer(f"the {what} has a member that is not understood: {strange[0][:40]!r}")
    return members


def _either(members: Mapping[str, Any], yes: str, no: str) -> tuple[tuple[str, ...], bool]:
    if (yes in members) == (no in members):
        raise BadAnswer(f"a statement has not exactly one of {yes} and {no}")
    found = members[yes if yes in members else no]
    listed = tuple(found) if isinstance(found, list) else (found,)
    if not listed or not all(isinstance(each, str) and each for each in listed):
        raise BadAnswer(f"a statement's {yes} is neither text nor a list of texts")
    return listed, no in members


def _conditions(told: object) -> Iterator[str]:
    """Each condition in IAM's words: ``IpAddress aws:SourceIp 10.0.0.0/8 or 192.0.2.7``."""
    if not isinstance(told, Mapping):
        raise BadAnswer("a statement's Condition is no object")
    for operator, keys in told.items():
        if not isinstance(keys, Mapping):
            raise BadAnswer("a statement's Condition is no object of objects")
        for key, values in keys.items():
            listed = values if isinstance(values, list) else [values]
            yield f"{operator} {key} {' or '.join(_plain(each) for each in listed)}"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rows(told: object, source: str, values: Mapping[str, str | None]) -> Iterator[Permission]:
    """The rows of a policy document: one for each action and resource of each statement.

    ``values`` are what is known for the variables of its user (``patterns.filled``); a variable
    that is not known becomes a condition. The rows of a permissions boundary, told by ``source``,
    say that they give nothing by themselves.

    Raises:
        BadAnswer: the document is not understood.
    """
    found, variables = statements(told)
    for statement in found:
        yield from _rows(statement, source, values if variables else None)


def _rows(
    statement: Statement, source: str, values: Mapping[str, str | None] | None
) -> Iterator[Permission]:
    boundary = source.startswith(BOUNDS)
    actions = statement.actions
    if statement.all_but_actions:
        actions = (patterns.all_but(patterns.NOT_ACTION, actions),)
    resources = statement.resources
    if values is None:
        resources = tuple(each.replace("${", "${$}{") for each in resources)
    else:
        # One that stands for nothing is left out, also of a list of what is left out.
        known = (patterns.filled(each, values) for each in resources)
        resources = tuple(each for each in known if each is not None)
    unsure: tuple[str, ...] = ()
    if statement.all_but_resources:
        unsure = tuple(each for each in resources if patterns.cut_short(each))
        resources = (patterns.all_but(patterns.NOT_RESOURCE, resources),) if resources else ("*",)
    grants = statement.effect is PermissionEffect.ALLOW
    for action, resource in itertools.product(actions, resources):
        left = patterns.unresolved(resource)
        conditions = [BOUNDARY] if boundary and grants else []
        conditions += [f"the request has a {name} that fits" for name in left]
        # Nothing says how much IAM leaves out by an ARN without an end.
        conditions += [f"{each}, an ARN cut short, does not leave it out" for each in unsure]
        conditions += statement.conditions
        if grants and not boundary and action.lower() == ASSUME:
            conditions.append(TRUSTED)
        yield Permission(
            action=action,
            resource=resource,
            effect=statement.effect,
            access=access_of(action),
            conditions=tuple(conditions),
            source=source,
        )
