"""Which settings are worth their cost: candidates on ever more references, the dominated ones dropped.

Successive halving: all candidates run on a few references, the best third of them on three times as many, and
so on to all. What is measured is written down at once, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transcribe.config import Config, load
from transcribe.errors import ConfigError, StorageError
from transcribe.evaluate.evaluation import without_removed
from transcribe.evaluate.reference import Reference, as_row
from transcribe.evaluate.score import score
from transcribe.evaluate.significance import paired
from transcribe.evaluate.systems import Answers, Measured, write_manifest
from transcribe.evaluate.word_error import NORMALISERS
from transcribe.storage.files import stat
from transcribe.storage.s3 import S3Options
from transcribe.types import Failure

SPACE: dict[str, tuple[Any, ...]] = {
    "decode.beam_size": (1, 2, 3, 5),
    "decode.batch_s": (120.0, 240.0),
    "chunk.max_s": (16.0, 22.0, 29.0),
    "engines.ctranslate2.context_margin_s": (1.0, 2.0, 3.0, 5.0),
    "vad.threshold": (0.35, 0.5),
    "vad.min_silence_ms": (160, 320),
    "guards.unsure_disagreement": (0.05, 0.1, 0.3),
    "decode.compute_type": ("auto", "float32"),
}
"""What is swept unless the caller names other settings; the first run is always the settings as they are."""

KEEP = 3
"""Of so many candidates one goes on, with so many times the references."""
MIN_REFERENCES = 8

Settings = Mapping[str, Any]
Run = Callable[[str, Config, str], tuple[Answers, Measured]]


@dataclass(frozen=True)
class Trial:
    """One candidate on the first ``n_references``; ``errors``: recording → (errors, words).

    A recording that failed has all its words wrong and is in ``failed``.
    """

    settings: dict[str, Any]
    n_references: int
    errors: dict[str, tuple[int, int]]
    core_s: float
    gpu_s: float
    audio_s: float
    failed: tuple[str, ...] = ()

    @property
    def wer(self) -> float:
        words = sum(n for _, n in self.errors.values())
        return sum(errors for errors, _ in self.errors.values()) / words if words else 0.0

    @property
    def cost(self) -> float:
        """Seconds of cores, or of GPUs where one was used, an audio second."""
        return (self.gpu_s or self.core_s) / self.audio_s if self.audio_s else float("inf")


def candidates(space: Mapping[str, Sequence[Any]], base: Config, n: int, seed: int) -> list[Settings]:
    """The base, then each value on its own, then random combinations; at most ``n``, only valid ones."""
    current = base.model_dump()
    known = {key: _value(current, key) for key in space}
    single = [{key: value} for key, values in space.items() for value in values if value != known[key]]
    combined = list(itertools.product(*space.values()))
    random.Random(seed).shuffle(combined)
    wanted: list[Settings] = [{}, *single]
    for values in itertools.islice(combined, 4 * n):
        wanted.append({k: v for k, v in zip(space, values, strict=True) if v != known[k]})
    unique = {json.dumps(one, sort_keys=True): one for one in wanted}.values()
    return list(itertools.islice((one for one in unique if _is_valid(base, one)), n))


def _value(settings: Mapping[str, Any], key: str) -> Any:
    for part in key.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            raise ConfigError("--sweep", key, "is no setting")
        settings = settings[part]
    return settings


def _is_valid(base: Config, settings: Settings) -> bool:
    try:
        applied(base, settings)
    except ConfigError:
        return False
    return True


def applied(base: Config, settings: Settings) -> Config:
    """Raises ConfigError for values that do not go together."""
    return load([], {**_flat(base.model_dump(mode="json", exclude_unset=True)), **settings})


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Only the sections of the pipeline are flat: keys of mappings with free names hold dots."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        is_section = isinstance(value, dict) and f"{prefix}{key}" not in ("audio.headerless", "spark")
        found.update(_flat(value, f"{prefix}{key}.") if is_section else {f"{prefix}{key}": value})
    return found


class Tuner:
    """Measures trials into ``folder/trials.jsonl``."""

    def __init__(
        self,
        references: Sequence[Reference],
        base: Config,
        folder: Path,
        run: Run,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        self._references = _mixed([r for r in references if r.text and not r.loose], seed)
        self._s3 = S3Options.of(base.storage)
        if not self._references:
            raise ConfigError("references", "", "none has a reference_text to score against")
        self._base, self._folder, self._run, self._say = base, folder, run, say
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "trials.jsonl"
        known = [[as_row(one), _version(one, self._s3)] for one in self._references]
        measured = [base.model_dump(mode="json"), known]
        self._identity = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()
        self.trials: list[Trial] = self._read()
        self._is_warm = False

    def sweep(self, wanted: Sequence[Settings], budget_s: float) -> bool:
        """Halve until all references are used; False if the budget ended before."""
        deadline_s = time.monotonic() + budget_s
        for n_references in rungs(len(self._references), len(wanted)):
            for settings in wanted:
                if self._find(settings, n_references) is None:
                    if time.monotonic() >= deadline_s:
                        return False
                    self._warm_up()
                    self._measure(settings, n_references)
            tried = [trial for one in wanted if (trial := self._find(one, n_references))]
            wanted = survivors(tried, max(1, len(wanted) // KEEP))
        return True

    @property
    def last(self) -> list[Trial]:
        """Trials of the largest number of references on which the base and others were measured."""
        by_size: dict[int, list[Trial]] = defaultdict(list)
        for trial in self.trials:
            by_size[trial.n_references].append(trial)
        whole = [
            size for size, some in by_size.items() if len(some) > 1 and any(not t.settings for t in some)
        ]
        return by_size[max(whole)] if whole else []

    def _find(self, settings: Settings, n_references: int) -> Trial | None:
        same = (t for t in self.trials if t.n_references == n_references and t.settings == dict(settings))
        return next(same, None)

    def _warm_up(self) -> None:
        """Once: what a process does only at first is no setting's cost."""
        if not self._is_warm:
            self._is_warm = True
            place = str(self._folder / "manifest-1.jsonl")
            manifest = write_manifest(self._references[:1], place, self._s3, identify=False)
            self._run(manifest, self._base, str(self._folder / "runs" / f"warm-up-{len(self.trials)}"))

    def _measure(self, settings: Settings, n_references: int) -> None:
        some = self._references[:n_references]
        place = str(self._folder / f"manifest-{n_references}.jsonl")
        manifest = write_manifest(some, place, self._s3, identify=False)
        answers, took = self._run(
            manifest, applied(self._base, settings), str(self._folder / "runs" / str(len(self.trials)))
        )
        errors: dict[str, tuple[int, int]] = {}
        for one in without_removed(some, str(self._folder), S3Options()):  # some may be removed meanwhile
            words = score(one, answers[one.id], NORMALISERS["spelled"]).words
            n_words = len(NORMALISERS["spelled"](one.text or "", one.language))
            errors[one.id] = (words.errors, words.n_reference) if words else (n_words, n_words)
        trial = Trial(
            dict(settings),
            n_references,
            errors,
            max(0.0, took.core_s - took.load_s),
            took.gpu_s,
            took.audio_s,
            tuple(one.id for one in some if isinstance(answers[one.id], Failure)),
        )
        self.trials.append(trial)
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"of": self._identity, **asdict(trial)}) + "\n")
        self._say(
            f"{n_references} references, {name_of(settings)}: WER {trial.wer:.4f}, cost {trial.cost:.4f}"
            + (f", {len(trial.failed)} failed" if trial.failed else "")
        )

    def _read(self) -> list[Trial]:
        """Return what was measured so far; a last line that was cut off is taken out of the file."""
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        whole, _, cut = text.rpartition("\n")
        if cut:
            self._log.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
        rows = [json.loads(line) for line in whole.split("\n") if line]
        rows = [row for row in rows if row.pop("of") == self._identity]
        for row in rows:
            row["failed"] = tuple(row["failed"])
            row["errors"] = {id_: tuple(pair) for id_, pair in row["errors"].items()}
        return [Trial(**row) for row in rows]


def _version(reference: Reference, s3: S3Options) -> str:
    """Return the version of a reference's file; "" if there is none: then it fails when it is transcribed."""
    try:
        return stat(reference.place, s3).version
    except StorageError:
        return ""


def _mixed(references: Sequence[Reference], seed: int) -> list[Reference]:
    """So that any beginning of the list holds all languages: one of each in turn."""
    of_language: dict[str, list[Reference]] = defaultdict(list)
    for one in references:
        of_language[one.language].append(one)
    rng = random.Random(seed)
    for some in of_language.values():
        rng.shuffle(some)
    rounds = itertools.zip_longest(*of_language.values())
    return [one for round_ in rounds for one in round_ if one is not None]


def rungs(n_references: int, n_candidates: int) -> list[int]:
    """Numbers of references, the last one all; as many rungs as it takes to have few candidates left."""
    sizes = [n_references]
    while n_candidates > KEEP and sizes[0] // KEEP >= MIN_REFERENCES:
        sizes.insert(0, sizes[0] // KEEP)
        n_candidates //= KEEP
    return sizes


def front(trials: Sequence[Trial]) -> list[Trial]:
    """Those that none beats in both error and cost, cheapest first."""
    kept: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (t.cost, t.wer)):
        if not kept or trial.wer < kept[-1].wer:
            kept.append(trial)
    return kept


def survivors(trials: Sequence[Trial], n: int) -> list[Settings]:
    """The base and the ``n`` best: the front first, then the front of the others, and so on."""
    left = [trial for trial in trials if trial.settings]
    chosen: list[Trial] = []
    while left and len(chosen) < n:
        best = front(left)
        chosen += best
        left = [trial for trial in left if trial not in best]
    return [{}, *(trial.settings for trial in chosen[:n])]


def recommended(trials: Sequence[Trial], cost_factor: float) -> dict[str, Trial]:
    """Goal → the trial that meets it best, the base if no other one does. Empty without a base."""
    base = next((trial for trial in trials if not trial.settings), None)
    if base is None:
        return {}
    no_worse = [t for t in trials if t.wer <= base.wer and _verdict(base, t) != "worse"]
    affordable = [t for t in trials if t.cost <= cost_factor * base.cost]
    return {
        "fastest at no worse WER": min(no_worse, key=lambda t: t.cost, default=base),
        f"best WER within {cost_factor:g} times the cost": min(
            affordable, key=lambda t: (t.wer, t.cost), default=base
        ),
    }


def _verdict(base: Trial, trial: Trial) -> str:
    ids = [id_ for id_ in base.errors if id_ in trial.errors]
    before, now = ([t.errors[id_][0] for id_ in ids] for t in (base, trial))
    return paired(before, now, [base.errors[id_][1] for id_ in ids]).verdict()


def name_of(settings: Settings) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items()) or "as configured"


def overlay(settings: Settings) -> dict[str, Any]:
    """As YAML for ``--conf`` nests it."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        into = nested
        for section in sections:
            into = into.setdefault(section, {})
        into[name] = value
    return nested
