"""The surroundings cannot steer the screen."""

from console.env import display, scrub


def test_what_could_press_keys_or_stream_the_screen_is_removed() -> None:
    environ = {
        "TEXTUAL_PRESS": "K,y",
        "TEXTUAL_DRIVER": "evil:Driver",
        "TEXTUAL_LOG": "/tmp/screen",
        "TEXTUAL": "devtools",
        "TEXTUAL_THEME": "nord",
        "HOME": "/root",
    }
    removed = scrub(environ)
    assert set(removed) == {"TEXTUAL_PRESS", "TEXTUAL_DRIVER", "TEXTUAL_LOG", "TEXTUAL"}
    assert environ["TEXTUAL_THEME"] == "nord"
    assert environ["TEXTUAL_ANIMATIONS"] == "none"


def test_a_bastion_gets_the_sparing_display() -> None:
    assert display({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22", "LANG": "C.UTF-8"}).remote
    assert display({"TMUX": "/tmp/x", "LANG": "C.UTF-8"}).remote
    assert not display({"LANG": "de_DE.UTF-8"}).remote


def test_ascii_where_the_locale_knows_no_more() -> None:
    assert display({"LANG": "C"}).ascii
    assert not display({"LANG": "C.UTF-8"}).ascii
    assert display({"LANG": "C.UTF-8", "TOKEN_CONSOLE_ASCII": "1"}).ascii
