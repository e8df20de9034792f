"""Every form in which a responder is handed secrets; what cannot be read is said.

The Betterleaks report was written by Betterleaks 2.0.0. The others have the members that
their documents name (see ``console.intake.reports``).
"""

import contextlib
import json
from datetime import UTC, datetime

import pytest
from test_secret_types import GITHUB, GRAFANA, KEY_ID

from console.errors import UsageError
from console.intake import reports
from console.intake.items import Intake

SECRET = "Kd83jfLkq93kdLskf83+Lskdfj39fkLksjf93kfj"


def values(told: Intake) -> list[str]:
    return [item.value.reveal() if item.value is not None else item.id for item in told.items]


def read(document: object) -> Intake:
    text = document if isinstance(document, str) else json.dumps(document)
    return reports.read(text.encode())


TRUFFLEHOG = {
    "SourceMetadata": {
        "Data": {
            "Git": {
                "commit": "8460a4901f8f8392742009e93c525cbb77d51162",
                "file": "deploy/prod.env",
                "repository": "https://git.example/shop.git",
                "timestamp": "2026-11-24 03:12:00 +0000",
                "line": 7,
            }
        }
    },
    "DetectorName": "AWS",
    "Verified": True,
    "Raw": KEY_ID,
    "RawV2": f"{KEY_ID}:{SECRET}",
    "Redacted": "ASIA****",
}
GITLEAKS = {
    "RuleID": "github-pat",
    "StartLine": 3,
    "Match": f"token = {GITHUB}",
    "Secret": GITHUB,
    "File": "src/config.py",
    "Commit": "abc123",
    "Date": "2026-11-24T03:12:00Z",
    "Fingerprint": "abc123:src/config.py:github-pat:3",
}
KINGFISHER = {
    "rule": {"name": "Grafana token", "id": "kingfisher.grafana.1"},
    "finding": {
        "snippet": GRAFANA,
        "fingerprint": "14085685380484734428",
        "confidence": "medium",
        "validation": {"status": "Active Credential", "response": "200"},
        "line": 9,
        "path": "grafana.ini",
        "git_metadata": {"commit": {"id": "fedcba", "date": "2026-11-24T03:12:00Z"}},
    },
}
BETTERLEAKS = {
    "schema_version": "1",
    "findings": [
        {
            "rule_id": "github-pat",
            "confidence": "high",
            "match": {"full": GITHUB, "value": GITHUB, "fingerprint": "976b57ee8acdfcf4"},
            "attributes": {
                "git.date": "2026-11-30T13:26:02Z",
                "git.sha": "8460a4901f8f8392742009e93c525cbb77d51162",
                "resource": "git.patch_content",
            },
            "location": {"path": "config.env", "start_line": 1, "end_line": 1},
        }
    ],
}
SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "gitleaks"}},
            "results": [
                {
                    "ruleId": "github-pat",
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "src/app.py"},
                                "region": {"startLine": 4, "snippet": {"text": f"T = '{GITHUB}'"}},
                            }
                        }
                    ],
                    "partialFingerprints": {"commitSha": "abc", "date": "2026-11-24T03:12:00Z"},
                }
            ],
        }
    ],
}
ALERT = {
    "number": 42,
    "created_at": "2026-11-24T03:12:00Z",
    "state": "open",
    "resolution": None,
    "validity": "active",
    "secret_type": "github_personal_access_token",
    "secret_type_display_name": "GitHub Personal Access Token",
    "secret": GITHUB,
    "html_url": "https://github.com/acme/shop/security/secret-scanning/42",
}


@pytest.mark.parametrize(
    ("document", "name", "wanted", "where"),
    [
        (json.dumps(TRUFFLEHOG), "TruffleHog", [f"{KEY_ID}:{SECRET}"], "deploy/prod.env"),
        ([GITLEAKS], "gitleaks", [GITHUB], "src/config.py"),
        ([KINGFISHER], "Kingfisher", [GRAFANA], "grafana.ini"),
        ({"findings": [KINGFISHER]}, "Kingfisher", [GRAFANA], "grafana.ini"),
        (BETTERLEAKS, "Betterleaks", [GITHUB], "config.env"),
        (SARIF, "SARIF", [GITHUB], "src/app.py"),
        ([ALERT], "GitHub alerts", [GITHUB], "https://github.com/acme/shop/security"),
    ],
)
def test_every_report_gives_its_values_with_place_and_time(document, name, wanted, where) -> None:
    told = read(document)
    assert told.format == name
    assert values(told) == wanted
    assert told.problems == ()
    (place,) = told.items[0].places
    assert place.path.startswith(where)
    assert told.items[0].exposed_at is not None
    assert told.items[0].exposed_at.tzinfo is UTC


def test_what_a_report_says_of_the_value_is_kept_as_its_word() -> None:
    assert read(json.dumps(TRUFFLEHOG)).items[0].places[0].says == "verified by TruffleHog"
    assert read([KINGFISHER]).items[0].places[0].says == "Active Credential"
    assert read([ALERT]).items[0].places[0].says == "open, active"


def test_findings_a_line_with_a_scanners_progress_between_them() -> None:
    line = json.dumps(TRUFFLEHOG)
    told = read(f"{line}\nscanning 40 of 90\n{json.dumps(GITLEAKS)}\n")
    assert values(told) == [f"{KEY_ID}:{SECRET}", GITHUB]
    assert told.problems == ("line 2 is no JSON",)


def test_the_same_value_in_many_places_is_one_item() -> None:
    many = [{**GITLEAKS, "StartLine": number} for number in range(1, 31)]
    told = read(many)
    assert values(told) == [GITHUB]
    assert len(told.items[0].places) == 20
    assert told.items[0].more_places == 10


def test_the_earliest_exposure_counts() -> None:
    told = read([GITLEAKS, {**GITLEAKS, "Date": "2025-01-02T03:04:05Z", "Commit": "first"}])
    assert told.items[0].exposed_at == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**GITLEAKS, "Secret": "", "Match": ""}, "entry 2 has no value (redacted?)"),
        ({**GITLEAKS, "Secret": "a" * 70_000}, "entry 2 has a value of 70,000 characters"),
        ("a word", "entry 2 is no finding"),
        ({"colour": "blue"}, "entry 2 is no finding of a known kind"),
    ],
)
def test_an_entry_that_makes_no_sense_is_said_and_the_others_are_read(entry, said) -> None:
    told = read([GITLEAKS, entry])
    assert values(told) == [GITHUB]
    assert told.problems[0].startswith(said)


@pytest.mark.parametrize(
    "odd",
    [None, 7, [], {}, "x", [[]], {"Data": 7}, {"Data": {"Git": []}}, {"commit": 7}, True, 10**400],
)
def test_members_of_any_shape_end_nothing(odd) -> None:
    finding = {**KINGFISHER["finding"], "git_metadata": odd, "validation": odd, "line": odd}
    document = [
        {**TRUFFLEHOG, "SourceMetadata": odd, "RawV2": odd, "Verified": odd},
        {**GITLEAKS, "StartLine": odd, "Date": odd, "File": odd, "Commit": odd},
        {"rule": {"id": odd}, "finding": finding},
        {**BETTERLEAKS["findings"][0], "attributes": odd, "location": odd},
        {"ruleId": "x", "locations": odd, "partialFingerprints": odd},
        {**ALERT, "state": odd, "created_at": odd},
    ]
    assert set(values(read(document))) >= {GITHUB, GRAFANA, KEY_ID}


def test_an_id_with_its_secret_is_one_value_and_not_two() -> None:
    told = read(f"{KEY_ID}:{SECRET}\n{KEY_ID} {SECRET[::-1]}\n")
    assert values(told) == [f"{KEY_ID}:{SECRET}", f"{KEY_ID} {SECRET[::-1]}"]
    assert told.items[0].recognised is not None
    assert told.items[0].recognised.type.backends == ("aws_iam",)


def test_a_vendors_table_by_its_column_of_ids() -> None:
    told = read(f"customer;key id;last seen\nacme;{KEY_ID};2026-11-24\nacme;;2026-11-25\n")
    assert told.format == "a table, by its column 'key_id'"
    assert values(told) == [KEY_ID]
    assert told.problems == ("line 3 has nothing in column 'key_id'",)


def test_lists_texts_and_settings() -> None:
    assert read("hunter2-is-long\n").format == "one value"
    assert values(read("hunter2-is-long")) == ["hunter2-is-long"]
    told = read(f"{GITHUB}\n{SECRET}\n")
    assert (told.format, values(told)) == ("values, one a line", [GITHUB, SECRET])
    told = read(f"export GITHUB_TOKEN={GITHUB}\nAWS_SECRET_ACCESS_KEY='{SECRET}'\n")
    assert values(told) == [GITHUB, SECRET]
    assert told.items[1].places[0].rule == "AWS_SECRET_ACCESS_KEY"
    told = read(f"it was in the log: {GRAFANA} yesterday\nand nothing here\n")
    assert values(told) == [GRAFANA]
    assert told.problems == (
        "1 line holds no value of a known type; give a value alone on its line",
    )
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----"
    assert values(read(key + "\n")) == [key]
    assert values(read(f"{key}\n{GITHUB}\n{key}\n")) == [key, GITHUB]


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\x00\x01binary"])
def test_nothing_and_no_text_are_refused_with_a_word_on_what_to_give(data: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        reports.read(data)
    assert caught.value.hint


def test_json_that_is_no_report_is_refused() -> None:
    with pytest.raises(UsageError, match="no report that is known"):
        read([{"colour": "blue"}])
    assert read([]).items == ()


def test_a_deep_or_cut_document_is_no_crash() -> None:
    for text in ("[" * 200_000, '[{"RuleID": "x", "Secret": "y', '{"findings": ['):
        with contextlib.suppress(UsageError):
            assert "y" not in values(reports.read(text.encode()))


def test_a_secret_in_a_column_of_ids_or_in_a_link_is_shown_to_nobody() -> None:
    told = read(f"customer,id\nacme,{GITHUB}\nacme,{KEY_ID}\n")
    assert [item.id for item in told.items] == ["", KEY_ID]
    link = "https://ci:hunter2-s3cret@git.example/shop.git"
    finding = {**TRUFFLEHOG, "SourceMetadata": {"Data": {"Git": {"repository": link}}}}
    (item,) = read(json.dumps(finding)).items
    assert "git.example" in item.places[0].path
    assert "hunter2" not in repr(item.places)
