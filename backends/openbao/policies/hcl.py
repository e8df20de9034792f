"""The language of policies: HCL in its first version, or JSON.

The libraries for Python read HCL 2, another language with expressions, and refuse or misread
some of what the server takes. Version 1 is a dozen rules (``hcl/scanner`` and ``hcl/parser`` of
hashicorp/hcl v1), and what does not follow them is an error here: a policy that is guessed at
would be worse than one that is said to be unreadable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

DEEPEST: Final = 40
"""How deep objects and lists may be nested; a policy's are three or four deep."""

_TOKENS: Final = re.compile(
    r"""
      (?P<space>[ \t\r\n]+ | \#[^\n]* | //[^\n]* | /\*.*?\*/)
    | (?P<word>[^\W\d][\w.\-]*)
    | (?P<number>-?\d[\w.]*(?:(?<=[eE])[+\-]\d+)?)
    | (?P<text>"(?:[^"\\\n$]|\\.|\$(?!\{)|\$\{[^{}"]*\})*")
    | <<(?P<heredoc>-?\w+)\r?\n
    | (?P<mark>[\[\]{},=])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<octal>[0-7]{3})|x(?P<byte>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<one>.))",
    re.DOTALL,
)
_ONES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"',
}  # fmt: skip


class NotReadable(ValueError):
    """A text that is no HCL 1 and no JSON, or says what a policy cannot say."""


class Item(NamedTuple):
    """One entry of an object: its keys (``path "secret/*"`` has two) and its value."""

    keys: tuple[str, ...]
    value: Any


class Block(tuple[Item, ...]):
    """An object: its entries in their order, keys that repeat included."""

    __slots__ = ()

    def under(self, key: str) -> Iterator[Item]:
        """The entries whose first key is ``key``, without that key."""
        return (Item(item.keys[1:], item.value) for item in self if item.keys[0] == key)


class _Token(NamedTuple):
    sort: str
    value: Any
    line: int


def parse(text: str) -> Block:
    """The entries of a policy's text.

    Raises:
        NotReadable: it is neither HCL 1 nor JSON; says in which line.
    """
    if text.lstrip().startswith("{"):
        return _from_json(text)
    parser = _Parser(list(_tokens(text)))
    found = parser.items("end", 0)
    parser.take("end")
    return found


def _tokens(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise NotReadable(f"line {line} is not HCL")
        sort, found, end = str(match.lastgroup), match.group(), match.end()
        if sort == "heredoc":
            value, end = _heredoc(text, match["heredoc"], end, line)
            yield _Token("text", value, line)
        elif sort == "text":
            yield _Token("text", _unquoted(found[1:-1], line), line)
        elif sort == "number":
            yield _Token("value", _number(found, line), line)
        elif sort == "word":
            truth = {"true": True, "false": False}.get(found)
            yield _Token("word" if truth is None else "value", found if truth is None else truth,
                         line)  # fmt: skip
        elif sort == "mark":
            yield _Token(found, found, line)
        line += text.count("\n", at, end)
        at = end
    yield _Token("end", None, line)


def _heredoc(text: str, anchor: str, start: int, line: int) -> tuple[str, int]:
    name = anchor.removeprefix("-")
    end = re.compile(rf"^[ \t]*{re.escape(name)}\r*$", re.MULTILINE).search(text, start)
    if not name or end is None:
        raise NotReadable(f"the text that begins in line {line} has no end")
    value = text[start : end.start()]
    if anchor.startswith("-"):
        rows = value.split("\n")
        indent = len(text[end.start() : end.end()]) - len(text[end.start() : end.end()].lstrip())
        if all(len(row) - len(row.lstrip()) >= indent for row in rows if row):
            value = "\n".join(row[indent:] for row in rows)
    return value, end.end()


def _unquoted(raw: str, line: int) -> str:
    def one(match: re.Match[str]) -> str:
        for name, base in (("octal", 8), ("byte", 16), ("short", 16), ("long", 16)):
            if match[name] is not None and int(match[name], base) <= 0x10FFFF:
                return chr(int(match[name], base))
        if match["one"] not in _ONES:
            raise NotReadable(f"line {line} has an escape that HCL does not know")
        return _ONES[match["one"]]

    return _ESCAPE.sub(one, raw)


def _number(found: str, line: int) -> int | float:
    try:
        return int(found, 8) if re.fullmatch(r"-?0\d+", found) else int(found, 0)
    except ValueError:
        pass
    try:
        return float(found)
    except ValueError:
        raise NotReadable(f"line {line} has a number that is none") from None


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def take(self, *sorts: str) -> _Token:
        token = self._next
        if token.sort not in sorts:
            raise NotReadable(f"line {token.line} is not HCL")
        self._at += token.sort != "end"
        return token

    def items(self, end: str, depth: int) -> Block:
        """Entries up to a mark, which is left there."""
        if depth > DEEPEST:
            raise NotReadable(f"line {self._next.line} is nested too deep")
        found = []
        while self._next.sort != end:
            keys = [self.take("word", "text").value]
            while self._next.sort in ("word", "text"):
                keys.append(self.take("word", "text").value)
            if self._next.sort == "=":
                if len(keys) > 1:
                    raise NotReadable(f"line {self._next.line} gives a value to a block")
                self.take("=")
                found.append(Item(tuple(keys), self._value(depth)))
            else:
                found.append(Item(tuple(keys), self._object(depth)))
            if self._next.sort == ",":
                self.take(",")
        return Block(found)

    def _object(self, depth: int) -> Block:
        self.take("{")
        found = self.items("}", depth + 1)
        self.take("}")
        return found

    def _value(self, depth: int) -> Any:
        if self._next.sort == "{":
            return self._object(depth)
        if self._next.sort == "[":
            return self._list(depth + 1)
        return self.take("text", "value").value

    def _list(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise NotReadable(f"line {self._next.line} is nested too deep")
        self.take("[")
        found: list[Any] = []
        while self._next.sort != "]":
            found.append(self._value(depth))
            if self._next.sort != "]":
                self.take(",")
        self.take("]")
        return found


def _from_json(text: str) -> Block:
    try:
        found = json.loads(text, object_pairs_hook=lambda pairs: Block(map(_pair, pairs)))
    except (ValueError, RecursionError):
        raise NotReadable("it begins as JSON and is none") from None
    return Block(_flat(found))


def _pair(pair: tuple[str, Any]) -> Item:
    return Item((pair[0],), pair[1])


def _flat(block: Block) -> Iterator[Item]:
    """``{"path": {"a": {...}}}`` as the same thing in HCL: ``path "a" {...}``."""
    for item in block:
        values = item.value if isinstance(item.value, list) else [item.value]
        if item.keys[0] == "path" and all(isinstance(value, Block) for value in values):
            for value in values:
                yield from (Item(("path", *inner.keys), inner.value) for inner in value)
        else:
            yield item
