"""The benchmark's measurements as Markdown tables, from ``runs.jsonl`` and the references alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from workloads import Workload

from transcribe.evaluate import timing
from transcribe.evaluate.compare import Answer, Comparison, compare

Run = dict[str, Any]
"""A line of ``runs.jsonl``."""

NOTES = """\
RTFx: audio seconds a second of decoding the files and transcribing them, median (least–most); "with start"
counts the whole process, with imports, Spark's session, model and one short clip. "first is": how many times
as fast as the row's system the first one is. CPU: seconds of all its processes an hour of audio, without
start-up. Memory: the most that all of them held. Error rates: over all files that every system answered.
"""


def render(
    head: dict[str, str], workloads: Sequence[Workload], runs: Sequence[Run], left_out: list[Run]
) -> str:
    """``head``: what it ran on. The first run's system is the one that others are held to."""
    parts = ["\n".join(f"{name}: {value}" for name, value in head.items() if value), NOTES]
    for workload in workloads:
        mine = [run for run in runs if run["workload"] == workload.name]
        parts.append(f"## {workload.name}: {len(workload.references)} files, {workload.audio_s / 60:.1f} min")
        parts += _workload(workload, mine) if mine else ["No system did it."]
    if left_out:
        parts += ["## Left out", _markdown(pd.DataFrame(left_out))]
    versions = {run["system"]: ", ".join(f"{k} {v}" for k, v in run["versions"].items()) for run in runs}
    parts += ["## Versions", _markdown(pd.DataFrame(versions.items(), columns=["system", "packages"]))]
    return "\n\n".join(parts) + "\n"


def _workload(workload: Workload, runs: list[Run]) -> list[str]:
    first = {run["system"]: run for run in reversed(runs)}  # of each system, its first repeat
    systems = list(dict.fromkeys(run["system"] for run in runs))
    answers = {
        name: {
            **{id_: Answer(error=error) for id_, error in first[name]["errors"].items()},
            **{
                id_: Answer(text, tuple(tuple(w) for w in first[name]["words"].get(id_, ())))
                for id_, text in first[name]["texts"].items()
            },
        }
        for name in systems
    }
    found = compare(workload.references, answers)
    spelled = compare(workload.references, answers, spell_numbers=True)
    parts = [_markdown(_speed(workload, runs, systems, found)), _markdown(_rates(found, spelled, systems))]
    if found.word_times:
        parts.append(_markdown(pd.DataFrame(timing.rows(found.word_times))))
    return [*parts, *_notes(found, runs, first)]


def _speed(workload: Workload, runs: list[Run], systems: list[str], found: Comparison) -> pd.DataFrame:
    seconds = {r.file: r.duration_s or 0.0 for r in workload.references}
    frame = pd.DataFrame(runs)
    frame["audio_s"] = [sum(seconds.get(id_, 0.0) for id_ in texts) for texts in frame["texts"]]
    frame["rtfx"] = frame["audio_s"] / frame["work_s"]
    frame["with start"] = frame["audio_s"] / frame["wall_s"]
    frame["CPU s/h"] = frame["cpu_s"] / frame["audio_s"] * 3600
    grouped = frame.groupby("system", sort=False)
    table = grouped[["with start", "CPU s/h", "peak_rss_mb", "start_s"]].median().round(1)
    rtfx = grouped["rtfx"].agg(["median", "min", "max"])
    table.insert(0, "RTFx", [f"{m:.1f} ({low:.1f}–{high:.1f})" for m, low, high in rtfx.to_numpy()])
    table.insert(1, "first is", [f"{rtfx['median'][systems[0]] / m:.2f} ×" for m in rtfx["median"]])
    rates = found.rates.get("over all", {})
    table["error rate"] = [f"{rates[name].rate:.4f}" if name in rates else "–" for name in table.index]
    table["repaired"] = [
        f"{d['n_repaired'] / d['n_chunks']:.1%}" if d.get("n_chunks") else "–"
        for d in grouped["details"].first()
    ]
    renamed: pd.DataFrame = table.rename(
        columns={"peak_rss_mb": "memory MB", "start_s": "start s"}
    ).reset_index()
    return renamed


def _rates(found: Comparison, spelled: Comparison, systems: list[str]) -> pd.DataFrame:
    rows = [
        {"error rate (numbers spelled out)": group, "tokens": cell[systems[0]].n_reference}
        | {name: f"{cell[name].rate:.4f} ({spelled.rates[group][name].rate:.4f})" for name in systems}
        for group, cell in found.rates.items()
    ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _notes(found: Comparison, runs: list[Run], first: dict[str, Run]) -> list[str]:
    lines = [f"- not scored, as not every system answered them: {', '.join(found.left_out)}"] * bool(
        found.left_out
    )
    for name, run in first.items():
        if any(other["texts"] != run["texts"] for other in runs if other["system"] == name):
            lines.append(f"- {name}: the texts differ from run to run")
        if run["errors"]:
            reasons = "; ".join(f"{file}: {reason}" for file, reason in sorted(run["errors"].items()))
            lines.append(f"- {name}: {len(run['errors'])} files failed: {reasons}")
        if found.invented.get(name):
            lines.append(f"- {name}: words where nobody speaks: {found.invented[name]}")
    return ["\n".join(lines)] * bool(lines)


def _markdown(frame: pd.DataFrame) -> str:
    escaped = frame.map(lambda cell: cell.replace("|", "\\|") if isinstance(cell, str) else cell)
    return str(escaped.to_markdown(index=False, disable_numparse=True))
