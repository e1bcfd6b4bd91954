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


@dataclass(frozen=True)
class _Prompt:
    path: Path
    language: str
    text: str
    duration_s: float


def make(name: str, folder: Path, sizes: Sizes, languages: list[str], manifest: Path | None) -> Workload:
    """Raises ``Unavailable`` when it cannot be made, ``ManifestError`` for an unusable manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "mixed":
        if manifest is None:
            raise Unavailable("no manifest of references given (--references)")
        return Workload(name, reference.load(manifest))
    if name == "silence":
        return Workload(name, [_quiet_line(folder / "silence.flac", sizes.silence_s)])
    if sizes.quick:
        found = {"clips": _clips()}
    else:
        found = {language: _prompts(folder / "packages", language) for language in languages}
    if name == "short":
        chosen = [prompt for prompts in found.values() for prompt in _spread(prompts, sizes.n_prompts)]
        return Workload(name, [_reference(p.path, p) for p in chosen])
    joined = _by_language(found["clips"]) if sizes.quick else found
    return Workload(name, [_joined(folder, prompts, sizes.long_s) for prompts in joined.values()])


def _reference(path: Path, prompt: _Prompt) -> Reference:
    return Reference(path, prompt.language, "read", prompt.text, "exact", duration_s=prompt.duration_s)


def _clips() -> list[_Prompt]:
    """The clips of the tests' data."""
    with (CLIPS / "speech.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [
        _Prompt(CLIPS / r["file"], r["language"], r["text"], soundfile.info(CLIPS / r["file"]).duration)
        for r in rows
    ]


def warm_up_clip() -> Path:
    """Some seconds of speech for what a process does only once."""
    return _clips()[0].path


def _by_language(prompts: list[_Prompt]) -> dict[str, list[_Prompt]]:
    return {code: [p for p in prompts if p.language == code] for code in {p.language for p in prompts}}


def _prompts(folder: Path, language: str) -> list[_Prompt]:
    """Prompts of a language with usable text and length, by name, copied to unique names."""
    root = _unpacked(folder, language)
    (sounds,) = (root / "usr/share/asterisk/sounds").glob(f"{language}_*")
    texts = root / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    found = []
    for name, text in _spoken(gzip.decompress(texts.read_bytes()).decode("utf-8-sig")):
        wav = sounds / f"{name}.wav"
        if not wav.is_file():
            continue
        duration_s = soundfile.info(wav).duration
        if PROMPT_S[0] <= duration_s <= PROMPT_S[1]:
            path = folder / f"{language}_{name.replace('/', '_')}.wav"
            if not path.exists():
                shutil.copyfile(wav, path)
            found.append(_Prompt(path, language, text, duration_s))
    return found


def _spoken(listing: str) -> Iterator[tuple[str, str]]:
    """(name, text) of the listing's lines whose text is all spoken, and only that."""
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


def _spread(prompts: list[_Prompt], n: int) -> list[_Prompt]:
    """``n`` of them, evenly over their names."""
    n = min(n, len(prompts))
    return [prompts[i * len(prompts) // n] for i in range(n)]


def _joined(folder: Path, prompts: list[_Prompt], long_s: float) -> Reference:
    """Prompts in a fixed random order, as many as fit into ``long_s``, at least one, in one recording."""
    order = sorted(prompts, key=lambda p: p.path.name)
    random.Random(7).shuffle(order)
    chosen: list[_Prompt] = []
    total_s = 0.0
    for prompt in order:
        total_s += prompt.duration_s + GAP_S
        if chosen and total_s > long_s:
            break
        chosen.append(prompt)
    rate = soundfile.info(chosen[0].path).samplerate
    parts = [part for p in chosen for part in (_read(p.path, rate), _noise(GAP_S, rate))]
    language = chosen[0].language
    return _written(
        folder / f"long_{language}_{long_s:.0f}s.wav", parts, rate, language, " ".join(p.text for p in chosen)
    )


def _quiet_line(path: Path, duration_s: float) -> Reference:
    """Noise at -80 dBFS with one English clip every ``QUIET_STEP_S``."""
    clips = [clip for clip in _clips() if clip.language == "en"]
    rate = soundfile.info(clips[0].path).samplerate
    parts: list[Samples] = []
    texts: list[str] = []
    total_s = 0.0
    while total_s < duration_s:
        clip = clips[len(texts) % len(clips)]
        parts += [_noise(min(QUIET_STEP_S, duration_s / 2), rate, seed=len(texts)), _read(clip.path, rate)]
        texts.append(clip.text)
        total_s = sum(map(len, parts)) / rate
    return _written(path.with_stem(f"silence_{duration_s:.0f}s"), parts, rate, "en", " ".join(texts))


def _written(path: Path, parts: list[Samples], rate: int, language: str, text: str) -> Reference:
    samples = np.concatenate(parts)
    if not path.exists():
        part = path.with_stem(f"{path.stem}.part")
        soundfile.write(part, samples, rate, subtype="PCM_16")
        part.replace(path)
    return Reference(path, language, "read", text, "exact", duration_s=len(samples) / rate)


def _read(path: Path, rate: int) -> Samples:
    samples: Samples
    samples, own_rate = soundfile.read(path, dtype="float32")
    if own_rate != rate:
        raise Unavailable(f"{path.name} has {own_rate} samples a second, the others {rate}")
    return samples


def _noise(duration_s: float, rate: int, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).normal(0, QUIET_LEVEL, round(duration_s * rate))
    return noise.astype(np.float32)
