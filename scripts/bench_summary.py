"""Measurements → medians and spreads, error rates, and what was left out, as plain data."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from bench_workloads import Workload
from compare import System, compare
from peers import Answer


@dataclass(frozen=True)
class Run:
    """One measurement: a fresh process, one system, one workload."""

    system: str
    workload: str
    repeat: int
    wall_s: float  # of the process, from its start to its end
    peak_rss_mb: float
    load_before: float  # the machine's load average when it began
    load_s: float  # of the model alone; 0 where Spark's workers load it
    start_s: float  # imports, session, model, one short clip
    work_s: float  # decoding the files and transcribing them
    cpu_s: float  # of all its processes during work_s
    texts: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def audio_s(self, workload: Workload) -> float:
        """Of the files that it has answered."""
        return sum(r.duration_s or 0.0 for r in workload.references if r.file in self.texts)


@dataclass(frozen=True)
class LeftOut:
    """What was not measured, and why."""

    system: str
    workload: str
    reason: str


def summarize(
    runs: list[Run], workloads: list[Workload], labels: list[str], left_out: list[LeftOut]
) -> dict[str, object]:
    """Per workload and system, in the given orders; the first system is the one that others are held to."""
    return {
        "workloads": {
            w.name: _workload(w, [r for r in runs if r.workload == w.name], labels) for w in workloads
        },
        "versions": {run.system: run.versions for run in runs},
        "left_out": [asdict(item) for item in left_out],
    }


def _workload(workload: Workload, runs: list[Run], labels: list[str]) -> dict[str, object]:
    by_system = {label: found for label in labels if (found := [r for r in runs if r.system == label])}
    systems = {label: _system(workload, found) for label, found in by_system.items()}
    errors = _errors(workload, {label: found[0] for label, found in by_system.items()})
    return {"n_files": len(workload.references), "audio_s": workload.audio_s, "systems": systems, **errors}


def _system(workload: Workload, runs: list[Run]) -> dict[str, object]:
    audio_s = runs[0].audio_s(workload)
    details = {name: statistics.median(r.details[name] for r in runs) for name in runs[0].details}
    n_chunks = details.get("n_chunks", 0)
    return {
        "n_runs": len(runs),
        "audio_s": audio_s,
        "rtfx": spread(audio_s / r.work_s for r in runs),
        "rtfx_with_start": spread(audio_s / r.wall_s for r in runs),
        "cpu_s_per_audio_h": spread(r.cpu_s / audio_s * 3600 if audio_s else 0.0 for r in runs),
        "peak_rss_mb": spread(r.peak_rss_mb for r in runs),
        "load_s": spread(r.load_s for r in runs),
        "start_s": spread(r.start_s for r in runs),
        "load_before": spread(r.load_before for r in runs),
        "repaired_share": details["n_repaired"] / n_chunks if n_chunks else None,
        "details": details,
        "same_text_each_time": all(r.texts == runs[0].texts for r in runs),
        "errors": runs[0].errors,
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    found = list(values)
    return {"median": statistics.median(found), "min": min(found), "max": max(found)}


def _errors(workload: Workload, first: dict[str, Run]) -> dict[str, object]:
    """Error rates over the files that every system answered, and words where nobody speaks."""
    if not first:
        return {"error_rates": {}, "n_scored": 0, "left_out": [], "invented": {}}
    systems = []
    for label, run in first.items():
        answers = {id_: Answer(text) for id_, text in run.texts.items()}
        answers |= {id_: Answer(error=error) for id_, error in run.errors.items()}
        systems.append(System(label, answers, {}, 0.0, 0.0, ""))
    found = compare(workload.references, systems, spell_numbers=True)
    return {name: found[name] for name in ("error_rates", "n_scored", "left_out", "invented")}
