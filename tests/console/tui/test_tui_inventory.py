"""The list of tokens, as a responder uses it."""

import json
from datetime import timedelta

import pytest
import tui_world as world
from driver import use
from tui_world import NOW, drive, fill, screen, settled, until

from backends.errors import Forbidden
from backends.model import ScopeDone, never
from console.tui.views.inventory import searcher
from console.tui.views.inventory.table import TokenTable


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def many(paths, number: int = 300) -> None:
    tokens = [world.token("vault-prod", f"a{n:04}", f"job-{n:04}") for n in range(number)]
    fill(paths, [world.Still("vault-prod", [*tokens, ScopeDone("root/", number)])])


def under(app) -> str:
    row = app.inventory_view.row()
    return row.name if row is not None else ""


def test_the_first_frame_has_the_rows_the_mode_and_the_age_of_the_data(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        text = screen(app)
        first, *_, data, keys = text.splitlines()
        assert "token-console · bastion-1" in first
        assert "8 tokens   ro · journal " in first
        assert "legacy-sync" in text
        assert "(none)" in text
        assert "untracked" in text
        assert "github FAILED: 403" in data
        assert "vault-prod PROD <1m" in data
        assert "? help" in keys
        assert "K revoke" not in keys

    drive(app, steps)


def test_a_filter_works_while_it_is_typed_and_escape_takes_it_away(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"web")
        await until(pilot, lambda: "1 of 8" in screen(app))
        assert "webhook-2" in screen(app)
        assert "ci-deploy" not in screen(app)
        await pilot.press("enter", "escape")
        await until(pilot, lambda: "ci-deploy" in screen(app))

    drive(app, steps)


def test_what_is_not_counted_to_its_end_says_more_than_and_the_end_counts_on(
    paths, monkeypatch
) -> None:
    monkeypatch.setattr(searcher, "MOST", 100)
    monkeypatch.setattr(searcher, "LARGE", 1)
    many(paths)
    app = world.application(paths)

    async def steps(pilot):
        total = f"{app.world.total:,}"
        await pilot.press("slash", *"job")
        await until(pilot, lambda: f"more than 100 of {total}" in screen(app))
        await pilot.press("enter", "end")
        await until(pilot, lambda: f" 301 of {total}" in screen(app))
        await pilot.press("end")
        await until(pilot, lambda: app.inventory_view.table.cursor == 300)
        # The next filter is not counted to its end because the one before was.
        await pilot.press("slash", *"-0")
        await until(pilot, lambda: f"more than 100 of {total}" in screen(app))

    drive(app, steps)


def test_a_filter_that_means_nothing_says_so_and_keeps_the_last_list(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash")
        app.inventory_view._filter.take_paste("ownr:x")
        await until(pilot, lambda: "not understood" in screen(app))
        assert "ownr" in screen(app).splitlines()[-3]
        assert "ci-deploy" in screen(app)

    drive(app, steps)


def test_a_filter_that_means_nothing_is_not_said_to_match_nothing(paths) -> None:
    app = world.application(paths)

    async def steps(user):
        await user.press("slash")
        await user.type("fum")
        await user.waits_for("No token matches. Esc clears the filter.")
        await user.type(":bar", "enter")
        await user.waits_for("The filter is not understood, so no token is shown.")
        user.sees_no("No token matches")

    use(app, steps)


def test_a_list_without_a_row_does_not_offer_to_open_one(paths) -> None:
    app = world.application(paths)

    async def steps(user):
        user.sees("enter open")
        await user.type_filter("zzzz", found="0 of 8")
        user.sees_no("enter open")
        await user.press("enter")
        user.sees("open: not now, nothing that opens is under the cursor")
        await user.press("l")
        await user.waits_for("No plan has been made yet.")
        user.sees_no("enter open")
        await user.press("enter")
        user.sees("open: not now, nothing that opens is under the cursor")
        assert user.way == ["inventory", "runs"]

    use(app, steps)


def test_that_nobody_reads_is_not_told_as_being_read(tmp_path) -> None:
    paths = world.where(tmp_path)
    fill(paths, [world.Still("github", [], error=Forbidden("403"))])

    async def steps(user):
        await user.waits_for(
            "No token is known yet; b tells why. Never read to the end: github, vault"
        )
        user.sees_no("are being read")

    use(world.application(paths), steps)


def test_where_a_backend_was_never_read_no_match_is_not_all_that_is_said(tmp_path) -> None:
    paths = world.where(tmp_path)
    read = world.Still("vault-prod", [world.token("vault-prod", "a1", "one"), ScopeDone("r", 1)])
    fill(paths, [read, world.Still("github", [], error=Forbidden("403"))])

    async def steps(user):
        await user.type_filter("zzzz", found="0 of 1")
        user.sees("No token matches. Esc clears the filter. Never read to the end: github.")

    use(world.application(paths), steps)


def test_a_term_that_is_not_applied_is_marked_where_it_is_typed_and_named(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash")
        field = app.inventory_view._filter
        field.take_paste("web used:>90")
        await until(pilot, lambda: "1 of 8" in screen(app))
        assert "not applied: used:>90" in screen(app)
        assert "say the unit: used:>90d" in screen(app).splitlines()[-3]
        assert ("used:>90", "bad") in field.line(0)
        assert not any("web" in text for text, role in field.line(0)[1:-2] if role == "bad")
        await pilot.press("d")
        await until(pilot, lambda: "0 of 8" in screen(app))
        assert "not applied" not in screen(app)
        assert "say the unit" not in screen(app)

    drive(app, steps)


def test_hostile_typing_into_the_filter_is_harmless(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"[/foo] [b")
        await until(pilot, lambda: "1 of 8" in screen(app))
        app.inventory_view._filter.take_paste("\x1b]52;c;AAAA\x07\u202e")
        await until(pilot, lambda: "0 of 8" in screen(app))
        assert "\x1b" not in screen(app)

    drive(app, steps)


def test_sorting_by_a_letter_and_again_the_other_way(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("O")
        await until(pilot, lambda: "OWNER^" in screen(app))
        first = screen(app).splitlines()[3]
        await pilot.press("O")
        await until(pilot, lambda: "OWNERv" in screen(app))
        assert screen(app).splitlines()[3] != first

    drive(app, steps)


def test_the_sort_menu_narrows_by_typing(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("s", *"own", "enter")
        await until(pilot, lambda: "OWNER^" in screen(app))

    drive(app, steps)


def test_chosen_columns_are_remembered(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("vertical_line", *"owner", "space", "escape")
        await settled(pilot)
        assert "OWNER" not in screen(app)

    drive(app, steps)
    saved = json.loads((paths.state / "screen.json").read_text())
    assert "owner" not in saved["columns"]
    again = world.application(paths)

    async def look(pilot):
        assert "OWNER" not in screen(again)

    drive(again, look)


def test_moving_jumps_half_a_page_and_shows_every_row(paths) -> None:
    many(paths)
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"job-", "enter")
        await until(pilot, lambda: "300 of" in screen(app))
        table = app.screen.query_one(TokenTable)
        for _ in range(table.page):
            await pilot.press("down")
        assert under(app) == f"job-{table.page:04}"
        assert table.top == table.page - table.page // 2
        await pilot.press("end")
        assert under(app) == "job-0299"
        assert "job-0299" in screen(app)
        await pilot.press("pageup")
        assert under(app) == f"job-{299 - table.page:04}"
        await pilot.press("home")
        assert under(app) == "job-0000"

    drive(app, steps)


def test_marks_and_a_range_of_them(paths) -> None:
    many(paths)
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"job-", "enter")
        await until(pilot, lambda: "300 of" in screen(app))
        await pilot.press("space", *["down"] * 60, "ctrl+@")
        await settled(pilot)
        assert "62 marked" in screen(app)
        await pilot.press("ctrl+backslash")
        await settled(pilot)
        assert "marked" not in screen(app)

    drive(app, steps)


def test_a_new_token_appears_marked_as_new_and_the_cursor_stays_on_its_token(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"vault-prod", "enter")
        await until(pilot, lambda: "5 of" in screen(app))
        await pilot.press("down", "down")
        before = under(app)
        vault = world.vault()
        vault.found.insert(0, world.token("vault-prod", "acc-9", "aaa-first"))
        app.world.now = (NOW + timedelta(seconds=20)).timestamp
        app.inventory_view.table._now = app.world.now
        await run_fill(paths, [vault], NOW + timedelta(seconds=10))
        await until(pilot, lambda: "aaa-first" in screen(app))
        line = next(line for line in screen(app).splitlines() if "aaa-first" in line)
        assert line.startswith(" + ")
        assert under(app) == before

    drive(app, steps)


def test_a_token_that_is_gone_stays_with_the_word(paths) -> None:
    vault = world.vault()
    vault.found = [item for item in vault.found if getattr(item, "name", "") != "report-job"]
    fill(paths, [vault], NOW + timedelta(seconds=10))
    app = world.application(paths)

    async def steps(pilot):
        line = next(line for line in screen(app).splitlines() if "report-job" in line)
        assert " gone" in line

    drive(app, steps)


def test_a_backend_that_is_down_keeps_its_rows_and_says_what_to_do(paths) -> None:
    from backends.errors import Unreachable

    down = world.vault()
    down._error = Unreachable("no route to host")
    fill(paths, [down], NOW + timedelta(minutes=9))
    app = world.application(paths)
    app.world.now = (NOW + timedelta(minutes=9)).timestamp

    async def steps(pilot):
        assert "ci-deploy" in screen(app)
        assert "vault-prod PROD FAILED 9m: no route to host" in screen(app)

    drive(app, steps, (160, 24))


def test_the_note_under_the_list_says_what_is_wrong_with_the_row(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash", *"legacy", "enter")
        await until(pilot, lambda: "1 of 8" in screen(app))
        assert "O no owner" in screen(app)

    drive(app, steps)


def test_ascii_only_has_no_other_character(tmp_path) -> None:
    paths = world.where(tmp_path)
    plain = world.token("vault-prod", "a", "näme…", last_used_at=never())
    fill(paths, [world.Still("vault-prod", [plain, ScopeDone("root/", 1)])])
    app = world.application(paths, ascii_only=True)

    async def steps(pilot):
        assert screen(app).isascii(), screen(app)

    drive(app, steps)


def test_quit_by_q_and_never_by_ctrl_c(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("ctrl+c")
        await settled(pilot)
        assert app.is_running
        assert not app._exit
        await pilot.press("q")
        assert app._exit

    drive(app, steps)


def test_keys_that_come_in_one_burst_go_where_they_were_meant(paths) -> None:
    """Over a slow link a whole sentence arrives at once; none of it may act as commands."""
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("colon", *"quick", "escape")
        await settled(pilot)
        assert app.is_running
        assert not app._exit

    drive(app, steps)


async def run_fill(paths, backends, at) -> None:
    """A sync by another process, while the screen is open."""
    import asyncio

    await asyncio.to_thread(fill, paths, backends, at)
