"""The graph of tokens on the three real servers is what their clients made."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from real_systems import RealAws, RealBao, RealPostgres, console, systems

from backends.lab.lab import Lab
from backends.lab.moto import LabKey as AwsKey

pytestmark = pytest.mark.lab


@pytest.fixture
def home(lab: Lab, tmp_path: Path) -> Path:
    shutil.copy(lab.config, tmp_path / "config.toml")
    return tmp_path


def picture(home: Path, id_: str) -> set[tuple[str, str, str]]:
    """The links around a token, as (from, kind, to) by name."""
    done = console(home, "sync")
    assert done.returncode in (0, 3), done.stderr
    done = console(home, "graph", id_, "--ask", "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    names = {node["num"]: node["name"] or node["key"] for node in told["nodes"]}
    return {
        (names[link["from"]], kind, names[link["to"]])
        for link in told["links"]
        for kind in link["kinds"]
    }


def test_openbao_parent_child_owner_grants_and_addresses(lab: Lab, home: Path) -> None:
    real = systems(lab)["openbao"]
    assert isinstance(real, RealBao)
    stem = f"graph-{time.monotonic_ns()}"
    root = {"display_name": stem, "policies": ["root"], "meta": {"owner": "payments"}}
    with real.server.client() as client:
        made = client.post("auth/token/create", json=root).raise_for_status().json()["auth"]
        mine = {"X-Vault-Token": made["client_token"]}
        wanted = {"display_name": f"{stem}-child", "policies": ["default"]}
        child = client.post("auth/token/create", json=wanted, headers=mine)
        kid = child.raise_for_status().json()["auth"]
        for _ in range(3):
            client.get("auth/token/lookup-self", headers=mine).raise_for_status()
    links = picture(home, made["accessor"])
    name = f"token-{stem}"
    assert ("payments", "owns", name) in links
    assert (name, "carries", "root") in links
    kids = {b for a, kind, b in links if a == name and kind == "parent of"}
    assert kids == {f"token-{stem}-child"}, kid["accessor"]
    uses = {b for a, kind, b in links if a == name and kind == "used by"}
    assert "127.0.0.1" in uses


def test_aws_owner_user_policies_and_where_they_cannot_tell(lab: Lab, home: Path) -> None:
    real = systems(lab)["aws_iam"]
    assert isinstance(real, RealAws)
    user = f"graph-{time.monotonic_ns()}"
    issued = real.issue(user)
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}  # fmt: skip
    real.server.iam.put_user_policy(
        UserName=user, PolicyName="read-ledger", PolicyDocument=json.dumps(document)
    )
    id_, _, secret = issued.value.partition(":")
    real.server.client("sts", AwsKey("", id_, secret)).get_caller_identity()
    (home / "deploy").mkdir()
    (home / "deploy" / "job.env").write_text(f"AWS_ACCESS_KEY_ID={issued.id}\n")
    with (home / "config.toml").open("a") as file:
        file.write('\n[graph]\nconfigs = ["deploy"]\n')
    links = picture(home, issued.id)
    assert ("payments", "owns", issued.name) in links
    assert (user, "holds", issued.name) in links
    assert {b for a, k, b in links if a == issued.name and k == "carries"} == {"read-ledger"}
    assert {b for a, k, b in links if a == issued.name and k == "used by"} == {"deploy/job.env"}
    shown = console(home, "graph", issued.id)
    assert "deploy/job.env" in shown.stdout
    assert "not known: " in shown.stderr  # The server keeps no CloudTrail.
    assert issued.value not in shown.stdout + shown.stderr


def test_postgres_owner_roles_and_the_sessions_of_its_clients(lab: Lab, home: Path) -> None:
    real = systems(lab)["postgres"]
    assert isinstance(real, RealPostgres)
    name = f"graph-{time.monotonic_ns()}"
    issued = real.issue(name)
    with real.server.connect() as admin, contextlib.ExitStack() as held:
        group = psycopg.sql.Identifier(f"{name}-readers")
        admin.execute(psycopg.sql.SQL("CREATE ROLE {}").format(group))
        admin.execute(psycopg.sql.SQL("GRANT {} TO {}").format(group, psycopg.sql.Identifier(name)))
        for app in ("report", "billing"):
            client = held.enter_context(real.server.connect(name, password=issued.value))
            client.execute(f"SET application_name = '{app}-{name}'")
            client.execute("SELECT 1")
        links = picture(home, f"{issued.backend}/{issued.id}")
    assert ("payments", "owns", name) in links
    assert f"{name}-readers" in {b for a, k, b in links if a == name and k == "carries"}
    sessions = " ".join(b for a, k, b in links if a == name and k == "used by")
    assert f"report-{name}" in sessions
    assert f"billing-{name}" in sessions
    reach = console(home, "reach", f"{issued.backend}/{issued.id}")
    assert reach.returncode == 0, reach.stderr
    assert f"because used by report-{name}" in reach.stdout
