"""The environments that the benchmark's peers run in, made on first use and kept in a cache folder."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from systems import SYSTEMS

CONVERTER = Path(__file__).with_name("weights.py")
FREE_GB_LEFT = 2.0
OURS = ("av", "psutil", "pyspark", "faster-whisper", "ctranslate2", "numpy")
"""Packages that a peer gets in the versions that this project runs with."""

_TORCH = ("torch==2.13.0", "transformers==5.23.0", "safetensors")
_OPENAI = ("numba", "tiktoken", "more-itertools", "tqdm")
_DISTRIBATCH = ("distribatch[whisper,spark,audio]==0.1.0a1", "pandas<3", "pyspark")
REQUIREMENTS: dict[str, tuple[float, tuple[str, ...]]] = {
    "torch": (8.0, (*_TORCH, *_OPENAI, "av", "psutil", "numpy")),  # 2 GB where torch comes without CUDA
    "whisperx": (8.0, ("whisperx==3.8.6", "av", "psutil")),
    "distribatch": (2.0, (*_DISTRIBATCH, "faster-whisper", "ctranslate2", "psutil")),
}
"""Environment → gigabytes that it may take, and what is in it."""
WITHOUT_DEPENDENCIES = {"torch": ("openai-whisper==20250625",)}  # it asks for triton, which only CUDA needs


class Unavailable(Exception):
    """An environment cannot be made here; the message says why."""


def interpreter(system: str, cache: Path) -> Path:
    """Return the Python to run a system with; its environment is made if need be. Raises ``Unavailable``."""
    name = SYSTEMS[system].environment
    if not name:
        return Path(sys.executable)
    size_gb, wanted = REQUIREMENTS[name]
    pinned = [f"{p}=={importlib.metadata.version(p)}" if p in OURS else p for p in wanted]
    alone = WITHOUT_DEPENDENCIES.get(name, ())
    digest = hashlib.sha256(" ".join([*pinned, *alone]).encode()).hexdigest()[:8]
    folder = cache / f"{name}-{digest}"
    python, complete = folder / "bin" / "python", folder / ".complete"
    if complete.exists():
        return python
    cache.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(cache).free / 1e9
    if free_gb < size_gb + FREE_GB_LEFT:
        raise Unavailable(f"needs up to {size_gb:.0f} GB of disk, {free_gb:.0f} GB are free")
    print(f"making the environment of {name} (up to {size_gb:.0f} GB) …", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _call([*pip, *pinned])
    if alone:
        _call([*pip, "--no-deps", *alone])
    complete.touch()
    return python


def checkpoints(weights: Path, cache: Path) -> Path:
    """Return the folder of checkpoints converted from the folder ``weights``. Raises ``Unavailable``."""
    folder = cache / f"checkpoints-{weights.name}"
    if not (folder / ".complete").exists():
        _call([str(interpreter("transformers", cache)), str(CONVERTER), str(weights), str(folder)])
        (folder / ".complete").touch()
    return folder


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith("WARNING")]
        raise Unavailable(" | ".join(lines[-3:])[-400:] or f"exit code {done.returncode}")
