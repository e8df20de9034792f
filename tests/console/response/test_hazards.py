"""The gate: each hazard stops its own case, and nothing else in a clean estate."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from gate_scene import Scene, codes

from backends.contract import (
    Ability,
    Call,
    KindCapabilities,
    Proposal,
    Step,
    Support,
    Verb,
    WhoAmI,
)
from backends.estate import hazard_cases
from backends.model import Grant, Token, TokenRef, known
from console.inventory.records import Event
from console.response.plan import tripwires
from console.response.plan.hazards import TokenSurroundings, around, self_harm, without_successor
from console.response.plan.model import Plan

ESTATES_OWN = {"open-sessions", "slot-full"}
"""Hazards that the estate's own systems raise."""
PLANTED = {
    "tripwire": ("tripwire-name", Verb.REVOKE),
    "heartbeat": ("heartbeat", Verb.REVOKE),
    "last-admin": ("last-admin", Verb.REVOKE),
    "reuse-detection": ("reuse-detection", Verb.ROTATE),
    "cascade": ("cascade", Verb.REVOKE),
    "shared-value": ("shared-value", Verb.REVOKE),
    "slot-full": ("slot-full", Verb.ROTATE),
    "this-host": ("used-from-here", Verb.REVOKE),
}


def make(scene: Scene, hazard: str, verb: Verb) -> Plan:
    with scene.world() as world:
        made = hazard_cases.plant(world, hazard)
        handle = scene.ref(made.system, made.id, made.kind).handle
    return scene.plan(verb, handles=[handle], secret=made.secret, escrow=["age1x"])


@pytest.mark.parametrize("hazard", PLANTED)
def test_each_case_is_stopped_by_its_own_hazard_and_no_other(
    tmp_path: Path, hazard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tripwires, "here", lambda: frozenset({"10.20.0.77"}))
    code, verb = PLANTED[hazard]
    plan = make(Scene(tmp_path, tokens=120), hazard, verb)
    assert codes(plan.only) == [code]
    assert [raised.hazard.code for raised in plan.hazards] == [code]


def test_what_would_end_too_is_called_by_its_name_and_its_owner(tmp_path: Path) -> None:
    """An id alone tells nobody whose service is about to break."""
    plan = make(Scene(tmp_path, tokens=120), "cascade", Verb.REVOKE)
    (text,) = [each.hazard.text for each in plan.hazards if each.hazard.code == "cascade"]
    ref = plan.only.proposal.also_ends[0]
    assert f"({ref.id})" in text
    before = text.partition(f" ({ref.id})")[0]
    assert before.partition("along with it: ")[2].strip()
    assert ", owner " in before or "nobody owns it" in before


def test_a_clean_estate_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tripwires, "here", lambda: frozenset({"192.0.2.200"}))
    scene = Scene(tmp_path, tokens=400)
    plan = scene.plan(Verb.REVOKE, query="-principal:=token-console")
    assert len(plan.items) > 300
    fired: dict[str, list[Token]] = {}
    for item in plan.items:
        for code in codes(item):
            fired.setdefault(code, []).append(item.token)
    for code in ESTATES_OWN:
        fired.pop(code, None)
    # An estate has one such name in it, whose holder polls, tokens with children, and what
    # the console itself stems from. A plan for everything ends every admin, too.
    for code in ("tripwire-name", "heartbeat"):
        assert [token.name[:11] for token in fired.pop(code)] == ["IfYouRevoke"]
    parents = {item.token.ref for item in plan.items if item.proposal.also_ends}
    assert {token.ref for token in fired.pop("cascade")} == parents
    ruling = [token for token in fired.pop("last-admin") if powers(token) & ADMIN]
    assert ruling
    assert {token.ref.backend for token in ruling} == set(plan.backends)
    for code in ("own-credential", "own-ancestor", "own-principal"):
        for token in fired.pop(code, []):
            assert token.name.startswith(("token-console", "console-bootstrap"))
    assert fired == {}
    without = " ".join(f"-grant:={power}" for power in sorted(ADMIN))
    handles = [ruling[0].ref.handle]
    plan = scene.plan(Verb.REVOKE, sync=False, query=without, handles=handles)
    assert "last-admin" not in {raised.hazard.code for raised in plan.hazards}
    assert ruling[0].ref in {item.token.ref for item in plan.items}


ADMIN = {"admin", "superuser", "AdministratorAccess", "admin:org"}


def powers(token: Token) -> set[str]:
    return {grant.name for grant in token.grants.or_else(())}


def event(at: float, **given: object) -> Event:
    told = {"action": "read", "outcome": "ok", "source": "10.1.1.1", "agent": "curl"} | given
    return Event(
        at=int(at),
        actor="",
        target="",
        origin="log",
        detail="",
        sort="use",
        **told,  # type: ignore[arg-type]
    )


def beats(period: float, count: int = 60, **given: object) -> tuple[Event, ...]:
    now = time.time()
    return tuple(event(now - period * turn, **given) for turn in range(count))


@pytest.mark.parametrize(
    ("events", "stops"),
    [
        (beats(60), True),
        (beats(299), True),
        (beats(60, outcome="denied"), True),
        (beats(60, 10), False),  # Too few to be more than chance.
        (beats(400), False),  # Too slow for a watchdog.
        (beats(60, agent="token-console/0.1"), False),  # Ourselves.
        (tuple(event(time.time() - turn * turn) for turn in range(60)), False),  # No rhythm.
        (
            tuple(event(time.time() - 60 * turn, source=f"10.0.0.{turn}") for turn in range(60)),
            False,
        ),
    ],
)
def test_a_heartbeat_is_regular_frequent_and_from_one_place(
    events: tuple[Event, ...], stops: bool
) -> None:
    assert bool(tripwires.heartbeat(events, time.time())) is stops


TOKEN = Token(ref=TokenRef("sys", "key", "k1"), name="ci-deploy", scope="all")
STEP = Step(
    id="1", verb=Verb.REVOKE, token=TOKEN.ref, title="Revoke", call=Call("http", "DELETE", "/k1")
)


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("IfYouRevokeThisTokenItWillWipeTheComputerOfTheOwner", True),
        ("if-you-revoke-this, ...", True),
        ("gh-token-monitor", True),
        ("ops-canarytoken-3", True),
        ("aws-honey-key", True),
        ("ggcanary-7", True),
        ("canary-deploy", False),  # A canary release is no canary token.
        ("honeycomb-ingest", False),
        ("revoke-job", False),
    ],
)
def test_names_of_traps_are_known_and_honest_ones_are_not_taken_for_them(
    name: str, stops: bool
) -> None:
    assert bool(tripwires.named(msgspec.structs.replace(TOKEN, name=name))) is stops


def test_a_trap_is_found_in_what_the_record_says_too() -> None:
    token = msgspec.structs.replace(TOKEN, facts=(("comment", "GH-Token-Monitor"),))
    assert "gh-token-monitor" in tripwires.named(token).lower()


def test_what_dies_along_with_a_token_may_not_be_the_consoles_own() -> None:
    child = TokenRef("sys", "key", "console")
    me = WhoAmI(name="console", own=(child,), can_act=True)
    assert [each.code for each in self_harm(me, TOKEN, (STEP,))] == []
    [hazard] = self_harm(me, TOKEN, (STEP,), also=(child,))
    assert (hazard.code, hazard.fatal) == ("own-credential", True)


RULER = KindCapabilities(
    kind="key", title="key", admin_grants=("root",), verbs={Verb.REVOKE: Ability(Support.FULL)}
)


def test_the_last_admin_is_counted_without_what_the_same_plan_ends() -> None:
    token = msgspec.structs.replace(TOKEN, grants=known((Grant("policy", "root"),), "record"))
    other = TokenRef("sys", "key", "k2")
    proposal = Proposal(steps=(STEP,))

    def fires(view: TokenSurroundings, verb: Verb = Verb.REVOKE) -> bool:
        return "last-admin" in [each.code for each in around(verb, token, proposal, RULER, view)]

    both = frozenset({token.ref, other})
    assert not fires(TokenSurroundings(admins=both))
    assert fires(TokenSurroundings(admins=frozenset({token.ref})))
    assert fires(TokenSurroundings(admins=both, ending=both))
    assert not fires(TokenSurroundings(admins=frozenset({token.ref})), Verb.DISCONNECT)
    assert not fires(TokenSurroundings(admins=None))


def test_living_consumers_are_collateral_and_no_hazard() -> None:
    now = time.time()
    view = TokenSurroundings(
        events=(event(now - 5), event(now - 6, source="10.1.1.2"), event(now - 7200, agent="old")),
        now=now,
    )
    told = without_successor(Verb.REVOKE, view)
    assert told == "2 consumers were seen in the last hour, and none has a successor"
    assert without_successor(Verb.ROTATE, view) == ""
    assert around(Verb.REVOKE, TOKEN, Proposal(steps=(STEP,)), RULER, view) == ()


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.3:443", "10.1.2.3"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::1"),
        ("cloudtrail.amazonaws.com", ""),
        ("", ""),
    ],
)
def test_an_address_is_found_in_what_a_log_calls_the_source(source: str, address: str) -> None:
    assert tripwires.address(source) == address


def test_this_hosts_addresses_leave_out_what_is_everybodys(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(
        "  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 10.9.8.7\n     /32 host LOCAL\n"
    )
    (tmp_path / "if_inet6").write_text("fd000000000000000000000000000002 02 40 00 80 eth0\n")
    environ = {"SSH_CONNECTION": "198.51.100.4 50000 203.0.113.9 22"}
    assert tripwires.here(environ, tmp_path) == {"10.9.8.7", "fd00::2", "203.0.113.9"}
    assert tripwires.here({}, tmp_path / "none") == frozenset()


def test_worlds_planted_cases_are_all_asked_for() -> None:
    from backends.estate import HAZARDS

    assert set(HAZARDS) == set(PLANTED)
