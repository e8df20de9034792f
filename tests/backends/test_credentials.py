"""Credentials come by reference, and a bad reference says what to mend."""

import sys
from pathlib import Path
from typing import Any

import pytest

from backends.credentials import check, resolve
from backends.errors import CredentialError

CANARY = "canary-1618033988"


def test_env_file_and_command_lead_to_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", CANARY)
    private = tmp_path / "token"
    private.write_text(CANARY + "\n")
    private.chmod(0o600)
    command = [sys.executable, "-c", f"print({CANARY!r})"]
    for reference in ({"env": "MY_TOKEN"}, {"file": str(private)}, {"command": command}):
        secret = resolve(reference)
        assert secret.reveal() == CANARY
        assert CANARY not in repr(secret)


def test_a_literal_secret_is_refused_and_not_repeated() -> None:
    with pytest.raises(CredentialError) as caught:
        check(CANARY, "read")
    assert CANARY not in str(caught.value) + caught.value.hint
    assert caught.value.option == "read"


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    public = tmp_path / "token"
    public.write_text(CANARY)
    public.chmod(0o644)
    with pytest.raises(CredentialError) as caught:
        resolve({"file": str(public)})
    assert "chmod 600" in caught.value.hint


def test_a_failing_command_does_not_repeat_what_it_printed() -> None:
    script = f"import sys; print({CANARY!r}); print({CANARY!r}, file=sys.stderr); sys.exit(3)"
    with pytest.raises(CredentialError) as caught:
        resolve({"command": [sys.executable, "-c", script]})
    assert "exit status 3" in str(caught.value)
    assert CANARY not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    "reference",
    [
        {"env": "NO_SUCH_VARIABLE_HERE"},
        {"file": "/nonexistent/token"},
        {"command": ["/nonexistent/program"]},
        {"command": "a string"},
        {"command": []},
        {"vault": "x"},
        {},
        {"env": "A", "file": "B"},
        7,
    ],
)
def test_every_other_reference_has_a_hint(reference: Any) -> None:
    with pytest.raises(CredentialError) as caught:
        resolve(reference)
    assert caught.value.hint
