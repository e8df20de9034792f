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
from openbao_fixture import Made, backend, server, using

from backends.lab.openbao import OpenBaoServer
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


def test_the_console_answers_as_the_server_does(
    server: OpenBaoServer,
    holders: list[tuple[Made, Person | None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(SEED + 1)
    asked, wrong, allowed = 0, [], 0

    async def compare(bao: OpenBao) -> None:
        nonlocal asked, allowed
        with server.client() as root:
            for made, person in holders:
                permissions = await bao.permissions(Token(ref=made.ref, name="", scope=""))
                assert permissions.gaps == ()
                paths = sorted({_path(chance, person, permissions) for _ in range(PATHS)})
                # The server adds a slash to a listing's path, so that is asked for.
                asking = [*paths, *(f"{path.rstrip('/')}/" for path in paths)]
                body = {"accessor": made.accessor, "paths": asking}
                told = root.post("sys/capabilities-accessor", json=body).json()["data"]
                for path, action in product(paths, CAPABILITIES):
                    listing = action in ("list", "scan")
                    if not listing and path.endswith("/"):
                        # The server answers for a listing, and others have no such fall-back.
                        continue
                    where = f"{path.rstrip('/')}/" if listing else path
                    truth = action in told[where]
                    answer = bao.permits(permissions, action, where)
                    asked, allowed = asked + 1, allowed + truth
                    if answer.decision is not (Decision.ALLOWED if truth else Decision.DENIED):
                        wrong.append((made.accessor, action, where, truth, answer.decision.value))

    using(backend(server), compare)
    with capsys.disabled():
        print(f"\n{asked - len(wrong)} of {asked} answers agree; {allowed} of them are yes")
    assert not wrong, wrong[:20]
    assert asked > 5_000
    assert asked * 0.2 < allowed < asked * 0.9, "a test in which all is denied shows nothing"
