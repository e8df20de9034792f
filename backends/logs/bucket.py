"""An S3 bucket to read from. Nothing but GET can leave through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from backends.aws_iam import faults
from backends.aws_iam.client import KeyPair
from backends.errors import NoIntent, ServerFault
from backends.logs.shelf import MAX_FILE, Shelf, ShelfItem
from backends.logs.source import SourceConfig

T = TypeVar("T")
TIMEOUT = 20
PAGE = 1000


class Bucket(Shelf):
    """The objects of one bucket below a prefix, in the order of their keys.

    Raises:
        BackendError: the credential has not the right form, or there is no such profile.
    """

    def __init__(self, config: SourceConfig) -> None:
        get = config.options.get
        pair = KeyPair(config.read, "read") if config.read is not None else None
        self._bucket = str(get("bucket"))
        self._prefix = str(get("prefix") or "")
        named: dict[str, Any] = (
            {}
            if pair is None
            else {
                "aws_access_key_id": pair.id,
                "aws_secret_access_key": pair.secret.reveal(),
                "aws_session_token": pair.token.reveal() if pair.token else None,
            }
        )
        self._client: Any = _told("client", lambda: self._made(config, named))
        self._client.meta.events.register_first("before-send.s3", _reads_only)

    def _made(self, config: SourceConfig, named: dict[str, Any]) -> Any:
        get = config.options.get
        profile = get("profile") if config.read is None else None
        make: Any = boto3.Session(profile_name=profile).client
        limits = Config(
            connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT,
            retries={"total_max_attempts": 4},
            s3={"addressing_style": "path"} if get("endpoint_url") else {},
        )
        return make(
            "s3",
            region_name=get("region"),
            endpoint_url=get("endpoint_url") or None,
            config=limits,
            **named,
        )

    def items(self) -> Iterator[ShelfItem]:
        """Every object below the prefix, page by page."""
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix}
        while True:
            page = _told(
                "ListObjectsV2", lambda: self._client.list_objects_v2(MaxKeys=PAGE, **arguments)
            )
            for item in page.get("Contents", ()):
                key = str(item["Key"])
                if ".json" in key:
                    stamp = f"{item.get('Size')}-{str(item.get('ETag')).strip(chr(34))}"
                    yield ShelfItem(key, stamp, item.get("LastModified"))
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def get(self, name: str) -> bytes:
        """An object's bytes, up to the largest that is read."""

        def fetch() -> bytes:
            body = self._client.get_object(Bucket=self._bucket, Key=name)["Body"]
            data: bytes = body.read(MAX_FILE + 1)
            return data

        data = _told("GetObject", fetch)
        if len(data) > MAX_FILE:
            raise ServerFault(f"{name} is too large to be a log file")
        return data

    def close(self) -> None:
        """Close the client."""
        self._client.close()


def _reads_only(request: AWSPreparedRequest, **_: Any) -> None:
    if request.method not in ("GET", "HEAD"):
        raise NoIntent(f"{request.method} to a bucket that is only read")


def _told(operation: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except (ClientError, BotoCoreError) as error:
        # The original's text may repeat the request, so it is not chained.
        raise faults.meaning(error, "s3", operation) from None
