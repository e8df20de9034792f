"""The types of secrets that can be told by their form, and what each can mean.

Patterns and facts: the vendors' documents, and the public rules of gitleaks and betterleaks.
A prefix is a claim that anybody can make; only a checksum says more. What has no form of its
own (a password, a UUID, 32 hex digits) is of no type here, and that is said.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from console.secret_types import checksums, contents

Facts = tuple[tuple[str, str], ...]
"""What can be read in a value, as pairs of a name and a text from outside."""


class Sure(StrEnum):
    """How a type is known."""

    CHECKSUM = "its checksum holds"
    PREFIX = "by its prefix"
    BROKEN = "its checksum does not hold: cut, mistyped or made up"


class SecretType(NamedTuple):
    """One type. ``begins`` names a value that is not whole, ``pattern`` is one to the end."""

    slug: str
    family: str
    """As a person would call it, without an article: ``GitHub token``."""
    title: str
    words: tuple[str, ...]
    """One of these is in every value: what a line is looked through for first, being cheap."""
    begins: re.Pattern[str]
    pattern: re.Pattern[str]
    backends: tuple[str, ...] = ()
    """The types of backend that issue it."""
    check: Callable[[re.Match[str]], bool] | None = None
    read: Callable[[re.Match[str]], Facts] | None = None
    public: bool = False
    """It is an id, and no secret."""


class Recognised(NamedTuple):
    """What a value says of itself. Nothing of the value is in here but what is public."""

    type: SecretType
    sure: Sure
    facts: Facts


def _type(
    slug: str,
    family: str,
    title: str,
    words: str,
    begins: str,
    pattern: str,
    *backends: str,
    check: Callable[[re.Match[str]], bool] | None = None,
    read: Callable[[re.Match[str]], Facts] | None = None,
    public: bool = False,
) -> SecretType:
    return SecretType(
        slug,
        family,
        title,
        tuple(words.split()),
        re.compile(begins),
        re.compile(pattern),
        backends,
        check,
        read,
        public,
    )


def _crc(found: re.Match[str]) -> bool:
    return checksums.crc_base62(found["value"])


def _grafana(found: re.Match[str]) -> bool:
    return checksums.crc_grafana(found["value"], found["crc"])


TYPES = (
    _type(
        "private-key",
        "private key",
        "a private key in PEM",
        "-----BEGIN",
        r"-----BEGIN",
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----))*"
        r"-----END [A-Z ]{0,40}PRIVATE KEY-----",
    ),
    _type(
        "age-key",
        "age key",
        "an age identity",
        "AGE-SECRET-KEY",
        r"AGE-SECRET-KEY",
        r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    ),
    _type(
        "jwt",
        "signed token (JWT)",
        "a signed token (JWT)",
        "eyJ",
        r"eyJ",
        r"(?<![\w.-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
        "kubernetes",
        read=contents.jwt,
    ),
    _type(
        "aws-key",
        "AWS key",
        "an AWS access key: its id and its secret",
        "AKIA ASIA",
        r"\b(?:AKIA|ASIA)[A-Z2-7]{16}[:,;]",
        r"\b(?P<id>(?:AKIA|ASIA)[A-Z2-7]{16})[:,; \t]{1,4}[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])",
        "aws_iam",
        read=contents.aws_key_id,
    ),
    _type(
        "aws-key-id",
        "AWS key id",
        "the id of an AWS access key",
        "AKIA ASIA ABIA ACCA",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)",
        r"\b(?P<id>(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b",
        "aws_iam",
        read=contents.aws_key_id,
        public=True,
    ),
    _type(
        "bedrock-key",
        "AI service's key",
        "an Amazon Bedrock key",
        "ABSK",
        r"\bABSK",
        r"\bABSK[A-Za-z0-9+/]{109,269}={0,2}",
        "aws_iam",
    ),
    _type(
        "github-token",
        "GitHub token",
        "a GitHub token",
        "ghp_ gho_ ghu_ ghr_",
        r"\bgh[pour]_",
        r"\bgh(?P<how>[pour])_(?P<value>[0-9A-Za-z]{36})(?![0-9A-Za-z])",
        "github",
        check=_crc,
        read=contents.github,
    ),
    _type(
        "github-installation",
        "GitHub token",
        "a token of a GitHub App's installation",
        "ghs_",
        r"\bghs_",
        r"\bghs_[A-Za-z0-9._-]{36,}",
        "github",
    ),
    _type(
        "github-fine-grained",
        "GitHub token",
        "a fine-grained GitHub token",
        "github_pat_",
        r"\bgithub_pat_",
        r"\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}",
        "github",
    ),
    _type(
        "gitlab-token",
        "GitLab token",
        "a GitLab token",
        "glpat- glptt- glrt- gldt- glcbt- glft- glimt- glagent- gloas- glsoat- glffct-",
        r"\bgl(?:pat|ptt|rt|dt|cbt|ft|imt|agent|oas|soat|ffct)-",
        r"\bgl(?P<how>pat|ptt|rt|dt|cbt|ft|imt|agent|oas|soat|ffct)-[\w.-]{20,320}",
        "gitlab",
        read=contents.gitlab,
    ),
    _type(
        "vault-token",
        "Vault token",
        "an OpenBao or Vault token",
        "s. b. r.",
        r"(?<![\w.-])(?:hv[sbr]|[sbr])\.",
        r"(?<![\w.-])(?:hv)?(?P<how>[sbr])\.[A-Za-z0-9_-]{24,}",
        "openbao",
        read=contents.vault,
    ),
    _type(
        "anthropic-key",
        "AI service's key",
        "an Anthropic key",
        "sk-ant-",
        r"\bsk-ant-",
        r"\bsk-ant-(?P<how>api\d\d|admin\d\d|oat\d\d)-[\w-]{60,}",
        "anthropic",
        read=contents.anthropic,
    ),
    _type(
        "openai-key",
        "AI service's key",
        "an OpenAI key",
        "T3BlbkFJ",
        r"\bsk-(?:proj|svcacct|admin)-|T3BlbkFJ",
        r"(?<![\w-])sk-(?:(?P<how>proj|svcacct|admin)-)?[\w-]*T3BlbkFJ[\w-]+",
        "openai",
        read=contents.openai,
    ),
    _type(
        "ai-key",
        "AI service's key",
        "a key of an AI service or of a proxy for them",
        "sk-",
        r"\bsk-",
        r"\bsk-[\w-]{16,}",
        "litellm",
        "openai",
    ),
    _type(
        "stripe-key",
        "Stripe key",
        "a Stripe key",
        "k_live_ k_test_ k_prod_",
        r"\b[rs]k_(?:live|test|prod)_",
        r"\b(?P<how>[rs])k_(?P<mode>live|test|prod)_[A-Za-z0-9]{10,250}",
        "stripe",
        read=contents.stripe,
    ),
    _type(
        "slack-webhook",
        "Slack token",
        "a Slack webhook's address",
        "hooks.slack.com",
        r"slack\.com",
        r"hooks\.slack\.com/services/(?P<team>T\w+)/(?P<channel>B\w+)/\w+",
        "slack",
        read=contents.slack_webhook,
    ),
    _type(
        "slack-token",
        "Slack token",
        "a Slack token",
        "xox xapp-",
        r"\bxox|\bxapp",
        r"\b(?:xox(?P<how>[a-z])(?:\.xox[bp])?-|xapp-\d-)[\w-]{10,}",
        "slack",
        read=contents.slack,
    ),
    _type(
        "npm-token",
        "npm token",
        "an npm token",
        "npm_",
        r"\bnpm_",
        r"\bnpm_(?P<value>[0-9A-Za-z]{36})(?![0-9A-Za-z])",
        "npm",
        check=_crc,
    ),
    _type(
        "grafana-token",
        "Grafana token",
        "a Grafana service-account token",
        "glsa_",
        r"\bglsa_",
        r"\bglsa_(?P<value>[A-Za-z0-9]{32})_(?P<crc>[A-Fa-f0-9]{8})\b",
        "grafana",
        check=_grafana,
    ),
    _type(
        "grafana-cloud",
        "Grafana token",
        "a Grafana Cloud token",
        "glc_",
        r"\bglc_",
        r"\bglc_[A-Za-z0-9+/]{32,400}={0,2}",
        "grafana",
    ),
    _type("pypi-token", "PyPI token", "a PyPI token", "pypi-", r"\bpypi-", r"\bpypi-[\w-]{40,}"),
    _type(
        "cloudflare-token",
        "Cloudflare token",
        "a Cloudflare token",
        "cf",
        r"\bcf[kua]t?_",
        r"\bcf(?P<how>[kua])t?_[A-Za-z0-9]{40}[a-f0-9]{8}",
        "cloudflare",
    ),
    _type(
        "google-api-key",
        "Google API key",
        "a Google API key",
        "AIza",
        r"\bAIza",
        r"\bAIza[\w-]{35}",
        "google",
    ),
    _type(
        "sendgrid-key",
        "SendGrid key",
        "a SendGrid key",
        "SG.",
        r"\bSG\.",
        r"\bSG\.[\w-]{16,32}\.[\w-]{16,64}",
    ),
    _type(
        "sentry-token",
        "Sentry token",
        "a Sentry token",
        "sntryu_ sntrys_",
        r"\bsntry[us]_",
        r"\bsntry[us]_[\w+/=-]{20,}",
        "sentry",
    ),
    _type(
        "digitalocean-token",
        "DigitalOcean token",
        "a DigitalOcean token",
        "dop_v1_",
        r"\bdop_v1_",
        r"\bdop_v1_[a-f0-9]{64}",
    ),
    _type(
        "address",
        "address with a password",
        "an address with a password in it",
        "://",
        r"://",
        r"\b(?P<scheme>[a-z][a-z0-9+.-]{1,30})://(?P<user>[^\s/:@]{0,200}):[^\s/@]{1,500}"
        r"@(?P<host>[^\s/?#]{1,253})(?:[/?#]\S{0,500})?",
        "postgres",
        read=contents.address,
    ),
)
"""In the order in which they are asked: what says more of itself comes first."""


def named(text: str) -> str:
    """As what a person knows the first secret in a text, such as ``GitHub token``; or nothing.

    For a text of which a scanner already said that a secret is in it, whole or not.
    """
    return next((each.family for each in TYPES if each.begins.search(text)), "")


def recognise(value: str) -> Recognised | None:
    """What a whole value is by its form. None: its form says nothing, whatever it is."""
    for each in TYPES:
        if found := each.pattern.fullmatch(value):
            return _told(each, found)
    return None


def find(text: str) -> list[tuple[str, Recognised]]:
    """The values of known types in a text, in their order, each once."""
    spans: list[tuple[int, int]] = []
    told: dict[int, tuple[str, Recognised]] = {}
    for each in TYPES:
        if not any(word in text for word in each.words):
            continue
        for found in each.pattern.finditer(text):
            start, end = found.span()
            at = bisect.bisect(spans, (start, end))
            free_before = at == 0 or spans[at - 1][1] <= start
            if free_before and (at == len(spans) or end <= spans[at][0]):
                spans.insert(at, (start, end))
                told[start] = (found[0], _told(each, found))
    return list({told[start][0]: told[start] for start, _ in spans}.values())


def without_keys(text: str) -> tuple[str, list[str]]:
    """The text without its private keys, lines kept, and the keys: they are of many lines."""
    keys: list[str] = []
    if "PRIVATE KEY-----" not in text:
        return text, keys

    def taken(found: re.Match[str]) -> str:
        keys.append(found[0])
        return "\n" * found[0].count("\n")

    return TYPES[0].pattern.sub(taken, text), keys


def _told(type_: SecretType, found: re.Match[str]) -> Recognised:
    sure = Sure.PREFIX
    if type_.check is not None:
        sure = Sure.CHECKSUM if type_.check(found) else Sure.BROKEN
    return Recognised(type_, sure, type_.read(found) if type_.read is not None else ())
