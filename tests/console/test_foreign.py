"""Backends of others: whatever is wrong with one is a row that names it, and the rest goes on."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import tui_world
from foreign_site import Site
from tui_world import screen, settled

from backends import plugins, registry
from backends.estate import create
from console import cli, contact, settings
from console.store import upkeep
from console.tui.shell.application import ConsoleApp

GROUP = registry.TYPES.group
SOUND = """
from backends.contract import Backend, Capabilities, Health, WhoAmI
from backends.errors import Unsupported

class Sound(Backend):
    title = "Sound"
    needs_credential = False
    def capabilities(self): return Capabilities(kinds=())
    async def health(self): return Health(version="9")
    async def whoami(self): return WhoAmI(name="me")
    async def inventory(self):
        for nothing in (): yield nothing
    async def read(self, ref): raise Unsupported("no")
    async def plan(self, verb, token): raise Unsupported("no")
    async def perform(self, step): raise Unsupported("no")
"""

MODULES = {
    "f_sound": SOUND,
    "f_import": "raise ValueError('half an edit')",
    "f_exits": "import sys; sys.exit(3)",
    "f_library": "import no_such_library_at_all",
    "f_missing": "from backends.contract import Backend\nclass Sound(Backend):\n    title = 'x'\n",
    "f_newer": SOUND + "\nSound.contract = 99\n",
    "f_unread": SOUND + "\nSound.contract = '1'\n",
    "f_init": SOUND + "\nSound.__init__ = lambda self, config: {}['canary-secret']\n",
    "f_capable": SOUND + "\nSound.capabilities = lambda self: {}['canary-secret']\n",
    "f_nothing": SOUND + "\nSound.capabilities = lambda self: None\n",
    "f_health": SOUND
    + "\nasync def bad(self): raise KeyError('canary-secret')\nSound.health = bad\n",
    "f_leaves": SOUND + "\nasync def bad(self): raise SystemExit(9)\nSound.health = bad\n",
    "f_gives_up": SOUND
    + "\nimport asyncio\nasync def bad(self): raise asyncio.CancelledError\nSound.health = bad\n",
}
AT_ONCE = {
    "f_import": "ValueError: half an edit",
    "f_exits": "SystemExit",
    "f_library": "'no_such_library_at_all'",
    "f_missing": "misses what every backend must have: capabilities, health, inventory, perform",
    "f_newer": "was written for a newer contract: version 99, and this console takes 1 to 2",
    "f_unread": "states no contract version that can be read",
    "f_init": "cannot be made from its table: KeyError",
    "f_capable": "cannot say what it can do: KeyError",
    "f_nothing": "declares a NoneType instead of capabilities",
}
"""What is seen without asking the system, by the module."""
LATER = {"f_health": "KeyError", "f_leaves": "SystemExit", "f_gives_up": "CancelledError"}
"""What is seen when the system is asked."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path / "site", monkeypatch)
    for name, text in MODULES.items():
        made.module(name, text)
    contact._clash.cache_clear()
    return made


@pytest.fixture
def home(tmp_path: Path, site: Site) -> Path:
    """One good backend of ours, one good one of others, and all the bad ones before and after."""
    site.install("latchkey-console", GROUP, **{name: f"{name}:Sound" for name in MODULES})
    estate = tmp_path / "estate.db"
    create(estate, tokens=40, systems=("cloud",))
    rows = [f'[backend.{name.replace("_", "-")}]\ntype = "{name}"\n' for name in sorted(MODULES)]
    rows.insert(5, f'[backend.ours]\ntype = "estate"\npath = "{estate}"\nsystem = "cloud"\n')
    where = settings.paths(tmp_path / "home")
    where.make()
    where.config.parent.mkdir(parents=True, exist_ok=True)
    where.config.write_text("\n".join(rows))
    return tmp_path / "home"


def run(home: Path, *words: str) -> int:
    return cli.main(["--home", str(home), *words])


def test_config_check_names_each_and_goes_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "config", "check") == 2
    told = capsys.readouterr()
    rows = dict(line.split(": ", 1) for line in told.out.splitlines() if ": " in line)
    for name, why in AT_ONCE.items():
        row = rows[name.replace("_", "-")]
        assert "CANNOT BE USED" in row
        assert why in row
        assert "latchkey-console 0.3" in row, "the distribution and its version"
    assert rows["ours"] == "estate"
    assert rows["f-sound"] == "f_sound of latchkey-console 0.3"
    assert told.err.count("tell https://example.com/latchkey-console/issues") >= len(AT_ONCE)
    assert "canary" not in told.out + told.err


def test_backends_and_sync_show_each_and_go_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "backends", "--json") == 3
    told = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(told) == {"ours", *(name.replace("_", "-") for name in MODULES)}
    for name, why in {**AT_ONCE, **LATER}.items():
        row = told[name.replace("_", "-")]
        assert row["state"] == "failed"
        assert why in row["error"]
        assert "latchkey-console 0.3" in row["error"] + row["hint"]
        assert "https://example.com/latchkey-console/issues" in row["hint"]
    assert told["ours"]["state"] == told["f-sound"]["state"] == "ok"

    assert run(home, "sync") == 3
    out, err = capsys.readouterr()
    rows = dict(line.split(": ", 1) for line in out.splitlines())
    assert set(rows) == set(told)
    assert rows["ours"].startswith("ok")
    assert all(rows[name.replace("_", "-")].startswith("failed") for name in AT_ONCE)
    assert "latchkey-console 0.3" in err
    assert "canary" not in out + err


def test_the_screen_has_a_row_for_each(home: Path) -> None:
    where = settings.paths(home)
    assert run(home, "sync") == 3
    app = ConsoleApp(where, settings.load(where.config), act=False, now=tui_world.NOW.timestamp)

    async def steps(pilot) -> None:  # type: ignore[no-untyped-def]
        await pilot.press("b")
        await settled(pilot)
        shown = ""
        for _ in range(len(MODULES) + 1):
            shown += screen(app)
            await pilot.press("down")
            await settled(pilot)
        for name in (*MODULES, "ours"):
            assert f" {name.replace('_', '-')} " in shown
        assert "newer contract: version 99" in shown.replace("\n", " ")
        assert "latchkey-console" in shown

    tui_world.drive(app, steps, (120, 40))


def test_what_was_never_looked_at_is_on_the_screen(home: Path) -> None:
    where = settings.paths(home)
    upkeep.bring_up_to_date(where.inventory)
    app = ConsoleApp(where, settings.load(where.config), act=False, now=tui_world.NOW.timestamp)
    app.world.look()
    assert {state.name for state in app.world.backends} == {
        "ours",
        *(name.replace("_", "-") for name in MODULES),
    }
    app.world.close()


def test_a_built_in_is_never_replaced_and_the_clash_is_said(
    home: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.install("better-estate", GROUP, estate="f_sound:Sound")
    site.install("other-latch", GROUP, f_sound="f_sound:Sound")
    from backends.estate import Estate

    assert registry.TYPES.load("estate") is Estate
    assert run(home, "config", "check") == 2
    told = capsys.readouterr()
    assert "better-estate 0.3 calls itself 'estate' too: the built-in one is used" in told.err
    both = "latchkey-console 0.3 and other-latch 0.3 all call themselves 'f_sound'"
    assert both in told.err
    assert "none of them is used" in told.err

    assert run(home, "backends") == 3
    out = capsys.readouterr().out
    assert "ours: up" in out
    assert "note: better-estate 0.3 calls itself 'estate' too: the built-in one is used" in out
    assert "f-sound: FAILED: " in out

    assert run(home, "sync") == 3
    assert "better-estate 0.3 calls itself 'estate' too" in capsys.readouterr().err


def test_a_name_of_ours_leads_nowhere_else(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where our own entry point is not there."""
    from backends.openbao import OpenBao

    site.install("better-bao", GROUP, openbao="f_sound:Sound")
    points = [EntryPoint("openbao", "f_sound:Sound", GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group, name=None: points)
    assert registry.TYPES.load("openbao") is OpenBao
    assert "calls itself 'openbao' too: the built-in one is used" in registry.TYPES.clash("openbao")


def test_what_is_built_in_is_there_without_the_metadata_of_an_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tree that is not installed, or an environment that its user may not read."""
    monkeypatch.setattr(plugins, "entry_points", lambda group, name=None: [])
    assert registry.TYPES.names() == sorted(registry.TYPES.built_in)
    for name in registry.TYPES.built_in:
        assert registry.TYPES.load(name).contract
        assert registry.TYPES.clash(name) == ""


SINK = """
from backends.contract import Call
from backends.sinks.contract import Sink
class Drop(Sink):
    type_name = title = "drop"
    def call(self, token): return Call("drop", "PUT", token.ref.handle)
    async def check(self, step): return ""
    async def _deliver(self, call, value): raise KeyError("canary-secret")
"""
SOURCE = """
from backends.logs.source import Source
class Log(Source):
    type_name = title = "log"
    options = ()
    def read(self, places, learned):
        {how}
        yield
"""


def test_sinks_and_log_sources_of_others_are_rows_too(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.module("g_drop", SINK)
    site.module("g_log", SOURCE.format(how="raise KeyError('canary-secret')"))
    site.module("g_left", SOURCE.format(how="raise SystemExit(9)").replace('"log"', '"g_left"'))
    sinks, logs = "token_console.sinks", "token_console.log_sources"
    site.install("latchkey-sinks", sinks, g_drop="g_drop:Drop", g_bad="f_import:Drop")
    site.install("latchkey-logs", logs, log="g_log:Log", g_left="g_left:Log", g_bad="f_exits:Log")
    estate = tmp_path / "estate.db"
    create(estate, tokens=40, systems=("cloud",))
    where = settings.paths(tmp_path / "home")
    where.make()
    where.config.parent.mkdir(parents=True, exist_ok=True)
    good = f'[backend.ours]\ntype = "estate"\npath = "{estate}"\nsystem = "cloud"\n'
    rows = [f'[sink.{name.replace("_", "-")}]\ntype = "{name}"\n' for name in ("g_bad", "g_drop")]
    for name in ("g_bad", "g_left", "log"):
        rows.append(f'[source.{name.replace("_", "-")}]\ntype = "{name}"\nbackend = "ours"\n')
    where.config.write_text(good + "".join(rows))

    assert run(tmp_path / "home", "config", "check") == 2
    out, err = capsys.readouterr()
    assert "sink g-drop: g_drop of latchkey-sinks 0.3\n" in out
    assert "source log: log of latchkey-logs 0.3\n" in out
    assert "sink g-bad: the sink 'g_bad' of latchkey-sinks 0.3 cannot be imported: Val" in err
    assert "source g-bad: the log source 'g_bad' of latchkey-logs 0.3 cannot be imported" in err
    assert "tell https://example.com/latchkey-logs/issues" in err

    assert run(tmp_path / "home", "ingest") != 0
    out, err = capsys.readouterr()
    assert "canary" not in out + err
    for name, why in (("log", "KeyError"), ("g_left", "SystemExit")):
        assert f"the log source '{name}' of latchkey-logs 0.3 failed with {why}" in out + err
    assert "'g_bad' of latchkey-logs 0.3 cannot be imported: SystemExit" in out + err
