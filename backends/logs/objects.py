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
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from backends.aws_iam import cloudtrail
from backends.contract import Option
from backends.errors import (
    AuthFailed,
    BackendError,
    ConfigError,
    NotFound,
    RateLimited,
    ServerFault,
    TimedOut,
    Unreachable,
)
from backends.logs.lanes import Lanes
from backends.logs.shelf import MAX_FILE, UNREAD, Folder, Shelf, ShelfItem
from backends.logs.source import COVERS, Batch, Clock, Hole, Source, SourceConfig
from backends.model import AuditEvent
from backends.words import count

IN_A_ROW = 100
"""So many faults, one after the other, and it is the place that is in trouble and not a file."""
READ = "Let the console's user read it."
DIGESTS = "CloudTrail-Digest"
CHECK = "Look at the bucket's own log: somebody may have removed or changed it."


class CloudTrailShelf(Source):
    """What the two sources share."""

    delay: ClassVar[timedelta] = timedelta(minutes=15)
    """How late CloudTrail may deliver: "within about 5 minutes" on average (its FAQ)."""
    _faults = 0

    @abstractmethod
    def shelf(self) -> Shelf:
        """The place to read from. Raises ``BackendError``."""

    def read(self, places: Mapping[str, bytes], learned: Mapping[str, str]) -> Iterator[Batch]:
        """The events of every file that is new or was written anew, a batch for each file."""
        shelf = self.shelf()
        lanes = Lanes(places, self.delay)
        try:
            present: set[str] = set()
            digests: list[ShelfItem] = []
            self._faults = 0
            for item in shelf.items():
                before = places.get(item.name, b"").partition(b" ")[0]
                if item.name.endswith("/"):
                    if item.trouble or before == UNREAD.encode():
                        yield self._folder(item, lanes)
                    continue
                present.add(item.name)
                if DIGESTS in item.name:
                    digests.append(item)
                elif before != item.stamp.encode():
                    batch = self._file(shelf, item, lanes)
                    yield batch
                    if self._faults >= IN_A_ROW:
                        raise ServerFault(f"{self._faults} files in a row cannot be read", CHECK)
            for item in digests:
                if places.get(item.name, b"").partition(b" ")[0] != item.stamp.encode():
                    yield self._digest(shelf, item, present)
        finally:
            shelf.close()

    def _folder(self, item: ShelfItem, lanes: Lanes) -> Batch:
        """A folder that cannot be looked into is a hole; when it can be, the hole goes."""
        batch = Batch(item.name, item.stamp.encode())
        if item.trouble:
            since, until = lanes.bounds(item)
            what = f"the folder {_short(item.name.rstrip('/'))}: {item.trouble}"
            batch.holes.append(Hole("unreadable", what, READ, since, until))
        return batch

    def _file(self, shelf: Shelf, item: ShelfItem, lanes: Lanes) -> Batch:
        name = item.name
        batch = Batch(name, item.stamp.encode())
        since, until = lanes.bounds(item)
        try:
            found = cloudtrail.records(unpacked(name, shelf.get(name)))
        except (ValueError, RecursionError, *DAMAGED) as error:
            what = f"{_short(name)} is no whole log file ({type(error).__name__})"
            batch.holes.append(Hole("unreadable", what, CHECK, since, until))
            batch.bad = 1
            return batch
        except (AuthFailed, RateLimited, Unreachable):
            # That is so for every other file too; the next look goes on here.
            raise
        except BackendError as refusal:
            # It is tried again at each look, and the others are read.
            if isinstance(refusal, ServerFault | TimedOut):
                self._faults += 1
            batch.state = UNREAD.encode()
            kind = "missing" if isinstance(refusal, NotFound) else "unreadable"
            what = f"{_short(name)}: {refusal.message}"
            batch.holes.append(Hole(kind, what, refusal.hint or READ, since, until))
            return batch
        self._faults = 0
        clock = Clock()
        origin = f"CloudTrail {_short(name)}"
        batch.lines = len(found)
        for record in found:
            told = self._events(record, origin)
            if not told:
                batch.bad += 1
                continue
            clock.see(told[0].at)
            batch.events.extend(told)
        clock.give(batch)
        # The order within a file is none that CloudTrail promises.
        batch.back = timedelta(0)
        if batch.bad:
            # Where they belong is not known; in this file, at least.
            since = min(filter(None, (since, batch.first)), default=since)
            until = max(filter(None, (until, batch.last)), default=until)
            what = f"{count(batch.bad, 'record')} of {_short(name)}: none, or of no possible time"
            batch.holes.append(Hole("unreadable", what, CHECK, since, until))
        if batch.last is not None:
            batch.state += f" {batch.last.timestamp():.0f}".encode()
            lanes.see(name, batch.last)
        return batch

    def _events(self, record: Any, origin: str) -> tuple[AuditEvent, ...]:
        """What a record tells; nothing where it is none."""
        try:
            known = cloudtrail.known_of(record) if isinstance(record, dict) else None
            if known is None or not self.credible(known.at):
                return ()
            return cloudtrail.events_of(
                record, known, backend=self.backend, kind=cloudtrail.KIND, region="", origin=origin
            )
        except Exception:  # noqa: BLE001
            # A log may hold anything, and one record stops no other.
            return ()

    def _digest(self, shelf: Shelf, item: ShelfItem, present: set[str]) -> Batch:
        batch = Batch(item.name, item.stamp.encode())
        since, until = Lanes({}, self.delay).bounds(item)
        try:
            told = cloudtrail.digest(unpacked(item.name, shelf.get(item.name)))
        except (AuthFailed, RateLimited, Unreachable):
            raise
        except (ValueError, RecursionError, BackendError, *DAMAGED) as error:
            if isinstance(error, BackendError):
                batch.state = UNREAD.encode()
            what = f"{_short(item.name)} is no whole digest file"
            batch.holes.append(Hole("unreadable", what, CHECK, since, until))
            return batch
        for listed, wanted in told.files:
            here = _under(listed, present)
            if here is None:
                # It may only be late, as in a copy that is being made: looked for again.
                batch.state = UNREAD.encode()
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
        """The folder that the files lie in."""
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
        """The bucket that the files lie in."""
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
