"""``python -m transcribe.models add``: an entry of the registry, from the checkpoint's own files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from transcribe.config import Config
from transcribe.engines.names import ENGINES, lacking_packages
from transcribe.errors import ConfigError, ModelError, StorageError
from transcribe.job_config import StorageConfig
from transcribe.layers import shipped
from transcribe.models import checkpoint
from transcribe.models.cache import sha256
from transcribe.models.checkpoint import Checkpoint
from transcribe.models.editing import dumped, flowing
from transcribe.models.registry import NAME, Registry
from transcribe.models.sources import FolderSource, HubSource, S3Source
from transcribe.storage.files import list_files
from transcribe.storage.s3 import S3Options, Stat

HUB = "hub:"
MAX_TRY_S = 900.0
"""Longest time that a second of noise may take; large models take a minute to load."""
SETTINGS = {"endpoint_url", "region"}
"""Of a source on S3: a night's own settings say them."""


@dataclass(frozen=True)
class Asked:
    """What the command is told. ``languages``: () for all that the checkpoint has; ``engine``: "" for the one
    that runs such files; ``revision``: "" for the hub's, else today's date."""

    name: str
    source: str  # a folder, s3://bucket/prefix/ or hub:OWNER/NAME@COMMIT
    licence: str
    languages: Sequence[str] = ()
    engine: str = ""
    revision: str = ""
    notes: str = ""


def add(config: Config, asked: Asked) -> Path:
    """The new file of the registry, which holds the entry: a candidate.

    Raises ``ConfigError`` or ``ModelError`` when there is no such model; then nothing is written.
    """
    registry = Registry.read(config)
    if not re.fullmatch(NAME, asked.name):
        raise ConfigError("NAME", asked.name, "begins with a letter or digit, then letters, digits and . _ -")
    if asked.name in registry.models:
        raise ConfigError("NAME", asked.name, "is in the registry already; choose another name")
    models = shipped(config.models)
    if not models.is_dir():
        raise ConfigError(
            "--models", str(models), "is a file; add needs a folder, where it writes one a model"
        )
    source, revision = _source(asked, config.storage)
    with tempfile.TemporaryDirectory() as scratch:
        files = checkpoint.wanted(_names(source))
        source.download(files, Path(scratch))
        found = checkpoint.inspect(Path(scratch))
        hashes = {name: sha256(Path(scratch) / name) for name in files}
        revision = asked.revision or revision or date.today().isoformat()
        entry = _entry(asked, found, hashes, source, revision)
        _try(asked.name, entry, Path(scratch))
    path = models / f"{asked.name}.yaml"
    if path.exists():
        raise ConfigError("NAME", asked.name, f"{path} is there already")
    try:
        path.write_text(f"# {asked.name}, from {source}.\n{dumped({'models': {asked.name: entry}})}", "utf-8")
        Registry.read(config)
    except OSError as error:
        raise ConfigError("--models", str(path), f"cannot be written: {error.strerror}") from error
    except ConfigError:
        path.unlink()
        raise
    return path


def _try(name: str, entry: dict[str, Any], folder: Path) -> None:
    """Let the model decode a second in a process of its own. Raises ModelError if it cannot.

    An engine that is not installed here, or that transcribes nothing by itself, is not tried.
    """
    kind = ENGINES.get(entry["engine"])
    if kind is None or not kind.transcribes or lacking_packages(kind):
        return
    text = json.dumps({**entry, "name": name}, default=str)
    command = [sys.executable, "-m", "transcribe.engines.smoke", str(folder), text]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAX_TRY_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{name}: a second of noise was not decoded within {MAX_TRY_S:.0f} s") from None
    if done.returncode < 0:
        raise ModelError(f"{name}: its process was ended by signal {-done.returncode} on a second of noise")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"{name} cannot decode a second of noise: {said}")


def _source(asked: Asked, storage: StorageConfig) -> tuple[HubSource | S3Source | FolderSource, str]:
    """And the revision that it says."""
    if asked.source.startswith(HUB):
        repository, _, revision = asked.source.removeprefix(HUB).partition("@")
        if not revision:
            raise ConfigError("FROM", asked.source, "write hub:OWNER/NAME@COMMIT: a commit never changes")
        return HubSource(hub=repository, revision=revision), revision
    if asked.source.startswith("s3://"):
        if not re.match("s3://[^/]+/", asked.source + "/"):
            raise ConfigError("FROM", asked.source, "names no bucket: write s3://BUCKET/PREFIX")
        return S3Source(s3=asked.source.rstrip("/") + "/").where(storage), ""
    return FolderSource(folder=Path(asked.source).resolve()), ""


def _names(source: HubSource | S3Source | FolderSource) -> list[str]:
    """The files that are there, without those in folders."""
    if isinstance(source, HubSource):
        from huggingface_hub import list_repo_files

        try:
            return [name for name in list_repo_files(source.hub, revision=source.revision) if "/" not in name]
        except Exception as error:  # whatever its client raises
            raise ModelError(f"{source}: {type(error).__name__}: {error}") from error
    top, options = (
        (source.s3, source.options) if isinstance(source, S3Source) else (f"{source.folder}/", S3Options())
    )
    try:
        places = [found.uri for found in list_files(top, options) if isinstance(found, Stat)]
    except StorageError as error:
        raise ModelError(f"{source}: {error}; {error.next_step}") from error
    return [place.removeprefix(top) for place in places if "/" not in place.removeprefix(top)]


def _entry(
    asked: Asked,
    found: Checkpoint,
    files: dict[str, str],
    source: HubSource | S3Source | FolderSource,
    revision: str,
) -> dict[str, Any]:
    languages = list(asked.languages) or (None if found.multilingual else ["en"])
    engine = asked.engine or found.engine
    if engine in ("audio_llm", "whisperx_align") and not asked.languages:
        raise ConfigError("--language", None, "its files do not say which languages it knows: name each")
    entry: dict[str, Any] = {
        "engine": engine,
        "revision": revision,
        "multilingual": found.multilingual and (languages is None or len(languages) > 1),
        "languages": languages,
        "licence": asked.licence,
        "stage": "candidate",
    }
    if languages is None and found.lacks:
        entry["lacks"] = list(found.lacks)
    if found.heads and engine == "seq2seq":
        entry["traits"] = {"heads": flowing(found.heads)}
    said = source.model_dump(mode="json", exclude=SETTINGS)
    added = {"date": date.today().isoformat(), "did": "added", "revision": revision, "reason": str(source)}
    more = {"files": files, "sources": [said], "history": [added]} | (
        {"notes": asked.notes} if asked.notes else {}
    )
    return entry | more
