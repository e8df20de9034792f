"""What a value says of itself, offline. The vectors are the vendors' own examples."""

import base64
import json

import pytest

from console.secret_types import checksums, types
from console.secret_types.types import Sure

GITHUB = "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"
"""The example in GitHub's announcement of its token formats."""
GRAFANA = "glsa_VVQjot0nijQ59lun6pMZRtsdBXxnFQ9M_77c34a79"
"""The example in Grafana's documentation of service accounts."""
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
KEY_ID = "ASIAQNZGKIQY56JQ7WML"


def jwt(payload: object, head: object = None) -> str:
    parts = [head or {"alg": "RS256", "kid": "k1"}, payload]
    coded = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts]
    return ".".join([*[each.rstrip("=") for each in coded], "c2lnbmF0dXJl"])


@pytest.mark.parametrize("value", [GITHUB, GRAFANA])
def test_a_checksum_that_holds_is_said_and_one_that_does_not_as_well(value: str) -> None:
    told = types.recognise(value)
    assert told is not None
    assert told.sure is Sure.CHECKSUM
    wrong = value[:-1] + ("1" if value[-1] != "1" else "2")
    broken = types.recognise(wrong)
    assert broken is not None
    assert broken.sure is Sure.BROKEN


def test_an_aws_key_id_tells_its_account_and_that_it_is_no_secret() -> None:
    told = types.recognise(KEY_ID)
    assert told is not None
    assert told.type.public
    assert dict(told.facts)["account"] == "029608264753"
    assert "session token" in dict(told.facts)["lasts"]
    assert checksums.aws_account("AKIAIOSFODNN7EXAMPLE") == "", "an old id has no account in it"


@pytest.mark.parametrize(
    ("value", "slug", "fact"),
    [
        ("hvs." + "A" * 90, "vault-token", ("kind", "service token")),
        ("s.abcdefghijklmnopqrstuvwx", "vault-token", ("kind", "service token")),
        ("glpat-abcdefghij1234567890", "gitlab-token", None),
        ("npm_" + "0" * 36, "npm-token", None),
        ("sk_live_51HqJ8kLkjsdf8Kjsdf83j", "stripe-key", ("mode", "live")),
        ("xoxb-263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1", "slack-token", None),
        ("sk-ant-admin01-" + "a" * 93 + "AA", "anthropic-key", ("kind", "admin key")),
        ("github_pat_" + "a" * 22 + "_" + "b" * 59, "github-fine-grained", None),
        ("postgresql://app:hunter2@db.example:5432/x", "address", ("user", "app")),
        (PEM, "private-key", None),
    ],
)  # fmt: skip
def test_types_are_told_by_their_form(value: str, slug: str, fact: tuple[str, str] | None) -> None:
    told = types.recognise(value)
    assert told is not None
    assert told.type.slug == slug
    if fact is not None:
        assert fact in told.facts


@pytest.mark.parametrize("value", ["hunter2", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "a" * 32])
def test_what_has_no_form_of_its_own_is_of_no_type(value: str) -> None:
    assert types.recognise(value) is None


@pytest.mark.parametrize("text", ["it was {} there", "A={}"])
def test_every_type_is_found_in_a_text_as_it_is_recognised_alone(text: str) -> None:
    values = [GITHUB, GRAFANA, KEY_ID, PEM, jwt({"iss": "x", "sub": "y"}), "hvs." + "A" * 90]
    values += ["glpat-abcdefghij1234567890", "npm_" + "0" * 36, "sk_live_51HqJ8kLkjsdf8Kjsdf83j"]
    values += ["sk-ant-admin01-" + "a" * 93 + "AA", "pypi-" + "a" * 50, "AIza" + "b" * 35]
    values += ["cfut_" + "a" * 40 + "0" * 8, "dop_v1_" + "0" * 64, "sntryu_" + "0" * 64]
    values += ["sk-proj-abcT3BlbkFJdef", "rk_test_0123456789ab", "xapp-1-A0123456789"]
    for value in values:
        alone = types.recognise(value)
        assert alone is not None, value
        assert types.find(text.format(value)) == [(value, alone)]


def test_no_fact_holds_the_secret() -> None:
    told = types.recognise("postgresql://app:hunter2@db.example/x")
    assert told is not None
    assert "hunter2" not in repr(told.facts)


def test_a_jwts_claims_are_read_and_nothing_in_it_can_harm() -> None:
    claims = {"iss": "https://k8s", "sub": "system:serviceaccount:shop:cart", "exp": 1_900_000_000}
    told = types.recognise(jwt(claims))
    assert told is not None
    facts = dict(told.facts)
    assert facts["sub"] == "system:serviceaccount:shop:cart"
    assert facts["exp"] == "2030-03-17 17:46 UTC"
    without = types.recognise(jwt({"iss": "x"}))
    assert without is not None
    assert "never expires" in dict(without.facts)["exp"]
    for payload in ([], "x", {"exp": 10**400, "iss": "a" * 100_000}, {"exp": True}):
        odd = types.recognise(jwt(payload))
        assert odd is None or all(len(text) <= 200 for _, text in odd.facts)


def test_values_are_found_in_a_text_each_once_and_in_order() -> None:
    text = f"first {GRAFANA}, then GITHUB_TOKEN={GITHUB}; again {GRAFANA} and nothing"
    assert [value for value, _ in types.find(text)] == [GRAFANA, GITHUB]


@pytest.mark.parametrize(
    "piece", ["-----BEGIN PRIVATE KEY-----", "a://", "b://c:", "eyJ", "s.", "sk-", "xoxb-", "glc_"]
)
def test_a_hostile_text_costs_no_time_that_grows_faster_than_it(piece: str) -> None:
    # A pattern that starts anew at each piece would take hours.
    types.find(piece * 30_000)
