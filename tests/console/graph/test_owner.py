"""Claims and their precedence, orphans, assignment by hand, who leaves, CODEOWNERS."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from scripted import Desk, Scripted, listing, token

from backends.model import Consumer, Dependents, Principal, known, never, not_tracked
from console.errors import UsageError
from console.graph import graph, owners
from console.graph.collect import codeowners
from console.graph.collect.assign import assign
from console.graph.collect.collect import answered, collect
from console.graph.owners import Claim, resolve
from console.inventory.search import query
from console.inventory.search.inventory import Sort
from console.journal.write.journal import Journal
from console.settings.graph import GraphSettings
from console.store import reading

REASON = "agreed with Ana in the review"


def listed(desk: Desk, text: str) -> list[str]:
    with desk.reading() as inventory:
        return [row.id for row in inventory.window(query.parse(text), Sort(), 0, 100)]


def owned(desk: Desk, handle: str) -> owners.Ownership:
    with closing(reading.connect(desk.path)) as connection:
        return owners.ownership(connection, handle)


def test_hand_beats_file_beats_backend_and_hints_only_suggest() -> None:
    hint = Claim("bob", "person", "hint", "made")
    backend = Claim("ops", "team", "backend", "vault")
    file = Claim("payments", "team", "declared", "owners.toml")
    older, newer = (Claim(n, "team", "hand", "journal", at) for n, at in (("x", 1), ("y", 2)))
    assert resolve([hint], {}).owner == ""
    assert resolve([hint], {}).suggested == "bob"
    assert resolve([hint], {}).orphan == "nobody claims it"
    assert resolve([hint, backend], {}).owner == "ops"
    assert resolve([backend, file, hint], {}).owner == "payments"
    assert resolve([backend, older, file, newer], {}).owner == "y"
    assert not resolve([older, newer], {}).disputed
    assert resolve([file, file._replace(owner="ledger")], {}).disputed
    assert resolve([backend], {"ops": "has left"}).orphan == "its owner has left"
    both = [file, file._replace(owner="ledger")]
    assert resolve(both, {"payments": "has left"})[:1] == ("ledger",)


def test_the_list_finds_what_holds_after_all_claims(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    none, left = token("none", owner=never("tag")), token("left", owner=known("Mallory", "tag"))
    untracked = token("untracked", owner=not_tracked())
    tokens = listing(none, left, untracked, token("ok"))
    desk.sync(Scripted(tokens))
    path = tmp_path / "owners.toml"
    path.write_text('left = ["mallory"]\n[[owner]]\nname = "ledger"\ntokens = ["vault/none"]\n')
    settings = GraphSettings(owners=(path,))
    collect(desk.engine, settings)
    assert listed(desk, "owner:none") == []
    assert listed(desk, "owner:ledger") == ["none"]
    assert listed(desk, "ledger") == ["none"]
    assert sorted(listed(desk, "is:orphan")) == ["left", "untracked"]
    with closing(reading.connect(desk.path)) as connection:
        why = {one.name: one.why for one in owners.orphans(connection)}
    assert why["name of left"] == "its owner has left"
    assert why["name of untracked"] == "nobody claims it"
    # Another look at the backend, and the files, do not undo it; the file's end does.
    desk.sync(Scripted(listing(token("none", owner=never("tag"), name="new name"), left)))
    collect(desk.engine, settings)
    assert listed(desk, "owner:ledger") == ["none"]
    path.unlink()
    collect(desk.engine, settings)
    assert listed(desk, "owner:ledger") == []
    assert listed(desk, "ledger") == []
    assert listed(desk, "owner:none") == ["none"]
    assert listed(desk, "owner:mallory") == ["left"]


def test_an_assignment_is_journaled_first_and_its_claim_refers_to_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("a")
    desk.sync(Scripted(listing(one)))
    with Journal(tmp_path / "journal.db") as journal:
        with pytest.raises(UsageError):
            assign(desk.engine, journal, one.ref.handle, "ledger", "short")
        assert owned(desk, one.ref.handle).how == ""
        entry = assign(desk.engine, journal, one.ref.handle, "ledger", REASON)
        written = [found for found in journal.entries() if found.id == entry]
    assert written[0].why == REASON
    found = owned(desk, one.ref.handle)
    assert (found.owner, found.how, found.claims[0].entry) == ("ledger", "hand", entry)
    assert listed(desk, "owner:ledger") == ["a"]
    collect(desk.engine, GraphSettings())
    assert listed(desk, "owner:ledger") == ["a"]


def test_a_disabled_principal_that_owns_makes_orphans(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    person = known(Principal("1", "ana", "user", True), "record")
    desk.sync(Scripted(listing(token("a", owner=known("ana", "tag"), principal=person))))
    collect(desk.engine, GraphSettings())
    assert listed(desk, "is:orphan") == ["a"]


def test_leaves_tells_what_dies_breaks_and_is_orphaned(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    hers = token("hers", principal=known(Principal("1", "ana", "user"), "record"))
    child = token("child", parent=known(hers.ref, "record"))
    kept = token("kept", owner=known("ana", "tag"))
    desk.sync(Scripted(listing(hers, child, kept)))
    answered(desk.engine, child.ref, Dependents((Consumer("shop", "workload"),)))
    collect(desk.engine, GraphSettings())
    with closing(reading.connect(desk.path)) as connection:
        whole = graph.load(connection)

    def names(nums: list[int]) -> list[str]:
        return [whole.nodes[num].name for num in nums]

    loss = owners.leaves(whole, "Ana")
    assert names(loss.dies) == ["name of hers", "name of child"]
    assert names(loss.breaks) == ["shop"]
    assert names(loss.orphaned) == ["name of kept"]
    assert names(owners.leaves(whole, "shop").unused) == ["name of child"]
    assert len(owners.leaves(whole, "vault").dies) == 3
    assert not any(owners.leaves(whole, "nobody"))


CODEOWNERS = """\
# everything
*                 @org/platform   # a remark
/aws-main/        @org/cloud
aws-main/ci-*     @org/ci ana@example.com
**/legacy         @old
/vault/team\\ one  @one
/vault/free
/pg/*             @dba
[Audit][2] @audit
vault/
[Other]
**/deep/**/x      @x
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gitlab/any", ["@org/platform"]),
        ("aws-main/key", ["@org/cloud"]),
        ("aws-main/ci-7", ["@org/ci", "ana@example.com"]),
        ("eu/aws-main/key", ["@org/platform"]),
        ("any/legacy", ["@old"]),
        ("vault/team one", ["@one", "@audit"]),
        ("vault/free", ["@audit"]),
        ("pg/role", ["@dba"]),
        ("pg/a/b", ["@org/platform"]),
        ("a/deep/b/c/x", ["@org/platform", "@x"]),
        ("a/deep/x", ["@org/platform", "@x"]),
    ],
)
def test_codeowners_forms(path: str, expected: list[str]) -> None:
    rules, wrong = codeowners.parse(CODEOWNERS)
    assert not wrong
    assert [owner for owner, _ in codeowners.owners(rules, path)] == expected


def test_a_negation_is_told_and_a_codeowners_file_claims(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    one = token("a", name="ci-1")
    desk.sync(Scripted(listing(one)))
    path = tmp_path / "CODEOWNERS"
    path.write_text("!vault/x @a\n/vault/ci-* @org/ci\n")
    collect(desk.engine, GraphSettings(owners=(path,)))
    found = owned(desk, one.ref.handle)
    assert (found.owner, found.kind, found.origin) == ("@org/ci", "team", f"{path}:2")
    with closing(reading.connect(desk.path)) as connection:
        assert any("line 1: CODEOWNERS knows no" in line for line in graph.unknowns(connection))
