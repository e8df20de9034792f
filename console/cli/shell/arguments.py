"""Words of a command in any order: options first, then what they leave.

argparse gives a list of words that may be empty, such as a query, all that stands before the
first option, which is nothing in ``plan revoke --dry-run 'owner:x'``; and it takes a query's
``-owner:none`` for an option. So the words are sorted before it sees them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from itertools import islice

NEGATED = re.compile(r"-[A-Za-z_]+:")
"""How a query's term begins that leaves something out; no option of ours looks so."""


def ordered(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """The words of a command without subcommands: its options, then ``--`` and the others.

    What looks like an option and is none stays where argparse refuses it, and so does an
    option without its value: the next option is never taken for one.
    """
    known = parser._option_string_actions
    options: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others += rest
            break
        name, equals, _ = word.partition("=")
        action = known.get(name if equals else word)
        if action is None and (not word.startswith("-") or word == "-" or NEGATED.match(word)):
            others.append(word)
            continue
        options.append(word)
        if action is None or equals or action.nargs == 0:
            continue
        value = next(rest, None)
        if value is None:
            break
        if value in known or value.partition("=")[0] in known:
            # argparse says that the value is missing; what follows is then of no account.
            options += [value, *rest]
            break
        if isinstance(action.nargs, int):
            # Two words of one option, such as an action and its resource, stay together.
            options += [value, *islice(rest, action.nargs - 1)]
            continue
        # In one word, so that a value may begin with a dash.
        options[-1:] = [f"{word}={value}"] if word.startswith("--") else [word, value]
    return [*options, *(["--"] if any(word[:1] == "-" for word in others) else []), *others]
