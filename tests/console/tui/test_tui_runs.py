"""The run board and the list of runs: one sum, what needs a person, and each decision."""

import json
import unicodedata

import pytest
import tui_world as world
from tui_run_scene import RECORDED, Run, item, revoke, stranger
from tui_world import HOSTILE, drive, fill, screen, settled, until

from backends.contract import Verb
from backends.model import EvidenceLevel
from console.journal import proof
from console.journal.format.entry import Kind, Out
from console.response.plan import entry_parts
from console.tui.views.run import page

REASON = "the owner agreed by phone"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


def production(paths) -> None:
    """Let the configuration ask for a second person at vault-prod."""
    paths.config.write_text(
        '[backend.vault-prod]\ntype = "estate"\nproduction = true\n'
        '[journal]\nallowed_signers = "signers"\n'
    )


def asked(paths) -> list[dict]:
    file = paths.state / "asked"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def flat(app) -> str:
    return " ".join(screen(app).split())


async def opened(pilot, app, worker: bool = True) -> None:
    if worker:
        await until(pilot, lambda: app.link.up)
    await pilot.press("l")
    await until(pilot, lambda: "OLD VALUES" in screen(app) and "INC-7" in screen(app))
    await pilot.press("enter")
    await until(pilot, lambda: "in scope" in screen(app))


def test_the_list_has_every_plan_newest_first(paths) -> None:
    done = revoke(paths, ["b", "c"])
    done.end([1, 2])
    revoke(paths, ["a"], approved=False)
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("l")
        await until(pilot, lambda: "not approved" in screen(app))
        first, second = (line for line in screen(app).splitlines() if "revoke" in line)
        assert " 1     1     0  not approved" in first
        assert " 2     0     0  nothing left" in second
        assert "INC-7: leaked in a public repo" in screen(app), "the whole reason, below"

    drive(app, steps)


def test_the_board_adds_up_and_follows_the_journal(paths) -> None:
    run = revoke(paths, ["one", "two", "three", "four", "five"])
    run.end([1, 2])
    app = world.application(paths)

    async def steps(pilot):
        await opened(pilot, app, worker=False)
        assert "in scope 5 = █ dead 2 + ! failed 0 + ░ left 3" in flat(app)
        assert "vault-prod 5 2 0 3" in flat(app)
        assert "refused 2" in flat(app)
        run.end([3], level=RECORDED)
        run.end([4], state="rejected")
        await until(pilot, lambda: "dead 2 + ▒ recorded 1 + ! failed 1 + ░ left 1" in flat(app))
        assert "STUCK four on vault-prod" in flat(app)
        rows = screen(app).splitlines()
        (stuck,) = (at for at, line in enumerate(rows) if "failed" in line and " four " in line)
        (dead,) = (at for at, line in enumerate(rows) if "dead" in line and " one " in line)
        assert stuck < dead, "what needs somebody comes first"

    drive(app, steps)


def test_recorded_is_never_called_dead(paths) -> None:
    run = revoke(paths, ["one"])
    run.end([1], level=RECORDED)
    app = world.application(paths)

    async def steps(pilot):
        await opened(pilot, app, worker=False)
        assert "OLD VALUE RECORDED REVOKED, NOT TRIED" in flat(app)
        assert "dead" not in screen(app)

    drive(app, steps, (120, 24))


def test_a_run_of_one_is_spoken_of_as_one(paths) -> None:
    run = revoke(paths, ["one"])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        await pilot.press("n")
        await until(pilot, lambda: "with the 1 token that is left." in flat(app))
        await pilot.press("escape", "Z")
        await until(pilot, lambda: "for good: 1 token stays as it is." in flat(app))
        await pilot.press("escape")
        run.end([1])
        await until(pilot, lambda: "nothing left" in flat(app))
        await pilot.press("z")
        await until(pilot, lambda: "It is dealt with: nothing is left" in flat(app))

    drive(app, steps, (120, 24))


def test_nothing_is_called_asked_of_which_nothing_was_asked(paths) -> None:
    run = revoke(paths, ["one", "two"])
    run.end([1])
    app = world.application(paths)

    async def steps(pilot):
        await opened(pilot, app, worker=False)
        text = flat(app)
        assert "2 two vault-prod - NOT REVOKED: waiting" in text
        assert "asked 0" in text

    drive(app, steps, (120, 24))


def test_a_card_with_steps_has_each_on_a_line_of_its_own(paths) -> None:
    Run(paths, [item(1, Verb.ROTATE, "one", "github", manual="Only Ana can:\n1. Ask.\n2. Look.")])
    app = world.application(paths)

    async def steps(pilot):
        await opened(pilot, app, worker=False)
        await pilot.press("enter")
        await until(pilot, lambda: "BY HAND" in screen(app))
        lines = [line.strip() for line in screen(app).splitlines()]
        at = lines.index("BY HAND     Only Ana can:")
        assert lines[at + 1 : at + 3] == ["1. Ask.", "2. Look."]
        assert "PROOF none, nothing was asked yet" in flat(app)

    drive(app, steps, (100, 30))


def test_the_board_says_what_needs_a_person(paths) -> None:
    production(paths)
    run = revoke(paths, [f"job-{n}" for n in range(1, 7)])
    run.decide("breakglass", why="nobody else is awake")
    run.end([1, 2])
    run.decide("halt", backend="vault-prod", detail="3 failures")
    run.decide("late", late=stranger(), backend="vault-prod", detail="made by ci since")
    run.decide("except", 3, owner="payments", expires=4_000_000_000_000_000, why=REASON)
    run.decide("alarm", 1, detail="used from 203.0.113.9", backend="vault-prod")
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        text = flat(app)
        assert "BREAK GLASS" in text
        assert "nobody else is awake" in text
        assert "HALTED: 3 failures" in text
        assert "LATE late-one on vault-prod: made by ci since" in text
        assert "EXCEPTED job-3 on vault-prod for payments, until 2096-10-02" in text
        assert "ALARM" in text
        assert "in scope 7 = █ dead 1 + e excepted 1 + ! failed 1 + ░ left 4" in text

    drive(app, steps, (100, 40))


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (60, 16)])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_board_fits_every_screen_with_hostile_words(paths, size, ascii_only) -> None:
    items = [item(n, Verb.REVOKE, HOSTILE, f"backend-{n % 9}") for n in range(1, 40)]
    run = Run(paths, items, reason="why " + HOSTILE[:60].replace("\0", ""))
    run.end([1, 2, 3], state="rejected")
    run.decide("halt", backend="backend-1", detail=HOSTILE[:100].replace("\0", ""))
    run.decide("late", late=stranger(HOSTILE[:40]), backend="backend-2", detail="late")
    app = world.application(paths, ascii_only=ascii_only)

    async def steps(pilot):
        await pilot.press("l")
        await until(pilot, lambda: "revoke" in screen(app))
        await pilot.press("enter")
        await until(pilot, lambda: "in scope 40" in screen(app))
        for keys in ((), ("P",), ("escape", "down", "enter"), ("end",)):
            await pilot.press(*keys)
            await settled(pilot)
            text = screen(app)
            assert all(len(line) <= size[0] for line in text.splitlines())
            assert "? help" in text.splitlines()[-1]
            for character in text.replace("\n", ""):
                assert unicodedata.category(character) not in ("Cc", "Cf", "Cs")
            if ascii_only:
                assert text.isascii()

    drive(app, steps, size)


def test_a_token_of_the_run_shows_its_card_and_its_entries(paths) -> None:
    items = [
        item(1, Verb.ROTATE, "by-hand", "github", manual="Open the settings, and regenerate it."),
        item(2, Verb.ROTATE, "by-call", "github"),
    ]
    run = Run(paths, items)
    run.end([2])
    app = world.application(paths)

    async def steps(pilot):
        await opened(pilot, app, worker=False)
        assert "BY HAND 1 token to be done by hand: enter shows the card" in flat(app)
        await pilot.press("enter")
        await until(pilot, lambda: "BY HAND Open the settings, and regenerate it." in flat(app))
        assert "evidence Rotate" not in flat(app)
        act = entry_parts.act("rotate", items[0].token, plan=run.plan.id)
        out = Out(ref=run.plan.id, state="seen", how="person", evidence=2)
        run.say(Kind.EVIDENCE, act=act, out=out)
        await until(pilot, lambda: "evidence Rotate by-hand" in flat(app))
        await pilot.press("escape", "end", "enter")
        await until(pilot, lambda: "CALLS DELETE /keys/2" in flat(app))

    drive(app, steps)


DECISIONS = {
    "p": ({"what": "pause"}, ()),
    "Z": ({"what": "abort"}, ("abort",)),
    "h": ({"what": "unhalt", "backend": "vault-prod"}, ()),
    "w": ({"what": "waive", "item": "1"}, ("waive",)),
    "y": ({"do": "second"}, ("2 tokens",)),
    "exclamation_mark": ({"do": "glass"}, ("2 tokens",)),
}


@pytest.mark.parametrize("key", DECISIONS)
def test_a_decision_takes_a_typed_reason_and_where_it_is_grave_a_word(paths, key) -> None:
    items = [item(n, Verb.ROTATE, f"job-{n}", "vault-prod") for n in (1, 2)]
    production(paths)
    run = Run(paths, items)
    run.decide("halt", backend="vault-prod", detail="3 failures")
    app = world.application(paths, act=True, worker="plan")
    wanted, words = DECISIONS[key]

    async def steps(pilot):
        from textual.events import Paste

        await opened(pilot, app)
        await pilot.press(key, "enter")
        await settled(pilot)
        assert "at least 10 characters" in screen(app)
        await pilot.press(*REASON)
        if not words:
            app.post_message(Paste(" and more"))
            await until(pilot, lambda: "Pasting does nothing here" in screen(app))
        await pilot.press("enter")
        for word in words:
            await settled(pilot)
            assert decided(paths) == []
            await pilot.press("pagedown", "pagedown", "enter", *word, "enter")
        await until(pilot, lambda: "alice decided" in screen(app))

    drive(app, steps)
    (request,) = decided(paths)
    assert request["plan"] == run.plan.id
    assert request["reason"] == REASON
    assert wanted.items() <= request.items()


def decided(paths) -> list[dict]:
    return [each for each in asked(paths) if each["do"] in ("decide", "second", "glass", "start")]


def test_an_exception_needs_an_owner_and_a_date_to_come(paths) -> None:
    revoke(paths, ["one", "two"])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        await pilot.press("down", "e", "enter")
        await settled(pilot)
        assert "somebody has to answer for it" in screen(app)
        await pilot.press(*"payments", "enter", *"2020-01-01", "enter")
        await settled(pilot)
        assert "that date is over" in screen(app)
        await pilot.press("ctrl+u", *"next week", "enter")
        await settled(pilot)
        assert "that is no date" in screen(app)
        await pilot.press("ctrl+u", *"2027-01-31", "enter", *REASON, "enter")
        await until(pilot, lambda: decided(paths) != [])

    drive(app, steps)
    (request,) = decided(paths)
    assert (request["item"], request["owner"], request["until"]) == ("2", "payments", "2027-01-31")


def test_a_run_with_something_left_cannot_be_closed_and_says_why(paths) -> None:
    run = revoke(paths, ["one", "two"])
    run.end([1])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        await pilot.press("z")
        await settled(pilot)
        assert "close: not now, 1 token is not known to be dealt with" in flat(app)
        run.end([2])
        await until(pilot, lambda: "nothing left" in screen(app))
        await pilot.press("z", *REASON, "enter")
        await until(pilot, lambda: "alice decided: close" in screen(app))

    drive(app, steps)


def test_a_stopped_run_is_started_again_by_the_word(paths) -> None:
    run = revoke(paths, ["one", "two"])
    run.end([1])
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        assert "STOPPED: n starts it" in screen(app)
        await pilot.press("n", "enter")
        await settled(pilot)
        assert decided(paths) == []
        await pilot.press(*"start", "enter")
        await until(pilot, lambda: "The runner has been started." in screen(app))

    drive(app, steps)
    assert decided(paths)[0]["do"] == "start"


def test_late_arrivals_are_planned_for_under_the_run(paths) -> None:
    run = revoke(paths, ["one"])
    run.decide("late", late=stranger(), backend="vault-prod", detail="made by ci since")
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        await opened(pilot, app)
        await pilot.press("plus", *"INC-7: made by the same principal", "enter", "enter")
        await until(pilot, lambda: any(each["do"] == "plan" for each in asked(paths)))

    drive(app, steps)
    (plan,) = (each for each in asked(paths) if each["do"] == "plan")
    assert plan["extends"] == run.plan.id
    assert plan["handles"] == [stranger().ref.handle]


def test_what_is_refused_is_said_and_changes_nothing(paths) -> None:
    production(paths)
    revoke(paths, ["one", "two"])
    app = world.application(paths, act=True, worker="refuse")

    async def steps(pilot):
        await opened(pilot, app)
        await pilot.press("y", *REASON, "enter", "pagedown", *"2 tokens", "enter")
        await until(pilot, lambda: "NOT DONE" in screen(app))
        assert "the same login acts in both" in screen(app)
        assert "Ask somebody else." in screen(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "in scope" in screen(app)

    drive(app, steps)


def test_use_after_death_stands_on_every_view_until_the_run_is_opened(paths) -> None:
    run = revoke(paths, ["ci-deploy", "two"])
    run.end([1, 2])
    app = world.application(paths)

    def alarmed() -> bool:
        return "ALARM" in screen(app) and "ci-deploy on vault-prod: used from" in screen(app)

    async def steps(pilot):
        await settled(pilot)
        assert "ALARM" not in screen(app)
        run.decide("alarm", 1, detail="used from 203.0.113.9", backend="vault-prod")
        await until(pilot, alarmed)
        for keys in (("b",), ("J",), ("i", "enter"), ("question_mark",), ("l",)):
            await pilot.press(*keys)
            await until(pilot, alarmed)
        await pilot.press("enter")
        await until(pilot, lambda: "in scope" in screen(app))
        assert "ALARM" in screen(app), "the board itself goes on saying it"
        await pilot.press("i")
        await settled(pilot)
        assert "ALARM" not in screen(app)

    drive(app, steps)
    again = world.application(paths)

    async def heard(pilot):
        await settled(pilot)
        assert "ALARM" not in screen(again)
        run.decide("alarm", 2, detail="used again", backend="vault-prod")
        await until(pilot, lambda: "ALARM" in screen(again))

    drive(again, heard)


@pytest.mark.parametrize("amounts", [[1, 0, 0], [5000, 1, 1], [1] * 7, [0, 0, 3], [10**6, 1, 0]])
@pytest.mark.parametrize("cells", [7, 60, 198])
def test_the_bar_is_full_and_nothing_in_it_vanishes(amounts, cells) -> None:
    given = page.share(amounts, cells)
    assert sum(given) == cells
    assert all((cell > 0) == (amount > 0) for amount, cell in zip(amounts, given, strict=True))


def test_evidence_levels_have_the_words_of_the_model() -> None:
    assert set(proof.WORDS) == set(proof.MEANT) == set(EvidenceLevel)
