"""A pack is checked by its own ``verify.sh``, with nothing of ours; a changed one is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import incident_scene as scene
import pytest
import ssh_tools
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from journal_scene import forms

from console.errors import ConsoleError, UsageError
from console.incident.pack import manifest
from console.incident.pack.write import NameInPack, Pack, Wish, write
from console.incident.papers.names import Labels
from console.journal import keys, opening
from console.journal.files import beside
from console.journal.format.entry import Kind
from console.journal.store.base import leaf_at
from console.settings import Paths
from console.sshsig.errors import AgentError
from console.tlog import policy
from console.tlog.proof import Proof

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("sh", "sha256sum", "openssl", "ssh-keygen", "ssh-agent"))),
    reason="needs coreutils, OpenSSL and OpenSSH",
)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return scene.opened(tmp_path_factory.mktemp("pack"))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real ssh-agent with one key, to be asked for signatures."""
    key = ssh_tools.keygen(tmp_path_factory.mktemp("key") / "id")
    with ssh_tools.ssh_agent() as running:
        ssh_tools.must("ssh-add", key, sock=running.path)
        yield running.path


@pytest.fixture(scope="module")
def whole(paths: Paths, agent: str, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """A pack that the log's key and a responder's key signed."""
    place = tmp_path_factory.mktemp("whole") / "INC"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSH_AUTH_SOCK", agent)
        return write(paths, scene.ID, Wish(place, reason="the auditor asked for it"))


@pytest.fixture(scope="module")
def public(paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """A pack for outsiders."""
    return write(paths, scene.ID, Wish(tmp_path_factory.mktemp("public") / "out", redacted=True))


@pytest.fixture
def copy(whole: Pack, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole.directory, tmp_path / "copy"))


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def verify(place: Path, *words: str, shell: str = "sh") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return subprocess.run(
        [shell, "verify.sh", *words], cwd=place, capture_output=True, text=True, env=environ,
        errors="replace", timeout=ssh_tools.HANG,
    )  # fmt: skip


def refused(place: Path, *words: str) -> str:
    done = verify(place, *words)
    assert done.returncode not in (0, 3), done.stdout
    assert "good" not in done.stdout
    return done.stderr


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


# What is in it, and that others can check it


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_others_check_a_pack(whole: Pack, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    done = verify(whole.directory, whole.vkey, shell=shell)
    assert done.returncode == 0, done.stderr
    assert f"proofs checked: {whole.entries} of {whole.entries}" in done.stdout
    assert "allowed_signers) signed them too" in done.stdout
    assert not done.stderr


def test_a_pack_for_outsiders_is_checked_the_same_way(public: Pack) -> None:
    done = verify(public.directory, "--all", public.vkey)
    assert done.returncode == 0, done.stderr
    assert f"proofs checked: {public.entries} of {public.entries}" in done.stdout


def test_the_entries_are_the_journals_byte_for_byte(whole: Pack, paths: Paths) -> None:
    place = whole.directory / "journal"
    lines = (place / "entries.jsonl").read_bytes().splitlines()
    accepts = policy.parse((whole.directory / "policy").read_bytes())
    told = json.loads((whole.directory / "incident.json").read_text())
    assert whole.entries == len(lines) > 15
    assert told["id"] == scene.ID
    with opening.view(paths) as view:
        assert view.store is not None
        for line in lines:
            seq = json.loads(line)["seq"]
            assert leaf_at(view.store, seq) == line
            proof = Proof.parse((place / "proofs" / f"{seq}.tlog-proof").read_bytes())
            assert proof.verify(line, accepts).checkpoint.size >= seq
        ours = {entry.id for entry in view.of_incident(scene.ID)}
    assert {json.loads(line)["id"] for line in lines} <= ours


def test_the_journal_says_that_a_pack_was_made(whole: Pack, paths: Paths) -> None:
    with opening.view(paths) as view:
        told = [entry for entry in view.of_incident(scene.ID) if entry.kind == Kind.EXPORT]
    export = told[0].body.export
    assert export is not None
    assert export.form == "incident pack"
    assert export.root
    assert "the auditor asked for it" in told[0].why
    digest = hashlib.sha256((whole.directory / "SHA256SUMS").read_bytes()).hexdigest()
    assert digest == whole.sums
    assert digest in told[0].why


def test_each_token_has_its_evidence(whole: Pack) -> None:
    found = [json.loads(path.read_text()) for path in files(whole.directory / "tokens")]
    assert len(found) == 9
    (dead,) = [each for each in found if each["name"] == "payroll-sync"]
    assert dead["value"]["what"] == "refused"
    assert any(entry["evidence"] == "refused" for entry in dead["entries"])
    assert {use["address"] for use in dead["uses_since_the_leak"]} == {scene.THIEF, scene.RUNNER}
    assert dead["record"]["presence"] == "present"
    excepted = [each for each in found if each["exception"] is not None]
    assert excepted[0]["exception"]["owner"] == scene.OWNER


def test_what_was_not_seen_is_told_of_each_system(whole: Pack) -> None:
    told = {each["backend"]: each for each in
            json.loads((whole.directory / "coverage.json").read_text())}  # fmt: skip
    assert any("accessors" in gap for gap in told["vault-granit"]["not_seen"])
    assert told["aws-kobold"]["logs"] == []
    assert any("no log of it is read" in gap for gap in told["aws-kobold"]["not_seen"])
    page = (whole.directory / "report.html").read_text()
    assert "no log of it is read" in page
    assert "What was seen, and what not" in page


def test_the_archive_is_the_same_and_names_no_user(whole: Pack, tmp_path: Path) -> None:
    with tarfile.open(whole.archive) as tar:
        assert {(member.uid, member.uname, member.gname) for member in tar} == {(0, "", "")}
        tar.extractall(tmp_path, filter="data")
    place = tmp_path / whole.directory.name
    assert verify(place).returncode == 0
    assert [path.read_bytes() for path in files(place)] == [
        path.read_bytes() for path in files(whole.directory)
    ]


def test_the_page_shows_who_depends_on_the_tokens(whole: Pack, public: Pack) -> None:
    page = (whole.directory / "report.html").read_text()
    graph = page.partition('<svg class="graph"')[2].partition("</svg>")[0]
    for word in ("vault-granit/payroll-sync", "quartermaster", "ci-write", 'class="edge"'):
        assert word in graph, word
    hidden = (public.directory / "report.html").read_text()
    graph = hidden.partition('<svg class="graph"')[2].partition("</svg>")[0]
    for word in ("token-1", "person-", "grant-1", 'class="edge"'):
        assert word in graph, word


def test_the_guide_names_every_file(whole: Pack) -> None:
    guide = (whole.directory / "VERIFY.md").read_text()
    for path in files(whole.directory):
        name = str(path.relative_to(whole.directory))
        first = name.partition("/")[0]
        if first == "tokens":
            name = "tokens/..."
        elif "/proofs/" in name:
            name = "journal/proofs/N"
        elif name.startswith("journal/checkpoint."):
            name = "." + name.partition(".")[2]
        assert name in guide, name


def blocks(place: Path) -> list[str]:
    """The commands of VERIFY.md, a block each."""
    return re.findall(r"```sh\n(.*?)```", (place / "VERIFY.md").read_text(), re.DOTALL)


def by_hand(place: Path, block: str) -> int:
    done = subprocess.run(
        ["bash", "-c", block], cwd=place, capture_output=True, timeout=ssh_tools.HANG
    )
    return done.returncode


def test_the_commands_of_the_guide_work_by_hand(copy: Path, public: Pack, tmp_path: Path) -> None:
    found = blocks(copy)
    assert len(found) == 5
    for block in found:
        assert by_hand(copy, block) == 0, block
    for block in blocks(public.directory):
        assert by_hand(public.directory, block) == 0, block
    # What they leave behind is no part of the pack.
    assert verify(copy).returncode == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("report.html", "sha256sum --quiet"),
        ("SHA256SUMS.note", "SHA256SUMS.note"),
        ("SHA256SUMS", "-Y verify"),
        ("SHA256SUMS.sig", "-Y verify"),
        ("allowed_signers", "-Y verify"),
        ("journal/checkpoint", "cmp - checkpoint.body"),
        ("journal/checkpoint.body.sig", "cmp - checkpoint.body"),
    ],
)
def test_by_hand_a_change_is_seen_too(copy: Path, name: str, words: str) -> None:
    flip(copy / name, 40)
    (block,) = (block for block in blocks(copy) if words in block and "sh verify" not in block
                and (words != "SHA256SUMS.note" or "tail -n 1" in block)
                and (words == "SHA256SUMS.note" or "tail -n 1" not in block))  # fmt: skip
    assert by_hand(copy, block) != 0


# What was changed is refused


def test_one_changed_byte_in_any_file_is_refused(copy: Path) -> None:
    for path in files(copy):
        before = path.read_bytes()
        for at in {0, len(before) // 2, len(before) - 1}:
            flip(path, at)
            assert refused(copy, "--all") is not None, (path, at)
            path.write_bytes(before)
    assert verify(copy).returncode == 0


@pytest.mark.parametrize("bit", [1, 2, 16, 32])
def test_one_changed_byte_of_the_script_itself_is_refused(copy: Path, bit: int) -> None:
    path = copy / "verify.sh"
    before = path.read_bytes()
    for at in range(bit, len(before), 97):
        changed = bytearray(before)
        changed[at] ^= bit
        path.write_bytes(bytes(changed))
        assert verify(copy).returncode != 0, (at, before[at - 20 : at + 20])


@pytest.mark.parametrize("name", ["SHA256SUMS.note", "vkey"])
def test_no_byte_of_a_signature_or_key_may_differ(copy: Path, name: str) -> None:
    path = copy / name
    before = path.read_bytes()
    for at in range(0, len(before), 1 if name == "vkey" else 2):
        flip(path, at)
        refused(copy)
        path.write_bytes(before)


def test_the_responders_signature_may_not_differ_or_be_missing(copy: Path) -> None:
    path = copy / "SHA256SUMS.sig"
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    assert "not over these sums" in refused(copy)
    path.unlink()
    assert "not over these sums" in refused(copy)


def _add(place: Path) -> None:
    (place / "more.txt").write_text("more")


def _add_sums(place: Path) -> None:
    (place / "SHA256SUMS.more").write_text("more")


def _add_below(place: Path) -> None:
    (place / "journal" / "proofs" / ".hidden").write_text("more")


def _take(place: Path) -> None:
    next(iter((place / "tokens").iterdir())).unlink()


def _rename(place: Path) -> None:
    (place / "handover.md").rename(place / "handover.txt")


def _directory(place: Path) -> None:
    (place / "empty").mkdir()


def _link(place: Path) -> None:
    (place / "policy").rename(place.parent / "policy")
    (place / "policy").symlink_to(place.parent / "policy")


def _newline(place: Path) -> None:
    (place / "a\n.").write_text("more")


@pytest.mark.parametrize(
    "change", [_add, _add_sums, _add_below, _take, _rename, _directory, _link, _newline]
)
def test_a_file_that_came_went_or_moved_is_refused(
    copy: Path, change: Callable[[Path], None]
) -> None:
    change(copy)
    refused(copy)


def _signer(paths: Paths) -> Any:
    found = keys.load(beside(paths.journal).key)
    assert found is not None
    return found


def _sealed(place: Path, signer: Any) -> None:
    """Make the sums and the signature anew, as somebody could who has a key."""
    for name in ("SHA256SUMS", "SHA256SUMS.sig", "SHA256SUMS.note"):
        (place / name).unlink(missing_ok=True)
    manifest.seal(place, signer, manifest.Hand(None, None, ""))


def test_one_signed_by_another_key_is_refused_by_whoever_knows_the_key(
    copy: Path, whole: Pack
) -> None:
    from console.journal.export.common import pem
    from console.journal.keys import verifier
    from console.tlog.note import Ed25519Signer

    other = Ed25519Signer(whole.vkey.partition("+")[0], Ed25519PrivateKey.generate())
    (copy / "vkey").write_text(f"{other.vkey}\n")
    (copy / "journal" / "log.pem").write_text(pem(verifier(other.vkey)))
    (copy / "report.md").write_text("nothing happened\n")
    _sealed(copy, other)
    assert "another key" in refused(copy, whole.vkey)
    # Without it, the checkpoint still is the log's own.
    assert "did not sign the checkpoint" in refused(copy)


@pytest.mark.parametrize("part", ["entry", "leaf", "proof", "order", "gone"])
def test_an_entry_that_is_not_in_the_journal_is_refused_though_the_sums_are_signed(
    copy: Path, paths: Paths, part: str
) -> None:
    place = copy / "journal"
    lines = (place / "entries.jsonl").read_bytes().splitlines(keepends=True)
    if part == "entry":
        lines[3] = lines[3].replace(b'"why":"', b'"why":"not ', 1)
    elif part == "order":
        lines[3], lines[4] = lines[4], lines[3]
    elif part == "gone":
        del lines[3]
    (place / "entries.jsonl").write_bytes(b"".join(lines))
    if part == "leaf":
        leaves = (place / "leaves.txt").read_text().splitlines(keepends=True)
        leaves[2] = leaves[2][:6].partition(" ")[0] + " " + leaves[3].split()[1] + "\n"
        (place / "leaves.txt").write_text("".join(leaves))
    elif part == "proof":
        proof = files(place / "proofs")[2]
        told = proof.read_text().splitlines(keepends=True)
        told[2], told[3] = told[3], told[2]
        proof.write_text("".join(told))
    _sealed(copy, _signer(paths))
    told_of = refused(copy)
    assert "entry" in told_of


# Where it cannot be written, nothing is left


def exports(paths: Paths) -> int:
    with opening.view(paths) as view:
        return sum(entry.kind == Kind.EXPORT for entry in view.entries(1000))


@pytest.mark.parametrize("end", ["", ".tar.gz", ".labels.json"])
def test_what_is_there_already_is_left_alone(paths: Paths, tmp_path: Path, end: str) -> None:
    there = tmp_path / f"INC{end}"
    there.write_text("mine")
    before = exports(paths)
    with pytest.raises(UsageError, match="is there already"):
        write(paths, scene.ID, Wish(tmp_path / "INC", redacted=True))
    assert there.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [there]
    assert exports(paths) == before


@pytest.mark.parametrize("end", ["", ".tar.gz", ".labels.json"])
def test_what_somebody_else_makes_meanwhile_is_left_alone(
    paths: Paths, tmp_path: Path, end: str
) -> None:
    there = tmp_path / f"INC{end}"

    def meanwhile(what: str, done: int, total: int) -> None:
        if what == "sums":
            # A directory is only taken for somebody's if there is something in it.
            (there / "mine").mkdir(parents=True) if not end else there.write_text("mine")

    with pytest.raises(UsageError, match="cannot write"):
        write(paths, scene.ID, Wish(tmp_path / "INC", redacted=True), meanwhile)
    assert list(tmp_path.iterdir()) == [there]
    assert (there / "mine").is_dir() if not end else there.read_text() == "mine"


@pytest.mark.parametrize("where", ["/proc/INC", "/dev/null/INC", "/nowhere/at/all/INC"])
def test_a_place_that_takes_no_files_is_told(paths: Paths, where: str) -> None:
    before = exports(paths)
    with pytest.raises(UsageError, match="cannot write"):
        write(paths, scene.ID, Wish(Path(where)))
    assert exports(paths) == before


@pytest.mark.parametrize("room", [0.05, 0.7, 1.02])
def test_a_full_disk_leaves_nothing(
    paths: Paths, public: Pack, tmp_path: Path, room: float
) -> None:
    """While the first files are written, the later ones, and the archive after all of them."""
    pages = sum(-(-path.stat().st_size // 4096) for path in files(public.directory))
    size = int(pages * room) * 4096
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        before = exports(paths)
        with pytest.raises(UsageError, match="No space left"):
            write(paths, scene.ID, Wish(tmp_path / "INC", redacted=True))
        assert list(tmp_path.iterdir()) == []
        assert exports(paths) == before
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_an_agent_that_does_not_sign_leaves_nothing(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_tools.keygen(tmp_path / "id")
    place = tmp_path / "out"
    place.mkdir()
    with ssh_tools.ssh_agent() as running:
        # What ssh-add -c asks for, nobody confirms here.
        ssh_tools.must("ssh-add", "-c", key, sock=running.path)
        monkeypatch.setenv("SSH_AUTH_SOCK", running.path)
        before = exports(paths)
        with pytest.raises(AgentError):
            write(paths, scene.ID, Wish(place / "INC"))
    assert list(place.iterdir()) == []
    assert exports(paths) == before


def test_without_an_agent_the_log_key_signs_alone_and_that_is_said(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    made = write(paths, scene.ID, Wish(tmp_path / "INC"))
    assert "no ssh-agent" in made.unsigned
    done = verify(made.directory)
    assert done.returncode == 0
    assert "no responder signed it" in done.stdout
    assert not (made.directory / "allowed_signers").exists()


# Secrets and names


def test_no_secret_is_in_a_pack(whole: Pack, public: Pack) -> None:
    for pack in (whole, public):
        with tarfile.open(pack.archive) as tar:
            members = [tar.extractfile(member) for member in tar if member.isfile()]
            packed = [member.read() for member in members if member is not None]
        for content in [*packed, *(path.read_bytes() for path in files(pack.directory))]:
            assert not [form for form in forms(scene.CANARY) if form in content]
    # It was there to be found.
    assert any("policy?token=" in path.read_text() for path in files(whole.directory)
               if path.name == "timeline.json")  # fmt: skip


def words(paths: Paths) -> list[str]:
    """Everything that names a token, system, person, place or event of the incident."""
    found = scene.assessed(paths)
    told = [
        *scene.PLAIN, *scene.HOSTILE, *scene.IDS, scene.ID, scene.OWNER, scene.PERSON, scene.THIEF,
        scene.RUNNER, scene.TITLE, scene.WHY, scene.NOTED, scene.PART, "quartermaster", "Blauwal",
        "vault-granit", "aws-kobold", "granit", "kobold", "bucket-reader", "zimtstern", "evil",
        "maria", "delacroix", "tomasz", "wieczorek", "KESTREL", "script>", "&lt;script",
        "frozen anyway", "switched off", "nobody else can be reached", "k?token", "jenkins",
        "ci-write",
    ]  # fmt: skip
    told += found.incident.scope
    told += [entry.id for entry in found.entries if entry.kind != Kind.EXPORT]
    told += found.plans
    return told


def test_no_name_is_in_a_pack_for_outsiders(public: Pack, paths: Paths) -> None:
    wanted = words(paths)
    with tarfile.open(public.archive) as tar:
        assert not [name for name in tar.getnames() for word in wanted if word in name]
    for path in files(public.directory):
        text = path.read_bytes().decode("utf-8", "replace")
        for word in wanted:
            assert word not in text, (path.name, word)
            assert json.dumps(word)[1:-1] not in text, (path.name, word)


def test_the_pack_with_names_has_them(whole: Pack, paths: Paths) -> None:
    """So that the test before looks for words that could be there."""
    text = "".join(path.read_bytes().decode("utf-8", "replace") for path in files(whole.directory))
    missing = [word for word in words(paths) if word not in text and
               json.dumps(word)[1:-1] not in text]  # fmt: skip
    # Names with control characters stand there without those.
    assert set(missing) <= {"jenkins", "k?token", *scene.HOSTILE}


def test_who_wrote_entries_and_where_is_told_by_nothing_but_the_signed_checkpoint(
    public: Pack,
) -> None:
    host = socket.gethostname()
    for path in files(public.directory):
        if path.suffix in (".json", ".jsonl", ".html") or path.name in ("report.md", "handover.md"):
            text = path.read_text()
            assert host not in text or len(host) < 4, path
            assert '"root"' not in text
            assert "`root`" not in text
            assert ">root<" not in text


def test_outsiders_get_no_entries_and_are_told_so(public: Pack) -> None:
    assert not (public.directory / "journal" / "entries.jsonl").exists()
    guide = (public.directory / "VERIFY.md").read_text()
    assert "are not here" in guide
    assert "name the journal" in guide
    assert "signed by the journal" not in public.signer
    assert "who they are" in public.unsigned


def test_the_labels_lie_beside_the_pack_for_its_maker_alone(public: Pack, paths: Paths) -> None:
    assert public.labels is not None
    assert public.labels.stat().st_mode & 0o777 == 0o600
    assert public.labels.parent == public.directory.parent
    table = json.loads(public.labels.read_text())
    handles = list(scene.record(paths).scope)
    assert [value.split()[0] for value in table["tokens"].values()] == handles
    assert scene.THIEF in table["addresses"].values()
    told = json.loads((public.directory / "incident.json").read_text())
    assert told["times"]["bad_use"]["token"] in table["tokens"]


def test_events_for_a_siem_have_labels_and_the_leaf_hash(public: Pack, whole: Pack) -> None:
    masked = [json.loads(line) for line in (public.directory / "ocsf.jsonl").open()]
    plain = [json.loads(line) for line in (whole.directory / "ocsf.jsonl").open()]
    hashes = {event["metadata"]["original_event_uid"] for event in masked}
    assert {event["metadata"]["original_event_uid"] for event in plain} <= hashes
    assert all("raw_data" not in event for event in masked)
    named = {event["resources"][0]["name"] for event in masked if "resources" in event}
    assert named
    assert all(name.startswith("token-") for name in named)


def test_a_name_that_would_get_through_stops_the_pack(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Labels, "person", lambda self, who: f"person {who}")
    before = exports(paths)
    with pytest.raises(NameInPack):
        write(paths, scene.ID, Wish(tmp_path / "INC", redacted=True))
    assert list(tmp_path.iterdir()) == []
    assert exports(paths) == before


def test_an_unknown_incident_is_told(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="no incident is called"):
        write(paths, "INC-NONE", Wish(tmp_path / "INC"))
    assert list(tmp_path.iterdir()) == []
