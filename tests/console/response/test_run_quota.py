"""A real OpenBao that takes so many requests a second and no more: not one is turned away.

What it turned away is counted by the server itself, in its audit log.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_systems import console

from backends.lab.lab import config_text
from backends.lab.openbao import READER, OpenBaoServer

pytestmark = pytest.mark.lab

TOKENS = 40
WHY = ("--reason", "the vendor was broken into")


class Site:
    """A console's home over a server of its own, with tokens to revoke."""

    def __init__(self, tmp: Path) -> None:
        self.home = tmp / "home"
        self.home.mkdir()
        self.server = OpenBaoServer(tmp / "bao")
        self.server.start()
        self.server.fill(20)
        with self.server.client() as client:
            for number in range(TOKENS):
                body = {"display_name": f"vendor-{number}", "policies": ["payments-read"]}
                client.post("auth/token/create-orphan", json=body).raise_for_status()
        text = config_text([self.server]) + "\n[response]\nsecond_person_over = 1000\n"
        (self.home / "config.toml").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = console(self.home, *words)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        return done

    def revoke(self) -> tuple[str, str]:
        """Revoke all of them; what the plan and the report said."""
        self.run("sync")
        shown = " ".join(self.run("plan", "revoke", "name:vendor-", *WHY).stdout.split())
        (plan,) = json.loads(self.run("run", "list", "--json").stdout)
        confirm = ("--confirm", f"{TOKENS} tokens", "--answer", "in-use=it is meant to be so")
        self.run("approve", plan["plan"], *confirm)
        self.run("run", "start", plan["plan"])
        return shown, self.run("run", "report", plan["plan"]).stdout

    def left(self) -> int:
        with self.server.client() as client:
            found = 0
            keys = client.get("auth/token/accessors", params={"list": "true"}).json()["data"][
                "keys"
            ]
            for key in keys:
                told = client.post("auth/token/lookup-accessor", json={"accessor": key})
                found += "vendor-" in told.text
            return found

    def forbid(self) -> None:
        """Take the right to read quotas from the console."""
        with self.server.client() as client:
            lines = [line for line in READER.splitlines() if "quotas" not in line]
            body = {"policy": "\n".join(lines)}
            client.put("sys/policies/acl/console-reader", json=body).raise_for_status()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.server.stop()


def lift(server: OpenBaoServer) -> None:
    with server.client() as client:
        client.delete("sys/quotas/rate-limit/everything")


def test_a_quota_that_can_be_read_is_never_exceeded(site: Site) -> None:
    site.server.quota(50)
    shown, report = site.revoke()
    lift(site.server)
    assert site.server.refusals() == 0
    assert site.left() == 0
    assert "50 requests a second (its quota everything), of which a run uses 60%" in shown
    assert f"recorded {TOKENS}" in report


def test_what_the_headers_say_is_kept_to_where_the_quota_cannot_be_read(site: Site) -> None:
    site.forbid()
    site.server.quota(50, told=True)
    site.revoke()
    lift(site.server)
    assert site.server.refusals() == 0
    assert site.left() == 0


def test_where_nothing_tells_a_429_slows_the_run_and_every_token_is_dealt_with(site: Site) -> None:
    site.forbid()
    site.server.quota(30)
    shown, _ = site.revoke()
    lift(site.server)
    assert site.left() == 0
    assert "its quotas may not be read" in shown
    assert "as it answered with 429 above that" in shown, "planning has found out"
    assert 'path "sys/quotas/rate-limit" { capabilities = ["list"] }' in shown
    assert site.server.refusals() > 0
