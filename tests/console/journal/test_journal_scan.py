"""Secrets are kept out of free text, and ordinary words are let through."""

from __future__ import annotations

import base64
import random
import string

import pytest

from console.journal.format import scan

MADE_UP = random.Random(7)


def drawn(alphabet: str, length: int) -> str:
    return "".join(MADE_UP.choice(alphabet) for _ in range(length))


BASE62 = string.ascii_letters + string.digits
SECRETS = {
    "github": "ghp_" + drawn(BASE62, 36),
    "github with a checksum that fits": "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",
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
    "password of one word": "password: hunter",
    "password as said": "the password is hunter2",
    "sql": "ALTER ROLE x PASSWORD 'hunter2'",
    "secret that is a uuid": "client_secret=5c2c33a4-6f0a-4b1e-9d7e-0f3a1b2c4d5e",
    "token that is short": "token = x7Kp9Qz",
    "aws secret": base64.b64encode(MADE_UP.randbytes(30)).decode(),
    "hex of 32": drawn("0123456789abcdef", 32),
    "hex of 64": drawn("0123456789abcdef", 64),
    "hex of 16": "3f2a9b1c0d4e5f60",
    "16 characters": "aB3dE5fG7hJ9kL2m",
    "16 small letters and digits": "q7x2m9kd4vz8w1tr",
    "16 letters": "wQzKjXvPbGtRcDhM",
    "24 digits": "582093746120985530174629",
    "cut into pieces": "x7Kp9Q zR4tWb 8mNc3V qJ5yHd",
    "made up": "xK9#mP2$vL",
    "made up of a word": "Tr0ub4dor&3",
    "leet": "P4ssw0rd",
    "google": "AIza" + drawn(BASE62, 35),
}
"""The floor: each of these has to be found, whatever else changes."""
HARMLESS = (
    "the key of payments-deploy leaked in a public repository on 2026-11-23T03:10:00Z",
    "AKIAIOSFODNN7EXAMPLE is in the paste at https://tickets.example.com/browse/SEC-1234/payments",
    "owner: CI-Deploy-Token-2024-Payments-Service-Production-Europe",
    "arn:aws:iam::123456789012:user/deployments/github-actions-production",
    "commit 3f2a9b1c0d4e in infrastructure/terraform/modules/kubernetes_cluster_autoscaler",
    "the request POST /v1/auth/token/revoke-accessor was answered with 403: permission denied",
    "commit 3f2a9b1c0d4e5f60718293a4b5c6d7e8f9012345 printed it into the build's log",
    "the accessor is 5c2c33a4-6f0a-4b1e-9d7e-0f3a1b2c4d5e, seen in plan 01a228af-7c85-7df7-893d",
    "plan 01a228af-7c85-7df7-893d-064d06755f1f stopped at the first canary",
    "signed by SHA256:uNiVztksCsDhcc0u9e8BrWgCuOHdgUbMqV5rPdMbKxw, who left in May",
    "arn:aws:iam::123456789012:role/aws-reserved/sso/AWSReservedSSO_Admin_0123456789abcdef leaked",
    "AROADBQP57FF2AEXAMPLE:botocore-session-1700000000 made it from 203.0.113.7",
    "i-0abcd1234ef567890 in vpc-0123456789abcdef0 reads it at start",
    "payments-7d9f8b6c5d-x2kqz and payments-7d9f8b6c5d-9wvbn still use it",
    "hmac-sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 in the log",
    "image example.com/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "token: payments-deploy, handle ce20dcdd48f0, account 123456789012",
    "the token is dead and the password was changed by alice@example.com",
    "password rotation is due; secret scanning found nothing more",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx stands in the manual as an example",
    "issue payments#1234, CVE-2026-12345, x86_64-unknown-linux-gnu, PostgreSQL/MySQL",
    "order 1700000000123456789 of 20261123031000, card ends in 4242",
)
"""The floor on the other side: people must be able to write these."""


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
    for alphabet, length, most in (
        (BASE62, 32, 20),
        (BASE62, 20, 40),
        (BASE62, 16, 80),
        (string.ascii_lowercase + string.digits, 16, 80),
        ("0123456789abcdef", 32, 0),
    ):
        values = [drawn(alphabet, length) for _ in range(2000)]
        missed = [value for value in values if scan.withhold(value) == value]
        assert len(missed) <= most, (length, missed[:5])


def test_what_is_withheld_stays_readable_around_it() -> None:
    text = "key AKIAIOSFODNN7EXAMPLE and aB3dE5fG7hJ9kL2m of commit " + "3f2a9b1c0d" * 4
    told = scan.withhold(text)
    assert told == text.replace("aB3dE5fG7hJ9kL2m", scan.WITHHELD)
    assert scan.withhold(told) == told


def test_a_reason_is_needed_and_counted_without_blanks() -> None:
    for text in ("", "          ", "leak   \n\n   ", "x" * 3000):
        with pytest.raises(scan.ReasonRefused):
            scan.reason(text)
    assert scan.reason("  vendor\nwas   breached ") == "vendor was breached"


def test_names_may_look_random_unless_they_are_plainly_a_secret() -> None:
    name = "deploy-" + drawn(BASE62, 32)
    assert scan.withhold(name, formats_only=True) == name
    assert scan.withhold(SECRETS["github"], formats_only=True) == scan.WITHHELD


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----",
        "sk-proj-Zk3qPw8vLm2TdXc9RbYh-aa",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r-w",
    ],
)
def test_what_a_value_ends_with_makes_no_placeholder_of_it(secret: str) -> None:
    assert scan.withhold(secret, formats_only=True) == scan.WITHHELD


@pytest.mark.parametrize("shown", ["ghp_" + "x" * 36, "sk-" + "X" * 40, "glpat-" + "0" * 20])
def test_a_placeholder_is_let_through(shown: str) -> None:
    assert scan.withhold(shown, formats_only=True) == shown
