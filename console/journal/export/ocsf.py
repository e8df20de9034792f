"""Entries as OCSF events of the class API Activity (6003), for a SIEM to take in.

A translation for searching and alerting, not evidence: that is the entry itself, whose leaf
hash every event carries as ``metadata.original_event_uid``. An intent becomes an event of
its own with the status Unknown, so that an attempt is seen even if no outcome follows.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from console.journal.format.entry import Body, Kind, SchemaError
from console.journal.format.sentence import Entry
from console.tlog.merkle import leaf_hash

VERSION = "1.6.0"
"""The version of the schema (schema.ocsf.io) whose attributes are used."""
CATEGORY, CLASS = 6, 6003
READ, UPDATE, DELETE, OTHER = 2, 3, 4, 99
_ACTIVITY = {"revoke": DELETE, "disconnect": DELETE, "contain": UPDATE}
_ACTIVITY |= {"restore": UPDATE, "rotate": UPDATE}
_CAPTION = {READ: "Read", UPDATE: "Update", DELETE: "Delete"}
UNKNOWN, SUCCESS, FAILURE = 0, 1, 2
_STATUS = {
    "applied": SUCCESS,
    "already": SUCCESS,
    "seen": SUCCESS,
    "claimed": SUCCESS,
    "acknowledged": OTHER,
    "closed": SUCCESS,
    "rejected": FAILURE,
    "not_sent": FAILURE,
    "not_applied": FAILURE,
    "not_seen": FAILURE,
    "unclear": UNKNOWN,
    "unknown": UNKNOWN,
}
_STATUS_CAPTION = {UNKNOWN: "Unknown", SUCCESS: "Success", FAILURE: "Failure", OTHER: "Other"}
INFORMATIONAL, MEDIUM, HIGH = 1, 3, 4
_CALLS = (Kind.INTENT, Kind.OUTCOME, Kind.RECOVERY)
_LOOKS = (Kind.EVIDENCE, Kind.OBSERVE, Kind.RECOVERY_CLAIM)


def event(entry: Entry) -> dict[str, Any]:
    """One entry as an event. Text is raw, as in the entry; JSON is what makes it safe."""
    try:
        body = entry.body
    except SchemaError:
        return _event(entry, None)
    return _event(entry, body)


def _event(entry: Entry, body: Body | None) -> dict[str, Any]:
    activity, name = _activity(body)
    status = _status(body)
    told: dict[str, Any] = {
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": CLASS * 100 + activity,
        "time": entry.t_us // 1000,
        "severity_id": _severity(body),
        "status_id": status,
        "status": entry.state if status == OTHER and entry.state else _STATUS_CAPTION[status],
        "message": entry.sentence,
        "metadata": _metadata(entry, body),
        "actor": {"user": _user(body)},
        "src_endpoint": {"hostname": body.host.name if body else ""},
        "api": {"operation": _operation(body), "request": {"uid": _request(entry)}},
        "raw_data": base64.b64encode(entry.raw).decode("ascii"),
    }
    if body is None:
        return told
    if (act := body.act) is not None:
        told["api"]["service"] = {"name": act.backend}
        target = {"uid": act.target.id, "name": act.target.name, "type": act.target.kind}
        if act.target.owner:
            target["owner"] = {"name": act.target.owner}  # type: ignore[assignment]
        told["resources"] = [target]
    if body.out is not None:
        told["status_detail"] = body.out.detail
        if body.out.status:
            told["api"]["response"] = {"message": body.out.status}
            if body.out.status.isdecimal():
                told["api"]["response"]["code"] = int(body.out.status)
    told["unmapped"] = _unmapped(entry, body)
    return told


def _metadata(entry: Entry, body: Body | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": VERSION,
        "product": {"name": "token-console", "vendor_name": "token-console"},
        "sequence": entry.seq,
        "uid": entry.id,
        "original_event_uid": leaf_hash(entry.raw).hex(),
        "event_code": entry.kind,
    }
    if body is not None:
        told["product"]["version"] = body.host.console
        told["log_name"] = body.log
    if entry.incident:
        told["correlation_uid"] = entry.incident
    return told


def _activity(body: Body | None) -> tuple[int, str]:
    if body is None:
        return OTHER, "unreadable"
    if body.type in _CALLS and body.act is not None and body.act.verb in _ACTIVITY:
        activity = _ACTIVITY[body.act.verb]
        return activity, _CAPTION[activity]
    if body.type in _LOOKS:
        return READ, _CAPTION[READ]
    return OTHER, body.type.value


def _status(body: Body | None) -> int:
    """An intent says nothing about what becomes of it; entries about the log have no status."""
    if body is None or body.type is Kind.INTENT:
        return UNKNOWN
    return OTHER if body.out is None else _STATUS.get(body.out.state, UNKNOWN)


def _severity(body: Body | None) -> int:
    if body is None or body.type is Kind.BREAKGLASS:
        return HIGH
    uncertain = body.type is Kind.OUTCOME and body.out is not None and body.out.state == "unknown"
    return MEDIUM if uncertain or body.type in (Kind.KEY_ROTATE, Kind.CONFIG) else INFORMATIONAL


def _user(body: Body | None) -> Mapping[str, str]:
    if body is None:
        return {"name": "unknown"}
    kernel = body.who.kernel
    if kernel.loginuid is not None:
        # Who logged in is who acts, whatever account was taken on since.
        return {"name": kernel.login or str(kernel.loginuid), "uid": str(kernel.loginuid)}
    return {"name": kernel.user or str(kernel.uid), "uid": str(kernel.uid)}


def _operation(body: Body | None) -> str:
    if body is None:
        return "unreadable"
    if body.act is None:
        return body.type.value
    call = body.act.call
    return f"{call.method} {call.target}" if call else body.act.verb


def _request(entry: Entry) -> str:
    """The intent's id: what ties a call to its answer and to what was read afterwards."""
    return entry.ref if entry.kind != "intent" and entry.ref else entry.id


def _unmapped(entry: Entry, body: Body) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": entry.kind,
        "why": body.why,
        "who": entry.who,
        "signed": entry.signed,
        "signer": entry.signer,
        "configuration": entry.config,
        "evidence": entry.evidence,
        "plan": entry.plan,
        "handle": entry.handle,
    }
    if (run := body.run) is not None:
        told |= {"run": run.what, "item": run.item or None, "lane": run.backend}
        told |= {"owner": run.owner, "expires": run.expires or None, "detail": run.detail}
    return {name: value for name, value in told.items() if value not in ("", None)}
