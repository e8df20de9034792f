"""What Kingfisher's rules take a value for, where that package is installed. Offline, always.

``kingfisher-secret-scanner`` (PyPI, Apache-2.0; imported as ``kingfisher_sdk``) has some 490
rules in native code. Its scanner looks at bytes in memory and speaks to nobody; what asks
issuers whether a value works (``Validator``) and what ends it (``Revoker``) are classes of
their own, and neither is made here. Its rules are asked only for a value whose form tells us
nothing, and what they say is a name to show: it does not change who is asked about the value.

Loading the rules takes three to five seconds of a processor once; they are kept compiled in a
directory of the state, where no value goes, and take 0.3 s from then on.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backends.words import count
from console.intake.items import Item

MODULE = "kingfisher_sdk"
MOST = 1000
"""Values of one intake that are looked at."""


class Named(NamedTuple):
    """The items with what the rules say of them, and what went wrong, in words."""

    items: tuple[Item, ...]
    problems: tuple[str, ...] = ()


def installed() -> bool:
    """Whether the package is there. Does not import it."""
    return importlib.util.find_spec(MODULE) is not None


def named(items: Sequence[Item], cache: Path) -> Named:
    """Each item whose form told nothing, with the rule that its whole value fits.

    ``cache`` is a directory for the compiled rules, which only its owner may read.
    """
    wanted = [number for number, item in enumerate(items) if _unknown(item)]
    if not wanted or not installed():
        return Named(tuple(items))
    told = list(items)
    try:
        scanner = _scanner(cache)
        for number in wanted[:MOST]:
            if rule := _rule(scanner, items[number]):
                told[number] = items[number]._replace(rule=rule)
    except Exception as error:  # noqa: BLE001
        # It is no part of the answer, and its words could quote the value.
        why = f"Kingfisher is installed and cannot be used ({type(error).__name__})"
        return Named(tuple(items), (f"{why}: types were told without it",))
    left = len(wanted) - MOST
    return Named(
        tuple(told), (f"{count(left, 'value')} not shown to Kingfisher",) if left > 0 else ()
    )


def _unknown(item: Item) -> bool:
    return item.value is not None and item.recognised is None


def _scanner(cache: Path) -> Any:
    sdk = importlib.import_module(MODULE)
    return sdk.Scanner(sdk.Rules(cache_dir=str(cache)), redact=False)


def _rule(scanner: Any, item: Item) -> str:
    """The surest rule that fits the whole value; empty for none."""
    value = item.value.reveal() if item.value is not None else ""
    fits = [one for one in scanner.scan(value) if one.visible and one.secret == value]
    return _surest(fits)


def _surest(findings: Iterable[Any]) -> str:
    order = ("high", "medium", "low")
    rank = {name: number for number, name in enumerate(order)}
    ranked = sorted(findings, key=lambda one: rank.get(str(one.confidence), len(order)))
    if not ranked:
        return ""
    return f"{ranked[0].rule_id}, {ranked[0].confidence} confidence"
