"""CODEOWNERS, as code hosts read it: the last pattern that matches decides.

Paths are ``BACKEND/NAME`` of tokens. Sections (``[Name]``, ``^[Name]``, ``[Name][2] @default``)
are GitLab's: there each section has an answer of its own. A pattern without owners takes
the path out again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<rest>.*)")


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
            defaults = tuple(_words(found["rest"]))
            continue
        if words[0].startswith("!"):
            wrong.append((number, "CODEOWNERS knows no negation"))
            continue
        rules.append(Rule(number, section, _pattern(words[0]), tuple(words[1:]) or defaults))
    return rules, wrong


def owners(rules: list[Rule], path: str) -> list[tuple[str, int]]:
    """Who owns a path, each with the line that says so; in each section the last rule decides."""
    decided: dict[str, Rule] = {}
    for rule in rules:
        if rule.pattern.fullmatch(path):
            decided[rule.section] = rule
    return [(owner, rule.line) for rule in decided.values() for owner in rule.owners]


def _words(line: str) -> list[str]:
    """The words of a line; ``\\ `` is a blank inside one, and ``#`` begins a remark."""
    words: list[str] = []
    current = ""
    escaped = False
    for character in line:
        if escaped:
            current += character if character in " #\\" else f"\\{character}"
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


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern as a regular expression over whole paths, by the rules of gitignore."""
    anchored = "/" in text.rstrip("/")
    body = text.strip("/")
    made = ""
    place = 0
    while place < len(body):
        if body.startswith("**/", place):
            made += "(?:.*/)?"
            place += 3
        elif body.startswith("**", place):
            made += ".*"
            place += 2
        elif body[place] == "*":
            made += "[^/]*"
            place += 1
        elif body[place] == "?":
            made += "[^/]"
            place += 1
        else:
            made += re.escape(body[place])
            place += 1
    start = "" if anchored else "(?:.*/)?"
    # `docs/*` means the files right there; any other pattern also means all that is below.
    end = "/.*" if text.endswith("/") else "" if text.endswith("/*") else "(?:/.*)?"
    return re.compile(start + made + end, re.DOTALL)
