"""From a key to an approved plan: every verb, one token or many, and every way to stop."""

import json

import pytest
import tui_world as world
from driver import User, use
from tui_world import drive, fill, screen, settled, until

WHY = "their owner agreed by phone"
REASON = "INC-7: leaked in a public repo"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def asked(paths, do: str) -> list[dict]:
    file = paths.state / "asked"
    lines = file.read_text().splitlines() if file.exists() else []
    return [request for request in map(json.loads, lines) if request["do"] == do]


def flat(app) -> str:
    return " ".join(screen(app).split())


async def on(pilot, app, words: str, found: str) -> None:
    await until(pilot, lambda: app.link.up)
    await pilot.press("slash", *words, "enter")
    await until(pilot, lambda: found in screen(app))


@pytest.mark.parametrize(("key", "verb"), [("c", "contain"), ("u", "restore"), ("d", "disconnect")])
def test_what_ends_no_value_asks_for_no_mode(paths, key, verb) -> None:
    async def steps(user: User) -> None:
        await user.waits_for_the_worker()
        await user.type_filter("ci-deploy", found="1 of 8")
        await user.press(key)
        await user.type(REASON, "enter")
        await user.waits_for(f"enter to {verb}, or esc")
        user.sees(f"{verb.upper()} 1 token on vault-prod (production)")
        await user.type("ci-deploy", "enter")
        await user.waits_for(f"RUN {verb} ci-deploy")

    use(world.application(paths, act=True, worker="clean"), steps)
    (plan,) = asked(paths, "plan")
    assert (plan["verb"], plan["mode"], plan["sinks"]) == (verb, "routine", [])
    assert (plan["reason"], plan["incident"]) == ("leaked in a public repo", "INC-7")
    assert len(asked(paths, "approve")) == 1


def test_a_rotation_asks_for_the_mode_and_the_sinks(paths) -> None:
    app = world.application(paths, act=True, worker="clean")
    app.world.sinks = ("ops-kv", "ops-file")

    async def steps(user: User) -> None:
        await user.waits_for_the_worker()
        await user.type_filter("ci-deploy", found="1 of 8")
        await user.press("R")
        await user.type(REASON, "enter")
        await user.waits_for("sealed in escrow only")
        await user.press("space", "down", "space", "down", "space", "space", "down")
        user.sees("[x] leak", "[x] sink ops-kv", "[ ] sink ops-file")
        user.sees_no("escrow only")
        await user.press("enter")
        await user.waits_for("enter to rotate, or esc")
        user.sees(
            "escrow the new value is sealed to 2 public keys first",
            "deliver to ops-kv",
            "mode leak: nothing waits",
        )

    use(app, steps, (80, 30))
    (plan,) = asked(paths, "plan")
    assert (plan["mode"], plan["sinks"]) == ("leak", ["ops-kv"])


def test_marked_tokens_are_acted_on_together_by_their_number(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(user: User) -> None:
        await user.waits_for_the_worker()
        await user.type_filter("vault-prod", found="5 of 8")
        await user.press("space", "space", "space")
        await user.type_filter("aws", found="3 of 8")
        await user.press("K")
        await user.type(REASON)
        user.sees("REVOKE 3 marked tokens")
        await user.press("enter", "enter")
        await user.waits_for("1 of 1, why go on?")
        text = user.screen
        assert text.index("! STOP") < text.index("1. job-1"), "hazards stand first"
        user.sees("REVOKE 3 tokens on 1 backend (production)")
        await user.type(WHY, "enter")
        await user.type("3 token", "enter")
        assert asked(paths, "approve") == []
        await user.press("s", "enter")
        await user.waits_until(lambda: asked(paths, "approve") != [])
        await user.waits_until(lambda: user.way[-1] == "run")
        assert app.inventory_view.table.marks == set(), "what was acted on is not marked"

    use(app, steps)
    assert len(set(asked(paths, "plan")[0]["handles"])) == 3
    assert asked(paths, "approve")[0]["answers"] == {"consumers": WHY}


def test_a_hazard_is_answered_by_typing_and_by_nothing_else(paths) -> None:
    from textual.events import Paste

    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await on(pilot, app, "ci-deploy", "1 of 8")
        await pilot.press("c", *REASON, "enter")
        await until(pilot, lambda: "! consumers: 14 consumers were seen" in flat(app))
        await pilot.press("enter")
        await settled(pilot)
        assert "Enter alone answers nothing" in screen(app)
        app.post_message(Paste("a pasted answer that is long enough"))
        await until(pilot, lambda: "Pasting does nothing here" in screen(app))
        await pilot.press(*"yes", "enter")
        await settled(pilot)
        assert "at least 10 characters" in screen(app)
        assert "1 of 1, why go on?" in screen(app)
        await pilot.press("ctrl+u", *"ci-deploy", "enter")
        await settled(pilot)
        assert "1 of 1, why go on?" in screen(app), "the name is no answer"

    drive(app, steps)
    assert asked(paths, "approve") == []


def test_what_has_no_call_is_said_not_to_be_done_and_nothing_can_be_confirmed(paths) -> None:
    app = world.application(paths, act=True, worker="hand")

    async def steps(pilot):
        await on(pilot, app, "ci-deploy", "1 of 8")
        await pilot.press("R", *REASON, "enter", "enter")
        await until(pilot, lambda: "NOT ROTATED ci-deploy on vault-prod" in flat(app))
        assert "Open the console, and end it there." in flat(app)
        assert "instead K revoke: ends it for good" in flat(app)
        assert "Nothing was sent, and there is nothing to approve." in flat(app)
        for word in ("irreversible", "approved", "Type "):
            assert word not in screen(app), word
        await pilot.press(*"ci-deploy", "enter")
        await settled(pilot)
        assert "NOT ROTATED ci-deploy on vault-prod" in flat(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "RUN " not in screen(app)

    drive(app, steps)
    assert asked(paths, "approve") == []


def test_a_second_person_is_asked_for_after_the_approval(paths) -> None:
    app = world.application(paths, act=True, worker="waits")

    async def steps(pilot):
        await on(pilot, app, "ci-deploy", "1 of 8")
        await pilot.press("c", *REASON, "enter")
        await until(pilot, lambda: "needs a second person: vault-prod" in flat(app))
        await pilot.press(*WHY, "enter", *"ci-deploy", "enter")
        await until(pilot, lambda: "APPROVED, NOT STARTED" in screen(app))
        assert "token-console approve eeeeeeee" in screen(app)
        assert "vault-prod is production" in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "Approved; not started." in screen(app)

    drive(app, steps)


def test_the_act_key_offers_every_verb_and_says_why_not(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await on(pilot, app, "ci-deploy", "1 of 8")
        await pilot.press("a")
        await settled(pilot)
        for verb in ("contain", "rotate", "revoke", "restore", "disconnect"):
            assert f"   {verb} " in screen(app)
        await pilot.press(*"rev", "enter")
        await settled(pilot)
        assert "REVOKE ci-deploy on vault-prod" in screen(app)
        await pilot.press("escape", "slash", "ctrl+u", *"aws", "enter", "a")
        await settled(pilot)
        assert "not now: aws-main has no credential to act with" in flat(app)

    drive(app, steps)


def test_a_secret_in_a_reason_is_refused_before_anything_is_asked(paths) -> None:
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await on(pilot, app, "ci-deploy", "1 of 8")
        await pilot.press("K", *"leaked: hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4", "enter")
        await settled(pilot)
        assert "looks like a secret" in screen(app)

    drive(app, steps, (120, 24))
    assert asked(paths, "plan") == []
