"""An evaluation: references × systems → rows, whoever transcribes; and what is told of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from transcribe.config import Config
from transcribe.errors import ConfigError, StorageError
from transcribe.evaluate import reference as references_of
from transcribe.evaluate.gate import Gate, gate
from transcribe.evaluate.prices import Prices
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.results import Results
from transcribe.evaluate.score import as_columns, score
from transcribe.evaluate.summary import as_text, summary
from transcribe.evaluate.systems import Answers, Measured, System, config_of, write_manifest
from transcribe.evaluate.word_error import normaliser
from transcribe.models.scope import Scope
from transcribe.redact import redact
from transcribe.storage.files import absolute, put_bytes, stat
from transcribe.storage.s3 import S3Options
from transcribe.tables import removed
from transcribe.types import Transcript

REGRESSIONS = "regressions.jsonl"
"""Below the evaluations' folder: references that every evaluation includes; triage adds to it."""

Run = Callable[[str, Config, str], tuple[Answers, Measured]]
"""(manifest, settings, folder for what is in the way) → answers and what they took."""


@dataclass(frozen=True)
class Asked:
    """What to evaluate, and how."""

    references: str
    output: str
    systems: Sequence[System]
    conf: Sequence[str | Path] = ()
    overrides: Sequence[str] = ()
    normaliser: str = "spelled"
    identify: bool = False  # leave language hints out
    baseline: str = ""  # a run to be held against
    baseline_system: str = ""  # of that run; empty: of the same name, or its only one


@dataclass(frozen=True)
class Evaluation:
    """What came of it; ``exit_code`` 1 if a system is worse than the baseline."""

    run_id: str
    uri: str  # of the JSON with all figures
    summary: dict[str, Any]
    gates: list[Gate]

    @property
    def exit_code(self) -> int:
        return 1 if any(not one.passed for one in self.gates) else 0

    def __str__(self) -> str:
        parts = [f"run {self.run_id}: {self.uri}", as_text(self.summary), *map(str, self.gates)]
        return "\n\n".join(parts)


def evaluate(asked: Asked, run: Run) -> Evaluation:
    """Each system on all references, and its rows into the tables below ``asked.output``.

    Raises ConfigError, before anything is transcribed, for a reference, system or baseline that is not there.
    """
    normalise = normaliser(asked.normaliser)
    configs = {system: config_of(system, asked.conf, asked.overrides) for system in asked.systems}
    if len({system.name for system in asked.systems}) < len(asked.systems):
        raise ConfigError("--system", [s.name for s in asked.systems], "name each system once")
    first = next(iter(configs.values()))
    s3 = S3Options.of(first.storage)
    prices = Prices.load(first.job.prices)
    results = Results(asked.output, s3)
    former = results.run(asked.baseline)[0] if asked.baseline else []
    baselines = [_baseline(former, system, asked.baseline_system) for system in asked.systems if former]
    scopes = [Scope.of(config, asked.output) for config in configs.values()]
    references = without_removed(all_references(asked.references, results.root, s3), results.root, s3)
    for scope in scopes:
        admit(scope, asked.references, references)
    started_at = datetime.now(timezone.utc)
    run_id = f"{started_at:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder = f"{results.root}/runs/{run_id}"
    manifest = write_manifest(references, f"{folder}/manifest.jsonl", s3, asked.identify)
    rows: list[dict[str, Any]] = []
    measured: list[dict[str, Any]] = []
    for number, (system, config) in enumerate(configs.items()):
        answers, took = run(manifest, config, f"{folder}/system-{number}")
        references = without_removed(references, results.root, s3)  # meanwhile
        head = {"run_id": run_id, "created_at": started_at, "system": system.name}
        for one in references:
            answer = answers[one.id]
            known = _known(one, answer.duration_s if isinstance(answer, Transcript) else None)
            rows.append(
                {**head, **known, "normaliser": asked.normaliser, **as_columns(score(one, answer, normalise))}
            )
        cost = {"cost": prices.cost(took.core_s, took.gpu_s), "currency": prices.currency}
        settings = json.dumps(redact(config.model_dump(mode="json")), sort_keys=True)
        measured.append({**head, "settings": settings, **vars(took), **cost})
    kept = {one.id for one in references}
    rows = [row for row in rows if row["recording_id"] in kept]
    results.add(run_id, rows, measured)
    found = summary(rows, measured)
    gates = [
        gate(baseline, [row for row in rows if row["system"] == system.name])
        for baseline, system in zip(baselines, asked.systems, strict=False)
    ]
    uri = f"{folder}/summary.json"
    told = {"run_id": run_id, "systems": found, "gates": [_gate_row(one) for one in gates]}
    put_bytes(uri, json.dumps(told, ensure_ascii=False, indent=1).encode(), s3)
    return Evaluation(run_id, uri, found, gates)


def admit(scope: Scope, source: str, references: Iterable[Reference]) -> None:
    """Raises ConfigError for a manifest or a recording in a place of another region than its own."""
    scope.admit_input(source, listed=False)
    for one in references:
        scope.admit(one.region or scope.config.job.region, one.place)


def all_references(source: str, root: str, s3: S3Options) -> list[Reference]:
    """Those asked for, and the regression set below ``root``; of one id that both have, the latter's.

    Raises ConfigError for two recordings of one id.
    """
    asked = references_of.load(source, s3)
    return list({one.id: one for one in [*asked, *_regressions(root, s3)]}.values())


def without_removed(references: Iterable[Reference], root: str, s3: S3Options) -> list[Reference]:
    """Return the references but for recordings that were removed from an output that ``root`` lies in."""
    gone = removed.at(absolute(root).rstrip("/"), s3)
    return [one for one in references if not gone.covers(one.id, one.place)]


def add_regression(root: str, reference: Reference, s3: S3Options) -> str:
    """Adds a reference to the regression set below ``root``, in the place of one with its id."""
    uri = f"{absolute(root).rstrip('/')}/{REGRESSIONS}"
    others = [one for one in _regressions(root, s3) if one.id != reference.id]
    kept = without_removed([*others, reference], root, s3)
    lines = [json.dumps(references_of.as_row(one), ensure_ascii=False) for one in kept]
    put_bytes(uri, "".join(f"{line}\n" for line in lines).encode(), s3)
    return uri


def _regressions(root: str, s3: S3Options) -> list[Reference]:
    uri = f"{absolute(root).rstrip('/')}/{REGRESSIONS}"
    try:
        stat(uri, s3)
    except StorageError as error:
        if error.error == "not_found":
            return []
        raise
    return references_of.load(uri, s3)


def _known(one: Reference, duration_s: float | None) -> dict[str, Any]:
    return {
        "recording_id": one.id,
        "uri": one.place,
        "language": None if one.speechless else one.language,
        **{name: getattr(one, name) for name in ("region", "service", "kind", "loose")},
        "duration_s": duration_s,
        "reference": one.whole_text or None,
    }


def _baseline(rows: list[dict[str, Any]], system: System, wanted: str) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(row["system"] for row in rows))
    name = wanted or (system.name if system.name in names or len(names) > 1 else names[0])
    if name not in names:
        raise ConfigError("--baseline-system", name, f"the baseline's run has: {', '.join(names)}")
    return [row for row in rows if row["system"] == name]


def _gate_row(one: Gate) -> dict[str, Any]:
    return {
        "baseline": one.baseline,
        "candidate": one.candidate,
        "passed": one.passed,
        "reasons": one.reasons,
    }
