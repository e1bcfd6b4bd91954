"""The environments that the benchmark's peers run in, made on first use and kept in a cache folder.

This project and faster-whisper run in the environment that the benchmark runs in. The other peers get one
a group, with the pinned versions below, so that what they ask for cannot clash.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

CONVERTER = Path(__file__).with_name("bench_weights.py")
FREE_GB_LEFT = 2.0


class Unavailable(Exception):
    """An environment cannot be made here; the message says why."""


@dataclass(frozen=True)
class Group:
    """Packages of one environment. ``own``: names that are pinned to this environment's versions."""

    packages: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    size_gb: float = 2.0

    def requirements(self) -> list[str]:
        return [*self.packages, *(f"{name}=={importlib.metadata.version(name)}" for name in self.own)]


GROUPS = {
    "torch": Group(
        (
            *("torch==2.13.0", "transformers==5.23.0", "safetensors"),
            *("numba", "tiktoken", "more-itertools", "tqdm"),
        ),
        without_dependencies=("openai-whisper==20250625",),  # it asks for triton, which only CUDA needs
        own=("av",),
        size_gb=8.0,  # 2 GB where torch comes without CUDA
    ),
    "whisperx": Group(("whisperx==3.8.6",), own=("av",), size_gb=8.0),
    "distribatch": Group(
        ("distribatch[whisper,spark,audio]==0.1.0a1", "pandas<3"),
        own=("pyspark", "faster-whisper", "ctranslate2"),
    ),
}
GROUP_OF = {
    "openai-whisper": "torch",
    "transformers": "torch",
    "whisperx": "whisperx",
    "distribatch": "distribatch",
    "distribatch-batched": "distribatch",
}
"""System → group; any other runs in this environment."""


def interpreter(system: str, cache: Path) -> Path:
    """The Python to run a system with; its environment is made if need be. Raises ``Unavailable``."""
    if system not in GROUP_OF:
        return Path(sys.executable)
    name = GROUP_OF[system]
    group = GROUPS[name]
    wanted = [*group.requirements(), *group.without_dependencies]
    folder = cache / f"{name}-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:8]}"
    python, complete = folder / "bin" / "python", folder / ".complete"
    if complete.exists():
        return python
    cache.mkdir(parents=True, exist_ok=True)
    free_gb = shutil.disk_usage(cache).free / 1e9
    if free_gb < group.size_gb + FREE_GB_LEFT:
        raise Unavailable(f"needs up to {group.size_gb:.0f} GB of disk, {free_gb:.0f} GB are free")
    print(f"making the environment of {name} (up to {group.size_gb:.0f} GB) …", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _call([*pip, *group.requirements()])
    if group.without_dependencies:
        _call([*pip, "--no-deps", *group.without_dependencies])
    complete.touch()
    return python


def checkpoints(weights: Path, cache: Path) -> Path:
    """The folder of the checkpoints made of the weights in folder ``weights``. Raises ``Unavailable``."""
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
