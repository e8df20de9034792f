"""Where a secret may have left a trace: in texts, in logs, and in what an object keeps."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from urllib.parse import quote, quote_plus

import msgspec

from backends.model import Secret, encode

PART = 12
"""Characters in a row that are a part of a secret. Systems show up to the last eight as a hint."""
SHORTEST = 6
MOST = 500_000
"""Objects that a search through what a backend keeps looks at."""


def forms(secret: Secret) -> set[str]:
    """The ways of writing a whole secret in which it is still the secret."""
    plain = secret.reveal()
    raw = plain.encode()
    found = {
        plain, plain[::-1], plain.upper(), plain.lower(), plain.swapcase(),
        raw.hex(), raw.hex().upper(), quote(plain, safe=""), quote_plus(plain),
        "".join(f"%{byte:02X}" for byte in raw), "".join(f"%{byte:02x}" for byte in raw),
        encode(plain).decode()[1:-1], repr(plain)[1:-1],
    }  # fmt: skip
    for skipped in range(3):
        # A value inside a longer text begins at any place of a group of three bytes, and
        # only the characters that it alone decides are certain.
        whole = len(raw) + skipped
        text = base64.b64encode(bytes(skipped) + raw).decode()
        text = text[-(-skipped * 8 // 6) : whole * 8 // 6]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return {form for form in found if len(form) >= SHORTEST}


def parts(secret: Secret, public: Iterable[str] = ()) -> Iterator[str]:
    """Every run of the secret that is too long to be a hint, but for what is public anyway."""
    plain, known = secret.reveal(), tuple(public)
    size = min(PART, max(SHORTEST, len(plain) * 2 // 3))
    for text in (plain, plain[::-1]):
        for start in range(len(text) - size + 1):
            part = text[start : start + size]
            if not any(part in each or part[::-1] in each for each in known):
                yield part


def shown(secret: Secret, *values: object, public: Iterable[str] = ()) -> bool:
    """Whether a value's text, in any form that would be kept or printed, holds the secret.

    The secret counts as shown when it stands there as it is, reversed, as base64, as
    hexadecimal digits, URL-encoded or escaped, and when ``PART`` characters of it in a row
    do. ``public`` are texts that belong to the record, such as an id that the value holds.
    """
    wanted = {*forms(secret), *parts(secret, public)}
    for value in values:
        texts = [repr(value), str(value)]
        if isinstance(value, msgspec.Struct):
            texts.append(encode(value).decode())
        if any(each in text for text in texts for each in wanted):
            return True
    return False


def kept(secret: Secret, *roots: object) -> str:
    """Where the value is kept, in whatever can be reached from these objects; "" if nowhere.

    Looks into attributes, slots, collections, closures and bound arguments, and into
    ``Secret`` itself, which no text would show. Classes and modules are not entered.
    """
    plain = secret.reveal()
    raw = plain.encode()
    waiting: list[tuple[object, str]] = [(root, type(root).__name__) for root in roots]
    seen: set[int] = set()
    while waiting and len(seen) < MOST:
        thing, path = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Secret):
            if thing == secret:
                return path
        elif isinstance(thing, str):
            if plain in thing:
                return path
        elif isinstance(thing, bytes | bytearray):
            if raw in thing:
                return path
        elif not isinstance(thing, int | float | type | ModuleType | CodeType | None):
            waiting += _inside(thing, path)
    return ""


def _inside(thing: object, path: str) -> Iterator[tuple[object, str]]:
    """What an object holds, each with the path that leads to it."""
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield key, f"{path} (a key)"
            yield value, f"{path}[{key if isinstance(key, int) else '...'}]"
        return
    if isinstance(thing, list | tuple | set | frozenset):
        for value in list(thing):
            yield value, f"{path}[...]"
    elif isinstance(thing, FunctionType):
        for cell in thing.__closure__ or ():
            try:
                yield cell.cell_contents, f"{path} (a closure)"
            except ValueError:
                continue  # The variable was never set.
    elif isinstance(thing, MethodType):
        yield thing.__self__, path
    for name, value in list(getattr(thing, "__dict__", {}).items()):
        yield value, f"{path}.{name}"
    for type_ in type(thing).__mro__:
        slots = type_.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            try:
                yield getattr(thing, name), f"{path}.{name}"
            except AttributeError:
                continue


def surroundings(thing: object) -> Iterator[dict[str, object]]:
    """What a thing's class and the module that it stands in keep for all."""
    for type_ in type(thing).__mro__[:-1]:
        yield dict(vars(type_))
    module = sys.modules.get(type(thing).__module__)
    if module is not None:
        yield dict(vars(module))


class Records(logging.Handler):
    """Keeps everything that is logged while it is attached, at every level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep everything of a record that a log could show, its arguments included."""
        self.texts.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")

    def __enter__(self) -> Records:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
