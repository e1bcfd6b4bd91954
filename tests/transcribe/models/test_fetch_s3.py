"""A model whose files lie on a real S3 server: where the settings say that it is, and resumed after a cut."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from s3_fixtures import BUCKET

from transcribe import config as configuration
from transcribe.errors import ModelError
from transcribe.models.cache import fetch
from transcribe.models.registry import ModelEntry, Registry
from transcribe.storage import s3
from transcribe.storage.files import put_bytes
from transcribe.storage.s3 import S3Options

pytest_plugins = ("s3_fixtures",)
pytestmark = pytest.mark.s3

CONTENT = {"model.bin": bytes(range(256)) * 400, "config.json": b"{}"}


@pytest.fixture
def prefix(s3_server: S3Options) -> str:
    """Holds the model."""
    top = f"s3://{BUCKET}/{uuid.uuid4()}/a model/"
    for name, data in CONTENT.items():
        put_bytes(top + name, data, s3_server)
    return top


def entry_at(prefix: str, server: S3Options, folder: Path, **files: bytes) -> ModelEntry:
    """As a night's registry gives it: only the settings say where the server is."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in (files or CONTENT).items()}
    entry: dict[str, Any] = {"engine": "fake", "revision": "1", "multilingual": True, "languages": None}
    entry |= {"licence": "MIT", "stage": "production", "files": hashes, "sources": [{"s3": prefix}]}
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({"default": "m", "routes": [], "models": {"m": entry}}))
    given = {"models": str(path), "language.model": "m", "storage.s3_region": server.region}
    config = configuration.load([], {**given, "storage.s3_endpoint_url": server.endpoint_url})
    return Registry.of(config).get("m")


def test_its_files_come_from_the_settings_server(prefix: str, s3_server: S3Options, tmp_path: Path) -> None:
    folder = fetch(entry_at(prefix, s3_server, tmp_path), tmp_path / "cache")
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in CONTENT}
    assert found == CONTENT
    assert {path.name for path in folder.iterdir()} == {*CONTENT, ".verified.json"}


def test_a_fetch_that_was_cut_off_goes_on(
    prefix: str, s3_server: S3Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "BLOCK_BYTES", 30_000)
    read, came = s3.RangeReader.readinto, []

    def cut_off(self: s3.RangeReader, buffer: bytearray) -> int:
        if sum(came) > 60_000:
            raise s3.storage_error("unreachable", prefix, "the line is cut")
        came.append(read(self, buffer))
        return came[-1]

    entry = entry_at(prefix, s3_server, tmp_path)
    monkeypatch.setattr(s3.RangeReader, "readinto", cut_off)
    with pytest.raises(ModelError, match="the line is cut"):
        fetch(entry, tmp_path / "cache")
    (part,) = (tmp_path / "cache").rglob("*.part")
    assert part.stat().st_size in (60_000, 90_000), "config.json may have come before"
    monkeypatch.setattr(s3.RangeReader, "readinto", lambda self, buffer: _count(read(self, buffer), came))
    folder = fetch(entry, tmp_path / "cache")
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert sum(came) == sum(map(len, CONTENT.values())), "no byte came twice"
    assert not list(folder.glob("*.part"))


def _count(n_bytes: int, came: list[int]) -> int:
    came.append(n_bytes)
    return n_bytes


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"model.bin": b"other weights", "config.json": b"{}"}, "model.bin has sha256"),
        ({**CONTENT, "tokenizer.json": b"{}"}, "tokenizer.json: .*Not Found"),
    ],
    ids=["wrong", "missing"],
)
def test_what_is_wrong_is_told(
    files: dict[str, bytes], told: str, prefix: str, s3_server: S3Options, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=told):
        fetch(entry_at(prefix, s3_server, tmp_path, **files), tmp_path / "cache")
