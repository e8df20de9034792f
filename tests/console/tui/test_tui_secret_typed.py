"""A secret that is typed or pasted into a prompt: masked at once, never searched for, and said."""

import pytest
import tui_graph_scene
import tui_world as world
from tui_world import drive, fill, screen, settled, until

from console.tui.widgets import typed_secret

GITHUB = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4fG6"
VAULT = "hvs.CAESIJlU9JMYEhOPYv4igdhm9PnZDrabYTobQ4"
RANDOM = "q7Zk3Vb9Xw2Lm5Tr8Nc1Yf4Hd6Jg0Ps"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"
SAID = "masked, not searched for. Whose it is:"


@pytest.fixture
def paths(tmp_path):
    made = world.where(tmp_path)
    fill(made)
    return made


async def give(pilot, app, text: str, how: str) -> None:
    from textual.events import Paste

    if how == "pasted":
        app.post_message(Paste(text))
    else:
        await pilot.press(*(" " if letter == "\n" else letter for letter in text))
    await settled(pilot)


def hidden(app, secret: str) -> None:
    shown = screen(app)
    assert secret not in shown
    assert secret[-12:] not in shown, "the end of what was typed after it could be told"
    assert typed_secret.MASK in shown


@pytest.mark.parametrize("how", ["pasted", "typed"])
@pytest.mark.parametrize(
    ("secret", "what"),
    [
        (GITHUB, "A GitHub token"),
        (VAULT, "A Vault token"),
        (RANDOM, "A likely secret"),
    ],
)
def test_a_secret_in_the_filter_is_masked_and_named(paths, secret, what, how) -> None:
    app = world.application(paths)
    asked: list[str] = []
    was = app.inventory_view._searcher.ask
    app.inventory_view._searcher.ask = lambda q: (asked.append(repr(q.query)), was(q))[1]

    async def steps(pilot):
        await pilot.press("slash")
        await give(pilot, app, secret, how)
        hidden(app, secret)
        assert f"{what}: {SAID}" in screen(app)
        assert "No token matches" not in screen(app)
        assert "8 tokens" in screen(app)
        await until(pilot, lambda: "ci-deploy" in screen(app))
        assert f"{what}: {SAID}" in screen(app), "it stays said"
        await pilot.press(*" legacy")
        await until(pilot, lambda: "1 of 8" in screen(app))
        hidden(app, secret)
        await pilot.press("escape")
        await until(pilot, lambda: "all tokens" in screen(app))
        assert SAID not in screen(app)

    drive(app, steps)
    assert not any(secret in query or secret[-12:] in query for query in asked)


def test_a_private_key_of_several_lines_is_one_secret(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash")
        await give(pilot, app, PRIVATE, "pasted")
        assert "MIIEv" not in screen(app)
        assert f"A private key: {SAID}" in screen(app)

    drive(app, steps)


def test_of_an_address_only_the_password_is_masked(paths) -> None:
    app = world.application(paths)

    async def steps(pilot):
        await pilot.press("slash")
        await give(pilot, app, "https://ana:Tr0ub4dor@example.org/", "pasted")
        assert "Tr0ub4dor" not in screen(app)
        assert f"{typed_secret.MASK}@example.org" in screen(app)
        assert "An address with a password: masked, not searched for." in screen(app)

    drive(app, steps)


def test_an_id_that_the_store_has_is_no_secret(tmp_path) -> None:
    from backends.model import ScopeDone

    paths = world.where(tmp_path)
    accessor = "k9Zq3Vb7Xw2Lm5Tr8Nc1Yf4H"
    made = [world.token("vault-prod", accessor, "one"), world.token("vault-prod", "acc-2", "two")]
    fill(paths, [world.Still("vault-prod", [*made, ScopeDone("root/", 2)])])
    app = world.application(paths)

    async def steps(pilot):
        for how in ("pasted", "typed"):
            await pilot.press("slash")
            await give(pilot, app, accessor, how)
            await until(pilot, lambda: "1 of 2" in screen(app))
            assert accessor in screen(app)
            await pilot.press("escape")
            await until(pilot, lambda: "all tokens" in screen(app))

    drive(app, steps)


@pytest.mark.parametrize(
    "keys", [("J", "slash"), ("colon",), ("t", "at"), ("s",), ("g", "slash"), ("g", "o"), ("K",)]
)
def test_every_prompt_masks_it(tmp_path, keys) -> None:
    paths = tui_graph_scene.build(world.where(tmp_path)) if "g" in keys else world.where(tmp_path)
    if "g" not in keys:
        fill(paths)
    app = world.application(paths, act=True, worker="plan")

    async def steps(pilot):
        if "g" in keys:
            await tui_graph_scene.open_graph(pilot, app)
        elif keys == ("K",):
            await pilot.press("slash", *"ci-deploy", "enter")
        await until(pilot, lambda: app.link.up)
        await pilot.press(*(key for key in keys if key != "g"))
        await settled(pilot)
        await give(pilot, app, GITHUB, "pasted")
        hidden(app, GITHUB)
        assert f"A GitHub token: {SAID}" in screen(app)
        await pilot.press("enter")
        await settled(pilot)
        assert GITHUB not in screen(app)
        if keys == ("K",):
            assert "looks like a secret, and a journal cannot forget" in screen(app)
            await pilot.press("backspace", *"leaked in public", "enter", "enter")
            await until(pilot, lambda: "14 consumers" in screen(app))

    drive(app, steps)


def test_a_word_that_has_to_be_typed_is_never_masked(tmp_path) -> None:
    from console.tui.widgets.decide_bar import word
    from console.tui.widgets.line_input import LineInput

    line = LineInput()
    line.guarded = not word(RANDOM, "To go on").word
    assert not line.guarded


def test_ordinary_words_and_queries_are_left_alone() -> None:
    for text in (
        "owner:payments used:>90d", "backend:vault-prod grant:admin -owner:none",
        "AKIAIOSFODNN7EXAMPLE", "webhook-processor-production-eu-2", '"two words" kind:access-key',
        "3f9a1c0b7d2e",
    ):  # fmt: skip
        assert typed_secret.mask(text, lambda word: False) == (text, "")
