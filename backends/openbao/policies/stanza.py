"""What one path of a policy gives, as the server decodes it.

Source: OpenBao's ``internal/vault/policy/policy.go`` (``parsePaths``), and the page on policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from backends.hiding import hidden
from backends.openbao.policies.hcl import Block, Item, NotReadable, parse

DENY: Final = "deny"
CAPABILITIES: Final = (
    "create", "read", "update", "delete", "list", "sudo", "patch", "scan",
)  # fmt: skip
OF_VAULT: Final = ("subscribe", "recover")
"""Capabilities that only HashiCorp's Vault has."""
LEGACY: Final[Mapping[str, tuple[str, ...]]] = {
    "deny": (DENY,),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
"""What the old form ``policy = "read"`` stands for."""

_SETTINGS: Final = (
    "comment", "policy", "capabilities", "allowed_parameters", "denied_parameters",
    "required_parameters", "min_wrapping_ttl", "max_wrapping_ttl", "mfa_methods",
    "pagination_limit", "expiration", "list_scan_response_keys_filter_path", "control_group",
    "subscribe_event_types",
)  # fmt: skip

Parameters = Mapping[str, tuple[Any, ...]]
_NONE: Final[Parameters] = MappingProxyType({})


class Limits(NamedTuple):
    """What a path asks for besides the capability."""

    allowed: Parameters = _NONE
    denied: Parameters = _NONE
    required: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    """Those of every capability, in words: wrapping times, MFA, control groups."""
    of_lists: tuple[str, ...] = ()
    """Those of list and scan, in words."""

    def words(self, action: str) -> tuple[str, ...]:
        """The conditions of one capability, in the words of the policy."""
        found = list(self.others)
        if action in ("list", "scan"):
            found += self.of_lists
        if action in ("read", "update", "create", "patch") and self.required:
            found.append(f"required_parameters {', '.join(self.required)}")
        # A plain read has no parameters, and the server lets it pass whatever these say.
        if action in ("update", "create", "patch"):
            for name, table in (
                ("allowed_parameters", self.allowed),
                ("denied_parameters", self.denied),
            ):
                # "*" alone, with any value, leaves nothing out.
                if table and not (name.startswith("allowed") and dict(table) == {"*": ()}):
                    found.append(f"{name} {_parameters(table)}")
        return tuple(found)


class Stanza(NamedTuple):
    """One path of one policy. ``path`` is as written, with its templates."""

    path: str
    capabilities: frozenset[str]
    limits: Limits
    policy: str
    until: str = ""
    """When it ends, in the policy's words; empty for never."""


def _parameters(table: Parameters) -> str:
    return "; ".join(
        key + (" = " + " | ".join(hidden(str(value)) for value in values) if values else "")
        for key, values in table.items()
    )


def stanzas(text: str, policy: str, now: datetime) -> tuple[Stanza, ...]:
    """The paths of a policy's text, without those that have expired.

    Raises:
        NotReadable: the server could not have taken such a text; or this reader does not know
            what it means, which is said and never guessed.
    """
    document = parse(text)
    for item in document:
        if item.keys[0] not in ("path", "name"):
            raise NotReadable(f"it has {item.keys[0]!r} beside its paths")
    found = (_stanza(item, policy, now) for item in document.under("path"))
    return tuple(one for one in found if one is not None)


def _stanza(item: Item, policy: str, now: datetime) -> Stanza | None:
    settings = item.value
    if len(item.keys) != 1 or not isinstance(settings, Block):
        raise NotReadable("a path is not followed by one name and a block")
    for setting in settings:
        if setting.keys[0] not in _SETTINGS:
            raise NotReadable(f"a path has the setting {setting.keys[0]!r}")
    path = item.keys[0]
    if "+*" in path:
        raise NotReadable("a path has +*, which is forbidden")
    first, *others = path.split("{{")
    if "}}" in first or any(piece.count("}}") != 1 for piece in others):
        raise NotReadable("a path has half a template")
    until = _expiry(_text(settings, "expiration"), now)
    if until is None:
        return None
    return Stanza(path, _capabilities(settings), _limits(settings), policy, until)


def _all(settings: Block, name: str) -> list[Any]:
    return [item.value for item in settings.under(name)]


def _text(settings: Block, name: str) -> str:
    given = _all(settings, name)
    if not all(isinstance(value, str | int | float) for value in given):
        raise NotReadable(f"{name} is not a text")
    return str(given[-1]) if given else ""


def _texts(settings: Block, name: str) -> list[str]:
    found: list[str] = []
    for value in _all(settings, name):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise NotReadable(f"{name} is not a list of texts")
        found += value
    return found


def _capabilities(settings: Block) -> frozenset[str]:
    given = _texts(settings, "capabilities")
    old = _text(settings, "policy")
    if old and old not in LEGACY:
        raise NotReadable(f"a path has the policy {old!r}")
    given += LEGACY.get(old, ())
    unknown = set(given) - {DENY, *CAPABILITIES, *OF_VAULT}
    if unknown:
        raise NotReadable(f"a path has the capability {min(unknown)!r}")
    return frozenset((DENY,)) if DENY in given else frozenset(given)


def _limits(settings: Block) -> Limits:
    others = [
        f"{name} {_text(settings, name)}"
        for name in ("min_wrapping_ttl", "max_wrapping_ttl")
        if _text(settings, name) not in ("", "0", "0s")
    ]
    if methods := _texts(settings, "mfa_methods"):
        others.append(f"mfa_methods {', '.join(methods)}")
    if types := _texts(settings, "subscribe_event_types"):
        others.append(f"subscribe_event_types {', '.join(types)}")
    if _all(settings, "control_group"):
        others.append("control_group")
    of_lists = [
        f"{name} {_text(settings, name)}"
        for name in ("pagination_limit", "list_scan_response_keys_filter_path")
        if _text(settings, name) not in ("", "0")
    ]
    return Limits(
        dict(_table(settings, "allowed_parameters")),
        dict(_table(settings, "denied_parameters")),
        tuple(_texts(settings, "required_parameters")),
        tuple(others),
        tuple(of_lists),
    )


def _table(settings: Block, name: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for block in _all(settings, name):
        if not isinstance(block, Block):
            raise NotReadable(f"{name} is not a table")
        for item in block:
            if len(item.keys) != 1 or not isinstance(item.value, list):
                raise NotReadable(f"{name} has a parameter without a list of values")
            yield item.keys[0].lower(), tuple(item.value)


def _expiry(given: str, now: datetime) -> str | None:
    """When a path ends, in its own words, or None where that has passed."""
    if not given:
        return ""
    try:
        if given.isdigit():
            end = datetime.fromtimestamp(int(given), UTC)
        else:
            end = datetime.fromisoformat(given)
            end = end.replace(tzinfo=UTC) if end.tzinfo is None else end
    except (ValueError, OverflowError, OSError):
        raise NotReadable(f"a path ends at {given!r}, which is no time") from None
    return given if end > now else None


def merged(one: Limits, other: Limits) -> Limits:
    """What the server asks for where two policies have the same path.

    A policy without limits does not take away those of another: that is how it is there.
    """
    return Limits(
        _both(one.allowed, other.allowed),
        _both(one.denied, other.denied),
        tuple(dict.fromkeys((*one.required, *other.required))),
        tuple(dict.fromkeys((*one.others, *other.others))),
        tuple(dict.fromkeys((*one.of_lists, *other.of_lists))),
    )


def _both(one: Parameters, other: Parameters) -> Parameters:
    found = dict(one)
    for key, values in other.items():
        if not values or found.get(key) == ():
            found[key] = ()
        else:
            found[key] = (*found.get(key, ()), *values)
    return found
