"""Names of objects as rows have them, and as somebody types them.

A resource is a kind and a name: ``table shop.orders``, ``column shop.orders.total``,
``function shop.price(integer)``, ``schema shop``, ``database shop``, ``role app_read``. Names are
quoted as SQL quotes them, where they need it. Views and foreign tables are tables here.
"""

from __future__ import annotations

import re
from typing import Final

KINDS: Final = {
    "table": "table",
    "view": "table",
    "materialized view": "table",
    "foreign table": "table",
    "column": "column",
    "sequence": "sequence",
    "schema": "schema",
    "database": "database",
    "function": "function",
    "procedure": "function",
    "routine": "function",
    "role": "role",
    "user": "role",
}
_KIND = re.compile(
    "(" + "|".join(sorted(KINDS, key=len, reverse=True)) + r")\s+(?=\S)", re.IGNORECASE
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."()]+)')

SYSTEM: Final = ("pg_catalog", "information_schema", "pg_toast")
"""Schemas of the system's own objects, which everybody may use unless something says no."""


def quoted(name: str) -> str:
    """A name as SQL has it: in quotes only where it would be another without them."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def resource(kind: str, *names: str, arguments: str | None = None) -> str:
    """The resource of a row."""
    text = f"{kind} {'.'.join(quoted(name) for name in names)}"
    return text if arguments is None else f"{text}({arguments})"


def read(text: str) -> tuple[str, tuple[str, ...], str | None]:
    """What somebody typed: the kind, the name's parts, and a function's argument types.

    Without a kind it is a table. Names without quotes are folded to lower case, as in SQL.
    """
    found = _KIND.match(text.strip())
    kind = KINDS[found[1].lower()] if found else "table"
    rest = text.strip()[found.end() :] if found else text.strip()
    arguments: str | None = None
    if kind == "function" and rest.endswith(")"):
        rest, _, types = rest[:-1].partition("(") if '"' not in rest else rest[:-1].rpartition("(")
        arguments = ", ".join(" ".join(each.split()) for each in types.split(",")) if types else ""
    parts: list[str] = []
    position = 0
    while position < len(rest) and (part := _PART.match(rest, position)):
        inside, plain = part[1], part[2]
        parts.append(inside.replace('""', '"') if inside is not None else plain.strip().lower())
        position = part.end()
        if rest[position : position + 1] != ".":
            break
        position += 1
    return kind, tuple(parts) if position >= len(rest) else (rest,), arguments


def normal(text: str) -> str:
    """The same resource as a row would have it."""
    if text == "*":
        return text
    kind, names, arguments = read(text)
    return resource(kind, *names, arguments=arguments)
