"""From the page to the pack by the command line, on the embedded estate with a real run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from demo_home import Responder, copy, prepare
from patience import HANG

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("sh", "sha256sum", "openssl"))), reason="needs coreutils and OpenSSL"
)
WHY = "it stood in a build log"


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> Responder:
    """A responder who has ended a token for an incident."""
    home = copy(prepare(tmp_path_factory.mktemp("made")), tmp_path_factory.mktemp("home"))
    ana = Responder(home)
    row = ana.first("backend:vault-prod", "used:<1d", "state:active")
    ana.must(
        "incident", "open", "INC-7", "--title", "npm token in a log", "--reason", WHY,
        "--leak", "6h", "--token", row["handle"],
    )  # fmt: skip
    answers = [
        word
        for code in ("in-use", "last-active-key", "children", "consumers", "shared", "parent")
        for word in ("--answer", f"{code}=it has to stop")
    ]
    ana.must("revoke", row["handle"], "--reason", WHY, "--confirm", row["name"], *answers)
    return ana


def test_a_run_and_its_evidence_are_in_the_pack(ana: Responder, tmp_path: Path) -> None:
    told = ana.told("incident", "pack", "INC-7", str(tmp_path / "INC-7"))
    done = subprocess.run(
        ["sh", "verify.sh", "--all", told["vkey"]], cwd=told["directory"], capture_output=True,
        text=True, timeout=HANG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = Path(told["directory"], "tokens").iterdir()
    token = json.loads(file.read_text())
    assert token["value"]["what"] in ("recorded, not tried", "refused")
    assert token["contained"]
    assert any(entry["evidence"] for entry in token["entries"])
    timeline = json.loads(Path(told["directory"], "timeline.json").read_text())
    kinds = [row["kind"] for row in timeline["rows"]]
    assert kinds.index("exposed") < kinds.index("call") < kinds.index("evidence")
    assert "use" in kinds
    # All that the journal has of the run is proved, and nothing of another one.
    assert told["entries"] == len(
        Path(told["directory"], "journal", "entries.jsonl").read_bytes().splitlines()
    )


def test_the_commands_say_what_they_made_and_what_others_do(ana: Responder, tmp_path: Path) -> None:
    said = ana.must("incident", "pack", "INC-7", str(tmp_path / "out"), "--redacted")
    for words in ("out.tar.gz", "out.labels.json", "Give it to nobody", "sh verify.sh", "alone"):
        assert words in said, words
    again = ana.must("incident", "pack", "INC-7", str(tmp_path / "out"), code=2)
    assert "is there already" in again


def test_a_report_and_a_timeline_of_it(ana: Responder) -> None:
    report = ana.must("incident", "report", ".")
    assert "contained: 2" in report
    line = ana.told("incident", "show", ".", "--timeline")
    assert {row["kind"] for row in line["rows"]} >= {"exposed", "use", "decision", "call"}
    markdown = ana.must("incident", "handover", "INC-7", "--markdown")
    assert markdown.startswith("# Hand-over of `INC-7`")
