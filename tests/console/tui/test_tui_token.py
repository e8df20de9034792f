"""A token's page: every answer with how it is known, and what is not known said so."""

import json

import pytest
import tui_world as world
from tui_world import drive, fill, screen, settled, until


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


async def open_token(pilot, app, name: str) -> None:
    await pilot.press("slash", *name, "enter")
    await until(pilot, lambda: "1 of 8" in screen(app))
    await pilot.press("enter")
    await settled(pilot)


def test_the_six_questions_are_answered_with_how_it_is_known(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_token(pilot, app, "ci-deploy")
        text = " ".join(screen(app).split())
        for answer in (
            "ci-deploy · service token · vault-prod",
            "! 1 finding",
            "WHAT service acc-1, in root/, never expires (no explicit max)",
            "speaks for entity jenkins-ci",
            "CREATED 2y4m ago, 2024-06-27 02:40 UTC (audit log)",
            "by whom: not permitted to this credential",
            "OWNER payments (entity metadata)",
            "LAST USED 2m ago, 2026-11-24 02:38 UTC, GET secret/data/ci/npm, from 10.20.0.31",
            "MAY ci-write, npm-publish via entity (look-up)",
            "BOUND bearer: anyone who has it can use it (no CIDR)",
            "FACTS orphan: yes",
            "GET secret/data/ci/npm, DENIED, by jenkins-ci, from 10.20.0.31",
        ):
            assert answer in text, answer

    drive(app, steps, (120, 45))


def test_what_is_not_known_is_said_and_never_looks_like_never(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("enter")
        await settled(pilot)
        text = " ".join(screen(app).split())
        assert "LAST USED not tracked by this system (no such field)" in text
        assert "speaks for: not read yet" in text

    drive(app, steps, (120, 45))


def test_dependents_are_asked_for_when_the_page_opens_and_gaps_are_shown(paths) -> None:
    app = world.application(paths, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await open_token(pilot, app, "ci-deploy")
        await until(pilot, lambda: "14 consumers" in screen(app))
        text = " ".join(screen(app).split())
        assert "14 consumers: 1 token, 13 workload" in text
        assert "not seen: leases (refused). Needs sudo." in text

    drive(app, steps, (120, 45))
    asked = [json.loads(line) for line in (paths.state / "asked").read_text().splitlines()]
    assert [request["do"] for request in asked] == ["dependents", "permissions"]


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_what_it_may_do_is_read_when_the_page_opens_and_gaps_are_never_cut(paths, size) -> None:
    app = world.application(paths, worker="plan")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await open_token(pilot, app, "ci-deploy")
        seen = ""
        for _ in range(8):
            await settled(pilot)
            seen += " ".join(screen(app).split()) + " "
            if "kept nowhere" in seen:
                break
            await pilot.press("pagedown")
        assert "MAY DO admin by way of: may write policies: update on sys/policies/acl/*" in seen
        assert seen.index("admin by way of") < seen.index("reads secrets: secret/data/")
        assert "only if from the addresses 10.0.0.0/8" in seen
        assert "more: token-console reach " in seen
        assert "not opened: the policy audit (refused). Needs read." in seen
        assert "(read 1m ago; kept nowhere)" in seen
        assert "\x1b" not in seen
        assert "\u202e" not in seen

    drive(app, steps, size)


def test_without_a_worker_the_page_says_why_its_rights_are_not_known(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_token(pilot, app, "ci-deploy")
        text = " ".join(screen(app).split())
        assert "MAY DO the backend process is not running" in text

    drive(app, steps, (120, 45))


def test_while_they_are_asked_for_the_page_says_whom(paths) -> None:
    app = world.application(paths, worker="mute")

    async def steps(pilot):
        await until(pilot, lambda: app.link.up)
        await open_token(pilot, app, "ci-deploy")
        assert "asking vault-prod" in screen(app)

    drive(app, steps)


def test_without_a_worker_the_page_says_why_dependents_are_not_known(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_token(pilot, app, "ci-deploy")
        assert "the backend process is not running" in screen(app)

    drive(app, steps)


def test_the_page_scrolls_and_escape_goes_back(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await open_token(pilot, app, "ci-deploy")
        assert "more lines: pgdn" in screen(app)
        await pilot.press("end")
        await settled(pilot)
        assert "known since the first look" in screen(app) or "18:00" in screen(app)
        assert "more line" not in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "1 of 8" in screen(app)

    drive(app, steps)


def test_last_view_goes_back_and_forth(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("b", "minus")
        await settled(pilot)
        assert "all tokens" in screen(app)
        await pilot.press("minus")
        await settled(pilot)
        assert "HEALTH" in screen(app)

    drive(app, steps)
