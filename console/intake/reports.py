"""Reads what a responder is handed: a value, a list, a scanner's report, a vendor's table.

The format is told by the content, never by a file's name. Of a report only the members that
are needed are read; one entry that makes no sense is said and the others are read.

Sources: TruffleHog v3 ``--json`` (a finding a line: DetectorName, Raw, RawV2, SourceMetadata),
gitleaks 8 ``-f json`` (RuleID, Secret, File, Commit), Kingfisher ``--format json`` (rule,
finding.snippet, finding.validation), Betterleaks 2 (rule_id, match.value, attributes),
SARIF 2.1.0 (runs[].results[]), GitHub's REST API for secret-scanning alerts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from console.errors import UsageError
from console.intake import lists
from console.intake.items import FoundAt, Intake
from console.intake.report_reader import ReportReader
from console.journal.format import scan
from console.secret_types import types

MOST_BYTES = 256 << 20
"""What is taken in at once, in bytes."""
_DEEPEST = 64

Members = Mapping[str, Any]


def read(data: bytes) -> Intake:
    """What is in these bytes.

    Raises:
        UsageError: there is nothing in them, or more than ``MOST_BYTES``, or they are no text.
    """
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"more than {MOST_BYTES >> 20} MB came in", "Split it, and take in one part at a time."
        )
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.strip():
        raise UsageError("nothing came in", "Paste a secret, or pipe a scanner's report in.")
    if "\x00" in text:
        raise UsageError("that is no text", "Give a secret, a list, or a report in JSON or CSV.")
    first = text.lstrip()[0]
    reading = ReportReader()
    if first in "[{":
        documents = list(_documents(text, reading))
        if documents:
            return _report(documents, reading)
        reading = ReportReader()
    if (table := lists.table(text)) is not None:
        return table
    return lists.lines(text, reading)


def _documents(text: str, reading: ReportReader) -> Iterator[Any]:
    """One JSON document, or one a line; nothing where the first line is no JSON either."""
    try:
        yield json.loads(text)
        return
    except (ValueError, RecursionError):
        lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            if number == 1:
                return
            # Scanners write their progress between their findings.
            reading.problem(f"line {number} is no JSON")
            continue
        yield document


def _report(documents: list[Any], reading: ReportReader) -> Intake:
    named: dict[str, int] = {}
    number = 0
    for document in documents:
        for entry in _entries(document):
            number += 1
            if not isinstance(entry, dict):
                reading.problem(f"entry {number} is no finding")
                continue
            name = _one(entry, reading, f"entry {number}")
            named[name] = named.get(name, 0) + 1
    known = [name for name in named if name]
    if not known and not number:
        return reading.end("an empty report")
    if not known:
        raise UsageError(
            "this JSON is no report that is known",
            "Known are TruffleHog, gitleaks, Kingfisher, Betterleaks, SARIF and GitHub alerts.",
        )
    return reading.end(" and ".join(known))


def _entries(document: Any) -> Iterator[Any]:
    """The findings in a document: of a list, of a report's ``findings``, of SARIF's runs."""
    if isinstance(document, list):
        yield from document
    elif not isinstance(document, dict):
        yield document
    elif isinstance(document.get("runs"), list):
        for run in document["runs"]:
            yield from run.get("results") or () if isinstance(run, dict) else ()
    elif isinstance(document.get("findings"), list):
        yield from document["findings"]
    elif isinstance(document.get("finding"), dict) and "schema_version" in document:
        yield document["finding"]
    else:
        yield document


def _one(entry: Members, reading: ReportReader, what: str) -> str:
    """Read one finding of whatever kind; the name of its kind, empty for none that is known."""
    if "DetectorName" in entry or "SourceMetadata" in entry:
        _trufflehog(entry, reading, what)
        return "TruffleHog"
    if "RuleID" in entry:
        _gitleaks(entry, reading, what)
        return "gitleaks"
    if isinstance(entry.get("finding"), dict) and isinstance(entry.get("rule"), dict):
        _kingfisher(entry, reading, what)
        return "Kingfisher"
    if isinstance(entry.get("match"), dict) and "rule_id" in entry:
        _betterleaks(entry, reading, what)
        return "Betterleaks"
    if "secret_type" in entry:
        _github(entry, reading, what)
        return "GitHub alerts"
    if "ruleId" in entry or "locations" in entry:
        _sarif(entry, reading, what)
        return "SARIF"
    reading.problem(f"{what} is no finding of a known kind")
    return ""


def _trufflehog(entry: Members, reading: ReportReader, what: str) -> None:
    data = _in(entry, "SourceMetadata", "Data")
    source = next((each for each in data.values() if isinstance(each, dict)), {})
    says = "verified" if entry.get("Verified") is True else "not verified"
    place = FoundAt(
        _text(entry.get("DetectorName")),
        _text(source.get("file") or source.get("link") or source.get("repository")),
        _number(source.get("line")),
        _text(source.get("commit")),
        _moment(source.get("timestamp")),
        f"{says} by TruffleHog",
    )
    # RawV2 has all the parts where a credential has more than one, such as an id and a key.
    raw, both = entry.get("Raw"), entry.get("RawV2")
    if isinstance(both, str) and types.recognise(both) is not None:
        reading.value(both, place, what)
        return
    reading.value(raw, place, what)
    if isinstance(raw, str) and isinstance(both, str) and both.startswith(raw):
        rest = both[len(raw) :].strip(":/ ")
        if rest:
            reading.value(rest, place, what)


def _gitleaks(entry: Members, reading: ReportReader, what: str) -> None:
    place = FoundAt(
        _text(entry.get("RuleID")),
        _text(entry.get("File")),
        _number(entry.get("StartLine")),
        _text(entry.get("Commit")),
        _moment(entry.get("Date")),
        _text(entry.get("ValidationStatus")),
    )
    reading.value(entry.get("Secret") or entry.get("Match"), place, what)


def _kingfisher(entry: Members, reading: ReportReader, what: str) -> None:
    finding = entry["finding"]
    commit = _in(finding, "git_metadata", "commit")
    validation = _in(finding, "validation")
    place = FoundAt(
        _text(entry["rule"].get("id") or entry["rule"].get("name")),
        _text(finding.get("path")),
        _number(finding.get("line")),
        _text(commit.get("id")),
        _moment(commit.get("date") or commit.get("committer_date")),
        _text(validation.get("status")),
    )
    reading.value(finding.get("snippet"), place, what)


def _betterleaks(entry: Members, reading: ReportReader, what: str) -> None:
    attributes, location = _in(entry, "attributes"), _in(entry, "location")
    place = FoundAt(
        _text(entry.get("rule_id")),
        _text(location.get("path")),
        _number(location.get("start_line")),
        _text(attributes.get("git.sha")),
        _moment(attributes.get("git.date")),
        _text(_in(entry, "validation").get("status")),
    )
    reading.value(entry["match"].get("value"), place, what)


def _github(entry: Members, reading: ReportReader, what: str) -> None:
    said = [
        _text(entry.get(name)) for name in ("state", "resolution", "validity") if entry.get(name)
    ]
    place = FoundAt(
        _text(entry.get("secret_type_display_name") or entry.get("secret_type")),
        _text(entry.get("html_url")),
        at=_moment(entry.get("created_at")),
        says=", ".join(said),
    )
    reading.value(entry.get("secret"), place, what)


def _sarif(entry: Members, reading: ReportReader, what: str) -> None:
    locations = entry.get("locations")
    first = locations[0] if isinstance(locations, list) and locations else {}
    physical = _in(first if isinstance(first, dict) else {}, "physicalLocation")
    region = _in(physical, "region")
    prints = _in(entry, "partialFingerprints")
    place = FoundAt(
        _text(entry.get("ruleId")),
        _text(_in(physical, "artifactLocation").get("uri")),
        _number(region.get("startLine")),
        _text(prints.get("commitSha")),
        _moment(prints.get("date")),
    )
    snippet = _in(region, "snippet").get("text")
    found = types.find(snippet) if isinstance(snippet, str) else []
    if found:
        # A snippet may be the whole line around the value.
        for value, _ in found:
            reading.value(value, place, what)
    else:
        reading.value(snippet, place, what)


def _in(value: Any, *names: str) -> Members:
    """A member of a member, as a mapping; an empty one where it is anything else."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    # A link or a path is shown, and may have a password in it.
    return scan.withhold(str(value)[:1000], formats_only=True)


def _number(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _moment(value: object) -> datetime | None:
    """A time of a report. Of one without an offset nobody knows the zone: it is taken as UTC."""
    if not isinstance(value, str) or not value:
        return None
    for text in (value, value.replace(" ", "T", 1).replace(" ", "")):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            continue
        try:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            return None
    return None
