"""A stand-in for the worker process: answers from a script, and writes down what it is asked.

Run as ``python tui_worker.py LOG MODE``. Modes: ``plan`` answers everything, ``fatal``
offers a plan that nobody may approve, ``clean`` one without a hazard, ``hand`` one without a
call, ``waits`` one that needs a second person; ``refuse`` has no plan and takes no decision,
``die`` ends at the first request, ``mute`` never answers.
"""

import json
import sys

PLAN_ID = "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"
DONE = {"rotate": "ROTATED", "contain": "CONTAINED", "revoke": "REVOKED"}
HOSTILE = "child \x1b]52;c;AAAA\x07[/red] \u202e"


def plan(request: dict, mode: str) -> dict:
    fatal, by_hand, waits = mode == "fatal", mode == "hand", mode == "waits"
    hazards = [
        {"code": "consumers", "text": "14 consumers were seen and none has a successor."},
    ]
    if mode == "clean":
        hazards = []
    if fatal:
        hazards.append({"code": "own", "text": "This is the console's own.", "fatal": True})
    single = len(request["handles"]) == 1
    step = {
        "id": "1.revoke",
        "verb": request["verb"],
        "token": {"backend": "vault-prod", "kind": "service", "id": "acc-1"},
        "title": "revoke",
        "call": {
            "transport": "http",
            "method": "POST",
            "target": "/v1/auth/token/revoke-accessor",
            "arguments": {"accessor": "9hTk…c2A1"},
        },
    }
    proposal = {
        "steps": [step],
        "hazards": hazards,
        "collateral": ["3 child tokens", "7 leases"],
        "takes_effect": "at once; confirmed by look-up",
    }
    if by_hand:
        proposal = {"steps": [], "hazards": [], "manual": "Open the console, and end it there."}
    number = len(request["handles"])
    head = [
        f"{request['verb'].upper()} {number} tokens on 1 backend (production)  irreversible",
        f"  reason        {request['reason']}",
        *(f"  ! STOP        {each['code']} (2 tokens): {each['text']}" for each in hazards),
        f"  vault-prod    {number} tokens, at most 5 calls a second",
    ]
    items = [
        line
        for each in range(1, number + 1)
        for line in (
            f"  {each:>4}. job-{each} on vault-prod, owner payments, wave 0",
            f"        will call     POST /v1/auth/token/revoke-accessor {{accessor: {each}}}",
            f"        goes with it  {HOSTILE}",
        )
    ]
    told = {
        "plan": PLAN_ID,
        "verb": request["verb"],
        "tokens": number,
        "typed_word": "ci-deploy" if single else f"{number} tokens",
        "hazards": [{"fatal": False, "tokens": 1, **each} for each in proposal["hazards"]],
        "forbidden": fatal,
        "not_done": {
            "title": f"NOT {DONE[request['verb']]}",
            "why": "Open the console, and end it there.",
            "instead": ["revoke"],
        }
        if by_hand
        else None,
        "second_person": "vault-prod is production" if waits else "",
        "escrow": 2,
        "lines": head + items,
        "head": len(head),
    }
    if single:
        told["item"] = {
            "verb": request["verb"],
            "backend": "vault-prod",
            "production": True,
            "proposal": proposal,
        }
    return told


def answer(request: dict, mode: str) -> dict:
    match request["do"]:
        case "plan" if mode == "refuse":
            return {"error": "403 for accessor look-up", "hint": "Grant read on it."}
        case "plan":
            return plan(request, mode)
        case "approve":
            waits = "vault-prod is production" if mode == "waits" else ""
            return {"run": PLAN_ID, "signed": "", "waits": waits}
        case "decide" | "second" | "glass" if mode == "refuse":
            return {"error": "the same login acts in both", "hint": "Ask somebody else."}
        case "decide" | "second" | "glass":
            return {"says": f"alice decided: {request.get('what', request['do'])}"}
        case "owner" if mode == "refuse":
            return {"error": "the journal is full", "hint": "Make room."}
        case "owner":
            return {"says": f"{request['owner']} answers for it now"}
        case "escrow" if mode == "refuse":
            told = "no rotation can be planned: there is no key"
            return {"keys": 0, "says": told, "hint": "ssh-keygen -t ed25519; ssh-add"}
        case "escrow":
            told = "a rotation seals its new values to 2 public keys, from the ssh-agent"
            return {"keys": 2, "says": told, "hint": ""}
        case "start":
            return {"run": request["plan"]}
        case "dependents":
            consumers = [
                {"name": f"pod-{number}", "kind": "workload", "source": "audit"}
                for number in range(13)
            ] + [{"name": HOSTILE, "kind": "token"}]
            gap = {"scope": "ns1", "kind": "refused", "what": "leases", "hint": "Needs sudo."}
            return {"dependents": {"consumers": consumers, "gaps": [gap]}}
        case "permissions":
            return {"permissions": rights()}
        case _:
            return {"ok": True}


def rights() -> dict:
    """More than a page has room for: a way, secrets, writing, reading, a denial, and gaps."""
    ref = {"backend": "vault-prod", "kind": "service", "id": "acc-1"}
    policies = {
        "action": "update",
        "resource": "sys/policies/acl/*",
        "access": "write",
        "source": "policy ci-write",
    }
    secret = {
        "action": "read",
        "resource": f"secret/data/{HOSTILE}/*",
        "access": "read",
        "conditions": ["from the addresses 10.0.0.0/8"],
        "source": f"policy {HOSTILE}, via group ops",
    }
    reading = [
        {
            "action": "read",
            "resource": f"npm/{number}",
            "access": "read",
            "source": f"policy npm-{number // 2}",
        }
        for number in range(40)
    ]
    denied = {"action": "deny", "resource": "kv/x", "effect": "deny", "source": "policy npm"}
    way = {"code": "write-policies", "text": "may write policies", "by": [policies]}
    gap = {"scope": "root/", "kind": "refused", "what": "the policy audit", "hint": "Needs read."}
    return {
        "ref": ref,
        "rows": [*reading, denied, secret, policies],
        "elevations": [way],
        "secrets": [secret],
        "gaps": [gap],
        "as_of": "2026-11-24T02:39:00Z",
    }


def main() -> None:
    log, mode = sys.argv[1:]
    for line in sys.stdin:
        with open(log, "a", encoding="utf-8") as file:
            file.write(line)
        if mode == "die":
            sys.exit(3)
        if mode == "mute":
            continue
        request = json.loads(line)
        sys.stdout.write(json.dumps({"id": request["id"], **answer(request, mode)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
