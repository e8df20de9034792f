"""An owner assigned through the worker: on the record first, then in the inventory."""

import asyncio

import pytest
import tui_graph_scene as scene
import tui_world as world

from console.errors import ConsoleError
from console.fleet import Fleet
from console.inventory.search.inventory import Inventory
from console.journal.read.view import JournalView
from console.settings import Settings
from console.worker.acts import Acts

REASON = "agreed with Ana today"


def ask(paths, act: bool, **fields: str) -> dict[str, str]:
    async def run() -> dict[str, str]:
        async with Fleet(Settings(paths.config, 30, 7, (), (), ()), paths, act=act) as fleet:
            return await Acts(fleet).requests["owner"](fields)

    return asyncio.run(run())


def test_an_owner_is_journaled_and_the_list_has_it(tmp_path) -> None:
    paths = scene.build(world.where(tmp_path))
    inventory = Inventory(paths.inventory)
    (row,) = inventory.find(scene.STRIPE)
    reply = ask(paths, True, handle=row.handle, owner="ledger", reason=REASON)
    assert reply["says"].startswith("ledger answers for it now")
    (row,) = inventory.find(scene.STRIPE)
    assert row.owner == "ledger"
    inventory.close()
    view = JournalView(paths.journal)
    (entry,) = [one for one in view.entries(10) if one.id == reply["entry"]]
    assert entry.why == REASON
    view.close()


@pytest.mark.parametrize(("act", "owner"), [(False, "ledger"), (True, "  ")])
def test_nothing_is_assigned_read_only_or_to_nobody(tmp_path, act, owner) -> None:
    paths = scene.build(world.where(tmp_path))
    inventory = Inventory(paths.inventory)
    (row,) = inventory.find(scene.STRIPE)
    with pytest.raises(ConsoleError):
        ask(paths, act, handle=row.handle, owner=owner, reason=REASON)
    assert inventory.find(scene.STRIPE)[0].owner == "acme-fin"
    inventory.close()
