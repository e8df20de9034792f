"""What can be read in a value without asking anybody, and shown: ids, names, times.

All of it was written by whoever made the value, and none of it is vouched for: a JWT's
claims are read without its signature being checked. Where it is shown, it is sanitised.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from console.secret_types import checksums

Facts = tuple[tuple[str, str], ...]
LIMIT = 200
"""Characters of one fact."""
_CLAIMS = ("iss", "sub", "aud", "azp", "client_id")


def aws_key_id(found: re.Match[str]) -> Facts:
    """An AWS key id's account, and whether it is one that ends by itself."""
    id_ = found["id"]
    lasts = "long-lived" if id_.startswith("AKIA") else "temporary: it needs a session token"
    facts = [("key id", id_), ("lasts", lasts)]
    if id_[:4] not in ("AKIA", "ASIA"):
        facts[1] = ("kind", {"ABIA": "bearer token", "ACCA": "context"}.get(id_[:4], "other"))
    if account := checksums.aws_account(id_):
        facts.append(("account", account))
    return tuple(facts)


def github(found: re.Match[str]) -> Facts:
    """Which of GitHub's tokens it is."""
    kinds = {
        "p": "personal access token (classic)",
        "o": "of an OAuth app",
        "u": "of a GitHub App, for a user",
        "r": "refresh token of a GitHub App",
    }
    return (("kind", kinds[found["how"]]),)


def gitlab(found: re.Match[str]) -> Facts:
    """Which of GitLab's tokens it is."""
    kinds = {
        "pat": "personal, project or group access token",
        "ptt": "pipeline trigger token",
        "rt": "runner authentication token",
        "dt": "deploy token",
        "cbt": "CI job token",
        "ft": "feed token",
        "imt": "incoming mail token",
        "agent": "token of an agent for Kubernetes",
        "oas": "secret of an OAuth application",
        "soat": "SCIM token",
        "ffct": "feature flags client token",
    }
    return (("kind", kinds[found["how"]]),)


def vault(found: re.Match[str]) -> Facts:
    """Whether it is a service, batch or recovery token."""
    kinds = {
        "s": "service token",
        "b": "batch token: it has no accessor and cannot be revoked by itself",
        "r": "recovery token",
    }
    return (("kind", kinds[found["how"]]),)


def anthropic(found: re.Match[str]) -> Facts:
    """Whether it is an admin key."""
    kinds = {"api": "API key", "adm": "admin key", "oat": "OAuth token"}
    return (("kind", kinds[found["how"][:3]]),)


def openai(found: re.Match[str]) -> Facts:
    """Which of OpenAI's keys it is."""
    kinds = {"proj": "key of a project", "svcacct": "service account's key", "admin": "admin key"}
    return (("kind", kinds.get(found["how"] or "", "user key")),)


def stripe(found: re.Match[str]) -> Facts:
    """Whether it is restricted, and whether it moves money."""
    kind = "restricted key" if found["how"] == "r" else "secret key"
    return (("kind", kind), ("mode", found["mode"]))


def slack(found: re.Match[str]) -> Facts:
    """Which of Slack's tokens it is."""
    kinds = {"b": "bot token", "p": "user token", "e": "refresh or rotated token"}
    return (("kind", kinds.get(found["how"] or "", "app-level or legacy token")),)


def slack_webhook(found: re.Match[str]) -> Facts:
    """The team and the channel that it writes to, by their ids."""
    return (("team", found["team"][:LIMIT]), ("webhook", found["channel"][:LIMIT]))


def address(found: re.Match[str]) -> Facts:
    """Where an address leads and as whom; never the password in it."""
    return (
        ("scheme", found["scheme"]),
        ("user", found["user"][:LIMIT]),
        ("host", found["host"][:LIMIT]),
    )


def jwt(found: re.Match[str]) -> Facts:
    """The claims of a JWT that say whose it is and how long; not verified (RFC 7519)."""
    head, payload = (_json(part) for part in found[0].split(".")[:2])
    facts = [(name, _text(payload[name])) for name in _CLAIMS if payload.get(name)]
    for name in ("iat", "exp"):
        if moment := _moment(payload.get(name)):
            facts.append((name, moment))
    if payload and "exp" not in payload:
        facts.append(("exp", "none: it never expires by itself"))
    if isinstance(payload.get("cnf"), Mapping):
        facts.append(("cnf", "issued bound to a key; whether that is enforced is not known"))
    if head.get("kid"):
        facts.append(("kid", _text(head["kid"])))
    return tuple(facts)


def _json(part: str) -> Mapping[str, Any]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))[:LIMIT]
    return str(value)[:LIMIT]


def _moment(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return ""
