"""CODEOWNERS, as code hosts read it: the last pattern that matches decides.

Paths are ``BACKEND/NAME`` of tokens; whoever may create tokens chooses them, so that no path
may keep the matching busy: its time is in proportion to the path. Sections (``[Name]``,
``^[Name]``, ``[Name][2] @default``) are GitLab's: there each section has an answer of its
own. A pattern without owners takes the path out again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<rest>\s.*)?")
"""A section's line. What goes on right behind the bracket is a pattern: ``[a-z]*_prod``."""


class Rule(NamedTuple):
    """One line of the file."""

    line: int
    section: str
    pattern: re.Pattern[str]
    owners: tuple[str, ...]


def parse(text: str) -> tuple[list[Rule], list[tuple[int, str]]]:
    """The rules in their order, and the lines that mean nothing with why."""
    rules: list[Rule] = []
    wrong: list[tuple[int, str]] = []
    section = ""
    defaults: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        if not words:
            continue
        if found := SECTION.fullmatch(line.strip()):
            section = found["name"].strip().casefold()
            defaults = tuple(map(_plain, _words(found["rest"] or "")))
            continue
        if words[0].startswith("!"):
            wrong.append((number, "CODEOWNERS knows no negation"))
            continue
        named = tuple(map(_plain, words[1:]))
        rules.append(Rule(number, section, _pattern(words[0]), named or defaults))
    return rules, wrong


def owners(rules: list[Rule], path: str) -> list[tuple[str, int]]:
    """Who owns a path, each with the line that says so; in each section the last rule decides."""
    decided: dict[str, Rule] = {}
    for rule in rules:
        if rule.pattern.fullmatch(path):
            decided[rule.section] = rule
    return [(owner, rule.line) for rule in decided.values() for owner in rule.owners]


def _words(line: str) -> list[str]:
    """The words of a line; ``\\ `` is a blank inside one, and ``#`` begins a remark.

    What is escaped stays so: in a pattern ``\\*`` is no wildcard.
    """
    words: list[str] = []
    current = ""
    escaped = False
    for character in line:
        if escaped:
            current += f"\\{character}"
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "#" and not current:
            break
        elif character.isspace():
            if current:
                words.append(current)
            current = ""
        else:
            current += character
    return [*words, current] if current else words


def _plain(word: str) -> str:
    return re.sub(r"\\([ #\\])", r"\1", word)


END = "(?=/|\\Z)"
"""Where a segment of a path ends."""


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern as a regular expression over whole paths, by the rules of gitignore.

    What stands between two wildcards is taken where it comes first, for good (``(?>...)``):
    if the rest does not fit behind that, it fits behind no later place either. So nothing is
    ever tried in all combinations.
    """
    body = text.strip("/")
    if not body:
        return re.compile(".*", re.DOTALL)
    groups: list[list[str]] = [[]]
    # Without a slash in it, a pattern means that name at any depth.
    for segment in body.split("/") if "/" in text.rstrip("/") else ["**", *body.split("/")]:
        if segment == "**":
            groups.append([])
        else:
            groups[-1].append(segment)
    # `docs/*` means the files right there; any other pattern also means all that is below.
    end = "/.*" if text.endswith("/") else "" if text.endswith("/*") else "(?:/.*)?"
    made = ""
    for number, group in enumerate(groups):
        last = number + 1 == len(groups)
        inside = "/".join(map(_segment, group))
        if number and last and not group:
            end = ".*"
        elif number and last and not end:
            made += f"(?:[^/]*/)*{inside}"
        elif number and group:
            made += f"(?>(?:[^/]*/)*?{inside}{'(?=/)' if last and end == '/.*' else ''})"
        else:
            made += inside
        made += "/" if group and not last else ""
    return re.compile(made + end, re.DOTALL)


def _segment(text: str) -> str:
    """One segment of a pattern: its pieces between the stars, each where it comes first."""
    pieces = [""]
    place = 0
    while place < len(text):
        character = text[place]
        place += 1
        if character == "*":
            # Two stars that do not stand alone mean what one means.
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "[" and (found := _CLASS.match(text, place)):
            pieces[-1] += _class(found["no"], found["inside"])
            place = found.end()
        else:
            if character == "\\" and place < len(text):
                character = text[place]
                place += 1
            pieces[-1] += re.escape(character)
    if len(pieces) == 1:
        return f"(?>{pieces[0]}{END})"
    first, *middle, rest = pieces
    return f"(?>{first}{''.join(f'(?>[^/]*?{each})' for each in middle)}[^/]*{rest}{END})"


_CLASS = re.compile(r"(?P<no>[!^]?)(?P<inside>\]?[^\]]*)\]")


def _class(negated: str, inside: str) -> str:
    """A choice of characters, ``[a-z]``; never the slash."""
    made = ""
    place = 0
    while place < len(inside):
        first, then, last = inside[place], inside[place + 1 : place + 2], inside[place + 2 :][:1]
        if then == "-" and last and first <= last:
            made += f"{re.escape(first)}-{re.escape(last)}"
            place += 3
        else:
            made += re.escape(first)
            place += 1
    return f"(?!/)[{'^' if negated else ''}{made}]"
