"""Keys as a person would say them, and those that reasons speak of."""

from __future__ import annotations

CLOSE, SECOND, SET_LEAK = "z", "y", "at"
"""Keys of actions that another action's reason sends one to."""

KEY_NAMES = {
    "asterisk": "*",
    "at": "@",
    "dollar_sign": "$",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "full_stop": ".",
    "left_parenthesis": "(",
    "left_square_bracket": "[",
    "number_sign": "#",
    "plus": "+",
    "right_parenthesis": ")",
    "right_square_bracket": "]",
    "semicolon": ";",
    "vertical_line": "|",
    "ctrl+@": "",  # What a terminal sends for ctrl+space; one name is enough for people.
    "ctrl+backslash": "ctrl+\\",
    "ctrl+h": "",
    "backspace": "bksp",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "escape": "esc",
    "down": "down",
}


def spoken(key: str) -> str:
    """A key as a person would say it; empty for one that has a better name."""
    return KEY_NAMES.get(key, key)
