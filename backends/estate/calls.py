"""The exact calls that change something in each of the estate's systems.

A step's call is worked out from its token's row when it is planned, and once more when it
is made, so that an altered one is noticed.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from backends.contract import Call, Verb
from backends.estate.systems import APP, CLOUD, CODEHOST, DATABASE, DEPLOY, VAULT, System

NEW_VALUE: Final = "<new value>"
INTENT: Final = "<intent id>"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def call_for(system: System, verb: Verb, row: sqlite3.Row) -> Call | None:
    """The exact call for a verb on a token's row; None where the system has no such thing."""
    id_, scope = str(row["id"]), str(row["scope"])
    if system is VAULT and verb is Verb.REVOKE:
        return Call(
            "estate",
            "POST",
            "/v1/auth/token/revoke-accessor",
            {"namespace": scope, "accessor": id_},
        )
    if system is CLOUD:
        who = {"account": scope, "UserName": str(row["principal"]), "AccessKeyId": id_}
        if verb is Verb.REVOKE:
            return Call("estate", "DeleteAccessKey", "iam", who)
        if verb in (Verb.CONTAIN, Verb.RESTORE):
            status = "Inactive" if verb is Verb.CONTAIN else "Active"
            return Call("estate", "UpdateAccessKey", "iam", {**who, "Status": status})
    if system is DATABASE:
        role = _quoted(str(row["name"]))
        statement = {
            Verb.REVOKE: ("DROP", f"ROLE {role}"),
            Verb.CONTAIN: ("ALTER", f"ROLE {role} NOLOGIN"),
            Verb.RESTORE: ("ALTER", f"ROLE {role} LOGIN"),
            Verb.DISCONNECT: ("SELECT", "pg_terminate_backend(pid) FROM sessions"),
        }.get(verb)
        if statement:
            return Call("estate", *statement, {"cluster": scope, "oid": id_})
    if system is CODEHOST and verb is Verb.REVOKE:
        if row["kind"] == DEPLOY:
            return Call("estate", "DELETE", f"/orgs/{scope}/deploy-tokens/{id_}")
        if row["kind"] == APP:
            return Call("estate", "DELETE", f"/orgs/{scope}/apps/{_app(row)}/secrets/{id_}")
        target = f"/orgs/{scope}/personal-access-tokens/{id_}"
        return Call("estate", "POST", target, {"action": "revoke"})
    return None


def _app(row: sqlite3.Row) -> str:
    return str(row["principal_id"])


def mint_call(system: System, row: sqlite3.Row) -> Call | None:
    """The call that brings a token's successor into being; None where only a person can.

    It names nothing that changes by itself, so that it stays the one that was planned.
    """
    id_, scope = str(row["id"]), str(row["scope"])
    if system is VAULT:
        asked = {"namespace": scope, "policies_of": id_, "meta.intent": INTENT}
        return Call("estate", "POST", "/v1/auth/token/create-orphan", asked)
    if system is CLOUD:
        who = {"account": scope, "UserName": str(row["principal"])}
        return Call("estate", "CreateAccessKey", "iam", who)
    if system is DATABASE:
        statement = f"ROLE {_quoted(str(row['name']))} PASSWORD '{NEW_VALUE}'"
        return Call("estate", "ALTER", statement, {"cluster": scope, "oid": id_})
    if row["kind"] == DEPLOY:
        return Call("estate", "POST", f"/orgs/{scope}/deploy-tokens/{id_}/rotate")
    if row["kind"] == APP:
        note = {"replaces": id_, "description": INTENT}
        return Call("estate", "POST", f"/orgs/{scope}/apps/{_app(row)}/secrets", note)
    return None
