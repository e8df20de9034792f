"""Reads what a responder is handed: a value, a list, a scanner's report, a vendor's table.

The format is told by the content, never by a file's name. Of a report only the members that
are needed are read; one entry that makes no sense is said and the others are read.

Sources: TruffleHog v3 ``--json`` (a finding a line: DetectorName, Raw, RawV2, SourceMetadata),
gitleaks 8 ``-f json`` (RuleID, Secret, File, Commit), Kingfisher ``--format json`` (rule,
finding.snippet, finding.validation), Betterleaks 2 (rule_id, match.value, attributes),
SARIF 2.1.0 (runs[].results[]), GitHub's REST API for secret-scanning alerts.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from console.errors import UsageError
from console.intake import lists
from console.intake.items import FoundAt, Intake, of_value
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
    text, unread = _text_of(data)
    if not text.strip():
        raise UsageError("nothing came in", "Paste a secret, or pipe a scanner's report in.")
    if "\x00" in text:
        raise UsageError(
            "it holds NUL bytes, so it is no text", "Give a secret, a list, or a report as text."
        )
    told = _told(text)
    return told._replace(problems=(*unread, *told.problems))


def _text_of(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The bytes as text, lines ended by one character; and what of them is none.

    UTF-8, or UTF-16 and UTF-32 where they say so at their beginning, as Windows writes them.
    """
    name = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not name:
        # Of plain text in UTF-16 every other byte is NUL: no UTF-8 text looks like that.
        head, nuls = data[:4096], data[1:4096:2].count(0)
        name = "utf-16-le" if nuls and nuls * 2 >= len(head) - 1 else "utf-8"
    text = data.decode(name, "replace").removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    unread: tuple[str, ...] = ()
    if "\ufffd" in text and data.decode(name, "ignore").count("\ufffd") < text.count("\ufffd"):
        what = f"bytes that are no {'UTF-8' if name == 'utf-8' else 'UTF-16 or UTF-32'}"
        unread = (f"it holds {what}; a value with such bytes is not found",)
    return text, unread


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _told(text: str) -> Intake:
    reading = ReportReader()
    if text.lstrip()[0] in "[{":
        documents, broken = _documents(text, reading)
        if documents:
            return _report(documents, reading)
        if len(text.split(maxsplit=1)) > 1:
            return _broken(text, broken)
        # One word that begins like that may be a password all the same.
    elif (table := lists.table(text)) is not None:
        return table
    return lists.lines(text, ReportReader())


def _documents(text: str, reading: ReportReader) -> tuple[list[Any], str]:
    """One JSON document, or those of the lines; where there is none, why, in words.

    Raises:
        UsageError: it is nested deeper than any report.
    """
    try:
        return [json.loads(text)], ""
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        broken = f"{error.msg}, line {error.lineno}" if isinstance(error, _BROKEN) else "a number"
    documents: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except RecursionError:
            raise _too_deep() from None
        except ValueError:
            # Scanners write their progress between their findings.
            reading.problem(f"line {number} is no JSON")
            continue
        if isinstance(document, dict):
            documents.append(document)
    return documents, broken


_BROKEN = json.JSONDecodeError


def _too_deep() -> UsageError:
    return UsageError(
        "this JSON is nested too deeply for a report",
        "Give the report of a scanner as it wrote it.",
    )


def _broken(text: str, why: str) -> Intake:
    """What begins like a report and is cut or damaged: no word of it is taken for a value."""
    reading = ReportReader()
    reading.problem(
        f"it begins like JSON and cannot be read as such ({why}):"
        " only values of known types were looked for in it"
    )
    reading.items += [of_value(value) for value, _ in types.find(text)]
    return reading.end("a damaged report")


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
