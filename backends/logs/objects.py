"""CloudTrail's log files, which are written once: from a folder or from an S3 bucket.

Each file is a place of its own, and is taken whole. A digest file (where the trail has
log file validation) tells which files were delivered and what is in them, so that one that
was removed or altered is a hole and not silence.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from backends.contract import Option
from backends.errors import BackendError, ConfigError, Forbidden, NotFound, ServerFault
from backends.logs import cloudtrail
from backends.logs.source import COVERS, Batch, Clock, Hole, Source, SourceConfig
from backends.model import AuditEvent

MAX_FILE = 512 << 20
"""Bytes of one file when it is unpacked."""
DIGESTS = "CloudTrail-Digest"
CHECK = "Look at the bucket's own log: somebody may have removed or changed it."


class Shelf(ABC):
    """Where files lie."""

    @abstractmethod
    def names(self) -> Iterator[tuple[str, str]]:
        """Every file: its name, and a stamp that is another one when it was written anew."""

    @abstractmethod
    def get(self, name: str) -> bytes:
        """A file's bytes. Raises ``BackendError``."""

    def close(self) -> None:
        """Give back what was taken."""


class Folder(Shelf):
    """A directory, with all below it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Iterator[tuple[str, str]]:
        if not self._path.is_dir():
            raise NotFound(f"there is no folder {self._path}", "Mend path.")
        for path in sorted(self._path.rglob("*.json*")):
            if path.is_file() and not path.is_symlink():
                told = path.stat()
                yield str(path.relative_to(self._path)), f"{told.st_size}-{told.st_mtime_ns}"

    def get(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            kind = Forbidden if isinstance(error, PermissionError) else ServerFault
            raise kind(f"cannot read {name}: {error.strerror}") from None


class CloudTrailShelf(Source):
    """What the two sources share."""

    delay: ClassVar[timedelta] = timedelta(minutes=15)
    """How late CloudTrail may deliver: "within about 5 minutes" on average (its FAQ)."""

    @abstractmethod
    def shelf(self) -> Shelf:
        """The place to read from. Raises ``BackendError``."""

    def read(self, places: Mapping[str, bytes], learned: Mapping[str, str]) -> Iterator[Batch]:
        shelf = self.shelf()
        try:
            known = set(places)
            present: set[str] = set()
            digests: list[tuple[str, str]] = []
            for name, stamp in shelf.names():
                present.add(name)
                if DIGESTS in name:
                    digests.append((name, stamp))
                elif places.get(name) != stamp.encode():
                    yield self._file(shelf, name, stamp)
                    known.add(name)
            for name, stamp in digests:
                if places.get(name) != stamp.encode():
                    yield self._digest(shelf, name, stamp, present, known)
        finally:
            shelf.close()

    def _file(self, shelf: Shelf, name: str, stamp: str) -> Batch:
        batch = Batch(name, stamp.encode())
        try:
            found = cloudtrail.records(unpacked(name, shelf.get(name)))
        except (ValueError, RecursionError, *DAMAGED) as error:
            what = f"{_short(name)} is no whole log file ({type(error).__name__})"
            batch.holes.append(Hole("unreadable", what, CHECK))
            batch.bad = 1
            return batch
        except NotFound as error:
            batch.holes.append(Hole("missing", str(error), CHECK))
            return batch
        clock = Clock()
        origin = f"CloudTrail {_short(name)}"
        batch.lines = len(found)
        for record in found:
            known = cloudtrail.known_of(record) if isinstance(record, dict) else None
            if known is None:
                batch.bad += 1
                continue
            clock.see(known.at)
            batch.events.extend(self._events(record, known, origin))
        clock.give(batch)
        # The order within a file is none that CloudTrail promises.
        batch.back = timedelta(0)
        return batch

    def _events(
        self, record: dict[str, Any], known: cloudtrail.Known, origin: str
    ) -> tuple[AuditEvent, ...]:
        return cloudtrail.events_of(
            record, known, backend=self.backend, kind=cloudtrail.KIND, region="", origin=origin
        )

    def _digest(
        self, shelf: Shelf, name: str, stamp: str, present: set[str], read: set[str]
    ) -> Batch:
        batch = Batch(name, stamp.encode())
        try:
            told = cloudtrail.digest(unpacked(name, shelf.get(name)))
        except (ValueError, RecursionError, BackendError, *DAMAGED):
            what = f"{_short(name)} is no whole digest file"
            batch.holes.append(Hole("unreadable", what, CHECK))
            return batch
        for listed, wanted in told.files:
            here = _under(listed, present)
            if here is None:
                what = f"{_short(listed)} was delivered and is not there"
                batch.holes.append(Hole("missing", what, CHECK, told.since, told.until))
                continue
            try:
                data = unpacked(here, shelf.get(here))
            except (ValueError, BackendError, *DAMAGED):
                continue  # Told when the file itself was read.
            if wanted and hashlib.sha256(data).hexdigest() != wanted:
                what = f"{_short(listed)} is not what CloudTrail delivered"
                batch.holes.append(Hole("unreadable", what, CHECK, told.since, told.until))
        return batch


class CloudTrailFiles(CloudTrailShelf):
    """A folder that a bucket was copied to."""

    type_name: ClassVar[str] = "cloudtrail_files"
    title: ClassVar[str] = "CloudTrail log files in a folder"
    options: ClassVar[tuple[Option, ...]] = (
        Option("path", "The folder; what is below it is read too.", required=True),
        COVERS,
    )

    def shelf(self) -> Shelf:
        return Folder(Path(self.config.options["path"]).expanduser())


class CloudTrailS3(CloudTrailShelf):
    """The bucket itself."""

    type_name: ClassVar[str] = "cloudtrail_s3"
    title: ClassVar[str] = "CloudTrail log files in an S3 bucket"
    options: ClassVar[tuple[Option, ...]] = (
        Option("bucket", "The bucket.", required=True),
        Option("prefix", "Only keys that begin with it, such as AWSLogs/123456789012/.", str, ""),
        Option("region", "The bucket's region.", str, "us-east-1"),
        Option("endpoint_url", "Another address than AWS's own."),
        Option("profile", "A profile of ~/.aws, where no credential is named in read."),
        COVERS,
    )

    def __init__(self, config: SourceConfig) -> None:
        super().__init__(config)
        if config.read is None and not config.options.get("profile"):
            raise ConfigError(
                "the bucket needs a credential to read with",
                'Add: read = { file = "PATH" } with ACCESS_KEY_ID:SECRET, or a profile.',
                option="read",
            )

    def shelf(self) -> Shelf:
        from backends.logs.bucket import Bucket  # boto3 is an extra, and slow to load.

        return Bucket(self.config)


DAMAGED = (OSError, EOFError, zlib.error)


def unpacked(name: str, data: bytes) -> bytes:
    """A file's text, which is taken from its compression, whatever it is called.

    Raises:
        ValueError: it is too large to be one.
        OSError, EOFError, zlib.error: it is damaged.
    """
    if data[:2] == b"\x1f\x8b":
        import io

        with gzip.open(io.BytesIO(data)) as packed:
            text = packed.read(MAX_FILE + 1)
    else:
        text = bz2.decompress(data) if data[:3] == b"BZh" else data
    if len(text) > MAX_FILE:
        raise ValueError("too large")
    return text


def _under(listed: str, present: set[str]) -> str | None:
    """The file that a digest speaks of, whose key may have lost its beginning in a copy."""
    while listed not in present:
        _, slash, listed = listed.partition("/")
        if not slash:
            return None
    return listed


def _short(name: str) -> str:
    return name.rpartition("/")[2][:120]
