"""What the console says a token may do, against what the server itself says.

The server answers ``sys/capabilities-accessor`` from its own code; the console answers from the
policies' texts. Policies are generated so that exact paths, globs, open segments, denies, paths
without any capability, templates and several policies for one path overlap as often as can be.
"""

from __future__ import annotations

import json
import random
from itertools import product
from typing import Any, NamedTuple

import httpx
import pytest
from openbao_fixture import Made, backend, server, using, with_token

from backends.lab.openbao import READER, OpenBaoServer
from backends.model import Token
from backends.openbao import OpenBao
from backends.openbao.policies.stanza import CAPABILITIES
from backends.permissions import Decision, Permissions

__all__ = ["server"]
pytestmark = pytest.mark.lab

SEED = 20_261_130
POLICIES = 60
TOKENS = 30
PATHS = 40
SEGMENTS = ("a", "b", "ab", "abc", "+b", "c-d", "é", "")
TEMPLATES = (
    "{{identity.entity.id}}", "{{identity.entity.name}}", "{{ identity.entity.metadata.team }}",
    "{{identity.entity.metadata.absent}}", "{{identity.groups.names.crew.id}}",
    "{{identity.groups.names.crew.name}}", "{{identity.groups.names.others.name}}",
)  # fmt: skip
FORMS = ("hcl", "hcl", "json", "legacy")


class Person(NamedTuple):
    id: str
    name: str
    group: str


def _pattern(chance: random.Random) -> str:
    parts = [chance.choice(SEGMENTS) for _ in range(chance.randint(1, 4))]
    for at in range(len(parts)):
        kind = chance.random()
        if kind < 0.25:
            parts[at] = "+"
        elif kind < 0.4:
            parts[at] = chance.choice(TEMPLATES)
    path = "/".join(parts)
    if chance.random() < 0.45 and not path.endswith("+"):
        path += "*" if chance.random() < 0.6 else "/*"
    return path or "*"


def _policy(chance: random.Random) -> str:
    form = chance.choice(FORMS)
    stanzas = {}
    for _ in range(chance.randint(1, 6)):
        given = chance.sample(CAPABILITIES, chance.randint(0, 6))
        if chance.random() < 0.15:
            given.append("deny")
        stanzas[_pattern(chance)] = given
    if form == "json":
        return json.dumps({"path": {path: {"capabilities": c} for path, c in stanzas.items()}})
    if form == "legacy":
        words = ("deny", "read", "write", "sudo")
        return "\n".join(
            f'path "{path}" {{ policy = "{chance.choice(words)}" }}' for path in stanzas
        )
    return "# generated\n" + "\n".join(
        f'path "{path}" {{ /* x */ capabilities = {json.dumps(given)[:-1]}{"," * bool(given)}] }}'
        for path, given in stanzas.items()
    )


def _path(chance: random.Random, person: Person | None, permissions: Permissions) -> str:
    if permissions.rows and chance.random() < 0.5:
        # Close to a rule of its own, since by chance alone nearly all is refused.
        pattern = chance.choice(permissions.rows).resource
        ending = chance.choice(("", "a", "abc/b", "/zz"))
        path = pattern.replace("*", ending).replace("+", chance.choice(("a", "zz")))
        return path.lstrip("/") or "a"
    known = ["a", "b", "ab", "abc", "abcd", "+b", "c-d", "é", "", "zz", "crew", "red"]
    if person is not None:
        known += [person.id, person.name, person.group]
    path = "/".join(chance.choice(known) for _ in range(chance.randint(1, 5)))
    return path.lstrip("/") or "a"


def _put(root: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """The data of an answer to root, on a connection that stays open."""
    answer = root.post(path, json=body)
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.content else {}


@pytest.fixture(scope="module")
def holders(server: OpenBaoServer) -> list[tuple[Made, Person | None]]:
    """Tokens with generated policies, half of them with an entity and its group."""
    chance = random.Random(SEED)
    names = [f"gen-{number}" for number in range(POLICIES)]
    made: list[tuple[Made, Person | None]] = []
    with server.client() as root:
        for name in names:
            _put(root, f"sys/policies/acl/{name}", {"policy": _policy(chance)})
        people = [_person(root, number, chance.sample(names, 2)) for number in range(2)]
        for number in range(TOKENS):
            policies = chance.sample(names, chance.randint(1, 5))
            person = people[number // 2 % 2] if number % 2 else None
            path = "auth/token/create-orphan"
            body: dict[str, Any] = {"policies": policies, "no_default_policy": number % 3 == 0}
            if person is not None:
                path, body["entity_alias"] = f"auth/token/create/{person.name}", person.name
            auth = _put(root, path, body)["auth"]
            made.append((Made(auth["client_token"], auth["accessor"]), person))
    return made


def _person(root: httpx.Client, number: int, policies: list[str]) -> Person:
    name = f"person-{number}"
    body = {"name": name, "metadata": {"team": "red"}, "policies": policies[:1]}
    entity = _put(root, "identity/entity", body)["data"]["id"]
    accessor = root.get("sys/auth").json()["data"]["token/"]["accessor"]
    alias = {"name": name, "canonical_id": entity, "mount_accessor": accessor}
    _put(root, "identity/entity-alias", alias)
    group = {"name": "crew" if number else "gang", "member_entity_ids": [entity]}
    group_id = _put(root, "identity/group", group | {"policies": policies[1:]})["data"]["id"]
    role = {"allowed_policies_glob": ["*"], "allowed_entity_aliases": [name], "orphan": True}
    _put(root, f"auth/token/roles/{name}", role)
    return Person(entity, name, group_id)


Asked = tuple[str, str, str, bool, Decision]
"""Whose, which capability, where, the server's answer and the console's."""


def _answers(
    server: OpenBaoServer, holders: list[tuple[Made, Person | None]], **changes: Any
) -> tuple[list[Asked], int]:
    """Both answers to many questions, and how many gaps the console told of."""
    chance = random.Random(SEED + 1)
    asked: list[Asked] = []
    gaps = 0

    async def compare(bao: OpenBao) -> None:
        nonlocal gaps
        with server.client() as root:
            for made, person in holders:
                permissions = await bao.permissions(Token(ref=made.ref, name="", scope=""))
                gaps += len(permissions.gaps)
                paths = sorted({_path(chance, person, permissions) for _ in range(PATHS)})
                # The server adds a slash to a listing's path, so that is asked for.
                asking = [*paths, *(f"{path.rstrip('/')}/" for path in paths)]
                body = {"accessor": made.accessor, "paths": asking}
                told = _put(root, "sys/capabilities-accessor", body)["data"]
                for path, action in product(paths, CAPABILITIES):
                    listing = action in ("list", "scan")
                    if not listing and path.endswith("/"):
                        # The server answers for a listing, and others have no such fall-back.
                        continue
                    where = f"{path.rstrip('/')}/" if listing else path
                    decision = bao.permits(permissions, action, where).decision
                    asked.append((made.accessor, action, where, action in told[where], decision))

    using(backend(server, **changes), compare)
    return asked, gaps


def test_the_console_answers_as_the_server_does(
    server: OpenBaoServer,
    holders: list[tuple[Made, Person | None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked, gaps = _answers(server, holders)
    said = {True: Decision.ALLOWED, False: Decision.DENIED}
    wrong = [one for one in asked if one[-1] is not said[one[-2]]]
    allowed = sum(one[-2] for one in asked)
    with capsys.disabled():
        print(f"\n{len(asked) - len(wrong)} of {len(asked)} answers agree; {allowed} are yes")
    assert gaps == 0
    assert not wrong, wrong[:20]
    assert len(asked) > 5_000
    few = len(asked) * 0.2
    assert few < allowed < len(asked) - few, "a test in which all is denied shows nothing"


def test_a_console_that_sees_less_says_less_and_nothing_wrong(
    server: OpenBaoServer,
    holders: list[tuple[Made, Person | None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It may not read entities, groups, and every sixth of the policies."""
    lines = [line for line in READER.splitlines() if '"identity/' not in line]
    lines += [
        f'path "sys/policies/acl/gen-{number}" {{ capabilities = ["deny"] }}'
        for number in range(0, POLICIES, 6)
    ]
    with server.client() as root:
        _put(root, "sys/policies/acl/half-blind", {"policy": "\n".join(lines)})
    asked, gaps = _answers(server, holders, read=with_token(server, "halfblind", ["half-blind"]))
    never = {True: Decision.DENIED, False: Decision.ALLOWED}
    wrong = [one for one in asked if one[-1] is never[one[-2]]]
    sure = sum(one[-1] in never.values() for one in asked)
    with capsys.disabled():
        print(f"\n{sure} of {len(asked)} answers are sure; {len(wrong)} of them are wrong")
    assert gaps
    assert not wrong, wrong[:20]
    assert 0.1 * len(asked) < sure < len(asked), "who is never sure is never wrong"
