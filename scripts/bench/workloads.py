"""What the benchmark transcribes: recordings with what is said in them, made once into a folder.

long     telephone prompts joined to one recording a language, 0.7 s apart
short    single telephone prompts, a fixed choice a language
mixed    a manifest of references of your own
silence  a long quiet line on which somebody speaks now and then

The prompts come from Debian's ``asterisk-core-sounds-*`` packages (people; 8 kHz; CC BY-SA), the voices
on the quiet line from the tests' data.
"""

from __future__ import annotations

import csv
import gzip
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from transcribe.evaluate import reference
from transcribe.evaluate.reference import Reference
from transcribe.types import Samples

CLIPS = Path(__file__).resolve().parents[1] / "clips"
NAMES = ("long", "short", "mixed", "silence")
PROMPT_S = (2.0, 15.0)
GAP_S = 0.7
QUIET_STEP_S = 75.0  # silence between two voices
QUIET_LEVEL = 1e-4  # -80 dBFS
_NOT_SPOKEN = frozenset("[](){}<>/*")


class Unavailable(Exception):
    """A workload cannot be made here; the message says why."""


@dataclass(frozen=True)
class Sizes:
    """How much of each. ``quick`` needs no download and takes seconds."""

    long_s: float = 360.0
    n_prompts: int = 60  # a language
    silence_s: float = 900.0
    quick: bool = False


@dataclass(frozen=True)
class Workload:
    name: str
    references: list[Reference]  # file names are unique

    @property
    def audio_s(self) -> float:
        return sum(r.duration_s or 0.0 for r in self.references)


def make(name: str, folder: Path, sizes: Sizes, languages: list[str], manifest: Path | None) -> Workload:
    """Raises ``Unavailable`` when it cannot be made, ``ManifestError`` for an unusable manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "mixed":
        if manifest is None:
            raise Unavailable("no manifest of references given (--references)")
        return Workload(name, reference.load(manifest))
    if name == "silence":
        return Workload(name, [_quiet_line(folder / "silence.flac", sizes.silence_s)])
    found = _clips() if sizes.quick else [one for code in languages for one in _prompts(folder, code)]
    by_language: dict[str, list[Reference]] = {}
    for one in found:
        by_language.setdefault(one.language, []).append(one)
    if name == "long":
        return Workload(name, [_joined(folder, some, sizes.long_s) for some in by_language.values()])
    groups = [found] if sizes.quick else by_language.values()
    return Workload(name, [one for some in groups for one in _spread(some, sizes.n_prompts)])


def _clips() -> list[Reference]:
    """Return the clips that this project's demo ships."""
    with (CLIPS / "speech.csv").open(newline="", encoding="utf-8") as stream:
        return [_spoken_in(CLIPS / r["file"], r["language"], r["text"]) for r in csv.DictReader(stream)]


def _spoken_in(path: Path, language: str, text: str) -> Reference:
    return Reference(path, language, "read", text, "exact", duration_s=soundfile.info(path).duration)


def warm_up_clip() -> Path:
    """Return some seconds of speech for what a process does only once."""
    return _clips()[0].path


def _prompts(folder: Path, language: str) -> list[Reference]:
    """Return a language's prompts with usable text and length, copied to unique names."""
    packages = folder / "packages"
    root = _unpacked(packages, language)
    (sounds,) = (root / "usr/share/asterisk/sounds").glob(f"{language}_*")
    texts = root / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    found = []
    for name, text in _spoken(gzip.decompress(texts.read_bytes()).decode("utf-8-sig")):
        wav, path = sounds / f"{name}.wav", packages / f"{language}_{name.replace('/', '_')}.wav"
        if wav.is_file() and PROMPT_S[0] <= soundfile.info(wav).duration <= PROMPT_S[1]:
            if not path.exists():
                shutil.copyfile(wav, path)
            found.append(_spoken_in(path, language, text))
    return found


def _spoken(listing: str) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of the listing's lines whose text is all spoken, and nothing else."""
    for line in listing.splitlines():
        name, colon, text = line.partition(":")
        name, text = name.strip(), text.strip()
        if colon and text and not name.startswith(";") and name not in text and not _NOT_SPOKEN & set(text):
            yield name, text


def _unpacked(folder: Path, language: str) -> Path:
    """The two packages of a language, fetched by apt and unpacked, not installed."""
    target = folder / language
    if (target / "usr").exists():
        return target
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise Unavailable(f"the prompts come from Debian packages, and {tool} is not here")
    download = folder / f"{language}.packages"
    download.mkdir(parents=True, exist_ok=True)
    packages = [f"asterisk-core-sounds-{language}{kind}" for kind in ("", "-wav")]
    _call(["apt-get", "download", *packages], download)
    fresh = folder / f"{language}.part"
    shutil.rmtree(fresh, ignore_errors=True)
    for package in sorted(download.glob("*.deb")):
        _call(["dpkg", "-x", str(package), str(fresh)], download)
    fresh.rename(target)
    return target


def _call(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")


def _spread(prompts: list[Reference], n: int) -> list[Reference]:
    """Return ``n`` of them, evenly over their names."""
    n = min(n, len(prompts))
    return [prompts[i * len(prompts) // n] for i in range(n)]


def _joined(folder: Path, prompts: list[Reference], long_s: float) -> Reference:
    """Join prompts in a fixed random order, as many as fit into ``long_s``, at least one."""
    order = sorted(prompts, key=lambda p: p.path.name)
    random.Random(7).shuffle(order)
    ends = np.cumsum([(p.duration_s or 0.0) + GAP_S for p in order])
    chosen = order[: max(1, int(np.sum(ends <= long_s)))]
    return _write(folder / f"long_{chosen[0].language}_{long_s:.0f}s.wav", [(p, GAP_S) for p in chosen])


def _quiet_line(path: Path, duration_s: float) -> Reference:
    """Make noise at -80 dBFS with one English clip every ``QUIET_STEP_S``."""
    clips = [clip for clip in _clips() if clip.language == "en"]
    step_s = min(QUIET_STEP_S, duration_s / 2)
    n, total_s = 0, 0.0
    while total_s < duration_s:
        total_s += step_s + (clips[n % len(clips)].duration_s or 0.0)
        n += 1
    turns = [(clips[i % len(clips)], step_s) for i in range(n)]
    return _write(path.with_stem(f"silence_{duration_s:.0f}s"), turns, quiet_first=True)


def _write(path: Path, turns: list[tuple[Reference, float]], quiet_first: bool = False) -> Reference:
    """Write recordings, each with so many seconds of noise after (or before) it, to one file."""
    if not path.exists():
        rate = soundfile.info(turns[0][0].path).samplerate
        parts: list[Samples] = []
        for i, (one, quiet_s) in enumerate(turns):
            samples, own_rate = soundfile.read(one.path, dtype="float32")
            if own_rate != rate:
                raise Unavailable(f"{one.path.name} has {own_rate} samples a second, the others {rate}")
            noise = np.random.default_rng(i * quiet_first).normal(0, QUIET_LEVEL, round(quiet_s * rate))
            both = [samples, noise.astype(np.float32)]
            parts += reversed(both) if quiet_first else both
        part = path.with_stem(f"{path.stem}.part")
        soundfile.write(part, np.concatenate(parts), rate, subtype="PCM_16")
        part.replace(path)
    return _spoken_in(path, turns[0][0].language, " ".join(one.text or "" for one, _ in turns))
