"""Writes a pack: a directory, the same as a ``tar.gz``, and an entry about it in the journal.

All of it is made under other names and gets its own at the end, or nothing of it is left.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from backends.words import count
from console.errors import ConsoleError, JournalError, UsageError
from console.graph.upkeep import bring_up
from console.incident.assess import Assessment, assess
from console.incident.pack import coverage, entries, graph_svg, guide, manifest, page, tokens
from console.incident.pack.manifest import Hand
from console.incident.papers import document, handover, report
from console.incident.papers.names import Labels, Names, telling, telling_names
from console.incident.papers.story import Story, StoryRow, story
from console.incident.record import find, fold
from console.incident.words import iso
from console.journal import files, opening
from console.journal.export import guide as export_guide
from console.journal.export.common import Snapshot, drafted, snapshot, sync
from console.journal.format import scan
from console.journal.format.entry import Kind
from console.journal.format.parts import Export
from console.journal.write.journal import Journal
from console.response.approve.requirements import Requirements
from console.settings import Paths

FORM = "incident pack"
MANY = 500
"""Files from which on everything is put on the disk at once: one by one, each waits for it."""
TAR, LABELS = ".tar.gz", ".labels.json"
OURS = "token-console hand-over break-glass api-activity"
"""Names of our own that a page may have, whatever a token is called."""
LEVEL = 6
"""How hard the archive is pressed; more took twice the time for a hundredth of its size."""


class Wish(NamedTuple):
    """What somebody wants of a pack.

    ``policy`` is the text of a C2SP tlog-policy; without it, that of the configuration counts.
    """

    directory: Path
    redacted: bool = False
    reason: str = ""
    policy: str = ""
    ask: bool = True
    """Whether the responder's ssh-agent is asked for a signature."""


class Pack(NamedTuple):
    """A pack that is finished."""

    directory: Path
    archive: Path
    labels: Path | None
    files: int
    size: int
    """Bytes of all files together."""
    entries: int
    later: int
    """Entries that came after the newest checkpoint, and are not in it."""
    signer: str
    """Which key of a responder's signed it; empty where none did."""
    unsigned: str
    """Why none did, in words."""
    sums: str
    """The SHA-256 of SHA256SUMS, which the journal's entry has too."""
    vkey: str


Progress = Callable[[str, int, int], None]


def write(
    paths: Paths, id_: str, wish: Wish, progress: Progress = lambda what, done, total: None
) -> Pack:
    """Write the pack of an incident as it stands now. May wait for a person.

    Raises:
        UsageError: no incident is called so; a file is there already, or cannot be written.
        JournalError: the journal takes no entry, or its key is not here.
        AgentError, SignatureRefused, SignatureRequired: the responder's agent did not sign.
        ReasonRefused: the reason is too short, or holds what looks like a secret.
        ConsoleError: the store cannot be read.
    """
    directory = wish.directory.absolute()
    if not directory.name:
        raise UsageError("a pack needs a directory of its own", "Name one that is not there yet.")
    archive, labels = (directory.with_name(directory.name + end) for end in (TAR, LABELS))
    wanted = (directory, archive, labels) if wish.redacted else (directory, archive)
    for path in wanted:
        if os.path.lexists(path):
            raise UsageError(f"{path} is there already", "Name a directory that is not.")
    rules = Requirements.now(paths)
    signing = manifest.hand(rules.journal, rules.signers, ask=wish.ask and not wish.redacted)
    if not wish.policy and rules.journal.policy is not None:
        wish = wish._replace(policy=files.text_of(rules.journal.policy))
    if wish.redacted:
        signing = signing._replace(why_not=manifest.PUBLIC)
    _links(paths)
    with opening.journal(paths) as journal:
        if journal.problem:
            raise JournalError(
                f"the journal takes no entry: {journal.problem}",
                "A pack has to be on the record. See: token-console journal verify",
            )
        with opening.view(paths) as view:
            incident = find(id_, fold(view.cases()).values())
            found = assess(incident, paths, view, time.time())
        reason = scan.reason(wish.reason or f"handed over: what is known of {incident.id}")
        with _cleaned() as made:
            with drafted(directory) as draft:
                told = _Writer(draft, paths, journal, found, wish, signing, progress)
                told.write()
                _archived(draft, archive, found.now, made)
                if isinstance(told.names, Labels):
                    _labels(labels, told.names, made)
                mark = Export(form=FORM, size=told.point.size, root=told.point.root.hex())
                journal.append(
                    Kind.EXPORT,
                    why=f"{reason} (SHA256SUMS sha256:{told.sums})",
                    incident=incident.id,
                    export=mark,
                )
            made.clear()
        return Pack(
            directory,
            archive,
            labels if wish.redacted else None,
            told.files,
            told.size,
            told.entries,
            len(found.entries) - told.entries,
            signing.name or ("a key of the agent" if signing.identity is not None else ""),
            signing.why_not,
            told.sums,
            told.snapshot.key.vkey,
        )


def _links(paths: Paths) -> None:
    """Bring the links of the graph up to date with the store and the teams' files."""
    if paths.inventory.exists():
        bring_up(paths)


@contextlib.contextmanager
def _cleaned() -> Iterator[list[Path]]:
    """Files that are taken away again if the block does not end well."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in made:
            with contextlib.suppress(OSError):
                path.unlink()
        raise


class _Writer:
    """Writes one pack into a draft."""

    def __init__(
        self,
        draft: Path,
        paths: Paths,
        journal: Journal,
        found: Assessment,
        wish: Wish,
        signing: Hand,
        progress: Progress,
    ) -> None:
        self._draft, self._paths, self._journal = draft, paths, journal
        self._found, self._wish, self._signing = found, wish, signing
        self._progress = progress
        self.names: Names = Labels(found) if wish.redacted else Names(found)
        self.snapshot: Snapshot = snapshot(journal.store)
        self.point = self.snapshot.point
        self.entries = self.files = self.size = 0
        self.sums = ""
        if journal.signer.key_id != self.snapshot.key.key_id:
            raise JournalError(
                "the journal's newest checkpoint is signed by another key than the one here",
                "Make the pack on the machine that has the key.",
            )

    def write(self) -> None:
        """Write everything, and sign it."""
        found, names = self._found, self.names
        timeline = story(found, self._paths)
        self._papers(timeline)
        self._progress("tokens", 0, len(found.tokens))
        tokens.write(self._draft, found, self._paths, names, self._progress)
        self._progress("entries", 0, len(found.entries))
        self.entries = entries.write(
            self._draft, self._journal.store, found, self.snapshot, names,
            self._wish.policy, self._progress,
        )  # fmt: skip
        manifest.signers(self._draft, self._signing)
        self._put(
            export_guide.NAME,
            guide.text(
                self.snapshot,
                self.entries,
                responder=self._signing.identity is not None,
                redacted=names.redacted,
            ),
        )
        (self._draft / guide.SCRIPT).write_bytes(guide.script())
        if names.redacted:
            _nothing_through(self._draft, found, timeline)
        self._progress("sums", 0, 1)
        manifest.seal(self._draft, self._journal.signer, self._signing)
        self.sums = hashlib.sha256((self._draft / export_guide.SUMS).read_bytes()).hexdigest()
        for path in self._draft.rglob("*"):
            if path.is_file():
                self.files += 1
                self.size += path.stat().st_size
        self._progress("onto the disk", 0, self.files)
        if self.files > MANY:
            os.sync()
        else:
            sync(self._draft)

    def _papers(self, timeline: Story) -> None:
        found, names = self._found, self.names
        seen = coverage.coverage(found, self._paths, names)
        picture = graph_svg.drawn(found, self._paths, names)
        every = len(found.tokens) <= page.FEW_TOKENS
        self._put("report.md", document.markdown(report.situation(found, names, every=every)))
        told = handover.handover(found, names, timeline)
        self._put("handover.md", document.markdown(told))
        blocks = list(coverage.blocks(seen, timeline, names))
        self._put("report.html", page.page(found, timeline, names, picture, blocks))
        self._json("incident.json", report.told(found, names))
        self._json("coverage.json", seen)
        self._json(
            "timeline.json",
            {
                "rows": [_row(row, names) for row in timeline.rows],
                "counted": list(timeline.folded),
                "no_log_tells": [names.sentence(gap.words, gap.bare) for gap in timeline.unseen],
            },
        )

    def _put(self, name: str, text: str) -> None:
        (self._draft / name).write_bytes(text.encode("utf-8", "replace"))

    def _json(self, name: str, value: object) -> None:
        self._put(name, json.dumps(value, ensure_ascii=True, indent=1) + "\n")


def _row(row: StoryRow, names: Names) -> dict[str, object]:
    return {
        "at": iso(row.at),
        "until": iso(row.until),
        "kind": row.kind,
        "what": names.sentence(row.words, row.bare),
        "who": names.person(row.who) if row.who else "",
        "token": names.token(row.handle) if row.handle else "",
        "backend": names.backend(row.backend) if row.backend else "",
        "address": names.address(row.address) if row.address else "",
        "times": row.times,
        "source": row.source,
    }


class NameInPack(ConsoleError):
    """A name was about to be given to outsiders: a defect of ours, and nothing was given."""


def _nothing_through(draft: Path, found: Assessment, timeline: Story) -> None:
    """See that no name of the incident stands in what outsiders get. Raises ``NameInPack``.

    What is made of hashes and of the journal's own name alone is not looked at.
    """
    ours = telling(f"{guide.script().decode()} {page.style()} {page.REDACTED} {OURS}")
    wanted = telling_names(found, {row.address for row in timeline.rows}) - ours
    for path in draft.rglob("*"):
        if path.suffix not in (".json", ".jsonl", ".md", ".html"):
            continue
        if path.name == export_guide.NAME:
            continue
        if told := wanted & telling(path.read_text(encoding="utf-8")):
            raise NameInPack(
                f"{path.relative_to(draft)} would tell {count(len(told), 'name')} of the incident",
                "Nothing was written. This is a defect: please report it.",
            )


def _archived(draft: Path, archive: Path, at: float, made: list[Path]) -> None:
    """The draft as an archive that names no user of this machine."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = int(at)
        member.mode = 0o755 if member.isdir() else 0o644
        return member

    name = archive.name.removesuffix(TAR)
    waiting = archive.with_name(f".{archive.name}.{os.getpid()}.{os.urandom(4).hex()}")
    made.append(waiting)
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        # Given a name, gzip would keep that of the file that it was made as.
        with (
            gzip.GzipFile("", "wb", LEVEL, raw, int(at)) as pressed,
            tarfile.open(fileobj=pressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            tar.add(draft, name, filter=plain)
        raw.flush()
        os.fsync(raw.fileno())
    _reserve(archive, made)
    os.replace(waiting, archive)


def _reserve(path: Path, made: list[Path]) -> None:
    """Have an empty file of that name, which nobody else made meanwhile.

    A link would do the same in one step; memory sticks have none.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    made.append(path)


def _labels(path: Path, names: Labels, made: list[Path]) -> None:
    """What each label stands for, for nobody but the user."""
    _reserve(path, made)
    text = json.dumps(names.table, ensure_ascii=True, indent=1) + "\n"
    files.write(path, text.encode())
