"""Secrets are kept out of free text, and ordinary words are let through."""

from __future__ import annotations

import base64
import random
import string

import pytest

from console.journal import scan

MADE_UP = random.Random(7)


def drawn(alphabet: str, length: int) -> str:
    return "".join(MADE_UP.choice(alphabet) for _ in range(length))


BASE62 = string.ascii_letters + string.digits
SECRETS = {
    "github": "ghp_" + drawn(BASE62, 36),
    "github fine": "github_pat_" + drawn(BASE62, 22) + "_" + drawn(BASE62, 59),
    "gitlab": "glpat-" + drawn(BASE62, 20),
    "vault": "hvs." + drawn(BASE62, 95),
    "openbao": "s." + drawn(BASE62, 24),
    "openai": "sk-proj-" + drawn(BASE62, 40),
    "stripe": "sk_live_" + drawn(BASE62, 24),
    "slack": "xoxb-123456789012-" + drawn(BASE62, 24),
    "jwt": "eyJhbGciOiJIUzI1NiJ9." + drawn(BASE62, 30) + "." + drawn(BASE62, 43),
    "pem": "-----BEGIN EC PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END EC PRIVATE KEY-----",
    "url": "postgres://app:hunter2@db.example.com/x",
    "password": "password=hunter2!",
    "sql": "ALTER ROLE x PASSWORD 'hunter2'",
    "aws secret": base64.b64encode(MADE_UP.randbytes(30)).decode(),
    "hex": drawn("0123456789abcdef", 40),
    "uuid": "5c2c33a4-6f0a-4b1e-9d7e-0f3a1b2c4d5e",
}
HARMLESS = (
    "the key of payments-deploy leaked in a public repository on 2026-11-23T03:10:00Z",
    "AKIAIOSFODNN7EXAMPLE is in the paste at https://tickets.example.com/browse/SEC-1234/payments",
    "owner: CI-Deploy-Token-2024-Payments-Service-Production-Europe",
    "arn:aws:iam::123456789012:user/deployments/github-actions-production",
    "commit 3f2a9b1c0d4e in infrastructure/terraform/modules/kubernetes_cluster_autoscaler",
    "the request POST /v1/auth/token/revoke-accessor was answered with 403: permission denied",
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_refused_in_a_reason_and_withheld_in_a_systems_words(name: str) -> None:
    secret = SECRETS[name]
    with pytest.raises(scan.ReasonRefused) as refusal:
        scan.reason(f"leaked as {secret} in the chat")
    assert secret not in str(refusal.value) + refusal.value.hint
    told = scan.withhold(f"bad credential {secret} here")
    assert secret not in told
    assert scan.WITHHELD in told


@pytest.mark.parametrize("text", HARMLESS)
def test_what_people_write_is_let_through(text: str) -> None:
    assert scan.reason(text) == text
    assert scan.withhold(text) == text


def test_drawn_values_of_no_known_format_are_nearly_always_found() -> None:
    values = [drawn(BASE62, 32) for _ in range(2000)]
    missed = [value for value in values if scan.withhold(value) == value]
    assert len(missed) < 20


def test_a_reason_is_needed_and_counted_without_blanks() -> None:
    for text in ("", "          ", "leak   \n\n   ", "x" * 3000):
        with pytest.raises(scan.ReasonRefused):
            scan.reason(text)
    assert scan.reason("  vendor\nwas   breached ") == "vendor was breached"


def test_names_may_look_random_unless_they_are_plainly_a_secret() -> None:
    name = "deploy-" + drawn(BASE62, 32)
    assert scan.withhold(name, formats_only=True) == name
    assert scan.withhold(SECRETS["github"], formats_only=True) == scan.WITHHELD
