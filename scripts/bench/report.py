"""The benchmark's measurements as Markdown tables, from ``runs.jsonl`` and the references alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from workloads import Workload

from transcribe.evaluate import timing
from transcribe.evaluate.reference import Reference
from transcribe.evaluate.score import Score, score
from transcribe.evaluate.word_error import ErrorCount, Normaliser, normaliser
from transcribe.types import Failure, Recording, Transcript, Utterance, Word

Run = dict[str, Any]
"""A line of ``runs.jsonl``."""

NOTES = """\
RTFx: audio seconds a second of decoding the files and transcribing them, median (least–most); "with start"
counts the whole process, with imports, Spark's session, model and one short clip. "first is": how many times
as fast as the row's system the first one is. CPU: seconds of all its processes an hour of audio, without
start-up. Memory: the most that all of them held. Error rates: over all files that every system answered.
"""


Scores = dict[str, dict[str, Score]]
"""system → file → score of its first run"""


def render(
    head: dict[str, str], workloads: Sequence[Workload], runs: Sequence[Run], left_out: list[Run]
) -> str:
    """Write the report. ``head``: what it ran on. The others are compared with the first run's system."""
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
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run["system"], run)
    plain, spelled = (
        {name: _scores(workload, run, normaliser(normaliser_name)) for name, run in first.items()}
        for normaliser_name in ("whisper", "spelled")
    )
    with_text = [one for one in workload.references if one.text]
    lost = [one.file for one in with_text if any(scores[one.file].error for scores in plain.values())]
    rates = _rates([one for one in with_text if one.file not in lost], plain, spelled)
    parts = [_markdown(_speed(workload, runs, rates)), _markdown(pd.DataFrame(rates))]
    if cells := _word_times(workload, first, plain):
        parts.append(_markdown(pd.DataFrame(timing.rows(cells))))
    notes = [f"- not scored, as not every system answered them: {', '.join(lost)}"] * bool(lost)
    notes += [line for name, run in first.items() for line in _notes(run, runs, plain[name])]
    return [*parts, *["\n".join(notes)] * bool(notes)]


def _scores(workload: Workload, run: Run, normalise: Normaliser) -> dict[str, Score]:
    return {one.file: score(one, _to_answer(one, run), normalise) for one in workload.references}


def _to_answer(reference: Reference, run: Run) -> Transcript | Failure:
    """Convert a worker's answer into one utterance, as ``transcribe.evaluate`` scores it."""
    id_, language = reference.file, reference.language
    if id_ not in run["texts"]:
        return Failure(id_, "transcribe", run["errors"].get(id_, "not answered"), "", "", False)
    text = run["texts"][id_]
    words = tuple(Word(word, start_s, end_s, 1.0) for start_s, end_s, word in run["words"].get(id_, ()))
    utterance = Utterance(0.0, 0.0, 0, "", language, text, 0.0, None, 0.0, "ok", words)
    recording = Recording(id_, str(reference.path), "", "bench", "2026-01-01")
    duration_s = reference.duration_s or 0.0
    return Transcript(recording, duration_s, 1, language, 1.0, "hint", text, (utterance,))


def _rates(scored: Sequence[Reference], plain: Scores, spelled: Scores) -> list[dict[str, Any]]:
    """Return a row a group of references: its tokens, and each system's error rates."""
    groups = {
        "over all": [one for one in scored if not one.loose],
        "exact references only": [one for one in scored if one.quality == "exact"],
        "loose, with free ends (in no other line)": [one for one in scored if one.loose],
    }
    for code in sorted({one.language for one in scored}):
        groups[code] = [one for one in groups["over all"] if one.language == code]
    rows = []
    for group, references in groups.items():
        if references:
            row: dict[str, Any] = {"error rate (numbers spelled out)": group}
            for name in plain:
                counts, other = (_count(by[name], references) for by in (plain, spelled))
                row |= {"tokens": counts.n_reference, name: f"{counts.rate:.4f} ({other.rate:.4f})"}
            rows.append(row)
    return rows


def _count(scores: dict[str, Score], references: Sequence[Reference]) -> ErrorCount:
    return sum((scores[one.file].words or ErrorCount() for one in references), ErrorCount())


def _word_times(workload: Workload, first: dict[str, Run], scores: Scores) -> timing.Cells:
    """Add up the time errors of each group of gold words, of systems that give word times."""
    cells: dict[str, dict[str, timing.TimeErrors]] = {}
    for one in workload.references:
        for name in [name for name, run in first.items() if one.word_times and run["words"].get(one.file)]:
            for group in timing.groups(one.word_times_source, one.language):
                cell = cells.setdefault(group, {})
                cell[name] = cell.get(name, timing.TimeErrors()) + scores[name][one.file].times
    return cells


def _speed(workload: Workload, runs: list[Run], rates: list[dict[str, Any]]) -> pd.DataFrame:
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
    table.insert(1, "first is", [f"{rtfx['median'].iloc[0] / m:.2f} ×" for m in rtfx["median"]])
    over_all = rates[0] if rates and "over all" in rates[0].values() else {}
    table["error rate"] = [over_all.get(name, "–").partition(" ")[0] for name in table.index]
    table["repaired"] = [
        f"{d['n_repaired'] / d['n_chunks']:.1%}" if d.get("n_chunks") else "–"
        for d in grouped["details"].first()
    ]
    renamed = table.rename(columns={"peak_rss_mb": "memory MB", "start_s": "start s"})
    return renamed.reset_index()  # type: ignore[no-any-return]


def _notes(run: Run, runs: list[Run], scores: dict[str, Score]) -> list[str]:
    lines, name = [], run["system"]
    if any(other["texts"] != run["texts"] for other in runs if other["system"] == name):
        lines.append(f"- {name}: the texts differ from run to run")
    if run["errors"]:
        reasons = "; ".join(f"{file}: {reason}" for file, reason in sorted(run["errors"].items()))
        lines.append(f"- {name}: {len(run['errors'])} files failed: {reasons}")
    if invented := {file: one.text for file, one in scores.items() if one.n_invented}:
        lines.append(f"- {name}: words where nobody speaks: {invented}")
    return lines


def _markdown(frame: pd.DataFrame) -> str:
    escaped = frame.map(lambda cell: cell.replace("|", "\\|") if isinstance(cell, str) else cell)
    return str(escaped.to_markdown(index=False, disable_numparse=True))
