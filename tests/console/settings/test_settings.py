"""A broken configuration names the line and the mend; the rest of it goes on."""

from pathlib import Path

import pytest

from console import settings
from console.errors import SettingsError
from console.settings import load, paths


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_no_file_shows_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "config.toml")
    assert "token-console demo" in caught.value.hint
    assert "[backend." in caught.value.hint


def test_what_is_not_toml_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[console]\nrefresh = 30\n[backend.a\ntype = 'x'\n")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert "line 3" in str(caught.value)
    assert "[backend.a" in caught.value.hint


def test_each_wrong_entry_has_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[console]\n"
        "refersh = 30\n"
        "refresh = 0\n"
        "[backend.good]\n"
        "type = 'estate'\n"
        "[backend.'Bad Name']\n"
        "type = 'estate'\n"
        "[backend.leaky]\n"
        "type = 'openbao'\n"
        "read = 'hvs.canary'\n"
        "[surprise]\n",
    )
    loaded = load(path)
    told = {problem.line: problem for problem in loaded.problems}
    assert set(told) == {2, 3, 6, 10, 11}
    assert all(problem.hint for problem in loaded.problems)
    assert "hvs.canary" not in repr(loaded.problems)
    assert [table.name for table in loaded.backends] == ["good", "leaky"]
    assert loaded.refresh == settings.ConsoleSettings().refresh


def test_a_backend_can_be_switched_off(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "[backend.a]\ntype = 'estate'\nenabled = false\n"))
    assert loaded.backends == ()


def test_home_holds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_CONSOLE_HOME", str(tmp_path / "h"))
    where = paths()
    assert where.config == tmp_path / "h" / "config.toml"
    where.make()
    assert where.state.stat().st_mode & 0o777 == 0o700
    assert where.inventory.parent == where.journal.parent == where.state


def test_without_home_the_xdg_directories_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOKEN_CONSOLE_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "s"))
    assert paths().config == tmp_path / "c" / "token-console" / "config.toml"
    assert paths().state == tmp_path / "s" / "token-console"


def test_the_journal_section_says_who_stands_behind_an_entry(tmp_path: Path) -> None:
    text = (
        "[journal]\n"
        'url = { env = "JOURNAL_URL" }\n'
        'signatures = "require"\n'
        'signing_key = "alice@laptop"\n'
        'allowed_signers = "signers"\n'
        'policy = "/etc/policy"\n'
        'witnesses = ["https://w.example:1/x peer.example/w+0123abcd+BAUG+/="]\n'
    )
    found = load(write(tmp_path, text)).journal
    assert found.url == {"env": "JOURNAL_URL"}
    assert (found.signatures, found.signing_key) == ("require", "alice@laptop")
    assert found.allowed_signers == tmp_path / "signers"
    assert found.policy == Path("/etc/policy")
    assert found.witnesses == ("https://w.example:1/x peer.example/w+0123abcd+BAUG+/=",)
    # Whoever names a witness wants it asked.
    assert found.witnessing == "require"


def test_without_a_journal_section_it_is_a_file_and_signatures_are_preferred(
    tmp_path: Path,
) -> None:
    found = load(write(tmp_path, "")).journal
    assert found == settings.JournalSettings()
    assert (found.url, found.signatures, found.witnessing) == (None, "prefer", "off")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('signature = "off"', "'signature'"),
        ('signatures = "no"', "'no'"),
        ("signatures = true", "text"),
        ('signing_key = ""', "text"),
        ('witnesses = "https://w.example"', "list"),
        ('witnesses = ["https://w.example"]', "key"),
        ('witnessing = "always"', "'always'"),
        ('witnessing = "prefer"', "without a witness"),
        ('url = "postgresql://secret-canary@x"', "url"),
    ],
)
def test_a_mistake_in_the_journal_section_stops_and_names_its_line(
    tmp_path: Path, line: str, word: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, f"[console]\nrefresh = 9\n[journal]\n\n{line}\n"))
    assert "line 5" in str(caught.value)
    assert word in str(caught.value)
    assert caught.value.hint
    assert "canary" not in str(caught.value) + caught.value.hint


def test_the_response_section_and_the_sinks(tmp_path: Path) -> None:
    text = (
        "[response]\n"
        'escrow = ["ssh-ed25519 AAAAC3Nz me@here", { file = "keys/a.pub" }, "age1qqqq"]\n'
        "second_person_over = 0\n"
        "second_person_production = false\n"
        "budget = 1\n"
        "default_rate = 2\n"
        "waves = [10]\n"
        "[sink.kv-prod]\n"
        'type = "openbao_kv"\n'
        'write = { env = "KV_TOKEN" }\n'
        "[sink.off]\n"
        'type = "file"\n'
        "enabled = false\n"
    )
    loaded = load(write(tmp_path, text))
    assert loaded.problems == ()
    assert loaded.response.escrow == (
        "ssh-ed25519 AAAAC3Nz me@here",
        tmp_path / "keys" / "a.pub",
        "age1qqqq",
    )
    assert loaded.response == settings.ResponseSettings(
        keys=loaded.response.keys,
        second_person_over=0,
        second_person_production=False,
        budget=1,
        default_rate=2.0,
        waves=(10,),
    )
    assert list(loaded.sinks) == ["kv-prod"]
    assert loaded.sinks["kv-prod"].table["type"] == "openbao_kv"
    assert loaded.sinks["kv-prod"].line == 8
    assert loaded.line_of("kv-prod", "write", "sink") == 10


def test_without_a_response_section_the_careful_defaults_hold(tmp_path: Path) -> None:
    found = load(write(tmp_path, "")).response
    assert (found.escrow, found.second_person_over, found.second_person_production) == (
        (),
        50,
        True,
    )
    assert (found.budget, found.default_rate, found.waves) == (3, None, (50, 500))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("seconds = 1", "'seconds'"),
        ("second_person_over = -1", "at least 0"),
        ("second_person_over = true", "whole number"),
        ("second_person_production = 0", "true or false"),
        ("budget = 0", "at least 1"),
        ("default_rate = 0", "above 0"),
        ("default_rate = inf", "above 0"),
        ("waves = []", "list"),
        ("waves = [50, 0]", "at least 1"),
        ('escrow = "ssh-ed25519 AAAA"', "list"),
        ("escrow = []", "list"),
        ('escrow = ["sk-ssh-ed25519@openssh.com AAAA"]', "sk-ssh-ed25519"),
        ('escrow = ["ecdsa-sha2-nistp256 AAAA"]', "ecdsa-sha2-nistp256"),
        ('escrow = ["AGE-SECRET-KEY-1CANARY"]', "private key"),
    ],
)
def test_a_mistake_in_the_response_section_stops_and_names_its_line(
    tmp_path: Path, line: str, word: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(write(tmp_path, f"[console]\nrefresh = 9\n[response]\n\n{line}\n"))
    assert "line 5" in str(caught.value)
    assert word in str(caught.value)
    assert caught.value.hint
    assert "CANARY" not in str(caught.value) + caught.value.hint


def test_a_wrong_sink_has_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "[sink.good]\n"
        'type = "show"\n'
        '[sink."Bad Name"]\n'
        'type = "show"\n'
        "[sink.leaky]\n"
        'type = "openbao_kv"\n'
        'write = "hvs.canary"\n',
    )
    loaded = load(path)
    assert {problem.line for problem in loaded.problems} == {3, 7}
    assert "hvs.canary" not in repr(loaded.problems)
    assert list(loaded.sinks) == ["good", "leaky"]


@pytest.mark.parametrize("section", ["console", "graph"])
def test_each_mistake_of_a_section_is_told_and_the_rest_of_it_holds(
    tmp_path: Path, section: str
) -> None:
    lines = {
        "console": ("refresh = true", "events = 'x'", "surprise = 1"),
        "graph": ("owners = 'x'", "configs = ['']", "surprise = 1"),
    }[section]
    path = write(tmp_path, "\n".join((f"[{section}]", *lines)))
    told = load(path).problems
    assert [problem.line for problem in told if "surprise" not in problem.message] == [2, 3]
    (unknown,) = [problem for problem in told if "surprise" in problem.message]
    assert unknown.line == 4
    assert unknown.hint.startswith("Known: ")


@pytest.mark.parametrize("section", ["console", "graph", "backend", "sink", "source"])
def test_what_is_no_section_at_all_has_its_line(tmp_path: Path, section: str) -> None:
    (problem,) = load(write(tmp_path, f"\n{section} = 3\n")).problems
    assert problem.line == 2
    assert problem.message == f"{section} must be a section"


@pytest.mark.parametrize("section", ["journal", "response"])
def test_a_section_that_must_be_right_stops_when_it_is_none(tmp_path: Path, section: str) -> None:
    with pytest.raises(SettingsError, match=f"line 2: {section} must be a section"):
        load(write(tmp_path, f"\n{section} = 3\n"))


def test_a_switch_is_true_or_false_and_a_typing_error_does_not_switch_off(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "[backend.a]\ntype = 'estate'\nenabled = 'no'\n"))
    (problem,) = loaded.problems
    assert (problem.line, problem.message) == (3, "a: enabled must be true or false, not 'no'")
    assert problem.hint == "enabled = true"
    assert [table.name for table in loaded.backends] == ["a"]


def test_what_is_switched_off_has_no_mistakes(tmp_path: Path) -> None:
    text = "[backend.a]\ntype = 'estate'\nread = 'literal'\nenabled = false\n"
    assert load(write(tmp_path, text)).problems == ()


def test_sqlite_is_the_name_of_a_journal_in_a_file(tmp_path: Path) -> None:
    assert load(write(tmp_path, "[journal]\nurl = 'sqlite'\n")).journal.url is None
