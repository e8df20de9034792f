"""What the README says of keys and commands is what the program has."""

import re
import shlex
from pathlib import Path

from console.cli.parser import parse
from console.tui.actions.registry import key_table_markdown

README = Path(__file__).parents[2] / "README.md"


def test_the_key_table_is_the_registrys() -> None:
    text = README.read_text()
    between = re.search(r"<!-- keys:[^>]*-->\n(.*?)<!-- /keys -->", text, re.DOTALL)
    assert between is not None
    assert between[1].strip() == key_table_markdown().strip(), (
        "paste the output of: python -c 'from console.tui.actions import registry; "
        "print(registry.key_table_markdown())'"
    )


def test_every_command_in_the_readme_is_understood() -> None:
    text = README.read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    commands = re.findall(r"token-console ?([^#\n]*?)(?:#.*)?$", blocks, re.MULTILINE)
    assert len(commands) > 5
    for command in commands:
        parse(shlex.split(command.replace("~", "/home/x")))
