"""What a delivered folder holds, as ``manifest.json``: written last, so what it names is there."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transcribe.errors import StorageError
from transcribe.storage.files import open_binary, put_bytes
from transcribe.storage.s3 import S3Options

NAME = "manifest.json"
VERSION = 1
"""Raised when the same rows would make other files: then everything is delivered again."""


@dataclass(frozen=True)
class DeliveredFile:
    """A file of the folder, and what is in it."""

    path: str  # relative to the manifest
    format: str
    size_bytes: int
    sha256: str
    n_rows: int  # cues, lines or rows
    recording_id: str | None = None  # of a file that is one recording's

    @classmethod
    def of(
        cls, path: str, format: str, content: bytes | Path, n_rows: int, recording_id: str | None = None
    ) -> DeliveredFile:
        """``content``: the bytes, or a file that holds them."""
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as stream:
            digest, size_bytes = hashlib.sha256(), 0
            while block := stream.read(1 << 20):
                digest.update(block)
                size_bytes += len(block)
        return cls(path, format, size_bytes, digest.hexdigest(), n_rows, recording_id)


@dataclass(frozen=True)
class Manifest:
    """Of one service, region and date."""

    service: str
    region: str | None
    date: str
    formats: Mapping[str, Any]  # with their options
    recordings: Mapping[str, str]  # id → published_at of the row that was delivered
    failed: Mapping[str, str]  # id → error: will not come until its source or the settings change
    late: Mapping[str, str]  # id → why: may come yet
    files: tuple[DeliveredFile, ...] = ()
    run_ids: tuple[str, ...] = ()  # of the runs that published the rows
    table: str = ""
    table_version: int | None = None
    delivered_at: str = ""
    manifest_version: int = VERSION

    def same_content(self, other: Manifest) -> bool:
        """Would they name the same rows, made the same way?"""
        names = ("formats", "recordings", "failed", "late", "manifest_version")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def write(self, folder: str, s3: S3Options) -> None:
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        put_bytes(f"{folder}/{NAME}", f"{text}\n".encode(errors="backslashreplace"), s3)


def read(folder: str, s3: S3Options) -> Manifest | None:
    """The folder's; None if there is none, or none of this kind: all is delivered anew then."""
    try:
        with open_binary(f"{folder}/{NAME}", s3) as stream:
            found = json.loads(stream.read())
        files = tuple(DeliveredFile(**file) for file in found["files"])
        return Manifest(**{**found, "files": files, "run_ids": tuple(found["run_ids"])})
    except StorageError as error:
        if error.error != "not_found":
            raise
        return None
    except (ValueError, TypeError, KeyError):
        return None
