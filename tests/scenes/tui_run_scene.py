"""Runs for tests of the screen: a plan's file, and the entries that an engine would write."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from backends.contract import Call, Proposal, Step, Verb
from backends.model import EvidenceLevel, Token, TokenRef, known
from console.journal.format.entry import Kind, Out, PlanMark, RunMark, uuid7
from console.journal.write.journal import Journal
from console.response.plan import entry_parts, file
from console.response.plan.model import Plan, PlanItem, digest

RECORDED, REFUSED = 2, 3


def item(number: int, verb: Verb, name: str, backend: str, **more: Any) -> PlanItem:
    ref = TokenRef(backend, "key", f"k{number}")
    step = Step(
        id=f"{number}.act",
        verb=verb,
        token=ref,
        title="end it",
        call=Call("http", "DELETE", f"/keys/{number}"),
        expect="gone",
    )
    proposal = Proposal(steps=(step,), hazards=more.pop("hazards", ()))
    if manual := more.pop("manual", ""):
        proposal = Proposal(steps=(), manual=manual)
    return PlanItem(
        number=number,
        verb=verb,
        token=Token(ref=ref, name=name, scope="all", owner=known("payments", "tag")),
        backend=backend,
        kind_title="key",
        proposal=proposal,
        ceiling=EvidenceLevel.SILENT,
        **more,
    )


class Run:
    """A run whose entries a test writes, one after the other."""

    def __init__(
        self, paths: Any, items: Iterable[PlanItem], *, approved: bool = True, **more: Any
    ):
        self.paths = paths
        items = tuple(items)
        given: dict[str, Any] = {
            "verb": items[0].verb,
            "reason": "leaked in a public repo",
            "incident": "INC-7",
            "rates": {each.backend: 5.0 for each in items},
        } | more
        self.plan = Plan(id=uuid7(), made_at=datetime.now(UTC), items=items, **given)
        paths.make()
        file.save(self.plan, paths)
        if approved:
            mark = PlanMark(sha256=digest(self.plan), steps=self.plan.steps, tokens=len(items))
            act = entry_parts.act(self.plan.verb.value, items[0].token)
            self.say(Kind.PLAN, id=self.plan.id, why=self.plan.reason, act=act, plan=mark)

    def say(self, kind: Kind, **fields: Any) -> str:
        with Journal(self.paths.journal) as journal:
            return journal.append(kind, **fields).id

    def decide(self, what: str, number: int = 0, **fields: Any) -> None:
        found = self.plan.item(number)
        act = (
            entry_parts.act(self.plan.verb.value, found.token, plan=self.plan.id) if found else None
        )
        why = fields.pop("why", "")
        late = fields.pop("late", None)
        if late is not None:
            act = entry_parts.act(self.plan.verb.value, late, plan=self.plan.id)
        mark = RunMark(plan=self.plan.id, what=what, item=number, **fields)
        kind = Kind.BREAKGLASS if what == "breakglass" else Kind.RUN
        self.say(kind, why=why, act=act, run=mark)

    def end(self, numbers: Iterable[int], level: int = REFUSED, state: str = "applied") -> None:
        """Carry items out: intents, outcomes, and, where they were done, evidence."""
        plan, why = self.plan, self.plan.reason
        acts = []
        for number in numbers:
            found = plan.item(number)
            acts.append(
                entry_parts.act(plan.verb.value, found.token, found.proposal.steps[0], plan.id)
            )
        with Journal(self.paths.journal) as journal:
            intents = journal.append_each(
                [journal.draft(Kind.INTENT, why=why, act=act) for act in acts]
            )
            rest = []
            for act, intent in zip(acts, intents, strict=True):
                detail = "" if state == "applied" else "two keys exist"
                out = Out(ref=intent.id, state=state, how="answer", detail=detail)
                rest.append(journal.draft(Kind.OUTCOME, act=act, out=out))
                if state == "applied":
                    out = Out(ref=intent.id, state="seen", how="read", evidence=level)
                    rest.append(journal.draft(Kind.EVIDENCE, act=act, out=out))
            journal.append_each(rest)


def revoke(paths: Any, names: Iterable[str], backend: str = "vault-prod", **more: Any) -> Run:
    items = [item(n, Verb.REVOKE, name, backend) for n, name in enumerate(names, 1)]
    return Run(paths, items, **more)


def stranger(name: str = "late-one", backend: str = "vault-prod") -> Token:
    """A token that a principal in scope made after the scope was frozen."""
    return Token(ref=TokenRef(backend, "key", "late"), name=name, scope="all")
