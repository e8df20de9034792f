"""What the sinks behind an HTTP interface share: an address, whom to trust, a check of both."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

from backends.contract import Call, Option
from backends.errors import ConfigError

OPTIONS = (
    Option("url", "The server's address, such as https://bao.example:8200.", required=True),
    Option("ca_file", "A file with the certificate authorities to trust."),
    Option("timeout", "Seconds to wait for an answer.", float, 20.0),
)


def address(url: str) -> str:
    """The address without a slash at its end.

    Raises:
        ConfigError: it is none, or has a user, a password, a path or a question in it.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "url is not the address of a server", "Write https://HOST:PORT.", option="url"
        )
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigError(
            "url is not encrypted, and a new value is to travel there",
            "Use https://; plain http is for this machine only.",
            option="url",
        )
    return url.rstrip("/")


def trust(ca_file: str | None) -> bool | ssl.SSLContext:
    """What certificates are checked against.

    Raises:
        ConfigError: the file has no certificates.
    """
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=str(Path(ca_file).expanduser()))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot read certificates from {ca_file}: {error.strerror or error}", option="ca_file"
        ) from None


def elsewhere(call: Call, url: str) -> str:
    """Why a planned call may not be sent to the configured server; empty if it may."""
    planned = call.arguments.get("server", "")
    return "" if planned == url else f"it was planned for {planned}, and the sink has moved"
