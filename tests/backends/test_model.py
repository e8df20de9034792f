"""Secrets that cannot be shown, readings that cannot be confused."""

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from backends.model import (
    Grant,
    How,
    Principal,
    Reading,
    Secret,
    Token,
    TokenRef,
    decode,
    encode,
    known,
    never,
    not_permitted,
    not_read,
    not_tracked,
)

CANARY = "hvs.canary-2718281828"


def test_no_ordinary_way_of_looking_shows_a_secret() -> None:
    secret = Secret(CANARY)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr([secret])):
        assert CANARY not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        encode(secret)


def test_a_fingerprint_joins_equal_secrets_under_one_key_only() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert Secret(CANARY).fingerprint(b"k") == Secret(CANARY).fingerprint(b"k")
    assert Secret(CANARY).fingerprint(b"k") != Secret(CANARY).fingerprint(b"other")
    assert CANARY not in Secret(CANARY).fingerprint(b"k")


def test_a_reading_without_a_value_cannot_claim_to_be_known() -> None:
    with pytest.raises(ValueError, match="known"):
        Reading(How.KNOWN)
    with pytest.raises(ValueError, match="never"):
        Reading(How.NEVER, "yesterday")


def test_the_four_ways_of_not_knowing_survive_json() -> None:
    at = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    token = Token(
        ref=TokenRef("vault-prod", "service-token", "acc\x1b]52;c;x\x07"),
        name="[/red] \u202e",
        scope="root",
        principal=known(Principal("e1", "ci", "entity"), "entity"),
        owner=never("no tag"),
        created_at=known(at, "lookup", at, timedelta(seconds=1)),
        last_used_at=not_tracked("no such field"),
        last_used_from=not_permitted("needs sudo"),
        expires_at=not_read(),
        grants=known((Grant("policy", "admin", on="secret/*", via="entity ci"),), "lookup"),
        parent=known(TokenRef("vault-prod", "service-token", "p"), "audit"),
        facts=(("orphan", "true"),),
    )
    assert decode(encode(token), Token) == token


def test_a_handle_is_safe_to_print_and_differs_between_backends() -> None:
    one = TokenRef("a", "k", "\x1b[2J")
    assert one.handle.isalnum()
    assert len(one.handle) == 12
    assert one.handle != TokenRef("b", "k", "\x1b[2J").handle
    assert TokenRef("a", "k", "\ud800").handle
