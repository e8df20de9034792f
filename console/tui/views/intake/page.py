"""The answer cards as lines, each with the token that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from console.tui.draw.lines import Line, Role, block

WAITING = "Looking it up …"
OUTDATED = "A run acts on it: what stands here was read before. {key} reads it again."


def lines(reply: Mapping[str, Any], width: int) -> list[tuple[Line, str]]:
    """The worker's answer, line by line, with a token's handle where the line is of one."""
    return list(_lines(reply, width))


def trying(name: str, effects: Sequence[str], width: int) -> list[Line]:
    """What is asked about before a value is tried: of which token, and what that does besides."""
    made: list[Line] = [(), [(" TRY THE VALUE ", "bad"), (f"of {name}", "bold")]]
    made += block("", [("It is used once, at its own system, and that is journaled.", "")], width)
    for number, text in enumerate(effects or ("nothing, as its backend declares",)):
        made += block("" if number else "BESIDES", [(text, "warn")], width)
    return made


def headline(card: Mapping[str, Any]) -> str:
    """A card's first line: what is known of the value."""
    lines = card.get("lines") or (("", ""),)
    return str(lines[0][1])


def _lines(reply: Mapping[str, Any], width: int) -> Iterator[tuple[Line, str]]:
    yield [(f" {reply.get('came', '')}", "bold")], ""
    for problem in _texts(reply.get("left_out")):
        yield from _block("LEFT OUT", problem, width, "warn")
    for number, item in enumerate(reply.get("items") or (), 1):
        yield (), ""
        for line in block(f"#{number}", [(str(item.get("label", "")), "")], width):
            yield line, ""
        for place in _texts(item.get("places")):
            yield from _block("", place, width, "dim")
        for sentence in _texts(item.get("not_asked")):
            yield from _block("NOT ASKED", sentence, width, "warn")
        none = _texts(item.get("no_match"))
        if none:
            yield from _block("NO MATCH", " ".join(none), width, "warn")
        for card in item.get("cards") or ():
            handle = str(card.get("handle", ""))
            yield (), handle
            for row, (label, text) in enumerate(card.get("lines") or ()):
                role: Role = "bad" if row == 0 else "warn" if label == "HAZARD" else ""
                for line in block(str(label), [(str(text), role)], width):
                    yield line, handle


def _block(label: str, text: str, width: int, role: Role) -> Iterator[tuple[Line, str]]:
    for line in block(label, [(text, role)], width):
        yield line, ""


def _texts(value: object) -> Sequence[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
