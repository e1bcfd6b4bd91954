"""What a Delta table's log says: its versions, their live files and statistics; delta-rs behind one door."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from transcribe.errors import PublishError
from transcribe.storage.s3 import OUTAGE_S, S3Options, is_s3
from transcribe.tables.parquet import WrittenFile

READABLE_FEATURES = {"timestampNtz"}
"""Reader features that do not change which rows a file holds or what its columns are called."""


@dataclass(frozen=True)
class LiveFile:
    """A file of one version of a table. Statistics by column; those that nobody wrote are missing."""

    path: str  # relative to the table's folder
    partition_values: dict[str, str | None]
    size_bytes: int
    least: dict[str, Any]
    greatest: dict[str, Any]

    def may_hold(self, sorted_ids: Sequence[str]) -> bool:
        """False if the statistics on ``recording_id`` exclude that one of these is in the file."""
        least, greatest = self.least.get("recording_id"), self.greatest.get("recording_id")
        if least is None or greatest is None:
            return True
        first = bisect_left(sorted_ids, least)
        return first < len(sorted_ids) and bool(sorted_ids[first] <= greatest)

    def removal(self, data_change: bool = True) -> RemoveAction:
        return RemoveAction(self.path, data_change, now_ms(), self.size_bytes, self.partition_values)


def find(uri: str, s3: S3Options, version: int | None = None) -> DeltaTable | None:
    """The table's current (or that) version; None if there is no table.

    Raises ``PublishError`` if another writer has switched on features under which reading whole files
    would give wrong rows.
    """
    try:
        table = DeltaTable(uri, version=version, storage_options=storage_options(uri, s3))
    except TableNotFoundError:
        return None
    protocol = table.protocol()
    features = set(protocol.reader_features or []) - READABLE_FEATURES
    if protocol.min_reader_version == 2:
        features = {"columnMapping"}
    if features:
        raise PublishError(
            f"{uri}: another writer has switched on {', '.join(sorted(features))}, which is not supported;"
            " there, ALTER TABLE … DROP FEATURE takes it back"
        )
    return table


def live_files(table: DeltaTable) -> list[LiveFile]:
    """Every file of this version."""
    # delta-rs's file_uris() escapes the table's own folder, which names no file then
    return [
        LiveFile(
            unquote(action["path"]),
            action.get("partition") or {},
            action["size_bytes"],
            action.get("min") or {},
            action.get("max") or {},
        )
        for action in pa.table(table.get_add_actions()).to_pylist()
    ]


def addition(file: WrittenFile, data_change: bool = True) -> AddAction:
    return AddAction(file.path, file.size_bytes, file.partition_values, now_ms(), data_change, file.stats)


def now_ms() -> int:
    """Since 1970, UTC."""
    return int(time.time() * 1000)


def storage_options(uri: str, s3: S3Options) -> dict[str, str]:
    """Addresses only: delta-rs takes credentials from the environment, as boto3 and pyarrow do."""
    if not is_s3(uri):
        return {}
    options = {"aws_endpoint": s3.endpoint, "aws_region": s3.region, "aws_conditional_put": "etag"}
    options |= {"max_retries": str(OUTAGE_S), "retry_timeout": f"{OUTAGE_S}s"}
    if s3.endpoint and s3.endpoint.startswith("http://"):
        options["aws_allow_http"] = "true"
    return {name: value for name, value in options.items() if value}


@contextmanager
def publish_errors(uri: str) -> Iterator[None]:
    """What delta-rs, pyarrow and the disk raise becomes ``PublishError``, lost races apart."""
    try:
        yield
    except CommitFailedError:
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise PublishError(
            f"{uri}: {_one_line(error)}"
        ) from None  # the cause holds what _one_line leaves out


def _one_line(error: Exception) -> str:
    """delta-rs's tree of causes without colours and without S3's reply, which can echo a session token."""
    text = re.sub(r"\x1b\[\d*m|↳", "", str(error))
    code = re.search(r"<Code>(\w+)</Code>", text)
    text = re.sub(r"(<\?xml|<Error>).*", code[1] if code else "", text, flags=re.DOTALL)
    return " ".join(text.split())
