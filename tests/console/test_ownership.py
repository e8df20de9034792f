"""A file of somebody else is said to be that, with what to type: no defect, no evidence."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from journal_scene import grown
from patience import HANG

from console import ownership, settings
from console.cli import main
from console.errors import UsageError
from console.journal.own import own
from console.journal.read import JournalView
from console.settings import Paths
from console.tui.keeper import Keeper
from console.tui.standing import Standing

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
WHO = ownership.name_of(NOBODY if os.geteuid() == 0 else os.geteuid())
"""Who works in the home: somebody else, where root can become that; else whoever tests."""


class Told(NamedTuple):
    code: int
    text: str


def become(user: int) -> None:
    """Be that user from here on, in a process of its own."""
    os.chdir("/")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def run(home: Path, *words: str, user: int = NOBODY) -> Told:
    """The command as that user, in a process of its own.

    A fork, since not every interpreter can be read by everybody. What the commands import
    on their way was imported when ``made`` ran them.
    """
    with tempfile.TemporaryFile("w+") as said:
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                if user and os.geteuid() == 0:
                    become(user)
                sys.stdout = sys.stderr = said
                code = main(["--home", str(home), *words])
            finally:
                said.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said.seek(0)
        return Told(code, " ".join(said.read().split()))


ROTATE = ("journal", "key", "rotate", "--reason", "the old one was lost")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo with a journal, by root; every command that a test uses ran in it once."""
    place = tmp_path_factory.mktemp("made")
    assert main(["--home", str(place), "demo", "--prepare", "--tokens", "60"]) == 0
    home = place / "demo"
    grown(settings.paths(home).journal, 5)
    for words in (("sync",), ("list",), ("journal", "verify"), ROTATE, ("journal", "doctor")):
        assert main(["--home", str(home), *words]) in (0, 3)
    return home


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """A copy of it that belongs to a user who is not root, where that user can reach it.

    Where the tests are not root's, that user is the one who runs them.
    """
    place = Path(tempfile.mkdtemp(prefix="tc-home-"))
    try:
        found = place / "demo"
        shutil.copytree(made, found)
        config = found / "config.toml"
        config.write_text(config.read_text().replace(str(made), str(found)))
        for each in (place, *place.rglob("*")):
            if os.geteuid() == 0:
                os.chown(each, NOBODY, NOBODY)
        yield found
    finally:
        shutil.rmtree(place)


@pytest.fixture
def somebody_elses(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home as it is to root, whom nobody but root can be: the user's number is patched."""
    if os.geteuid() != 0:
        monkeypatch.setattr(ownership.os, "geteuid", lambda: 0)
    return home


def refused(told: Told) -> str:
    assert told.code != 0, told.text
    for wrong in ("a defect", "as evidence", "Traceback", "Free space"):
        assert wrong not in told.text
    return told.text


WRITES = ("sync",), ROTATE
EVERY: dict[str, tuple[str, ...]] = {
    "config.toml": ("sync",),
    "state/inventory.db": ("sync",),
    "state/journal.db": ("journal", "verify"),
    "state/journal.db.lock": ROTATE,
    "state/journal.key": ROTATE,
    "state/journal.verified": ("journal", "verify"),
    "state": ("sync",),
    "estate.db": ("sync",),
}


@as_root
@pytest.mark.parametrize("name", EVERY)
def test_a_file_that_root_left_is_named_with_what_to_type(home: Path, name: str) -> None:
    path = home / name
    assert run(home, *EVERY[name]).code == 0
    os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() else 0o600)
    text = refused(run(home, *EVERY[name]))
    assert f"{path} belongs to root, and you are {WHO}" in text
    assert "Type: sudo chown " in text
    os.chown(path, NOBODY, NOBODY)
    assert run(home, *EVERY[name]).code == 0


@pytest.mark.parametrize("name", EVERY)
def test_a_file_that_its_mode_keeps_from_its_owner_is_named_with_what_to_type(
    home: Path, name: str
) -> None:
    """As a copy with ``cp`` under a strict umask leaves it, or a backup that was put back."""
    path = home / name
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        text = refused(run(home, *EVERY[name]))
    finally:
        path.chmod(mode)
    assert f"{path} is yours, and its mode keeps you out" in text
    assert re.search(rf"Type: chmod u\+rwX? {re.escape(str(path))}", text)
    assert run(home, *EVERY[name]).code == 0


def test_whose_a_file_is_follows_from_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last resort where nobody can become root: the user's number and rights are patched."""
    path = tmp_path / "journal.db"
    path.touch()
    owner = ownership.name_of(path.stat().st_uid)
    monkeypatch.setattr(ownership.os, "access", lambda *_, **__: False)
    monkeypatch.setattr(ownership.os, "geteuid", lambda: path.stat().st_uid + 1)
    me = ownership.name_of(path.stat().st_uid + 1)
    told = ownership.hint(PermissionError(13, "Permission denied", str(path)))
    assert told.startswith(f"{path} belongs to {owner}, and you are {me}.")
    assert told.endswith(f"Type: sudo chown {me}: {path}")


@pytest.mark.parametrize("words", WRITES)
def test_root_is_kept_from_making_files_in_somebodys_home(
    somebody_elses: Path, words: tuple[str, ...]
) -> None:
    before = sorted(somebody_elses.rglob("*"))
    assert f"belongs to {WHO}" in refused(run(somebody_elses, *words, user=0))
    with pytest.raises(UsageError) as caught:
        ownership.must_be_ours(somebody_elses / "state")
    assert f"belongs to {WHO}, and you are root" in str(caught.value)
    assert f"sudo -u {WHO} token-console" in caught.value.hint
    assert sorted(somebody_elses.rglob("*")) == before, "not even a lock was made"


@as_root
def test_the_screen_says_whose_file_it_is_too(home: Path) -> None:
    paths = settings.paths(home)
    path = paths.journal.with_suffix(".verified")
    os.chown(path, 0, 0)
    path.chmod(0o600)
    pid = os.fork()
    if pid == 0:
        code, told = 70, [Standing()]
        try:
            become(NOBODY)
            keeper = Keeper(lambda: JournalView(paths.journal), own(paths), time.time, told.append)
            keeper.ask(True)
            keeper.start()
            deadline = time.monotonic() + HANG
            while not told[-1].found and time.monotonic() < deadline:
                time.sleep(0.01)
            problem = told[-1].problem
            good = f"{path} belongs to root" in problem and "sudo chown" in problem
            code = 0 if good else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@as_root
@pytest.mark.parametrize("words", WRITES)
def test_root_leaves_nothing_in_somebodys_home(home: Path, words: tuple[str, ...]) -> None:
    """Refused before anything is made; to look is harmless."""
    assert f"belongs to {WHO}" in refused(run(home, *words, user=0))
    for look in (("journal", "verify"), ("list",), ("journal", "doctor")):
        run(home, *look, user=0)
    assert {path for path in home.rglob("*") if path.stat().st_uid == 0} == set()
    assert run(home, "journal", "verify").code == 0


@as_root
def test_root_makes_nothing_where_there_is_no_configuration_either(home: Path) -> None:
    """Whose configuration it is refuses root too, so that is not what is asked for here."""
    (home / "config.toml").unlink()
    text = refused(run(home, *ROTATE, user=0))
    assert f"belongs to {WHO}, and you are root" in text
    assert f"Type: sudo -u {WHO} token-console" in text
    assert {path for path in home.rglob("*") if path.stat().st_uid == 0} == set()


def test_a_home_that_cannot_be_written_is_said_to_be_that(home: Path) -> None:
    state = home / "state"
    state.chmod(0o500)
    try:
        text = refused(run(home, *ROTATE))
        assert f"{state} is yours, and its mode keeps you out" in text
        assert f"chmod u+rwX {state}" in text
    finally:
        state.chmod(0o700)


def test_a_disk_that_is_mounted_read_only_is_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mounted:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr("console.ownership.os.access", lambda *_, **__: False)
    monkeypatch.setattr("console.ownership.os.statvfs", lambda _: Mounted)
    error = OSError(30, "Read-only file system", str(tmp_path))
    assert "mounted read-only" in ownership.hint(error)
    assert "cp -a" in ownership.hint(error)


def test_other_troubles_are_not_taken_for_it(tmp_path: Path) -> None:
    assert ownership.hint(OSError(28, "No space left on device", str(tmp_path))) == ""
    assert ownership.hint(ValueError("x"), (tmp_path,)) == ""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = settings.paths(tmp_path / "home")
    made.make()
    made.config.write_text('[backend.e]\ntype = "estate"\npath = "/x.db"\nsystem = "vault"\n')
    return made


@pytest.mark.parametrize(("file", "folder"), [(0o664, 0o755), (0o646, 0o755), (0o644, 0o777)])
def test_a_configuration_that_others_can_write_is_refused(
    paths: Paths, capsys: pytest.CaptureFixture[str], file: int, folder: int
) -> None:
    words = ["--home", str(paths.config.parent), "config", "check"]
    paths.config.parent.chmod(0o755)
    paths.config.chmod(0o644)
    assert main(words) == 0, capsys.readouterr()
    paths.config.chmod(file)
    paths.config.parent.chmod(folder)
    assert main(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "others can write to" in said
    assert "chmod go-w" in said
