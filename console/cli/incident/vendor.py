"""``incident vendor`` and ``settle``: a vendor's list against what is here."""

from __future__ import annotations

import argparse
from pathlib import Path

from backends.words import count
from console.cli.incident.record import named
from console.cli.shell import output
from console.errors import Exit, UsageError
from console.incident import scoping, service
from console.incident.record import Incident, find, fold, text_id
from console.incident.vendor import view as vendors
from console.incident.vendor.view import Listed, VendorQuestion, VendorView
from console.intake import reports
from console.inventory import export
from console.journal import opening
from console.settings import Paths, paths

FEW = 20
"""Lines of a kind that are shown where not all are asked for."""


def vendor(chosen: argparse.Namespace) -> int:
    """Show the two sets and their differences; exit 3 while one is not settled."""
    where = paths(chosen.home)
    incident = _incident(where, chosen.incident)
    found = vendors.look(
        VendorQuestion(
            name=chosen.name,
            query=chosen.query,
            addresses=tuple(chosen.address),
            agents=tuple(chosen.agent),
            since=incident.leaked,
            listed=_read(chosen.listed) if chosen.listed else None,
        ),
        where,
    )
    if chosen.listed:
        incident = service.compare(where, incident.id, found.name, found.differences)
    taken = None
    if chosen.take_in and found.handles:
        taken = scoping.widen(
            where, incident.id, handles=found.handles,
            reason=f"of the vendor {found.name}: held, issued, used, or on its list",
        )  # fmt: skip
    if chosen.json:
        print(export.dumps(_document(found, incident)))
    else:
        _print(found, incident, every=chosen.every)
        if taken is not None:
            output.note(f"{taken.added:,} of {count(taken.found, 'token')} new in the scope")
    return Exit.PARTIAL if _open(found, incident) else Exit.OK


def settle(chosen: argparse.Namespace) -> int:
    """Settle differences by their ids."""
    where = paths(chosen.home)
    id_ = named(where, chosen.incident)
    found = service.settle(where, id_, chosen.difference, chosen.reason)
    left = len(found.unsettled)
    if chosen.json:
        print(export.dumps({"id": found.id, "unsettled": left}))
    else:
        output.line(f"{found.id}: {count(left, 'difference')} left to settle")
    return Exit.OK


def _incident(where: Paths, given: str) -> Incident:
    with opening.view(where) as view:
        return find(named(where, given), fold(view.cases()).values())


def _read(given: str) -> bytes:
    path = Path(given).expanduser()
    try:
        with path.open("rb") as file:  # What is no file has no size: a device, a pipe.
            data = file.read(reports.MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > reports.MOST_BYTES:
        raise UsageError(f"{path} has more than {reports.MOST_BYTES >> 20} MB", "Split it.")
    return data


def _open(found: VendorView, incident: Incident) -> list[str]:
    """The differences of this comparison that nobody has settled, as the journal has them."""
    told = incident.compared.get(found.name, ("", []))[1] if found.format else []
    return [text for text in told if text not in incident.settled]


def _print(found: VendorView, incident: Incident, *, every: bool) -> None:
    most = None if every else FEW
    output.line(f"{found.name}: {count(len(found.ours), 'token')} held, issued or used here")
    for each in found.ours[:most]:
        ways = "; ".join(words for _, words in each.ways)
        output.line(f"  {each.row.handle}  {each.row.backend}/{each.row.name}  {ways}")
    _rest(len(found.ours), most)
    for sentence in found.not_told:
        output.line(f"not known: {sentence}")
    if not found.format:
        output.line("No list of theirs was given: --list FILE.")
        return
    output.line()
    output.line(f"their list ({found.format}): {count(len(found.theirs), 'line')}")
    output.line(f"  in both                {len(found.both):,}")
    output.line(f"  of these in other form {len(found.other_form):,}")
    output.line(f"  listed, not here       {len(found.not_here):,}")
    output.line(f"  here, not listed       {len(found.not_listed):,}")
    for problem in found.problems[:FEW]:
        output.line(f"  left out: {problem}")
    if found.other_form:
        output.line()
        output.line("in another form")
        for line in found.other_form[:most]:
            output.line(f"  {line.label}  is  {_meant(line)}  {line.how}")
        _rest(len(found.other_form), most)
    left = _open(found, incident)
    settled = len(found.differences) - len(left)
    output.line()
    output.line(f"differences: {len(left):,} to settle, {settled:,} settled")
    for text in left[:most]:
        output.line(f"  {text_id(text)}  {text}")
    _rest(len(left), most)
    if found.not_here:
        output.line("What is listed and not here may still be ours: see what was not seen.")


def _meant(line: Listed) -> str:
    return ", ".join(f"{row.backend}/{row.name} ({row.handle})" for row in line.rows[:3])


def _rest(number: int, most: int | None) -> None:
    if most is not None and number > most:
        output.line(f"  and {number - most:,} more: --every")


def _document(found: VendorView, incident: Incident) -> dict[str, object]:
    return {
        "vendor": found.name,
        "ours": [
            {
                "handle": each.row.handle,
                "backend": each.row.backend,
                "name": each.row.name,
                "ways": [{"way": way, "words": words} for way, words in each.ways],
            }
            for each in found.ours
        ],
        "list": {
            "format": found.format or None,
            "lines": len(found.theirs),
            "problems": list(found.problems),
            "both": [_line(line) for line in found.both],
            "other_form": [_line(line) for line in found.other_form],
            "not_here": [line.label for line in found.not_here],
            "not_listed": [each.row.handle for each in found.not_listed],
        },
        "not_known": list(found.not_told),
        "unsettled": [{"id": text_id(text), "what": text} for text in _open(found, incident)],
    }


def _line(line: Listed) -> dict[str, object]:
    return {
        "line": line.label,
        "tokens": [row.handle for row in line.rows],
        "how": line.how,
    }
