"""Backends, journal, help; and hostile text on every one of the views."""

import unicodedata

import pytest
import tui_world as world
from tui_world import HOSTILE, drive, fill, screen, settled, until

from console.journal.format.entry import Act, CallMark, Kind, Out, Target, uuid7
from console.journal.write.journal import Journal
from console.tui.actions.registry import here
from console.tui.views.inventory.view import InventoryView


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def act(name: str, plan: str = "") -> Act:
    target = Target(kind="service", id="acc-1", handle="ce20dcdd48f0", name=name[:60])
    call = CallMark(
        transport="http", method="POST", target="/v1/auth/token/revoke-accessor", sha256="0" * 64
    )
    return Act(
        verb="revoke", backend="vault-prod", target=target, step="1", call=call, plan_ref=plan
    )


def record(paths, name: str = "ci-deploy", *, open_intent: bool = False) -> str:
    """A plan's intent, with its outcome unless it stays open; the plan's id."""
    plan = uuid7()
    with Journal(paths.journal) as journal:
        intent = journal.append(Kind.INTENT, why="leaked in a public repo", act=act(name, plan))
        if not open_intent:
            out = Out(ref=intent.id, state="applied", how="answer", status="204")
            journal.append(Kind.OUTCOME, act=act(name, plan), out=out)
            out = Out(ref=intent.id, state="seen", how="read", evidence=2)
            journal.append(Kind.EVIDENCE, act=act(name, plan), out=out)
    return plan


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        ("plan", "ESCROW a rotation seals its new values to 2 public keys, from the ssh-agent"),
        ("refuse", "ESCROW no rotation can be planned: there is no key. ssh-keygen -t ed25519"),
    ],
)
def test_backends_say_whether_a_rotation_could_be_planned(paths, worker, told) -> None:
    app = world.application(paths, act=True, worker=worker)

    async def steps(pilot):
        await pilot.press("b")
        await until(pilot, lambda: told in " ".join(screen(app).split()))

    drive(app, steps, (100, 40))


def test_backends_show_health_coverage_and_what_to_do_next(paths) -> None:
    app = world.application(paths, act=True)

    async def steps(pilot):
        await pilot.press("b")
        await settled(pilot)
        text = screen(app)
        assert "FAILED" in text
        assert "partial" in text
        assert "read-only" in text
        assert "can act" in text
        await pilot.press("down")
        await settled(pilot)
        text = " ".join(screen(app).split())
        assert "ERROR 403 for GET /orgs/acme/tokens" in text
        assert "DO NEXT Grant read:org to the credential." in text
        await pilot.press("down")
        await settled(pilot)
        text = " ".join(screen(app).split())
        assert "vault-prod (production)" in text
        assert "refused: accessors, ns1/. Grant list on auth/token/accessors." in text
        assert "service token yes yes partly yes yes yes yes yes" in text
        assert "Nobody can list: batch tokens" in text

    drive(app, steps, (80, 40))


def test_a_key_before_the_first_frame_keeps_no_system_from_being_asked(paths, monkeypatch) -> None:
    async def never(self) -> None:
        """What Textual does for a view that was left before it was drawn."""

    monkeypatch.setattr(InventoryView, "_invoke_and_clear_callbacks", never)
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await pilot.press("b")
        await until(pilot, lambda: "ESCROW      a rotation seals its new values" in screen(app))
        assert app.world.worker_up
        assert app.keeper.is_alive(), "the journal is checked as well"

    drive(app, steps, (100, 40))


def test_nothing_is_said_to_be_read_that_nobody_reads(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths, ())
    app = world.application(paths)
    strip = lambda: screen(app).splitlines()[-2]  # noqa: E731

    async def steps(pilot):
        assert "vault-prod PROD not read" in strip()
        app.link.up = True
        app._worker_changed()
        app._news(look("running"))
        await settled(pilot)
        assert "vault-prod PROD reading" in strip()
        app.link.up = False
        app._worker_changed()
        await settled(pilot)
        assert "vault-prod PROD not read" in strip()

    drive(app, steps, (100, 40))


def test_before_the_worker_has_said_a_word_nothing_is_wrong_yet(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths, ())
    app = world.application(paths)
    app.world.worker_coming = True

    async def steps(pilot):
        await until(pilot, lambda: "the backends are asked in a moment" in screen(app))
        app.link.up = True
        app._worker_changed()
        app._news(look("running"))
        await until(pilot, lambda: "the backends are being read" in screen(app))
        app.link.up, app.link.trouble = False, "the backend process has ended"
        app._worker_changed()
        await until(pilot, lambda: "tells why" in screen(app))

    drive(app, steps, (100, 40))


def test_a_first_reading_says_how_far_it_is_and_what_is_not_there_yet(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths, ())
    app = world.application(paths)
    strip = lambda: screen(app).splitlines()[-2]  # noqa: E731

    async def steps(pilot):
        app.link.up = True
        app._worker_changed()
        app._news({**look("running"), "done": 1_200, "total": 1_939, "log": None})
        await settled(pilot)
        assert "vault-prod PROD reading 1,200 of 1,939" in strip()
        assert "reading logs" not in strip()
        since = world.NOW.timestamp() - 25 * 3_600
        app._news({**look("running"), "done": 1_939, "log": (54_210, since)})
        await settled(pilot)
        assert strip().startswith(" reading logs: 54,210  "), "before how old the rest is"
        await pilot.press("b")
        await until(pilot, lambda: "LOOK" in screen(app))
        told = " ".join(screen(app).split())
        assert "its log: 54,210 events read, all of the last 25h, older ones are not" in told
        app._news(look("ok"))
        await settled(pilot)
        assert "reading logs" not in strip()

    drive(app, steps, (100, 40))


def test_of_a_backend_that_was_never_read_no_number_of_tokens_is_told(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths, ())
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("b", "end")
        await until(pilot, lambda: "never" in screen(app))
        text = " ".join(screen(app).split())
        assert "SEEN not known: it was never read to the end" in text
        assert "nothing was refused" not in text
        (row,) = [line.split() for line in screen(app).splitlines() if " ? vault-prod" in line]
        assert row[row.index("never") + 1] == "-", "and not 0"

    drive(app, steps, (100, 40))


def test_a_look_ends_with_the_worker_that_made_it(paths) -> None:
    app = world.application(paths)
    app.link.up = True

    async def steps(pilot):
        app._worker_changed()
        await pilot.press("b", "down", "down")
        await settled(pilot)
        app._news(look("running"))
        await until(pilot, lambda: "look 1m" in screen(app) and "under way for" in screen(app))
        app.link.up = False
        app._worker_changed()
        app._tick()
        await until(pilot, lambda: "look 1m" not in screen(app))
        assert "under way for" not in screen(app)

    drive(app, steps, (100, 40))


def look(state: str) -> dict:
    """The worker's word about a look at the vault that began a minute ago."""
    began = world.NOW.timestamp() - 60
    told = {"event": "sync", "backend": "vault-prod", "state": state, "done": 0, "total": None}
    return {**told, "message": "", "hint": "", "began": began}


def test_enter_on_a_backend_lists_its_tokens(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("b", "enter")
        await until(pilot, lambda: "3 of 8" in screen(app))
        assert "/ backend:aws-main" in screen(app)

    drive(app, steps)


def test_the_journal_shows_open_intents_first_and_the_top_line_counts_them(paths) -> None:
    record(paths)
    record(paths, open_intent=True)
    record(paths)
    app = world.application(paths)

    async def steps(pilot):
        await until(pilot, lambda: "1 OPEN" in screen(app).splitlines()[0])
        await pilot.press("J")
        await until(pilot, lambda: "8 entries" in screen(app))
        lines = screen(app).splitlines()
        assert " OPEN " in lines[2]
        assert "evidence" in lines[3]
        assert "leaked in a public repo" in screen(app)
        await pilot.press("f", *"evid", "enter")
        await until(pilot, lambda: "2 entries" in screen(app))
        assert "kind: evidence" in screen(app)
        assert "EVIDENCE recorded by the issuer" in " ".join(screen(app).split())
        assert "outcome" not in screen(app).splitlines()[2]

    drive(app, steps, (100, 40))


def test_raw_shows_the_stored_bytes(paths) -> None:
    record(paths)
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J", "number_sign")
        await until(pilot, lambda: "Exactly as stored" in screen(app))
        assert '"evidence":2' in "".join(screen(app).split())

    drive(app, steps, (100, 40))


def test_an_entry_written_by_another_process_appears(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("J")
        await until(pilot, lambda: "nothing is recorded" in screen(app))
        record(paths)
        await until(pilot, lambda: "evidence" in screen(app))

    drive(app, steps)


def test_a_run_is_followed_from_intent_to_evidence(paths) -> None:
    app = world.application(paths, act=True)

    async def steps(pilot):
        plan = record(paths)
        app.watch_run(plan, "revoke ci-deploy")
        await settled(pilot)
        text = screen(app)
        assert "RUN  revoke ci-deploy" in text
        assert "its plan's file is not here" in text, "and nothing is guessed of its value"
        assert text.index("outcome") < text.index("evidence")
        await pilot.press("escape")
        await settled(pilot)
        assert "RUN " not in screen(app)

    drive(app, steps)


@pytest.mark.parametrize("view", ["inventory", "token", "backends", "journal"])
def test_help_lists_every_action_of_its_view_and_why_some_do_not_work(paths, view) -> None:
    app = world.application(paths)
    keys = {"inventory": (), "token": ("enter",), "backends": ("b",), "journal": ("J",)}[view]

    async def steps(pilot):
        await pilot.press(*keys, "question_mark")
        await settled(pilot)
        text = screen(app)
        for action in here(view):
            assert f" {action.label} " in text, action.id
        if view in ("inventory", "token"):
            assert "not now: started without --act" in text

    drive(app, steps, (100, 120))


def test_the_palette_shows_a_disabled_action_with_its_reason(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("colon", *"revoke")
        await settled(pilot)
        assert "not now: started without --act" in screen(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.inventory_view.open_bar is not None
        await pilot.press("escape", "colon", *"backends", "enter")
        await settled(pilot)
        assert "HEALTH" in screen(app)

    drive(app, steps)


def test_a_hostile_name_is_harmless_on_every_view(paths) -> None:
    record(paths, HOSTILE)
    app = world.application(paths, act=True, worker="plan")

    def harmless() -> None:
        for character in screen(app).replace("\n", ""):
            assert unicodedata.category(character) not in ("Cc", "Cf", "Cs"), repr(character)

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        harmless()
        await pilot.press("slash", *"evil", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        harmless()
        await pilot.press("K", *"leaked in public", "enter", "enter")
        await until(pilot, lambda: "14 consumers" in screen(app))
        harmless()
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "14 consumers" in screen(app))
        harmless()
        await pilot.press("end")
        await settled(pilot)
        harmless()
        await pilot.press("J")
        await until(pilot, lambda: "4 entries" in screen(app))
        harmless()
        await pilot.press("number_sign")
        await settled(pilot)
        harmless()
        await pilot.press("b")
        await settled(pilot)
        harmless()

    drive(app, steps, (120, 40))


def test_a_journal_that_cannot_be_read_is_said_and_ends_nothing(paths) -> None:
    paths.journal.write_bytes(b"not a database at all, not by a long way" * 100)
    app = world.application(paths)

    async def steps(pilot):
        assert "journal UNREADABLE" in screen(app)
        assert "JOURNAL UNREADABLE: cannot use the journal" in screen(app).splitlines()[1]
        await pilot.press("J")
        await until(pilot, lambda: "journal" in screen(app).splitlines()[-3])

    drive(app, steps)


def test_a_worker_that_is_not_there_is_said_and_the_rows_stay(paths) -> None:
    app = world.application(paths, worker="plan")
    app.link._words = ["/nowhere/python"]

    async def steps(pilot):
        await until(pilot, lambda: "nothing is read now: cannot start" in screen(app))
        assert "ci-deploy" in screen(app)
        await pilot.press("r")
        await settled(pilot)
        assert "refresh: not now, the backend process is not running" in screen(app)

    drive(app, steps)


@pytest.mark.parametrize("width", [200, 100, 60, 40, 20])
@pytest.mark.parametrize(("act", "word"), [(True, "ACT"), (False, "ro")])
def test_however_narrow_it_is_the_top_line_says_whether_one_can_act(
    paths, width, act, word
) -> None:
    app = world.application(paths, act=act)

    async def steps(pilot):
        assert word in screen(app).splitlines()[0].split()

    drive(app, steps, (width, 10))


def test_a_very_small_terminal_is_survived(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        for key in ("enter", "escape", "b", "J", "question_mark", "i", "slash", "x", "escape"):
            await pilot.press(key)
        await settled(pilot)
        await pilot.resize_terminal(100, 30)
        # The application has its new size before the view has been laid out for it.
        await settled(pilot)
        await until(pilot, lambda: "ci-deploy" in screen(app))

    drive(app, steps, (20, 6))
