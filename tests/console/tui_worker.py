"""A stand-in for the worker process: answers from a script, and writes down what it is asked.

Run as ``python tui_worker.py LOG MODE``. Modes: ``plan`` answers everything, ``fatal``
offers a plan that nobody may approve, ``refuse`` has no plan, ``die`` ends at the first
request, ``mute`` never answers.
"""

import json
import sys

PLAN_ID = "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"
HOSTILE = "child \x1b]52;c;AAAA\x07[/red] \u202e"


def plan(request: dict, fatal: bool) -> dict:
    hazards = [
        {"code": "consumers", "text": "14 consumers were seen and none has a successor."},
    ]
    if fatal:
        hazards.append({"code": "own", "text": "This is the console's own.", "fatal": True})
    step = {
        "id": "1",
        "verb": "revoke",
        "token": {"backend": "vault-prod", "kind": "service", "id": "acc-1"},
        "title": "revoke",
        "call": {
            "transport": "http",
            "method": "POST",
            "target": "/v1/auth/token/revoke-accessor",
            "arguments": {"accessor": "9hTk…c2A1"},
        },
    }
    return {
        "id": PLAN_ID,
        "verb": "revoke",
        "backend": "vault-prod",
        "production": True,
        "reason": request["reason"],
        "proposal": {
            "steps": [step],
            "hazards": hazards,
            "collateral": ["3 child tokens", "7 leases"],
            "takes_effect": "at once; confirmed by look-up",
        },
    }


def answer(request: dict, mode: str) -> dict:
    match request["do"]:
        case "plan" if mode == "refuse":
            return {"error": "403 for accessor look-up", "hint": "Grant read on it."}
        case "plan":
            return {"plan": plan(request, mode == "fatal"), "typed_word": "ci-deploy"}
        case "approve":
            return {"run": PLAN_ID}
        case "dependents":
            consumers = [
                {"name": f"pod-{number}", "kind": "workload", "source": "audit"}
                for number in range(13)
            ] + [{"name": HOSTILE, "kind": "token"}]
            gap = {"scope": "ns1", "kind": "refused", "what": "leases", "hint": "Needs sudo."}
            return {"dependents": {"consumers": consumers, "gaps": [gap]}}
        case _:
            return {"ok": True}


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
