"""A graph for tests of the screen: one leaked token, as a real incident has it."""

from datetime import timedelta

import tui_world
from tui_world import HOSTILE, NOW, fill, screen, token, until

from backends.model import ScopeDone, TokenState, known
from console.graph import model
from console.graph.collect.collect import collect
from console.graph.collect.write_links import Fact, Nodes, add, note
from console.settings import GraphSettings, Paths
from console.store.database import open_for_writing, touch

GRANTS = (
    "s3:read-invoices", "s3:write-exports", "kms:decrypt-pii", "sqs:send-billing",
    "rds:connect-ledger", "ec2:describe", "iam:pass-role", "ssm:get-params", "ecr:pull",
    "logs:put", "sns:publish-alerts", "secrets:read-stripe",
)  # fmt: skip
CALLERS = (
    "k8s-prod-us", "k8s-prod-us-2", "gh-actions", "gh-actions-2", "billing-api", "billing-api-2",
    "billing-api-3", "bastion", "ci-runner", "ci-runner-2", "fraud-score", "ledger-sync",
    "lambda-refund", "invoice-pdf", "webhook-gw", "report-mailer", "argo-wf",
)  # fmt: skip
LEAKED = "tok_live_9f3a77c05d21"
STRIPE = "stripe-live"
LONELY = "never-linked"


def build(paths: Paths, more: int = 0) -> Paths:
    """The store with its links. ``more`` consumers make the graph a large one."""
    made = [
        token("vault-prod", f"acc-{number}", name, owner=known(owner, "entity metadata"))
        for number, (name, owner) in enumerate(
            ((LEAKED, "payments"), ("tok_child_a0", "payments"), ("tok_child_b1", "payments"),
             (STRIPE, "acme-fin"), (HOSTILE, HOSTILE)), 1,
        )
    ]  # fmt: skip
    made.append(token("vault-prod", "acc-9", "old-job", state=TokenState.DISABLED))
    still = tui_world.Still("vault-prod", [*made, ScopeDone("root/", len(made))])
    fill(paths, [still])
    engine = open_for_writing(paths.inventory)
    collect(engine, GraphSettings(), now=NOW.timestamp())
    with engine.begin() as connection:
        connection.execute("DELETE FROM link WHERE kind = 'carries'")
        nodes = Nodes(connection)
        nums = [nodes.token(one.ref.handle) for one in made]
        leaked, child_a, child_b, stripe, hostile, _ = nums
        seen = int((NOW - timedelta(minutes=7)).timestamp())
        facts = [Fact(leaked, child, model.PARENT, "configured") for child in (child_a, child_b)]
        facts.append(
            Fact(nodes.who("svc-billing-prod", "service"), leaked, model.SPEAKS, "configured")
        )
        grants = [nodes.grant("vault-prod", "policy", name) for name in GRANTS]
        facts += [Fact(leaked, grant, model.CARRIES, "configured") for grant in grants]
        facts += [Fact(child_a, grant, model.CARRIES, "configured") for grant in grants[:3]]
        for number, name in enumerate(CALLERS):
            use = nodes.use("workload", name)
            by = (leaked, child_a, child_b)[number % 3]
            times = 7800 // (number + 1)
            facts.append(Fact(by, use, model.USED_BY, "observed", seen, times, "audit file"))
        for last in (31, 200):
            use = nodes.use("address", f"10.25.{last}.7")
            facts.append(Fact(leaked, use, model.USED_BY, "observed", seen, 3, "audit file"))
        for number in range(more):
            use = nodes.use("host", f"host-{number:05}")
            facts.append(Fact(leaked, use, model.USED_BY, "observed", seen, 1 + number % 9))
        entry = nodes.use("entry", "secret/stripe", "vault-prod")
        facts.append(Fact(grants[-1], entry, model.OPENS, "configured"))
        facts.append(Fact(stripe, entry, model.KEPT_IN, "declared"))
        facts.append(Fact(stripe, nodes.use("host", "pay-1"), model.USED_BY, "declared"))
        facts.append(Fact(hostile, nodes.use("workload", HOSTILE), model.USED_BY, "observed"))
        add(connection, "audit file", facts)
        note(connection, "asked it", "asked", seen, 0, "leases were refused", "Grant sudo.")
        touch(connection)
    engine.dispose()
    return paths


async def open_graph(pilot, app, name: str = "tok_live") -> None:
    await pilot.press("slash", *name, "enter")
    await until(pilot, lambda: "1 of" in screen(app))
    await pilot.press("g")
    await drawn(pilot, app)


async def drawn(pilot, app) -> None:
    """Until the newest wish is what is shown."""
    await until(
        pilot,
        lambda: (
            app.screen.view != "graph"
            or (app.screen.picture is not None and app.screen.picture.wanted == app.screen.wanted)
        ),
    )


async def press(pilot, app, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await drawn(pilot, app)
