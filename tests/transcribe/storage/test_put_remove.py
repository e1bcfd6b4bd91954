"""Files put from files, and removed: on disk and on S3 alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from s3_fixtures import BUCKET

from transcribe.errors import StorageError
from transcribe.storage.files import list_files, open_binary, put_file, remove
from transcribe.storage.s3 import S3Options


def check(folder: str, file: Path, s3: S3Options) -> None:
    for content in (b"first", b"x" * 9_000_000):  # on S3 in several parts
        file.write_bytes(content)
        put_file(f"{folder}/a/b", file, s3)
        with open_binary(f"{folder}/a/b", s3) as stream:
            assert stream.read() == content
    assert [one.uri for one in list_files(f"{folder}/a", s3)] == [f"{folder}/a/b"]
    for _ in range(2):
        remove(f"{folder}/a/b", s3)
    with pytest.raises(StorageError):
        open_binary(f"{folder}/a/b", s3)


def test_on_disk(tmp_path: Path):
    check(str(tmp_path), tmp_path / "source", S3Options())
    with pytest.raises(StorageError, match="io_error"):
        remove(str(tmp_path), S3Options())


@pytest.mark.s3
def test_on_s3(tmp_path: Path, s3_server: S3Options):
    check(f"s3://{BUCKET}/put", tmp_path / "source", s3_server)
