"""S3 through boto3: what ``files.py`` does for ``s3://bucket/key`` addresses.

Credentials come from boto3's own chain (environment, profile, role): this project never reads, keeps or
prints them. A botocore exception never leaves this module; it becomes a ``StorageError``.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from transcribe.errors import ConfigError, StorageError
from transcribe.job_config import StorageConfig

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
N_ATTEMPTS = 5
BLOCK_BYTES = 16 << 20
"""Of a large object, by a request."""
OUTAGE_S = 180
"""A store that does not answer is waited for so long, where nothing else is left to do."""

CODES = {
    **dict.fromkeys(("404", "NoSuchKey", "NoSuchBucket", "NotFound"), "not_found"),
    **dict.fromkeys(("401", "403", "AccessDenied", "Forbidden"), "access_denied"),
    **dict.fromkeys(("SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken"), "access_denied"),
    **dict.fromkeys(("412", "PreconditionFailed"), "changed"),
    **dict.fromkeys(("InvalidObjectState", "ObjectNotInActiveTierError"), "archived"),
    **dict.fromkeys(("500", "502", "503", "504", "SlowDown", "InternalError"), "unreachable"),
}
"""S3's error codes → ours; another one is an ``io_error``."""

FINAL = {"archived"}
"""Codes of what does not pass by itself: not tried again before the source has changed."""

NEXT_STEPS = {
    "not_found": "check the path; if the file was moved, plan it again from its new place",
    "access_denied": "check the credentials in the environment and the permissions of the file or bucket",
    "unreachable": "check the network and the S3 endpoint, then run again",
    "changed": "run again: the new bytes are planned as a new version",
    "unsupported": "use a local path or s3://bucket/key",
    "not_a_file": "take it off the list, or move it out of the folder",
    "link_to_folder": "list the folder by its own path",
    "archived": "restore it from the archive first, then run jobs.rerun --table failures for it",
    "io_error": "check the disk or the store, then run again",
}


@dataclass(frozen=True)
class S3Options:
    """Where S3 is. ``None``: what the environment says (AWS_ENDPOINT_URL…), else Amazon."""

    endpoint_url: str | None = None
    region: str | None = None

    @classmethod
    def of(cls, config: StorageConfig) -> S3Options:
        """What the settings say."""
        return cls(config.s3_endpoint_url, config.s3_region)

    def __post_init__(self) -> None:
        url = self.endpoint_url
        if url and "@" in url:
            raise ConfigError(
                "storage.s3_endpoint_url", "***", "put credentials in the environment, not in the URL"
            )
        if url and not url.startswith(("http://", "https://")):
            raise ConfigError("storage.s3_endpoint_url", url, "begin it with http:// or https://")

    @property
    def endpoint(self) -> str | None:
        """The endpoint's URL, from here or from the environment."""
        environment = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        return self.endpoint_url or environment


@dataclass(frozen=True)
class Stat:
    """``version`` changes when the bytes may have: etag-size on S3, size-mtime_ns locally."""

    uri: str
    size_bytes: int
    version: str
    modified_date: str = field(default="", compare=False)  # YYYY-MM-DD, UTC


@dataclass(frozen=True)
class Unusable:
    """An entry of a folder that is there, but no file that could be read, and why."""

    uri: str
    error: StorageError


def is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``; the key may be empty."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def storage_error(code: str, uri: str, message: str) -> StorageError:
    return StorageError(code, f"{uri}: {message}", NEXT_STEPS[code], retryable=code not in FINAL)


@contextmanager
def s3_errors(uri: str) -> Iterator[None]:
    """botocore's and boto3's exceptions become ``StorageError``."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions

    refused = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound)
    unreachable = (exceptions.ConnectionError, exceptions.HTTPClientError)
    try:
        yield
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise storage_error(CODES.get(code, "io_error"), uri, str(error)) from error
    except (*refused, exceptions.CredentialRetrievalError) as error:
        raise storage_error("access_denied", uri, str(error)) from error
    except unreachable as error:
        raise storage_error("unreachable", uri, str(error)) from error
    except (exceptions.BotoCoreError, Boto3Error) as error:
        raise storage_error("io_error", uri, str(error)) from error


@lru_cache(maxsize=8)
def client(options: S3Options) -> S3Client:
    """One client a process: making one costs 0.1 s, and it renews role credentials by itself."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": N_ATTEMPTS},
        s3={"addressing_style": "path" if options.endpoint else "auto"},
    )
    session = boto3.Session()  # the default session would keep the first credentials it ever saw
    return session.client("s3", endpoint_url=options.endpoint, region_name=options.region, config=config)


def stat(uri: str, options: S3Options) -> Stat:
    bucket, key = split(uri)
    with s3_errors(uri):
        head = client(options).head_object(Bucket=bucket, Key=key)
    found = version(head["ETag"], head["ContentLength"])
    return Stat(uri, head["ContentLength"], found, f"{head['LastModified']:%Y-%m-%d}")


def version(etag: str, size_bytes: int) -> str:
    return f"{etag.strip(chr(34))}-{size_bytes}"


def list_objects(uri: str, options: S3Options) -> Iterator[Stat]:
    """All objects whose key begins with that of ``uri``, by key, page after page."""
    bucket, prefix = split(uri)
    with s3_errors(uri):
        for page in client(options).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                found = version(item["ETag"], item["Size"])
                modified_date = f"{item['LastModified']:%Y-%m-%d}"
                yield Stat(f"s3://{bucket}/{item['Key']}", item["Size"], found, modified_date)


def download(uri: str, folder: Path, options: S3Options) -> tuple[Path, str]:
    """A whole copy in ``folder``, with the key's suffix, and the version that it is of."""
    bucket, key = split(uri)
    path = folder / f"object{Path(key).suffix}"
    with s3_errors(uri):
        client(options).download_file(bucket, key, str(path))
    found, size_bytes = stat(uri, options), path.stat().st_size
    if size_bytes != found.size_bytes:
        raise storage_error("changed", uri, f"{size_bytes} bytes came instead of {found.size_bytes}")
    return path, found.version


def download_on(uri: str, path: Path, options: S3Options) -> None:
    """An object into ``path``, by way of ``path.VERSION.part``: what is there of this version is not fetched
    again, what is there of another goes."""
    reader = RangeReader(uri, options)
    part = path.with_name(f"{path.name}.{reader.version}.part")
    for old in path.parent.glob(f"{path.name}.*.part"):
        if old != part:
            old.unlink()
    with part.open("ab") as out:
        reader.seek(out.tell())
        shutil.copyfileobj(reader, out, BLOCK_BYTES)
    part.rename(path)


def put(uri: str, data: bytes, options: S3Options) -> None:
    bucket, key = split(uri)
    with s3_errors(uri):
        client(options).put_object(Bucket=bucket, Key=key, Body=data)


def put_file(uri: str, file: Path, options: S3Options) -> None:
    bucket, key = split(uri)
    with s3_errors(uri):
        client(options).upload_file(str(file), bucket, key)


def remove(uri: str, options: S3Options) -> None:
    bucket, key = split(uri)
    with s3_errors(uri):
        client(options).delete_object(Bucket=bucket, Key=key)


def check_reachable(uri: str, options: S3Options) -> None:
    with s3_errors(uri):
        client(options).head_bucket(Bucket=split(uri)[0])


def check_writable(uri: str, options: S3Options) -> None:
    """Begins an upload and gives it up: no reader ever sees an object."""
    check_reachable(uri, options)  # not every server asks for its bucket when an upload begins
    bucket, key = split(f"{uri.rstrip('/')}/probe")
    with s3_errors(uri):
        upload = client(options).create_multipart_upload(Bucket=bucket, Key=key)
        client(options).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload["UploadId"])


class RangeReader(io.RawIOBase):
    """Reads by range requests, each bound to the version seen at the start (else ``changed``)."""

    def __init__(self, uri: str, options: S3Options) -> None:
        self._uri, self._client = uri, client(options)
        self._bucket, self._key = split(uri)
        with s3_errors(uri):
            head = self._client.head_object(Bucket=self._bucket, Key=self._key)
        self._size_bytes, self._etag, self._position = head["ContentLength"], head["ETag"], 0
        self.version = version(self._etag, self._size_bytes)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._size_bytes)
        if end <= self._position:
            return 0
        with s3_errors(self._uri):
            reply = self._client.get_object(
                Bucket=self._bucket,
                Key=self._key,
                Range=f"bytes={self._position}-{end - 1}",
                IfMatch=self._etag,
            )
            data = reply["Body"].read()
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
