"""``journal list``, ``show`` and ``find-secret``."""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from backends.words import count
from console.cli.inventory import one as named
from console.cli.inventory import opened
from console.cli.journal.access import looking, one
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.journal.format.entry import Kind, SchemaError
from console.journal.read.view import Entry
from console.settings import paths
from console.store.queries.conditions import HANDLE
from console.text import stamp

MAX_SECRET = 64 * 1024


def list_(chosen: argparse.Namespace) -> int:
    """List the entries; exit 1 where the chain is broken, 3 where a call is open."""
    if chosen.kind and chosen.kind not in set(Kind):
        known = ", ".join(sorted(Kind))
        raise UsageError(f"no entry is of the kind {chosen.kind!r}", f"Known: {known}.")
    handle = _handle(chosen) if chosen.handle else chosen.handle
    incident = _incident(chosen)
    with looking(chosen) as (view, _):
        whole, problem = view.check()
        waiting = view.open_intents()
        if incident:
            ours = view.of_incident(incident)
            entries = _narrowed(ours, waiting, chosen, handle)
        elif chosen.open:
            entries = waiting
        else:
            entries = view.entries(chosen.limit, chosen.before, chosen.kind, handle=handle)
        _print(entries, as_json=chosen.json)
        output.note(
            f"{count(view.count(), 'entry', 'entries')}, {len(waiting)} open, "
            + (problem or "chain whole")
        )
    if not whole:
        return Exit.FAILED
    return Exit.PARTIAL if chosen.open and waiting else Exit.OK


def _incident(chosen: argparse.Namespace) -> str:
    """The id of the incident that is asked for; empty for none. Raises ``UsageError``."""
    if not chosen.incident:
        return ""
    if chosen.incident == ".":
        from console.incident import active

        found = active.current(paths(chosen.home))
        if found is None:
            raise UsageError(
                "you are at work on no incident", "Choose one: token-console incident use INC-7"
            )
        return found.id
    return str(chosen.incident)


def _narrowed(
    ours: list[Entry], waiting: list[Entry], chosen: argparse.Namespace, handle: str | None
) -> list[Entry]:
    """The entries of an incident, newest first, by the other conditions of the command."""
    open_ = {entry.id for entry in waiting}
    kept = [
        entry
        for entry in reversed(ours)
        if (not chosen.open or entry.id in open_)
        and (not chosen.kind or entry.kind == chosen.kind)
        and (not handle or entry.handle == handle)
        and (not chosen.before or entry.seq < chosen.before)
    ]
    return kept[: chosen.limit]


def _handle(chosen: argparse.Namespace) -> str:
    """The handle of the token that is named; as given where the inventory has none so.

    A journal outlives the inventory, so that a whole handle may be known to it alone.
    """
    given = str(chosen.handle)
    where = paths(chosen.home)
    if not where.inventory.exists():
        return given
    with opened(where) as inventory:
        if HANDLE.fullmatch(given.lower()) and not inventory.find(given):
            return given.lower()
        return named(inventory, given).handle


def show(chosen: argparse.Namespace) -> int:
    """Show one entry."""
    with looking(chosen) as (_, store):
        entry = one(store, chosen.id)
    leaf_hash = hashlib.sha256(b"\0" + entry.raw).hexdigest()
    if chosen.raw:
        _bytes(entry.raw)
        return Exit.OK
    fields = _fields(entry)
    if chosen.json:
        told = {
            "seq": entry.seq,
            "id": entry.id,
            "kind": entry.kind,
            "sentence": entry.sentence,
            "signed": entry.signed,
            "leaf_hash": leaf_hash,
            "raw": base64.b64encode(entry.raw).decode("ascii"),
            "entry": fields,
        }
        print(json.dumps(told))
        return Exit.OK
    output.line(entry.sentence)
    output.line()
    for name, value in _flat(fields):
        output.line(f"  {name:<24} {value}")
    signed = "by a responder's key (see sig)" if entry.signed else "unsigned"
    output.line(f"  {'signed':<24} {signed}")
    output.line(f"  {'leaf hash (RFC 6962)':<24} {leaf_hash}")
    output.line()
    print(_ascii(entry.raw))
    return Exit.OK


def find_secret(chosen: argparse.Namespace) -> int:
    """Which entries are about a secret; exit 1 where none is."""
    from backends.model import Secret
    from console.journal import opening
    from console.journal.files import beside
    from console.journal.read import fingerprint

    if sys.stdin.isatty():
        text = getpass.getpass("secret (not shown): ")
    else:
        text = sys.stdin.read(MAX_SECRET + 1)
    text = text.strip()
    if not text or len(text) > MAX_SECRET:
        raise UsageError(
            "there is no secret on standard input", "pbpaste | token-console journal find-secret"
        )
    secret = Secret(text)
    del text
    with looking(chosen) as (_, store):
        pepper = beside(opening.base(paths(chosen.home))).pepper
        found = fingerprint.find_secret(store, pepper, secret)
    _print(found, as_json=chosen.json)
    if not found:
        output.note("no entry is about this secret, as far as values were seen here")
    return Exit.OK if found else Exit.FAILED


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            _bytes(entry.raw)
            continue
        output.line(f"{entry.seq:>6}  {stamp(entry.at)}  {entry.kind:<10} {entry.sentence}")
        if entry.why:
            output.line(f"{'':>8}{entry.who}: {entry.why}")


def _bytes(raw: bytes) -> None:
    """The stored bytes, one line of JSON. A terminal gets the same JSON in plain ASCII."""
    if sys.stdout.isatty():
        print(_ascii(raw))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(raw + b"\n")
    sys.stdout.buffer.flush()


def _ascii(raw: bytes) -> str:
    """The bytes with everything escaped, as JSON does it, that is not printable ASCII."""
    text = raw.decode("utf-8", "replace")
    return "".join(part if " " <= part <= "~" else json.dumps(part)[1:-1] for part in text).replace(
        "\x7f", "\\u007f"
    )


def _fields(entry: Entry) -> dict[str, Any]:
    try:
        told = msgspec.to_builtins(entry.body)
    except SchemaError:
        return {}
    return told if isinstance(told, dict) else {}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        yield name, ", ".join(str(each) for each in value)
    else:
        yield name, str(value)
